import Audit
import InventoryCore
import InventoryWire
import Testing

@Suite("Verify")
struct VerifyTests {
    /// The rows of a database as a sink wrote them.
    final class ArrayRows: LedgerRows {
        private var rows: ArraySlice<(offset: Int64, entry: LedgerEntry?)>

        init(_ rows: [(offset: Int64, entry: LedgerEntry?)]) { self.rows = rows[...] }

        func next() -> (offset: Int64, entry: LedgerEntry?)? { rows.popFirst() }
    }

    private static func rows(_ books: Books) throws -> [(offset: Int64, entry: LedgerEntry?)] {
        try books[.ledger].indices.map { (books[.ledger][$0].offset, try books.entry(at: $0)) }
    }

    /// - Parameter rows: nil without a database.
    private func audit(
        _ books: Books, rows: [(offset: Int64, entry: LedgerEntry?)]? = nil, cut: Int64? = nil,
        isAhead: Bool = false
    ) throws -> PartitionAudit {
        let audit = try PartitionAudit(
            streams: books.streams(), alerts: books.cursor(.alerts), areAlertsWhole: true,
            rows: rows.map(ArrayRows.init), rowEnd: (books[.ledger].last?.offset ?? -1) + 1,
            differences: Differences(limit: 100))
        try audit.follow(before: cut ?? books.cut) { _ in }
        let next = try audit.position(ends: PartitionStreams.Position(ledger: .max)).ledger
        for topic in [Topic.levels, .reservations, .transfers] {
            for record in books[topic] { audit.add(record, of: topic) }
        }
        let needsMore = audit.needsMoreLedger()
        #expect(!needsMore || isAhead || !audit.differences.isEmpty || cut == nil)
        try audit.settle(needsMore ? books.cursor(.ledger, from: next) : nil)
        return audit
    }

    private static let genuine = try? Books.live(commands(1_000, seed: 21))

