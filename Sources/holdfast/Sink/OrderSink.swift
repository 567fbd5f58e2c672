import Foundation
import KafkaClient
import LedgerSink
import Operations
import Synchronization

/// The sink of `order.outcomes`, on a thread and a connection of its own: the ledger does not wait for it. Where there
/// is no such topic it says so once, and looks again.
final class OrderSink: Sendable {
    /// How long the topic may be missing before there is none, and how long it then takes to look again.
    private static let grace = 3_000
    private static let lookAgain = 10_000

    private struct State {
        var failure: RoleFailure?
        var isStopping = false
        /// There is no topic.
        var isAbsent = false
        var isCaughtUp = false
        var offsets: [Int32: Int64] = [:]
    }

    private let service: Service
    private let settings: KafkaSettings
    private let patience: Patience
    private let metrics: SinkMetrics
    private let stallGuard: StallGuard?
    private let watched: WatchedWorker
    private let schema: String
    private let readiness = Readiness(notYet: "not connected for orders yet")
    private let logger: Logger
    private let state = Mutex(State())
    private let ended = DispatchSemaphore(value: 0)

    init(
        service: Service, patience: Patience, metrics: SinkMetrics, stallGuard: StallGuard?,
        watched: WatchedWorker, schema: String
    ) {
        self.service = service
        settings = KafkaSettings(service.configuration)
        self.patience = patience
        self.metrics = metrics
        self.stallGuard = stallGuard
        self.watched = watched
        self.schema = schema
        logger = service.logger.child("orders")
    }

    var topic: String { settings.name(.orderOutcomes) }
    var health: Health { readiness.health }

    /// Begins, once the schema is there.
    func start() {
        Service.startThread("orders") { [self] in
            do {
                try run()
            } catch let failure as RoleFailure {
                state.withLock { $0.failure = failure }
            } catch let error as KafkaError {
                state.withLock { $0.failure = RoleFailure(error.exitCode, error.description) }
            } catch {
                state.withLock { $0.failure = RoleFailure(.internalFault, "\(error)") }
            }
            watched.rest()
            ended.signal()
        }
    }

    /// - Throws: `RoleFailure` if it has ended for a fault.
    func check() throws {
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }

    /// How far it is, once it has all that the topic held when it began; nothing where there is no topic.
    var caughtUp: [Int32: Int64]? {
        state.withLock { $0.isAbsent ? [:] : $0.isCaughtUp ? $0.offsets : nil }
    }

    /// Lets it store what it has gathered, and waits for its end.
    func stop(withinMilliseconds milliseconds: Int) throws {
        state.withLock { $0.isStopping = true }
        guard ended.wait(timeout: .now() + .milliseconds(milliseconds)) == .success else {
            throw RoleFailure(.temporaryFailure, "the orders' last transaction does not end")
        }
        ended.signal()
        try check()
    }

    private var isStopping: Bool { service.shutdown.isRequested || state.withLock { $0.isStopping } }

    private func run() throws {
        guard let partitions = try findTopic() else { return }
        let configuration = service.configuration
        let line = try SinkLine<OrderStore>(
            service: service, logger: logger, topic: topic, partitions: partitions,
            stallGuard: stallGuard, watched: watched,
            readiness: readiness, isQuiet: true,
            hooks: .init(
                open: { [self] in
                    try OrderStore(
                        connection: SinkDatabase(service, patience).connect(),
                        role: configuration.string("database_role"), topic: topic, schema: schema)
                },
                stored: { [metrics] count, _, _ in metrics.stored(orders: count) },
                lag: { [metrics] in metrics.orderLag($0, $1) }))
        repeat {
            state.withLock {
                $0.isCaughtUp = line.isCaughtUp
                $0.offsets = line.offsets
            }
            if isStopping { line.stop() }
        } while try line.turn()
    }

    /// - Returns: how many partitions the topic has; nil if the process is to end first.
    private func findTopic() throws -> Int32? {
        let admin = try Admin(configuration: settings.common(), events: service.kafkaEvents())
        let grace = Deadline(milliseconds: Self.grace)
        var next = Deadline(milliseconds: 0)
        while !isStopping {
            if !next.isPast {
                _ = service.shutdown.wait(timeoutMilliseconds: 100)
                continue
            }
            next = Deadline(milliseconds: grace.isPast ? Self.lookAgain : 200)
            do throws(KafkaError) {
                let found = try admin.describeTopics([topic], timeoutMilliseconds: 5_000)[topic]
                if let found {
                    state.withLock { $0.isAbsent = false }
                    return Int32(found.partitionCount)
                }
                if grace.isPast { tellAbsence() }
            } catch {
                guard error.recovery == .retry else { throw RoleFailure(error.exitCode, error.description) }
            }
        }
        return nil
    }

    private func tellAbsence() {
        guard !state.withLock({ $0.isAbsent }) else { return }
        state.withLock { $0.isAbsent = true }
        logger.info("there is no topic for orders, and so none are kept", ["topic": topic])
        readiness.ready()
    }
}
