import InventoryCore

/// How large the records of an order may become. Each bound is of what JSON takes at most: names of fields, numbers of
/// 19 digits, and the ids with their escapes.
extension Order {
    /// At most so many bytes has the order's record in `order.state`, or in `order.outcomes`.
    package var encodedBytes: Int {
        // What it remembers of events, and the fields that each order has once.
        var bytes = 4_000 + 34 * OrderLimits.rememberedEvents
        for line in lines { bytes += line.encodedBytes }
        for event in waiting { bytes += event.encodedBytes }
        return bytes
    }

    /// Whether the order's records stay within their bound if so much is added.
    func hasRoom(for bytes: Int) -> Bool { encodedBytes + bytes <= OrderLimits.recordBytes }

    /// Whether an event that adds to the order leaves its records within their bound. A payment and a cancellation add
    /// nothing.
    func hasRoom(for event: OrderEvent) -> Bool {
        switch event.body {
        case .placed, .paid, .cancelled: true
        case .changed, .shipped, .reallocate: hasRoom(for: event.encodedBytes)
        }
    }
}

extension Order.Line {
    fileprivate var encodedBytes: Int {
        var bytes =
            500 + sku.encodedBytes + warehouse.encodedBytes + parcelsFrom.encodedBytes
            + shipments.encodedBytes
        for claim in claims { bytes += claim.encodedBytes }
        return bytes
    }
}

extension Order.Claim {
    fileprivate var encodedBytes: Int {
        var bytes = 250 + parts.encodedBytes + partsBefore.encodedBytes
        for units in befell { bytes += 110 + units.formerly.encodedBytes + units.warehouse.encodedBytes }
        for pending in [pending, doubt] {
            guard let pending else { continue }
            bytes += 200 + pending.warehouse.encodedBytes + pending.allocations.encodedBytes
        }
        return bytes
    }
}

extension OrderEvent {
    /// At most so many bytes an event has, or adds to its order: a line of it may begin a claim.
    package var encodedBytes: Int {
        var bytes = 600 + id.encodedBytes + orderID.encodedBytes
        switch body {
        case .placed(let placed):
            bytes += placed.channel.encodedBytes
            for line in placed.lines { bytes += line.encodedBytes }
        case .changed(let changed):
            for line in changed.lines { bytes += line.encodedBytes }
        case .paid(let units), .cancelled(let units), .shipped(let units):
            for unit in units { bytes += 80 + unit.sku.encodedBytes + unit.warehouse.encodedBytes }
        case .reallocate(let proposal):
            // The units before, those that are asked for, and those that are there then.
            for line in proposal.lines {
                bytes += 300 + line.sku.encodedBytes + 2 * line.allocations.encodedBytes
            }
        }
        return bytes
    }
}

extension OrderEvent.Line {
    fileprivate var encodedBytes: Int { 1_000 + sku.encodedBytes + warehouse.encodedBytes }
}

extension [Allocation] {
    fileprivate var encodedBytes: Int { reduce(30) { $0 + 50 + $1.warehouse.encodedBytes } }
}

extension ID {
    /// With a backslash before each of its bytes that needs one.
    fileprivate var encodedBytes: Int {
        withBytes { bytes in bytes.reduce(bytes.count) { $0 + ($1 == 0x22 || $1 == 0x5C ? 1 : 0) } }
    }
}

extension Optional where Wrapped == ID {
    fileprivate var encodedBytes: Int { self?.encodedBytes ?? 0 }
}
