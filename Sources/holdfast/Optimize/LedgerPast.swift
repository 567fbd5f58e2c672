import Audit
import InventoryCore
import InventoryWire
import KafkaClient
import Optimizer

/// The stock as it was: one partition of the ledger, folded up to a time that goes on.
final class LedgerPast {
    private let partition: Int32
    private let cursor: TopicCursor
    private var reader = RecordReader()
    private var differences = Differences(limit: 1)
    private var follower: LedgerFollower
    private var next: Recorded<LedgerEntry>?
    private(set) var entries = 0
    private let bookSKU: ID
    /// The entry of the partition's own book up to which the network knows the warehouses.
    private var bookSequence: Int64 = 0

    init(_ partition: Int32, _ cursor: TopicCursor) throws {
        self.partition = partition
        self.cursor = cursor
        follower = LedgerFollower(partition: partition)
        bookSKU = PartitionBook.sku(partition)
        next = try read()
    }

    /// Folds all that was decided until then.
    /// - Throws: `RoleFailure` for a ledger that cannot be followed.
    func advance(to time: Timestamp) throws {
        while let entry = next, entry.value.at <= time {
            _ = follower.follow(entry, &differences)
            if let difference = differences.first.first {
                throw RoleFailure(
                    .differenceFound,
                    "the stock as it was cannot be made: \(difference.place) \(partition)/\(entry.offset): "
                        + "\(difference.found); next: holdfast verify")
            }
            entries += 1
            next = try read()
        }
    }

    /// Gives the network what is to be known of a SKU, and of the warehouses.
    func tell(_ sku: ID, _ network: inout Network) {
        if follower.stock.sequence(of: bookSKU) > bookSequence, let book = follower.stock.levels(of: bookSKU)
        {
            bookSequence = book.sequence
            network.set(book)
        }
        if let levels = follower.stock.levels(of: sku) { network.set(levels) } else { network.remove(sku) }
    }

    private func read() throws -> Recorded<LedgerEntry>? {
        guard let record = try cursor.next() else { return nil }
        guard let value = record.value else { return try read() }
        do {
            let entry = try value.withUnsafeBytes { try reader.ledgerEntry($0) }
            return Recorded(offset: record.offset, value: entry, bytes: value)
        } catch let failure as DecodingFailure {
            throw RoleFailure(
                .differenceFound,
                "stock.ledger \(partition)/\(record.offset) cannot be read: \(failure.detail); next: holdfast "
                    + "verify")
        }
    }
}
