/// The stock state of one partition: the SKUs whose commands stand in its log, with their levels, their live
/// reservations and transfers, the warehouses, the settings, and the dedupe window.
///
/// `decide` functions are pure and make entries; `apply` alone changes the state and cannot fail. Nothing here
/// reads a clock, draws a random number or depends on the order of a Dictionary.
package struct Stock: Sendable {
    var items: [Item] = []
    private var itemPlaces = PlaceIndex()
    /// The SKU of the present command, which is asked for again and again, and where it stands; -1 for nowhere.
    private var presentSKU = PackedID("")
    private var presentIndex = -1
    var reservations = ReservationTable()
    var transfers: [TransferKey: Transfer] = [:]
    /// Every warehouse that was named, with what is known of it.
    var warehouses: [KnownWarehouse] = []
    private var warehousePlaces: [ID: Int] = [:]
    package internal(set) var settings: Settings
    /// Commands before this place are not remembered: an offset; negative for one that stands so many commands before
    /// the end of an earlier log.
    package internal(set) var rememberedFrom: Int64 = 0
    var window: DedupeWindow
    /// After a restore: SKUs whose records in `stock.levels` say that a closed warehouse is open, or the other way
    /// round, ordered by SKU. Earlier versions did not write them when a warehouse was closed.
    package internal(set) var outdatedLevels: [ID] = []
    /// What was summed up of the reservations last that have channels; nil once another entry than a policy has come.
    var channelClaims: ChannelClaims?
    /// The entries of a command that is being folded.
    var pending: [LedgerEntry] = []

    /// - Parameter decides: whether commands will be decided; who only folds the ledger remembers no decisions.
    package init(settings: Settings = Settings(), decides: Bool = true) {
        self.settings = settings
        window = DedupeWindow(capacity: settings.dedupeCount, age: settings.dedupeAge, answers: decides)
    }

    /// When the newest of the remembered commands was decided, by its record; nil where none is remembered.
    package var newestDecision: Timestamp? { window.newestAt }

    package var liveReservations: Int { reservations.count }
    package var liveTransfers: Int { transfers.count }
    package var skuCount: Int { items.count }
    package var dedupeWindowCount: Int { window.count }

    func item(of sku: ID) -> Item? { itemIndex(of: sku).map { items[$0] } }

    func item(of sku: PackedID) -> Item? { itemIndex(of: sku).map { items[$0] } }

    mutating func makeItemIndex(of sku: ID) -> Int {
        if let index = itemIndex(of: sku) { return index }
        return makeItem(of: sku, IDHash.of(sku))
    }

    mutating func makeItemIndex(of sku: PackedID) -> Int {
        if let index = itemIndex(of: sku) { return index }
        let index = makeItem(of: sku.id, sku.hash)
        look(for: sku)
        return index
    }

    private mutating func makeItem(of sku: ID, _ hash: UInt32) -> Int {
        items.append(Item(sku: sku))
        itemPlaces.insert(hash, items.count - 1)
        return items.count - 1
    }

    func itemIndex(of sku: ID) -> Int? {
        var probe = itemPlaces.probe(IDHash.of(sku))
        while let index = itemPlaces.next(&probe) {
            if items[index].sku == sku { return index }
        }
        return nil
    }

    @inline(__always)
    func itemIndex(of sku: PackedID) -> Int? {
        presentIndex >= 0 && presentSKU.hasSameBytes(as: sku)
            ? presentIndex : Self.search(items, itemPlaces, for: sku)
    }

    /// Without the state, which would be copied for it.
    @inline(never)
    private static func search(_ items: [Item], _ places: PlaceIndex, for sku: PackedID) -> Int? {
        var probe = places.probe(sku.hash)
        while let index = places.next(&probe) {
            if sku.isEqual(to: items[index].sku) { return index }
        }
        return nil
    }

    /// Where the command's SKU stands.
    @inline(__always)
    func itemIndex(_ cause: Cause) -> Int? {
        cause.item ?? Self.search(items, itemPlaces, for: cause.command.packedSKU)
    }

    /// Takes note of where the SKU stands that will be asked for.
    private mutating func look(for sku: PackedID) {
        if presentIndex >= 0, presentSKU.hasSameBytes(as: sku) { return }
        presentIndex = Self.search(items, itemPlaces, for: sku) ?? -1
        presentSKU = sku
    }

    /// Takes items out that nothing claims units of, as if they had never been seen.
    mutating func removeItems(_ skus: Set<ID>) {
        var places: [Int] = []
        var kept: [Item] = []
        for item in items {
            places.append(kept.count)
            if !skus.contains(item.sku) { kept.append(item) }
        }
        items = kept
        presentIndex = -1
        itemPlaces = PlaceIndex()
        for (index, item) in items.enumerated() { itemPlaces.insert(IDHash.of(item.sku), index) }
        reservations.changeItems { places[$0] }
        window.changeItems { places[$0] }
        let under = transfers.values
        transfers = [:]
        for var transfer in under {
            transfer.item = places[transfer.item]
            transfers[TransferKey(transfer)] = transfer
        }
    }

    func warehouse(_ id: ID) -> KnownWarehouse? { warehousePlaces[id].map { warehouses[$0] } }

    func isActive(_ warehouse: ID) -> Bool { self.warehouse(warehouse)?.facts.isActive ?? true }

    /// The place of a warehouse, made with standard facts when nothing is known of it.
    mutating func makePlace(of id: ID) -> Int {
        if let place = warehousePlaces[id] { return place }
        warehouses.append(KnownWarehouse(Warehouse(id: id), isPublished: false))
        warehousePlaces[id] = warehouses.count - 1
        return warehouses.count - 1
    }
}

