/// The topics of the system, by the names of the contract (`topics/`), without a cluster's prefix.
package enum Topic: String, CaseIterable, Sendable {
    case commands = "stock.commands"
    case results = "stock.results"
    case ledger = "stock.ledger"
    case levels = "stock.levels"
    case reservations = "stock.reservations"
    case deadLetters = "dead.letters"
}
