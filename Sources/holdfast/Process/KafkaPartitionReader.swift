import InventoryWire
import KafkaClient
import Operations
import StreamRuntime

/// Reads one partition of the topics that a state is made from. One consumer does for all of them, one after
/// another; it is made at the first reading, and dropped when it is to rest.
final class KafkaPartitionReader: OwnedPartition {
    let partition: Int32
    private let settings: KafkaSettings
    private let events: ClientEvents
    private let isStopping: () -> Bool
    /// Keeps the promise to the watchdog during long reads.
    private let beat: () -> Void
    private var consumer: Consumer?

    init(
        partition: Int32, settings: KafkaSettings, events: ClientEvents, consumer: Consumer? = nil,
        isStopping: @escaping () -> Bool, beat: @escaping () -> Void
    ) {
        self.partition = partition
        self.settings = settings
        self.events = events
        self.consumer = consumer
        self.isStopping = isStopping
        self.beat = beat
    }

    /// Gives the consumer and its connections back.
    func rest() { consumer = nil }

    func offsets(of topic: Topic) throws(LogFailure) -> Range<Int64> {
        beat()
        return try attempt("ask for the offsets of \(topic.rawValue)") { () throws(KafkaError) in
            let found = try existingConsumer().watermarks(
                TopicPartition(settings.name(topic), partition), timeoutMilliseconds: settings.callTimeout)
            return found.low..<max(found.low, found.high)
        }
    }

    /// A reader of its own asks, once: the other one sees only what is committed.
    func writtenEnds(of topics: [Topic]) throws(LogFailure) -> [Int64] {
        beat()
        return try attempt("ask for the ends of \(topics.map(\.rawValue).joined(separator: ", "))") {
            () throws(KafkaError) in
            let asker = try Consumer(
                configuration: settings.readerToEnd(isolation: .uncommitted), events: events)
            return try asker.ends(
                of: topics.map { TopicPartition(settings.name($0), partition) },
                timeoutMilliseconds: settings.callTimeout
            ).map(\.offset)
        }
    }

    func read(
        _ topic: Topic, from offset: Int64, _ body: (LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) {
        var failure: LogFailure?
        try attempt("read \(topic.rawValue)") { () throws(KafkaError) in
            let reader = try existingConsumer()
            try reader.assign([
                TopicPartitionOffset(settings.name(topic), partition, offset: offset)
            ])
            let deadline = Deadline(milliseconds: settings.restoreTimeout)
            var isAtEnd = false
            while !isAtEnd && failure == nil {
                beat()
                if isStopping() {
                    failure = LogFailure(.stopped, operation: "read \(topic.rawValue)", message: "stopping")
                } else if deadline.isPast {
                    failure = LogFailure(
                        .restart, operation: "read \(topic.rawValue)",
                        message: "no end after \(settings.restoreTimeout) ms (restore_timeout_ms)")
                }
                reader.consumeBatch(maxMessages: 10_000, timeoutMilliseconds: 100) { message in
                    switch message.kind {
                    case .record:
                        guard failure == nil else { return }
                        do throws(LogFailure) { try body(message.logRecord) } catch { failure = error }
                    case .endOfPartition: isAtEnd = true
                    case .failure(let error):
                        if failure == nil && error.recovery != .retry { failure = LogFailure(error) }
                    }
                }
            }
            try reader.unassign()
        }
        if let failure {
            // Whatever it was, the next reading has a consumer that knows nothing of it.
            rest()
            throw failure
        }
    }

    private func existingConsumer() throws(KafkaError) -> Consumer {
        if let consumer { return consumer }
        let consumer = try Consumer(
            configuration: settings.readerToEnd(isolation: .committed), events: events)
        self.consumer = consumer
        return consumer
    }
}
