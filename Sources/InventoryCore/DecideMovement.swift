/// Physical units in, out, spoiled, counted, and under way.
extension Stock {
    func decideInbound(
        _ movement: Movement, _ quantity: Int64, in warehouse: ID, _ condition: Condition,
        _ orderID: ID?, _ reference: ID?, _ cause: Cause
    ) -> Decision {
        if let refusal = refusal(toAdd: quantity, in: warehouse, condition, cause) {
            return reject(refusal, cause)
        }
        let deltas =
            condition == .sellable
            ? LedgerEntry.Deltas(onHand: quantity) : LedgerEntry.Deltas(damaged: quantity)
        var entry = entry(movement, cause, quantity, in: warehouse, deltas)
        entry.orderID = orderID
        entry.condition = condition == .damaged ? condition : nil
        entry.reference = reference
        return .entries([entry])
    }

    /// Why no more units can come into the warehouse; nil if they can. Quantities and levels are within limits
    /// far below the range of Int64, so that no sum overflows.
    private func refusal(
        toAdd quantity: Int64, in warehouse: ID, _ condition: Condition, _ cause: Cause
    ) -> Rejection? {
        guard let level = item(of: cause.command.packedSKU)?.level(of: warehouse) else {
            return hasRoom(for: warehouse, cause) ? nil : .warehouseLimitExceeded
        }
        // What is in transit here must have room when it arrives.
        let there = condition == .sellable ? level.onHand + level.inTransit : level.damaged
        return there + quantity <= Limits.onHand ? nil : .onHandLimitExceeded
    }

    /// Whether the SKU may have a level in one warehouse more.
    private func hasRoom(for warehouse: ID, _ cause: Cause) -> Bool {
        guard let item = item(of: cause.command.packedSKU) else { return true }
        return item.level(of: warehouse) != nil || item.levels.count < Limits.warehousesPerSKU
            || item.isRetired
    }

    func decideDamage(
        _ quantity: Int64, in warehouse: ID, _ reference: ID?, _ cause: Cause
    ) -> Decision {
        guard let level = item(of: cause.command.packedSKU)?.level(of: warehouse), level.onHand >= quantity
        else {
            return reject(.onHandBelowZero, cause)
        }
        if level.damaged + quantity > Limits.onHand { return reject(.onHandLimitExceeded, cause) }
        var entry = entry(
            .damaged, cause, quantity, in: warehouse,
            LedgerEntry.Deltas(onHand: -quantity, damaged: quantity))
        entry.reference = reference
        return .entries([entry])
    }

    func decideAdjust(_ adjust: Command.Adjust, _ cause: Cause) -> Decision {
        guard hasRoom(for: adjust.warehouse, cause) else { return reject(.warehouseLimitExceeded, cause) }
        let level = item(of: cause.command.packedSKU)?.level(of: adjust.warehouse)
        let isSellable = adjust.condition == .sellable
        let units = (isSellable ? level?.onHand : level?.damaged) ?? 0
        let delta: Int64
        switch adjust.change {
        case .delta(let change): delta = change
        case .count(let counted, let expected):
            if let expected, expected != units { return reject(.expectedMismatch, cause) }
            delta = counted - units
        }
        if units + delta < 0 { return reject(.onHandBelowZero, cause) }
        let underWay = isSellable ? level?.inTransit ?? 0 : 0
        if delta > 0 && units + underWay + delta > Limits.onHand {
            return reject(.onHandLimitExceeded, cause)
        }
        var entry = entry(
            .adjust, cause, abs(delta), in: adjust.warehouse,
            isSellable ? LedgerEntry.Deltas(onHand: delta) : LedgerEntry.Deltas(damaged: delta))
        entry.condition = isSellable ? nil : .damaged
        entry.reasonCode = adjust.reasonCode
        entry.note = adjust.note
        entry.reference = adjust.reference
        return .entries([entry])
    }

    // MARK: Transfers

