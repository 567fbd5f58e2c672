import InventoryCore
import InventoryWire

/// One record of `stock.ledger`, and where it stands.
package struct LedgerRow: SinkRow, Equatable {
    package static let noun = "ledger entry"
    package static let isKeptForEver = true

    package var partition: Int32
    package var offset: Int64
    package var entry: LedgerEntry

    package init(partition: Int32, offset: Int64, entry: LedgerEntry) {
        self.partition = partition
        self.offset = offset
        self.entry = entry
    }

    package init(
        _ value: UnsafeRawBufferPointer, partition: Int32, offset: Int64, _ reader: inout RecordReader
    ) throws(DecodingFailure) {
        self.init(partition: partition, offset: offset, entry: try reader.ledgerEntry(value))
    }
}

package typealias LedgerBatch = SinkBatch<LedgerRow>