    private func books() throws -> Books { try #require(Self.genuine) }

    @Test("Topics and rows as live processing wrote them are right")
    func right() throws {
        let books = try books()
        let audit = try audit(books, rows: try Self.rows(books))
        #expect(audit.differences.first == [])
        #expect(audit.counts.commands == 1_000 && audit.counts.results == 1_000)
        #expect(audit.counts.entries == books[.ledger].count && audit.counts.rows == books[.ledger].count)
        #expect(audit.counts.levels == 7 && audit.counts.reservations > 2 && audit.counts.transfers > 0)
        #expect(audit.counts.alerts == books[.alerts].count && audit.counts.notices > 2)
    }

    @Test(
        "What the processor notes by itself is right, also where it can be read by now, and is missed where it is gone"
    )
    func notes() throws {
        var books = try Books.noted(commands(300, seed: 8))
        let skips = try books.skips()
        #expect(skips.count == 60)
        #expect(try audit(books).differences.first == [])
        var without = books
        without[.ledger].remove(at: skips[7])
        #expect(try !audit(without).differences.isEmpty)
        try books.heal()
        #expect(try audit(books).differences.first == [])
    }

    /// Two SKUs whose names, and those of their warehouses, are one text in two Unicode forms; with the same ids.
    private static let twoForms: [Command] = ["CAF\u{C9}", "CAFE\u{301}"].flatMap { sku in
        [
            Command(
                id: "in", sku: "\(sku)", body: .receive(warehouse: "Z\u{FC}rich", quantity: 5, reference: nil)
            ),
            Command(
                id: "in2", sku: "\(sku)",
                body: .receive(warehouse: "Zu\u{308}rich", quantity: 3, reference: nil)),
            Command(
                id: "o1", sku: "\(sku)",
                body: .reserve(
                    Command.Reserve(
                        reservationID: "o1", orderID: "o1", quantity: 7, expiry: .after(milliseconds: 900_000)
                    ))),
            Command(
                id: "move", sku: "\(sku)",
                body: .transferDispatch(
                    Command.TransferDispatch(
                        transferID: "o1", from: "Zu\u{308}rich", to: "Z\u{FC}rich", quantity: 1))),
        ]
    }

    @Test("Two Unicode forms of a text are two SKUs and two warehouses, and two SKUs may share ids")
    func unicodeForms() throws {
        let books = try Books.live(
            Self.twoForms + [
                Command(id: "out", sku: "CAFE\u{301}", body: .release(reservationID: "o1", quantity: nil))
            ])
        let audit = try audit(books, rows: try Self.rows(books))
        #expect(audit.differences.first == [])
        #expect(audit.counts.levels == 2 && audit.counts.reservations == 1 && audit.counts.transfers == 2)
        #expect(audit.stock.allLevels.map(\.levels.count) == [2, 2])
        // A tombstone of one is not that of the other.
        var ended = books
        let kept = try #require(audit.stock.allReservations.first)
        ownedKey(kept.owned).withUnsafeBytes { ended.append(.reservations, $0, nil) }
        #expect(try self.audit(ended).differences.first.map(\.kind) == [.reservation])
    }

    @Test("A cut anywhere is right, while the compacted topics are ahead of it")
    func ahead() throws {
        let books = try books()
        for index in stride(from: 0, to: 1_000, by: 83) {
            let cut = books[.commands][index].offset
            let audit = try audit(books, cut: cut, isAhead: true)
            #expect(audit.differences.first == [], "before \(cut)")
        }
    }

    @Test("An audit in two parts is right, and finds what the whole finds")
    func twoParts() throws {
        var books = try books()
        let middle = books[.commands][500].offset
        func run(_ books: Books) throws -> Differences {
            let first = try PartitionAudit(
                streams: books.streams(), alerts: books.cursor(.alerts), areAlertsWhole: true,
                differences: Differences(limit: 100))
            try first.follow(before: middle) { _ in }
            #expect(first.differences.isEmpty)
            let position = try first.position(
                ends: PartitionStreams.Position(
                    commands: .max, ledger: .max, results: .max, letters: .max, alerts: .max))
            let streams = PartitionStreams(
                partition: 0,
                floors: PartitionStreams.Floors(
                    commands: 0, results: position.last + 1, letters: position.last + 1),
                after: position.last, commands: books.cursor(.commands, from: position.commands),
                ledger: books.cursor(.ledger, from: position.ledger),
                results: books.cursor(.results, from: position.results),
                letters: books.cursor(.deadLetters, from: position.letters))
            let second = try PartitionAudit(
                streams: streams, alerts: books.cursor(.alerts, from: position.alerts),
                areAlertsWhole: true, stock: first.stock, differences: Differences(limit: 100))
            try second.follow(before: books.cut) { _ in }
            for topic in [Topic.levels, .reservations, .transfers] {
                for record in books[topic] { second.add(record, of: topic) }
            }
            _ = second.needsMoreLedger()
            try second.settle(nil)
            #expect(first.counts.commands + second.counts.commands == 1_000)
            return second.differences
        }
        #expect(try run(books).first == [])
        let index = books[.ledger].count - 5
        try books.changeEntry(at: index) { $0.reference = "forged" }
        let found = try run(books)
        #expect(found.first.first?.offset == books[.ledger][index].offset)
        #expect(found.first.first?.kind == .chain)
    }

    // MARK: Damage of the ledger

    /// An entry that moves units, somewhere in the middle.
    private func victim(_ books: Books, _ movement: Movement = .receive) throws -> Int {
        try #require(
            books[.ledger].indices.dropFirst(200).first { index in
                try books.entry(at: index).movement == movement
            })
    }

