import InventoryCore
import InventoryWire
import StreamRuntime
import Testing

/// When commands say that they were issued.
@Suite("Issued at")
struct IssuedAtTests {
    private static let now: Int64 = 1_790_000_000_000

    /// What a record of `stock.commands` gives, by topic.
    private func process(_ command: Command, at timestamp: Int64) throws -> [Topic: [UInt8]] {
        var processor = CommandProcessor(stock: Stock(), partition: 0, ownsKey: { _ in true })
        var writer = RecordWriter()
        writer.write(command: command)
        let value = writer.withBytes { Array($0) }
        let key = command.sku.bytes
        var sent: [Topic: [UInt8]] = [:]
        try key.withUnsafeBytes { key in
            try value.withUnsafeBytes { value in
                try processor.process(
                    LogRecord(key: key, value: value, offset: 0, timestamp: timestamp)
                ) { (topic, _, value) throws(LogFailure) in sent[topic] = value.map { Array($0) } }
            }
        }
        return sent
    }

    private func receive(issued: Int64) -> Command {
        Command(
            id: "c", sku: "A", issuedAt: Timestamp(milliseconds: issued),
            body: .receive(warehouse: "BER", quantity: 1, reference: nil))
    }

    @Test(
        "A command that is issued more than a second after its record's time is a dead letter and has no result"
    )
    func issuedInFuture() throws {
        let sent = try process(receive(issued: Self.now + Limits.clockLead + 1), at: Self.now)
        #expect(sent.keys.map { $0 } == [.deadLetters])
        var reader = RecordReader()
        let letter = try #require(sent[.deadLetters]).withUnsafeBytes { try reader.deadLetter($0) }
        #expect(letter.reason == .issuedInFuture)
    }

    @Test("What may be decided any number of times is decided, whatever time it says")
    func repeatable() throws {
        let expire = Command(
            id: "c", sku: "A", issuedAt: Timestamp(milliseconds: Self.now + 60_000),
            body: .expire(reservationID: "r"))
        let sent = try process(expire, at: Self.now)
        #expect(sent[.deadLetters] == nil && sent[.results] != nil)
    }

    @Test(
        "A command that is issued up to a second after its record's time, or long before, is decided",
        arguments: [
            Limits.clockLead, 0, -1, -Limits.longestTTL,
        ])
    func issuedInTime(lead: Int64) throws {
        let sent = try process(receive(issued: Self.now + lead), at: Self.now)
        #expect(sent[.deadLetters] == nil && sent[.results] != nil)
    }

    @Test(
        "A redriven command is issued anew, however old its letter is, and a field that the person set stays",
        arguments: [
            true, false,
        ])
    func redriven(isSet: Bool) throws {
        var writer = RecordWriter()
        writer.write(command: receive(issued: Self.now - Limits.longestTTL))
        let value = writer.withBytes { Array($0) }
        let key = Array("A".utf8)
        key.withUnsafeBytes { key in
            value.withUnsafeBytes { value in
                writer.write(
                    deadLetter: DecodingFailure(.wrongPartition, "astray"),
                    origin: RecordOrigin(topic: .commands, partition: 0, offset: 0, timestamp: nil), key: key,
                    value: value)
            }
        }
        var reader = RecordReader()
        let letter = try writer.withBytes { Array($0) }.withUnsafeBytes { try reader.deadLetter($0) }
        let edit = try RecordEdit(settings: isSet ? ["issued_at=2026-09-21T14:13:20.000Z"] : [])
        var redrive = Redrive(
            mending: Redrive.Mending(edit: edit), at: Self.now, partitionCounts: [.commands: 1]
        ) { _, _ in 0 }
        let record = try redrive.record(of: letter)
        let command = try key.withUnsafeBytes { key in
            try #require(record.value).withUnsafeBytes { try reader.command(key: key, value: $0) }
        }
        #expect(record.isMended == isSet)
        #expect(command.issuedAt?.milliseconds == (isSet ? 1_790_000_000_000 : Self.now - Limits.clockLead))
        #expect(command.body == receive(issued: 0).body)
    }
}
