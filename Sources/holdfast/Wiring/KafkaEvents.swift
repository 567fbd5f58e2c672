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

    /// How long topics may be missing at start before that is a mistake, in milliseconds.
    private static let topicsGrace = 3_000

    /// Waits until the topics are there, and have as many partitions as one another.
    /// - Returns: how many; nil if the process is to end first.
    /// - Throws: `RoleFailure` for topics that are missing or do not fit together.
    func waitForTopics(_ settings: KafkaSettings) throws -> Int32? {
        let admin = try Admin(configuration: settings.common(), events: kafkaEvents())
        let names = Topic.needed.map { settings.name($0) }
        var isTold = false
        // A broker may not yet know topics that its controller has created a moment ago.
        let grace = Deadline(milliseconds: Self.topicsGrace)
        while !shutdown.isRequested {
            do {
                let found = try admin.describeTopics(names, timeoutMilliseconds: 2_000)
                return try Self.partitionCount(found.mapValues(\.partitionCount), settings)
            } catch let failure as RoleFailure where !grace.isPast {
                logger.debug("looking again", ["reason": failure.message])
                _ = shutdown.wait(timeoutMilliseconds: 200)
            } catch let error as KafkaError {
                if error.recovery == .fatal { throw RoleFailure(error.exitCode, error.description) }
                if !isTold { logger.warning("waiting for the broker", ["reason": error.description]) }
                isTold = true
                _ = shutdown.wait(timeoutMilliseconds: 500)
            }
        }
        return nil
    }

    private static func partitionCount(
        _ found: [String: Int], _ settings: KafkaSettings
    ) throws -> Int32 {
        let missing = Topic.needed.map { settings.name($0) }.filter { found[$0] == nil }
        guard missing.isEmpty else {
            throw RoleFailure(
                .usage,
                "missing topics: \(missing.joined(separator: ", ")); create them with: holdfast topics apply")
        }
        let counts = Topic.stock.map { found[settings.name($0)]! }
        guard let count = counts.first, counts.allSatisfy({ $0 == count }) else {
            throw RoleFailure(
                .usage,
                "the stock.* topics must have the same number of partitions; they have "
                    + Topic.stock.map { "\(settings.name($0)) \(found[settings.name($0)]!)" }
                    .joined(separator: ", "))
        }
        guard found[settings.name(.deadLetters)]! >= count else {
            throw RoleFailure(.usage, "\(settings.name(.deadLetters)) needs at least \(count) partitions")
        }
        return Int32(count)
    }
}
