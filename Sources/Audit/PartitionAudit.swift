import InventoryCore
import InventoryWire

/// Whether the topics of one partition, and the rows of its ledger in a database, agree with one another.
///
/// First the commands are followed up to a cut, with all that came of each (`follow`); then the compacted topics are
/// held against the state that the ledger gave (`add`), and the ledger is followed on until it has come to what they
/// stand for (`settle`).
package final class PartitionAudit {
    package struct Counts: Equatable, Sendable {
        package var commands = 0
        package var entries = 0
        package var results = 0
        package var notices = 0
        package var alerts = 0
        package var letters = 0
        package var levels = 0
        package var reservations = 0
        package var transfers = 0
        package var rows = 0
    }

    package private(set) var counts = Counts()
    package private(set) var differences: Differences
    /// The state at the cut, once the commands were followed.
    package var stock: Stock { follower.stock }
    package var givenUp: Set<ID> { follower.givenUp }
    /// The offset of the command that was looked at last; -1 for none.
    package var lastCommand: Int64 { streams.last }
    private let partition: Int32
    private var streams: PartitionStreams
    private var alerts: AlertMatch
    private var rows: RowAudit?
    private var follower: LedgerFollower
    private var levels: LevelsAudit
    private var reservations: LiveAudit<ReservationSnapshot>
    private var transfers: LiveAudit<TransferSnapshot>

    /// - Parameters:
    ///   - stock: the state before the first command.
    ///   - rows: nil without a database.
    ///   - rowEnd: the database holds what is before this offset of `stock.ledger`.
    package init(
        streams: PartitionStreams, alerts: any RecordCursor, areAlertsWhole: Bool,
        stock: Stock = Stock(decides: false),
        rows: (any LedgerRows)? = nil, rowEnd: Int64 = 0, differences: Differences
    ) throws {
        partition = streams.partition
        self.streams = streams
        self.alerts = AlertMatch(partition: partition, alerts: alerts, isWhole: areAlertsWhole)
        self.differences = differences
        follower = LedgerFollower(partition: partition, stock: stock)
        levels = LevelsAudit(partition: partition)
        reservations = LiveAudit(.reservations, partition: partition)
        transfers = LiveAudit(.transfers, partition: partition)
        self.rows = try rows.map { try RowAudit(partition: partition, rows: $0, end: rowEnd) }
    }

    // MARK: Commands

    /// - Parameter progress: called after each command.
    package func follow(before cut: Int64, progress: (Counts) throws -> Void) throws {
        while let step = try streams.next(before: cut) {
            for stray in step.strays {
                differences.add(stray)
                guard stray.place == Topic.ledger.rawValue, let offset = stray.offset else { continue }
                if let sku = stray.sku { follower.giveUp(sku) }
                try rows?.ignore(offset, &differences)
            }
            guard !step.isEmpty else { continue }
            try followLedger(step)
            if step.isEarlier {
                try progress(counts)
                continue
            }
            counts.commands += 1
            checkCommand(step)
            checkAnswers(step)
            try progress(counts)
        }
        try alerts.finish(
            sequence: { stock.sequence(of: $0) }, isSkipped: givenUp.contains, &differences)
        try rows?.finish(before: try streams.nextLedgerOffset() ?? .max, &differences)
        counts.alerts = alerts.compared
        counts.rows = rows?.compared ?? 0
    }

    private func followLedger(_ step: CommandStep) throws {
        for entry in step.entries {
            counts.entries += 1
            try rows?.expect(entry, &differences)
            let raised = follower.follow(entry, &differences)
            // What an earlier log's commands raised was told in its own topics.
            for alert in step.isEarlier ? [] : raised where !givenUp.contains(alert.sku) {
                try alerts.expect(
                    alert, command: step.offset, sequence: { stock.sequence(of: $0) },
                    isSkipped: givenUp.contains, &differences)
            }
        }
        // The last entry says that no more follow, or it was not the last.
        guard let last = step.entries.last?.value, stock.isWithinCommand, !givenUp.contains(last.sku) else {
            return
        }
        add(
            .ledger, .ledger, step.entries.last?.offset, step, "the entries of the command end",
            "a further entry: the last one says that more follow")
        follower.giveUp(last.sku)
    }

    private func checkCommand(_ step: CommandStep) {
        guard step.command == nil, step.skip == nil, step.offset >= streams.floors.commands else { return }
        let place: Topic = step.entries.isEmpty ? .results : .ledger
        let offset = step.entries.first?.offset ?? step.outcomes.first?.offset ?? step.letters.first?.offset
        add(
            .command, place, offset, step, "no command at \(partition)/\(step.offset)",
            "the command that the record names")
    }

    private func checkAnswers(_ step: CommandStep) {
        counts.results += step.outcomes.count
        counts.notices += step.notices.count
        counts.letters += step.letters.count
        let answers = step.outcomes.count + step.letters.count
        let floors = streams.floors
        let isKnown = step.offset >= floors.results ?? .max && step.offset >= floors.letters ?? .max
        if answers == 0, isKnown {
            add(.result, .results, nil, step, "no result", "one result, or a dead letter")
        }
        for second in step.outcomes.dropFirst() {
            add(
                .result, .results, second.offset, step, "another result, \(second.value.kind.rawValue)",
                "one result")
        }
        if answers > 1, step.outcomes.count < 2 {
            add(
                .result, .deadLetters, step.letters.last?.offset, step,
                "\(step.outcomes.count) results and \(step.letters.count) letters",
                "one result, or one dead letter")
        }
        if let outcome = step.outcomes.first { check(outcome, step) }
        if step.offset >= floors.results ?? .max { checkNotices(step) }
    }

    /// The result is of the entries that decided, as far as the entries tell it.
    private func check(_ outcome: Recorded<Outcome>, _ step: CommandStep) {
        let value = outcome.value
        func wrong(_ found: String, _ expected: String) {
            add(.result, .results, outcome.offset, step, found, expected)
        }
        let entries = step.own
        if let first = entries.first?.value,
            value.commandID != first.commandID || value.sku != first.sku
        {
            return wrong(
                "a result of command \(value.commandID) for \(value.sku)",
                "of command \(first.commandID) for \(first.sku)")
        }
        if let own = entries.last(where: \.value.isOwn)?.value {
            if value.isDuplicate || value.sequence != own.sequence {
                return wrong(
                    "ledger_sequence \(value.sequence.map(String.init) ?? "missing")"
                        + (value.isDuplicate ? ", a duplicate" : ""), "ledger_sequence \(own.sequence)")
            }
            if value.rejection != own.reason {
                return wrong(
                    "\(value.kind.rawValue) \(value.rejection?.rawValue ?? "")",
                    own.reason.map { "rejected \($0.rawValue)" } ?? own.movement.rawValue)
            }
        } else if !value.isDuplicate, let sequence = value.sequence,
            !entries.contains(where: { $0.value.sequence == sequence })
        {
            wrong("ledger_sequence \(sequence)", "no entry of the command has it")
        }
    }

    private func checkNotices(_ step: CommandStep) {
        let expected = step.entries.compactMap { Notice(of: $0.value) }
        let found = step.notices.map(\.value)
        guard expected != found else { return }
        let place = zip(found, expected).prefix { $0 == $1 }.count
        func text(_ notices: [Notice]) -> String {
            guard place < notices.count else { return "no notice" }
            let notice = notices[place]
            return "\(notice.kind.rawValue) \(notice.reservationID) \(notice.quantity)"
        }
        add(
            .notice, .results, place < step.notices.count ? step.notices[place].offset : nil, step,
            text(found), text(expected))
    }

    private func add(
        _ kind: Difference.Kind, _ topic: Topic, _ offset: Int64?, _ step: CommandStep, _ found: String,
        _ expected: String
    ) {
        let entry = step.own.last?.value
        let outcome = step.outcomes.first?.value
        let id = entry?.commandID ?? outcome?.commandID
        let sku = entry?.sku ?? outcome?.sku ?? step.command?.key.map { ID(decoding: $0) }
        differences.add(
            Difference(
                kind, place: topic.rawValue, partition: partition, offset: offset, command: step.offset,
                sku: sku, sequence: entry?.sequence ?? outcome?.sequence, found: found, expected: expected,
                next: id.map { "holdfast show command \($0)" + (sku.map { " --sku \($0)" } ?? "") }
                    ?? "kcat -C -t stock.commands -p \(partition) -o \(step.offset) -c 1"))
    }

    /// Where the next audit goes on, if the topics end at `ends`.
    package func position(ends: PartitionStreams.Position) throws -> PartitionStreams.Position {
        var position = try streams.position(ends: ends)
        position.alerts = try alerts.position(end: ends.alerts)
        return position
    }

    // MARK: Compacted topics

    /// A record of `stock.levels`, `stock.reservations` or `stock.transfers`.
    package func add(_ record: AuditRecord, of topic: Topic) {
        switch topic {
        case .levels: levels.add(record, stock, &differences)
        case .reservations: reservations.add(record, stock, &differences)
        case .transfers: transfers.add(record, stock, &differences)
        default: preconditionFailure("\(topic.rawValue) is not compacted")
        }
    }

    /// Whether the ledger has to be followed further for what the compacted topics stand for. Called once they are
    /// read.
    package func needsMoreLedger() -> Bool {
        levels.missing(stock, isSkipped: givenUp.contains, &differences)
        reservations.missing(stock.allReservations, isSkipped: givenUp.contains, &differences)
        transfers.missing(stock.allTransfers, isSkipped: givenUp.contains, &differences)
        return levels.isWaiting || reservations.isWaiting || transfers.isWaiting
    }

    /// Follows the ledger on, and tells what does not agree.
    ///
    /// - Parameter further: the ledger from where `follow` ended; nil if it need not be followed.
    package func settle(_ further: (any RecordCursor)?) throws {
        var reader = RecordReader()
        var touched: [LedgerEntry] = []
        while let record = try further?.next() {
            guard let value = record.value,
                let entry = try? decode(
                    value, { bytes throws(DecodingFailure) in try reader.ledgerEntry(bytes) })
            else { continue }
            // What is wrong here is told by the next audit, which follows these commands.
            var later = Differences(limit: 0)
            _ = follower.follow(Recorded(offset: record.offset, value: entry, bytes: value), &later)
            touched.append(entry)
            if entry.more { continue }
            for entry in touched {
                if let name = entry.ownedReservation { reservations.passed(name, stock) }
                if let name = entry.ownedTransfer { transfers.passed(name, stock) }
            }
            levels.passed(entry.sku, stock)
            if entry.movement == .setWarehouse { levels.passedSwitch(stock) }
            touched.removeAll(keepingCapacity: true)
        }
        levels.finish(stock, isSkipped: givenUp.contains, &differences)
        reservations.finish(stock, isSkipped: givenUp.contains, &differences)
        transfers.finish(stock, isSkipped: givenUp.contains, &differences)
        counts.levels = levels.compared
        counts.reservations = reservations.compared
        counts.transfers = transfers.compared
    }

    /// Differences that were found elsewhere.
    package func add(_ others: Differences) { differences.add(others) }
}
