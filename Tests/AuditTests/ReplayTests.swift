import Audit
import InventoryCore
import InventoryWire
import Testing

@Suite("Replay")
struct ReplayTests {
    private func replay(
        _ books: Books, from start: Int64 = 0, results: Int64? = 0
    ) throws -> PartitionReplay {
        let replay = PartitionReplay(
            streams: books.streams(from: start, results: results), alerts: books.cursor(.alerts),
            areAlertsWhole: start == 0, differences: Differences(limit: 20), ownsKey: { _ in true })
        try replay.run(from: start, before: books.cut) { _ in }
        return replay
    }

    @Test("What was decided is decided again, from the start and from any offset")
    func same() throws {
        let books = try Books.live(commands(1_200, seed: 3))
        let whole = try replay(books)
        #expect(whole.differences.first == [])
        #expect(whole.counts.commands == 1_200 && whole.counts.results == 1_200)
        #expect(whole.counts.entries == books[.ledger].count)
        #expect(whole.counts.alerts == books[.alerts].count && whole.counts.alerts > 10)
        #expect(whole.counts.notices > 2)
        for start in stride(from: books[.commands][1].offset, to: books.cut, by: 211) {
            let part = try replay(books, from: start)
            #expect(part.differences.first == [], "from \(start)")
            #expect(part.counts.folded + part.counts.entries == books[.ledger].count)
        }
    }

    @Test("What the processor noted by itself is taken from the ledger, also where it can be read by now")
    func notes() throws {
        var books = try Books.noted(commands(300, seed: 8))
        let whole = try replay(books)
        #expect(whole.differences.first == [])
        #expect(whole.counts.commands == 360 && whole.counts.letters == 60)
        #expect(whole.counts.entries == books[.ledger].count)
        try books.heal()
        #expect(try replay(books).differences.first == [])
        for start in stride(from: books[.commands][1].offset, to: books.cut, by: 37) {
            #expect(try replay(books, from: start).differences.first == [], "from \(start)")
        }
    }

    @Test("What retention has taken from results is not missed")
    func retention() throws {
        var books = try Books.live(commands(600, seed: 4))
        books[.results].removeFirst(200)
        books[.alerts].removeFirst(5)
        let replay = PartitionReplay(
            streams: books.streams(results: nil), alerts: books.cursor(.alerts), areAlertsWhole: false,
            differences: Differences(limit: 20), ownsKey: { _ in true })
        try replay.run(from: 0, before: books.cut) { _ in }
        #expect(replay.differences.first == [])
        #expect(replay.counts.results > 300 && replay.counts.results < 600)
        #expect(replay.counts.alerts == books[.alerts].count)
    }

    @Test("A record that is no command is a dead letter again")
    func deadLetters() throws {
        var books = try Books.live([receive("a", 3)])
        Array("A".utf8).withUnsafeBytes { key in
            Array("{".utf8).withUnsafeBytes { books.append(.commands, key, $0) }
        }
        let missing = try replay(books)
        #expect(missing.differences.first.map(\.place) == ["dead.letters"])
        var writer = RecordWriter()
        writer.write(
            deadLetter: DecodingFailure(.invalidJSON, "at byte 1"),
            origin: RecordOrigin(topic: .commands, partition: 0, offset: 1, timestamp: nil), key: nil,
            value: nil)
        writer.withBytes { books.append(.deadLetters, nil, $0) }
        #expect(try replay(books).differences.isEmpty)
    }

    private func receive(_ id: ID, _ quantity: Int64) -> Command {
        Command(id: id, sku: "A", body: .receive(warehouse: "BER", quantity: quantity, reference: nil))
    }

    @Test("A decision that does not follow from the log is told with its place, what was found and expected")
    func difference() throws {
        var books = try Books.live([receive("a", 3), receive("b", 4), receive("c", 5)])
        try books.changeEntry(at: 1) { $0.quantity = 40 }
        let replay = try replay(books)
        let first = try #require(replay.differences.first.first)
        #expect(replay.differences.count == 1, "what follows from it is not told again")
        #expect(first.kind == .decision && first.place == "stock.ledger" && first.offset == 1)
        #expect(first.sku == "A" && first.sequence == 2 && first.command == 1)
        #expect(first.found == "quantity 40" && first.expected == "quantity 4")
        #expect(first.next == "holdfast show command b --sku A" && replay.counts.skipped == 1)
    }

