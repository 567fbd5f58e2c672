import InventoryCore
import InventoryWire
import KafkaClient

/// Reads all topics of a run from outside, into books that can be checked.
struct DemoAudit {
    let scan: TopicScan
    let starts: [Topic: [Int32: Int64]]

    /// - Parameter books: empty ones, which know what belongs to the run.
    func filled(_ empty: DemoBooks) throws -> DemoBooks {
        var books = empty
        var reader = RecordReader()
        try scan.read(.commands, from: starts[.commands]!) { message in
            guard let command = try? reader.command(key: message.key, value: message.value) else { return }
            books.add(command: command, partition: message.partition, offset: message.offset)
        }
        try scan.read(.results, from: starts[.results]!) { message in
            guard let value = message.value, let (outcome, source) = try? reader.outcome(value) else {
                return
            }
            books.add(result: outcome, source: source)
        }
        try scan.read(.results, from: starts[.results]!, isolation: .uncommitted) { message in
            guard let value = message.value, let (outcome, source) = try? reader.outcome(value) else {
                return
            }
            books.add(speculativeResult: Array(value), outcome: outcome, source: source)
        }
        try scan.read(.ledger, from: starts[.ledger]!) { message in
            guard let value = message.value, let entry = try? reader.ledgerEntry(value) else { return }
            books.add(entry: entry)
        }
        try scan.read(.levels, from: starts[.levels]!) { message in
            guard let value = message.value, let levels = try? reader.levels(value) else { return }
            books.add(levels: levels)
        }
        try scan.read(.reservations, from: starts[.reservations]!) { message in
            guard let key = message.key else { return }
            let name = reader.ownedID(key: key)
            let isLive = message.value != nil
            if let name { books.add(reservation: name, isLive: isLive) }
        }
        return books
    }
}
