import InventoryCore

/// What a proposal of the optimizer does to an order: all of its lines move, or none. Nothing that is paid moves, and
/// nothing is ever given back for it: a reservation is moved by the stock as a whole, or stays.
extension Order {
    mutating func move(_ proposal: Reallocation, _ moment: OrderMoment, _ effects: inout OrderEffects) {
        guard proposal.version == version, !isPaidInPart, moment.at <= deadline,
            let moves = moves(of: proposal)
        else {
            return ignore(&effects)
        }
        begin(.moving)
        for (line, claim, allocations) in moves {
            lines[line].claims[claim].partsBefore = lines[line].claims[claim].parts
            send(Pending(.move, allocations: allocations), line: line, claim: claim, moment, &effects)
        }
    }

    /// A proposal may come when nobody knows the order any more; then nothing is to be remembered for it.
    mutating func ignore(_ effects: inout OrderEffects) {
        effects.ignored += 1
        effects.proposals[.ignored, default: 0] += 1
        if case .unknown = phase, waiting.isEmpty { phase = .forgotten }
    }

    /// Nil where one of its lines cannot move so, and where it has none.
    private func moves(of proposal: Reallocation) -> [(line: Int, claim: Int, [Allocation])]? {
        var moves: [(line: Int, claim: Int, [Allocation])] = []
        for wanted in proposal.lines {
            guard let line = lines.firstIndex(where: { $0.sku == wanted.sku }),
                let claim = lines[line].onlyClaim(movableTo: wanted.allocations),
                allowSplit || wanted.allocations.count == 1
            else { return nil }
            moves.append((line, claim, wanted.allocations))
        }
        return moves.isEmpty ? nil : moves
    }

    /// The stock has moved a claim, or has refused to.
    mutating func answerMove(
        _ outcome: Outcome, _ pending: Pending, _ line: Int, _ claim: Int, _ moment: OrderMoment,
        _ effects: inout OrderEffects
    ) {
        let claimed = lines[line].claims[claim]
        let isReturn = pending.allocations == claimed.partsBefore
        lines[line].claims[claim].befell = []
        if outcome.rejection == nil, claimed.held > 0 {
            lines[line].claims[claim].parts = pending.allocations
            // An answer that was lost and asked for again is older than what came meanwhile.
            for units in claimed.befell where units.sequence > outcome.sequence ?? .max {
                lines[line].claims[claim].parts.shift(units)
            }
        }
        if outcome.rejection == nil, lines[line].claims[claim].held > 0 {
            if isReturn { lines[line].claims[claim].partsBefore = [] }
        } else {
            // What has moved goes back at once, and what still moves, as it comes.
            phase = .busy(.returning)
            switch outcome.rejection {
            case nil, .allocationMismatch, .insufficientStock, .warehouseInactive:
                lines[line].claims[claim].partsBefore = []
                if isReturn { hasMoved = true }
            default:
                refuse(outcome, pending, line, claim, moment, &effects)
                if lines[line].claims[claim].pending != nil {
                    lines[line].claims[claim].befell = claimed.befell
                }
            }
        }
        if phase == .busy(.returning) { sendBack(moment, &effects) }
    }

    /// Sends back what has moved. What lost units meanwhile stays where it is.
    private mutating func sendBack(_ moment: OrderMoment, _ effects: inout OrderEffects) {
        for line in lines.indices {
            for claim in lines[line].claims.indices {
                let claimed = lines[line].claims[claim]
                guard claimed.pending == nil, !claimed.partsBefore.isEmpty else { continue }
                guard claimed.units == claimed.partsBefore.units else {
                    lines[line].claims[claim].partsBefore = []
                    hasMoved = true
                    continue
                }
                send(
                    Pending(.move, allocations: claimed.partsBefore), line: line, claim: claim, moment,
                    &effects)
            }
        }
    }

    /// All has moved.
    mutating func settleMoving(_ effects: inout OrderEffects) {
        effects.proposals[.taken, default: 0] += 1
        for line in lines.indices {
            for claim in lines[line].claims.indices { lines[line].claims[claim].partsBefore = [] }
        }
        hasMoved = true
        phase = .settled
    }

    /// What could not go back was moved, and is told.
    mutating func settleReturning(_ moment: OrderMoment, _ effects: inout OrderEffects) {
        sendBack(moment, &effects)
        if isAsking { return }
        effects.proposals[.refused, default: 0] += 1
        phase = .settled
    }
}

extension Order.Line {
    /// The claim that can be served so instead, where that is the line's only one; nil else.
    fileprivate func onlyClaim(movableTo allocations: [Allocation]) -> Int? {
        let live = claims.indices.filter { claims[$0].held > 0 }
        guard live.count == 1, let claim = live.first else { return nil }
        let claimed = claims[claim]
        guard claimed.backordered == 0, claimed.units == allocations.units,
            warehouse == nil || allocations.allSatisfy({ $0.warehouse == warehouse })
        else { return nil }
        let isThere = allocations.allSatisfy { claimed.parts.contains($0) }
        return isThere ? nil : claim
    }
}
