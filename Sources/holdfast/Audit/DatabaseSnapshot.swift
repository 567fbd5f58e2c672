import Operations
import PostgresClient

/// One moment of the sink's tables: a transaction that sees nothing of what is stored later, however long it is read.
///
/// Names of tables are looked up as they are now, though. So whoever reads asks `check` afterwards whether
/// `sink --rebuild` has put other tables in their place.
final class DatabaseSnapshot {
    /// A statement may sort the whole ledger.
    private static let statementSeconds = 6 * 3600
    private static let ledger = "holdfast.inventory_transactions"

    let connection: Connection
    /// Why a standby may end it; nil on a primary.
    private let standby: String?
    /// The number of the ledger's table, as the moment has it.
    private var table: Int64?

    /// - Throws: `RoleFailure` if the database has no such tables; else `PostgresError`.
    init(service: Service, name: String) throws {
        let shutdown = service.shutdown
        connection = try Connection(
            url: service.configuration.string("database_url"), applicationName: name,
            statementTimeoutSeconds: Self.statementSeconds, giveUp: { shutdown.isRequested })
        guard
            try connection.query("SELECT to_regclass('holdfast.sink_offsets') IS NOT NULL").bool(0, 0) == true
        else {
            throw RoleFailure(
                .usage,
                "the database has no schema holdfast: give the right --database-url"
                    + (name.hasSuffix("verify") ? ", or --without-database" : ""))
        }
        standby = try Self.standby(connection)
    }

    private static func standby(_ connection: Connection) throws -> String? {
        let found = try connection.query(
            """
            SELECT pg_is_in_recovery(), current_setting('max_standby_streaming_delay'),
                current_setting('hot_standby_feedback')
            """)
        guard try found.bool(0, 0) == true else { return nil }
        return "max_standby_streaming_delay is \(try found.text(0, 1) ?? ""), "
            + "hot_standby_feedback is \(try found.text(0, 2) ?? "")"
    }

    // MARK: The moment

    /// Takes the snapshot.
    func begin() throws {
        // Topics are read between its statements.
        try connection.execute(
            """
            BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
            SET LOCAL idle_in_transaction_session_timeout = 0
            """)
        let found = try connection.query(
            """
            SELECT c.oid::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'holdfast' AND c.relname = 'inventory_transactions'
            """)
        table = found.rowCount > 0 ? try found.int64(0, 0) : nil
        try check()
    }

    /// Whether the tables that were read since the snapshot are those of the snapshot.
    /// - Throws: `RoleFailure` if not.
    func check() throws {
        let now = try connection.query("SELECT to_regclass('\(Self.ledger)')::oid::bigint").int64(0, 0)
        guard now != nil, now == table else { throw Self.swapped }
    }

    static let swapped = RoleFailure(
        .temporaryFailure,
        "holdfast sink --rebuild has put new tables in the place of those that were being read, and nothing is known of "
            + "either: run it again")

    /// Runs `body`; an error that follows from what the server did meanwhile is told with its cause.
    func read<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as PostgresError {
            // UNDEFINED_TABLE: the old tables were dropped.
            if table != nil, error.sqlState == "42P01" { throw Self.swapped }
            // SERIALIZATION_FAILURE: what only reads one snapshot gets it for the standby's own reasons.
            guard let standby, error.sqlState == "40001" else { throw error }
            throw RoleFailure(
                .temporaryFailure,
                "the standby ended the snapshot, because what the primary has removed or changed could wait no longer "
                    + "(\(error.message); \(standby)). For as long as it runs, set on the standby: ALTER SYSTEM SET "
                    + "hot_standby_feedback = on; ALTER SYSTEM SET max_standby_streaming_delay = -1; SELECT "
                    + "pg_reload_conf(); or give the --database-url of the primary")
        }
    }

    // MARK: Which database it is

    /// Tells these tables from those of another database, of a restored one, and of a rebuild.
    func identity() throws -> String {
        let found = try connection.query(
            """
            SELECT format('%s/%s/%s/%s/%s', (SELECT system_identifier FROM pg_control_system()),
                CASE WHEN pg_is_in_recovery() THEN (SELECT timeline_id FROM pg_control_checkpoint())
                    ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer END,
                d.oid, c.oid, pg_relation_filenode(c.oid))
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_database d ON d.datname = current_database()
            WHERE n.nspname = 'holdfast' AND c.relname = 'inventory_transactions'
            """)
        return found.rowCount > 0 ? try found.text(0, 0) ?? "" : ""
    }
}
