import InventoryCore
import InventoryWire

/// How a partition begins whose ledger takes over entries of an earlier log: with commands of its own book, before any
/// other in `stock.commands`. They are decided as all commands are.
///
/// The first says that an earlier log follows, the next lay down the warehouses, then the entries of the earlier log
/// stand in the ledger, and the last command says that it has ended.
package struct GrownPartition {
    package let partition: Int32
    /// What is decided before the earlier log's entries.
    package let opening: [Command]
    /// What is decided after them.
    package let closing: Command

    /// - Parameters:
    ///   - book: of the earlier partitions, which have the same.
    ///   - count: how many partitions there will be.
    package init(_ partition: Int32, book: LevelsSnapshot.Book, of count: Int32) {
        self.partition = partition
        let sku = PartitionBook.sku(partition)
        let warehouses = book.warehouses.enumerated().map { number, warehouse in
            Command(id: "grow/warehouse/\(number)", sku: sku, body: .setWarehouse(warehouse))
        }
        var first = book.settings
        (first.earlierLog, first.partitions) = (.follows, Int64(count))
        opening = [Command(id: "grow/follows", sku: sku, body: .setSettings(first))] + warehouses
        var last = book.settings
        last.earlierLog = .ended
        closing = Command(id: "grow/ended", sku: sku, body: .setSettings(last))
    }

    /// What a partition's own book holds that its settings and warehouses do not tell: nothing that grows.
    package static func common(_ book: LevelsSnapshot.Book) -> LevelsSnapshot.Book {
        var settings = book.settings
        (settings.earlierLog, settings.partitions) = (nil, nil)
        return LevelsSnapshot.Book(settings: settings, rememberedFrom: 0, warehouses: book.warehouses)
    }
}

/// A hash over a row of records, by which it is seen whether another row is the same.
package struct RowDigest: Equatable, Sendable {
    private var hash = ChainHash.origin
    package private(set) var count: Int64 = 0

    package init() {}

    package mutating func add(key: [UInt8], value: [UInt8]?) {
        var bytes = Array(hash.hexadecimal.utf8)
        bytes += "\(key.count) \(value?.count ?? -1) ".utf8
        bytes += key
        if let value { bytes += value }
        hash = bytes.withUnsafeBytes { SHA256Digest.hash($0) }
        count += 1
    }
}
