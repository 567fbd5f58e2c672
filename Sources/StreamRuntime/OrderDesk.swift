import InventoryCore
import InventoryWire
import OrderCore

/// How many orders that have ended are remembered, and for how long: an event of an order that is forgotten is one of
/// an unknown order.
package struct OrderMemory: Equatable, Sendable {
    package var count: Int
    /// In milliseconds of the records' time.
    package var age: Int64

    package init(count: Int, age: Int64) {
        self.count = count
        self.age = age
    }
}

/// What was done since the last commit.
package struct OrderCounts: Sendable {
    package var events = 0
    package var replies = 0
    package var commands = 0
    package var outcomes: [OrderOutcomeKind: Int] = [:]
    package var answers: [OrderRefusal: Int] = [:]
    package var repeats = 0
    package var ignored = 0
    package var proposals: [ProposalResult: Int] = [:]
    package var deadLetters = 0
    package var strays = 0

    package init() {}
}

/// The orders of one partition: turns records of `orders` and `order.replies` into commands, outcomes and states.
package struct OrderDesk: ~Copyable {
    /// Where the output goes; `partition` is that of the topic.
    package typealias Output = (
        _ topic: Topic, _ partition: Int32, _ key: UnsafeRawBufferPointer?, _ value: UnsafeRawBufferPointer?
    ) throws(LogFailure) -> Void

    /// The most orders that one transaction forgets.
    private static let forgottenAtOnce = 500
    private let partition: Int32
    private let settings: OrderSettings
    private let memory: OrderMemory
    private let dueAgain: Int64
    private let ownsKey: (UnsafeRawBufferPointer) -> Bool
    private let partitionOfSKU: (UnsafeRawBufferPointer) -> Int32
    private var orders: [ID: Order] = [:]
    /// Those that have ended, by when.
    private var ended = Heap<OrderTime>()
    /// Those that are to be looked at, by when; with times that do not hold any more.
    private var due = Heap<OrderTime>()
    /// Orders changed in this transaction, in the order of their first change.
    private var changed: [ID] = []
    private var isChanged: Set<ID> = []
    /// By it orders are due; ours comes with the events.
    private var clock = BrokerClock()
    /// Orders of which this desk has said that they are due, and that was not read yet.
    private var unreadDues: Set<ID> = []
    /// The latest time of a record.
    private var latest = Timestamp(milliseconds: 0)
    private var reader = RecordReader()
    private var writer = RecordWriter()
    private var key = RecordKey()
    private var counts = OrderCounts()

    /// - Parameter dueAgain: after so long a word that an order is due is given again, in milliseconds: the broker's clock
    ///   may have been behind what was known of it.
    package init(
        partition: Int32, settings: OrderSettings, memory: OrderMemory, dueAgain: Int64 = 5_000,
        ownsKey: @escaping (UnsafeRawBufferPointer) -> Bool,
        partitionOfSKU: @escaping (UnsafeRawBufferPointer) -> Int32
    ) {
        self.partition = partition
        self.settings = settings
        self.memory = memory
        self.dueAgain = dueAgain
        self.ownsKey = ownsKey
        self.partitionOfSKU = partitionOfSKU
    }

    package var liveOrders: Int { orders.count - ended.count }
    package private(set) var stuckOrders = 0
    /// Where the coordinator reads on, as `order.state` says; nil where it does not say it yet.
    package private(set) var place: OrderPlace?
    /// Whether anything ever stood in `order.state`.
    package private(set) var hasState = false

    package func order(_ id: ID) -> Order? { orders[id] }

    // MARK: Restore

    /// Takes a record of `order.state`: the newest of an order counts.
    package mutating func restore(_ record: LogRecord) throws(LogFailure) {
        hasState = true
        guard let key = record.key else { return }
        let id = ID(decoding: key)
        guard let value = record.value else {
            orders[id] = nil
            return
        }
        do throws(DecodingFailure) {
            if PartitionBook.isBook(id) {
                place = try reader.orderPlace(value)
            } else {
                orders[id] = try reader.order(value)
            }
        } catch {
            throw LogFailure(
                .halt, operation: "restore from order.state",
                message: "the record at offset \(record.offset) cannot be read: \(error.detail)")
        }
    }

    /// All was read that there is.
    package mutating func restored() {
        for (id, order) in orders.sorted(by: { $0.key < $1.key }) {
            if case .ended(_, let at) = order.phase { ended.insert(OrderTime(at, id)) }
            if let at = order.dueAt(settings) { due.insert(OrderTime(at, id)) }
            if order.isStuck { stuckOrders += 1 }
        }
    }

    // MARK: Records

    /// Takes a record of `orders` or `order.replies`. Bad input goes to `dead.letters`, and is no failure.
    /// - Parameter now: our clock when it was read, in milliseconds since 1970.
    package mutating func process(
        _ record: LogRecord, from topic: Topic, at now: Int64, _ output: Output
    ) throws(LogFailure) {
        guard let milliseconds = record.timestamp, 0...Limits.latestTime ~= milliseconds else {
            return try bury(
                record, topic,
                DecodingFailure(.invalidTime, "the record has no timestamp between 1970 and 9999"), output)
        }
        let at = Timestamp(milliseconds: milliseconds)
        latest = max(latest, at)
        clock.heard(appendedAt: milliseconds, at: now)
        let effects: OrderEffects
        do throws(DecodingFailure) {
            if topic == .orders {
                let found = try event(record, at)
                if case .due(let id) = found { readDue(id, at, now) }
                effects = take(found, at)
            } else {
                effects = take(try reply(record), at)
            }
        } catch {
            try bury(record, topic, error, output)
            return topic == .orders ? try answer(record, at, error, output) : ()
        }
        try send(effects, output)
    }

    /// Whoever could be named is answered, although the event could not be read.
    private mutating func answer(
        _ record: LogRecord, _ at: Timestamp, _ failure: DecodingFailure, _ output: Output
    ) throws(LogFailure) {
        guard let key = record.key, ownsKey(key),
            let event = reader.unreadableEvent(key: key, value: record.value, at: at, failure)
        else { return }
        var effects = OrderEffects()
        let settings = settings
        counts.events += 1
        change(event.orderID, makesNew: event.kind == .placed, at) {
            $0.handle(event, settings, into: &effects)
        }
        try send(effects, output)
    }

    private mutating func event(
        _ record: LogRecord, _ at: Timestamp
    ) throws(DecodingFailure) -> OrderRecord {
        let found = try reader.orderRecord(
            key: record.key, value: record.value, at: at, offset: record.offset)
        guard let key = record.key, ownsKey(key) else {
            throw DecodingFailure(
                .wrongPartition,
                "the key belongs into another partition than \(partition): publish with the murmur2 partitioner"
            )
        }
        return found
    }

    private mutating func reply(_ record: LogRecord) throws(DecodingFailure) -> OrderReply {
        guard let value = record.value else {
            throw DecodingFailure(.emptyValue, "the record has no value")
        }
        return try reader.orderReply(value)
    }

    private mutating func take(_ record: OrderRecord, _ at: Timestamp) -> OrderEffects {
        var effects = OrderEffects()
        let settings = settings
        counts.events += 1
        switch record {
        case .event(let event):
            change(event.orderID, makesNew: true, at) { $0.handle(event, settings, into: &effects) }
        case .due(let id):
            change(id, makesNew: false, at) { $0.due(at: at, settings, into: &effects) }
        }
        return effects
    }

    private mutating func take(_ reply: OrderReply, _ at: Timestamp) -> OrderEffects {
        var effects = OrderEffects()
        let settings = settings
        counts.replies += 1
        guard let id = reply.orderID else { return effects }
        if orders[id] == nil {
            counts.strays += 1
            if case .result(let outcome) = reply, let release = Order.release(ofStray: outcome) {
                effects.commands.append(release)
            }
        } else {
            change(id, makesNew: false, at) { $0.handle(reply, at: at, settings, into: &effects) }
        }
        return effects
    }

    private mutating func change(
        _ id: ID, makesNew: Bool, _ at: Timestamp, _ body: (inout Order) -> Void
    ) {
        guard
            var order = orders[id]
                ?? (makesNew ? Order(id: id, partition: partition, phase: .unknown(since: at)) : nil)
        else { return }
        let before = orders[id]
        body(&order)
        if order == before || before == nil && order.phase == .forgotten { return }
        if isChanged.insert(id).inserted { changed.append(id) }
        stuckOrders += (order.isStuck ? 1 : 0) - (before?.isStuck == true ? 1 : 0)
        orders[id] = order.phase == .forgotten ? nil : order
        if let dueAt = order.dueAt(settings), before?.dueAt(settings) != dueAt {
            due.insert(OrderTime(dueAt, id))
        }
        if case .ended(_, let endedAt) = order.phase {
            if case .ended = before?.phase { return }
            ended.insert(OrderTime(endedAt, id))
        }
    }

    // MARK: What is due

    /// Whether an order is to be looked at.
    /// - Parameter now: our clock, in milliseconds since 1970.
    package mutating func isDue(at now: Int64) -> Bool {
        // One word is enough to learn the broker's clock, before many are said too early.
        if !clock.isMeasured, !unreadDues.isEmpty { return false }
        while let first = due.first, first.at.milliseconds <= now + clock.offset {
            if holds(first) { return true }
            due.removeFirst()
        }
        return false
    }

    /// What this desk has said is read: that tells the broker's clock. If it came too early, it is said again in time.
    private mutating func readDue(_ id: ID, _ at: Timestamp, _ now: Int64) {
        guard unreadDues.remove(id) != nil else { return }
        clock.measured(appendedAt: at.milliseconds, at: now)
        if let dueAt = orders[id]?.dueAt(settings), dueAt > at { due.insert(OrderTime(dueAt, id)) }
    }

    private func holds(_ time: OrderTime) -> Bool {
        guard let dueAt = orders[time.id]?.dueAt(settings) else { return false }
        return dueAt <= time.at
    }

    /// Says of each order that is due, in `orders`, that it is to be looked at: so the log settles what comes first,
    /// its time or an event, and the time is the record's.
    package mutating func tellDue(at now: Int64, limit: Int, _ output: Output) throws(LogFailure) -> Int {
        var told = 0
        while told < limit, isDue(at: now), let first = due.first {
            due.removeFirst()
            let again = Timestamp(milliseconds: now + clock.offset + dueAgain)
            due.insert(OrderTime(again, first.id))
            guard unreadDues.insert(first.id).inserted else { continue }
            writer.write(dueOrder: first.id)
            try send(.orders, partition, key: first.id, output)
            told += 1
        }
        return told
    }

    // MARK: Output

    private mutating func send(_ effects: OrderEffects, _ output: Output) throws(LogFailure) {
        counts.repeats += effects.repeats
        counts.ignored += effects.ignored
        counts.proposals.merge(effects.proposals, uniquingKeysWith: +)
        for command in effects.commands {
            counts.commands += 1
            writer.write(command: command)
            key.set(command.sku)
            let place = key.withBytes { partitionOfSKU($0) }
            try send(.commands, place, key: command.sku, output)
        }
        for outcome in effects.outcomes {
            counts.outcomes[outcome.kind, default: 0] += 1
            writer.write(orderOutcome: outcome)
            try send(.orderOutcomes, partition, key: outcome.orderID, output)
        }
        for answer in effects.answers {
            counts.answers[answer.reason, default: 0] += 1
            writer.write(orderAnswer: answer)
            try send(.orderOutcomes, partition, key: answer.orderID, output)
        }
        for refused in effects.refused { try bury(refused, output) }
    }

    /// Writes the state of every order that changed since the last call, once each, and forgets what is past.
    package mutating func writeChanged(_ output: Output) throws(LogFailure) {
        var forgotten = 0
        while forgotten < Self.forgottenAtOnce, let first = ended.first,
            ended.count > memory.count || first.at.milliseconds + memory.age < latest.milliseconds
        {
            ended.removeFirst()
            forgotten += 1
            orders[first.id] = nil
            if isChanged.insert(first.id).inserted { changed.append(first.id) }
        }
        for id in changed {
            guard let order = orders[id] else {
                key.set(id)
                try key.withBytes { key throws(LogFailure) in try output(.orderState, partition, key, nil) }
                continue
            }
            writer.write(order: order)
            try send(.orderState, partition, key: id, output)
        }
        changed.removeAll(keepingCapacity: true)
        isChanged.removeAll(keepingCapacity: true)
    }

    /// Writes where the coordinator reads on when the transaction has committed.
    package mutating func write(_ place: OrderPlace, _ output: Output) throws(LogFailure) {
        self.place = place
        writer.write(orderPlace: place, partition: partition)
        try send(.orderState, partition, key: PartitionBook.sku(partition), output)
    }

    /// What was counted since the last call; taken when a transaction has committed.
    package mutating func takeCounts() -> OrderCounts {
        let taken = counts
        counts = OrderCounts()
        return taken
    }

    private mutating func bury(
        _ record: LogRecord, _ topic: Topic, _ failure: DecodingFailure, _ output: Output
    ) throws(LogFailure) {
        counts.deadLetters += 1
        let moment = record.timestamp.flatMap {
            0...Limits.latestTime ~= $0 ? Timestamp(milliseconds: $0) : nil
        }
        writer.write(
            deadLetter: failure,
            origin: RecordOrigin(
                topic: topic, partition: partition, offset: record.offset, timestamp: moment),
            key: record.key, value: record.value)
        try writer.withBytes { value throws(LogFailure) in
            try output(.deadLetters, partition, record.key, value)
        }
    }

    /// A letter of an event that waited in vain: as it is written, which may not be as it came.
    private mutating func bury(
        _ refused: OrderEffects.Refused, _ output: Output
    ) throws(LogFailure) {
        counts.deadLetters += 1
        let failure = DecodingFailure(refused)
        writer.write(event: refused.event)
        let (key, value) = (refused.event.orderID.bytes, writer.withBytes { Array($0) })
        let origin = RecordOrigin(
            topic: .orders, partition: partition, offset: refused.event.offset,
            timestamp: refused.event.at)
        key.withUnsafeBytes { key in
            value.withUnsafeBytes { value in
                writer.write(deadLetter: failure, origin: origin, key: key, value: value)
            }
        }
        try send(.deadLetters, partition, key: refused.event.orderID, output)
    }

    /// Sends what was written last.
    private mutating func send(
        _ topic: Topic, _ partition: Int32, key id: ID, _ output: Output
    ) throws(LogFailure) {
        key.set(id)
        try key.withBytes { key throws(LogFailure) in
            try writer.withBytes { value throws(LogFailure) in try output(topic, partition, key, value) }
        }
    }
}

