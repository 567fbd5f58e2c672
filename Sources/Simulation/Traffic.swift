import InventoryCore
import InventoryWire

/// One record of what people publish for the relay.
struct Change {
    let topic: Topic
    let offset: Int64
    /// The partitions that it is for; none for what cannot be read.
    let partitions: [Int32]
    let isReadable: Bool

    /// The id of the command that it gives.
    var commandID: ID { "relay/\(topic.rawValue)/0/\(offset)" }
}

/// What people and systems publish: few SKUs, small stocks, short TTLs, ids that come again and ids that SKUs share, and
/// now and then something that is no command.
final class Traffic: Actor {
    private unowned let world: World
    private var random: SeededGenerator
    private let total: Int
    private(set) var published = 0
    private(set) var wakesAt: Int64 = 0
    let isReady = true
    private var writer = RecordWriter()
    private var number = 0
    private var sent: [Command] = []
    private var again: [Command] = []
    /// What was published for the relay to carry, in order.
    private(set) var changes: [Change] = []
    /// One text in two Unicode forms is two ids.
    static let warehouses: [ID] = ["Z\u{FC}rich", "Zu\u{308}rich"]
    static let skus: [ID] = ["A", "\u{C9}", "E\u{301}"]

    init(_ world: World) {
        self.world = world
        random = SeededGenerator(seed: world.plan.seed, purpose: 3)
        total = random.within(25...70)
    }

    var isDone: Bool { published >= total && again.isEmpty }

    func act() {
        wakesAt = world.now + Int64(random.within(0...20))
        if !again.isEmpty, random.oneIn(2) { return publish(again.removeFirst()) }
        guard published < total else {
            if isDone { wakesAt = .max }
            return
        }
        published += 1
        switch random.below(60) {
        case 0: publishPoison()
        case 1..<4: publishMasterData()
        default:
            let command = next()
            publish(command)
            // A publisher whose answer was lost tries again.
            if random.oneIn(12) { again.append(command) }
        }
    }

    /// A command for each SKU.
    func publishOfNextWeek() {
        for sku in Self.skus {
            number += 1
            published += 1
            publish(
                Command(
                    id: "c\(number)", sku: sku,
                    body: .receive(warehouse: Self.warehouses[0], quantity: 1, reference: nil)))
        }
    }

    private func publish(_ command: Command) {
        writer.write(command: command)
        let key = command.sku.bytes
        let value = writer.withBytes { Array($0) }
        world.broker.append(
            world.index(.commands, world.partition(ofKey: key)), key: key, value: value)
    }

    private func publishPoison() {
        let key = random.one(of: Self.skus).bytes
        world.broker.append(
            world.index(.commands, world.partition(ofKey: key)), key: key, value: Array("{broken".utf8))
    }

    /// For the relay to carry.
    private func publishMasterData() {
        let all = Array(0..<world.partitionCount)
        switch random.below(4) {
        case 0:
            let house = Warehouse(
                id: random.one(of: Self.warehouses), priority: Int64(random.within(1...9)),
                isActive: !random.oneIn(4))
            writer.write(warehouse: WarehouseRecord(warehouse: house))
            publish(.warehouses, house.id, for: all, isTombstone: random.oneIn(8))
        case 1:
            // Reservations of orders live longer, and repeats of their commands are to be known.
            var settings = Settings(
                defaultTTL: 120, longestTTL: world.orders == nil ? 400 : 60_000,
                strategy: random.one(of: Strategy.allCases))
            if random.oneIn(2), world.orders == nil {
                settings.dedupeCount = random.one(of: [16, 24, 64])
                settings.dedupeAge = 1_000 * Int64(random.within(1...20))
            }
            writer.write(settings: settings)
            publish(.settings, ID(RecordReader.settingsKey), for: all)
        default:
            let sku = random.one(of: Self.skus)
            writer.write(product: ProductRecord(sku: sku, name: "a thing", policy: policy()))
            publish(.products, sku, for: [world.partition(ofKey: sku.bytes)])
        }
    }

    /// What the writer wrote last; now and then something that cannot be read.
    private func publish(
        _ topic: Topic, _ key: ID, for partitions: [Int32], isTombstone: Bool = false
    ) {
        let isReadable = isTombstone || !random.oneIn(10)
        let value = isReadable ? writer.withBytes { Array($0) } : Array("{broken".utf8)
        let offset = world.broker.append(
            world.index(topic, 0), key: key.bytes, value: isTombstone ? nil : value)
        changes.append(
            Change(
                topic: topic, offset: offset, partitions: isReadable ? partitions : [], isReadable: isReadable
            ))
    }

