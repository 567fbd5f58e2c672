import InventoryCore
import InventoryWire
import StreamRuntime

/// The records of one partition of every topic, with what was committed and what was aborted.
final class MemoryTopics {
    struct Record: Equatable {
        var key: [UInt8]?
        var value: [UInt8]?
        var timestamp: Int64
        var isCommitted: Bool
    }

    var records: [Topic: [Record]] = [:]
    var committedOffset: Int64?
    /// The owner's number: a producer of an older one is fenced.
    var epoch = 0

    func publish(_ command: Command, at: Int64) {
        var writer = RecordWriter()
        writer.write(command: command)
        publish(key: command.sku.bytes, value: writer.withBytes { Array($0) }, at: at)
    }

    func publish(key: [UInt8]?, value: [UInt8]?, at: Int64) {
        records[.commands, default: []].append(
            Record(key: key, value: value, timestamp: at, isCommitted: true))
    }

    func committed(_ topic: Topic) -> [Record] { (records[topic] ?? []).filter(\.isCommitted) }
}

/// A log in memory, with the transactions and the fencing of the genuine one, that fails as it is told.
final class MemoryLog: PartitionLog {
    enum Fault {
        case none
        /// The operation did not happen.
        case before(LogFailure.Consequence)
        /// The operation happened, but the caller does not learn of it.
        case after
    }

    let topics: MemoryTopics
    let partition: Int32 = 0
    let partitionCount: Int32 = 1
    private let fault: (_ operation: String) -> Fault
    private var epoch: Int?
    private var transaction: [(Topic, Int)]?
    private var position: Int64 = 0
    /// Records that nobody reads before their transaction has ended, which was an earlier owner's.
    var openRecords: [Topic: Int64] = [:]
    /// Markers behind the last command, which readers pass.
    var markers: Int64 = 0
    /// Where a commit that is under way is to come to, and whether it was asked for.
    private var pending: Int64?
    private var wasAsked = false
    /// What each transaction that committed had: where it came to, and its records.
    private(set) var transactions: [(nextOffset: Int64, records: [(topic: Topic, index: Int)])] = []
    /// What the worker did, in order.
    private(set) var operations: [String] = []

    init(_ topics: MemoryTopics, fault: @escaping (_ operation: String) -> Fault = { _ in .none }) {
        self.topics = topics
        self.fault = fault
    }

    private func step<Result>(
        _ operation: String, _ body: () throws(LogFailure) -> Result
    ) throws(LogFailure) -> Result {
        precondition(
            pending == nil || operation == "poll" || operation == "commit", "\(operation) during a commit")
        operations.append(operation)
        let fault = fault(operation)
        if case .before(let consequence) = fault {
            throw LogFailure(consequence, operation: operation, message: "planned")
        }
        if operation != "open", operation != "close", let epoch, epoch != topics.epoch {
            throw LogFailure(.fenced, operation: operation, message: "another owner is at work")
        }
        let result = try body()
        if case .after = fault {
            throw LogFailure(.restart, operation: operation, message: "planned, outcome unknown")
        }
        return result
    }

    func open() throws(LogFailure) {
        try step("open") { () throws(LogFailure) in
            topics.epoch += 1
            epoch = topics.epoch
            transaction = nil
        }
    }

    func committedOffset() throws(LogFailure) -> Int64? {
        try step("committedOffset") { () throws(LogFailure) in topics.committedOffset }
    }

    func offsets(of topic: Topic) throws(LogFailure) -> Range<Int64> {
        0..<Int64(topics.records[topic]?.count ?? 0)
    }

    func writtenEnds(of topics: [Topic]) throws(LogFailure) -> [Int64] {
        topics.map { Int64(self.topics.records[$0]?.count ?? 0) + (openRecords[$0] ?? 0) }
    }

