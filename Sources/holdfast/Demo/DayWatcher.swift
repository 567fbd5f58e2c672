import InventoryCore
import InventoryWire
import KafkaClient
import Operations

/// What fulfilment and the buyers read while the day goes on: results, notices to orders, alerts.
final class DayWatcher {
    private let consumer: Consumer
    private let results: KafkaClient.Topic
    private let alertTopic: KafkaClient.Topic
    private var reader = RecordReader()
    private let prefix: String

    /// By command, in the order of the log.
    private(set) var outcomes: [String: [Outcome]] = [:]
    /// Results of `expire` and `transfer_due`, which the delay service sends.
    private(set) var due: [Outcome] = []
    /// By warehouse, how many partitions have taken it in, over and over.
    private(set) var warehouseCounts: [String: Int] = [:]
    /// Results of the relay's `set_policies`.
    private(set) var policies: Set<String> = []
    private(set) var notices: [Notice] = []
    private(set) var alerts: [Alert] = []
    private(set) var letters = 0

    init(
        run: String, settings: KafkaSettings, events: ClientEvents,
        from starts: [InventoryWire.Topic: [Int32: Int64]]
    ) throws(KafkaError) {
        prefix = run + "-"
        consumer = try Consumer(configuration: settings.reader(isolation: .committed), events: events)
        results = try consumer.topic(settings.name(.results))
        alertTopic = try consumer.topic(settings.name(.alerts))
        let topics: [InventoryWire.Topic] = [.results, .alerts, .deadLetters]
        try consumer.assign(
            topics.flatMap { topic in
                starts[topic]!.map { TopicPartitionOffset(settings.name(topic), $0.key, offset: $0.value) }
            })
    }

    /// Reads what is there, having waited for it a little.
    func look() throws(KafkaError) {
        var failure: KafkaError?
        consumer.consumeBatch(maxMessages: 1_000, timeoutMilliseconds: 20) { message in
            if case .failure(let error) = message.kind, error.recovery != .retry { failure = error }
            guard message.isRecord, let value = message.value else { return }
            if message.isFrom(results) {
                saw(result: value)
            } else if message.isFrom(alertTopic) {
                if let alert = try? reader.alert(value), alert.sku.text.hasPrefix(prefix) {
                    alerts.append(alert)
                }
            } else if let key = message.key, key.starts(with: prefix.utf8) {
                letters += 1
            }
        }
        if let failure { throw failure }
    }

    private func saw(result value: UnsafeRawBufferPointer) {
        if let notice = try? reader.notice(value) {
            if notice.sku.text.hasPrefix(prefix) { notices.append(notice) }
            return
        }
        guard let outcome = try? reader.outcome(value).outcome else { return }
        if outcome.kind == .warehouseSet, let warehouse = outcome.warehouse {
            warehouseCounts[warehouse.text, default: 0] += 1
        }
        guard outcome.sku.text.hasPrefix(prefix) else { return }
        switch outcome.command {
        case .expire, .transferDue: due.append(outcome)
        case .setPolicies: policies.insert(outcome.sku.text)
        default: outcomes[outcome.commandID.text, default: []].append(outcome)
        }
    }
}
