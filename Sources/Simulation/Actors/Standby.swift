import StreamRuntime

/// The standby of a process: follows the partitions that others have, with production's `Restorer`, and gives what
/// it has read to a worker that begins.
final class Standby: Actor {
    /// What was not brought up to date for so long is read anew: tombstones go.
    private static let oldest = World.tombstoneRetention / 2

    private struct Slot {
        var image: PartitionImage
        var updatedAt: Int64
    }

    private unowned let host: ProcessHost
    private unowned let world: World
    private var slots: [Int32: Slot] = [:]
    private var isActing = false
    private(set) var wakesAt: Int64 = 0

    init(_ host: ProcessHost) {
        self.host = host
        world = host.world
    }

    var isReady: Bool { !isActing && !host.isDead && !host.isPaused }
    var isGone: Bool { !isActing && host.isDead }

    func act() {
        isActing = true
        wakesAt = world.now + Int64(world.random.within(10...80))
        for partition in 0..<world.partitionCount where host.worker(of: partition) == nil {
            follow(partition)
        }
        isActing = false
    }

    private func follow(_ partition: Int32) {
        // Taken out while it is worked on.
        var image = take(partition) ?? PartitionImage()
        let log =
            world.mutant?.standbyReadsUncommitted == true
            ? RestoreUncommitted(partition: partition, host: host)
            : ModelLog(partition: partition, host: host)
        do throws(LogFailure) {
            try Restorer(log: log).update(&image)
            slots[partition] = Slot(image: image, updatedAt: world.now)
        } catch {
            world.trace("\(host.name): the standby of partition \(partition) begins anew")
        }
    }

    /// Gives what was read of a partition, once.
    func take(_ partition: Int32) -> PartitionImage? {
        guard let slot = slots.removeValue(forKey: partition), world.now - slot.updatedAt < Self.oldest else {
            return nil
        }
        return slot.image
    }

    /// A worker of this process has ended: a state that was worked with is not what was read.
    func forget(_ partition: Int32) { slots[partition] = nil }
}