    /// Units that no reservation claims may leave; safety stock and units set apart are no matter, for those
    /// withhold from sale.
    func decideDispatch(_ dispatch: Command.TransferDispatch, _ cause: Cause) -> Decision {
        if let live = live(transfer: dispatch.transferID, cause) {
            return live.commandHash == cause.hash
                ? .answer(Outcome(of: live, sku: cause.command.sku, to: cause.command))
                : reject(.transferIDConflict, cause)
        }
        if endedTransfer(dispatch.transferID, cause) != nil { return reject(.transferIDConflict, cause) }
        if let refusal = refusal(toAdd: dispatch.quantity, in: dispatch.to, .sellable, cause) {
            return reject(refusal, cause)
        }
        guard let level = item(of: cause.command.packedSKU)?.level(of: dispatch.from),
            level.onHand - level.reserved >= dispatch.quantity
        else { return reject(.insufficientStock, cause) }
        var out = entry(
            .transferOut, cause, dispatch.quantity, in: dispatch.from,
            LedgerEntry.Deltas(onHand: -dispatch.quantity))
        out.counterpart = dispatch.to
        var underWay = entry(
            .inTransit, cause, dispatch.quantity, in: dispatch.to,
            LedgerEntry.Deltas(inTransit: dispatch.quantity), after: 1)
        underWay.counterpart = dispatch.from
        return .entries(
            [out, underWay].map {
                var entry = $0
                entry.transferID = dispatch.transferID
                entry.origin = out.sequence
                entry.remaining = dispatch.quantity
                entry.expectedAt = dispatch.expectedAt
                entry.reference = dispatch.reference
                return entry
            })
    }

    private func live(transfer id: ID, _ cause: Cause) -> Transfer? {
        itemIndex(cause).flatMap { transfers[TransferKey(id, item: $0)] }
    }

    func decideTransferReceive(
        of id: ID, _ quantity: Int64, _ damaged: Int64, _ cause: Cause
    ) -> Decision {
        guard let live = live(transfer: id, cause) else {
            return reject(endedTransfer(id, cause) == nil ? .transferNotFound : .transferEnded, cause)
        }
        let arrived = quantity + damaged
        if arrived > live.remaining { return reject(.quantityExceedsTransfer, cause) }
        let there = item(of: cause.command.packedSKU)?.level(of: live.to)?.damaged ?? 0
        if there + damaged > Limits.onHand { return reject(.onHandLimitExceeded, cause) }
        var entry = entry(
            .transferIn, cause, arrived, in: live.to,
            LedgerEntry.Deltas(onHand: quantity, inTransit: -arrived, damaged: damaged))
        entry.transferID = id
        entry.origin = live.sequence
        entry.counterpart = live.from
        entry.remaining = live.remaining - arrived
        return .entries([entry])
    }

    func decideTransferCancel(of id: ID, _ cause: Cause) -> Decision {
        guard let live = live(transfer: id, cause) else {
            guard let ended = endedTransfer(id, cause) else { return reject(.transferNotFound, cause) }
            guard let first = entries(of: ended, cause).first, first.movement == .transferCancel else {
                return reject(.transferEnded, cause)
            }
            return .answer(Outcome(of: [first], to: cause.command, isDuplicate: true))
        }
        // Where it came from may be full by now; then it has to be made room for first.
        if let refusal = refusal(toAdd: live.remaining, in: live.from, .sellable, cause) {
            return reject(refusal, cause)
        }
        var end = entry(
            .transferCancel, cause, live.remaining, in: live.to,
            LedgerEntry.Deltas(inTransit: -live.remaining))
        end.counterpart = live.from
        var back = entry(
            .transferBack, cause, live.remaining, in: live.from,
            LedgerEntry.Deltas(onHand: live.remaining), after: 1)
        back.counterpart = live.to
        (end.transferID, back.transferID) = (id, id)
        (end.origin, back.origin) = (live.sequence, live.sequence)
        (end.remaining, back.remaining) = (0, 0)
        return .entries([end, back])
    }

    func decideTransferDue(of id: ID, _ cause: Cause) -> Decision {
        func ignore(_ noOp: NoOp, _ expectedAt: Timestamp? = nil) -> Decision {
            .answer(
                Outcome(
                    kind: .ignored, command: .transferDue, commandID: cause.command.id,
                    sku: cause.command.sku, noOp: noOp, transferID: id, at: cause.at))
        }
        guard let live = live(transfer: id, cause), let expectedAt = live.expectedAt else {
            return ignore(.alreadyEnded)
        }
        if live.isOverdue { return ignore(.alreadyTold) }
        if expectedAt > cause.at { return ignore(.notDue) }
        var entry = entry(.transferOverdue, cause, live.remaining)
        entry.transferID = id
        entry.origin = live.sequence
        entry.warehouse = live.to
        entry.counterpart = live.from
        entry.remaining = live.remaining
        entry.expectedAt = expectedAt
        return .entries([entry])
    }

