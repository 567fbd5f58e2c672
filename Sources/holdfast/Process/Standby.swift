import Foundation
import KafkaClient
import Operations
import StreamRuntime
import Synchronization

/// Follows the partitions that other processes own, so that one whose owner dies is taken over without a full
/// restore: what its restore would read has been read, but for the newest records.
///
/// It only reads, and what it has is no state until the new owner has fenced the old one, read on to the ends, and
/// found all of it to agree: as exact as a restore from nothing, because it is the same code.
final class Standby: Sendable {
    /// What was not brought up to date for so long is read anew, in seconds: tombstones of ended reservations
    /// go after `delete.retention.ms`, a day.
    private static let oldest = 3_600.0

    private struct Slot {
        var image: PartitionImage?
        var updatedAt: UInt64 = 0
        /// The follower works on the image.
        var isBusy = false
        /// A worker of this process has the partition.
        var isOwned = false
    }

    private let service: Service
    private let settings: KafkaSettings
    private let events: ClientEvents
    private let slots: Mutex<[Int32: Slot]>
    private let watched: WatchedWorker
    private let warm: Gauge
    private let isEnding = Mutex(false)
    private let wishes = DispatchSemaphore(value: 0)

    init(
        service: Service, settings: KafkaSettings, events: ClientEvents, partitionCount: Int32,
        watchdog: Watchdog
    ) {
        self.service = service
        self.settings = settings
        self.events = events
        slots = Mutex(Dictionary(uniqueKeysWithValues: (0..<partitionCount).map { ($0, Slot()) }))
        watched = watchdog.register("standby")
        warm = service.metrics.gauge(
            "holdfast_standby_partitions",
            help: "Partitions of other processes that are followed and were at their end.")
    }

    func start() {
        let ended = wishes
        let interval = service.configuration.integer("standby_interval_ms")
        Service.startThread("standby") {
            while !self.isEnding.withLock({ $0 }) {
                self.round()
                _ = ended.wait(timeout: .now() + .milliseconds(interval))
            }
            self.watched.rest()
        }
    }

    func end() {
        isEnding.withLock { $0 = true }
        wishes.signal()
    }

    /// A worker of this process begins with the partition, or has ended with it.
    func setOwned(_ partition: Int32, _ isOwned: Bool) {
        slots.withLock {
            $0[partition]?.isOwned = isOwned
            // A state that was worked with is not what was read.
            if !isOwned { $0[partition]?.image = nil }
        }
    }

    /// Gives what was read of a partition, once. If the follower is at work on it, it is waited for, at most so long
    /// as a restore would take anyway.
    func take(_ partition: Int32, isStopping: () -> Bool) -> PartitionImage? {
        let deadline = Deadline(milliseconds: settings.restoreTimeout)
        while !isStopping(), !deadline.isPast {
            let isBusy = slots.withLock { $0[partition]?.isBusy ?? false }
            guard isBusy else { break }
            usleep(2_000)
        }
        return slots.withLock { slots in
            guard let slot = slots[partition], !slot.isBusy else { return nil }
            slots[partition]!.image = nil
            return Self.isUsable(slot) ? slot.image : nil
        }
    }

    private static func isUsable(_ slot: Slot) -> Bool {
        slot.image != nil && MonotonicTime.seconds(since: slot.updatedAt) < oldest
    }

    private func round() {
        var consumer: Consumer?
        for partition in slots.withLock({ $0.keys.sorted() }) {
            if isEnding.withLock({ $0 }) { return }
            // Taken out while it is worked on, so that it is never copied.
            let image = slots.withLock { slots -> PartitionImage? in
                guard let slot = slots[partition], !slot.isOwned else { return nil }
                slots[partition]!.isBusy = true
                slots[partition]!.image = nil
                return Self.isUsable(slot) ? slot.image : PartitionImage()
            }
            guard let image else { continue }
            let updated = update(consume image, of: partition, &consumer)
            slots.withLock {
                $0[partition]!.isBusy = false
                $0[partition]!.image = updated
                $0[partition]!.updatedAt = MonotonicTime.now()
            }
        }
        warm.set(slots.withLock { $0.values.count { $0.image != nil } })
    }

    /// - Returns: nil if something failed; then the partition is read anew in the next round.
    private func update(
        _ image: consuming PartitionImage, of partition: Int32, _ consumer: inout Consumer?
    ) -> PartitionImage? {
        watched.beat(limitMilliseconds: service.configuration.integer("watchdog_timeout_ms"))
        do {
            if consumer == nil {
                consumer = try Consumer(
                    configuration: settings.readerToEnd(isolation: .committed), events: events)
            }
            let limit = service.configuration.integer("watchdog_timeout_ms")
            let reader = KafkaPartitionReader(
                partition: partition, settings: settings, events: events, consumer: consumer,
                isStopping: { self.isEnding.withLock { $0 } },
                beat: { self.watched.beat(limitMilliseconds: limit) })
            var image = image
            try Restorer(log: reader).update(&image)
            return image
        } catch {
            service.logger.debug(
                "a standby's reading failed", ["partition": partition, "reason": "\(error)"])
            consumer = nil
            return nil
        }
    }
}