/// By which a transfer is found: its id is unique within its SKU.
struct TransferKey: Hashable {
    /// Where the SKU stands.
    let item: Int
    let id: ID

    init(_ id: ID, item: Int) {
        self.item = item
        self.id = id
    }

    init(_ transfer: Transfer) { self.init(transfer.id, item: transfer.item) }
}

/// A warehouse that was named, by a command about stock or by its own.
package struct KnownWarehouse: Sendable {
    package var facts: Warehouse
    /// A `set_warehouse` has said what it is.
    var isPublished: Bool
    /// Its location, made ready for distances.
    package var direction: UnitVector?

    package init(_ facts: Warehouse, isPublished: Bool) {
        self.facts = facts
        self.isPublished = isPublished
        direction = facts.location.map(UnitVector.init)
    }
}

/// What follows from one command, besides its outcome.
package struct Effects: Sendable {
    /// In ledger order.
    package var entries: [LedgerEntry] = []
    package var alerts: [Alert] = []
    /// SKUs that a warehouse's closing or opening touched, ordered by SKU: they have no entry of it, and what is
    /// available of them is another.
    package var switched: [ID] = []

    package init() {}

    package mutating func removeAll() {
        // One by one: there are few, and `removeAll` goes a long way round.
        while !entries.isEmpty { entries.removeLast() }
        while !alerts.isEmpty { alerts.removeLast() }
        if !switched.isEmpty { switched.removeAll() }
    }
}

extension Stock {
    /// Decides one command and carries the decision out.
    ///
    /// Reservations of the command's SKU that are due at `at` expire first (rule 3), and backorders are filled
    /// from what that frees; then the command is looked at; then what follows from it is done: reservations
    /// that have no units any more move or are lost (rule 7), and backorders are filled. What follows is put
    /// into `effects`, which must be empty.
    package mutating func handle(
        _ command: Command, at: Timestamp, source: Source, into effects: inout Effects
    ) -> Outcome {
        look(for: command.packedSKU)
        let cause = Cause(
            command: command, kind: command.kind, hash: command.fingerprint,
            item: presentIndex < 0 ? nil : presentIndex, at: at, source: source)
        while isDue(at: at), let expiry = decideExpiry(cause) { carryOut(expiry, cause, &effects) }
        fillBackorders(cause, &effects)
        let first = effects.entries.count
        let outcome: Outcome?
        switch decide(cause) {
        case .one(let entry):
            carryOut(entry, cause, &effects)
            outcome = nil
        case .entries(let entries):
            carryOut(entries, cause, &effects)
            outcome = nil
        case .answer(let answer):
            outcome = answer
        case .reacquire(let entries):
            carryOut(entries, cause, &effects)
            outcome = confirmReacquired(cause, &effects)
        }
        let own = first..<effects.entries.count
        if !own.isEmpty { relieve(cause, &effects) }
        fillBackorders(cause, &effects)
        for index in effects.entries.indices.dropLast() { effects.entries[index].more = true }
        checkInvariants(after: effects.entries)
        raiseAlerts(for: effects.entries, &effects.alerts)
        if cause.kind == .setWarehouse,
            let warehouse = effects.entries.last.flatMap(Self.switchedWarehouse)
        {
            effects.switched = standing(in: warehouse).map { items[$0].sku }
        }
        return outcome
            ?? Outcome(of: effects.entries, own, cause.kind, commandID: command.packedID, isDuplicate: false)
    }

    /// Whether a reservation of the present SKU is due.
    @inline(__always)
    private mutating func isDue(at: Timestamp) -> Bool {
        guard presentIndex >= 0, let due = items[presentIndex].dueTimes.first else { return false }
        return due.expiresAt <= at
    }

    /// The reservation lives again, and the confirm finds it.
    private mutating func confirmReacquired(_ cause: Cause, _ effects: inout Effects) -> Outcome? {
        switch decideConfirm(cause) {
        case .one(let entry):
            carryOut(entry, cause, &effects)
            return nil
        case .entries(let entries):
            carryOut(entries, cause, &effects)
            return nil
        case .answer(let answer):
            return answer
        case .reacquire:
            preconditionFailure("a reservation was reacquired and does not live")
        }
    }

    private mutating func carryOut(_ entries: [LedgerEntry], _ cause: Cause, _ effects: inout Effects) {
        for entry in entries { carryOut(entry, cause, &effects) }
    }

