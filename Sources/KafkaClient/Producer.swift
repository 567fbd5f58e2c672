import CRdKafka

/// Where a record goes.
package enum PartitionChoice: Sendable, Equatable {
    /// As Java producers place it: murmur2 of the key, or at random without a key.
    case byKey
    case number(Int32)
}

/// What `produce` did with a record.
package enum ProduceOutcome: Sendable, Equatable {
    /// It stands in the local queue, and its delivery report will come.
    case queued
    /// The local queue has no room (`queue.buffering.max.messages`, `.kbytes`): poll, then produce it again.
    case queueFull
}

/// An idempotent producer. One thread uses it at a time.
package class Producer {
    let client: Client

    /// Makes a producer (`rd_kafka_new`); it connects in the background. It is idempotent unless
    /// `enable.idempotence` is set, and its partitioner is always `murmur2_random`.
    ///
    /// - Parameter deliveries: gets the report of each record, on the thread that calls `poll`, `flush`, or a
    ///   transaction's commit or abort. It may produce, but not poll.
    /// - Throws: `_INVALID_ARG` for settings that librdkafka refuses.
    package init(
        configuration: KafkaConfiguration, events: ClientEvents = .ignored,
        deliveries: @escaping (DeliveryReport) -> Void = { _ in }
    ) throws(KafkaError) {
        var settings = configuration.withDefault("enable.idempotence", "true")
        // Every writer of a topic must place keys alike, and Java's do it this way.
        settings["partitioner"] = "murmur2_random"
        client = try Client(.producer, configuration: settings, events: events)
        client.context.deliver = deliveries
    }

    /// A topic to produce to (`rd_kafka_topic_new`). Keep it: making one takes locks and memory.
    package func topic(_ name: String) throws(KafkaError) -> Topic { try client.topic(name) }

    /// Puts a copy of a record into the local queue; librdkafka sends it in the background (`rd_kafka_produce`).
    ///
    /// - Parameters:
    ///   - topic: one of this producer's.
    ///   - key: nil for none; empty is a key.
    ///   - value: nil for a tombstone; empty is a value.
    ///   - tag: comes back with the delivery report.
    /// - Throws: `MSG_SIZE_TOO_LARGE`, `_UNKNOWN_PARTITION`, or the producer's fatal error.
    package func produce(
        _ topic: Topic, partition: PartitionChoice = .byKey, key: UnsafeRawBufferPointer?,
        value: UnsafeRawBufferPointer?, tag: UInt64 = 0
    ) throws(KafkaError) -> ProduceOutcome {
        let number: Int32
        switch partition {
        case .byKey: number = -1
        case .number(let chosen): number = chosen
        }
        let payload = value.map { UnsafeMutableRawPointer(mutating: $0.baseAddress ?? emptyBytes) }
        let result = rd_kafka_produce(
            topic.pointer, number, RD_KAFKA_MSG_F_COPY, payload, value?.count ?? 0,
            key.map { $0.baseAddress ?? emptyBytes }, key?.count ?? 0,
            UnsafeMutableRawPointer(bitPattern: UInt(tag)))
        guard result != 0 else { return .queued }
        let code = rd_kafka_last_error()
        if code == RD_KAFKA_RESP_ERR__QUEUE_FULL { return .queueFull }
        throw KafkaError(code: code, operation: "produce to \(topic.name)", client: client.pointer)
    }

    /// Serves delivery reports and events, and waits for the first at most `timeoutMilliseconds` (-1: for ever);
    /// returns how many there were (`rd_kafka_poll`).
    @discardableResult
    package func poll(timeoutMilliseconds: Int) -> Int {
        Int(rd_kafka_poll(client.pointer, Int32(clamping: timeoutMilliseconds)))
    }

    /// Waits until every record is delivered or has failed (`rd_kafka_flush`).
    ///
    /// - Throws: `_TIMED_OUT` if some are still on their way.
    package func flush(timeoutMilliseconds: Int) throws(KafkaError) {
        try KafkaError.check(
            rd_kafka_flush(client.pointer, Int32(clamping: timeoutMilliseconds)),
            operation: "flush the producer",
            client: client.pointer)
    }

    /// Gives up every record that is not delivered, those on their way included (`rd_kafka_purge`). Their reports,
    /// with `_PURGE_QUEUE` or `_PURGE_INFLIGHT`, come with the next polls; the broker may have stored the latter.
    package func purge() throws(KafkaError) {
        try KafkaError.check(
            rd_kafka_purge(client.pointer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT),
            operation: "purge the producer", client: client.pointer)
    }

    /// How many records and events wait, in the queue, on their way, or for a poll (`rd_kafka_outq_len`).
    package var outstanding: Int { Int(rd_kafka_outq_len(client.pointer)) }

    /// The cluster's id (`rd_kafka_clusterid`), or nil if no broker told it in time.
    package func clusterID(timeoutMilliseconds: Int) -> String? {
        client.clusterID(timeoutMilliseconds: timeoutMilliseconds)
    }

    /// What was not delivered is given up, at once, also when the broker is gone.
    deinit { client.context.deliver = nil }
}