    @Test("Entries, results and notices that are lost, doubled or made up are told")
    func lostAndDoubled() throws {
        let genuine = try Books.live(commands(400, seed: 5))
        var lost = genuine
        lost[.ledger].remove(at: 50)
        let entry = try genuine.entry(at: 50)
        #expect(try replay(lost).differences.first.contains { $0.command == entry.source.offset })

        var doubled = genuine
        doubled[.ledger].insert(doubled[.ledger][50], at: 51)
        #expect(try replay(doubled).differences.first.contains { $0.command == entry.source.offset })

        var silent = genuine
        silent[.results].remove(at: 70)
        #expect(try replay(silent).differences.first.first?.place == "stock.results")

        var twice = genuine
        twice[.results].insert(twice[.results][70], at: 71)
        #expect(try replay(twice).differences.first.first?.place == "stock.results")

        var quiet = genuine
        quiet[.alerts].remove(at: 3)
        #expect(try replay(quiet).differences.first.first?.kind == .alert)

        var jumped = genuine
        jumped[.commands].remove(at: 30)
        #expect(try replay(jumped).differences.first.first?.kind == .command)

        var cut = genuine
        cut[.ledger].removeLast(3)
        #expect(try replay(cut).differences.first.last?.found == "no entry")
    }

    @Test("A record written otherwise that says the same is no difference")
    func writtenOtherwise() throws {
        var books = try Books.live([receive("a", 3)])
        let text = String(decoding: books[.ledger][0].value!, as: UTF8.self)
        books[.ledger][0].value = Array(
            text.replacing("\"quantity\":3", with: "\"quantity\": 3").utf8)
        #expect(try replay(books).differences.isEmpty)
    }

    @Test("A ledger that cannot be followed to where the replay begins ends it with a name")
    func unfoldable() throws {
        var books = try Books.live([receive("a", 3), receive("b", 4), receive("c", 5)])
        try books.changeEntry(at: 0) { $0.balances.onHand = 9 }
        #expect {
            try replay(books, from: 2)
        } throws: { error in
            let fault = error as? UnfoldableLedger
            return fault?.sku == "A" && fault?.sequence == 1
        }
    }

    // MARK: Another policy

    private func supposing(_ text: String, _ books: Books) throws -> PolicyReplay {
        var reader = RecordReader()
        let replay = PolicyReplay(
            streams: books.streams(), supposition: try reader.supposition(Array(text.utf8)),
            ownsKey: { _ in true })
        try replay.run(from: 0, before: books.cut) { _ in }
        return replay
    }

    private func reserve(_ id: ID, _ quantity: Int64) -> Command {
        Command(
            id: id, sku: "A",
            body: .reserve(Command.Reserve(reservationID: id, orderID: id, quantity: quantity)))
    }

    @Test("With what was laid down, another policy gives what was")
    func nothingSupposed() throws {
        let books = try Books.live(commands(800, seed: 6))
        let replay = try supposing("{}", books)
        #expect(replay.was == replay.supposed && replay.was.reserves > 100)
        #expect(replay.was.rejected > 10 && replay.was.shipments > 10)
    }

    @Test("Safety stock that is supposed withholds units from sale, also after a policy of the log")
    func safetyStock() throws {
        let books = try Books.live([
            receive("a", 10), reserve("r1", 6),
            Command(id: "p", sku: "A", body: .setPolicy(warehouse: nil, Policy(reorderPoint: 2))),
            reserve("r2", 4),
            Command(id: "x", sku: "A", body: .confirm(reservationID: "r1", quantity: nil)),
        ])
        let replay = try supposing(#"{"safety_stock":5}"#, books)
        #expect(replay.was.reserved == 2 && replay.was.unitsGranted == 10)
        #expect(replay.supposed.reserved == 1 && replay.supposed.unitsGranted == 4)
        #expect(replay.supposed.rejections == ["insufficient_stock": 1])
        #expect(replay.was.shipments == 1 && replay.supposed.shipments == 0)
        #expect(replay.supposed.alerts == replay.was.alerts, "the reorder point stays")
    }

    @Test("Backorders that are supposed grant what was refused; a policy of one SKU goes over that of all")
    func backorders() throws {
        let books = try Books.live([receive("a", 2), reserve("r1", 5), reserve("r2", 2)])
        let all = try supposing(#"{"backorder_limit":10}"#, books)
        #expect(all.was.rejected == 1 && all.supposed.backordered == 2)
        #expect(all.supposed.unitsBackordered == 5)
        let other = #"{"backorder_limit":10,"policies":[{"sku":"A","backorder_limit":0}]}"#
        #expect(try supposing(other, books).supposed == all.was)
    }

    @Test("Settings that are supposed hold from the start")
    func settings() throws {
        let books = try Books.live([receive("a", 4), reserve("r1", 4), reserve("r2", 4)], step: 1000)
        let replay = try supposing(#"{"settings":{"default_ttl_ms":500}}"#, books)
        #expect(replay.was.reserved == 1 && replay.supposed.reserved == 2)
        #expect(replay.supposed.unitsExpired == 4)
    }

    @Test("A word that is none of set_policy's is refused by its name")
    func unknownWord() {
        var reader = RecordReader()
        #expect {
            try reader.supposition(Array(#"{"safty_stock":5}"#.utf8))
        } throws: { error in
            (error as? DecodingFailure)?.detail.hasPrefix(
                "there is no field safty_stock; allowed are safety_stock") == true
        }
    }
}
