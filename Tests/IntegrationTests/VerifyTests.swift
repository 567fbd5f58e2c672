import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import PostgresClient
import Testing

@Suite(
    "Verify and show on a genuine broker", .serialized,
    .enabled(
        if: RealServers.kafka != nil && RealServers.database != nil,
        Comment(rawValue: RealServers.bothReason)))
struct VerifyTests {
    struct Report: Decodable {
        struct Partition: Decodable {
            let partition: Int32
            let commands: Int
            let entries: Int
            let levels: Int
            let reservations: Int
            let rows: Int
            let projections: Int
        }
        struct Difference: Decodable {
            let kind: String
            let place: String
            let partition: Int32
            let offset: Int64?
            let sku: ID?
            let sequence: Int64?
            let found: String
            let expected: String
            let next: String
        }
        let right: Bool
        let partitions: [Partition]
        let counts: [String: Int]
        let first: [Difference]

        func sum(_ path: KeyPath<Partition, Int>) -> Int { partitions.map { $0[keyPath: path] }.reduce(0, +) }
    }

    private func verify(_ stage: Stage, _ arguments: [String]) throws -> (code: Int32, report: Report) {
        let (code, output) = try stage.run(
            ["verify", "--json", "--log-level", "warning", "--differences", "1000"] + arguments)
        let json = output[(output.firstIndex(of: "{") ?? output.startIndex)...]
        guard let report = try? JSONDecoder().decode(Report.self, from: Data(json.utf8)) else {
            throw Timeout(what: "a report of verify, which ended with \(code): \(output)")
        }
        return (code, report)
    }

    /// Commands over some SKUs, with reservations that live on at the end.
    private func publish(_ count: Int, round: Int, to stage: Stage) throws {
        for number in 0..<count {
            let sku = "SKU-\(number / 8 % 12)"
            let id = "\(sku)-\(round)-\(number)"
            switch number % 8 {
            case 0, 1:
                try stage.publishSoon(receive(ID(id), 9, ID(sku), in: number % 16 == 0 ? "BER" : "HAM"))
            case 2, 3: try stage.publishSoon(reserve(ID(id), 3, ID(sku)))
            case 4: try stage.publishSoon(reserve(ID(id), 2, ID(sku), ttl: 5))
            case 5: try stage.publishSoon(confirm("\(sku)-\(round)-\(number - 3)", ID(sku), as: ID(id)))
            case 6:
                let damage = Command.Body.damage(warehouse: "BER", quantity: 2, reference: nil)
                try stage.publishSoon(Command(id: ID(id), sku: ID(sku), body: damage))
            default:
                let dispatch = Command.TransferDispatch(
                    transferID: ID(id), from: "HAM", to: "BER", quantity: 1)
                try stage.publishSoon(Command(id: ID(id), sku: ID(sku), body: .transferDispatch(dispatch)))
            }
        }
        try stage.flush()
    }