    private func expect(
        _ audit: PartitionAudit, _ kind: Difference.Kind, at offset: Int64, of entry: LedgerEntry,
        _ name: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let first = audit.differences.first.first { $0.kind == kind }
        #expect(
            first?.offset == offset && first?.sku == entry.sku && first?.sequence == entry.sequence,
            "\(name): \(audit.differences.first)", sourceLocation: sourceLocation)
        #expect(first?.next.isEmpty == false && first?.partition == 0, sourceLocation: sourceLocation)
    }

    @Test("A changed, lost, doubled or swapped entry of the ledger is named by offset, SKU and sequence")
    func ledger() throws {
        let genuine = try books()
        let index = try victim(genuine)
        let entry = try genuine.entry(at: index)
        let next = try #require(
            genuine[.ledger].indices.dropFirst(index + 1).first {
                try genuine.entry(at: $0).sku == entry.sku
            })
        let nextEntry = try genuine.entry(at: next)
        let offsets = genuine[.ledger].map(\.offset)

        var changed = genuine
        try changed.changeEntry(at: index) { $0.quantity += 1 }
        let found = try audit(changed)
        expect(found, .ledger, at: offsets[index], of: entry, "changed")
        #expect(found.givenUp == [entry.sku])

        var note = genuine
        try note.changeEntry(at: index) { $0.reference = "another" }
        expect(try audit(note), .chain, at: offsets[index], of: entry, "changed reference")

        var lost = genuine
        lost[.ledger].remove(at: index)
        expect(try audit(lost), .ledger, at: offsets[next], of: nextEntry, "lost")

        var doubled = genuine
        var copy = doubled[.ledger][index]
        copy.offset = doubled[.ledger].last!.offset + 1
        doubled[.ledger].append(copy)
        expect(try audit(doubled), .command, at: copy.offset, of: entry, "doubled")

        var swapped = genuine
        swapped[.ledger][index].value = genuine[.ledger][next].value
        swapped[.ledger][next].value = genuine[.ledger][index].value
        let places = try audit(swapped).differences.first
        #expect(places.contains { $0.offset == offsets[index] && $0.sku == entry.sku })

        var cut = genuine
        cut[.ledger].removeLast(4)
        let tail = try audit(cut).differences.first
        let last = try genuine.entry(at: genuine[.ledger].count - 1)
        #expect(tail.contains { $0.kind == .levels && $0.sku == last.sku }, "\(tail)")
        #expect(tail.contains { $0.kind == .result })

        var unreadable = genuine
        unreadable[.ledger][index].value = Array("{}".utf8)
        let unread = try audit(unreadable).differences.first
        #expect(unread.first?.kind == .unreadable && unread.first?.offset == offsets[index])
    }

    @Test("A hundred random damages each of every topic are found, and none crashes the audit")
    func randomDamage() throws {
        let genuine = try Books.live(commands(150, seed: 22))
        var random = SplitMix(state: 23)
        for topic in [Topic.ledger, .results, .levels, .reservations] {
            for round in 0..<100 {
                var damaged = genuine
                let records = damaged[topic]
                let index = Int.random(in: 0..<records.count, using: &random)
                let other = Int.random(in: 0..<records.count, using: &random)
                // Compacted topics hold what is newest; a change of what was replaced changes nothing.
                let isNewest = !records[(index + 1)...].contains { $0.key == records[index].key }
                switch round % 3 {
                case 0: damaged[topic].remove(at: index)
                case 1:
                    damaged[topic][index].value = records[other].value
                    damaged[topic][index].key = records[other].key
                default:
                    guard var bytes = records[index].value,
                        let digit = bytes.indices.filter({ (0x30...0x38).contains(bytes[$0]) })
                            .randomElement(using: &random)
                    else { continue }
                    bytes[digit] += 1
                    damaged[topic][index].value = bytes
                }
                let found = try audit(damaged, rows: try? Self.rows(genuine))
                if topic == .ledger {
                    #expect(!found.differences.isEmpty || damaged[topic] == records, "\(topic) \(round)")
                } else if isNewest, topic == .levels, round % 3 != 1 {
                    #expect(!found.differences.isEmpty, "\(topic) \(round)")
                }
            }
        }
    }

    // MARK: Damage of the others

    @Test("A lost, second or changed result, and a notice or an alert too many or too few, are named")
    func answers() throws {
        let genuine = try books()
        let index = 400
        var lost = genuine
        let removed = lost[.results].remove(at: index)
        var reader = RecordReader()
        let outcome = try removed.value!.withUnsafeBytes { try reader.outcome($0) }
        let first = try audit(lost).differences.first.first
        #expect(first?.kind == .result && first?.command == outcome.source.offset)
        #expect(first?.found == "no result")

        var second = genuine
        second[.results].insert(removed, at: index + 1)
        let two = try audit(second).differences.first.first
        #expect(two?.kind == .result && two?.command == outcome.source.offset)

        var late = genuine
        late[.results].append(removed)
        #expect(try audit(late).differences.first.last?.kind == .result)

        var letter = genuine
        var writer = RecordWriter()
        writer.write(
            deadLetter: DecodingFailure(.invalidJSON, "none"),
            origin: RecordOrigin(
                topic: .commands, partition: 0, offset: outcome.source.offset, timestamp: nil), key: nil,
            value: nil)
        writer.withBytes { letter.append(.deadLetters, nil, $0) }
        #expect(try audit(letter).differences.first.first?.place == "dead.letters")

        let notice = try #require(
            genuine[.results].firstIndex { record in
                try record.value!.withUnsafeBytes { try reader.notice($0) } != nil
            })
        var silent = genuine
        silent[.results].remove(at: notice)
        #expect(try audit(silent).differences.first.map(\.kind) == [.notice])
        var twice = genuine
        twice[.results].insert(twice[.results][notice], at: notice)
        #expect(try audit(twice).differences.first.map(\.kind) == [.notice])

        var quiet = genuine
        quiet[.alerts].remove(at: 4)
        #expect(try audit(quiet).differences.first.map(\.kind) == [.alert])
        var loud = genuine
        loud[.alerts].insert(loud[.alerts][4], at: 4)
        #expect(try audit(loud).differences.first.map(\.kind) == [.alert])

        var jumped = genuine
        jumped[.commands].remove(at: 300)
        #expect(try audit(jumped).differences.first.map(\.kind) == [.command])
    }

    @Test("Wrong, old and missing levels, reservations and transfers are named")
    func snapshots() throws {
        let genuine = try books()
        var reader = RecordReader()
        var writer = RecordWriter()

        var wrong = genuine
        let index = wrong[.levels].count - 1
        var levels = try wrong[.levels][index].value!.withUnsafeBytes { try reader.levels($0) }
        let sku = levels.sku
        levels.levels[0].onHand += 1
        writer.write(levels: levels)
        wrong[.levels][index].value = writer.withBytes { Array($0) }
        let different = try audit(wrong).differences.first
        #expect(different.map(\.kind) == [.levels] && different.first?.sku == sku)
        #expect(different.first?.offset == genuine[.levels][index].offset)

        levels.levels[0].onHand -= 1
        levels.sequence += 1
        writer.write(levels: levels)
        wrong[.levels][index].value = writer.withBytes { Array($0) }
        let newer = try audit(wrong).differences.first
        #expect(newer.map(\.kind) == [.levels] && newer.first?.sequence == levels.sequence)

        var old = genuine
        old[.levels].removeLast()
        #expect(try audit(old).differences.first.map(\.sku) == [sku])
        var none = genuine
        none[.levels].removeAll { String(decoding: $0.key!, as: UTF8.self) == "SKU-3" }
        let missing = try audit(none).differences.first
        #expect(missing.map(\.sku) == ["SKU-3"] && missing.first?.found == "no levels")

        let live = try #require(try audit(genuine).stock.allReservations.first)
        var ended = genuine
        ownedKey(live.owned).withUnsafeBytes { ended.append(.reservations, $0, nil) }
        let gone = try audit(ended).differences.first
        #expect(gone.map(\.kind) == [.reservation] && gone.first?.found == "no reservation \(live.id)")
        #expect(gone.first?.sku == live.sku)
        var removed = genuine
        removed[.reservations].removeAll { $0.key == ownedKey(live.owned) }
        #expect(try audit(removed).differences.first.map(\.kind) == [.reservation])

        var stray = genuine
        var dead = live
        dead.id = "never-made"
        writer.write(reservation: dead)
        ownedKey(dead.owned).withUnsafeBytes { key in
            writer.withBytes { stray.append(.reservations, key, $0) }
        }
        let lives = try audit(stray).differences.first
        #expect(lives.map(\.kind) == [.reservation] && lives.first?.found == "reservation never-made lives")

        let transfer = try #require(try audit(genuine).stock.allTransfers.first)
        var other = transfer
        other.remaining += 1
        var moved = genuine
        writer.write(transfer: other)
        ownedKey(transfer.owned).withUnsafeBytes { key in
            writer.withBytes { moved.append(.transfers, key, $0) }
        }
        #expect(try audit(moved).differences.first.map(\.kind) == [.transfer])
    }

    @Test(
        "A record under a key of an earlier version is named with what to run, and a tombstone takes it away")
    func strangeKeys() throws {
        let genuine = try books()
        let live = try #require(try audit(genuine).stock.allReservations.first)
        var old = genuine
        for index in old[.reservations].indices where old[.reservations][index].key == ownedKey(live.owned) {
            old[.reservations][index].key = live.id.bytes
        }
        let found = try audit(old).differences.first
        #expect(found.map(\.kind) == [.reservation, .reservation])
        #expect(found.contains { $0.found == "reservation \(live.id) under the key \(live.id)" })
        #expect(found.contains { $0.next == "holdfast rebuild --from-ledger --in-place" })
        // As a rebuild leaves the topic.
        var writer = RecordWriter()
        writer.write(reservation: live)
        ownedKey(live.owned).withUnsafeBytes { key in
            writer.withBytes { old.append(.reservations, key, $0) }
        }
        live.id.bytes.withUnsafeBytes { old.append(.reservations, $0, nil) }
        #expect(try audit(old).differences.first == [])
    }

    @Test("A changed, lost, doubled or swapped row, and a tail that is cut, are named by their place")
    func rows() throws {
        let books = try books()
        let genuine = try Self.rows(books)
        func found(_ change: (inout [(offset: Int64, entry: LedgerEntry?)]) -> Void) throws -> [Difference] {
            var rows = genuine
            change(&rows)
            let differences = try audit(books, rows: rows).differences.first
            #expect(differences.allSatisfy { $0.kind == .row })
            return differences
        }
        let (offset, entry) = (genuine[100].offset, genuine[100].entry!)
        let changed = try found { $0[100].entry!.quantity += 1 }
        #expect(changed.map(\.offset) == [offset] && changed.first?.sku == entry.sku)
        #expect(changed.first?.sequence == entry.sequence)
        #expect(changed.first?.found == "quantity \(entry.quantity + 1)")
        let lost = try found { $0.remove(at: 100) }
        #expect(lost.map(\.offset) == [offset] && lost.first?.found == "no row")
        let doubled = try found { $0.insert($0[100], at: 101) }
        #expect(doubled.map(\.offset) == [offset] && doubled.first?.found == "a second row of this place")
        let swapped = try found { ($0[100].entry, $0[120].entry) = ($0[120].entry, $0[100].entry) }
        #expect(swapped.map(\.offset) == [offset, genuine[120].offset])
        let cut = try found { $0.removeLast(3) }
        #expect(cut.map(\.offset) == genuine.suffix(3).map(\.offset))
        let surplus = try found { $0.append((genuine.last!.offset + 5, entry)) }
        #expect(surplus.map(\.offset) == [genuine.last!.offset + 5])
        let none = try found { $0[100].entry = nil }
        #expect(none.first?.found == "a row that is no entry")
    }
}
