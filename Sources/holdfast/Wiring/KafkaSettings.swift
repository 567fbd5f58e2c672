import InventoryWire
import KafkaClient
import Operations

/// Holdfast's settings of the clients of Kafka, each with its reason. The user's `kafka.*` settings go over
/// those that tune, and under those that exactly once rests on.
struct KafkaSettings: Sendable {
    enum Isolation: String {
        case committed = "read_committed"
        case uncommitted = "read_uncommitted"
    }

    private let configuration: Configuration

    /// - Parameter prefix: another one than the configuration's, for who writes to another system's topics.
    init(_ configuration: Configuration, prefix: String? = nil) {
        self.configuration = configuration
        self.prefix = prefix ?? configuration.string("topic_prefix")
    }

    /// How long one call of a client may block, in milliseconds: a little longer than the broker gives a
    /// transaction, and far shorter than the watchdog waits.
    var callTimeout: Int { configuration.integer("transaction_timeout_ms") + 1_000 }

    var restoreTimeout: Int { configuration.integer("restore_timeout_ms") }

    /// The name of a topic on this cluster.
    func name(_ topic: Topic) -> String { prefix + topic.rawValue }

    /// Stands before topics, groups and transactional ids alike: two systems on a cluster must not fence one
    /// another, nor take one another's partitions.
    let prefix: String

    /// The transactional id that belongs to a partition, whoever owns it.
    func transactionalID(_ partition: Int32) -> String {
        "\(prefix)\(configuration.string("transactional_id_prefix"))-stock-\(partition)"
    }

    /// The same of a partition of orders.
    func orderTransactionalID(_ partition: Int32) -> String {
        "\(prefix)\(configuration.string("transactional_id_prefix"))-orders-\(partition)"
    }

    /// There is one relay; a second one fences the first.
    var relayTransactionalID: String { "\(prefix)\(configuration.string("transactional_id_prefix"))-relay" }

    /// One redrive works at a time; a second one fences the first.
    var redriveTransactionalID: String {
        "\(prefix)\(configuration.string("transactional_id_prefix"))-redrive"
    }

    /// Copies topics into those of this prefix; a second one fences the first.
    var growTransactionalID: String { "\(prefix)\(configuration.string("transactional_id_prefix"))-grow" }

    func group(_ role: String?) -> String {
        let group = prefix + configuration.string("group_id")
        return role.map { "\(group)-\($0)" } ?? group
    }

    /// A member of a group. What it reads is placed by its owner, never by the group's offsets.
    /// - Parameter atEnd: whether the ends of partitions are told.
    func member(role: String?, atEnd: Bool = false) -> KafkaConfiguration {
        var settings = reader(isolation: .committed)
        settings["group.id"] = group(role)
        settings["group.instance.id"] = configuration.optionalString("instance_id")
        settings["session.timeout.ms"] = String(configuration.integer("session_timeout_ms"))
        settings["heartbeat.interval.ms"] = String(configuration.integer("session_timeout_ms") / 4)
        // Partitions that stay keep their worker and its state through a rebalance.
        settings["partition.assignment.strategy"] = "cooperative-sticky"
        settings["enable.partition.eof"] = atEnd ? "true" : "false"
        return settings
    }

    /// A consumer that is told what to read, and whose offsets the group keeps, in a producer's transactions.
    func offsetHolder(role: String?) -> KafkaConfiguration {
        var settings = reader(isolation: .committed)
        settings["group.id"] = group(role)
        return settings
    }

    /// A consumer that is told what to read, follows it, and says when it is at the end.
    ///
    /// It keeps Kafka's `fetch.wait.max.ms` of 500: a broker answers as soon as there is a record
    /// (`fetch.min.bytes` is 1), so a shorter wait makes no record earlier, and only has an idle consumer ask
    /// more often. It is told the end of a partition up to so much later.
    func reader(isolation: Isolation) -> KafkaConfiguration {
        reader(isolation: isolation, longestWait: nil)
    }

    /// A consumer that reads partitions to their ends, and is then told what to read next, or dropped.
    ///
    /// The end is told by an answer that has no records, which the broker holds back for `fetch.wait.max.ms`. Then
    /// librdkafka has already asked again, and what it is told to read next waits for that answer too: one request
    /// at a time goes to a broker. Measured on a partition of 200 SKUs, with 500 ms and with 5: `show` takes 0.54 and
    /// 0.07 s, `verify` 1.15 and 0.19 s; and a restore reads four topics, one after another.
    func readerToEnd(isolation: Isolation) -> KafkaConfiguration {
        reader(isolation: isolation, longestWait: 5)
    }

