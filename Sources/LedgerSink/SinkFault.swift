import InventoryCore

/// Why the sink stops: what a person must look at. Nothing of the batch was stored.
package struct SinkFault: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }

    static func otherSink(_ topic: String, _ partitions: [Int32]) -> SinkFault {
        SinkFault(
            "another sink has moved the offsets of \(topic), partitions "
                + partitions.map(String.init).joined(separator: ", ")
                + ", since this one read them; only one sink may write into a database: stop the other "
                + "(after a rebuild, start this one again)")
    }

    static func differentRow(sku: ID, sequence: Int64) -> SinkFault {
        SinkFault(
            "the ledger in PostgreSQL has another entry for \(sku), sequence \(sequence) than the topic: "
                + "is this database another topic's? Compare the two before anything else is written")
    }
}