    func read(
        _ topic: Topic, from offset: Int64, _ body: (LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) {
        try step("read \(topic.rawValue)") { () throws(LogFailure) in
            let records = topics.records[topic] ?? []
            for (index, record) in records.enumerated() where index >= Int(offset) && record.isCommitted {
                try give(record, at: Int64(index), to: body)
            }
        }
    }

    func startReading(at offset: Int64) throws(LogFailure) {
        try step("startReading") { () throws(LogFailure) in position = offset }
    }

    func poll(
        limit: Int, timeoutMilliseconds: Int, _ body: (LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) -> Int {
        try step("poll") { () throws(LogFailure) in
            let input = topics.records[.commands] ?? []
            let batch = Array(input.dropFirst(Int(position)).prefix(min(limit, 7)))
            for record in batch {
                try give(record, at: position, to: body)
                position += 1
            }
            return batch.count
        }
    }

    func readOffset() throws(LogFailure) -> Int64 {
        position + (position == Int64(topics.records[.commands]?.count ?? 0) ? markers : 0)
    }

    func begin() throws(LogFailure) { try step("begin") { () throws(LogFailure) in transaction = [] } }

    func produce(
        _ topic: Topic, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?
    ) throws(LogFailure) {
        try step("produce") { () throws(LogFailure) in
            let index = topics.records[topic]?.count ?? 0
            topics.records[topic, default: []].append(
                MemoryTopics.Record(
                    key: key.map { Array($0) }, value: value.map { Array($0) }, timestamp: 0,
                    isCommitted: false))
            transaction!.append((topic, index))
        }
    }

    func reply(
        _ partition: Int32, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer
    ) throws(LogFailure) {
        try produce(.orderReplies, key: key, value: value)
    }

    func startCommit(nextOffset: Int64) throws(LogFailure) {
        pending = nextOffset
        wasAsked = false
    }

    /// It answers when it is asked for the second time, so that something is decided ahead.
    func isCommitted(timeoutMilliseconds: Int) throws(LogFailure) -> Bool {
        guard wasAsked else {
            wasAsked = true
            return false
        }
        defer { pending = nil }
        try commit(nextOffset: pending!)
        return true
    }

    private func commit(nextOffset: Int64) throws(LogFailure) {
        try step("commit") { () throws(LogFailure) in
            transactions.append((nextOffset, transaction!.map { (topic: $0.0, index: $0.1) }))
            for (topic, index) in transaction! { topics.records[topic]![index].isCommitted = true }
            topics.committedOffset = nextOffset
            transaction = nil
        }
    }

    func close() {
        precondition(pending == nil, "closed during a commit")
        operations.append("close")
        transaction = nil
    }

    private func give(
        _ record: MemoryTopics.Record, at offset: Int64, to body: (LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) {
        // Copies with room for a byte more, so that an empty buffer has an address too.
        let key = record.key.map { $0 + [0] }
        let value = record.value.map { $0 + [0] }
        var failure: LogFailure?
        withOptionalBytes(key) { key in
            withOptionalBytes(value) { value in
                do throws(LogFailure) {
                    try body(
                        LogRecord(key: key, value: value, offset: offset, timestamp: record.timestamp))
                } catch {
                    failure = error
                }
            }
        }
        if let failure { throw failure }
    }

    private func withOptionalBytes(_ bytes: [UInt8]?, _ body: (UnsafeRawBufferPointer?) -> Void) {
        guard let bytes else { return body(nil) }
        bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0.dropLast())) }
    }
}

/// Remembers what a worker tells.
final class RecordingObserver: WorkerObserver {
    var committedCommands = 0
    var failures: [LogFailure] = []
    var halted: String?
    var isFinished = false

    func worker(_ partition: Int32, restoring reading: Restorer.Reading) {}
    func worker(_ partition: Int32, restored progress: Restorer.Progress, _ start: StartFigures, from: Int64)
    {}
    func worker(_ partition: Int32, committed counts: CommandCounts, _ transaction: TransactionFigures) {
        committedCommands += counts.byOutcome.reduce(0) { $0 + $1.count } + counts.deadLetters
    }
    func worker(_ partition: Int32, failed failure: LogFailure, inARow: Int) { failures.append(failure) }
    func worker(_ partition: Int32, finished halted: String?) {
        self.halted = halted
        isFinished = true
    }
    func worker(_ partition: Int32, isBackWithin milliseconds: Int64) {}
}
