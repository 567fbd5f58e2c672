/// Replenishment alerts. What was told last is part of the state, so that nothing is told twice over restarts.
///
///     calm -> low (at or under the reorder point) -> out (nothing left) -> recovered (above the re-arm point)
extension Stock {
    /// What an alert says of where it comes from.
    private struct Reason {
        var sku: ID
        var sequence: Int64
        var bookSequence: Int64?
        var at: Timestamp

        init(_ last: LedgerEntry) { (sku, sequence, at) = (last.sku, last.sequence, last.at) }
    }

    /// Looks at the levels that a command's entries changed, and at the SKU over all warehouses. Where a warehouse was
    /// opened or closed, at all SKUs that stand there.
    mutating func raiseAlerts(for entries: [LedgerEntry], _ alerts: inout [Alert]) {
        guard let last = entries.indices.last, let index = itemIndex(of: entries[last].packed.sku) else {
            return
        }
        if entries[last].movement == .setWarehouse,
            let warehouse = Self.switchedWarehouse(entries[last])
        {
            return raiseAlerts(forSwitchOf: warehouse, entries[last], &alerts)
        }
        // By places: entries and levels are large, and most SKUs have neither a policy nor an alert.
        var mayAlert = items[index].mayAlert
        for place in items[index].levels.indices where items[index].levels[place].mayAlert { mayAlert = true }
        for place in entries.indices where entries[place].movement == .transferOverdue { mayAlert = true }
        if mayAlert { raiseAlerts(for: entries, last, item: index, &alerts) }
    }

    /// The warehouse that the entry opened or closed; nil if it did neither.
    static func switchedWarehouse(_ entry: LedgerEntry) -> ID? {
        guard case .warehouse(let facts, isSwitch: true) = entry.details else { return nil }
        return facts.id
    }

    /// The places of the items that have a level in the warehouse, ordered by SKU.
    func standing(in warehouse: ID) -> [Int] {
        items.indices.filter { items[$0].levels.place(of: warehouse) != nil }.sorted {
            items[$0].sku < items[$1].sku
        }
    }

    private mutating func raiseAlerts(
        forSwitchOf warehouse: ID, _ entry: LedgerEntry, _ alerts: inout [Alert]
    ) {
        for index in standing(in: warehouse) {
            guard let place = items[index].levels.place(of: warehouse) else { continue }
            var reason = Reason(entry)
            (reason.sku, reason.sequence) = (items[index].sku, items[index].sequence)
            reason.bookSequence = entry.sequence
            if items[index].levels[place].mayAlert { look(atLevel: place, item: index, reason, &alerts) }
            lookOverall(item: index, reason, &alerts)
        }
    }

    private mutating func raiseAlerts(
        for entries: [LedgerEntry], _ last: Int, item index: Int, _ alerts: inout [Alert]
    ) {
        for place in entries.indices where entries[place].movement == .transferOverdue {
            let entry = entries[place]
            var alert = Alert(
                kind: .transferOverdue, sku: entry.sku, warehouse: entry.warehouse,
                quantity: entry.quantity, sequence: entry.sequence, at: entry.at)
            alert.transferID = entry.transferID
            alert.from = entry.counterpart
            alert.expectedAt = entry.expectedAt
            alerts.append(alert)
        }
        var concernsAll = false
        for place in entries.indices where entries[place].movement == .setPolicy {
            concernsAll = concernsAll || entries[place].warehouse == nil
        }
        let reason = Reason(entries[last])
        for place in items[index].levels.indices where items[index].levels[place].mayAlert {
            let warehouse = items[index].levels[place].warehouse
            guard concernsAll || entries.contains(where: { $0.warehouse == warehouse }) else { continue }
            look(atLevel: place, item: index, reason, &alerts)
        }
        lookOverall(item: index, reason, &alerts)
    }

    private mutating func look(
        atLevel place: Int, item index: Int, _ reason: Reason, _ alerts: inout [Alert]
    ) {
        let level = items[index].levels[place]
        let count = Count(
            available: level.available, inTransit: level.isClosed ? 0 : level.inTransit, missing: 0)
        let change = Self.change(level.alert, count, level.policy)
        items[index].levels[place].alert = change.state
        if let kind = change.told {
            alerts.append(alert(kind, reason, level.warehouse, count, level.policy))
        }
    }

    private mutating func lookOverall(item index: Int, _ reason: Reason, _ alerts: inout [Alert]) {
        guard items[index].mayAlert else { return }
        let item = items[index]
        var count = Count(available: 0, inTransit: 0, missing: item.backordered)
        for level in item.levels where !level.isClosed {
            count.available += level.available
            count.inTransit += level.inTransit
        }
        let change = Self.change(item.alert, count, item.policy)
        items[index].alert = change.state
        if let kind = change.told { alerts.append(alert(kind, reason, nil, count, item.policy)) }
    }

    private struct Count {
        var available: Int64
        var inTransit: Int64
        /// Units that are sold already and not there.
        var missing: Int64

        func units(_ policy: Policy?) -> Int64 {
            available + (policy?.countsInTransit ?? false ? inTransit : 0)
        }
    }

    private static func change(
        _ state: AlertState, _ count: Count, _ policy: Policy?
    ) -> (state: AlertState, told: Alert.Kind?) {
        guard let policy, let point = policy.reorderPoint else { return (.calm, nil) }
        let units = count.units(policy)
        if units > policy.rearmPoint ?? point {
            return (.calm, state == .calm ? nil : .recovered)
        }
        if units == 0 { return (.out, state == .out ? nil : .out) }
        if units <= point, state == .calm { return (.low, .low) }
        return (state, nil)
    }

    private func alert(
        _ kind: Alert.Kind, _ reason: Reason, _ warehouse: ID?, _ count: Count, _ policy: Policy?
    ) -> Alert {
        let units = count.units(policy)
        let upTo = policy?.reorderUpTo ?? policy?.rearmPoint ?? policy?.reorderPoint ?? 0
        var alert = Alert(
            kind: kind, sku: reason.sku, warehouse: warehouse, quantity: units,
            reorderPoint: policy?.reorderPoint,
            suggestedQuantity: kind == .recovered ? nil : max(0, upTo - units + count.missing),
            sequence: reason.sequence, at: reason.at)
        alert.bookSequence = reason.bookSequence
        return alert
    }
}

extension Level {
    fileprivate var mayAlert: Bool { hasPolicy || alert != .calm }
}

extension Item {
    fileprivate var mayAlert: Bool { hasPolicy || alert != .calm }
}
