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

    /// Those that have the same number of partitions: a processor writes to the partition that it owns.
    package static let stock: [Topic] = [
        .commands, .results, .ledger, .levels, .reservations, .transfers, .alerts,
    ]

    /// Those that a processor writes.
    package static let outputs: [Topic] = [
        .results, .ledger, .levels, .reservations, .transfers, .alerts, .deadLetters,
    ]

    /// Those that people publish for the relay to carry into `stock.commands`.
    package static let published: [Topic] = [.warehouses, .products, .settings]
}
