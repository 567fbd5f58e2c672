import InventoryCore
import OrderCore

/// A record of `orders`.
package enum OrderRecord: Equatable, Sendable {
    case event(OrderEvent)
    /// The coordinator's own word: the order is to be looked at, because its time has come.
    case due(orderID: ID)

    package var orderID: ID {
        switch self {
        case .event(let event): event.orderID
        case .due(let id): id
        }
    }
}

/// The words of the field `type` in `orders`.
private enum OrderEventType: String, CaseIterable {
    case placed = "order.placed"
    case paid = "order.paid"
    case cancelled = "order.cancelled"
    case changed = "order.changed"
    case shipped = "order.shipped"
    case reallocate = "order.reallocate"
    case due = "order.due"
}

/// The fields of a record of `orders`.
enum OrderFields {
    static func record(
        _ object: JSONObject, at: Timestamp, offset: Int64
    ) throws(DecodingFailure) -> OrderRecord {
        let type = try object.word("type", OrderEventType.self)
        let orderID = try Self.orderID(object)
        let body: OrderEvent.Body
        switch type {
        case .due: return .due(orderID: orderID)
        case .placed: body = .placed(try placed(object))
        case .paid: body = .paid(try units(object))
        case .cancelled: body = .cancelled(try units(object))
        case .shipped: body = .shipped(try units(object, ofParcel: true))
        case .changed: body = .changed(try changed(object))
        case .reallocate: body = .reallocate(try ReallocationFields.reallocation(object))
        }
        return .event(
            OrderEvent(id: try object.id("event_id"), orderID: orderID, at: at, offset: offset, body: body))
    }

    static func orderID(_ object: JSONObject) throws(DecodingFailure) -> ID {
        let id = try object.id("order_id")
        guard id.count <= OrderLimits.idBytes else {
            throw DecodingFailure(
                .idTooLong,
                "order_id has \(id.count) bytes; at most \(OrderLimits.idBytes) are allowed here, because the "
                    + "order's reservations are named after it")
        }
        if PartitionBook.isBook(id) {
            throw DecodingFailure(
                .invalidID,
                "order_id begins with \(PartitionBook.prefix), which is kept for the partitions' own records")
        }
        return id
    }

    private static func placed(_ object: JSONObject) throws(DecodingFailure) -> OrderEvent.Placed {
        let lines = try lines(object, 1...Limits.quantity)
        if lines.isEmpty { throw DecodingFailure(.outOfRange, "lines is empty; 1 or more are needed") }
        let placed = OrderEvent.Placed(
            mode: try object.optionalWord("mode", OrderMode.self) ?? .allOrNothing, lines: lines,
            expiry: try expiry(object) ?? .standard,
            strategy: try object.optionalWord("strategy", Strategy.self),
            allowSplit: try object.optionalBoolean("allow_split") ?? true,
            channel: try object.optionalID("channel"), shipTo: try Shared.point("ship_to", object),
            deliverWithinHours: try object.optionalInteger("deliver_within_hours", Limits.deliveryHours))
        if placed.deliverWithinHours != nil && placed.shipTo == nil {
            throw DecodingFailure(.missingField, "deliver_within_hours needs ship_to, which is missing")
        }
        return placed
    }

    private static func changed(_ object: JSONObject) throws(DecodingFailure) -> OrderEvent.Changed {
        let changed = OrderEvent.Changed(
            lines: object.has("lines") ? try lines(object, 0...Limits.quantity) : [],
            expiry: try expiry(object))
        if changed.lines.isEmpty && changed.expiry == nil {
            throw DecodingFailure(.missingField, "lines, ttl_ms or expires_at is missing")
        }
        var skus: Set<ID> = []
        for line in changed.lines where !skus.insert(line.sku).inserted {
            throw DecodingFailure(
                .conflictingFields, "lines names \(line.sku) twice; a change gives its new quantity")
        }
        return changed
    }

    static func expiry(_ object: JSONObject) throws(DecodingFailure) -> Command.Expiry? {
        let ttl = try object.optionalInteger("ttl_ms", 1...Limits.longestTTL)
        let moment = try object.optionalTime("expires_at")
        switch (ttl, moment) {
        case (nil, nil): return nil
        case (let ttl?, nil): return .after(milliseconds: ttl)
        case (nil, let moment?): return .at(moment)
        case (.some, .some):
            throw DecodingFailure(.conflictingFields, "ttl_ms and expires_at exclude each other; give one")
        }
    }

    static func elements(_ object: JSONObject) throws(DecodingFailure) -> [JSONObject] {
        let elements = try object.objects("lines")
        guard elements.count <= OrderLimits.linesPerEvent else {
            throw DecodingFailure(
                .outOfRange,
                "lines has \(elements.count) elements; at most \(OrderLimits.linesPerEvent) are allowed")
        }
        for element in elements { try element.checkFields(limit: Limits.commandFields) }
        return elements
    }

