import InventoryCore
import OrderCore

/// Where a partition's coordinator reads on: the next offsets of its two inputs. The record of it in `order.state` has
/// the key `PartitionBook.sku`, which no order can have.
package struct OrderPlace: Equatable, Sendable {
    /// In `orders`.
    package var order: Int64
    /// In `order.replies`.
    package var reply: Int64

    package init(order: Int64, reply: Int64) {
        self.order = order
        self.reply = reply
    }

    /// The later of the two in each input.
    package static func max(_ one: OrderPlace, _ other: OrderPlace) -> OrderPlace {
        OrderPlace(order: Swift.max(one.order, other.order), reply: Swift.max(one.reply, other.reply))
    }
}

/// The words of the field `state` in `order.state`.
private enum OrderStateWord: String, CaseIterable {
    case unknown, busy, settled, ended
}

/// The fields of a record of `order.state`.
enum OrderStateFields {
    static func order(_ object: JSONObject) throws(DecodingFailure) -> Order {
        var order = Order(
            id: try object.id("order_id"),
            partition: Int32(truncatingIfNeeded: try object.integer("partition", 0...Int64(Int32.max))),
            phase: try phase(object))
        order.version = try object.optionalInteger("version", 0 ... .max) ?? 0
        order.mode = try object.optionalWord("mode", OrderMode.self) ?? .allOrNothing
        order.deadline = try object.optionalTime("expires_at") ?? order.deadline
        order.strategy = try object.optionalWord("strategy", Strategy.self)
        order.allowSplit = try object.optionalBoolean("allow_split") ?? true
        order.channel = try object.optionalID("channel")
        order.shipTo = try Shared.point("ship_to", object)
        order.deliverWithinHours = try object.optionalInteger("deliver_within_hours", Limits.deliveryHours)
        for element in try object.optionalObjects("lines") { order.lines.append(try line(element)) }
        order.securedUntil = try object.optionalTime("secured_until")
        if let deadline = try object.optionalTime("expires_at_before") {
            var asked: [Int64] = []
            for element in try object.optionalObjects("lines") {
                if let before = try element.optionalInteger("quantity_before", 0 ... .max) {
                    asked.append(before)
                }
            }
            order.before = Order.Before(asked: asked, deadline: deadline)
        }
        order.finalKind = try object.optionalWord("final_outcome", OrderOutcomeKind.self)
        order.unreadable = try OrderAnswerFields.unreadable(object)
        // States of before have lines without units where none could be read.
        let hasNone = order.unreadable != nil && order.lines.allSatisfy { $0.asked == 0 }
        order.hasUnreadLines = try object.boolean("unread_lines") || hasNone
        order.hasRefundedUnread = try object.boolean("refunded_unread")
        order.owesAnswer = try object.boolean("owes_answer")
        order.shippedTold = try object.optionalInteger("shipped_told", 0 ... .max) ?? 0
        order.hasLost = try object.boolean("has_lost")
        order.hasExpired = try object.boolean("has_expired")
        order.hasMoved = try object.boolean("has_moved")
        order.hasFilled = try object.boolean("has_filled")
        order.askedAt = try object.optionalTime("asked_at") ?? order.askedAt
        order.asks = Int(try object.optionalInteger("asks", 0 ... .max) ?? 0)
        order.isStuck = try object.boolean("stuck")
        for element in try object.optionalObjects("waiting") {
            let record = try OrderFields.record(
                element, at: try element.time("at"), offset: try element.integer("offset", 0 ... .max))
            if case .event(let event) = record { order.waiting.append(event) }
        }
        let contents = try hashes("remembered_contents", object)
        for (number, hash) in try hashes("remembered", object).enumerated() {
            order.remembered.append(
                Order.Remembered(id: hash, content: number < contents.count ? contents[number] : 0))
        }
        order.readEarlier(refundTold: try object.optionalInteger("refund_told", 0 ... .max) ?? 0)
        return order
    }

    private static func phase(_ object: JSONObject) throws(DecodingFailure) -> Order.Phase {
        switch try object.word("state", OrderStateWord.self) {
        case .unknown: .unknown(since: try object.time("since"))
        case .busy: .busy(try object.word("purpose", Order.Work.self))
        case .settled: .settled
        case .ended:
            .ended(try object.word("final_outcome", OrderOutcomeKind.self), at: try object.time("since"))
        }
    }

    private static func line(_ object: JSONObject) throws(DecodingFailure) -> Order.Line {
        var line = Order.Line(
            sku: try object.id("sku"), warehouse: try object.optionalID("warehouse"),
            asked: try object.integer("quantity", 0 ... .max))
        line.goal = try object.optionalInteger("goal", 0 ... .max) ?? 0
        line.paid = try object.optionalInteger("paid", 0 ... .max) ?? 0
        line.refund = try object.optionalInteger("refund", 0 ... .max) ?? 0
        line.refundTold = try object.optionalInteger("refund_told", 0 ... .max) ?? line.refund
        // Until there were parcels, orders knew how many units were to ship.
        let toShip = try object.optionalInteger("to_ship", 0 ... .max) ?? 0
        line.parcels = try object.optionalInteger("parcels", 0 ... .max) ?? toShip
        line.parcelsFrom = try OrderFields.allocations("parcels_from", object)
        line.offered = try object.optionalInteger("offered", 0 ... .max) ?? -1
        line.shipments = try OrderFields.allocations("shipments", object)
        line.refusal = try object.optionalWord("reason", Rejection.self)
        line.attempts = Int(try object.optionalInteger("attempts", 0 ... .max) ?? 0)
        for element in try object.optionalObjects("claims") { line.claims.append(try claim(element)) }
        return line
    }

