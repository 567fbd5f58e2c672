import InventoryCore
import InventoryWire
import OrderCore

/// One record of `order.outcomes`, and where it stands.
package struct OutcomeRow: SinkRow, Equatable {
    package static let noun = "order's outcome"
    package static let isKeptForEver = false

    package var partition: Int32
    package var offset: Int64
    package var outcome: OrderOutcome

    package init(partition: Int32, offset: Int64, outcome: OrderOutcome) {
        self.partition = partition
        self.offset = offset
        self.outcome = outcome
    }

    /// Nil for an answer to an event that did nothing: the tables say how orders stand, and that says nothing of it.
    package init?(
        _ value: UnsafeRawBufferPointer, partition: Int32, offset: Int64, _ reader: inout RecordReader
    ) throws(DecodingFailure) {
        guard let outcome = try reader.orderOutcome(value) else { return nil }
        guard Set(outcome.lines.map(\.sku)).count == outcome.lines.count else {
            throw DecodingFailure(.conflictingFields, "lines names a SKU twice")
        }
        self.init(partition: partition, offset: offset, outcome: outcome)
    }
}

package typealias OutcomeBatch = SinkBatch<OutcomeRow>

extension OutcomeBatch {
    /// The newest outcome of each order, in the order of their places; final if an earlier one was.
    package var newest: [OutcomeRow] {
        var newest: [OutcomeRow] = []
        var places: [ID: Int] = [:]
        for row in rows {
            guard let place = places[row.outcome.orderID] else {
                places[row.outcome.orderID] = newest.count
                newest.append(row)
                continue
            }
            let isFinal = newest[place].outcome.isFinal || row.outcome.isFinal
            if row.outcome.version > newest[place].outcome.version { newest[place] = row }
            newest[place].outcome.isFinal = isFinal
        }
        return newest
    }
}
