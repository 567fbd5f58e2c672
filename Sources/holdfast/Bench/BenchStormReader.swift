import Foundation
import KafkaClient
import Operations
import Synchronization

/// Follows the results of a storm on a thread of its own: when each reservation's end was told, and when each command
/// of the live load was answered.
final class BenchStormReader: Sendable {
    /// What was seen, by number.
    struct Seen {
        /// When the end of each reservation was read, in milliseconds since 1970.
        var ends: [Int64]
        /// When the result of each live command was read, on the monotonic clock; 0 for one that has none.
        var live: [UInt64]
    }

    private let topic: String
    private let settings: KafkaSettings
    private let partitions: Int32
    private let reservations: Int
    private let grantedCount = Atomic<Int>(0)
    private let endedCount = Atomic<Int>(0)
    private let liveCount = Atomic<Int>(0)
    private let otherCount = Atomic<Int>(0)
    private let isStopping = Atomic<Bool>(false)
    private let hasStopped = Atomic<Bool>(false)
    private let failure = Mutex<String?>(nil)
    private let seen = Mutex(Seen(ends: [], live: []))

    init(_ settings: KafkaSettings, partitions: Int32, reservations: Int) {
        topic = settings.name(.results)
        self.settings = settings
        self.partitions = partitions
        self.reservations = reservations
    }

    /// Reservations that were granted, that have ended, and live commands that were answered.
    var granted: Int { grantedCount.load(ordering: .acquiring) }
    var ended: Int { endedCount.load(ordering: .acquiring) }
    var live: Int { liveCount.load(ordering: .acquiring) }
    /// Other results.
    var other: Int { otherCount.load(ordering: .acquiring) }
    var fault: String? { failure.withLock { $0 } }

    func start() {
        Service.startThread("results") { [self] in
            do throws(KafkaError) {
                try follow()
            } catch {
                failure.withLock { $0 = error.description }
            }
            hasStopped.store(true, ordering: .releasing)
        }
    }

    /// Stops, and gives what was seen.
    func stop() -> Seen {
        isStopping.store(true, ordering: .releasing)
        let deadline = Deadline(milliseconds: 10_000)
        while !hasStopped.load(ordering: .acquiring), !deadline.isPast { usleep(2_000) }
        return seen.withLock { $0 }
    }

    private func follow() throws(KafkaError) {
        let consumer = try Consumer(configuration: settings.reader(isolation: .committed), events: .ignored)
        try consumer.assign((0..<partitions).map { TopicPartitionOffset(topic, $0, offset: 0) })
        var own = Seen(ends: Array(repeating: 0, count: reservations), live: [])
        var failure: KafkaError?
        while !isStopping.load(ordering: .acquiring), failure == nil {
            var (granted, ended, live, other) = (0, 0, 0, 0)
            var now: (wall: Int64, monotonic: UInt64) = (0, 0)
            consumer.consumeBatch(maxMessages: 5_000, timeoutMilliseconds: 20) { message in
                if case .failure(let error) = message.kind, error.recovery != .retry { failure = error }
                guard message.isRecord, let value = message.value else { return }
                // A batch is there at once.
                if now.wall == 0 { now = (WallClock.milliseconds(), MonotonicTime.now()) }
                switch BenchStormResult(value) {
                case .granted: granted += 1
                case .ended(let number):
                    // A request that is repeated is answered again.
                    guard number < own.ends.count, own.ends[number] == 0 else { return }
                    own.ends[number] = now.wall
                    ended += 1
                case .live(let number):
                    if number >= own.live.count {
                        own.live += Array(repeating: 0, count: number + 1 - own.live.count)
                    }
                    own.live[number] = now.monotonic
                    live += 1
                case .other: other += 1
                }
            }
            grantedCount.add(granted, ordering: .releasing)
            endedCount.add(ended, ordering: .releasing)
            liveCount.add(live, ordering: .releasing)
            otherCount.add(other, ordering: .releasing)
        }
        seen.withLock { $0 = own }
        if let failure { throw failure }
    }
}

/// What a result is about. It is looked for in the bytes, and the result is not read whole: the reader must not take
/// the processors from what it measures.
enum BenchStormResult: Equatable {
    case granted
    case ended(Int)
    case live(Int)
    case other

    /// - Parameter value: a result, as the processor writes it: its command's id stands first.
    init(_ value: UnsafeRawBufferPointer) {
        if let number = Self.number(after: "{\"command_id\":\"command-", in: value) {
            self = .live(number)
        } else if Self.place(of: "\"type\":\"expire\"", in: value) != nil {
            // Not due yet: it is asked for again.
            if Self.place(of: "\"reason\":\"not_due\"", in: value) == nil,
                let number = Self.number(after: "\"reservation_id\":\"due-", in: value)
            {
                self = .ended(number)
            } else {
                self = .other
            }
        } else if Self.place(of: "\"outcome\":\"reserved\"", in: value) != nil {
            self = .granted
        } else {
            self = .other
        }
    }

    private static func place(of word: StaticString, in value: UnsafeRawBufferPointer) -> Int? {
        guard let base = value.baseAddress,
            let found = memmem(base, value.count, word.utf8Start, word.utf8CodeUnitCount)
        else { return nil }
        return base.distance(to: UnsafeRawPointer(found))
    }

    /// The digits behind a word.
    private static func number(after word: StaticString, in value: UnsafeRawBufferPointer) -> Int? {
        guard let place = place(of: word, in: value) else { return nil }
        var (number, digits) = (0, 0)
        for byte in value[(place + word.utf8CodeUnitCount)...] {
            guard 0x30...0x39 ~= byte, digits < 12 else { break }
            number = number * 10 + Int(byte - 0x30)
            digits += 1
        }
        return digits == 0 ? nil : number
    }
}
