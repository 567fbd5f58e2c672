import Foundation
import InventoryCore
import KafkaClient
import Operations
import Synchronization

/// One producer of the sale: sends its share of the reservations when each is due, whether answers come or not
/// (an open loop), so that a slow system cannot slow its own measurement down.
final class DemoSeller: Sendable {
    private let number: Int
    private let plan: DemoPlan
    private let recorder: DemoRecorder
    /// When the first reservation of the sale is due, on the monotonic clock.
    private let start: UInt64
    private let done = Atomic<Bool>(false)
    private let fault = Mutex<String?>(nil)

    init(number: Int, plan: DemoPlan, recorder: DemoRecorder, start: UInt64) {
        self.number = number
        self.plan = plan
        self.recorder = recorder
        self.start = start
    }

    var isDone: Bool { done.load(ordering: .acquiring) }
    var failure: String? { fault.withLock { $0 } }

    func begin(settings: KafkaSettings, events: ClientEvents) {
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
        let hot = plan.hotNumbers()
        let interval = Double(plan.seconds) * 1e9 / Double(plan.reservations)
        for reservation in stride(from: number, to: plan.reservations, by: plan.producers) {
            let due = start + UInt64(Double(reservation) * interval)
            while MonotonicTime.now() < due {
                publisher.poll()
                usleep(500)
            }
            recorder.sent(reservation, intended: due)
            try publisher.publish(plan.reserve(reservation, hotNumbers: hot))
        }
        try publisher.finish()
    }
}
