import CRdKafka

/// What follows from an error.
package enum Recovery: Sendable, Equatable, CaseIterable {
    /// The same call may be made again.
    case retry
    /// The open transaction cannot commit: abort it, then begin again with the same producer.
    case abortTransaction
    /// Another owner has taken over, or this client can no longer be trusted: drop the client and all state that
    /// was built with it, and start the worker again.
    case fenced
    /// A new start meets the same error: stop, and let a person put it right.
    case fatal

    /// What to do, for the end of a message.
    package var advice: String {
        switch self {
        case .retry: "try again"
        case .abortTransaction: "abort the transaction and begin again"
        case .fenced: "drop this client and start the worker again"
        case .fatal: "stop, put the cause right, then start again"
        }
    }

    /// What librdkafka itself says of an error object.
    package struct Flags: OptionSet, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        /// `rd_kafka_error_is_fatal`
        package static let isFatal = Flags(rawValue: 1)
        /// `rd_kafka_error_is_retriable`
        package static let isRetriable = Flags(rawValue: 2)
        /// `rd_kafka_error_txn_requires_abort`
        package static let requiresAbort = Flags(rawValue: 4)
    }

    /// Derives the recovery from the code and the flags.
    ///
    /// The table comes first where it says `.fenced` or `.fatal`: librdkafka calls a fenced producer fatal, for
    /// this producer is lost, while the service goes on with a new one; and an abort alone does not give back a
    /// partition that the group has taken away. Then come librdkafka's flags, then the rest of the table. An
    /// error that nobody knows is fatal: to go on would be a guess.
    package static func following(from code: KafkaError.Code, flags: Flags) -> Recovery {
        let known = table[code]
        if let known, known == .fenced || known == .fatal { return known }
        if flags.contains(.requiresAbort) { return .abortTransaction }
        if flags.contains(.isFatal) { return .fatal }
        if flags.contains(.isRetriable) { return .retry }
        return known ?? .fatal
    }

    private static let table: [KafkaError.Code: Recovery] = Dictionary(
        uniqueKeysWithValues: rows.map { (KafkaError.Code($0.code), $0.recovery) })

    private typealias Row = (code: rd_kafka_resp_err_t, recovery: Recovery, reason: String)

    /// The table: each code with what follows from it, and why.
    private static let rows: [Row] = fencedRows + retryRows + abortRows + fatalRows

    private static let fencedRows: [Row] = [
        (RD_KAFKA_RESP_ERR__FENCED, .fenced, "a newer producer has the same transactional.id"),
        (RD_KAFKA_RESP_ERR_PRODUCER_FENCED, .fenced, "the same, in the broker's words"),
        (RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, .fenced, "the same, from brokers before 2.5"),
        (
            RD_KAFKA_RESP_ERR_TRANSACTION_COORDINATOR_FENCED, .fenced,
            "an older coordinator spoke: only a new init_transactions tells how the transaction ended"
        ),
        (
            RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING, .fenced,
            "the coordinator has forgotten the transactional.id: it must be initialised again"
        ),
        (
            RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, .fenced,
            "the broker has forgotten the producer's sequence: a new producer begins a new one"
        ),
        (
            RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, .fenced,
            "records were lost or repeated in between: a new producer begins a new sequence"
        ),
        (RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE, .fenced, "the same, seen by the client"),
        (
            RD_KAFKA_RESP_ERR_INVALID_TXN_STATE, .fenced,
            "client and coordinator disagree about the transaction: read what was committed"
        ),
        (
            RD_KAFKA_RESP_ERR__STATE, .fenced,
            "the client is in another state than the caller believes, as after a commit with unknown outcome"
        ),
        (
            RD_KAFKA_RESP_ERR__CONFLICT, .fenced,
            "another call is still at work in this producer, perhaps blocked for ever"
        ),
        (RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, .fenced, "a newer member has the same group.instance.id"),
        (RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, .fenced, "the group has rebalanced: partitions may have gone"),
        (
            RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, .fenced,
            "the group has dropped this member with its partitions"
        ),
        (RD_KAFKA_RESP_ERR_FENCED_MEMBER_EPOCH, .fenced, "the same, in the consumer protocol of KIP-848"),
        (RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH, .fenced, "the group has rebalanced (KIP-848)"),
        (RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, .fenced, "the group takes partitions back just now"),
        (RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST, .fenced, "the partitions have another owner by now"),
        (RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED, .fenced, "the member polled too late and has left the group"),
        (RD_KAFKA_RESP_ERR__DESTROY, .fenced, "the client is being closed"),
        (
            RD_KAFKA_RESP_ERR_UNKNOWN, .fenced,
            "the broker failed in a way that Kafka has no code for, as when its disk fills up under a request"
        ),
    ]

    private static let retryRows: [Row] = [
        (
            RD_KAFKA_RESP_ERR__TIMED_OUT, .retry,
            "no answer in time; the same call, made again, takes up where it was"
        ),
        (RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE, .retry, "the request was never sent"),
        (RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, .retry, "the broker was too slow"),
        (RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, .retry, "the record was not delivered in time"),
        (RD_KAFKA_RESP_ERR__TRANSPORT, .retry, "the connection broke; librdkafka connects again by itself"),
        (RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, .retry, "no broker is reachable at the moment"),
        (RD_KAFKA_RESP_ERR__RESOLVE, .retry, "the broker's name did not resolve at the moment"),
        (RD_KAFKA_RESP_ERR__SSL, .retry, "a handshake also fails when the connection breaks in it"),
        (RD_KAFKA_RESP_ERR__WAIT_COORD, .retry, "the group's coordinator is being looked up"),
        (RD_KAFKA_RESP_ERR__WAIT_CACHE, .retry, "metadata is on its way"),
        (RD_KAFKA_RESP_ERR__IN_PROGRESS, .retry, "the same call is still at work"),
        (RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS, .retry, "the call before this one is still at work"),
        (RD_KAFKA_RESP_ERR__RETRY, .retry, "librdkafka asks for it"),
        (RD_KAFKA_RESP_ERR__INTR, .retry, "the wait was ended early"),
        (RD_KAFKA_RESP_ERR__QUEUE_FULL, .retry, "the local queue has no room until deliveries are polled"),
        (RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION, .retry, "the broker lost a connection of its own"),
        (RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE, .retry, "the broker is starting or stopping"),
        (RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, .retry, "the partition elects a leader"),
        (RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, .retry, "the leader has moved"),
        (RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH, .retry, "the leader has moved"),
        (RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH, .retry, "the broker has older metadata than the client"),
        (RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE, .retry, "the new leader has not caught up"),
        (RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, .retry, "the coordinator is reading its log"),
        (RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, .retry, "the coordinator is being elected"),
        (RD_KAFKA_RESP_ERR_NOT_COORDINATOR, .retry, "the coordinator has moved"),
        (RD_KAFKA_RESP_ERR_NOT_CONTROLLER, .retry, "the controller has moved"),
        (RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, .retry, "replicas are behind or down"),
        (RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, .retry, "replicas are behind or down"),
        (
            RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, .retry,
            "the broker's disk failed; another leader will serve"
        ),
        (
            RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, .retry,
            "so answers a broker that has not heard of a new topic"
        ),
        (
            RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT, .retry,
            "a transaction that is still open holds these offsets"
        ),
        (
            RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, .retry,
            "the transaction before is still being completed"
        ),
        (RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED, .retry, "the broker asks for patience"),
    ]

    private static let abortRows: [Row] = [
        (RD_KAFKA_RESP_ERR__PURGE_QUEUE, .abortTransaction, "the record was given up before it was sent"),
        (RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, .abortTransaction, "the record was given up while on its way"),
    ]

    private static let fatalRows: [Row] = [
        (RD_KAFKA_RESP_ERR__INVALID_ARG, .fatal, "the call or the configuration is wrong"),
        (RD_KAFKA_RESP_ERR__NOT_CONFIGURED, .fatal, "a setting is missing, such as transactional.id"),
        (RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, .fatal, "the library or the broker is too old"),
        (RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, .fatal, "the broker is too old"),
        (RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, .fatal, "the topic must be created first"),
        (RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, .fatal, "the topic has fewer partitions than was believed"),
        (RD_KAFKA_RESP_ERR__AUTHENTICATION, .fatal, "the credentials are wrong"),
        (RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, .fatal, "the credentials are wrong"),
        (RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, .fatal, "the principal may not use the topic"),
        (RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, .fatal, "the principal may not use the group"),
        (RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, .fatal, "the principal may not do this"),
        (
            RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, .fatal,
            "the principal may not use the transactional.id"
        ),
        (
            RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT, .fatal,
            "transaction.timeout.ms is over the broker's limit"
        ),
        (RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, .fatal, "the record never fits"),
        (
            RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, .fatal,
            "the log no longer holds the offset: records are missing"
        ),
        (
            RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, .fatal,
            "the log no longer holds the offset: records are missing"
        ),
        (
            RD_KAFKA_RESP_ERR__LOG_TRUNCATION, .fatal,
            "the log was cut below what was read: records are missing"
        ),
    ]
}

extension KafkaError {
    /// Another producer has the transactional id now; the other errors whose recovery is `.fenced` only say that this
    /// client cannot be trusted any more.
    package var isTakenOver: Bool { Self.ownerCodes.contains(code.native) }

    private static let ownerCodes = [
        RD_KAFKA_RESP_ERR__FENCED, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
    ]

    /// The client does not know the topic, or the partition. For who has used it before that is an outage: a client
    /// that has not heard of a broker for a while forgets its topics.
    package var isForgottenTopic: Bool { Self.forgottenCodes.contains(code.native) }

    private static let forgottenCodes = [
        RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
        RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
    ]

    /// Whether a reader that has read before only has to wait.
    package var passesByItself: Bool { recovery == .retry || isForgottenTopic }
}