    @Test(
        "verify is right while the system runs, and goes on where it stopped; damage of each kind in PostgreSQL and in the compacted topics is named; show tells what was",
        .timeLimit(.minutes(4)))
    func everything() throws {
        let database = try TestDatabase()
        let stage = try Stage()
        defer { stage.endAll() }
        let processor = try stage.start("process")
        try stage.start("delay")
        let relay = try stage.start("relay")
        let sink = try stage.start("sink", ["--migrate"], environment: ["DATABASE_URL": database.url])
        let url = ["--database-url", database.url]
        let state = NSTemporaryDirectory() + "\(stage.prefix)state"
        defer { try? FileManager.default.removeItem(atPath: state) }
        try stage.publish(warehouse: WarehouseRecord(warehouse: Warehouse(id: "BER", priority: 1)))
        try publish(400, round: 1, to: stage)
        // A SKU that is retired, with units set apart for a channel.
        let web = Policy(channels: [ChannelShare(channel: "web", quantity: 2)])
        try stage.publish([
            Command(id: "gone-1", sku: "GONE", body: .setPolicy(warehouse: "HAM", web)),
            Command(id: "gone-2", sku: "GONE", body: .retire),
        ])
        // While it works.
        let live = try verify(stage, url + ["--state", state])
        #expect(live.code == 0 && live.report.right, "\(live.report.first)")
        try publish(400, round: 2, to: stage)
        let second = try verify(stage, url + ["--state", state])
        #expect(second.code == 0, "\(second.report.first)")
        try stage.awaitAnswers()
        for role in [relay, processor] { #expect(role.process.stop(milliseconds: 5_000) == 0) }
        let entries = try stage.ledger().count
        let third = try verify(stage, url + ["--state", state])
        #expect(third.code == 0, "\(third.report.first)")
        #expect(
            live.report.sum(\.entries) + second.report.sum(\.entries) + third.report.sum(\.entries) == entries
        )
        let whole = try verify(stage, url)
        #expect(whole.code == 0 && whole.report.sum(\.entries) == entries)
        #expect(whole.report.sum(\.rows) == entries && whole.report.sum(\.levels) == 15)
        #expect(whole.report.sum(\.reservations) > 20 && whole.report.sum(\.projections) > 60)
        let nothing = try verify(stage, url + ["--state", state])
        #expect(nothing.code == 0 && nothing.report.sum(\.commands) == 0)
        let text = try stage.run(["verify"] + url)
        #expect(text.code == 0 && text.output.contains("All is right"))
        #expect(sink.process.stop(milliseconds: 10_000) == 0)

        try show(stage)
        try damageDatabase(stage, database.url)
        try damageTopics(stage)
        // A state file that was changed is not believed.
        var bytes = try #require(FileManager.default.contents(atPath: state))
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: URL(filePath: state))
        #expect(try stage.run(["verify", "--without-database", "--state", state]).code == 2)
    }

    /// An entry of each partition to be damaged, by their place.
    private func damageDatabase(_ stage: Stage, _ url: String) throws {
        let connection = try Connection(url: url, applicationName: "holdfast tests")
        let table = "holdfast.inventory_transactions"
        try connection.execute("ALTER TABLE \(table) DISABLE TRIGGER ledger_is_append_only")
        var reader = RecordReader()
        let records = try stage.read(.ledger).filter { $0.partition == 1 }
        func place(_ index: Int) -> String {
            "ledger_partition = 1 AND ledger_offset = \(records[index].offset)"
        }
        func entry(_ index: Int) throws -> LedgerEntry {
            try records[index].value!.withUnsafeBytes { try reader.ledgerEntry($0) }
        }
        let last = records.count - 1
        try connection.execute(
            "UPDATE \(table) SET quantity = quantity + 1 WHERE \(place(10)); DELETE FROM \(table) WHERE \(place(20))"
        )
        try connection.execute(
            """
            CREATE TEMP TABLE double AS SELECT * FROM \(table) WHERE \(place(30));
            UPDATE double SET sequence = 900000; INSERT INTO \(table) SELECT * FROM double;
            UPDATE \(table) SET ledger_offset = CASE ledger_offset WHEN \(records[40].offset)
                THEN \(records[50].offset) ELSE \(records[40].offset) END
            WHERE ledger_partition = 1 AND ledger_offset IN (\(records[40].offset), \(records[50].offset));
            DELETE FROM \(table) WHERE ledger_partition = 1 AND ledger_offset >= \(records[last - 2].offset);
            """)
        let sku = try stage.liveReservations().values.map(\.sku).sorted()[0]
        try connection.execute(
            """
            UPDATE holdfast.inventory SET quantity_on_hand = quantity_on_hand + 1
            WHERE sku = '\(sku)' AND warehouse_id = 'HAM';
            UPDATE holdfast.reservations SET remaining = 0, status = 'lost', ended_at = now(), ended_sequence = 1
            WHERE sku = '\(sku)' AND status = 'reserved';
            UPDATE holdfast.inventory SET quantity_set_apart = 2 WHERE sku = 'GONE';
            """)
        let (code, report) = try verify(stage, ["--database-url", url])
        #expect(code == 1)
        func row(_ index: Int, _ found: String) throws {
            let difference = report.first.first {
                $0.kind == "row" && $0.partition == 1 && $0.offset == records[index].offset
            }
            let entry = try entry(index)
            #expect(difference?.sku == entry.sku && difference?.sequence == entry.sequence, "\(index)")
            #expect(difference?.found.contains(found) == true, "\(difference?.found ?? "none")")
            #expect(difference?.next.hasPrefix("SELECT") == true)
        }
        try row(10, "quantity")
        try row(20, "no row")
        #expect(report.first.contains { $0.kind == "row" && $0.offset == records[30].offset })
        try row(40, "sequence")
        try row(50, "sequence")
        for index in (last - 2)...last { try row(index, "no row") }
        #expect(report.counts["row"] == 8)
        let projections = report.first.filter { $0.kind == "projection" }
        #expect(Set(projections.compactMap(\.sku)) == [sku, "GONE"])
        #expect(projections.first { $0.sku == "GONE" }?.found.contains("set apart 2") == true)
        #expect(Set(projections.map(\.place)) == ["holdfast.inventory", "holdfast.reservations"])
        #expect(report.counts.keys.sorted() == ["projection", "row"], "\(report.counts)")
    }

    private func damageTopics(_ stage: Stage) throws {
        var writer = RecordWriter()
        let victims = try stage.liveReservations().values.sorted { $0.id < $1.id }
        let gone = victims[0]
        // Into the partition of its SKU, where processors write it.
        let tombstone = Stage.Record(
            partition: stage.place(of: gone.sku.text), offset: 0, timestamp: 0, key: Stage.key(gone.owned),
            value: nil)
        try stage.publish([tombstone], to: .reservations)
        var levels = try stage.levels()["SKU-7"]!
        levels.levels[0].onHand += 5
        writer.write(levels: levels)
        try stage.publish(to: .levels, key: "SKU-7", value: writer.withBytes { Array($0) })
        let answer = try stage.results().first { $0.outcome.sku == "SKU-9" }!
        try stage.publish(to: .results, key: "SKU-9", value: answer.bytes)
        let (code, report) = try verify(stage, ["--without-database"])
        #expect(code == 1)
        #expect(report.counts == ["reservation": 1, "levels": 1, "result": 1], "\(report.first)")
        let reservation = report.first.first { $0.kind == "reservation" }
        #expect(reservation?.sku == gone.sku && reservation?.partition == stage.place(of: gone.sku.text))
        #expect(reservation?.found == "no reservation \(gone.id)")
        let level = report.first.first { $0.kind == "levels" }
        #expect(level?.sku == "SKU-7" && level?.sequence == levels.sequence)
        let second = report.first.first { $0.kind == "result" }
        #expect(second?.place == "stock.results" && second?.sku == "SKU-9")
    }

    @Test(
        "A copy of the topics with entries changed, lost, doubled and swapped, and a tail that is cut: each is named",
        .timeLimit(.minutes(3)))
    func ledger() throws {
        let stage = try Stage()
        defer { stage.endAll() }
        let processor = try stage.start("process")
        try publish(400, round: 3, to: stage)
        try stage.awaitAnswers()
        #expect(processor.process.stop(milliseconds: 5_000) == 0)

        let copy = try Stage()
        defer { copy.endAll() }
        for topic in [Topic.commands, .results, .levels, .reservations, .transfers, .alerts] {
            try copy.publish(try stage.read(topic), to: topic)
        }
        var ledger = try stage.read(.ledger)
        var reader = RecordReader()
        func entry(_ index: Int) throws -> LedgerEntry {
            try ledger[index].value!.withUnsafeBytes { try reader.ledgerEntry($0) }
        }
        func indices(_ sku: ID) throws -> [Int] {
            try ledger.indices.filter { try entry($0).sku == sku }
        }
        /// By SKU, the sequence that verify must name.
        var expected: [ID: Int64] = [:]
        var changed = try entry(try indices("SKU-1")[3])
        changed.quantity += 1
        var writer = RecordWriter()
        writer.write(entry: changed)
        ledger[try indices("SKU-1")[3]].value = writer.withBytes { Array($0) }
        expected["SKU-1"] = changed.sequence
        var forged = try entry(try indices("SKU-2")[3])
        forged.reference = "forged"
        writer.write(entry: forged)
        ledger[try indices("SKU-2")[3]].value = writer.withBytes { Array($0) }
        expected["SKU-2"] = forged.sequence
        ledger.remove(at: try indices("SKU-3")[4])
        expected["SKU-3"] = try entry(try indices("SKU-3")[4]).sequence
        let doubled = try indices("SKU-4")[4]
        expected["SKU-4"] = try entry(doubled).sequence
        ledger.insert(ledger[doubled], at: doubled + 1)
        let (one, other) = (try indices("SKU-5")[4], try indices("SKU-5")[5])
        expected["SKU-5"] = try entry(other).sequence
        ledger.swapAt(one, other)
        // The cut tail, of one SKU that has no other damage.
        let tail = try #require(
            try ledger.indices.reversed().first { index in
                let sku = try entry(index).sku
                return expected[sku] == nil && ledger[index].partition == 0
            })
        let cut = try entry(tail)
        ledger.remove(at: tail)
        try copy.publish(ledger, to: .ledger)

        let (code, report) = try verify(copy, ["--without-database"])
        #expect(code == 1)
        for (sku, sequence) in expected.sorted(by: { $0.key < $1.key }) {
            let found = report.first.filter {
                $0.sku == sku && ["ledger", "chain", "command"].contains($0.kind)
            }
            #expect(
                found.contains { $0.sequence == sequence && $0.partition == copy.place(of: sku.text) },
                "\(sku) at \(sequence): \(found)")
            #expect(found.allSatisfy { $0.place == "stock.ledger" && $0.offset != nil })
        }
        #expect(
            report.first.contains { ["levels", "ledger"].contains($0.kind) && $0.sku == cut.sku },
            "\(report.first)")
        let sound = Set(report.first.compactMap(\.sku)).subtracting(expected.keys).subtracting([cut.sku])
        #expect(sound.isEmpty, "no other SKU is blamed: \(sound)")
    }

    // MARK: Show

    private func show(_ stage: Stage) throws {
        struct SKU: Decodable {
            struct Line: Decodable {
                struct Entry: Decodable { let sequence: Int64 }
                let entry: Entry
            }
            struct Levels: Decodable { let sequence: Int64 }
            let levels: Levels
            let entries: Int
            let history: [Line]
        }
        struct Stories: Decodable {
            struct Reservation: Decodable {
                let reservationID: ID
                let status: String
                let quantity: Int64

                enum CodingKeys: String, CodingKey {
                    case reservationID = "reservation_id"
                    case status, quantity
                }
            }
            let reservations: [Reservation]
        }
        func json<Value: Decodable>(_ type: Value.Type, _ arguments: [String]) throws -> Value {
            let (code, output) = try stage.run(
                ["show"] + arguments + ["--json", "--log-level", "warning"])
            #expect(code == 0, "\(output)")
            return try JSONDecoder().decode(
                type, from: Data(output[(output.firstIndex(of: "{") ?? output.startIndex)...].utf8))
        }
        let ledger = try stage.ledger()
        let of = ledger.filter { $0.sku == "SKU-7" }
        let now = try json(SKU.self, ["sku", "SKU-7", "--last", "5"])
        let sequence = try stage.levels()["SKU-7"]!.sequence
        #expect(now.levels.sequence == sequence && now.entries == of.count)
        #expect(now.history.map(\.entry.sequence) == of.suffix(5).map(\.sequence))
        let middle = of[of.count / 2]
        let place = "\(middle.source.partition)/\(middle.source.offset)"
        let past = try json(SKU.self, ["sku", "SKU-7", "--at", place])
        let then = of.last { $0.source.offset <= middle.source.offset }!.sequence
        #expect(past.levels.sequence == then)
        let text = try stage.run(["show", "sku", "SKU-7"])
        #expect(text.code == 0 && text.output.contains("as of ledger sequence \(sequence)"))
        #expect(text.output.contains("the last 20 of \(of.count) ledger entries"))
        #expect(
            try stage.run(["show", "sku", "SKU-7", "--at", "\(1 - middle.source.partition)/1"]).code == 2)
        #expect(try stage.run(["show", "sku", "SKU-7", "--at", "1999-01-01T00:00:00Z"]).code == 1)
        #expect(try stage.run(["show", "sku", "SKU-NONE"]).code == 1)
        #expect(try stage.run(["show", "sku"]).code == 2)

        let live = try stage.liveReservations().values.sorted { $0.id < $1.id }[0]
        let reservation = try json(Stories.self, ["reservation", live.id.text])
        #expect(reservation.reservations.map(\.status) == ["reserved"])
        #expect(reservation.reservations.map(\.quantity) == [live.quantity])
        let shipped = ledger.first { $0.movement == .ship && $0.endsReservation }!
        let ended = try json(Stories.self, ["order", shipped.orderID!.text, "--sku", shipped.sku.text])
        #expect(ended.reservations.map(\.reservationID) == [shipped.reservationID!])
        #expect(ended.reservations.map(\.status) == ["confirmed"])

        let rejected = ledger.first { $0.movement == .rejection }!
        let command = try stage.run(["show", "command", rejected.commandID.text])
        #expect(command.code == 0 && command.output.contains("answered in stock.results"))
        #expect(command.output.contains(rejected.reason!.rawValue))
        #expect(command.output.contains("\(rejected.source.partition)/\(rejected.source.offset)"))
        #expect(try stage.run(["show", "command", "no-such-command"]).code == 1)
    }
}