    private func policy() -> Policy {
        Policy(
            safetyStock: random.oneIn(3) ? 1 : nil, reorderPoint: random.oneIn(2) ? 2 : nil,
            backorderLimit: random.oneIn(2) ? 3 : nil, unitsPerOrder: random.oneIn(6) ? 3 : nil)
    }

    private func units(_ most: Int) -> Int64 { Int64(random.within(1...most)) }

    private func next() -> Command {
        number += 1
        if !sent.isEmpty, random.oneIn(20) { return random.one(of: sent) }
        var command = Command(id: "c\(number)", sku: random.one(of: Self.skus), body: .retire)
        if !sent.isEmpty, random.oneIn(60) { command.id = random.one(of: sent).id }
        // Whoever names commands by the order has the same id for each of its SKUs.
        if let last = sent.last, last.sku != command.sku, random.oneIn(4) { command.id = last.id }
        command.body = body()
        // A command about a reservation or a transfer is for one of the SKUs that have one of the name, as a rule.
        if let maker = maker(of: command), !random.oneIn(30) { command.sku = maker.sku }
        sent.append(command)
        return command
    }

    /// A command that made what another one is about; nil for one that makes something itself.
    private func maker(of command: Command) -> Command? {
        var makers: [Command] = []
        switch command.body {
        case .reserve, .transferDispatch: return nil
        default:
            if let id = command.reservationID {
                makers = sent.filter { $0.kind == .reserve && $0.reservationID == id }
            }
            if let id = command.transferID {
                makers = sent.filter { $0.kind == .transferDispatch && $0.transferID == id }
            }
        }
        return makers.isEmpty ? nil : random.one(of: makers)
    }

    /// The number of an order, which names what is done for it: two commands in a row are of one, as a rule.
    private var order: Int { number / 2 }

    private func body() -> Command.Body {
        let reservation: ID = "r\(random.within(max(0, order - 7)...order))"
        let transfer: ID = "t\(random.within(max(0, number / 12 - 1)...(number / 12)))"
        let warehouse = random.one(of: Self.warehouses)
        switch random.below(100) {
        case 0..<18: return .receive(warehouse: warehouse, quantity: units(5), reference: nil)
        case 18..<52: return reserve(random.oneIn(12) ? reservation : "r\(order)")
        case 52..<66: return .confirm(reservationID: reservation, quantity: random.oneIn(4) ? 1 : nil)
        case 66..<74: return .release(reservationID: reservation, quantity: random.oneIn(4) ? 1 : nil)
        case 74..<79:
            return .extend(
                reservationID: reservation, expiry: .after(milliseconds: Int64(random.within(20...300))))
        case 79..<82: return .damage(warehouse: warehouse, quantity: units(3), reference: nil)
        case 82..<86:
            return .adjust(
                Command.Adjust(
                    warehouse: warehouse,
                    change: random.oneIn(2)
                        ? .count(units(5), expected: nil) : .delta(random.oneIn(2) ? 1 : -1),
                    reasonCode: .cycleCount))
        case 86..<89:
            return .return(Command.Return(warehouse: warehouse, quantity: units(2)))
        case 89..<92:
            let other = Self.warehouses.first { $0 != warehouse }!
            return .transferDispatch(
                Command.TransferDispatch(
                    transferID: transfer, from: warehouse, to: other, quantity: units(2),
                    expectedAt: Timestamp(milliseconds: world.now + Int64(random.within(20...200)))))
        case 92..<95: return .transferReceive(transferID: transfer, quantity: 1, damaged: 0)
        case 95..<97: return .expire(reservationID: reservation)
        case 97: return .setPolicy(warehouse: nil, policy())
        case 98:
            return .reallocate(
                reservationID: reservation,
                allocations: [Allocation(warehouse: warehouse, quantity: units(2))])
        default: return random.oneIn(2) ? .retire : .transferCancel(transferID: transfer)
        }
    }

    private func reserve(_ id: ID) -> Command.Body {
        .reserve(
            Command.Reserve(
                reservationID: id, orderID: "o\(order)", quantity: units(3),
                warehouse: random.oneIn(4) ? random.one(of: Self.warehouses) : nil,
                expiry: .after(milliseconds: Int64(random.within(5...300))),
                allowPartial: random.oneIn(4), allowSplit: !random.oneIn(5)))
    }
}
