import Foundation
import InventoryCore
import KafkaClient
import Operations
import PostgresClient

/// What every role is given: its configuration, a log, metrics, and the wish to end.
struct Service: Sendable {
    let configuration: Configuration
    let logger: Logger
    let metrics = MetricsRegistry()
    let shutdown: ShutdownSignal

    init(configuration: Configuration) {
        self.configuration = configuration
        shutdown = ShutdownSignal.install()
        let output = LogOutput(
            minimum: LogLevel(rawValue: configuration.string("log_level"))!,
            format: LogFormat(setting: configuration.string("log_format")))
        logger = Logger(component: configuration.role, output: output)
    }

    /// The same with another configuration.
    init(_ service: Service, configuration: Configuration) {
        self.configuration = configuration
        shutdown = service.shutdown
        logger = service.logger
    }

    /// Prints the configuration, without secrets.
    func announce() {
        logger.info("starting", ["version": Version.number])
        for (name, value, source) in configuration.shown {
            logger.info("configuration", ["key": name, "value": value, "source": source.description])
        }
    }

    /// Serves /healthz, /readyz and /metrics, if a port is configured.
    func serveHealth(ready: @escaping @Sendable () -> Health) throws -> HTTPServer? {
        let port = configuration.integer("http_port")
        guard port != 0 else { return nil }
        // Named as Prometheus' own clients name it.
        metrics.gauge("process_resident_memory_bytes", help: "Resident memory of the process.") {
            Double(ResidentMemory.bytes())
        }
        let server = try HTTPServer(
            address: configuration.string("http_address"), port: UInt16(port), metrics: metrics, ready: ready)
        logger.info("serving /healthz, /readyz and /metrics", ["port": server.port])
        return server
    }

    /// Keeps a consumer from being destroyed before the process ends: librdkafka would go on waiting for an answer
    /// to its leaving, for five seconds in all. The system closes its connections.
    static func leaveToTheSystem(_ consumer: Consumer) { _ = Unmanaged.passRetained(consumer) }

    /// Starts a thread that is named for the log and for debuggers.
    static func startThread(_ name: String, _ body: @escaping @Sendable () -> Void) {
        let thread = Thread(block: body)
        thread.name = name
        thread.stackSize = 1 << 20
        thread.start()
    }
}

/// Why a role ended, told in one line.
struct RoleFailure: Error {
    let message: String
    let exitCode: ExitCode

    init(_ exitCode: ExitCode, _ message: String) {
        self.exitCode = exitCode
        self.message = message
    }
}

extension KafkaError {
    /// How a role ends for this error, at its start. What the broker does not know or does not allow is a mistake in
    /// the settings, of this side or of the other.
    var exitCode: ExitCode {
        if isRefusal || code.name == "_INVALID_ARG" { return .usage }
        return recovery == .retry ? .temporaryFailure : .internalFault
    }
}

extension PostgresError {
    /// How a subcommand that runs once ends for this error.
    var exitCode: ExitCode {
        if isRefusal { return .usage }
        return recovery == .stop ? .internalFault : .temporaryFailure
    }
}

extension Configuration {
    /// The value of a key that names something: a SKU, a reservation, an order or a command.
    func optionalID(_ key: String) -> ID? { optionalString(key).map { ID($0) } }
}
