/// The topics of the system, by the names of the contract (`topics/`), without a cluster's prefix.
package enum Topic: String, CaseIterable, Sendable {
    case commands = "stock.commands"
    case results = "stock.results"
    case ledger = "stock.ledger"
    case levels = "stock.levels"
    case reservations = "stock.reservations"
    case transfers = "stock.transfers"
    case alerts = "stock.alerts"
    case deadLetters = "dead.letters"
    case warehouses, products, settings
    case relayState = "relay.state"
    case orders
    case orderReplies = "order.replies"
    case orderOutcomes = "order.outcomes"
    case orderState = "order.state"

    /// Those of orders of several lines: they have the same number of partitions, and only the coordinator needs them.
    package static let ofOrders: [Topic] = [.orders, .orderReplies, .orderOutcomes, .orderState]

    /// Those that every role needs; the relay needs its state besides.
    package static let needed: [Topic] = allCases.filter { !ofOrders.contains($0) && $0 != .relayState }

    /// Those that have the same number of partitions: a processor writes to the partition that it owns.
    package static let stock: [Topic] = [
        .commands, .results, .ledger, .levels, .reservations, .transfers, .alerts,
    ]

    /// Those that a processor writes.
    package static let outputs: [Topic] = [
        .results, .ledger, .levels, .reservations, .transfers, .alerts, .deadLetters,
    ]

    /// Those whose partition only its processor writes, in the transactions of the partition's id.
    package static let ofProcessor: [Topic] = outputs.filter { $0 != .deadLetters }

    /// The same of a coordinator.
    package static let ofCoordinator: [Topic] = [.orderOutcomes, .orderState]

    /// Those that people publish for the relay to carry into `stock.commands`.
    package static let published: [Topic] = [.warehouses, .products, .settings]
}
