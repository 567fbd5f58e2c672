import InventoryCore

/// Hashes of events: FNV-1a, 64 bits (Fowler, Noll and Vo). They guard against mistakes of publishers, not against
/// forgery.
struct EventHash {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }

    mutating func add(_ number: Int64) {
        var rest = UInt64(bitPattern: number)
        for _ in 0..<8 {
            add(byte: UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }

    mutating func add(_ id: ID) { add(id.text) }

    mutating func add(_ id: ID?) { add(id?.text) }

    /// A missing number differs from every number.
    mutating func add(_ number: Int64?) {
        add(byte: number == nil ? 0 : 1)
        if let number { add(number) }
    }

    mutating func add(_ text: String) {
        for byte in text.utf8 { add(byte: byte) }
        // No byte of UTF-8.
        add(byte: 0xFF)
    }

    mutating func add(_ text: String?) {
        add(byte: text == nil ? 0 : 1)
        if let text { add(text) }
    }

    mutating func add(_ expiry: Command.Expiry?) {
        switch expiry {
        case nil: add(byte: 0)
        case .standard: add(byte: 1)
        case .at(let moment):
            add(byte: 2)
            add(moment.milliseconds)
        case .after(let milliseconds):
            add(byte: 3)
            add(milliseconds)
        }
    }

    mutating func add(_ lines: [OrderEvent.Line]) {
        add(Int64(lines.count))
        for line in lines {
            add(line.sku)
            add(line.quantity)
            add(line.warehouse)
        }
    }

    mutating func add(_ units: [LineUnits]) {
        add(Int64(units.count))
        for unit in units {
            add(unit.sku)
            add(unit.quantity)
            add(unit.warehouse)
        }
    }
}

extension OrderEvent {
    package var kind: OrderEventKind {
        switch body {
        case .placed: .placed
        case .paid: .paid
        case .cancelled: .cancelled
        case .changed: .changed
        case .shipped: .shipped
        case .reallocate: .reallocate
        }
    }

    static func hash(ofID id: ID) -> UInt64 {
        var hash = EventHash()
        for byte in id.bytes { hash.add(byte: byte) }
        return hash.value
    }

    /// What tells a repeat from another event with the same id; never 0. Of a proposal only that it is one: made again, it
    /// may propose otherwise.
    var content: UInt64 {
        var hash = EventHash()
        hash.add(kind.rawValue)
        switch body {
        case .placed(let placed):
            hash.add(placed.mode.rawValue)
            hash.add(placed.lines)
            hash.add(placed.expiry)
            hash.add(placed.strategy?.rawValue)
            hash.add(placed.allowSplit ? 1 : 0 as Int64)
            hash.add(placed.channel)
            hash.add(placed.shipTo?.latitude)
            hash.add(placed.shipTo?.longitude)
            hash.add(placed.deliverWithinHours)
        case .paid(let units), .cancelled(let units), .shipped(let units): hash.add(units)
        case .changed(let changed):
            hash.add(changed.lines)
            hash.add(changed.expiry)
        case .reallocate: break
        }
        return max(1, hash.value)
    }
}
