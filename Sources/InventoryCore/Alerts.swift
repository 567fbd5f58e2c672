/// Replenishment alerts. What was told last is part of the state, so that nothing is told twice over restarts.
///
///     calm -> low (at or under the reorder point) -> out (nothing left) -> recovered (above the re-arm point)
extension Stock {
    /// Looks at the levels that a command's entries changed, and at the SKU over all warehouses.
    mutating func raiseAlerts(for entries: [LedgerEntry], _ alerts: inout [Alert]) {
        guard let last = entries.indices.last, let index = itemIndex(of: entries[last].packed.sku) else {
            return
        }
        // By places: entries and levels are large, and most SKUs have neither a policy nor an alert.
        var mayAlert = items[index].mayAlert
        for place in items[index].levels.indices where items[index].levels[place].mayAlert { mayAlert = true }
        for place in entries.indices where entries[place].movement == .transferOverdue { mayAlert = true }
        if mayAlert { raiseAlerts(for: entries, last, item: index, &alerts) }
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
        for place in items[index].levels.indices where items[index].levels[place].mayAlert {
            let level = items[index].levels[place]
            guard concernsAll || entries.contains(where: { $0.warehouse == level.warehouse }) else {
                continue
            }
            let count = Count(
                available: level.available, inTransit: level.inTransit, missing: 0)
            let change = Self.change(level.alert, count, level.policy)
            items[index].levels[place].alert = change.state
            if let kind = change.told {
                alerts.append(alert(kind, entries[last], level.warehouse, count, level.policy))
            }
        }
        guard items[index].mayAlert else { return }
        let item = items[index]
        var count = Count(available: 0, inTransit: 0, missing: item.backordered)
        for level in item.levels where warehouses[level.place].facts.isActive {
            count.available += level.available
            count.inTransit += level.inTransit
        }
        let change = Self.change(item.alert, count, item.policy)
        items[index].alert = change.state
        if let kind = change.told { alerts.append(alert(kind, entries[last], nil, count, item.policy)) }
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
        _ kind: Alert.Kind, _ last: LedgerEntry, _ warehouse: ID?, _ count: Count, _ policy: Policy?
    ) -> Alert {
        let units = count.units(policy)
        let upTo = policy?.reorderUpTo ?? policy?.rearmPoint ?? policy?.reorderPoint ?? 0
        return Alert(
            kind: kind, sku: last.sku, warehouse: warehouse, quantity: units,
            reorderPoint: policy?.reorderPoint,
            suggestedQuantity: kind == .recovered ? nil : max(0, upTo - units + count.missing),
            sequence: last.sequence, at: last.at)
    }
}

extension Level {
    fileprivate var mayAlert: Bool { hasPolicy || alert != .calm }
}

extension Item {
    fileprivate var mayAlert: Bool { hasPolicy || alert != .calm }
}
