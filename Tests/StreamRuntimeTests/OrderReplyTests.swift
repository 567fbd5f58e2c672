import InventoryCore
import InventoryWire
import OrderCore
import StreamRuntime
import Testing

@Suite("Replies to orders")
struct OrderReplyTests {
    private struct Sent: Equatable {
        var partition: Int32
        var key: String
        var reply: OrderReply
    }

    /// What the stock processor replies to commands, in order; and how many results and notices it wrote.
    private func replies(to commands: [(at: Int64, Command)]) throws -> (sent: [Sent], results: Int) {
        var sent: [Sent] = []
        var results = 0
        var processor = CommandProcessor(
            stock: Stock(), partition: 0, ownsKey: { _ in true },
            reply: { partition, key, value throws(LogFailure) in
                var reader = RecordReader()
                guard let reply = try? reader.orderReply(value) else {
                    throw LogFailure(.halt, operation: "reply", message: "it cannot be read")
                }
                sent.append(
                    Sent(partition: partition, key: String(decoding: key, as: UTF8.self), reply: reply))
            })
        var writer = RecordWriter()
        for (offset, (at, command)) in commands.enumerated() {
            writer.write(command: command)
            try command.sku.bytes.withUnsafeBytes { key in
                try writer.withBytes { value in
                    try processor.process(
                        LogRecord(key: key, value: value, offset: Int64(offset), timestamp: at)
                    ) { topic, _, _ in if topic == .results { results += 1 } }
                }
            }
        }
        return (sent, results)
    }

    private func reserve(_ number: Int, _ reservation: ID) -> Command {
        Command(
            id: reservation == address ? "\(address)/reserve-\(number)" : "c-\(number)", sku: "A",
            body: .reserve(
                Command.Reserve(
                    reservationID: reservation, orderID: "o-1", quantity: 2,
                    expiry: .after(milliseconds: 100))))
    }

    private let address = OrderAddress(partition: 7, orderID: "o-1", line: 1, attempt: 1).reservationID

    @Test("A command about a reservation that is named by an address is replied to, and no other")
    func addressed() throws {
        let (sent, results) = try replies(to: [
            (0, Command(id: "c-1", sku: "A", body: .receive(warehouse: "BER", quantity: 5, reference: nil))),
            (1, reserve(2, "r-1")), (2, reserve(3, address)),
            (3, Command(id: "c-4", sku: "A", body: .confirm(reservationID: address, quantity: nil))),
        ])
        #expect(results == 4)
        #expect(sent.map(\.partition) == [7, 7])
        #expect(sent.map(\.key) == ["o-1", "o-1"])
        guard case .result(let outcome) = sent.last?.reply else {
            Issue.record("no result")
            return
        }
        #expect(outcome.kind == .confirmed && outcome.commandID == "c-4")
    }

    @Test("What befalls a reservation right before a command about it is told before the command's result")
    func inOrder() throws {
        let (sent, _) = try replies(to: [
            (0, Command(id: "c-1", sku: "A", body: .receive(warehouse: "BER", quantity: 3, reference: nil))),
            (0, Command(id: "c-2", sku: "A", body: .setPolicy(warehouse: nil, Policy(backorderLimit: 9)))),
            (1, reserve(3, "r-1")), (50, reserve(4, address)),
            // r-1 has expired by now, and nobody has said so.
            (
                120,
                Command(
                    id: "c-5", sku: "A",
                    body: .extend(reservationID: address, expiry: .after(milliseconds: 500)))
            ),
        ])
        guard sent.count == 3, case .result(let reserved) = sent[0].reply,
            case .notice(let filled) = sent[1].reply, case .result(let extended) = sent[2].reply
        else {
            Issue.record("\(sent)")
            return
        }
        #expect(reserved.backordered == 1 && filled.kind == .backorderFilled && filled.quantity == 1)
        #expect(extended.kind == .extended && filled.sequence < extended.sequence ?? 0)
    }

    @Test("A loss and an expiry by others' commands are told to the order as well")
    func noticed() throws {
        let (sent, _) = try replies(to: [
            (0, Command(id: "c-1", sku: "A", body: .receive(warehouse: "BER", quantity: 5, reference: nil))),
            (2, reserve(2, address)),
            (3, Command(id: "c-3", sku: "A", body: .damage(warehouse: "BER", quantity: 4, reference: nil))),
            (200, Command(id: "c-4", sku: "A", body: .expire(reservationID: address))),
        ])
        #expect(sent.count == 3)
        guard case .notice(let notice) = sent[1].reply, case .result(let expired) = sent[2].reply else {
            Issue.record("\(sent)")
            return
        }
        #expect(notice.kind == .reservationLost && notice.quantity == 1)
        #expect(expired.kind == .expired && expired.reservationID == address)
    }

    @Test("A refused command is replied to by its reservation's name alone")
    func refused() throws {
        let (sent, _) = try replies(to: [
            (0, reserve(1, address)),
            (1, Command(id: "c-2", sku: "A", body: .release(reservationID: address, quantity: nil))),
        ])
        #expect(sent.map(\.key) == ["o-1", "o-1"])
        for reply in sent {
            guard case .result(let outcome) = reply.reply else {
                Issue.record("no result")
                continue
            }
            #expect(outcome.kind == .rejected)
        }
    }
}
