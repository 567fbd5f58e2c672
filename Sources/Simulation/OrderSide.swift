import InventoryCore
import InventoryWire
import OrderCore
import StreamRuntime

/// What a run with orders of several lines has besides: two coordinators with a group of their own, and what is
/// published of orders.
final class OrderSide {
    private unowned let world: World
    let settings: OrderSettings
    /// The coordinators' clocks less the true time, in milliseconds: what is due is told by them, and nothing decided.
    let clockOffset: Int64
    let assigner: GroupAssigner
    private(set) var coordinators: [CoordinatorHost] = []
    private(set) var traffic: OrderTraffic!

    init(_ world: World) {
        self.world = world
        var random = SeededGenerator(seed: world.plan.seed, purpose: 6)
        settings = OrderSettings(
            ttl: 200, grace: 3_000, shipsOnShipped: random.oneIn(3), shipWithin: 900, replyLimit: 400,
            askLimit: 3, unknownLimit: 120)
        clockOffset =
            random.oneIn(2) ? 0 : random.oneIn(4) ? 3_600_000 : Int64(random.within(-300...300))
        assigner = GroupAssigner("group of orders", \.orderGroup, world)
        traffic = OrderTraffic(world, self)
        coordinators = (0..<2).map { CoordinatorHost($0, self, world) }
    }

    var actors: [any Actor] { [traffic, assigner] + coordinators.map { $0 as any Actor } }

    func replace(_ old: MemberHost, by new: CoordinatorHost) {
        coordinators = coordinators.map { $0 === old ? new : $0 }
    }

    /// The worker that has a partition now.
    func owner(of partition: Int32) -> CoordinatorWorker? {
        guard let id = assigner.owner(of: partition),
            let host = coordinators.first(where: { $0.member?.id == id }), !host.isDead
        else { return nil }
        return host.worker(of: partition)
    }

    /// Where an order belongs.
    func partition(of id: ID) -> Int32 { world.partition(ofKey: id.bytes) }

    func makeDesk(_ partition: Int32) -> OrderDesk {
        let world = world
        return OrderDesk(
            partition: partition, settings: settings, memory: OrderMemory(count: 1_000, age: 1_000_000_000),
            dueAgain: 200, ownsKey: { [unowned world] in world.partition(ofKey: $0) == partition },
            partitionOfSKU: { [unowned world] in world.partition(ofKey: $0) })
    }

    // MARK: The end

    /// All events and replies are heeded, and every order has ended.
    var isQuiet: Bool {
        guard traffic.isDone else { return false }
        for partition in 0..<world.partitionCount {
            for topic in [Topic.orders, .orderReplies] where !isHeeded(topic, partition) { return false }
            guard owner(of: partition)?.isRestored == true else { return false }
        }
        return traffic.ids.allSatisfy(hasEnded)
    }

    private func isHeeded(_ topic: Topic, _ partition: Int32) -> Bool {
        next(topic, partition) >= world.broker.partitions[world.index(topic, partition)].endOfRecords
    }

    /// Where the state says that its coordinator reads on; the group may have lost its offset.
    func next(_ topic: Topic, _ partition: Int32) -> Int64 {
        let key = PartitionBook.sku(partition).bytes
        let newest = world.broker.partitions[world.index(.orderState, partition)].records.last {
            $0.key == key && ModelPartition.isVisible($0.state, .committed)
        }
        var reader = RecordReader()
        guard let value = newest?.value, let place = value.withUnsafeBytes({ try? reader.orderPlace($0) })
        else { return 0 }
        return topic == .orders ? place.order : place.reply
    }

    /// One that was never placed is forgotten.
    private func hasEnded(_ id: ID) -> Bool {
        guard let order = owner(of: partition(of: id))?.found(id) else { return true }
        if case .ended = order.phase { return true }
        return false
    }

    var whatIsLeft: String {
        let left = traffic.ids.filter { !hasEnded($0) }.map { id in
            "\(id) \(owner(of: partition(of: id))!.found(id)!.phase)"
        }
        return "orders that have not ended: \(left.isEmpty ? "none" : left.joined(separator: ", "))"
    }
}
