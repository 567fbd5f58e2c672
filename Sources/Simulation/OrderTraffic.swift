import InventoryCore
import InventoryWire
import OrderCore

/// What upstream publishes of orders: few SKUs, short deadlines, events that come again, too early or for no order, and
/// now and then something that is none, or a reservation with the name of an order's.
final class OrderTraffic: Actor {
    private unowned let world: World
    private unowned let side: OrderSide
    private var random: SeededGenerator
    private let total: Int
    private(set) var published = 0
    private(set) var wakesAt: Int64 = 0
    let isReady = true
    private var writer = RecordWriter()
    private var reader = RecordReader()
    private var number = 0
    /// Orders that events were published of, placed ones and others, and how many were placed.
    private(set) var ids: [ID] = []
    private(set) var placed: Set<ID> = []
    /// Of the placed ones, those that cannot be read.
    private(set) var unreadable: Set<ID> = []
    /// Of each order that was never placed, the offset of its event.
    private(set) var ghosts: [ID: Int64] = [:]
    /// Where records of `orders` cannot be read.
    private(set) var poison: [Int32: [Int64]] = [:]
    /// Reservations that were made for nobody.
    private(set) var strays: Set<ID> = []
    private var sent: [OrderEvent] = []
    /// What was told of each order last, and which have ended; and how far `order.outcomes` was read for that.
    private var newest: [ID: OrderOutcome] = [:]
    private var ended: Set<ID> = []
    private var read: [Int32: Int64] = [:]
    private static let skus = Traffic.skus
    private static let warehouses = Traffic.warehouses

    init(_ world: World, _ side: OrderSide) {
        self.world = world
        self.side = side
        random = SeededGenerator(seed: world.plan.seed, purpose: 7)
        total = random.within(12...40)
    }

    var isDone: Bool { published >= total }

    func act() {
        wakesAt = world.now + Int64(random.within(0...30))
        if published == 0 { publishStock() }
        guard !isDone else { return shipWhatIsLeft() }
        published += 1
        switch random.below(42) {
        case 40: if sent.isEmpty { place() } else { publishConflict() }
        case 41: publishUnreadable()
        case 0: publishPoison()
        case 1: publishGhost()
        case 2, 3: publishStray()
        case 4..<6: publishProposal()
        case 6..<9 where !sent.isEmpty: append(random.one(of: sent))
        case 9..<23 where !placed.isEmpty: publish(anyOrder, body())
        default: place()
        }
    }

    /// An order that was placed; now and then the one that comes next.
    private var anyOrder: ID {
        random.oneIn(12)
            ? "o\(placed.count)" : "o\(random.within(max(0, placed.count - 6)...placed.count - 1))"
    }

    private func place() {
        let id: ID = "o\(placed.count)"
        placed.insert(id)
        let lines = (0...random.below(4)).map { _ in
            OrderEvent.Line(sku: random.one(of: Self.skus), quantity: Int64(random.within(1...3)))
        }
        publish(
            id,
            .placed(
                OrderEvent.Placed(
                    mode: random.one(of: OrderMode.allCases), lines: lines,
                    expiry: random.oneIn(6)
                        ? .standard : .after(milliseconds: Int64(random.within(60...400))))))
    }

    private func body() -> OrderEvent.Body {
        switch random.below(10) {
        case 0..<5: .paid(units())
        case 5..<7: .cancelled(units())
        case 7..<9:
            .changed(
                OrderEvent.Changed(
                    lines: [
                        OrderEvent.Line(
                            sku: random.one(of: Self.skus), quantity: Int64(random.within(0...4)))
                    ],
                    expiry: random.oneIn(4) ? .after(milliseconds: Int64(random.within(60...400))) : nil))
        default: .shipped(random.oneIn(3) ? parcel() : units())
        }
    }

    private func units() -> [LineUnits] {
        if !random.oneIn(3) { return [] }
        return [LineUnits(sku: random.one(of: Self.skus), quantity: random.oneIn(2) ? 1 : nil)]
    }

    /// Units that have left warehouses, which need not be those that keep them.
    private func parcel() -> [LineUnits] {
        let sku = random.one(of: Self.skus)
        return Self.warehouses.prefix(random.within(1...2)).map {
            LineUnits(sku: sku, quantity: Int64(random.within(1...2)), warehouse: $0)
        }
    }

    /// The id of an event that came, with another content.
    private func publishConflict() {
        var event = random.one(of: sent)
        event.body = .paid([LineUnits(sku: random.one(of: Self.skus), quantity: 9)])
        append(event)
    }

