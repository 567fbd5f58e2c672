import InventoryWire
import KafkaClient
import Operations
import Synchronization

/// In this module a topic is one of the system's; a client's handle of a topic is `KafkaClient.Topic`.
typealias Topic = InventoryWire.Topic

/// An outage is told once, and its end once, by whichever client sees it first.
final class OutageLog: Sendable {
    private let filter = Mutex(ConnectionNoiseFilter())
    private let logger: Logger

    init(_ logger: Logger) { self.logger = logger }

    func line(_ level: Int, _ facility: String, _ message: String) {
        let now = Self.now()
        guard filter.withLock({ $0.judge(facility: facility, message: message, now: now) }) == .tell else {
            return
        }
        let text = "\(facility): \(message)"
        let isToldByCaller = ConnectionNoiseFilter.transactionFacilities.contains(facility)
        switch isToldByCaller ? max(level, 4) : level {
        case ...3: logger.warning(text)
        case 4: logger.info(text)
        default: logger.debug(text)
        }
    }

    func error(_ error: KafkaError) {
        let now = Self.now()
        guard filter.withLock({ $0.judge(error, now: now) }) == .tell else { return }
        logger.warning(error.description)
    }

    /// Microseconds of librdkafka's clock (`rd_clock`).
    private static func now() -> Int64 { Int64(MonotonicTime.now() / 1_000) }

    /// The statistics say when a broker that was gone is back.
    func statistics(_ json: UnsafeRawBufferPointer) {
        for back in filter.withLock({ $0.statistics(json) }) {
            logger.info(
                "the broker is back", ["broker": back.address, "messages_kept_quiet": back.keptQuiet])
        }
    }
}

extension Service {
    /// What clients of Kafka tell goes to the log, without its noise.
    func kafkaEvents() -> ClientEvents {
        let outages = OutageLog(logger.child("kafka"))
        return ClientEvents(
            log: { outages.line($0, $1, $2) }, error: { outages.error($0) },
            statistics: { outages.statistics($0) })
    }
}
