import Foundation
import Operations
import PostgresClient
import Testing

/// Databases as they are found in the field: encodings, owners, poolers, standbys, copies in other clusters.
extension FieldTests {
    @Test(
        "Case 15: a database that is not UTF8 is refused by --migrate and at the start, with the statement that makes one",
        .timeLimit(.minutes(2)))
    func latin1() throws {
        let field = try FieldCase("15-latin1-database", hasSink: false)
        defer { field.end() }
        try field.send("1")
        try field.settle()
        let latin1 = try TestDatabase("ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        let options = "ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0"
        let texts = ["encoding LATIN1", "CREATE DATABASE NAME \(options)"]
        for arguments in [["sink", "--migrate"], ["sink"], ["sink", "--rebuild"]] {
            try field.check(
                arguments.joined(separator: " "), expected: "2: " + texts.joined(separator: "; ")
            ) { try field.refusal(arguments, url: latin1.url, saying: texts) }
        }
        let utf8 = try TestDatabase(options)
        defer { withExtendedLifetime(utf8) {} }
        try field.startSink(on: utf8.url)
        try field.awaitRows()
        try field.check("SKUs in one made so", expected: #"B, M\u{FC}sli, TEA-250, \u{8336}-1"#) {
            FieldName.shown(
                try field.sql("SELECT sku FROM holdfast.inventory ORDER BY sku COLLATE \"C\"")
                    .map { $0[0] }.joined(separator: ", "))
        }
        try field.checkAudits()
    }

    @Test(
        "Case 16: a second database of another owner is told which GRANT it lacks, and works with it",
        .timeLimit(.minutes(2)))
    func secondDatabase() throws {
        // The first shop's sink has made the role.
        let field = try FieldCase("16-second-database-other-owner")
        defer { field.end() }
        try field.send("1")
        try field.settle()
        let second = try TestDatabase(ownerRights: "CREATEROLE")
        defer { withExtendedLifetime(second) {} }
        let grant = "GRANT holdfast_application TO \(second.owner ?? "")"
        try field.check("sink --migrate", expected: "2: \(grant)") {
            try field.refusal(["sink", "--migrate"], url: second.url, saying: [grant])
        }
        try field.check("what it has made", expected: "no schema") {
            let connection = try Connection(url: second.url, applicationName: "holdfast tests")
            let isThere = try connection.query("SELECT to_regnamespace('holdfast') IS NOT NULL").bool(0, 0)
            return isThere == true ? "a schema" : "no schema"
        }
        try second.administer(grant)
        field.stop("sink")
        try field.startSink(on: second.url)
        try field.awaitRows()
        try field.checkAudits()
    }

    @Test(
        "Case 17: a pooler that gives each transaction another session is refused by name; one by session works",
        .enabled(if: OwnPgBouncer.isThere, Comment(rawValue: OwnPgBouncer.reason)), .timeLimit(.minutes(3)))
    func pgBouncer() throws {
        let field = try FieldCase("17-pgbouncer-transaction-pooling", hasSink: false)
        defer { field.end() }
        try field.send("1")
        try field.settle()
        let tools = [["sink", "--migrate"], ["sink", "--rebuild"], ["verify"], ["reconcile"]]
        for mode in ["transaction", "statement"] {
            let pooler = try OwnPgBouncer(mode: mode, before: field.url)
            defer { pooler.end() }
            for tool in tools {
                try field.check(
                    "\(tool.joined(separator: " ")), pool_mode \(mode)",
                    expected: "2: pooler; pool_mode=session"
                ) { try field.refusal(tool, url: pooler.url, saying: ["pooler", "pool_mode=session"]) }
            }
            // Nothing was set in the sessions that others get.
            try field.check("statement_timeout of its sessions, pool_mode \(mode)", expected: "0") {
                try pooler.psql("SHOW statement_timeout")
            }
        }
        let pooler = try OwnPgBouncer(mode: "session", before: field.url)
        defer { pooler.end() }
        try field.startSink(through: pooler.url)
        try field.awaitRows()
        try field.checkAudits()
        for tool in ["verify", "reconcile"] {
            try field.check("\(tool), pool_mode session", expected: "0") {
                "\(try field.stage.run([tool], environment: ["DATABASE_URL": pooler.url]).code)"
            }
        }
        field.stop("sink")
    }

    @Test(
        "Case 18: verify names the settings that it needs on a busy standby, and completes with them",
        .enabled(if: RealServers.canStartServers, Comment(rawValue: RealServers.serversReason)),
        .timeLimit(.minutes(4)))
    func busyStandby() throws {
        let primary = try OwnPostgres(port: freeLoopbackPort())
        defer { primary.end() }
        let field = try FieldCase("18-verify-on-a-busy-standby", hasSink: false)
        defer { field.end() }
        try field.publish(
            .commands,
            (0..<2_000).map { FieldLine.receive("SKU-\($0 % 20)", 1, as: "b18-\($0)") })
        try field.settle()
        try field.startSink(on: primary.url)
        try field.awaitRows()
        let standby = try OwnPostgres(following: primary)
        defer { standby.end() }
        let settings = try Connection(url: standby.url, applicationName: "holdfast tests")
        let busy = try Connection(url: primary.url, applicationName: "holdfast tests")
        try settings.execute("ALTER SYSTEM SET max_standby_streaming_delay = '100ms'")
        try settings.execute("SELECT pg_reload_conf()")
        /// What a verify comes to, in whose middle the primary removes rows that it may still see.
        func verify(until condition: (FrozenAudit) throws -> Bool) throws -> (code: Int32, output: String) {
            let audit = try FrozenAudit(["verify"], on: field.stage, url: standby.url)
            try busy.execute("UPDATE holdfast.inventory SET safety_stock = safety_stock")
            try busy.execute("VACUUM holdfast.inventory")
            try eventually("the standby has come to what the primary removed") { try condition(audit) }
            return try audit.goOn()
        }
        let ended = try verify { try $0.idleSeconds() == nil }
        let names = ["hot_standby_feedback = on", "max_standby_streaming_delay = -1"]
        try field.check("verify on the standby", expected: "75: " + names.joined(separator: "; ")) {
            "\(ended.code): " + names.filter { ended.output.contains($0) }.joined(separator: "; ")
        }
        let advice = try #require(
            ended.output.firstMatch(of: /set on the standby: (.*); or give/)?.1, "\(ended.output)")
        for statement in advice.split(separator: "; ") { try settings.execute(String(statement)) }
        let place = "SELECT coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, false)"
        let completed = try verify { _ in
            let end = try busy.query("SELECT pg_current_wal_lsn()::text").text(0, 0) ?? ""
            if try settings.query(place, [.text(end)]).bool(0, 0) == true { return true }
            // It lets the verify end first.
            return try settings.query(
                "SELECT 1 FROM pg_stat_activity WHERE wait_event LIKE 'RecoveryConflict%'"
            ).rowCount > 0
        }
        if completed.code != 0 { print(completed.output) }
        try field.check("verify with them", expected: "0") { "\(completed.code)" }
    }

