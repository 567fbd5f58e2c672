import InventoryCore
import OrderCore

/// What the topics hold of a run, read from outside, and whether it is right. It knows the rules of double
/// entry, and nothing of how the processor works.
struct DemoBooks {
    struct Balance: Equatable {
        var onHand: Int64 = 0
        var reserved: Int64 = 0
        var inTransit: Int64 = 0
        var damaged: Int64 = 0
    }

    struct SKUBook {
        var sequence: Int64 = 0
        var balances: [String: Balance] = [:]
    }

    struct Place: Hashable {
        let partition: Int32
        let offset: Int64
    }

    /// Reads only what belongs to this run: ids and SKUs that begin so.
    let prefix: String
    /// The SKU whose reservations are counted apart; nil for none.
    let hotSKU: ID?

    private(set) var commands: Set<Place> = []
    private(set) var published: Set<String> = []
    private(set) var results: [Place: Int] = [:]
    private(set) var outcomes: [String: Int] = [:]
    private(set) var hotGranted = 0
    private(set) var hotRejected = 0
    private(set) var entries: [LedgerEntry] = []
    private(set) var books: [String: SKUBook] = [:]
    private(set) var levels: [String: LevelsSnapshot] = [:]
    private(set) var live: Set<OwnedID> = []
    private(set) var faults: [String] = []
    private(set) var expired = 0
    private(set) var expiredEarly = 0
    /// How late each expiry was decided, in milliseconds after it was due.
    private(set) var expiryDelays: [Int64] = []
    private var dueTimes: [OwnedID: Int64] = [:]
    private var speculative: [Place: [UInt8]] = [:]
    private(set) var speculativeRepeats = 0
    private(set) var contradictions = 0

    init(run: String, hotSKU: ID? = nil) {
        prefix = run + "-"
        self.hotSKU = hotSKU
    }

    private func isOurs(_ sku: ID) -> Bool { sku.text.hasPrefix(prefix) }

    mutating func add(command: Command, partition: Int32, offset: Int64) {
        guard isOurs(command.sku) else { return }
        commands.insert(Place(partition: partition, offset: offset))
        // The delay service and the relay have ids of their own.
        if command.id.text.hasPrefix(prefix) { published.insert(command.id.text) }
    }

    mutating func add(result outcome: Outcome, source: Source) {
        guard isOurs(outcome.sku) else { return }
        results[Place(partition: source.partition, offset: source.offset), default: 0] += 1
        outcomes[outcome.kind.rawValue, default: 0] += 1
        if outcome.sku == hotSKU && outcome.command == .reserve {
            if outcome.kind == .reserved { hotGranted += 1 } else { hotRejected += 1 }
        }
    }

    /// A result as `read_uncommitted` shows it: of aborted transactions too.
    mutating func add(speculativeResult bytes: [UInt8], outcome: Outcome, source: Source) {
        guard isOurs(outcome.sku) else { return }
        let place = Place(partition: source.partition, offset: source.offset)
        guard let before = speculative.updateValue(bytes, forKey: place) else { return }
        speculativeRepeats += 1
        if before != bytes { contradictions += 1 }
    }

    mutating func add(entry: LedgerEntry) {
        guard isOurs(entry.sku) else { return }
        entries.append(entry)
        var book = books[entry.sku.text] ?? SKUBook()
        if entry.sequence != book.sequence + 1 {
            faults.append("\(entry.sku): sequence \(entry.sequence) follows \(book.sequence)")
        }
        book.sequence = entry.sequence
        if let warehouse = entry.warehouse, entry.hasBalances {
            var balance = book.balances[warehouse.text] ?? Balance()
            balance.onHand += entry.deltas.onHand
            balance.reserved += entry.deltas.reserved
            balance.inTransit += entry.deltas.inTransit
            balance.damaged += entry.deltas.damaged
            let told = Balance(
                onHand: entry.balances.onHand, reserved: entry.balances.reserved,
                inTransit: entry.balances.inTransit, damaged: entry.balances.damaged)
            if balance != told {
                faults.append("\(entry.sku), \(entry.sequence): the balance is not the sum of the deltas")
            }
            if balance.reserved < 0 || (balance.reserved > balance.onHand && !entry.more) {
                faults.append("\(entry.sku), \(entry.sequence): oversold")
            }
            book.balances[warehouse.text] = balance
        }
        books[entry.sku.text] = book
        follow(entry)
    }

