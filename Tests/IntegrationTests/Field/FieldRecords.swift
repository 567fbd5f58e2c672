/// Records of the topics, as anyone reads them who has the schemas alone.
enum FieldRecord {
    struct Allocation: Decodable {
        let warehouse: FieldName
        let quantity: Int64
    }

    /// Of `stock.results`: a result, or a notice.
    struct Answer: Decodable {
        let commandId: FieldName?
        let notice: String?
        let type: String?
        let sku: FieldName
        let outcome: String?
        let reason: String?
        let reservationId: FieldName?
        let quantity: Int64?
        let allocations: [Allocation]?
        let backordered: Int64?
        let reacquired: Bool?
        let refundRequired: Bool?
        let duplicate: Bool?

        /// Such as `rejected insufficient_stock`, or `reserved 4`.
        var shown: String {
            guard let outcome else { return notice ?? "" }
            switch outcome {
            case "rejected", "ignored": return "\(outcome) \(reason ?? "")"
            case "reserved", "partially_reserved", "backordered":
                return "\(outcome) \((quantity ?? 0) - (backordered ?? 0))"
                    + (backordered.map { " and \($0) backordered" } ?? "")
            default: return outcome + (reacquired == true ? " reacquired" : "")
            }
        }
    }

    struct Levels: Decodable {
        struct Level: Decodable {
            struct Channel: Decodable {
                let channel: FieldName
                let setApart: Int64
                let available: Int64
            }
            let warehouse: FieldName
            let onHand: Int64
            let reserved: Int64
            let available: Int64
            let safetyStock: Int64?
            let channels: [Channel]?
        }
        struct Settings: Decodable {
            let longestTtlMs: Int64
        }
        let sku: FieldName
        let levels: [Level]
        let backordered: Int64?
        let alert: String?
        let settings: Settings?
    }

    struct Entry: Decodable {
        let sku: FieldName
        let movement: String
        let orderId: FieldName?
        let reservationId: FieldName?
        let warehouse: FieldName?
        let quantity: Int64?
    }

    /// Of `order.outcomes`: a version of an order; or a refusal of an event, which has no version.
    struct Outcome: Decodable {
        struct Line: Decodable {
            let sku: FieldName
            let quantity: Int64
            let reserved: Int64?
            let backordered: Int64?
            let paid: Int64?
            let shipped: Int64?
            let refund: Int64?
            let allocations: [Allocation]?
            let shipments: [Allocation]?
            let reason: String?
        }
        let orderId: FieldName
        let version: Int64?
        let outcome: String?
        let final: Bool?
        let lines: [Line]?
        let eventId: FieldName?
        let reason: String?
        let unreadable: Unreadable?

        struct Unreadable: Decodable { let reason: String }

        func sum(_ path: KeyPath<Line, Int64?>) -> Int64 {
            (lines ?? []).reduce(0) { $0 + ($1[keyPath: path] ?? 0) }
        }
    }

    struct Alert: Decodable {
        let alert: String
        let sku: FieldName
        let warehouse: FieldName?
        let quantity: Int64?
    }

    struct Letter: Decodable {
        let reason: String?
        let detail: String?
        let topic: String
        let offset: Int64
        let keyBase64: String?
        let valueBase64: String?
        let redriven: Redriven?

        struct Redriven: Decodable { let offset: Int64 }
    }
}