extension DecodingFailure {
    fileprivate init(_ refused: OrderEffects.Refused) {
        switch refused.reason {
        case .unknownOrder:
            self.init(.unknownOrder, "the order was not placed, not for long enough, or was forgotten")
        case .eventIDConflict:
            self.init(.eventIDConflict, "event_id came before, with another content")
        case .unknownLine:
            self.init(.eventRefused, "the order has no line of a SKU that the event names")
        case .tooManyEvents:
            self.init(.eventRefused, "\(OrderLimits.waitingEvents) events of the order wait already")
        case .tooManyLines:
            self.init(.eventRefused, "the order would have had more than \(OrderLimits.lines) lines")
        case .pastDeadline:
            self.init(.eventRefused, "the new deadline has passed already, or the order's has")
        case .unreadable, .alreadyPlaced, .nothingToPay, .nothingToCancel, .unitsPaid, .otherWarehouse,
            .notPaid, .alreadyShipped, .orderEnded:
            preconditionFailure("\(refused.reason) is no reason for a dead letter of its own")
        }
    }
}

/// When an order is to be looked at, or ended. By time, then by id, so that the order does not depend on what came before.
private struct OrderTime: Comparable, Sendable {
    var at: Timestamp
    var id: ID

    init(_ at: Timestamp, _ id: ID) { (self.at, self.id) = (at, id) }

    static func < (left: Self, right: Self) -> Bool {
        left.at == right.at ? left.id < right.id : left.at < right.at
    }
}
