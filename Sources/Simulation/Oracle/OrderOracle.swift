import InventoryCore
import InventoryWire
import OrderCore
import StreamRuntime

/// Looks at what a run left of orders, and compares the books of orders with those of stock.
final class OrderOracle {
    private let world: World
    private let side: OrderSide
    private var reader = RecordReader()
    private var problems: [String] = []
    /// Committed outcomes, in their order.
    private var told: [ID: [OrderOutcome]] = [:]
    private var answers: [ID: [OrderAnswer]] = [:]

    /// - Parameters:
    ///   - entries: the committed ledger of all partitions.
    ///   - replies: by partition of stock, what its commands come to in replies.
    /// - Returns: what is wrong.
    static func problems(
        of world: World, _ side: OrderSide, _ entries: [LedgerEntry], _ replies: [Int32: [Reference.Reply]]
    ) -> [String] {
        let oracle = OrderOracle(world: world, side: side)
        for partition in 0..<world.partitionCount {
            oracle.readOutcomes(partition)
            oracle.checkReplies(partition, replies)
            oracle.checkLetters(partition)
            oracle.checkStates(partition)
        }
        oracle.checkCommands()
        oracle.checkOutcomes()
        oracle.checkStock(entries)
        return oracle.problems
    }

    private init(world: World, side: OrderSide) {
        self.world = world
        self.side = side
    }

    private func records(_ topic: Topic, _ partition: Int32) -> [ModelRecord] {
        world.broker.partitions[world.index(topic, partition)].everything
    }

    private func committed(_ topic: Topic, _ partition: Int32) -> [ModelRecord] {
        records(topic, partition).filter { ModelPartition.isVisible($0.state, .committed) }
    }

    // MARK: Outcomes

    /// Reads them, and looks at each by itself: those of aborted transactions too.
    private func readOutcomes(_ partition: Int32) {
        // Time is that of records.
        let times = Set(
            (records(.orders, partition) + records(.orderReplies, partition)).map(\.timestamp))
        for record in records(.orderOutcomes, partition) where !record.state.isMarker {
            if let answer = record.value!.withUnsafeBytes({ try? reader.orderAnswer($0) }) {
                guard ModelPartition.isVisible(record.state, .committed) else { continue }
                answers[answer.orderID, default: []].append(answer)
                continue
            }
            guard let outcome = record.value!.withUnsafeBytes({ try? reader.orderOutcome($0) }) else {
                problems.append("order.outcomes at \(record.offset) cannot be read")
                continue
            }
            let what = "order \(outcome.orderID), version \(outcome.version)"
            if !times.contains(outcome.at.milliseconds) {
                problems.append("\(what): \(outcome.at.milliseconds) is no record's time")
            }
            if outcome.mode == .allOrNothing, outcome.kind == .reserved,
                outcome.lines.contains(where: { $0.reserved != $0.quantity || $0.reason != nil })
            {
                problems.append("\(what): it is granted, and a line is not whole")
            }
            checkBooks(outcome, what)
            if outcome.kind == .expired, outcome.at <= outcome.deadline {
                problems.append("\(what): it has expired before its deadline")
            }
            guard ModelPartition.isVisible(record.state, .committed) else { continue }
            world.figures[.orderOutcomes] += 1
            told[outcome.orderID, default: []].append(outcome)
        }
    }

    /// What was paid has shipped, is claimed or goes back, to the unit.
    private func checkBooks(_ outcome: OrderOutcome, _ what: String) {
        for line in outcome.lines where outcome.kind != .rejected {
            let claimed = line.reserved + line.backordered
            if line.paid > line.shipped + claimed + line.refund
                || line.shipped + line.refund > line.paid || line.refundAdded > line.refund
            {
                problems.append(
                    "\(what): \(line.sku) paid \(line.paid), shipped \(line.shipped), claimed \(claimed), refund "
                        + "\(line.refund), of which \(line.refundAdded) now")
            }
        }
    }

