/// Something that acts, one step at a time.
protocol Actor: AnyObject {
    /// It has nothing to do before, in milliseconds.
    var wakesAt: Int64 { get }
    /// It can act: it lives, does not stand still, and is not in the midst of a step.
    var isReady: Bool { get }
    func act()
}

/// A process that can die and stand still: what a request to Kafka or PostgreSQL is made by.
class Host {
    let name: String
    unowned let world: World
    private(set) var isDead = false
    private(set) var isPaused = false
    /// Since when it has not been heard of.
    private(set) var silentSince: Int64?
    private var pausedUntil: Int64 = 0

    init(_ name: String, _ world: World) {
        self.name = name
        self.world = world
    }

    func die() {
        guard !isDead else { return }
        world.trace("\(name) crashes")
        world.figures[.crashes] += 1
        isDead = true
        // Whoever stands still and is killed is dead, and starts again like others.
        isPaused = false
        if silentSince == nil { silentSince = world.now }
    }

    func pause(until: Int64) {
        guard !isDead, !isPaused else { return }
        world.trace("\(name) stands still until \(until)")
        isPaused = true
        pausedUntil = until
        silentSince = world.now
    }

    func wake() {
        guard !isDead, isPaused else { return }
        world.trace("\(name) goes on")
        isPaused = false
        silentSince = nil
    }

    func wakeIfDue() {
        if isPaused, world.now >= pausedUntil { wake() }
    }
}
