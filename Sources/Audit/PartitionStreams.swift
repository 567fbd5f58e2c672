import InventoryCore
import InventoryWire

/// A record of a topic, decoded, with its place and bytes.
package struct Recorded<Value: Sendable>: Sendable {
    package var offset: Int64
    package var value: Value
    package var bytes: [UInt8]

    package init(offset: Int64, value: Value, bytes: [UInt8]) {
        self.offset = offset
        self.value = value
        self.bytes = bytes
    }
}

/// All that the topics say of one command of a partition.
package struct CommandStep: Sendable {
    /// Its offset in `stock.commands`.
    package var offset: Int64
    /// Nil where it is not there, or not any more.
    package var command: AuditRecord?
    /// Its ledger entries.
    package var entries: [Recorded<LedgerEntry>] = []
    package var outcomes: [Recorded<Outcome>] = []
    package var notices: [Recorded<Notice>] = []
    package var letters: [Recorded<DeadLetter>] = []
    /// Records that stand where they must not, or cannot be read; they come with the next command.
    package var strays: [Difference] = []
    /// Of an earlier log, of which the ledger's entries are here and nothing else.
    package var isEarlier = false

    /// Why the records from its offset on were stepped over; nil for a command.
    package var skip: LedgerEntry? { entries.first { $0.value.movement == .skip }?.value }

    /// Its ledger entries without what the processor noted before it.
    package var own: [Recorded<LedgerEntry>] { entries.filter { !$0.value.isNote } }

    /// It has strays alone.
    package var isEmpty: Bool {
        command == nil && entries.isEmpty && outcomes.isEmpty && notices.isEmpty && letters.isEmpty
    }
}

