import InventoryCore
import Testing

@Suite("Fingerprint")
struct FingerprintTests {
    private static let moment = Timestamp(milliseconds: 7)

    private static func reserve(_ change: (inout Command.Reserve) -> Void = { _ in }) -> Command.Body {
        var reserve = Command.Reserve(reservationID: "r", orderID: "o", quantity: 2)
        change(&reserve)
        return .reserve(reserve)
    }

    private static let reserves: [Command.Body] = [
        reserve(), reserve { $0.reservationID = "x" }, reserve { $0.orderID = "x" },
        reserve { $0.quantity = 3 },
        reserve { $0.warehouse = "BER" }, reserve { $0.expiry = .at(moment) },
        reserve { $0.expiry = .after(milliseconds: 7) }, reserve { $0.expiry = .after(milliseconds: 8) },
        reserve { $0.strategy = .nearest }, reserve { $0.strategy = .priority },
        reserve { $0.allowPartial = true }, reserve { $0.allowSplit = false },
        reserve { $0.allowBackorder = false }, reserve { $0.channel = "web" },
        reserve { $0.shipTo = Point(latitude: 1, longitude: 2) },
        reserve { $0.shipTo = Point(latitude: 2, longitude: 1) }, reserve { $0.deliverWithinHours = 3 },
    ]

    private static let others: [Command.Body] = [
        .confirm(reservationID: "r", quantity: nil), .confirm(reservationID: "x", quantity: nil),
        .confirm(reservationID: "r", quantity: 1, warehouse: "BER"),
        .confirm(reservationID: "r", quantity: 1), .release(reservationID: "r", quantity: nil),
        .release(reservationID: "r", quantity: 1), .extend(reservationID: "r", expiry: .at(moment)),
        .extend(reservationID: "x", expiry: .at(moment)),
        .extend(reservationID: "r", expiry: .after(milliseconds: 7)), .expire(reservationID: "r"),
        .expire(reservationID: "x"), .receive(warehouse: "BER", quantity: 1, reference: nil),
        .receive(warehouse: "HAM", quantity: 1, reference: nil),
        .receive(warehouse: "BER", quantity: 2, reference: nil),
        .receive(warehouse: "BER", quantity: 1, reference: "x"),
        .damage(warehouse: "BER", quantity: 1, reference: nil),
        .damage(warehouse: "BER", quantity: 1, reference: "x"), .transferCancel(transferID: "t"),
        .transferCancel(transferID: "x"), .transferDue(transferID: "t"), .transferDue(transferID: "x"),
        .transferReceive(transferID: "t", quantity: 1, damaged: 2),
        .transferReceive(transferID: "x", quantity: 1, damaged: 2),
        .transferReceive(transferID: "t", quantity: 2, damaged: 1),
        .transferReceive(transferID: "t", quantity: 1, damaged: 1), .retire,
        .reallocate(reservationID: "r", allocations: [Allocation(warehouse: "BER", quantity: 1)]),
        .reallocate(reservationID: "x", allocations: [Allocation(warehouse: "BER", quantity: 1)]),
        .reallocate(reservationID: "r", allocations: [Allocation(warehouse: "HAM", quantity: 1)]),
        .reallocate(reservationID: "r", allocations: [Allocation(warehouse: "BER", quantity: 2)]),
    ]

    private static func back(_ change: (inout Command.Return) -> Void = { _ in }) -> Command.Body {
        var back = Command.Return(warehouse: "BER", quantity: 1)
        change(&back)
        return .return(back)
    }

    private static let returns: [Command.Body] = [
        back(), back { $0.warehouse = "HAM" }, back { $0.quantity = 2 }, back { $0.condition = .damaged },
        back { $0.orderID = "x" }, back { $0.reference = "x" },
    ]

    private static func adjust(_ change: (inout Command.Adjust) -> Void = { _ in }) -> Command.Body {
        var adjust = Command.Adjust(warehouse: "BER", change: .delta(1), reasonCode: .found)
        change(&adjust)
        return .adjust(adjust)
    }

    private static let adjusts: [Command.Body] = [
        adjust(), adjust { $0.warehouse = "HAM" }, adjust { $0.change = .delta(-1) },
        adjust { $0.change = .count(1, expected: nil) }, adjust { $0.change = .count(2, expected: nil) },
        adjust { $0.change = .count(1, expected: 1) }, adjust { $0.condition = .damaged },
        adjust { $0.reasonCode = .stolen }, adjust { $0.note = "x" }, adjust { $0.reference = "x" },
    ]