    @Test(
        "Case 19: by the runbook's lines a database is dumped and restored into another cluster, where the chain is proved",
        .enabled(if: RealServers.canStartServers, Comment(rawValue: RealServers.serversReason)),
        .timeLimit(.minutes(4)))
    func restoredElsewhere() throws {
        let (first, other) = (
            try OwnPostgres(port: freeLoopbackPort()), try OwnPostgres(port: freeLoopbackPort())
        )
        defer {
            first.end()
            other.end()
        }
        let field = try FieldCase("19-dump-restore-other-cluster", hasSink: false)
        defer { field.end() }
        try field.startSink(on: first.url)
        try field.publish(
            .commands, (0..<400).map { FieldLine.receive("M\u{FC}sli-\($0 % 7)", 1, as: "b19-\($0)") })
        try field.settle()
        try field.awaitRows()
        let book = try Runbook(
            page: "docs/operations.md", folder: field.stage.folder,
            environment: [
                "KAFKA_BOOTSTRAP": field.stage.bootstrap, "DATABASE_URL": first.url,
                "HOLDFAST_TOPIC_PREFIX": field.stage.prefix,
            ])
        let server = other.url.split(separator: "/").dropLast().joined(separator: "/")
            .replacing("postgresql:/", with: "postgresql://")
        book.values["OTHER"] = server
        try book.run(
            "PostgreSQL is to be backed up, or restored into another cluster",
            before: [
                // What came after the dump.
                1: {
                    try field.publish(
                        .commands,
                        (400..<450).map { FieldLine.receive("M\u{FC}sli-\($0 % 7)", 1, as: "b19-\($0)") })
                    try field.settle()
                },
                7: {
                    field.stop("sink")
                    try field.startSink(on: server + "/stock")
                    try field.awaitRows()
                },
            ])
        try field.check("rows in the other cluster", expected: "450") {
            try field.sql("SELECT count(*) FROM holdfast.inventory_transactions")[0][0]
        }
        try field.checkAudits()
    }
}
