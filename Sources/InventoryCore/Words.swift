/// A moment: milliseconds since 1970-01-01T00:00:00Z, from a record's timestamp. Never read from a clock here.
package struct Timestamp: Hashable, Comparable, Sendable {
    package var milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }

    package static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.milliseconds < right.milliseconds
    }
}

/// The place of a command in the log of its partition.
package struct Source: Hashable, Sendable {
    package var partition: Int32
    package var offset: Int64

    package init(partition: Int32, offset: Int64) {
        self.partition = partition
        self.offset = offset
    }
}

/// How many units of something a warehouse serves.
package struct Allocation: Equatable, Sendable {
    package var warehouse: ID
    /// At least 1.
    package var quantity: Int64

    package init(warehouse: ID, quantity: Int64) {
        self.warehouse = warehouse
        self.quantity = quantity
    }
}

/// Whether units can be sold.
package enum Condition: String, CaseIterable, Sendable {
    /// They are on hand.
    case sellable
    /// They lie in the warehouse, spoiled, and are counted apart from what is on hand.
    case damaged
}

/// Why a stock figure was corrected.
package enum ReasonCode: String, CaseIterable, Sendable {
    case cycleCount = "cycle_count"
    case found, lost, stolen, spoiled, repaired
    case writeOff = "write_off"
    /// An earlier booking was wrong.
    case correction
    /// Something else, which the command's `note` tells.
    case other
}

/// Why a well-formed command was refused, in the order of precedence: where several hold, the first is told.
package enum Rejection: String, CaseIterable, Sendable {
    /// The `command_id` was used before, by a command with another content.
    case commandIDConflict = "command_id_conflict"
    /// The command says that it was issued before all that is still remembered: it may have been decided before.
    case commandTooOld = "command_too_old"
    /// The command is for another generation of the SKU than the one that lives.
    case generationMismatch = "generation_mismatch"
    /// The SKU was retired, and nothing has begun it again.
    case skuRetired = "sku_retired"
    /// The `reservation_id` was used before, for another reservation or for one that ended.
    case reservationIDConflict = "reservation_id_conflict"
    /// The `transfer_id` was used before, for another transfer or for one that ended.
    case transferIDConflict = "transfer_id_conflict"
    /// No live reservation of this SKU has the id, and none ended lately.
    case reservationNotFound = "reservation_not_found"
    /// The reservation's TTL ran out before the command; for a confirm, its units are not to be had again.
    case reservationExpired = "reservation_expired"
    /// The reservation was confirmed before.
    case reservationConfirmed = "reservation_confirmed"
    /// The reservation was released before.
    case reservationReleased = "reservation_released"
    /// The reservation lost all its units to damage or a count.
    case reservationLost = "reservation_lost"
    /// No live transfer of this SKU has the id, and none ended lately.
    case transferNotFound = "transfer_not_found"
    /// All units of the transfer have arrived, or it was cancelled.
    case transferEnded = "transfer_ended"
    /// The expiry is not after the record's time, or nearer or further away than the settings allow.
    case expiryOutOfRange = "expiry_out_of_range"
    /// More units than the reservation still has.
    case quantityExceedsReserved = "quantity_exceeds_reserved"
    /// The units that are to ship are backordered, and have not come in yet.
    case backorderUnfilled = "backorder_unfilled"
    /// More units than are still in transit.
    case quantityExceedsTransfer = "quantity_exceeds_transfer"
    /// The allocations name another number of units than the reservation claims in warehouses; or the warehouse that a
    /// confirm names has fewer units of the reservation.
    case allocationMismatch = "allocation_mismatch"
    /// The warehouse takes no new allocation.
    case warehouseInactive = "warehouse_inactive"
    /// The order would have more units of the SKU than its policy lets one order have.
    case orderLimitExceeded = "order_limit_exceeded"
    /// The SKU would stand in more warehouses than `Limits.warehousesPerSKU`, or a partition would know more
    /// than `Limits.warehouses`.
    case warehouseLimitExceeded = "warehouse_limit_exceeded"
    /// `expected` is not what there is.
    case expectedMismatch = "expected_mismatch"
    /// More units would go than there are.
    case onHandBelowZero = "on_hand_below_zero"
    /// A level would go over `Limits.onHand`.
    case onHandLimitExceeded = "on_hand_limit_exceeded"
    /// No warehouse that has units can deliver within the hours.
    case deliveryTooLate = "delivery_too_late"
    /// Only several warehouses together have the units, and the command wants one.
    case splitRequired = "split_required"
    /// The warehouses that may serve the command have fewer units available.
    case insufficientStock = "insufficient_stock"
    /// The SKU still has units or live reservations or transfers.
    case skuInUse = "sku_in_use"
}

/// Why a command changed nothing without being refused.
package enum NoOp: String, CaseIterable, Sendable {
    /// An `expire` or `transfer_due` that came before its time.
    case notDue = "not_due"
    /// It is for a reservation or transfer that ended otherwise, or that is not known (any more).
    case alreadyEnded = "already_ended"
    /// A `transfer_due` for a transfer that was told to be overdue before.
    case alreadyTold = "already_told"
    /// A `set_policies` that names no policy, for a SKU that no earlier one has laid a policy down for.
    case nothingLaidDown = "nothing_laid_down"
}

/// Why records of the log cannot be read by anyone.
package enum SkipReason: String, CaseIterable, Sendable {
    /// Their batch cannot be unpacked, or would come to more than a reader takes.
    case compression
    /// Their batch is not what its checksum says, or cannot be parsed.
    case damaged
    /// Their batch has a form or a compression that no reader knows.
    case format
    /// Their batch is larger than a reader takes.
    case size
}

/// What a ledger entry did to the stock. The raw values are the words of the topics.
package enum Movement: String, CaseIterable, Sendable {
    case receive
    case `return`
    case damaged, adjust
    /// Units leave a warehouse for another, are in transit to it, and arrive.
    case transferOut = "transfer_out"
    case inTransit = "in_transit"
    case transferIn = "transfer_in"
    /// What has not arrived is in transit no more, and goes back to where it came from.
    case transferCancel = "transfer_cancel"
    case transferBack = "transfer_back"
    /// A transfer is later than expected; no units move.
    case transferOverdue = "transfer_overdue"
    case reserve
    /// Units that a reservation claims beyond what is available.
    case backorder
    /// Backordered units of a reservation become reserved ones.
    case fill
    /// Units of an expired reservation are claimed again, by a late confirm.
    case reacquire
    case ship, release, expire
    /// A reservation's claim goes: damage or a count left no units for it.
    case lose
    /// A reservation's claim moves between warehouses.
    case reallocate
    /// A new expiry; no units move.
    case extend
    case setPolicy = "set_policy"
    case retire
    case setWarehouse = "set_warehouse"
    case setSettings = "set_settings"
    /// Records of the partition's commands that nobody can read were stepped over.
    case skip
    /// A refused command: an entry without deltas, so that the ledger holds every decision.
    case rejection

    /// Whether an entry of it begins a reservation, or an expired one again.
    package var beginsReservation: Bool {
        switch self {
        case .reserve, .backorder, .reacquire: true
        default: false
        }
    }
}