    private static func claim(_ object: JSONObject) throws(DecodingFailure) -> Order.Claim {
        var claim = Order.Claim(attempt: Int(try object.integer("attempt", 1 ... .max)))
        claim.parts = try OrderFields.allocations("allocations", object)
        claim.partsBefore = try OrderFields.allocations("allocations_before", object)
        claim.backordered = try object.optionalInteger("backordered", 0 ... .max) ?? 0
        claim.expiresAt = try object.optionalTime("expires_at")
        claim.commands = Int(try object.integer("commands", 0 ... .max))
        claim.sequence = try object.optionalInteger("ledger_sequence", 0 ... .max) ?? 0
        for element in try object.optionalObjects("befell") {
            claim.befell.append(
                Order.Befallen(
                    sequence: try element.integer("ledger_sequence", 1 ... .max),
                    quantity: try element.integer("quantity", 1 ... .max),
                    formerly: try element.optionalID("formerly"),
                    warehouse: try element.optionalID("warehouse")))
        }
        claim.pending = try pending("pending", object)
        claim.doubt = try pending("doubt", object)
        return claim
    }

    private static func pending(
        _ name: StaticString, _ object: JSONObject
    ) throws(DecodingFailure) -> Order.Pending? {
        guard let object = try object.optionalObject(name) else { return nil }
        return Order.Pending(
            try object.word("type", Order.Pending.Verb.self),
            quantity: try object.optionalInteger("quantity", 1 ... .max),
            warehouse: try object.optionalID("warehouse"), expiresAt: try object.optionalTime("expires_at"),
            allocations: try OrderFields.allocations("allocations", object),
            issuedAt: try object.optionalTime("issued_at"))
    }

    /// 16 hexadecimal digits each, one after another.
    private static func hashes(
        _ name: StaticString, _ object: JSONObject
    ) throws(DecodingFailure) -> [UInt64] {
        guard object.has(name) else { return [] }
        let digits = try object.text(name)
        var hashes: [UInt64] = []
        for start in stride(from: 0, to: digits.count, by: 16) {
            let piece = UnsafeRawBufferPointer(rebasing: digits[start..<min(start + 16, digits.count)])
            guard piece.count == 16, let hash = UInt64(String(decoding: piece, as: UTF8.self), radix: 16)
            else {
                throw DecodingFailure(.wrongType, "\(name) must be hexadecimal digits, 16 an event")
            }
            hashes.append(hash)
        }
        return hashes
    }
}

extension JSONBuffer {
    fileprivate mutating func orderState(_ order: Order) {
        begin()
        string("order_id", order.id)
        integer("partition", Int64(order.partition))
        switch order.phase {
        case .unknown(let since):
            string("state", OrderStateWord.unknown.rawValue)
            time("since", since)
        case .busy(let work):
            string("state", OrderStateWord.busy.rawValue)
            string("purpose", work.rawValue)
        case .settled: string("state", OrderStateWord.settled.rawValue)
        case .ended(_, let at):
            string("state", OrderStateWord.ended.rawValue)
            time("since", at)
        case .forgotten: preconditionFailure("order \(order.id) is forgotten, and has a tombstone")
        }
        string("final_outcome", order.finalKind?.rawValue)
        flag("stuck", order.isStuck)
        units("version", order.version)
        unreadable(order.unreadable)
        flag("unread_lines", order.hasUnreadLines)
        flag("refunded_unread", order.hasRefundedUnread)
        if !order.lines.isEmpty || order.unreadable != nil { placedFields(order) }
        if order.askedAt.milliseconds > 0 { time("asked_at", order.askedAt) }
        units("asks", Int64(order.asks))
        if !order.waiting.isEmpty {
            beginArray("waiting")
            for event in order.waiting {
                beginElement()
                eventFields(event)
                time("at", event.at)
                integer("offset", event.offset)
                endElement()
            }
            endArray()
        }
        hashes("remembered", order.remembered.map(\.id))
        if order.remembered.contains(where: { $0.content != 0 }) {
            hashes("remembered_contents", order.remembered.map(\.content))
        }
        end()
    }