    static func sku(_ object: JSONObject) throws(DecodingFailure) -> ID {
        let sku = try object.id("sku")
        if PartitionBook.isBook(sku) {
            throw DecodingFailure(
                .invalidID,
                "sku begins with \(PartitionBook.prefix), which is kept for the partitions' own books")
        }
        return sku
    }

    private static func lines(
        _ object: JSONObject, _ range: ClosedRange<Int64>
    ) throws(DecodingFailure) -> [OrderEvent.Line] {
        var lines: [OrderEvent.Line] = []
        for element in try elements(object) {
            let line = OrderEvent.Line(
                sku: try sku(element), quantity: try element.integer("quantity", range),
                warehouse: try element.optionalID("warehouse"))
            let others = lines.filter { $0.sku == line.sku }
            if others.contains(where: { $0.warehouse != line.warehouse }) {
                throw DecodingFailure(.conflictingFields, "lines of \(line.sku) name different warehouses")
            }
            guard others.reduce(line.quantity, { $0 + $1.quantity }) <= Limits.quantity else {
                throw DecodingFailure(
                    .outOfRange, "lines of \(line.sku) have more than \(Limits.quantity) units together")
            }
            lines.append(line)
        }
        return lines
    }

    /// None where the whole order is meant.
    ///
    /// - Parameter ofParcel: whether warehouses may be named; then a SKU may stand there once for each.
    private static func units(
        _ object: JSONObject, ofParcel: Bool = false
    ) throws(DecodingFailure) -> [LineUnits] {
        guard object.has("lines") else { return [] }
        var units: [LineUnits] = []
        for element in try elements(object) {
            let unit = LineUnits(
                sku: try sku(element), quantity: try element.optionalInteger("quantity", 1...Limits.quantity),
                warehouse: ofParcel ? try element.optionalID("warehouse") : nil)
            if unit.warehouse != nil, unit.quantity == nil {
                throw DecodingFailure(.missingField, "warehouse needs a quantity, which is missing")
            }
            let isTwice = units.contains { $0.sku == unit.sku && $0.warehouse == unit.warehouse }
            if isTwice { throw DecodingFailure(.conflictingFields, "lines names a SKU twice") }
            units.append(unit)
        }
        if units.isEmpty {
            throw DecodingFailure(.outOfRange, "lines is empty; leave it out for the whole order")
        }
        return units
    }

    /// None where the field is missing.
    static func allocations(
        _ name: StaticString, _ object: JSONObject
    ) throws(DecodingFailure) -> [Allocation] {
        var allocations: [Allocation] = []
        for element in try object.optionalObjects(name) {
            allocations.append(
                Allocation(
                    warehouse: try element.id("warehouse"),
                    quantity: try element.integer("quantity", 1 ... .max)))
        }
        return allocations
    }
}

extension JSONBuffer {
    /// The fields of an event, without an object around them.
    mutating func eventFields(_ event: OrderEvent) {
        string("event_id", event.id)
        let type: OrderEventType =
            switch event.body {
            case .placed: .placed
            case .paid: .paid
            case .cancelled: .cancelled
            case .changed: .changed
            case .shipped: .shipped
            case .reallocate: .reallocate
            }
        string("type", type.rawValue)
        string("order_id", event.orderID)
        switch event.body {
        case .placed(let placed):
            if placed.mode != .allOrNothing { string("mode", placed.mode.rawValue) }
            lines(placed.lines)
            orderExpiry(placed.expiry)
            string("strategy", placed.strategy?.rawValue)
            if !placed.allowSplit { boolean("allow_split", false) }
            string("channel", placed.channel)
            point("ship_to", placed.shipTo)
            integer("deliver_within_hours", placed.deliverWithinHours)
        case .changed(let changed):
            if !changed.lines.isEmpty { lines(changed.lines) }
            if let expiry = changed.expiry { orderExpiry(expiry) }
        case .reallocate(let proposal): reallocation(proposal)
        case .paid(let units), .cancelled(let units), .shipped(let units):
            if units.isEmpty { return }
            beginArray("lines")
            for unit in units {
                beginElement()
                string("sku", unit.sku)
                integer("quantity", unit.quantity)
                string("warehouse", unit.warehouse)
                endElement()
            }
            endArray()
        }
    }

    private mutating func lines(_ lines: [OrderEvent.Line]) {
        beginArray("lines")
        for line in lines {
            beginElement()
            string("sku", line.sku)
            integer("quantity", line.quantity)
            string("warehouse", line.warehouse)
            endElement()
        }
        endArray()
    }

    private mutating func orderExpiry(_ expiry: Command.Expiry) {
        switch expiry {
        case .standard: break
        case .after(let milliseconds): integer("ttl_ms", milliseconds)
        case .at(let moment): time("expires_at", moment)
        }
    }

    /// Left out where there are none.
    mutating func allocations(_ name: StaticString, _ allocations: [Allocation]) {
        if allocations.isEmpty { return }
        beginArray(name)
        for allocation in allocations {
            beginElement()
            string("warehouse", allocation.warehouse)
            integer("quantity", allocation.quantity)
            endElement()
        }
        endArray()
    }

