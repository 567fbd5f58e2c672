import Foundation
import InventoryCore
import InventoryWire
import Operations
import PostgresClient
import Testing

@Suite(
    "Reconciling, on a genuine broker and a genuine PostgreSQL", .serialized,
    .enabled(
        if: RealServers.kafka != nil && RealServers.database != nil,
        Comment(rawValue: RealServers.bothReason)))
struct ReconcileTests {
    @Test("A count is shown against the levels, put right once, and not once more", .timeLimit(.minutes(3)))
    func count() throws {
        let stage = try Stage()
        defer { stage.endAll() }
        try stage.start("process")
        try stage.publish([
            receive("c1", 10, "A"), receive("c2", 10, "A", in: "HAM"), receive("c3", 7, "B"),
            receive("c4", 3, "tea, \"green\""),
        ])
        try stage.awaitResults()
        let path = NSTemporaryDirectory() + "holdfast-\(stage.prefix)count.csv"
        defer { try? FileManager.default.removeItem(atPath: path) }
        func write(_ text: String) throws { try Data(text.utf8).write(to: URL(filePath: path)) }
        let file =
            "sku,warehouse,counted,expected\r\nA,BER,8,\r\nA,HAM,10,\r\nB,BER,9,6\r\n"
            + "\"tea, \"\"green\"\"\",BER,4,3\r\nNEW,BER,1,0\r\n"
        try write(file)

        let shown = try stage.run(["reconcile", "--count", path])
        #expect(shown.code == 1, "\(shown.output)")
        #expect(shown.output.contains("A in BER: counted 8, on hand 10, difference -2"))
        #expect(shown.output.contains("5 counts, 4 differ: 4 units more than on hand, 2 fewer"))
        #expect(try stage.read(.commands).count == 4)

        // The warehouse believed that 6 of B were on hand, and there were 7.
        let applied = try stage.run(["reconcile", "--count", path, "--apply"])
        #expect(applied.code == 1, "\(applied.output)")
        #expect(applied.output.contains("A in BER: adjusted"))
        #expect(applied.output.contains("B in BER: rejected: expected_mismatch"))
        let levels = try stage.levels()
        #expect(levels["A"]?.levels.map(\.onHand) == [8, 10])
        #expect(levels["B"]?.levels.map(\.onHand) == [7])
        #expect(levels["tea, \"green\""]?.levels.map(\.onHand) == [4])
        #expect(levels["NEW"]?.levels.map(\.onHand) == [1])

        // Units moved since; the same file must not undo that.
        try stage.publish([receive("c5", 5, "A")])
        _ = try stage.outcome(of: "c5")
        let again = try stage.run(["reconcile", "--count", path, "--apply", "--json"])
        #expect(again.code == 1)
        #expect(again.output.contains("command_id_conflict"), "\(again.output)")
        #expect(try stage.levels()["A"]?.levels.map(\.onHand) == [13, 10])

        try write("sku,warehouse,counted\nA,BER,13\n")
        #expect(try stage.run(["reconcile", "--count", path]).code == 0)
        try write("sku,warehouse,counted\nA,BER,13\nA,HAM,many\n")
        let wrong = try stage.run(["reconcile", "--count", path, "--apply"])
        #expect(wrong.code == 2 && wrong.output.contains("line 3: counted is "), "\(wrong.output)")
        #expect(try stage.run(["reconcile", "--apply"]).code == 2)
        try stage.checkBooks()
    }

    @Test(
        "PostgreSQL is compared as of the sink's offsets, and each damaged row is named",
        .timeLimit(.minutes(3)))
    func postgres() throws {
        let database = try TestDatabase()
        let environment = ["DATABASE_URL": database.url]
        let stage = try Stage()
        defer { stage.endAll() }
        try stage.start("process")
        let sink = try stage.start("sink", ["--migrate"], environment: environment)
        var day = DomainTests.Day(random: SplitMix(state: 41))
        for _ in 0..<600 { try stage.publishSoon(day.next()) }
        try stage.publish([receive("in", 9, "LAST"), reserve("r-last", 2, "LAST")])
        try stage.awaitAnswers()
        let entries = try stage.ledger().count
        let owner = try Connection(url: database.url, applicationName: "holdfast tests")
        try eventually("the rows are there") {
            try owner.query("SELECT count(*) FROM holdfast.inventory_transactions").int64(0, 0)
                == Int64(entries)
        }
        #expect(sink.process.stop(milliseconds: 5_000) == 0)
        // What the sink has not seen makes no difference.
        try stage.publish([receive("later", 9, "LAST")])
        _ = try stage.outcome(of: "later")
        let same = try stage.run(["reconcile"], environment: environment)
        #expect(same.code == 0 && same.output.contains("; 0 differ"), "\(same.output)")

        try owner.execute(
            """
            UPDATE holdfast.inventory SET quantity_on_hand = 8 WHERE sku = 'LAST';
            UPDATE holdfast.reservations SET id = 'r-ghost' WHERE id = 'r-last';
            """)
        let found = try stage.run(["reconcile"], environment: environment)
        #expect(found.code == 1)
        #expect(
            found.output.contains(
                "level of LAST in BER: available is 7, in PostgreSQL 6; on_hand is 9, in PostgreSQL 8"),
            "\(found.output)")
        #expect(found.output.contains("reservation r-ghost of LAST: in PostgreSQL alone"))
        #expect(found.output.contains("reservation r-last of LAST: not in PostgreSQL"))
        #expect(found.output.contains("; 3 differ"))
        let json = try stage.run(["reconcile", "--json"], environment: environment)
        #expect(json.output.contains("\"differ\":3"), "\(json.output)")
        let empty = try TestDatabase()
        let other = try stage.run(["reconcile"], environment: ["DATABASE_URL": empty.url])
        #expect(other.code == 2, "\(other.output)")
    }
}
