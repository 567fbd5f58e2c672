/// The stock state of one partition: the SKUs whose commands stand in its log, with their levels, their live
/// reservations and the dedupe window.
///
/// `decide` functions are pure and make entries; `apply` alone changes the state and cannot fail. Nothing here
/// reads a clock, draws a random number or depends on the order of a Dictionary.
package struct Stock: Sendable {
    var items: [Item] = []
    private var itemIndexes: [String: Int] = [:]
    var reservations: [String: Reservation] = [:]
    var window: DedupeWindow

    /// - Parameter dedupeWindow: how many ledger entries are remembered; less than the limit only in tests.
    package init(dedupeWindow: Int = Limits.dedupeWindow) {
        window = DedupeWindow(capacity: dedupeWindow)
    }

    package var liveReservations: Int { reservations.count }
    package var skuCount: Int { items.count }
    package var dedupeWindowCount: Int { window.count }

    func item(of sku: String) -> Item? { itemIndexes[sku].map { items[$0] } }

    mutating func makeItemIndex(of sku: String) -> Int {
        if let index = itemIndexes[sku] { return index }
        items.append(Item(sku: sku))
        itemIndexes[sku] = items.count - 1
        return items.count - 1
    }

    func itemIndex(of sku: String) -> Int? { itemIndexes[sku] }
}

extension Stock {
    /// Decides one command and carries the decision out.
    ///
    /// Reservations of the command's SKU that are due at `at` expire first (rule 3), then the command is
    /// looked at. All entries are appended to `entries` in ledger order.
    package mutating func handle(
        _ command: Command, at: Timestamp, source: Source, into entries: inout [LedgerEntry]
    ) -> Outcome {
        let cause = Cause(command: command, at: at, source: source)
        while let expiry = decideExpiry(cause) {
            apply(expiry)
            entries.append(expiry)
        }
        switch decide(cause) {
        case .entry(let entry):
            apply(entry)
            entries.append(entry)
            return Outcome(of: entry, to: command, isDuplicate: false)
        case .answer(let outcome):
            return outcome
        }
    }
}

/// A command with what its record says of it.
struct Cause {
    let command: Command
    let at: Timestamp
    let source: Source
}

/// What `decide` returns: an entry to carry out, or an answer that changes nothing.
enum Decision: Equatable {
    case entry(LedgerEntry)
    case answer(Outcome)
}
