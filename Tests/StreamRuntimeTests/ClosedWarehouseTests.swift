import Dispatch
import Foundation
import InventoryCore
import InventoryWire
import StreamRuntime
import Testing

/// What a warehouse that closes or opens does to the feed of levels.
@Suite("Closed warehouses in the feed")
struct ClosedWarehouseTests {
    /// A processor, with what it wrote.
    private final class Desk {
        var processor: CommandProcessor
        var written: [Topic: [(key: [UInt8], value: [UInt8])]] = [:]
        private var offset: Int64 = 0

        init(_ stock: Stock = Stock()) {
            processor = CommandProcessor(stock: stock, partition: 0, ownsKey: { _ in true })
        }

        /// One transaction.
        func handle(_ commands: [Command]) throws {
            written = [:]
            for command in commands {
                var writer = RecordWriter()
                writer.write(command: command)
                let (key, value) = (command.sku.bytes, writer.withBytes { Array($0) })
                try key.withUnsafeBytes { key in
                    try value.withUnsafeBytes { value in
                        try processor.process(
                            LogRecord(key: key, value: value, offset: offset, timestamp: 1_000 + offset)
                        ) { take($0, $1, $2) }
                    }
                }
                offset += 1
            }
            try processor.writeChangedLevels { take($0, $1, $2) }
        }

        private func take(
            _ topic: Topic, _ key: UnsafeRawBufferPointer?, _ value: UnsafeRawBufferPointer?
        ) {
            written[topic, default: []].append((key.map { Array($0) } ?? [], value.map { Array($0) } ?? []))
        }

        func levels() throws -> [LevelsSnapshot] {
            var reader = RecordReader()
            return try (written[.levels] ?? []).map { try $0.value.withUnsafeBytes { try reader.levels($0) } }
        }

        /// What the feed says is available, by SKU and warehouse.
        func available() throws -> [String: String] {
            var texts: [String: String] = [:]
            for (key, value) in written[.levels] ?? [] {
                let text = String(decoding: value, as: UTF8.self)
                texts[String(decoding: key, as: UTF8.self)] = text.components(after: #""available":"#)
            }
            return texts
        }

        func alerts() throws -> [Alert] {
            var reader = RecordReader()
            return try (written[.alerts] ?? []).map { try $0.value.withUnsafeBytes { try reader.alert($0) } }
        }
    }

    private static func house(_ id: String, isActive: Bool) -> Command {
        Command(
            id: "\(id) \(isActive)", sku: PartitionBook.sku(0),
            body: .setWarehouse(Warehouse(id: "\(id)", isActive: isActive)))
    }

    private static func receive(_ sku: String, _ warehouse: String) -> Command {
        Command(
            id: "\(sku) \(warehouse)", sku: "\(sku)",
            body: .receive(warehouse: "\(warehouse)", quantity: 5, reference: nil))
    }

    @Test("A warehouse that closes has nothing available in the feed at once, for each SKU that stands there")
    func closing() throws {
        let desk = Desk()
        try desk.handle([
            Self.receive("A", "BER"), Self.receive("B", "BER"), Self.receive("C", "HAM"),
            Command(id: "p", sku: "A", body: .setPolicy(warehouse: nil, Policy(reorderPoint: 2))),
        ])
        #expect(try desk.available() == ["A": "5", "B": "5", "C": "5"])
        try desk.handle([Self.house("BER", isActive: false)])
        #expect(try desk.available() == ["A": "0", "B": "0", "@holdfast/partition/0": ""])
        #expect(try desk.alerts().map(\.kind) == [.out] && desk.alerts().map(\.sku) == ["A"])
        #expect(try desk.alerts().map(\.bookSequence) == [1] && desk.alerts().map(\.sequence) == [2])
        try desk.handle([Self.house("BER", isActive: true)])
        #expect(try desk.available() == ["A": "5", "B": "5", "@holdfast/partition/0": ""])
        #expect(try desk.alerts().map(\.kind) == [.recovered])
        var again = Self.house("BER", isActive: true)
        again.id = "again"
        try desk.handle([again])
        #expect(try desk.available() == ["@holdfast/partition/0": ""], "nothing was switched")
    }

    @Test("A warehouse where many SKUs stand closes in one command, with one record of each")
    func manySKUs() throws {
        let count = ProcessInfo.processInfo.environment["HOLDFAST_TEST_SKUS"].flatMap { Int($0) } ?? 5_000
        let desk = Desk()
        for start in stride(from: 0, to: count, by: 1_000) {
            try desk.handle(
                (start..<min(count, start + 1_000)).flatMap { number in
                    [
                        Self.receive("S\(number)", "BER"),
                        Command(
                            id: "p\(number)", sku: "S\(number)",
                            body: .setPolicy(warehouse: nil, Policy(reorderPoint: 2))),
                    ]
                })
        }
        let began = DispatchTime.now().uptimeNanoseconds
        try desk.handle([Self.house("BER", isActive: false)])
        let seconds = Double(DispatchTime.now().uptimeNanoseconds - began) / 1e9
        print("a warehouse with \(count) SKUs closes in \(seconds) s")
        #expect(desk.written[.levels]?.count == count + 1 && desk.written[.alerts]?.count == count)
        #expect(try desk.available().filter { $0.value == "0" }.count == count)
    }

    @Test("Levels that an earlier version left as of an open warehouse are written anew after a restore")
    func outdated() throws {
        let desk = Desk()
        try desk.handle([
            Self.receive("A", "BER"), Self.receive("B", "HAM"), Self.house("BER", isActive: false),
        ])
        var restore = StockRestore()
        for var snapshot in try desk.levels() {
            for place in snapshot.levels.indices { snapshot.levels[place].isClosed = false }
            restore.add(snapshot)
        }
        var reader = RecordReader()
        for (_, value) in desk.written[.ledger] ?? [] {
            restore.add(try value.withUnsafeBytes { try reader.ledgerEntry($0) })
        }
        let restored = try restore.finish()
        #expect(restored.outdatedLevels == ["A"])
        let next = Desk(restored)
        try next.handle([])
        #expect(try next.available() == ["A": "0"])
        // What is up to date is left as it is.
        var whole = StockRestore()
        for snapshot in try desk.levels() { whole.add(snapshot) }
        #expect(try whole.finish().outdatedLevels.isEmpty)
    }
}

extension String {
    /// The digits after the first such piece; empty where there is none.
    fileprivate func components(after piece: String) -> String {
        guard let range = firstRange(of: piece) else { return "" }
        return String(self[range.upperBound...].prefix { $0.isNumber })
    }
}
