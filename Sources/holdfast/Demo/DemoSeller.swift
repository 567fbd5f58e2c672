import Foundation
import InventoryCore
import KafkaClient
import Operations
import Synchronization

/// One producer of the sale, or of its warm-up: sends its share of the reservations when each is due, whether answers
/// come or not (an open loop), so that a slow system cannot slow its own measurement down.
final class DemoSeller: Sendable {
    /// Producers that share the reservations.
    private static let count = 3

    private let number: Int
    /// The reservations that the producers share, and for how many a second there is time.
    private let reservations: Range<Int>
    private let rate: Double
    private let script: any DemoScript
    private let recorder: DemoRecorder
    /// When the first reservation is due, on the monotonic clock.
    private let start: UInt64
    private let isStopping = Atomic<Bool>(false)
    private let done = Atomic<Bool>(false)
    private let fault = Mutex<String?>(nil)

    private init(
        number: Int, reservations: Range<Int>, rate: Double, script: any DemoScript, recorder: DemoRecorder,
        start: UInt64
    ) {
        self.number = number
        self.reservations = reservations
        self.rate = rate
        self.script = script
        self.recorder = recorder
        self.start = start
    }

    /// Sends reservations from `start` on, each on its time.
    static func sell(
        _ reservations: Range<Int>, rate: Double, of script: any DemoScript, recorder: DemoRecorder,
        at start: UInt64, settings: KafkaSettings, events: ClientEvents
    ) -> [DemoSeller] {
        (0..<count).map { number in
            let seller = DemoSeller(
                number: number, reservations: reservations, rate: rate, script: script, recorder: recorder,
                start: start)
            seller.begin(settings: settings, events: events)
            return seller
        }
    }

    var isDone: Bool { done.load(ordering: .acquiring) }
    var failure: String? { fault.withLock { $0 } }

    /// Sends no more.
    fileprivate func stop() { isStopping.store(true, ordering: .releasing) }

    private func begin(settings: KafkaSettings, events: ClientEvents) {
        Service.startThread("seller-\(number)") { [self] in
            do throws(KafkaError) {
                try sell(DemoPublisher(settings: settings, events: events))
            } catch {
                fault.withLock { $0 = error.description }
            }
            done.store(true, ordering: .releasing)
        }
    }

    private func sell(_ publisher: DemoPublisher) throws(KafkaError) {
        for place in stride(from: number, to: reservations.count, by: Self.count) {
            let reservation = reservations.lowerBound + place
            let due = start + UInt64(Double(place) * 1e9 / rate)
            while MonotonicTime.now() < due {
                publisher.poll()
                usleep(500)
            }
            if isStopping.load(ordering: .acquiring) { break }
            recorder.sent(reservation, intended: due)
            try publisher.publish(script.reserve(reservation))
        }
        try publisher.finish()
    }
}

extension [DemoSeller] {
    var areDone: Bool { allSatisfy(\.isDone) }

    func stop() { for seller in self { seller.stop() } }

    /// - Throws: `RoleFailure` for a producer that failed.
    func check() throws {
        for seller in self {
            if let failure = seller.failure {
                throw RoleFailure(.internalFault, "a producer failed: \(failure)")
            }
        }
    }
}