    /// How the transfer of that id and of the command's SKU ended, if it is remembered.
    private func endedTransfer(_ id: ID, _ cause: Cause) -> Remembered? {
        itemIndex(cause).flatMap { window.ending(ofTransfer: PackedID(id), item: $0, at: cause.at) }
    }

    // MARK: What is laid down

    func decidePolicy(_ policy: Policy, in warehouse: ID?, _ cause: Cause) -> Decision {
        if let warehouse, !hasRoom(for: warehouse, cause) { return reject(.warehouseLimitExceeded, cause) }
        var entry =
            warehouse.map { self.entry(.setPolicy, cause, 0, in: $0, LedgerEntry.Deltas()) }
            ?? self.entry(.setPolicy, cause)
        entry.details = .policy(policy)
        return .entries([entry])
    }

    /// What the record names is laid down; what an earlier record named, and this one does not, is withdrawn. What a
    /// `set_policy` has laid down since stays.
    func decidePolicies(_ published: PublishedPolicies, _ cause: Cause) -> Decision {
        let item = item(of: cause.command.packedSKU)
        let levels = item?.levels ?? []
        var changes: [(warehouse: ID?, policy: Policy)] = []
        if let policy = published.policy {
            changes.append((nil, policy))
        } else if item?.policy?.isPublished ?? false {
            changes.append((nil, Policy()))
        }
        var levelCount = levels.count
        for local in published.warehouses {
            if item?.levels.place(of: local.warehouse) == nil { levelCount += 1 }
            changes.append((local.warehouse, local.policy))
        }
        if levelCount > max(levels.count, Limits.warehousesPerSKU) {
            return reject(.warehouseLimitExceeded, cause)
        }
        for level in levels where level.policy?.isPublished ?? false {
            let isNamed = published.warehouses.contains { $0.warehouse == level.warehouse }
            if !isNamed { changes.append((level.warehouse, Policy())) }
        }
        if changes.isEmpty {
            return .answer(
                Outcome(
                    kind: .ignored, command: .setPolicies, commandID: cause.command.id,
                    sku: cause.command.sku, noOp: .nothingLaidDown, at: cause.at))
        }
        var entries: [LedgerEntry] = []
        for change in changes {
            var entry =
                change.warehouse.map {
                    self.entry(.setPolicy, cause, 0, in: $0, LedgerEntry.Deltas(), after: entries.count)
                } ?? self.entry(.setPolicy, cause, after: entries.count)
            entry.details = .policy(change.policy)
            entries.append(entry)
        }
        return .entries(entries)
    }

    func decideRetire(_ cause: Cause) -> Decision {
        if let item = item(of: cause.command.packedSKU) {
            let isEmpty = item.levels.allSatisfy {
                $0.onHand == 0 && $0.reserved == 0 && $0.inTransit == 0 && $0.damaged == 0
            }
            guard isEmpty, item.backordered == 0, item.liveReservations == 0, item.liveTransfers == 0 else {
                return reject(.skuInUse, cause)
            }
        }
        return .entries([entry(.retire, cause)])
    }

    func decideWarehouse(_ warehouse: Warehouse, isWithdrawn: Bool, _ cause: Cause) -> Decision {
        let isKnown = self.warehouse(warehouse.id)?.isPublished ?? false
        // The key of a tombstone may be mistyped.
        if isWithdrawn, !isKnown, standing(in: warehouse.id).isEmpty {
            return .answer(
                Outcome(
                    kind: .ignored, command: .setWarehouse, commandID: cause.command.id,
                    sku: cause.command.sku, noOp: .nothingLaidDown, at: cause.at))
        }
        if !isKnown, warehouses.count(where: \.isPublished) >= Limits.warehouses {
            return reject(.warehouseLimitExceeded, cause)
        }
        var entry = entry(.setWarehouse, cause)
        entry.warehouse = warehouse.id
        entry.details = .warehouse(warehouse, isSwitch: warehouse.isActive != isActive(warehouse.id))
        return .entries([entry])
    }
}