    private mutating func follow(_ entry: LedgerEntry) {
        guard let name = entry.ownedReservation else { return }
        if let due = entry.expiresAt { dueTimes[name] = due.milliseconds }
        guard entry.movement == .expire, let due = dueTimes[name] else { return }
        expired += 1
        if entry.at.milliseconds < due { expiredEarly += 1 }
        expiryDelays.append(entry.at.milliseconds - due)
    }

    mutating func add(levels snapshot: LevelsSnapshot) {
        if isOurs(snapshot.sku) { levels[snapshot.sku.text] = snapshot }
    }

    mutating func add(reservation name: OwnedID, isLive: Bool) {
        guard (OrderAddress(reservationID: name.id)?.orderID ?? name.id).text.hasPrefix(prefix) else {
            return
        }
        if isLive { live.insert(name) } else { live.remove(name) }
    }

    /// SKUs whose levels are not what their ledger adds up to.
    private var levelDifferences: [String] {
        books.keys.sorted().filter { sku in
            guard let snapshot = levels[sku], let book = books[sku] else { return true }
            let balances = Dictionary(
                uniqueKeysWithValues: snapshot.levels.map {
                    (
                        $0.warehouse.text,
                        Balance(
                            onHand: $0.onHand, reserved: $0.reserved, inTransit: $0.inTransit,
                            damaged: $0.damaged)
                    )
                })
            return snapshot.sequence != book.sequence || balances != book.balances
        }
    }

    /// Whether exactly the units of the hot SKU were granted.
    func hotCheck(units: Int, reservations: Int) -> Check {
        let granted = min(units, reservations)
        return Check(
            "the hot SKU is sold out and not oversold",
            hotGranted == granted && hotRejected == reservations - granted,
            "\(hotGranted) of \(reservations) granted, \(units) units; \(hotRejected) rejected")
    }

    /// Commands in the log that have no result.
    var unansweredCount: Int { commands.filter { results[$0] == nil }.count }

    /// What the topics say by themselves.
    func checks(expectedCommands: Int) -> [Check] {
        [
            publishedCheck(expectedCommands), answersCheck, contradictionsCheck, ledgerCheck, levelsCheck,
            leftOverCheck, expiryCheck,
        ]
    }

    /// The same without what `holdfast verify` looks at, too.
    func checksBesideVerify(expectedCommands: Int) -> [Check] {
        [publishedCheck(expectedCommands), contradictionsCheck, leftOverCheck, expiryCheck]
    }

    private func publishedCheck(_ expectedCommands: Int) -> Check {
        Check(
            "every command that was published is in the log", published.count == expectedCommands,
            "\(published.count) of \(expectedCommands), and \(commands.count - published.count) others")
    }

    private var answersCheck: Check {
        let unanswered = unansweredCount
        let doubled = results.values.filter { $0 > 1 }.count
        return Check(
            "every command has exactly one result",
            unanswered == 0 && doubled == 0 && results.count == commands.count,
            "\(results.count) results of \(commands.count) commands; \(unanswered) without, "
                + "\(doubled) with more")
    }

    private var contradictionsCheck: Check {
        Check(
            "no two results of a command differ, aborted ones included", contradictions == 0,
            "\(speculativeRepeats) were decided again, \(contradictions) otherwise")
    }

    private var ledgerCheck: Check {
        Check(
            "the ledger is gap-free, and its deltas add up to its balances", faults.isEmpty,
            "\(entries.count) entries of \(books.count) SKUs; "
                + (faults.first.map { "\(faults.count) faults: \($0)" } ?? "no fault"))
    }

    private var levelsCheck: Check {
        let differences = levelDifferences
        return Check(
            "the sums of the ledger are the levels", differences.isEmpty && levels.count == books.count,
            "\(levels.count) SKUs; \(differences.count) differ\(differences.first.map { ": \($0)" } ?? "")")
    }

    private var leftOverCheck: Check {
        let stillReserved = books.values.flatMap(\.balances.values).filter { $0.reserved != 0 }.count
        return Check(
            "no reservation is left over", live.isEmpty && stillReserved == 0,
            "\(live.count) live, \(stillReserved) levels with units reserved; \(expired) expired")
    }

    private var expiryCheck: Check {
        Check(
            "nothing expired before it was due", expiredEarly == 0,
            "\(expiredEarly) of \(expired) early; p99 \(Percentiles(expiryDelays.map(Double.init)).text(99)) ms after due"
        )
    }
}
