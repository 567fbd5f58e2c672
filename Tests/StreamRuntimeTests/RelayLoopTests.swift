import InventoryCore
import InventoryWire
import StreamRuntime
import Testing

/// Dialogues: event in, expected action out.
@Suite("The loop of the relay")
struct RelayLoopTests {
    private static let source = RelayLoop.Source(.warehouses, 0)
    private static let products = RelayLoop.Source(.products, 2)

    private func loop(placed: Bool = true) -> RelayLoop {
        var loop = RelayLoop(partitionCount: 2) { _ in 1 }
        if placed {
            loop.opened()
            loop.placed(committed: [:])
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
                    from: source, at: 1_790_000_000_000)
            }
        }
    }

    private func warehouse(_ id: ID) -> [UInt8] {
        var writer = RecordWriter()
        writer.write(warehouse: WarehouseRecord(warehouse: Warehouse(id: id)))
        return writer.withBytes { Array($0) }
    }

    private func product(_ record: ProductRecord) -> [UInt8] {
        var writer = RecordWriter()
        writer.write(product: record)
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
        loop.placed(committed: [:])
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
        // Issued when the relay sends them, less what a clock may be ahead.
        #expect(
            try sendings.map { try command($0).issuedAt?.milliseconds } == [
                1_789_999_999_000, 1_789_999_999_000,
            ])
        let product = product(ProductRecord(sku: "A", name: "a thing"))
        #expect(read(&loop, "A", product, from: Self.products, offset: 9).count == 1)
        _ = read(&loop, "HAM", warehouse("HAM"), offset: 6)
        #expect(loop.offsets == [Self.source: 7, Self.products: 10])
        loop.gathered()
        #expect(loop.committed() == RelayLoop.Counts(records: 3, commands: 5))
        #expect(loop.isTransactionOpen == false)
    }

    private func restore(_ loop: inout RelayLoop, _ place: RelayPlace) throws {
        var writer = RecordWriter()
        writer.write(relayPlace: place)
        try writer.withBytes {
            try loop.restore(LogRecord(key: nil, value: $0, offset: 0, timestamp: 0))
        }
    }

    @Test("It reads on where its state says, whatever the group has forgotten, and writes that with each batch")
    func state() throws {
        var loop = loop(placed: false)
        loop.opened()
        try restore(&loop, RelayPlace(topic: .warehouses, partition: 0, next: 3))
        try restore(&loop, RelayPlace(topic: .warehouses, partition: 0, next: 5))
        #expect(loop.start(of: Self.source, committed: nil) == 5)
        #expect(loop.start(of: Self.source, committed: 2) == 5)
        #expect(loop.start(of: Self.products, committed: 4) == 4)
        #expect(loop.start(of: Self.products, committed: nil) == nil)
        loop.placed(committed: [Self.source: 5])
        #expect(loop.action == .read)
        _ = read(&loop, "BER", warehouse("BER"), offset: 7)
        loop.gathered()
        let places = loop.places()
        #expect(places.map(\.topic) == [.relayState] && places.map(\.partition) == [0])
        #expect(places.map { String(decoding: $0.key, as: UTF8.self) } == ["warehouses/0"])
        #expect(
            places.map { String(decoding: $0.value, as: UTF8.self) }
                == [#"{"topic":"warehouses","partition":0,"next_offset":8}"#])
        loop.committed()
        loop.failed(.restart, "no broker")
        loop.waited()
        loop.opened()
        #expect(loop.start(of: Self.source, committed: nil) == nil, "it is read again")
    }

    @Test("What only the group knows, of an earlier version, or only the state, is written down at once")
    func firstState() throws {
        var loop = loop(placed: false)
        loop.opened()
        try restore(&loop, RelayPlace(topic: .products, partition: 2, next: 9))
        let committed = [Self.source: Int64(4)]
        #expect(loop.differing(from: committed) == [Self.source: 4, Self.products: 9])
        loop.placed(committed: committed)
        #expect(loop.action == .commit && loop.places().count == 2)
        #expect(loop.offsets == [Self.source: 4, Self.products: 9])
        #expect(loop.committed() == RelayLoop.Counts())
        #expect(loop.action == .read && !loop.isTransactionOpen)
    }

    @Test("A product gives one command with all that it lays down, also where that is nothing")
    func products() throws {
        var loop = loop()
        var record = ProductRecord(
            sku: "A", name: "a thing", policy: Policy(safetyStock: 1),
            warehousePolicies: [WarehousePolicy(warehouse: "BER", policy: Policy(safetyStock: 5))])
        func commands(_ value: [UInt8]?) throws -> [Command] {
            let sendings = read(&loop, "A", value, from: Self.products, offset: 9)
            #expect(sendings.map(\.partition) == [1] && sendings.map(\.key) == [Array("A".utf8)])
            return try sendings.map { try command($0) }
        }
        func laying(_ published: PublishedPolicies) -> Command {
            Command(
                id: "relay/products/2/9", sku: "A", issuedAt: Timestamp(milliseconds: 1_789_999_999_000),
                body: .setPolicies(published))
        }
        #expect(try commands(product(record)) == [laying(record.policies)])
        record.policies.warehouses = []
        #expect(try commands(product(record)) == [laying(record.policies)])
        record.policies = PublishedPolicies()
        #expect(try commands(product(record)) == [laying(PublishedPolicies())])
        #expect(try commands(nil) == [laying(PublishedPolicies())], "the product is gone")
    }

    @Test(
        "A policy that a product no longer names no longer applies, also where the relay knows nothing of it")
    func droppedPolicy() throws {
        let local = WarehousePolicy(warehouse: "BER", policy: Policy(safetyStock: 5))
        var stock = Stock()
        var offset: Int64 = 0
        func handle(_ command: Command) -> Outcome {
            var effects = Effects()
            offset += 1
            return stock.handle(
                command, at: Timestamp(milliseconds: 7), source: Source(partition: 1, offset: offset),
                into: &effects)
        }
        _ = handle(
            Command(id: "c1", sku: "A", body: .receive(warehouse: "BER", quantity: 5, reference: nil)))
        for (number, locals) in [[local], []].enumerated() {
            // Each record is carried by a relay that was just started.
            var loop = loop()
            let record = ProductRecord(
                sku: "A", name: "Tea", policy: Policy(safetyStock: 0), warehousePolicies: locals)
            let sendings = read(
                &loop, "A", product(record), from: Self.products, offset: Int64(number))
            for sending in sendings { #expect(handle(try command(sending)).kind == .policySet) }
            #expect(stock.levels(of: "A")?.levels.first?.available == (locals.isEmpty ? 5 : 0))
        }
    }

    @Test("A record or a tombstone under a key that is not its own changes nothing and becomes a dead letter")
    func wrongKeys() throws {
        let settings = RelayLoop.Source(.settings, 0)
        var writer = RecordWriter()
        writer.write(settings: Settings(defaultTTL: 5))
        let written = writer.withBytes { Array($0) }
        let tea = product(ProductRecord(sku: "A", name: "Tea"))
        let cases:
            [(key: String, value: [UInt8]?, source: RelayLoop.Source, reason: DecodingFailure.Reason)] =
                [
                    ("defaults", nil, settings, .keyMismatch), ("", nil, settings, .keyMismatch),
                    ("Decisions", nil, settings, .keyMismatch), ("defaults", written, settings, .keyMismatch),
                    ("HAM", warehouse("BER"), Self.source, .keyMismatch), ("", nil, Self.source, .invalidID),
                    ("BER\n", nil, Self.source, .invalidID),
                    (String(repeating: "B", count: 129), nil, Self.source, .invalidID),
                    ("B", tea, Self.products, .keyMismatch), ("", nil, Self.products, .invalidID),
                    ("@holdfast/partition/1", nil, Self.products, .invalidID),
                ]
        for (key, value, source, reason) in cases {
            var loop = loop()
            let sendings = read(&loop, key, value, from: source, offset: 3)
            #expect(sendings.map(\.topic) == [.deadLetters], "\(source) \(key)")
            var reader = RecordReader()
            let letter = try sendings[0].value.withUnsafeBytes { try reader.deadLetter($0) }
            #expect(letter.reason == reason && !letter.detail.isEmpty, "\(source) \(key)")
            #expect(letter.value == value, "\(source) \(key)")
        }
        var loop = loop()
        let sendings = read(&loop, "decisions", nil, from: settings, offset: 4)
        #expect(
            try sendings.map { try command($0).body } == Array(repeating: .setSettings(Settings()), count: 2))
    }

    @Test("A tombstone closes its warehouse, also where compaction has taken the record before it")
    func tombstones() throws {
        var loop = loop()
        let closing = try read(&loop, "BER", nil, offset: 5).map { try command($0).body }
        let closed = Command.Body.setWarehouse(Warehouse(id: "BER", isActive: false), isWithdrawn: true)
        #expect(closing == [closed, closed])
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
            loop.placed(committed: [:])
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
