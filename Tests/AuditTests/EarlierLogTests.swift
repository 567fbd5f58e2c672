import Audit
import InventoryCore
import InventoryWire
import StreamRuntime
import Testing

@Suite("Audits of a partition whose ledger begins with an earlier log")
struct EarlierLogTests {
    /// The topics of a partition that was grown from `old`, with commands of its own after that.
    private func grown(_ old: Books, _ further: [Command]) throws -> Books {
        let begin = GrownPartition(
            0,
            book: LevelsSnapshot.Book(
                settings: Settings(dedupeCount: 50), rememberedFrom: 0, warehouses: [Warehouse(id: "MUC")]),
            of: 1)
        var reader = RecordReader()
        return try Books.live(begin.opening + [begin.closing] + further, from: 2_000_000) {
            books, processor, command in
            guard command.id == begin.closing.id else { return }
            for record in old[.ledger] where !record.key!.starts(with: PartitionBook.prefix.utf8) {
                let entry = try record.value!.withUnsafeBytes { try reader.ledgerEntry($0) }
                try processor.fold(entry)
                record.key!.withUnsafeBytes { key in
                    record.value!.withUnsafeBytes { books.append(.ledger, key, $0) }
                }
            }
            var rebuild = LedgerRebuild(continuing: processor.stock)
            for topic in LedgerRebuild.topics {
                rebuild.forEachRecord(of: topic) { key, value in
                    if key.starts(with: PartitionBook.prefix.utf8) { return }
                    key.withUnsafeBytes { books.append(topic, $0, value) }
                }
            }
        }
    }

    private func books(_ seed: UInt64) throws -> Books {
        let further = commands(200, seed: seed + 1).map { command in
            var command = command
            command.id = "\(command.id)n"
            return command
        }
        return try grown(try Books.live(commands(300, seed: seed)), further)
    }

    private func audited(_ books: Books) throws -> PartitionAudit {
        let audit = try PartitionAudit(
            streams: books.streams(), alerts: books.cursor(.alerts), areAlertsWhole: true,
            differences: Differences(limit: 100))
        try audit.follow(before: books.cut) { _ in }
        for topic in LedgerRebuild.topics {
            for record in books[topic] { audit.add(record, of: topic) }
        }
        _ = audit.needsMoreLedger()
        try audit.settle(nil)
        return audit
    }

    @Test("verify finds nothing wrong, and has looked at the earlier entries", arguments: [UInt64](1...5))
    func right(seed: UInt64) throws {
        let books = try books(seed)
        let audit = try audited(books)
        #expect(audit.differences.isEmpty, "\(audit.differences.first)")
        #expect(audit.counts.entries == books[.ledger].count)
        #expect(audit.counts.commands == books[.commands].count)
    }

    @Test("verify finds an earlier entry that was changed, and one that is missing")
    func damage() throws {
        let whole = try books(7)
        let place = try #require(
            try whole[.ledger].indices.first { try whole.entry(at: $0).movement == .receive })
        var changed = whole
        try changed.changeEntry(at: place) { $0.reference = "other" }
        #expect(try audited(changed).differences.first.map(\.kind).contains(.chain))
        var lost = whole
        lost[.ledger].remove(at: place)
        #expect(!(try audited(lost).differences.isEmpty))
    }

    @Test("replay decides its commands again, from the start and from any offset", arguments: [UInt64](1...3))
    func replay(seed: UInt64) throws {
        let books = try books(seed)
        for start in [0, 1, 2, 3, 40] as [Int64] {
            let replay = PartitionReplay(
                streams: books.streams(from: start), alerts: books.cursor(.alerts),
                areAlertsWhole: start == 0,
                differences: Differences(limit: 20), ownsKey: { _ in true })
            try replay.run(from: start, before: books.cut) { _ in }
            #expect(replay.differences.isEmpty, "from \(start): \(replay.differences.first)")
            #expect(replay.counts.folded > 100)
            #expect(replay.counts.commands == books[.commands].count { $0.offset >= start })
        }
    }

    @Test("What another policy would have done can be asked of it, too")
    func policy() throws {
        let books = try books(4)
        let text = Array(#"{"safety_stock": 2}"#.utf8)
        var reader = RecordReader()
        let supposition = try reader.supposition(text)
        let replay = PolicyReplay(
            streams: books.streams(), supposition: supposition, ownsKey: { _ in true })
        try replay.run(from: 0, before: books.cut) { _ in }
        #expect(replay.commands == books[.commands].count && replay.was.reserves > 0)
    }
}
