/// What the broker does by itself: it writes the markers of transactions that have ended, ends those that have been
/// open for too long, and compacts.
final class BrokerHousekeeping: Actor {
    private unowned let world: World
    var wakesAt: Int64 = 0
    let isReady = true

    init(_ world: World) { self.world = world }

    func act() {
        world.broker.expireTransactions()
        world.broker.writeLateMarkers()
        if world.random.oneIn(200) { world.compact(tombstonesBefore: world.now - World.tombstoneRetention) }
        if world.broker.hasMarkers {
            world.broker.writeMarker(&world.random)
        } else {
            wakesAt = world.now + 2
        }
    }
}
