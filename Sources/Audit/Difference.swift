import InventoryCore

/// One thing that is not as it must be: where, what was found and what was expected, and which command is next.
package struct Difference: Equatable, Encodable, Sendable {
    /// What was compared with what.
    package enum Kind: String, CaseIterable, Encodable, Sendable {
        /// The ledger by itself: sequences, deltas, balances, reservations and transfers in their order.
        case ledger
        /// The hash chain of the ledger.
        case chain
        /// A record that cannot be read.
        case unreadable
        /// The ledger and the commands: each entry has its command, in their order.
        case command
        /// The results and the commands: exactly one each.
        case result
        case notice
        case alert
        case levels
        case reservation
        case transfer
        /// The rows of `holdfast.inventory_transactions`.
        case row
        /// `holdfast.inventory`, `reservations` and `transfers`; `holdfast.orders`, its lines and shipments.
        case projection
        /// The outcomes of orders by themselves: what was paid has shipped, is claimed or goes back.
        case outcome
        /// What deciding again gave, against what stands in the topics.
        case decision
    }

    package var kind: Kind
    /// The topic or the table that the place is in, without the cluster's prefix.
    package var place: String
    package var partition: Int32
    /// In that topic; nil for what is not there.
    package var offset: Int64?
    /// The offset of the command in `stock.commands` that it is about.
    package var command: Int64?
    package var sku: ID?
    /// Of the ledger.
    package var sequence: Int64?
    package var found: String
    package var expected: String
    /// The command to run next.
    package var next: String

    package init(
        _ kind: Kind, place: String, partition: Int32, offset: Int64? = nil, command: Int64? = nil,
        sku: ID? = nil, sequence: Int64? = nil, found: String, expected: String, next: String
    ) {
        self.kind = kind
        self.place = place
        self.partition = partition
        self.offset = offset
        self.command = command
        self.sku = sku
        self.sequence = sequence
        self.found = found
        self.expected = expected
        self.next = next
    }
}

/// Differences as they are found: the first of them are kept, all are counted.
package struct Differences: Sendable {
    package let limit: Int
    package private(set) var first: [Difference] = []
    package private(set) var counts: [Difference.Kind: Int] = [:]

    /// - Parameter limit: how many are kept.
    package init(limit: Int) { self.limit = limit }

    package var count: Int { counts.values.reduce(0, +) }
    package var isEmpty: Bool { counts.isEmpty }

    package mutating func add(_ difference: Difference) {
        counts[difference.kind, default: 0] += 1
        if first.count < limit { first.append(difference) }
    }

    package mutating func add(_ other: Differences) {
        for (kind, count) in other.counts { counts[kind, default: 0] += count }
        first += other.first.prefix(max(0, limit - first.count))
    }
}
