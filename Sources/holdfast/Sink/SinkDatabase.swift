import Foundation
import LedgerSink
import Operations
import PostgresClient

/// How the sink comes to its database, and to the SQL of its schema.
struct SinkDatabase {
    /// How long a statement may take that goes over all that there is.
    static let migrationSeconds = 6 * 3600

    private let service: Service
    private let patience: Patience

    init(_ service: Service, _ patience: Patience) {
        self.service = service
        self.patience = patience
    }

    func connect(statementTimeoutSeconds: Int = 30) throws -> Connection {
        try Connection(
            url: service.configuration.string("database_url"), applicationName: "holdfast sink",
            statementTimeoutSeconds: statementTimeoutSeconds,
            giveUp: { [patience] in patience.isOver },
            onNotice: { [logger = service.logger] notice in
                logger.debug("PostgreSQL: \(notice.message)", ["severity": notice.severity])
            })
    }

    /// The files of `deploy/sql`.
    func files() throws -> [SchemaMigrator.File] {
        let folder =
            try ShareDirectory.locate(
                configured: service.configuration.optionalString("share_directory"),
                executable: ShareDirectory.executable,
                workingDirectory: FileManager.default.currentDirectoryPath) + "/deploy/sql"
        return try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".sql") }
            .map { ($0, try String(contentsOfFile: "\(folder)/\($0)", encoding: .utf8)) }
    }
}