    private static func dispatch(
        _ change: (inout Command.TransferDispatch) -> Void = { _ in }
    ) -> Command.Body {
        var dispatch = Command.TransferDispatch(transferID: "t", from: "BER", to: "HAM", quantity: 1)
        change(&dispatch)
        return .transferDispatch(dispatch)
    }

    private static let dispatches: [Command.Body] = [
        dispatch(), dispatch { $0.transferID = "x" }, dispatch { $0.from = "x" }, dispatch { $0.to = "x" },
        dispatch { $0.quantity = 2 }, dispatch { $0.expectedAt = moment }, dispatch { $0.reference = "x" },
    ]

    private static func policy(_ change: (inout Policy) -> Void = { _ in }) -> Command.Body {
        var policy = Policy()
        change(&policy)
        return .setPolicy(warehouse: nil, policy)
    }

    private static let policies: [Command.Body] = [
        policy(), .setPolicy(warehouse: "BER", Policy()), policy { $0.safetyStock = 1 },
        policy { $0.reorderPoint = 1 }, policy { $0.rearmPoint = 1 }, policy { $0.reorderUpTo = 1 },
        policy { $0.countsInTransit = true }, policy { $0.backorderLimit = 1 },
        policy { $0.strategy = .nearest }, policy { $0.unitsPerOrder = 1 },
        policy { $0.channels = [ChannelShare(channel: "web", quantity: 1)] },
        policy { $0.channels = [ChannelShare(channel: "web", quantity: 2)] },
        policy { $0.channels = [ChannelShare(channel: "x", quantity: 1)] },
        .setPolicies(PublishedPolicies()), .setPolicies(PublishedPolicies(policy: Policy())),
        .setPolicies(PublishedPolicies(policy: Policy(safetyStock: 1))),
        .setPolicies(PublishedPolicies(warehouses: [WarehousePolicy(warehouse: "BER", policy: Policy())])),
        .setPolicies(PublishedPolicies(warehouses: [WarehousePolicy(warehouse: "HAM", policy: Policy())])),
        .setPolicies(
            PublishedPolicies(
                warehouses: [WarehousePolicy(warehouse: "BER", policy: Policy(safetyStock: 1))])),
    ]

    private static func warehouse(_ change: (inout Warehouse) -> Void = { _ in }) -> Command.Body {
        var warehouse = Warehouse(id: "BER")
        change(&warehouse)
        return .setWarehouse(warehouse)
    }

    private static func settings(_ change: (inout Settings) -> Void = { _ in }) -> Command.Body {
        var settings = Settings()
        change(&settings)
        return .setSettings(settings)
    }

    private static let laidDown: [Command.Body] = [
        warehouse(), warehouse { $0.id = "HAM" },
        warehouse { $0.location = Point(latitude: 1, longitude: 2) },
        warehouse { $0.location = Point(latitude: 2, longitude: 1) }, warehouse { $0.priority = 1 },
        warehouse { $0.handlingHours = 1 }, warehouse { $0.kilometresPerHour = 1 },
        warehouse { $0.isActive = false },
        .setWarehouse(Warehouse(id: "BER", isActive: false), isWithdrawn: true), settings(),
        settings { $0.defaultTTL = 1 },
        settings { $0.shortestTTL = 2 }, settings { $0.longestTTL = 1 }, settings { $0.dedupeCount = 1 },
        settings { $0.dedupeAge = 1 }, settings { $0.strategy = .nearest },
        settings { $0.earlierLog = .follows },
        settings { $0.earlierLog = .ended }, settings { $0.partitions = 1 }, settings { $0.partitions = 2 },
        .skip(offsets: 1, .compression), .skip(offsets: 2, .compression), .skip(offsets: 1, .damaged),
    ]

    @Test("Commands that differ in one field have different fingerprints, and the id is none of it")
    func everyField() {
        let bodies =
            Self.reserves + Self.others + Self.returns + Self.adjusts + Self.dispatches + Self.policies
            + Self.laidDown
        var commands = bodies.map { Command(id: "c", sku: "A", body: $0) }
        commands.append(Command(id: "c", sku: "B", body: .retire))
        commands.append(Command(id: "c", sku: "A", generation: 1, body: .retire))
        commands.append(Command(id: "c", sku: "A", generation: 2, body: .retire))
        #expect(Set(commands.map(\.kind)) == Set(CommandKind.allCases))
        var seen: [UInt64: Command] = [:]
        for command in commands {
            if let other = seen.updateValue(command, forKey: command.fingerprint) {
                Issue.record("\(other) and \(command) have the same")
            }
        }
        let first = Command(id: "c", sku: "A", body: Self.reserve())
        #expect(first.fingerprint == Command(id: "d", sku: "A", body: Self.reserve()).fingerprint)
    }
}