    /// An order that can be named, and not read.
    private func publishUnreadable() {
        let id: ID = "o\(placed.count)"
        placed.insert(id)
        unreadable.insert(id)
        if !ids.contains(id) { ids.append(id) }
        number += 1
        let value =
            "{\"event_id\":\"e\(number)\",\"type\":\"order.placed\",\"order_id\":\"\(id)\",\"lines\":[]}"
        let partition = side.partition(of: id)
        let offset = world.broker.append(
            world.index(.orders, partition), key: id.bytes, value: Array(value.utf8))
        poison[partition, default: []].append(offset)
    }

    /// The optimizer's: lines of an order to one warehouse each, by its newest outcome, which may be out of date by then.
    private func publishProposal() {
        readOutcomes()
        let ids = newest.keys.filter { newest[$0]!.lines.contains { $0.reserved > 0 } }.sorted()
        guard !ids.isEmpty else { return place() }
        let outcome = newest[random.one(of: ids)]!
        let reserved = outcome.lines.filter { $0.reserved > 0 }
        let lines = reserved.shuffled(using: &random).prefix(random.within(1...reserved.count)).map { line in
            ReallocatedLine(
                sku: line.sku,
                allocations: [
                    Allocation(warehouse: random.one(of: Self.warehouses), quantity: line.reserved)
                ])
        }
        publish(
            outcome.orderID, .reallocate(Reallocation(version: outcome.version, lines: lines)),
            as: "@holdfast/optimize/\(outcome.orderID)/\(outcome.version)")
    }

    @discardableResult
    private func publish(_ id: ID, _ body: OrderEvent.Body, as name: ID? = nil) -> Int64 {
        number += 1
        if !ids.contains(id) { ids.append(id) }
        let event = OrderEvent(
            id: name ?? "e\(number)", orderID: id, at: Timestamp(milliseconds: 0), body: body)
        sent.append(event)
        return append(event)
    }

    @discardableResult
    private func append(_ event: OrderEvent) -> Int64 {
        writer.write(event: event)
        return world.broker.append(
            world.index(.orders, side.partition(of: event.orderID)), key: event.orderID.bytes,
            value: writer.withBytes { Array($0) })
    }

    /// Its event comes once: a repeat after it was forgotten would be another.
    private func publishGhost() {
        let id: ID = "ghost\(number)"
        ghosts[id] = publish(id, .paid([]))
        sent.removeLast()
    }

    private func publishPoison() {
        let key: ID = "o\(placed.count)"
        let partition = side.partition(of: key)
        let offset = world.broker.append(
            world.index(.orders, partition), key: key.bytes, value: Array("{broken".utf8))
        poison[partition, default: []].append(offset)
    }

    // MARK: Commands

    private func append(_ command: Command) {
        writer.write(command: command)
        let key = command.sku.bytes
        world.broker.append(
            world.index(.commands, world.partition(ofKey: key)), key: key,
            value: writer.withBytes { Array($0) })
    }

    /// Enough for some orders, and not for all; by commands of one id.
    private func publishStock() {
        for sku in Self.skus {
            append(
                Command(
                    id: "stock", sku: sku,
                    body: .receive(
                        warehouse: Self.warehouses[0], quantity: Int64(random.within(3...12)), reference: nil)
                ))
        }
    }

    /// Of an order that is not known, or of one that has not asked for it: it must go back long before it expires.
    private func publishStray() {
        number += 1
        let id: ID = random.oneIn(2) || placed.isEmpty ? "nobody\(number)" : anyOrder
        let address = OrderAddress(
            partition: side.partition(of: id), orderID: id, line: 1, attempt: 100 + number)
        strays.insert(address.reservationID)
        append(
            Command(
                id: address.commandID(.reserve, 1), sku: random.one(of: Self.skus),
                body: .reserve(
                    Command.Reserve(
                        reservationID: address.reservationID, orderID: id, quantity: 1,
                        expiry: .after(milliseconds: 8_000)))))
    }

    // MARK: Fulfilment

    /// Where orders ship when that is told: tells it of all that have not ended, when the last fault is over.
    private func shipWhatIsLeft() {
        wakesAt = world.now + 150
        guard side.settings.shipsOnShipped, world.isHealed else { return }
        readOutcomes()
        for id in placed.sorted() where !ended.contains(id) { publish(id, .shipped([])) }
    }

    private func readOutcomes() {
        for partition in 0..<world.partitionCount {
            let log = world.broker.partitions[world.index(.orderOutcomes, partition)]
            for record in log.records[log.place(of: read[partition] ?? 0)...]
            where record.offset < log.lastStable {
                read[partition] = record.offset + 1
                guard ModelPartition.isVisible(record.state, .committed) else { continue }
                let outcome = record.value!.withUnsafeBytes { try? reader.orderOutcome($0) }
                guard let outcome else { continue }
                newest[outcome.orderID] = outcome
                if outcome.isFinal { ended.insert(outcome.orderID) }
            }
        }
    }
}
