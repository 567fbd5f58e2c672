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
}
