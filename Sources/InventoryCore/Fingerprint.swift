/// 64 bits of what a command asks for, without its id: a repeat has the same, another command has not.
///
/// Made of the decoded words, so that the order of fields and blanks in the JSON do not matter. Multiply and
/// rotate, as in wyhash's family; it guards against mistakes of publishers, not against forgery.
struct Fingerprint {
    private(set) var value: UInt64 = 0x9E37_79B9_7F4A_7C15

    mutating func add(_ word: UInt64) {
        let product = (value ^ word).multipliedFullWidth(by: 0xA076_1D64_78BD_642F)
        value = (product.high ^ product.low) &+ 0xE703_7ED1_A0B4_28DB
    }

    mutating func add(_ number: Int64) { add(UInt64(bitPattern: number)) }

    mutating func add(_ flag: Bool) { add(flag ? 1 as UInt64 : 2) }

    /// A missing number differs from every number.
    mutating func add(_ number: Int64?) {
        add(number != nil)
        if let number { add(number) }
    }

    mutating func add(_ text: String) {
        text.withBytes { bytes in
            add(UInt64(bytes.count))
            var index = 0
            while index + 8 <= bytes.count {
                add(UnsafeRawPointer(bytes.baseAddress! + index).loadUnaligned(as: UInt64.self).littleEndian)
                index += 8
            }
            var rest: UInt64 = 0
            while index < bytes.count {
                rest = rest << 8 | UInt64(bytes[index])
                index += 1
            }
            add(rest)
        }
    }

    /// The same as of its text.
    mutating func add(_ id: PackedID) {
        add(UInt64(id.count))
        id.withBytes { bytes in
            var index = 0
            while index + 8 <= bytes.count {
                add(bytes.load(fromByteOffset: index, as: UInt64.self).littleEndian)
                index += 8
            }
            var rest: UInt64 = 0
            while index < bytes.count {
                rest = rest << 8 | UInt64(bytes[index])
                index += 1
            }
            add(rest)
        }
    }

    mutating func add(_ id: ID) { add(id.text) }

    /// A missing text differs from every text.
    mutating func add(_ text: String?) {
        add(text != nil)
        if let text { add(text) }
    }

    /// A missing id differs from every id.
    mutating func add(_ id: ID?) {
        guard let id else { return add(false) }
        add(true)
        add(id.text)
    }
}

extension Command {
    /// What tells a repeat from another command with the same id.
    package var fingerprint: UInt64 {
        var print = Fingerprint()
        print.add(kind.rawValue)
        print.add(packedSKU)
        print.add(generation)
        switch body {
        case .reserve(let reserve): print.add(reserve)
        case .confirm(let id, let quantity, let warehouse):
            print.add(id)
            print.add(quantity)
            // One without it has the fingerprint that it had before there was such a thing.
            if let warehouse { print.add(warehouse) }
        case .release(let id, let quantity):
            print.add(id)
            print.add(quantity)
        case .extend(let id, let expiry):
            print.add(id)
            print.add(expiry)
        case .expire(let id), .transferCancel(let id), .transferDue(let id): print.add(id)
        case .receive(let warehouse, let quantity, let reference),
            .damage(let warehouse, let quantity, let reference):
            print.add(warehouse)
            print.add(quantity)
            print.add(reference)
        case .return(let back):
            print.add(back.warehouse)
            print.add(back.quantity)
            print.add(back.condition.rawValue)
            print.add(back.orderID)
            print.add(back.reference)
        case .adjust(let adjust): print.add(adjust)
        case .transferDispatch(let dispatch):
            print.add(dispatch.transferID)
            print.add(dispatch.from)
            print.add(dispatch.to)
            print.add(dispatch.quantity)
            print.add(dispatch.expectedAt?.milliseconds)
            print.add(dispatch.reference)
        case .transferReceive(let id, let quantity, let damaged):
            print.add(id)
            print.add(quantity)
            print.add(damaged)
        case .reallocate(let id, let allocations):
            print.add(id)
            for allocation in allocations {
                print.add(allocation.warehouse)
                print.add(allocation.quantity)
            }
        case .setPolicy(let warehouse, let policy):
            print.add(warehouse)
            print.add(policy)
        case .setPolicies(let published):
            print.add(published.policy != nil)
            if let policy = published.policy { print.add(policy) }
            for local in published.warehouses {
                print.add(local.warehouse)
                print.add(local.policy)
            }
        case .retire: break
        case .setWarehouse(let warehouse, let isWithdrawn):
            print.add(warehouse)
            // Commands of before have no such field, and are the same.
            if isWithdrawn { print.add(true) }
        case .setSettings(let settings): print.add(settings)
        case .skip(let offsets, let reason):
            print.add(offsets)
            print.add(reason.rawValue)
        }
        return print.value
    }
}

extension Fingerprint {
    fileprivate mutating func add(_ reserve: Command.Reserve) {
        add(reserve.packed.reservation)
        add(reserve.packed.order)
        add(reserve.quantity)
        // Most name neither a warehouse nor a channel, and an optional that is moved costs more than one that is asked.
        if reserve.warehouse == nil { add(false) } else { add(reserve.warehouse) }
        add(reserve.expiry)
        add(reserve.strategy?.rawValue)
        add(reserve.allowPartial)
        add(reserve.allowSplit)
        add(reserve.allowBackorder)
        if reserve.channel == nil { add(false) } else { add(reserve.channel) }
        add(reserve.shipTo?.latitude)
        add(reserve.shipTo?.longitude)
        add(reserve.deliverWithinHours)
    }

    fileprivate mutating func add(_ expiry: Command.Expiry) {
        switch expiry {
        case .standard: add(0 as Int64)
        case .at(let moment):
            add(1 as Int64)
            add(moment.milliseconds)
        case .after(let milliseconds):
            add(2 as Int64)
            add(milliseconds)
        }
    }

    fileprivate mutating func add(_ adjust: Command.Adjust) {
        add(adjust.warehouse)
        switch adjust.change {
        case .delta(let delta):
            add(0 as Int64)
            add(delta)
        case .count(let counted, let expected):
            add(1 as Int64)
            add(counted)
            add(expected)
        }
        add(adjust.condition.rawValue)
        add(adjust.reasonCode.rawValue)
        add(adjust.note)
        add(adjust.reference)
    }

    fileprivate mutating func add(_ policy: Policy) {
        add(policy.safetyStock)
        add(policy.reorderPoint)
        add(policy.rearmPoint)
        add(policy.reorderUpTo)
        add(policy.countsInTransit)
        add(policy.backorderLimit)
        add(policy.strategy?.rawValue)
        add(policy.unitsPerOrder)
        for share in policy.channels {
            add(share.channel)
            add(share.quantity)
        }
    }

    fileprivate mutating func add(_ warehouse: Warehouse) {
        add(warehouse.id)
        add(warehouse.location?.latitude)
        add(warehouse.location?.longitude)
        add(warehouse.priority)
        add(warehouse.handlingHours)
        add(warehouse.kilometresPerHour)
        add(warehouse.isActive)
    }

    fileprivate mutating func add(_ settings: Settings) {
        add(settings.defaultTTL)
        add(settings.shortestTTL)
        add(settings.longestTTL)
        add(Int64(settings.dedupeCount))
        add(settings.dedupeAge)
        add(settings.strategy.rawValue)
        // Settings without it have the fingerprint that they had before there was such a thing.
        if let earlierLog = settings.earlierLog { add(earlierLog.rawValue) }
        if let partitions = settings.partitions { add(partitions) }
    }
}