    mutating func due(orderID: ID) {
        begin()
        string("type", OrderEventType.due.rawValue)
        string("order_id", orderID)
        end()
    }
}

extension RecordReader {
    /// Reads a record of `orders`.
    ///
    /// - Parameters: the time and the offset of the record.
    package mutating func orderRecord(
        key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?, at: Timestamp, offset: Int64
    ) throws(DecodingFailure) -> OrderRecord {
        let record = try read(value, limit: Limits.commandBytes) { object throws(DecodingFailure) in
            try object.checkFields(limit: Limits.commandFields)
            return try OrderFields.record(object, at: at, offset: offset)
        }
        guard let key, record.orderID.withBytes({ key.elementsEqual($0) }) else {
            throw DecodingFailure(.keyMismatch, "the record's key must be its order_id, byte for byte")
        }
        return record
    }

    /// Reads a record of `order.replies`: a result or a notice, as `stock.results` has them.
    package mutating func orderReply(_ value: UnsafeRawBufferPointer) throws(DecodingFailure) -> OrderReply {
        if let notice = try notice(value) { return .notice(notice) }
        return .result(try outcome(value).outcome)
    }

    /// Reads an outcome of `order.outcomes`; nil if the record is an answer to an event that did nothing.
    package mutating func orderOutcome(
        _ value: UnsafeRawBufferPointer
    ) throws(DecodingFailure) -> OrderOutcome? {
        try read(value, limit: Self.recordBytes) { object throws(DecodingFailure) -> OrderOutcome? in
            if try OrderAnswerFields.isAnswer(object) { return nil }
            var lines: [OrderOutcome.Line] = []
            for line in try object.objects("lines") {
                lines.append(
                    OrderOutcome.Line(
                        sku: try line.id("sku"), warehouse: try line.optionalID("warehouse"),
                        quantity: try line.integer("quantity", 0 ... .max),
                        reserved: try line.optionalInteger("reserved", 0 ... .max) ?? 0,
                        backordered: try line.optionalInteger("backordered", 0 ... .max) ?? 0,
                        allocations: try OrderFields.allocations("allocations", line),
                        paid: try line.optionalInteger("paid", 0 ... .max) ?? 0,
                        shipped: try line.optionalInteger("shipped", 0 ... .max) ?? 0,
                        shipments: try OrderFields.allocations("shipments", line),
                        refund: try line.optionalInteger("refund", 0 ... .max) ?? 0,
                        refundAdded: try line.optionalInteger("refund_added", 0 ... .max) ?? 0,
                        reason: try line.optionalWord("reason", Rejection.self)))
            }
            return OrderOutcome(
                orderID: try object.id("order_id"), version: try object.integer("version", 1 ... .max),
                kind: try object.word("outcome", OrderOutcomeKind.self), isFinal: try object.boolean("final"),
                mode: try object.word("mode", OrderMode.self),
                allowSplit: try object.optionalBoolean("allow_split") ?? true,
                shipTo: try Shared.point("ship_to", object),
                deliverWithinHours: try object.optionalInteger("deliver_within_hours", Limits.deliveryHours),
                lines: lines, unreadable: try OrderAnswerFields.unreadable(object),
                deadline: try object.time("expires_at"), at: try object.time("at"))
        }
    }
}

extension RecordWriter {
    /// An event, for `orders`.
    package mutating func write(event: OrderEvent) {
        json.begin()
        json.eventFields(event)
        json.end()
    }

    /// The word that an order is to be looked at, for `orders`.
    package mutating func write(dueOrder orderID: ID) { json.due(orderID: orderID) }

    /// An outcome, for `order.outcomes`.
    package mutating func write(orderOutcome outcome: OrderOutcome) {
        json.begin()
        json.string("order_id", outcome.orderID)
        json.integer("version", outcome.version)
        json.string("outcome", outcome.kind.rawValue)
        json.flag("final", outcome.isFinal)
        json.string("mode", outcome.mode.rawValue)
        if !outcome.allowSplit { json.boolean("allow_split", false) }
        json.point("ship_to", outcome.shipTo)
        json.integer("deliver_within_hours", outcome.deliverWithinHours)
        json.beginArray("lines")
        for line in outcome.lines {
            json.beginElement()
            json.string("sku", line.sku)
            json.string("warehouse", line.warehouse)
            json.integer("quantity", line.quantity)
            json.units("reserved", line.reserved)
            json.units("backordered", line.backordered)
            json.allocations("allocations", line.allocations)
            json.units("paid", line.paid)
            json.units("shipped", line.shipped)
            json.allocations("shipments", line.shipments)
            json.units("refund", line.refund)
            json.units("refund_added", line.refundAdded)
            json.string("reason", line.reason?.rawValue)
            json.endElement()
        }
        json.endArray()
        json.unreadable(outcome.unreadable)
        json.time("expires_at", outcome.deadline)
        json.time("at", outcome.at)
        json.end()
    }
}
