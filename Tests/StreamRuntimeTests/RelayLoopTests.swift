import InventoryCore
import InventoryWire
import StreamRuntime
import Testing

/// Dialogues: event in, expected action out.
@Suite("The loop of the relay")
struct RelayLoopTests {
    private static let source = RelayLoop.Source(.warehouses, 0)

    private func loop(placed: Bool = true) -> RelayLoop {
        var loop = RelayLoop(partitionCount: 2) { _ in 1 }
        if placed {
            loop.opened()
            loop.placed()
        }
        return loop
    }

    private func read(
        _ loop: inout RelayLoop, _ key: String, _ value: [UInt8]?, from source: RelayLoop.Source = source,
        offset: Int64 = 0
    ) -> [RelayLoop.Sending] {
        Array(key.utf8).withUnsafeBytes { key in
            (value ?? []).withUnsafeBytes { bytes in
                loop.read(
                    LogRecord(key: key, value: value == nil ? nil : bytes, offset: offset, timestamp: 7),
                    from: source)
            }
        }
    }

    private func warehouse(_ id: ID) -> [UInt8] {
        var writer = RecordWriter()
        writer.write(warehouse: WarehouseRecord(warehouse: Warehouse(id: id)))
        return writer.withBytes { Array($0) }
    }

    private func command(_ sending: RelayLoop.Sending) throws -> Command {
        var reader = RecordReader()
        var found: Command?
        try sending.key.withUnsafeBytes { key in
            try sending.value.withUnsafeBytes { value in found = try reader.command(key: key, value: value) }
        }
        return try #require(found)
    }

    @Test("It opens, asks where it stands, then reads and commits in turn; nothing read is nothing committed")
    func turns() {
        var loop = loop(placed: false)
        #expect(loop.action == .open)
        loop.opened()
        #expect(loop.action == .place)
        loop.placed()
        #expect(loop.action == .read)
        loop.gathered()
        #expect(loop.action == .read)
        _ = read(&loop, "BER", warehouse("BER"))
        loop.gathered()
        #expect(loop.action == .commit)
        #expect(loop.committed() == RelayLoop.Counts(records: 1, commands: 2))
        #expect(loop.action == .read)
    }

    @Test("A batch is one transaction, with the offset after the last record of each source")
    func offsets() throws {
        var loop = loop()
        #expect(loop.isTransactionOpen == false)
        let sendings = read(&loop, "BER", warehouse("BER"), offset: 4)
        #expect(loop.isTransactionOpen == true)
        #expect(sendings.map(\.partition) == [0, 1])
        #expect(sendings.allSatisfy { $0.topic == .commands })
        #expect(try sendings.map { try command($0).id } == ["relay/warehouses/0/4", "relay/warehouses/0/4"])
        // A product without a policy gives no command, but was read.
        var writer = RecordWriter()
        writer.write(product: ProductRecord(sku: "A", name: "a thing", policy: nil))
        let product = writer.withBytes { Array($0) }
        #expect(read(&loop, "A", product, from: RelayLoop.Source(.products, 2), offset: 9).isEmpty)
        _ = read(&loop, "HAM", warehouse("HAM"), offset: 6)
        #expect(loop.offsets == [Self.source: 7, RelayLoop.Source(.products, 2): 10])
        loop.gathered()
        #expect(loop.committed() == RelayLoop.Counts(records: 3, commands: 4))
        #expect(loop.isTransactionOpen == false)
    }

    @Test("What cannot be read becomes a dead letter in the same transaction, with its place and bytes")
    func letters() throws {
        var loop = loop()
        let sendings = read(&loop, "BER", Array("{broken".utf8), offset: 3)
        #expect(sendings.map(\.topic) == [.deadLetters])
        #expect(sendings.map(\.key) == [Array("BER".utf8)])
        var reader = RecordReader()
        let letter = try sendings[0].value.withUnsafeBytes { try reader.deadLetter($0) }
        #expect(letter.topic == "warehouses" && letter.partition == 0 && letter.offset == 3)
        #expect(letter.value == Array("{broken".utf8) && letter.timestamp == Timestamp(milliseconds: 7))
        loop.gathered()
        #expect(loop.committed() == RelayLoop.Counts(records: 1, letters: 1))
    }

    @Test("After a failure it waits, longer each time, opens anew and asks where it stands")
    func failures() {
        var loop = loop()
        var waits: [Int] = []
        for _ in 0..<8 {
            _ = read(&loop, "BER", warehouse("BER"))
            loop.failed(.restart, "gone")
            #expect(loop.isTransactionOpen == false)
            guard case .wait(let milliseconds) = loop.action else { break }
            waits.append(milliseconds)
            loop.waited()
            #expect(loop.action == .open)
            loop.opened()
            loop.placed()
        }
        #expect(waits == [200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000])
        _ = read(&loop, "BER", warehouse("BER"))
        loop.gathered()
        #expect(loop.committed() == RelayLoop.Counts(records: 1, commands: 2), "nothing of before is counted")
        loop.failed(.restart, "gone")
        #expect(loop.action == .wait(milliseconds: 200))
    }

    @Test("Fenced, it ends and says that another relay is at work")
    func fenced() {
        var loop = loop()
        loop.failed(.fenced, "_FENCED")
        #expect(loop.action == .finish(fault: "another relay is at work; one is enough (_FENCED)"))
    }

    @Test("Asked to stop, it commits what it has sent, and nothing else")
    func stop() {
        var sending = loop()
        _ = read(&sending, "BER", warehouse("BER"))
        sending.gathered()
        sending.stop()
        #expect(sending.action == .commit)
        sending.committed()
        #expect(sending.action == .finish(fault: nil))

        var idle = loop()
        idle.stop()
        #expect(idle.action == .finish(fault: nil))

        var failing = loop()
        _ = read(&failing, "BER", warehouse("BER"))
        failing.gathered()
        failing.stop()
        failing.failed(.fenced, "_FENCED")
        #expect(failing.action == .finish(fault: nil))
    }
}
