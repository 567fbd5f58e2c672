import InventoryCore
import OrderCore

/// The fields of an answer to an event that did nothing: a record of `order.outcomes` that is no version of the order.
enum OrderAnswerFields {
    fileprivate static let word = "refused"

    static func isAnswer(_ object: JSONObject) throws(DecodingFailure) -> Bool {
        try object.text("outcome").elementsEqual(word.utf8)
    }

    static func answer(_ object: JSONObject) throws(DecodingFailure) -> OrderAnswer {
        OrderAnswer(
            orderID: try object.id("order_id"), eventID: try object.optionalID("event_id"),
            event: try object.word("event", OrderEventKind.self),
            reason: try object.word("reason", OrderRefusal.self), unreadable: try unreadable(object),
            at: try object.time("at"))
    }

    static func unreadable(_ object: JSONObject) throws(DecodingFailure) -> Unreadable? {
        guard let unreadable = try object.optionalObject("unreadable") else { return nil }
        return Unreadable(
            reason: String(decoding: try unreadable.text("reason"), as: UTF8.self),
            detail: String(decoding: try unreadable.text("detail"), as: UTF8.self))
    }

    /// What can be read of lines that cannot be read as a whole: of each SKU, the units; and whether that is all. Of more
    /// SKUs than an order may have, none is kept.
    fileprivate static func lines(_ object: JSONObject) -> (lines: [OrderEvent.Line], areAll: Bool) {
        guard let elements = try? object.objects("lines") else { return ([], false) }
        var lines: [OrderEvent.Line] = []
        var places: [ID: Int] = [:]
        var areAll = !elements.isEmpty
        for element in elements {
            guard let sku = try? OrderFields.sku(element),
                let quantity = try? element.integer("quantity", 1...Limits.quantity)
            else {
                areAll = false
                continue
            }
            if let known = places[sku] {
                lines[known].quantity += quantity
            } else if lines.count < OrderLimits.lines {
                places[sku] = lines.count
                lines.append(OrderEvent.Line(sku: sku, quantity: quantity))
            } else {
                return ([], false)
            }
        }
        return (lines, areAll)
    }

    /// Whose event it is: the record's key, unless the record says another.
    fileprivate static func orderID(_ object: JSONObject, key: UnsafeRawBufferPointer) -> ID? {
        if let text = try? object.text("order_id"), !key.elementsEqual(text) { return nil }
        return try? RecordReader.id(ofKey: key, "the key must be the id of an order")
    }
}

extension RecordReader {
    /// Reads an answer of `order.outcomes` to an event that did nothing; nil if the record is an outcome.
    package mutating func orderAnswer(
        _ value: UnsafeRawBufferPointer
    ) throws(DecodingFailure) -> OrderAnswer? {
        try read(value, limit: Self.recordBytes) { object throws(DecodingFailure) -> OrderAnswer? in
            try OrderAnswerFields.isAnswer(object) ? try OrderAnswerFields.answer(object) : nil
        }
    }

    /// Whose event it is that could not be read; nil where that cannot be told, and where it is not upstream's.
    package mutating func unreadableEvent(
        key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer?, at: Timestamp, _ failure: DecodingFailure
    ) -> UnreadableEvent? {
        try? read(value, limit: Limits.commandBytes) { object throws(DecodingFailure) -> UnreadableEvent? in
            guard let type = try? object.word("type", OrderEventKind.self), type != .reallocate,
                let orderID = OrderAnswerFields.orderID(object, key: key),
                !PartitionBook.isBook(orderID)
            else { return nil }
            let (lines, areAll) = type == .placed ? OrderAnswerFields.lines(object) : ([], false)
            return UnreadableEvent(
                id: try? object.id("event_id"), orderID: orderID, kind: type,
                at: at,
                why: Unreadable(reason: failure.reason.rawValue, detail: failure.detail), lines: lines,
                hasAllLines: areAll)
        }
    }
}

extension JSONBuffer {
    /// Left out where there is none.
    mutating func unreadable(_ unreadable: Unreadable?) {
        guard let unreadable else { return }
        beginObject("unreadable")
        string("reason", unreadable.reason)
        string("detail", unreadable.detail)
        endElement()
    }
}

extension RecordWriter {
    /// An answer to an event that did nothing, for `order.outcomes`.
    package mutating func write(orderAnswer answer: OrderAnswer) {
        json.begin()
        json.string("order_id", answer.orderID)
        json.string("outcome", OrderAnswerFields.word)
        json.string("event_id", answer.eventID)
        json.string("event", answer.event.rawValue)
        json.string("reason", answer.reason.rawValue)
        json.unreadable(answer.unreadable)
        json.time("at", answer.at)
        json.end()
    }
}