    /// What was told of refunds, outcome by outcome, is their sum; and an order that has ended owes nothing.
    private func checkRefunds(_ id: ID, _ outcomes: [OrderOutcome]) {
        guard let last = outcomes.last else { return }
        for (place, line) in last.lines.enumerated() {
            let added = outcomes.reduce(0) { sum, outcome in
                place < outcome.lines.count ? sum + outcome.lines[place].refundAdded : sum
            }
            if added != line.refund || line.paid != line.shipped + line.refund {
                problems.append(
                    "order \(id): \(line.sku) paid \(line.paid), shipped \(line.shipped), refund \(line.refund), told "
                        + "one after another \(added)")
            }
        }
    }

    /// Each order that was placed has ended, and once; its versions have no gap.
    private func checkOutcomes() {
        world.figures[.orders] = side.traffic.placed.count
        for id in side.traffic.ids {
            let outcomes = told[id] ?? []
            let story = outcomes.map { "\($0.kind.rawValue)\($0.isFinal ? "!" : "")" }.joined(separator: ", ")
            if outcomes.map(\.version) != (0..<Int64(outcomes.count)).map({ $0 + 1 }) {
                problems.append("order \(id) has the versions \(outcomes.map(\.version))")
            }
            let finals = outcomes.filter(\.isFinal)
            if finals.count != (side.traffic.placed.contains(id) ? 1 : 0) {
                problems.append("order \(id) has \(finals.count) final outcomes: \(story)")
            }
            if outcomes.drop(while: { !$0.isFinal }).dropFirst().contains(where: {
                $0.kind != .refundRequired
            }) {
                problems.append("order \(id) goes on after its end: \(story)")
            }
            checkRefunds(id, outcomes)
            if side.traffic.unreadable.contains(id) != (outcomes.first?.unreadable != nil) {
                problems.append("order \(id) could not be read, or was told so: \(story)")
            }
            if finals.first?.kind == .confirmed { world.figures[.ordersConfirmed] += 1 }
        }
        for id in told.keys.sorted() where !side.traffic.ids.contains(id) {
            problems.append("order \(id) has outcomes, and nobody spoke of it")
        }
    }

    // MARK: Stock

    /// What orders were told is what the ledger says, to the unit, and nothing is stranded.
    private func checkStock(_ entries: [LedgerEntry]) {
        struct Line: Hashable {
            let order: ID
            let sku: ID
        }
        var granted: [Line: Int64] = [:]
        var shipped: [Line: Int64] = [:]
        for entry in entries {
            guard let id = entry.reservationID, let address = OrderAddress(reservationID: id) else {
                continue
            }
            let line = Line(order: address.orderID, sku: entry.sku)
            switch entry.movement {
            case .reserve, .backorder, .reacquire: granted[line, default: 0] += entry.quantity
            case .ship: shipped[line, default: 0] += entry.quantity
            case .expire: checkExpiry(entry, address)
            default: break
            }
        }
        for (id, outcomes) in told.sorted(by: { $0.key < $1.key }) {
            for outcome in outcomes {
                for line in outcome.lines
                where line.reserved + line.backordered + line.shipped
                    > granted[Line(order: id, sku: line.sku)] ?? 0
                {
                    problems.append(
                        "order \(id), version \(outcome.version): it was told of more \(line.sku) than the ledger "
                            + "ever granted")
                }
            }
            for line in outcomes.last!.lines {
                let units = shipped.removeValue(forKey: Line(order: id, sku: line.sku)) ?? 0
                if units != line.shipped || line.reserved != 0 || line.backordered != 0 {
                    problems.append(
                        "order \(id): of \(line.sku) the ledger shipped \(units), and the order was told "
                            + "\(line.shipped) shipped and \(line.reserved + line.backordered) kept")
                }
            }
        }
        for line in shipped.keys.sorted(by: { ($0.order, $0.sku) < ($1.order, $1.sku) }) {
            problems.append("order \(line.order): \(shipped[line]!) \(line.sku) shipped, and it was not told")
        }
    }

    /// An order gives back what it has when it ends, and what is nobody's goes back at once: neither is left to expire.
    private func checkExpiry(_ entry: LedgerEntry, _ address: OrderAddress) {
        let end = told[address.orderID]?.first { $0.isFinal }?.at
        guard
            side.traffic.strays.contains(entry.reservationID!)
                || end.map({ $0.milliseconds + 1_000 < entry.at.milliseconds }) == true
        else { return }
        problems.append("\(entry.reservationID!) was stranded until it expired")
    }

