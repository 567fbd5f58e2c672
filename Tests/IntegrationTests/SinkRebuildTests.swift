import Foundation
import InventoryCore
import InventoryWire
import Operations
import PostgresClient
import Synchronization
import Testing

@Suite(
    "The sink's rebuild on a genuine broker and a genuine PostgreSQL", .serialized,
    .enabled(
        if: RealServers.kafka != nil && RealServers.database != nil,
        Comment(rawValue: RealServers.bothReason)))
struct SinkRebuildTests {
    /// A reader that asks without a pause, and notes what no reader may see.
    private final class Reader: Sendable {
        private struct State {
            var isStopping = false
            var isDone = false
            var questions = 0
            var faults: [String] = []
        }

        private let state = Mutex(State())

        init(_ url: String) {
            Thread.detachNewThread { [self] in
                do {
                    let connection = try Connection(url: url, applicationName: "holdfast tests")
                    var most: Int64 = 0
                    while !state.withLock({ $0.isStopping }) {
                        let rows =
                            try connection.query("SELECT count(*) FROM holdfast.inventory_transactions")
                            .int64(0, 0) ?? 0
                        if rows < most { note("\(rows) rows after \(most)") }
                        most = max(most, rows)
                        let levels = try connection.query(
                            "SELECT quantity_on_hand FROM holdfast.inventory WHERE sku = 'A'")
                        if levels.rowCount == 0 { note("no level") }
                        state.withLock { $0.questions += 2 }
                    }
                } catch {
                    note("\(error)")
                }
                state.withLock { $0.isDone = true }
            }
        }

        private func note(_ fault: String) { state.withLock { $0.faults.append(fault) } }

        /// - Returns: how many questions were answered, and what was wrong.
        func stop() throws -> (questions: Int, faults: [String]) {
            state.withLock { $0.isStopping = true }
            try eventually("the reader ends") { state.withLock { $0.isDone } }
            return state.withLock { ($0.questions, $0.faults) }
        }
    }

    private func number(_ url: String, _ sql: String) throws -> Int64 {
        try Connection(url: url, applicationName: "holdfast tests").query(sql).int64(0, 0) ?? -1
    }

    @Test(
        "A rebuild mends what was damaged while readers see no error and no row less, and a sink goes on",
        .timeLimit(.minutes(4)))
    func rebuild() throws {
        let database = try TestDatabase()
        let environment = ["DATABASE_URL": database.url]
        let stage = try Stage()
        defer { stage.endAll() }
        try stage.start("process")
        let sink = try stage.start(
            "sink", ["--migrate", "--sink-interval-ms", "20"], environment: environment)
        try stage.publish(product: ProductRecord(sku: "A", name: "Tea"))
        try stage.publish([receive("in", 100_000, "A"), receive("in2", 100_000, "B")])
        for number in 0..<3_000 {
            try stage.publishSoon(reserve("r\(number)", 1, number % 2 == 0 ? "A" : "B"))
        }
        try stage.flush()
        try eventually("the rows are there; \(sink.process.logTail(lines: 5))") {
            try number(database.url, "SELECT count(*) FROM holdfast.inventory_transactions") == 3_002
        }
        let owner = try Connection(url: database.url, applicationName: "holdfast tests")
        try owner.execute(
            """
            UPDATE holdfast.inventory SET quantity_on_hand = quantity_on_hand + 5;
            UPDATE holdfast.reservations SET status = 'reserved', remaining = 1, quantity = 7 WHERE id = 'r7';
            """)
        let reader = Reader(database.url)
        // More comes in all the while.
        let rebuilding = try stage.begin(["sink", "--rebuild", "--json"], environment: environment)
        var more = 0
        while rebuilding.isRunning, more < 20_000 {
            for _ in 0..<20 {
                try stage.publishSoon(reserve("m\(more)", 1, "A"))
                more += 1
            }
            usleep(5_000)
        }
        #expect(rebuilding.waitForEnd(milliseconds: 60_000) == 0, "\(rebuilding.logTail())")
        #expect(rebuilding.logTail().contains("\"old\":\"holdfast_before\""), "\(rebuilding.logTail())")
        try stage.flush()
        let (questions, faults) = try reader.stop()
        #expect(faults.isEmpty, "\(faults.prefix(3))")
        // The sink that was at work goes on with the new tables, or stops because of their offsets.
        let code = sink.process.exitCode
        #expect(code == nil || code == 70, "\(sink.process.logTail(lines: 5))")
        if code == 70 { #expect(sink.process.logTail().contains("another sink")) }
        if code != nil { try stage.start("sink", environment: environment) }
        try stage.awaitResults(3_002 + more)
        let entries = try stage.ledger().count
        try eventually("all rows are there") {
            try number(database.url, "SELECT count(*) FROM holdfast.inventory_transactions") == entries
        }
        let wrong = [
            "SELECT count(*) FROM holdfast.inventory_differences",
            "SELECT count(*) FROM holdfast.check_ledger()",
            "SELECT count(*) FROM holdfast.check_chain()",
            "SELECT count(*) FROM holdfast.reservations WHERE quantity = 7",
            "SELECT 1 - count(*) FROM holdfast.products",
            "SELECT 1 - count(*) FROM holdfast_before.reservations WHERE quantity = 7",
        ]
        for sql in wrong { #expect(try number(database.url, sql) == 0, "\(sql)") }

        let kept = try stage.run(["sink", "--rebuild"], environment: environment)
        #expect(kept.code == 1 && kept.output.contains("holdfast_before"), "\(kept.output)")
        let dropped = try stage.run(["sink", "--rebuild", "--drop-old"], environment: environment)
        #expect(dropped.code == 0, "\(dropped.output)")
        #expect(try number(database.url, "SELECT count(*) FROM holdfast.inventory_differences") == 0)
        #expect(
            try number(database.url, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'holdfast\\_%'")
                == 0)
        print(
            "sink rebuild: \(questions) questions, \(more) commands meanwhile, the sink ended with \(code ?? -1)"
        )
    }
}
