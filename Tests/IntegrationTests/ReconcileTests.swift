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
        "A row that names what is not known is refused with what it may have meant, and then nothing is sent",
        .timeLimit(.minutes(3)))
    func unknownNames() throws {
        let stage = try Stage()
        defer { stage.endAll() }
        try stage.start("process")
        try stage.publish([
            receive("c1", 41, "00123"), receive("c2", 120, "TEA-250"), receive("c3", 7, "1E5"),
            receive("c4", 5, "T\u{C9}-3"),
        ])
        try stage.publish(
            to: .warehouses, key: "HAM", value: Array(#"{"warehouse":"HAM","name":"Hamburg"}"#.utf8))
        try stage.awaitResults()
        let path = stage.folder + "/count.csv"
        func write(_ text: String) throws { try Data(text.utf8).write(to: URL(filePath: path)) }
        try write(
            "sku,warehouse,counted\ntea-250,BER,118\n123,BER,40\n1.00E+05,BER,7\nTEA-250,BRE,118\n"
                + "TEA-250\u{200B},BER,118\nTE\u{301}-3,BER,4\nTEA-250,HMA,1\nTEA-250,HAM,1\nTEA-250,BER,119\n"
        )
        for flags in [[], ["--apply"]] {
            let refused = try stage.run(["reconcile", "--count", path] + flags)
            #expect(refused.code == 2, "\(refused.output)")
            for told in [
                "refused, line 2: there is no SKU \"tea-250\"; did you mean \"TEA-250\"",
                "refused, line 3: there is no SKU \"123\"; did you mean \"00123\"",
                "refused, line 4: there is no SKU \"1.00E+05\"; did you mean \"1E5\"",
                "refused, line 5: there is no warehouse \"BRE\"; did you mean \"BER\"",
                "refused, line 6: there is no SKU \"TEA-250\\u{200b}\"; it has U+200B, which cannot be seen; did you mean",
                "did you mean \"T\u{C9}-3\" (the same letters in another Unicode form, so other bytes)?",
                "refused, line 8: there is no warehouse \"HMA\"; did you mean \"HAM\"",
                "refused, line 9: \"TEA-250\" has never been in \"HAM\"; it is in \"BER\"",
                "TEA-250 in BER: counted 119, on hand 120, difference -1",
                "8 rows are refused, so", "--allow-new",
            ] {
                #expect(refused.output.contains(told), "\(told): \(refused.output)")
            }
        }
        #expect(try stage.read(.commands).count == 4)
        let json = try stage.run(["reconcile", "--count", path, "--json"])
        #expect(json.output.contains(#"{"line":2,"refused":"there is no SKU"#), "\(json.output)")
        #expect(json.output.contains(#""refused":8"#) && json.output.contains(#""rows":9"#))

        // Right names, as a spreadsheet writes them.
        try write(
            "sep=;\r\nSKU;Warehouse;Counted;Expected;Name\r\n=\"00123\";BER;40;;x\r\n TEA-250;BER;100;;x\r\n"
                + ";;;;\r\nTEA-250;BER ;18;;\"x;y\"\r\nB09-NEW;BER;1;0;x\r\n")
        let applied = try stage.run(["reconcile", "--count", path, "--apply"])
        #expect(applied.code == 0, "\(applied.output)")
        for told in [
            "4 rows read (UTF-8, fields divided by semicolons as its first line says)", "1 blank row",
            "\"Name\"",
            "3 names read without", "summed: TEA-250 in BER: lines 4, 6",
            "B09-NEW in BER: counted 1, on hand 0",
        ] {
            #expect(applied.output.contains(told), "\(told): \(applied.output)")
        }
        try write("sku,warehouse,counted\nB09-NEWER,HAM,2\n")
        #expect(try stage.run(["reconcile", "--count", path, "--apply"]).code == 2)
        #expect(try stage.run(["reconcile", "--count", path, "--apply", "--allow-new"]).code == 0)
        let levels = try stage.levels()
        #expect(levels["00123"]?.levels.map(\.onHand) == [40])
        #expect(levels["TEA-250"]?.levels.map(\.onHand) == [118])
        #expect(levels["B09-NEW"]?.levels.map(\.onHand) == [1])
        #expect(levels["B09-NEWER"]?.levels.map(\.onHand) == [2])
        #expect(levels.count == 6)
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