    // MARK: Commands and replies

    /// A command that is sent again is the same, byte for byte: so it is decided once.
    private func checkCommands() {
        var known: [[UInt8]: [UInt8]] = [:]
        for partition in 0..<world.partitionCount {
            for record in committed(.commands, partition) {
                guard let command = command(record), OrderAddress.isAddress(command.id) else { continue }
                let before = known.updateValue(record.value!, forKey: command.id.bytes)
                if let before, before != record.value! {
                    problems.append(
                        "two commands are called \(command.id): \(StateBytes.text(before)) and "
                            + StateBytes.text(record.value!))
                }
            }
        }
    }

    private func command(_ record: ModelRecord) -> Command? {
        guard let key = record.key, let value = record.value else { return nil }
        return key.withUnsafeBytes { key in
            value.withUnsafeBytes { value in try? reader.command(key: key, value: value) }
        }
    }

    /// What has come of each partition's commands is what they come to, in their order.
    private func checkReplies(_ partition: Int32, _ wanted: [Int32: [Reference.Reply]]) {
        var found: [Int32: [[UInt8]]] = [:]
        for record in committed(.orderReplies, partition) {
            guard let source = source(ofReply: record) else {
                problems.append("order.replies at \(record.offset) cannot be read")
                continue
            }
            found[source, default: []].append(record.value!)
        }
        for source in 0..<world.partitionCount {
            let replies = (wanted[source] ?? []).filter { $0.partition == partition }.map(\.value)
            guard found[source] ?? [] != replies else { continue }
            problems.append(
                "partition \(partition) of orders: partition \(source) has replied \((found[source] ?? []).count) "
                    + "times, should have \(replies.count) times; or they differ")
        }
    }

    private func source(ofReply record: ModelRecord) -> Int32? {
        record.value!.withUnsafeBytes { bytes in
            do throws(DecodingFailure) {
                if let notice = try reader.notice(bytes) { return notice.source.partition }
                return try reader.outcome(bytes).source.partition
            } catch {
                return nil
            }
        }
    }

    /// No event is a dead letter twice; what cannot be read, and what is of no order, is one.
    private func checkLetters(_ partition: Int32) {
        var found: [Int64: Int] = [:]
        for record in committed(.deadLetters, partition) {
            let letter = record.value!.withUnsafeBytes { try? reader.deadLetter($0) }
            if let letter, letter.topic == Topic.orders.rawValue { found[letter.offset, default: 0] += 1 }
        }
        for (offset, count) in found.sorted(by: { $0.key < $1.key }) where count > 1 {
            problems.append("partition \(partition): the event at \(offset) is a dead letter \(count) times")
        }
        let ghosts = side.traffic.ghosts.filter { side.partition(of: $0.key) == partition }.map(\.value)
        for offset in (side.traffic.poison[partition] ?? []) + ghosts.sorted() where found[offset] == nil {
            problems.append("partition \(partition): the event at \(offset) is no dead letter")
        }
    }

    // MARK: States

    /// Live, and restored before and after compaction: the same.
    private func checkStates(_ partition: Int32) {
        guard let live = side.owner(of: partition) else { return }
        for (what, records) in [
            ("restored", committed(.orderState, partition)),
            (
                "restored after compaction",
                world.broker.partitions[world.index(.orderState, partition)].records.filter {
                    ModelPartition.isVisible($0.state, .committed)
                }
            ),
        ] {
            var desk = side.makeDesk(partition)
            for record in records {
                withBytes(record.key) { key in
                    withBytes(record.value) { value in
                        let record = LogRecord(
                            key: key, value: value, offset: record.offset, timestamp: record.timestamp)
                        do throws(LogFailure) { try desk.restore(record) } catch {
                            problems.append("partition \(partition): \(error.message)")
                        }
                    }
                }
            }
            for id in side.traffic.ids where side.partition(of: id) == partition {
                guard live.found(id) != desk.order(id) else { continue }
                problems.append(
                    "order \(id): \(what) it is \(desk.order(id).map { "\($0)" } ?? "not there"), live "
                        + "\(live.found(id).map { "\($0)" } ?? "not there")")
            }
        }
    }
}