    private mutating func hashes(_ name: StaticString, _ hashes: [UInt64]) {
        let digits = hashes.map { hash in
            let text = String(hash, radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }
        if !digits.isEmpty { string(name, digits.joined()) }
    }

    private mutating func placedFields(_ order: Order) {
        string("mode", order.mode.rawValue)
        time("expires_at", order.deadline)
        string("strategy", order.strategy?.rawValue)
        if !order.allowSplit { boolean("allow_split", false) }
        string("channel", order.channel)
        point("ship_to", order.shipTo)
        integer("deliver_within_hours", order.deliverWithinHours)
        time("secured_until", order.securedUntil)
        time("expires_at_before", order.before?.deadline)
        units("shipped_told", order.shippedTold)
        flag("owes_answer", order.owesAnswer)
        flag("has_lost", order.hasLost)
        flag("has_expired", order.hasExpired)
        flag("has_moved", order.hasMoved)
        flag("has_filled", order.hasFilled)
        beginArray("lines")
        for (number, line) in order.lines.enumerated() {
            let asked = order.before?.asked ?? []
            orderLine(line, before: number < asked.count ? asked[number] : nil)
        }
        endArray()
    }

    private mutating func orderLine(_ line: Order.Line, before: Int64?) {
        beginElement()
        string("sku", line.sku)
        string("warehouse", line.warehouse)
        integer("quantity", line.asked)
        integer("quantity_before", before)
        units("goal", line.goal)
        units("paid", line.paid)
        units("refund", line.refund)
        if line.refundTold != line.refund { integer("refund_told", line.refundTold) }
        integer("offered", line.offered)
        units("parcels", line.parcels)
        allocations("parcels_from", line.parcelsFrom)
        allocations("shipments", line.shipments)
        string("reason", line.refusal?.rawValue)
        units("attempts", Int64(line.attempts))
        if !line.claims.isEmpty {
            beginArray("claims")
            for claim in line.claims { orderClaim(claim) }
            endArray()
        }
        endElement()
    }

    private mutating func orderClaim(_ claim: Order.Claim) {
        beginElement()
        integer("attempt", Int64(claim.attempt))
        allocations("allocations", claim.parts)
        allocations("allocations_before", claim.partsBefore)
        units("backordered", claim.backordered)
        time("expires_at", claim.expiresAt)
        integer("commands", Int64(claim.commands))
        units("ledger_sequence", claim.sequence)
        if !claim.befell.isEmpty {
            beginArray("befell")
            for units in claim.befell {
                beginElement()
                integer("ledger_sequence", units.sequence)
                integer("quantity", units.quantity)
                string("formerly", units.formerly)
                string("warehouse", units.warehouse)
                endElement()
            }
            endArray()
        }
        pending("pending", claim.pending)
        pending("doubt", claim.doubt)
        endElement()
    }

    private mutating func pending(_ name: StaticString, _ pending: Order.Pending?) {
        guard let pending else { return }
        beginObject(name)
        string("type", pending.verb.rawValue)
        integer("quantity", pending.quantity)
        string("warehouse", pending.warehouse)
        time("expires_at", pending.expiresAt)
        allocations("allocations", pending.allocations)
        time("issued_at", pending.issuedAt)
        endElement()
    }
}

extension Order {
    /// Makes the books of an order that was written by a version which told the refund of all lines together, and kept
    /// nothing of what the order was told to have.
    fileprivate mutating func readEarlier(refundTold: Int64) {
        guard lines.contains(where: { $0.offered < 0 }) else { return }
        var isEnded = false
        if case .ended = phase { isEnded = true }
        var left = refundTold
        for line in lines.indices {
            let books = lines[line]
            let missing = max(0, books.paid - books.shipped - books.held)
            let told = isEnded ? missing : min(left, missing)
            left -= min(left, told)
            (lines[line].refund, lines[line].refundTold) = (told, told)
            lines[line].offered = isEnded ? max(0, books.asked - books.paid) : lines[line].unpaid
            // What is not told yet is told with the next record of the order.
            if told < missing, phase == .settled { hasLost = true }
        }
    }
}

extension RecordReader {
    /// Reads a record of `order.state` that is no tombstone.
    package mutating func order(_ value: UnsafeRawBufferPointer) throws(DecodingFailure) -> Order {
        try read(value, limit: Self.recordBytes) { object throws(DecodingFailure) in
            try OrderStateFields.order(object)
        }
    }

    /// Reads the record of `order.state` that says where the partition's coordinator reads on; nil if it says that not.
    package mutating func orderPlace(_ value: UnsafeRawBufferPointer) throws(DecodingFailure) -> OrderPlace? {
        try read(value, limit: Self.recordBytes) { object throws(DecodingFailure) -> OrderPlace? in
            guard object.has("next_order") || object.has("next_reply") else { return nil }
            return OrderPlace(
                order: try object.integer("next_order", 0 ... .max),
                reply: try object.integer("next_reply", 0 ... .max))
        }
    }
}

extension RecordWriter {
    /// An order, for `order.state`.
    package mutating func write(order: Order) { json.orderState(order) }

    /// Where the coordinator of a partition reads on, for `order.state`.
    package mutating func write(orderPlace place: OrderPlace, partition: Int32) {
        json.begin()
        json.integer("partition", Int64(partition))
        json.integer("next_order", place.order)
        json.integer("next_reply", place.reply)
        json.end()
    }
}
