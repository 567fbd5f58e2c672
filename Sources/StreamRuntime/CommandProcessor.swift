import InventoryCore
import InventoryWire
import OrderCore

/// Turns records of commands into records of outcomes: decode -> decide -> apply -> encode. Owns the stock of
/// one partition.
package struct CommandProcessor: ~Copyable {
    /// Where the output goes: `produce` of the log.
    package typealias Output = (
        _ topic: Topic, _ key: UnsafeRawBufferPointer?, _ value: UnsafeRawBufferPointer?
    ) throws(LogFailure) -> Void

    /// Where replies to orders go: into a partition of `order.replies`.
    package typealias Reply = (
        _ partition: Int32, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws(LogFailure) -> Void

    package private(set) var stock: Stock
    /// Nil where nobody replies, as in an audit.
    private let reply: Reply?
    /// The commands since the last call of `takeCounts`.
    private var counts = CommandCounts()
    private let partition: Int32
    /// To be noted with the next record that has a time; nil where it is noted, or nobody notes it.
    private var partitions: Int64?
    private let ownsKey: (UnsafeRawBufferPointer) -> Bool
    private var reader = RecordReader()
    private var writer = RecordWriter()
    private var chain = LedgerChain()
    private var key = RecordKey()
    /// Of reservations and transfers.
    private var ownedKey = OwnedKey()
    private var effects = Effects()
    /// Where the first entry of each reservation or transfer stands that the present command changed.
    private var touched: [Int] = []
    /// SKUs changed in this transaction, in the order of their first change.
    private var changed: [ID] = []
    private var isChanged: Set<ID> = []
    /// The last that was changed; nil where none was.
    private var lastChanged: PackedID?

    /// - Parameter ownsKey: whether a key belongs into this partition (murmur2, as Java's producers place it).
    ///   A command that its publisher placed otherwise must not be decided here, or the same SKU would be owned
    ///   twice and could be oversold.
    /// - Parameter partitions: by how many partitions keys are placed, which is noted in the partition's book if it does
    ///   not say it yet; nil for who notes nothing by himself.
    package init(
        stock: consuming Stock, partition: Int32, partitions: Int32? = nil,
        ownsKey: @escaping (UnsafeRawBufferPointer) -> Bool, reply: Reply? = nil
    ) {
        self.partitions = stock.settings.partitions == nil ? partitions.map { Int64($0) } : nil
        changed = stock.outdatedLevels
        isChanged = Set(changed)
        self.stock = stock
        self.reply = reply
        self.partition = partition
        self.ownsKey = ownsKey
    }

    /// Processes one record. Bad input goes to `dead.letters`, and is no failure.
    package mutating func process(_ record: LogRecord, _ output: Output) throws(LogFailure) {
        if let unreadable = record.unreadable { return try skip(unreadable, from: record.offset, output) }
        if let partitions { try note(partitions: partitions, at: record, output) }
        // Before the next command is read: entries share memory with theirs.
        effects.removeAll()
        let command: Command
        do throws(DecodingFailure) {
            command = try decode(record)
        } catch {
            counts.deadLetters += 1
            return try bury(record, error, output)
        }
        let source = Source(partition: partition, offset: record.offset)
        let outcome = stock.handle(
            command, at: Timestamp(milliseconds: record.timestamp ?? 0), source: source, into: &effects)
        counts.add(outcome)
        counts.alerts += effects.alerts.count
        sealEntries(of: command.packedSKU)
        try writeLedger(output)
        try writeReservations(output)
        try writeTransfers(output)
        let decided = outcome.sequence ?? 0
        try replyFirst(before: decided)
        writer.write(outcome: outcome, source: source)
        try send(.results, key: outcome.packed.sku, output)
        if outcome.packed.reservationBegins(with: OrderAddress.prefixBytes) {
            try sendReply(about: outcome.packed.reservation.id)
        }
        try tell(after: decided, output)
        if !effects.entries.isEmpty, lastChanged != command.packedSKU {
            lastChanged = command.packedSKU
            let sku = command.sku
            noteChange(of: sku)
        }
        for sku in effects.switched { noteChange(of: sku) }
    }

    /// Notes in the partition's book by how many partitions its keys were placed, at the place and the time of a record
    /// that is processed next; with a later one if that has no time.
    package mutating func note(
        partitions: Int64, at record: LogRecord, _ output: Output
    ) throws(LogFailure) {
        guard let at = record.timestamp.flatMap(Self.moment) else { return }
        self.partitions = nil
        var settings = stock.settings
        (settings.partitions, settings.earlierLog) = (partitions, nil)
        try note(
            PartitionBook.partitionsNote, .setSettings(settings), at: at,
            source: Source(partition: partition, offset: record.offset), output)
    }

    /// Steps over records that nobody can read. Nobody knows their time, so the note has that of the newest decision that is
    /// remembered: the same whenever it is made again.
    package mutating func skip(
        _ unreadable: UnreadableBatch, from offset: Int64, _ output: Output
    ) throws(LogFailure) {
        counts.deadLetters += 1
        try note(
            PartitionBook.skipNote(from: offset), .skip(offsets: unreadable.offsets, unreadable.reason),
            at: stock.newestDecision ?? Timestamp(milliseconds: 0),
            source: Source(partition: partition, offset: offset), output)
        writer.write(
            deadLetter: DecodingFailure(unreadable: unreadable, from: offset),
            origin: RecordOrigin(topic: .commands, partition: partition, offset: offset, timestamp: nil),
            key: nil, value: nil)
        try writer.withBytes { value throws(LogFailure) in try output(.deadLetters, nil, value) }
    }

    /// Lays down a fact of the partition that no command says.
    private mutating func note(
        _ id: ID, _ body: Command.Body, at: Timestamp, source: Source, _ output: Output
    ) throws(LogFailure) {
        effects.removeAll()
        let note = Command(id: id, sku: PartitionBook.sku(partition), body: body)
        _ = stock.handle(note, at: at, source: source, into: &effects)
        sealEntries(of: note.packedSKU)
        try writeLedger(output)
        noteChange(of: note.sku)
    }

    private mutating func noteChange(of sku: ID) {
        if isChanged.insert(sku).inserted { changed.append(sku) }
    }

    private mutating func sealEntries(of sku: PackedID) {
        guard !effects.entries.isEmpty else { return }
        stock.seal(sku, with: chain.seal(&effects.entries, after: stock.chainHash(of: sku)))
    }

    private mutating func writeLedger(_ output: Output) throws(LogFailure) {
        // By places, here and below: an entry is large, and a copy of it costs more than to look at it.
        for place in effects.entries.indices {
            writer.write(entry: place, of: effects.entries)
            try send(.ledger, key: effects.entries[place].packed.sku, output)
        }
    }

    /// Writes what the command left of each reservation that its entries are about, in the order of the entries: a
    /// tombstone where nothing is left.
    private mutating func writeReservations(_ output: Output) throws(LogFailure) {
        touched.removeAll(keepingCapacity: true)
        for place in effects.entries.indices where effects.entries[place].movement != .rejection {
            guard !isTouched(reservationOf: place) else { continue }
            touched.append(place)
        }
        for place in touched {
            let ids = effects.entries[place].packed
            ownedKey.set(sku: ids.sku, id: ids.reservation)
            if let live = stock.reservation(ids) {
                writer.write(reservation: live, of: ids.sku)
                try sendOwned(.reservations, output)
            } else {
                try buryOwned(.reservations, output)
            }
        }
    }

    /// Whether the reservation of an entry was touched before, or it has none.
    private func isTouched(reservationOf place: Int) -> Bool {
        let ids = effects.entries[place].packed
        if !ids.hasReservation { return true }
        for earlier in touched where effects.entries[earlier].packed.reservation == ids.reservation {
            return true
        }
        return false
    }

    private func isTouched(transfer id: ID) -> Bool {
        for place in touched where effects.entries[place].transferID == id { return true }
        return false
    }

    /// The same of transfers.
    private mutating func writeTransfers(_ output: Output) throws(LogFailure) {
        touched.removeAll(keepingCapacity: true)
        // Most entries have nothing of what is rare.
        for place in effects.entries.indices
        where effects.entries[place].rare != nil && effects.entries[place].movement != .rejection {
            guard let id = effects.entries[place].transferID,
                !isTouched(transfer: id)
            else { continue }
            touched.append(place)
        }
        for place in touched {
            guard let name = effects.entries[place].ownedTransfer else { continue }
            ownedKey.set(name)
            if let live = stock.transfer(name) {
                writer.write(transfer: live)
                try sendOwned(.transfers, output)
            } else {
                try buryOwned(.transfers, output)
            }
        }
    }

    /// Replies come in the order of the ledger: an expiry that comes before the command may fill the backorder that the
    /// command is about, and the order must know of it before the outcome.
    private mutating func replyFirst(before decided: Int64) throws(LogFailure) {
        for place in effects.entries.indices {
            guard effects.entries[place].movement.mayBeNoticed, effects.entries[place].sequence < decided,
                let notice = Notice(of: effects.entries[place])
            else { continue }
            writer.write(notice: notice)
            try sendReply(about: notice.reservationID)
        }
    }

    /// Tells orders what befell their reservations, and people what befell the levels.
    ///
    /// - Parameter decided: orders have had replies about what came before it.
    private mutating func tell(after decided: Int64, _ output: Output) throws(LogFailure) {
        for place in effects.entries.indices {
            guard effects.entries[place].movement.mayBeNoticed,
                let notice = Notice(of: effects.entries[place])
            else { continue }
            counts.notices += 1
            writer.write(notice: notice)
            try send(.results, key: notice.sku, output)
            if notice.sequence >= decided { try sendReply(about: notice.reservationID) }
        }
        for alert in effects.alerts {
            writer.write(alert: alert)
            try send(.alerts, key: alert.sku, output)
        }
    }

    /// Writes the levels of every SKU that changed since the last call, once each.
    package mutating func writeChangedLevels(_ output: Output) throws(LogFailure) {
        for sku in changed {
            guard let levels = stock.levels(of: sku) else {
                preconditionFailure("\(sku) changed, but has no levels")
            }
            writer.write(levels: levels)
            try send(.levels, key: sku, output)
        }
        changed.removeAll(keepingCapacity: true)
        isChanged.removeAll(keepingCapacity: true)
        lastChanged = nil
    }

    /// What was counted since the last call; taken when a transaction has committed.
    package mutating func takeCounts() -> CommandCounts {
        let taken = counts
        counts = CommandCounts()
        return taken
    }

    /// The command that a record holds.
    package mutating func decode(_ record: LogRecord) throws(DecodingFailure) -> Command {
        guard let at = record.timestamp.flatMap(Self.moment) else {
            throw DecodingFailure(
                .invalidTime,
                "the record has no append time between 1970 and 9999 (message.timestamp.type=LogAppendTime)")
        }
        let command = try reader.command(key: record.key, value: record.value)
        if PartitionBook.isBook(command.packedSKU) {
            guard command.sku == PartitionBook.sku(partition) else {
                throw DecodingFailure(
                    .wrongPartition, "\(command.sku) is not the book of partition \(partition)")
            }
            guard !command.packedID.begins(with: PartitionBook.notePrefix) else {
                throw DecodingFailure(
                    .invalidID,
                    "command_id begins with \(PartitionBook.notePrefix), which is kept for the "
                        + "processor's own notes")
            }
        } else if let key = record.key, !ownsKey(key) {
            throw DecodingFailure(
                .wrongPartition,
                "the key belongs into another partition than \(partition): publish with the murmur2 partitioner"
            )
        }
        if let lead = command.lead(at: at), lead > Limits.clockLead, !command.isRepeatable {
            throw DecodingFailure(
                .issuedInFuture,
                "issued_at is \(lead) ms after the record's time, and at most \(Limits.clockLead) ms are taken: "
                    + "the sender's clock is ahead")
        }
        if case .setSettings(let settings) = command.body, record.offset > 0 {
            if settings.earlierLog == .follows {
                throw DecodingFailure(
                    .conflictingFields, "earlier_log: an earlier log can only come before the first command")
            }
            if settings.partitions != nil {
                throw DecodingFailure(
                    .conflictingFields, "partitions: that can only be said before the first command")
            }
        }
        return command
    }

    /// Gives the state away.
    package consuming func takeStock() -> Stock { stock }

    /// Carries out an entry that was decided in an earlier log.
    package mutating func fold(_ entry: LedgerEntry) throws(LedgerFault) {
        _ = try stock.foldChecked(entry)
    }

    /// A record's timestamp, if it is one that can be written.
    private static func moment(_ milliseconds: Int64) -> Timestamp? {
        0...Limits.latestTime ~= milliseconds ? Timestamp(milliseconds: milliseconds) : nil
    }

    private mutating func bury(
        _ record: LogRecord, _ failure: DecodingFailure, _ output: Output
    ) throws(LogFailure) {
        writer.write(
            deadLetter: failure,
            origin: RecordOrigin(
                topic: .commands, partition: partition, offset: record.offset,
                timestamp: record.timestamp.flatMap(Self.moment)),
            key: record.key, value: record.value)
        try writer.withBytes { value throws(LogFailure) in try output(.deadLetters, record.key, value) }
    }

    /// Sends what was written last under `ownedKey`.
    private func sendOwned(_ topic: Topic, _ output: Output) throws(LogFailure) {
        try ownedKey.withBytes { key throws(LogFailure) in
            try writer.withBytes { value throws(LogFailure) in try output(topic, key, value) }
        }
    }

    /// The tombstone of what `ownedKey` names.
    private func buryOwned(_ topic: Topic, _ output: Output) throws(LogFailure) {
        try ownedKey.withBytes { key throws(LogFailure) in try output(topic, key, nil) }
    }

    /// Sends what was written last to the order as well, if the reservation's name is an order's address.
    private mutating func sendReply(about reservation: ID) throws(LogFailure) {
        guard OrderAddress.isAddress(reservation), let reply,
            let address = OrderAddress(reservationID: reservation)
        else { return }
        key.set(address.orderID)
        try key.withBytes { key throws(LogFailure) in
            try writer.withBytes { value throws(LogFailure) in try reply(address.partition, key, value) }
        }
    }

    /// Sends what was written last.
    private mutating func send(_ topic: Topic, key id: PackedID, _ output: Output) throws(LogFailure) {
        key.set(id)
        try key.withBytes { key throws(LogFailure) in
            try writer.withBytes { value throws(LogFailure) in try output(topic, key, value) }
        }
    }

    /// Sends what was written last.
    private mutating func send(_ topic: Topic, key id: ID, _ output: Output) throws(LogFailure) {
        key.set(id)
        try key.withBytes { key throws(LogFailure) in
            try writer.withBytes { value throws(LogFailure) in try output(topic, key, value) }
        }
    }
}

/// How many commands had which outcome, and how many were no commands at all.
package struct CommandCounts: Sendable {
    package struct Kind: Equatable, Sendable {
        package let command: CommandKind
        package let outcome: Outcome.Kind
    }

    /// Few kinds occur; a look at each of them is quicker than a hash.
    package private(set) var byOutcome: [(kind: Kind, count: Int)] = []
    package private(set) var duplicates = 0
    package var deadLetters = 0
    /// What was told of reservations that the commands were not about.
    package var notices = 0
    package var alerts = 0

    mutating func add(_ outcome: Outcome) {
        let kind = Kind(command: outcome.command, outcome: outcome.kind)
        if let place = byOutcome.firstIndex(where: { $0.kind == kind }) {
            byOutcome[place].count += 1
        } else {
            byOutcome.append((kind, 1))
        }
        if outcome.isDuplicate { duplicates += 1 }
    }

    package func count(_ command: CommandKind, _ outcome: Outcome.Kind) -> Int {
        byOutcome.first { $0.kind == Kind(command: command, outcome: outcome) }?.count ?? 0
    }
}
