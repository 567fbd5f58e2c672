import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import Synchronization

/// Publishes a load: all at once, or each command when it is due, whether answers come or not (an open loop, so that a
/// slow contestant cannot slow its own measurement down).
///
/// Commands of a partition come from one thread, so that their order in the log is that of their numbers; the n-th
/// result of a partition is then that of its n-th command.
final class BenchFeeder: Sendable {
    /// Commands to send at fixed times.
    struct Pace {
        let rate: Int
        let count: Int
        /// On the monotonic clock.
        let start: UInt64

        /// When the command of a number is due.
        func due(_ number: Int) -> UInt64 { start + UInt64(Double(number) * 1e9 / Double(rate)) }
    }

    private let load: BenchLoad
    private let settings: KafkaSettings
    private let partitions: Int32
    private let failure = Mutex<String?>(nil)
    private let running = Atomic<Int>(0)
    private let latest = Atomic<UInt64>(0)
    private let count = Atomic<Int>(0)
    private let isStopping = Atomic<Bool>(false)

    init(_ load: BenchLoad, settings: KafkaSettings, partitions: Int32) {
        self.load = load
        self.settings = settings
        self.partitions = partitions
    }

    var isDone: Bool { running.load(ordering: .acquiring) == 0 }
    var fault: String? { failure.withLock { $0 } }
    /// How long after its time a command was given to the client at most, in nanoseconds.
    var lateness: UInt64 { latest.load(ordering: .relaxed) }

    /// Commands that were sent at their times.
    var sent: Int { count.load(ordering: .acquiring) }

    /// Ends before all are sent.
    func stop() { isStopping.store(true, ordering: .releasing) }

    /// Stock first, then the commands of these numbers; returns when the broker has them.
    func publish(_ numbers: Range<Int>) throws(KafkaError) {
        let publisher = try DemoPublisher(settings: settings, events: .ignored)
        for sku in 0..<load.skuCount { try publisher.publish(load.receipt(sku)) }
        for number in numbers { try publisher.publish(load.command(number)) }
        try publisher.finish()
    }

    /// Begins to send at the pace, on a thread for each partition.
    func begin(_ pace: Pace) {
        running.store(Int(partitions), ordering: .releasing)
        for partition in 0..<partitions {
            Service.startThread("feeder-\(partition)") { [self] in
                do throws(KafkaError) {
                    try send(partition, pace)
                } catch {
                    failure.withLock { $0 = error.description }
                }
                running.subtract(1, ordering: .releasing)
            }
        }
    }

    private func send(_ partition: Int32, _ pace: Pace) throws(KafkaError) {
        let publisher = try DemoPublisher(settings: settings, events: .ignored)
        var latest: UInt64 = 0
        for number in 0..<pace.count {
            let command = load.command(number)
            guard owns(partition, command.sku) else { continue }
            let due = pace.due(number)
            var now = MonotonicTime.now()
            while now < due, !isStopping.load(ordering: .relaxed) {
                publisher.poll()
                usleep(UInt32(min(500, (due - now) / 1_000 + 1)))
                now = MonotonicTime.now()
            }
            if isStopping.load(ordering: .relaxed) { break }
            latest = max(latest, now - due)
            try publisher.publish(command)
            count.add(1, ordering: .releasing)
        }
        try publisher.finish()
        let found = latest
        while true {
            let before = self.latest.load(ordering: .relaxed)
            if found <= before
                || self.latest.compareExchange(expected: before, desired: found, ordering: .relaxed).exchanged
            {
                return
            }
        }
    }

    private func owns(_ partition: Int32, _ sku: ID) -> Bool {
        sku.withBytes {
            murmur2Partition(key: UnsafeRawBufferPointer($0), partitionCount: partitions) == partition
        }
    }

    /// When the commands of each partition were due, in their order.
    func dueTimes(_ pace: Pace) -> [[UInt64]] {
        var times = Array(repeating: [UInt64](), count: Int(partitions))
        for number in 0..<pace.count {
            let sku = load.command(number).sku
            let partition = (0..<partitions).first { owns($0, sku) }!
            times[Int(partition)].append(pace.due(number))
        }
        return times
    }

    /// How many receipts each partition gets.
    func receiptCounts() -> [Int] {
        var counts = Array(repeating: 0, count: Int(partitions))
        for sku in 0..<load.skuCount {
            counts[Int((0..<partitions).first { owns($0, load.receipt(sku).sku) }!)] += 1
        }
        return counts
    }
}
