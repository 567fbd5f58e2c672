import InventoryCore

/// What an order waits for, for a person.
extension Order {
    /// The commands that have no reply yet, as they were sent, by the places of their lines.
    package var unanswered: [(line: Int, command: Command)] {
        lines.indices.flatMap { line in
            lines[line].claims.indices.compactMap { claim in
                lines[line].claims[claim].pending.map {
                    (line: line, command: command(line: line, claim: claim, $0))
                }
            }
        }
    }

    /// The names of a line's reservations, in the order of its claims.
    package func reservations(ofLine line: Int) -> [ID] {
        lines[line].claims.indices.map { reservationID(line: line, claim: $0) }
    }
}
