import Foundation
import Testing

/// The genuine servers that integration tests run on, as `deploy/local test` hands them over.
enum RealServers {
    private static var environment: [String: String] { ProcessInfo.processInfo.environment }

    static let kafka: String? = environment["KAFKA_BOOTSTRAP"].flatMap { $0.isEmpty ? nil : $0 }
    static let database: String? = environment["DATABASE_URL"].flatMap { $0.isEmpty ? nil : $0 }
    static let kafkaReason = environment["HOLDFAST_NO_KAFKA_REASON"] ?? "KAFKA_BOOTSTRAP is not set"
    static let databaseReason = environment["HOLDFAST_NO_POSTGRES_REASON"] ?? "DATABASE_URL is not set"
    /// Why a test that needs both is skipped.
    static let bothReason = kafka == nil ? kafkaReason : databaseReason
    static let isCI = !(environment["CI"] ?? "").isEmpty

    /// Whether tests may start brokers and clusters of their own.
    static let canStartServers =
        environment["HOLDFAST_TEST_SERVERS"] == "1" && environment["HOLDFAST_KAFKA_LIBS"] != nil
    static let serversReason = "only deploy/local test starts servers of a test's own"

    static let root =
        environment["HOLDFAST_ROOT"]
        ?? URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path
    static let binary = environment["HOLDFAST_BINARY"] ?? "\(root)/.build/release/holdfast"
}

@Suite("Servers")
struct ServerTests {
    @Test(
        "In CI there are a genuine Kafka and a genuine PostgreSQL",
        .enabled(if: RealServers.isCI, "not in CI"))
    func continuousIntegration() {
        #expect(RealServers.kafka != nil, "\(RealServers.kafkaReason)")
        #expect(RealServers.database != nil, "\(RealServers.databaseReason)")
        #expect(RealServers.canStartServers, "\(RealServers.serversReason)")
    }
}

/// Waits until a condition holds; a limit ends the wait and fails the test.
func eventually(
    _ what: @autoclosure () -> String, seconds: Double = 60,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () throws -> Bool
) throws {
    let end = Date().addingTimeInterval(seconds)
    while try !condition() {
        guard Date() < end else {
            let what = what()
            Issue.record("waited \(seconds) s in vain: \(what)", sourceLocation: sourceLocation)
            throw Timeout(what: what)
        }
        usleep(20_000)
    }
}

struct Timeout: Error, CustomStringConvertible {
    let what: String
    var description: String { "timeout: \(what)" }
}