    /// - Parameter longestWait: how long the broker holds an answer without records, in milliseconds; nil for Kafka's
    ///   default.
    private func reader(isolation: Isolation, longestWait: Int?) -> KafkaConfiguration {
        var settings = common()
        settings["fetch.wait.max.ms"] = longestWait.map { String($0) }
        settings["fetch.queue.backoff.ms"] = "2"
        settings["queued.min.messages"] = "100000"
        settings["queued.max.messages.kbytes"] = "131072"
        // A batch may come to so much when it is unpacked by zstd: `receive.message.max.bytes` bounds that too, and must be
        // a little more than `fetch.max.bytes`. The standards are 52 and 100 MB; a fetch of 16 MiB costs no speed.
        settings["fetch.max.bytes"] = "16777216"
        settings["receive.message.max.bytes"] = "16778240"
        apply(&settings)
        settings["group.id"] = group("reader")
        settings["isolation.level"] = isolation.rawValue
        settings["enable.auto.commit"] = "false"
        settings["enable.auto.offset.store"] = "false"
        // An offset that is not there is a loss to be told, not a place to jump from.
        settings["auto.offset.reset"] = "error"
        settings["enable.partition.eof"] = "true"
        // Bytes that a disk has changed are no record. Kafka's own clients look at checksums, librdkafka only if told so.
        settings["check.crcs"] = "true"
        return settings
    }

    /// A client that only looks whether there is a record: little is fetched for it.
    func probe() -> KafkaConfiguration {
        var settings = readerToEnd(isolation: .committed)
        // Nobody polls it between two questions, and they would heap up.
        settings["statistics.interval.ms"] = "0"
        settings["queued.min.messages"] = "1"
        settings["queued.max.messages.kbytes"] = "1024"
        settings["fetch.message.max.bytes"] = "65536"
        return settings
    }

    /// A client that finds where an unreadable batch ends: it asks many times, and is mostly answered with an error.
    func batchSearch() -> KafkaConfiguration {
        var settings = probe()
        settings["fetch.error.backoff.ms"] = "10"
        return settings
    }

    /// The producer of a partition's transactions.
    func producer(transactionalID: String) -> KafkaConfiguration {
        var settings = producing()
        // Records wait for the commit, which sends them at once: one request to a topic and transaction. Sent
        // earlier they would save nothing, and librdkafka's idempotent producer turns in circles for as long as a
        // partition has records to send and five or more that are not acknowledged
        // (rd_kafka_toppar_producer_serve), which takes the cores from everyone.
        settings["linger.ms"] = String(2 * configuration.integer("commit_interval_ms") + 50)
        // A coordinator that still writes the markers of the transaction before refuses the next one for a few
        // milliseconds (CONCURRENT_TRANSACTIONS). The standard wait before a retry, 100 ms, would be nearly all of an
        // answer's time; it doubles up to the second.
        settings["retry.backoff.ms"] = "2"
        settings["retry.backoff.max.ms"] = "1000"
        apply(&settings)
        settings["enable.idempotence"] = "true"
        settings["acks"] = "all"
        settings["transactional.id"] = transactionalID
        settings["transaction.timeout.ms"] = String(configuration.integer("transaction_timeout_ms"))
        return settings
    }

    /// A producer of commands. It may repeat itself when it retries: a command is decided once, however often it
    /// stands in the log. So it is not idempotent, and many requests can be on their way at once.
    func producer() -> KafkaConfiguration {
        var settings = producing()
        // Long enough for a batch to form, short against an answer in 100 ms.
        settings["linger.ms"] = "2"
        apply(&settings)
        settings["enable.idempotence"] = "false"
        settings["acks"] = "all"
        return settings
    }

    /// A producer of proposals: few, and each once.
    func proposer() -> KafkaConfiguration {
        var settings = producer()
        settings["enable.idempotence"] = "true"
        return settings
    }

    private func producing() -> KafkaConfiguration {
        var settings = common()
        settings["batch.num.messages"] = "10000"
        settings["batch.size"] = "1000000"
        settings["queue.buffering.max.messages"] = "1000000"
        settings["queue.buffering.max.kbytes"] = "1048576"
        // Dead letters hold a command of up to 1 MiB in base64.
        settings["message.max.bytes"] = "2097152"
        settings["compression.codec"] = "lz4"
        return settings
    }

    /// For the admin client, and under all others.
    func common() -> KafkaConfiguration {
        var settings = KafkaConfiguration()
        settings["bootstrap.servers"] = configuration.string("bootstrap_servers")
        settings["client.id"] = "holdfast-\(configuration.role.split(separator: " ").first ?? "tool")"
        // Small requests must not wait for the acknowledgement of earlier ones.
        settings["socket.nagle.disable"] = "true"
        settings["reconnect.backoff.max.ms"] = "1000"
        // They tell when a broker that was gone is back.
        settings["statistics.interval.ms"] = "5000"
        apply(&settings)
        return settings
    }

    private func apply(_ settings: inout KafkaConfiguration) {
        for (name, value) in configuration.kafka.sorted(by: { $0.key < $1.key }) { settings[name] = value }
    }
}
