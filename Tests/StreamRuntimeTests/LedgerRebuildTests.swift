import InventoryCore
import InventoryWire
import StreamRuntime
import Testing

@Suite("A rebuild from the ledger")
struct LedgerRebuildTests {
    private typealias Record = MemoryTopics.Record

    /// The committed records of a topic after some traffic, in order.
    private func traffic(_ seed: UInt64) -> MemoryTopics {
        let topics = MemoryTopics()
        let worker = PartitionWorkerTests()
        worker.publishMix(400, to: topics, seed: seed)
        _ = worker.run(MemoryLog(topics))
        return topics
    }

    private func withRecord(
        _ record: Record, _ offset: Int, _ body: (LogRecord) throws -> Void
    ) rethrows {
        try (record.key ?? []).withUnsafeBytes { key in
            guard let value = record.value else {
                return try body(LogRecord(key: key, value: nil, offset: Int64(offset), timestamp: 0))
            }
            try value.withUnsafeBytes {
                try body(LogRecord(key: key, value: $0, offset: Int64(offset), timestamp: 0))
            }
        }
    }

    private func rebuild(_ ledger: [Record]) throws -> LedgerRebuild {
        var rebuild = LedgerRebuild()
        for (offset, record) in ledger.enumerated() {
            try withRecord(record, offset) { try rebuild.add($0) }
        }
        return rebuild
    }

    private func view(_ records: [Record]) -> CompactedView {
        var view = CompactedView()
        for (offset, record) in records.enumerated() { withRecord(record, offset) { view.add($0) } }
        return view
    }

    @Test("gives the newest record of every live key, byte for byte, and of no other", arguments: [1, 2, 3])
    func sameBytes(seed: UInt64) throws {
        let topics = traffic(seed)
        var rebuild = try rebuild(topics.committed(.ledger))
        for topic in LedgerRebuild.topics {
            var newest: [[UInt8]: [UInt8]] = [:]
            for record in topics.committed(topic) { newest[record.key!] = record.value }
            var made: [[UInt8]: [UInt8]] = [:]
            rebuild.forEachRecord(of: topic) { made[$0] = Array($1) }
            #expect(made == newest, "\(topic.rawValue)")
            #expect(topic == .transfers || !made.isEmpty)
        }
    }

    @Test("tells what a topic has that it should not, and what differs")
    func differences() throws {
        let topics = traffic(4)
        var rebuild = try rebuild(topics.committed(.ledger))
        var records = topics.committed(.levels)
        let damaged = records.indices.last!
        records[damaged].value![records[damaged].value!.count - 3] ^= 1
        records.append(
            Record(key: Array("GHOST".utf8), value: [0x7B, 0x7D], timestamp: 0, isCommitted: true))
        records.append(Record(key: Array("GONE".utf8), value: [0x7B, 0x7D], timestamp: 0, isCommitted: true))
        records.append(Record(key: Array("GONE".utf8), value: nil, timestamp: 0, isCommitted: true))
        var view = view(records)
        var differing: [[UInt8]] = []
        rebuild.forEachRecord(of: .levels) { if !view.take($0, $1) { differing.append($0) } }
        #expect(differing == [records[damaged].key!])
        #expect(view.rest == [Array("GHOST".utf8)])
    }

    @Test("refuses a ledger with a lost, a doubled, a swapped or a changed entry, and names the SKU")
    func brokenLedgers() throws {
        let ledger = traffic(5).committed(.ledger)
        let place = ledger.indices.last { ledger[$0].key == ledger[10].key && $0 != 10 }!
        func fault(_ change: (inout [Record]) -> Void) -> Inconsistency? {
            var changed = ledger
            change(&changed)
            do {
                _ = try rebuild(changed)
                return nil
            } catch {
                return error as? Inconsistency
            }
        }
        let sku = ID(decoding: ledger[10].key!)
        #expect(fault { _ in } == nil)
        #expect(fault { $0.remove(at: 10) }?.sku == sku)
        #expect(fault { $0.insert($0[10], at: 11) }?.description.contains("after") == true)
        #expect(fault { $0.swapAt(10, place) }?.sku == sku)
        #expect(fault { $0[10].value = Array("{".utf8) }?.description.contains("invalid_json") == true)
        #expect(
            fault { changed in
                let text = String(decoding: changed[10].value!, as: UTF8.self)
                changed[10].value = Array(
                    text.replacing("\"command_id\":\"c", with: "\"command_id\":\"d").utf8)
            }?.description.contains("its hash does not follow") == true)
    }
}