    private mutating func carryOut(_ entry: LedgerEntry, _ cause: Cause, _ effects: inout Effects) {
        if entry.movement == .setPolicy { sumChannelClaims(for: entry) }
        let setApart = maySetApart(entry) ? setApart(after: entry) : 0
        if setApart == entry.setApart { return finish(entry, cause, &effects) }
        var entry = entry
        entry.setApart = setApart
        finish(entry, cause, &effects)
    }

    /// Whether units may be set apart after an entry of the present SKU: in most warehouses none are.
    @inline(__always)
    private mutating func maySetApart(_ entry: LedgerEntry) -> Bool {
        if entry.movement == .setPolicy { return true }
        guard presentIndex >= 0, let warehouse = entry.warehouse,
            let place = items[presentIndex].levels.place(of: warehouse)
        else { return false }
        return items[presentIndex].levels[place].hasChannels
    }

    /// An entry is large and holds many references: it is handed on as it is, and copied once.
    private mutating func finish(_ entry: LedgerEntry, _ cause: Cause, _ effects: inout Effects) {
        let index = apply(entry)
        // Nobody repeats a note, and it has the place of another command.
        if !LedgerEntry.isNote(entry.movement, entry.packed) {
            window.append(entry, item: index, continues: !effects.entries.isEmpty)
        }
        effects.entries.append(entry)
    }

    private mutating func relieve(_ cause: Cause, _ effects: inout Effects) {
        guard let index = itemIndex(cause), items[index].firstShortage != nil else { return }
        while let (warehouse, claims) = shortage(cause) {
            for id in claims {
                while let relief = decideRelief(warehouse, id, cause) { carryOut(relief, cause, &effects) }
            }
        }
    }

    private mutating func fillBackorders(_ cause: Cause, _ effects: inout Effects) {
        guard let index = itemIndex(cause), items[index].backordered > 0 else { return }
        while let fill = decideFill(cause) { carryOut(fill, cause, &effects) }
    }

    /// The hash of the SKU's newest ledger entry.
    package func chainHash(of sku: PackedID) -> ChainHash {
        guard let index = itemIndex(of: sku) else { return .origin }
        return items[index].chainHash
    }

    package func chainHash(of sku: ID) -> ChainHash { chainHash(of: PackedID(sku)) }

    package mutating func seal(_ sku: ID, with hash: ChainHash) { seal(PackedID(sku), with: hash) }

    /// Takes note of the hash that the SKU's newest ledger entry was sealed with.
    package mutating func seal(_ sku: PackedID, with hash: ChainHash) {
        guard let index = itemIndex(of: sku) else { preconditionFailure("\(sku.text) has no entry to seal") }
        items[index].chainHash = hash
    }

    /// Carries out an entry that was decided before: entry by entry in ledger order this gives the state that
    /// deciding gave.
    ///
    /// - Returns: the alerts of the entry's command, if the entry is its last.
    @discardableResult
    package mutating func fold(_ entry: LedgerEntry) -> [Alert] {
        let index = apply(entry)
        seal(entry.packed.sku, with: entry.chainHash)
        if !entry.isNote { window.append(entry, item: index, continues: !pending.isEmpty) }
        pending.append(entry)
        guard !entry.more else { return [] }
        var alerts: [Alert] = []
        let group = pending
        pending.removeAll(keepingCapacity: true)
        checkInvariants(after: group)
        raiseAlerts(for: group, &alerts)
        return alerts
    }

    /// What must hold after every decision, also in release builds: 0 <= reserved <= on hand in every level that
    /// the entries are about.
    ///
    /// - Parameter entries: of one command, and so of one SKU.
    ///
    /// Mutating for its callers, which are, and would count all references of the state for it else.
    private mutating func checkInvariants(after entries: [LedgerEntry]) {
        guard !entries.isEmpty, let index = itemIndex(of: entries[0].packed.sku) else { return }
        for number in entries.indices {
            let isMoved = LedgerEntry.hasBalances(
                entries[number].movement, in: entries[number].warehouse, entries[number].deltas)
            guard isMoved, let warehouse = entries[number].warehouse,
                let place = items[index].levels.place(of: warehouse)
            else { continue }
            let (reserved, onHand) = (items[index].levels[place].reserved, items[index].levels[place].onHand)
            precondition(
                0 <= reserved && reserved <= onHand,
                "ledger of \(entries[number].sku), \(entries[number].sequence): reserved is not within on hand"
            )
        }
    }
}

/// A command with what its record says of it.
struct Cause {
    let command: Command
    /// The command's: asked for often, and found in its body.
    let kind: CommandKind
    let hash: UInt64
    /// Where its SKU stands; nil where it was not seen before the command.
    let item: Int?
    let at: Timestamp
    let source: Source
}

/// What `decide` returns.
enum Decision: Equatable {
    /// To be carried out.
    case one(LedgerEntry)
    /// The same, in this order.
    case entries([LedgerEntry])
    /// Changes nothing. Apart, because an outcome is large, and most decisions have none.
    indirect case answer(Outcome)
    /// Units for a confirm that came late: to be carried out, and the confirm to be decided again.
    case reacquire([LedgerEntry])
}