/// The topics of one partition read side by side, command by command: ledger, results and dead letters all stand in
/// the order of the commands. Memory depends on what one command does, not on how long the topics are.
package struct PartitionStreams {
    /// Where what is known begins: what came before may be gone by retention. Offsets of commands.
    package struct Floors: Equatable, Sendable {
        package var commands: Int64
        /// Nil until the first result is seen: its command may have had more, so what is known begins after it.
        package var results: Int64?
        package var letters: Int64?

        package init(commands: Int64, results: Int64?, letters: Int64?) {
            self.commands = commands
            self.results = results
            self.letters = letters
        }
    }

    private enum Answer {
        case outcome(Recorded<Outcome>, source: Int64)
        case notice(Recorded<Notice>)
        case unreadable(Int64, String)

        var source: Int64? {
            switch self {
            case .outcome(_, let source): source
            case .notice(let notice): notice.value.source.offset
            case .unreadable: nil
            }
        }

        var offset: Int64 {
            switch self {
            case .outcome(let outcome, _): outcome.offset
            case .notice(let notice): notice.offset
            case .unreadable(let offset, _): offset
            }
        }
    }

    private enum Line {
        case entry(Recorded<LedgerEntry>)
        case unreadable(Int64, String)

        var offset: Int64 {
            switch self {
            case .entry(let entry): entry.offset
            case .unreadable(let offset, _): offset
            }
        }
    }

    /// Where to go on reading.
    package struct Position: Equatable, Codable, Sendable {
        /// The last command that was looked at.
        package var last: Int64
        package var commands: Int64
        package var ledger: Int64
        package var results: Int64
        package var letters: Int64
        package var alerts: Int64

        package init(
            last: Int64 = -1, commands: Int64 = 0, ledger: Int64 = 0, results: Int64 = 0,
            letters: Int64 = 0, alerts: Int64 = 0
        ) {
            (self.last, self.commands, self.ledger) = (last, commands, ledger)
            (self.results, self.letters, self.alerts) = (results, letters, alerts)
        }
    }

    package let partition: Int32
    package private(set) var floors: Floors
    private var commands: Peeking<AuditRecord>
    private var ledger: Peeking<Line>
    private var results: Peeking<Answer>
    private var letters: Peeking<Recorded<DeadLetter>>
    /// The offset of the command that was given last.
    private(set) var last: Int64
    /// The ledger is where it holds entries of an earlier log.
    private var isWithinEarlierLog = false
    /// Commands before it were stepped over, as the ledger notes; some of them may be read by now.
    private var skippedBefore: Int64 = 0

    /// - Parameter after: the offset of the last command that was looked at before; -1 for none.
    package init(
        partition: Int32, floors: Floors, after last: Int64 = -1, commands: any RecordCursor,
        ledger: any RecordCursor, results: any RecordCursor, letters: any RecordCursor
    ) {
        self.partition = partition
        self.floors = floors
        self.last = last
        self.commands = Peeking(commands) { $0 }
        let reader = Decoder()
        self.ledger = Peeking(ledger) { record in
            let bytes = record.value ?? []
            do throws(DecodingFailure) {
                return .entry(
                    Recorded(offset: record.offset, value: try reader.entry(bytes), bytes: bytes))
            } catch {
                return .unreadable(record.offset, error.detail)
            }
        }
        self.results = Peeking(results) { record in
            do throws(DecodingFailure) {
                return try reader.answer(record)
            } catch {
                return .unreadable(record.offset, error.detail)
            }
        }
        self.letters = Peeking(letters) { record in
            // Letters of other topics are no matter here, and who reads letters finds what is none.
            guard let letter = reader.letter(record.value ?? []), letter.topic == Topic.commands.rawValue,
                letter.partition == partition
            else { return nil }
            return Recorded(offset: record.offset, value: letter, bytes: [])
        }
    }

    /// A reader that closures can share.
    private final class Decoder {
        private var reader = RecordReader()

        func entry(_ bytes: [UInt8]) throws(DecodingFailure) -> LedgerEntry {
            try decode(bytes) { bytes throws(DecodingFailure) in try reader.ledgerEntry(bytes) }
        }

        func answer(_ record: AuditRecord) throws(DecodingFailure) -> Answer {
            let bytes = record.value ?? []
            let notice = try decode(bytes) { bytes throws(DecodingFailure) in try reader.notice(bytes) }
            if let notice {
                return .notice(Recorded(offset: record.offset, value: notice, bytes: bytes))
            }
            let (outcome, source) = try decode(bytes) { bytes throws(DecodingFailure) in
                try reader.outcome(bytes)
            }
            return .outcome(
                Recorded(offset: record.offset, value: outcome, bytes: bytes), source: source.offset)
        }

        func letter(_ bytes: [UInt8]) -> DeadLetter? {
            try? decode(bytes) { bytes throws(DecodingFailure) in try reader.deadLetter(bytes) }
        }
    }

    /// Folds what the ledger says of commands before `offset` into `body`.
    package mutating func ledger(
        before offset: Int64, _ body: (Recorded<LedgerEntry>) throws -> Void
    ) throws {
        while case .entry(let entry)? = try ledger.peek(),
            isEarlier(entry.value) || entry.value.source.offset < offset
        {
            take(entry.value)
            _ = try ledger.next()
            try body(entry)
        }
        // What was answered before is no matter either.
        last = max(last, offset - 1)
        while let answer = try results.peek(), answer.source ?? -1 <= last {
            floors.results = floors.results ?? (answer.source ?? -1) + 1
            _ = try results.next()
        }
        while let letter = try letters.peek(), letter.value.offset <= last {
            floors.letters = floors.letters ?? letter.value.offset + 1
            _ = try letters.next()
        }
    }

    /// The next command that any of the topics speaks of; nil where none does before `cut`.
    package mutating func next(before cut: Int64) throws -> CommandStep? {
        var strays: [Difference] = []
        while let command = try commands.peek(), command.offset < skippedBefore, command.offset > last {
            _ = try commands.next()
        }
        try skipStrays(&strays)
        if let step = try nextEarlier(strays) { return step }
        let heads = [
            try commands.peek()?.offset, try entryHead(), try results.peek()?.source,
            try letters.peek()?.value.offset,
        ].compactMap { $0 }
        guard let offset = heads.min(), offset < cut else {
            return strays.isEmpty ? nil : CommandStep(offset: last, strays: strays)
        }
        var step = CommandStep(offset: offset, strays: strays)
        last = offset
        if try commands.peek()?.offset == offset { step.command = try commands.next() }
        while case .entry(let entry)? = try ledger.peek(), !isEarlier(entry.value),
            entry.value.source.offset == offset
        {
            take(entry.value)
            _ = try ledger.next()
            step.entries.append(entry)
        }
        while let answer = try results.peek(), answer.source == offset {
            _ = try results.next()
            switch answer {
            case .outcome(let outcome, _): step.outcomes.append(outcome)
            case .notice(let notice): step.notices.append(notice)
            case .unreadable: break
            }
        }
        while let letter = try letters.peek(), letter.value.offset == offset {
            _ = try letters.next()
            step.letters.append(letter)
        }
        if floors.results == nil, !step.outcomes.isEmpty || !step.notices.isEmpty {
            floors.results = offset + 1
        }
        if floors.letters == nil, !step.letters.isEmpty { floors.letters = offset + 1 }
        return step
    }

    /// The next command of an earlier log, if the ledger is there. Its entries stand between two of the partition's
    /// own book.
    private mutating func nextEarlier(_ strays: [Difference]) throws -> CommandStep? {
        guard case .entry(let first)? = try ledger.peek(), isEarlier(first.value) else { return nil }
        var step = CommandStep(offset: last, strays: strays)
        step.isEarlier = true
        while case .entry(let entry)? = try ledger.peek(), isEarlier(entry.value),
            entry.value.sku == first.value.sku, entry.value.isOfSameCommand(as: first.value)
        {
            _ = try ledger.next()
            step.entries.append(entry)
        }
        return step
    }

    private func isEarlier(_ entry: LedgerEntry) -> Bool {
        isWithinEarlierLog && !PartitionBook.isBook(entry.packed.sku)
    }

    private mutating func take(_ entry: LedgerEntry) {
        if entry.beginsEarlierLog { isWithinEarlierLog = true }
        if entry.endsEarlierLog { isWithinEarlierLog = false }
        if let skipped = entry.skipped { skippedBefore = skipped.upperBound }
    }

    /// Where to go on, if the topics end at `ends`.
    package mutating func position(ends: Position) throws -> Position {
        var position = ends
        position.last = last
        position.commands = try commands.peek()?.offset ?? ends.commands
        position.ledger = try ledger.peek()?.offset ?? ends.ledger
        position.results = try results.peek()?.offset ?? ends.results
        position.letters = try letters.peek()?.offset ?? ends.letters
        return position
    }

    /// Where the next record of the ledger stands; nil at its end.
    mutating func nextLedgerOffset() throws -> Int64? { try ledger.peek()?.offset }

    private mutating func entryHead() throws -> Int64? {
        guard case .entry(let entry)? = try ledger.peek() else { return nil }
        return entry.value.source.offset
    }

    /// Takes what cannot be read, and what stands behind its place.
    private mutating func skipStrays(_ strays: inout [Difference]) throws {
        while let line = try ledger.peek() {
            guard let stray = stray(line) else { break }
            _ = try ledger.next()
            strays.append(stray)
        }
        while let answer = try results.peek() {
            guard let stray = stray(answer) else { break }
            _ = try results.next()
            strays.append(stray)
        }
        while let letter = try letters.peek(), letter.value.offset <= last {
            _ = try letters.next()
            strays.append(
                Difference(
                    .result, place: Topic.deadLetters.rawValue, partition: partition, offset: letter.offset,
                    command: letter.value.offset, found: "a letter of command \(letter.value.offset)",
                    expected: "letters in the order of commands, after \(last)",
                    next: "holdfast dead-letters show \(partition)/\(letter.offset)"))
        }
    }

    private func stray(_ line: Line) -> Difference? {
        switch line {
        case .unreadable(let offset, let detail):
            return unreadable(.ledger, offset, detail)
        case .entry(let entry):
            guard !isEarlier(entry.value), entry.value.source.offset <= last else { return nil }
            return Difference(
                .command, place: Topic.ledger.rawValue, partition: partition, offset: entry.offset,
                command: entry.value.source.offset, sku: entry.value.sku, sequence: entry.value.sequence,
                found: "an entry of command \(entry.value.source.offset)",
                expected: "entries in the order of commands, after \(last)",
                next: "holdfast show command \(entry.value.commandID) --sku \(entry.value.sku)")
        }
    }

    private func stray(_ answer: Answer) -> Difference? {
        if case .unreadable(let offset, let detail) = answer { return unreadable(.results, offset, detail) }
        guard let source = answer.source, source <= last else { return nil }
        let (sku, id): (ID, ID) =
            switch answer {
            case .outcome(let outcome, _): (outcome.value.sku, outcome.value.commandID)
            case .notice(let notice): (notice.value.sku, notice.value.commandID)
            case .unreadable: ("", "")
            }
        return Difference(
            .result, place: Topic.results.rawValue, partition: partition, offset: answer.offset,
            command: source, sku: sku, found: "another answer to command \(source)",
            expected: "answers in the order of commands, after \(last)",
            next: "holdfast show command \(id) --sku \(sku)")
    }

    private func unreadable(_ topic: Topic, _ offset: Int64, _ detail: String) -> Difference {
        Difference(
            .unreadable, place: topic.rawValue, partition: partition, offset: offset, found: detail,
            expected: "a record of \(topic.rawValue)",
            next: "kcat -C -t \(topic.rawValue) -p \(partition) -o \(offset) -c 1")
    }
}

/// Reads bytes that are held by an array.
package func decode<Value>(
    _ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws(DecodingFailure) -> Value
) throws(DecodingFailure) -> Value {
    var result: Swift.Result<Value, DecodingFailure>?
    bytes.withUnsafeBytes { bytes in
        do throws(DecodingFailure) {
            result = .success(try body(bytes))
        } catch {
            result = .failure(error)
        }
    }
    return try result!.get()
}
