import CRdKafka

/// What an error that a consumer reads is about.
package enum FetchScope: Sendable, Equatable, CaseIterable {
    /// One batch of records, which no reader can read: others of its partition can be.
    case batch
    /// One partition: others go on.
    case partition
    /// The client as a whole.
    case client
}

/// Why a batch cannot be read.
package enum BatchFault: String, Sendable, Equatable, CaseIterable {
    /// It cannot be unpacked, or would come to more than `receive.message.max.bytes`.
    case compression
    /// Its checksum is another, or it cannot be parsed.
    case damaged
    /// Its form, or its compression, is not known.
    case format
    /// It is larger than a reader takes.
    case size
}

extension KafkaError {
    /// What a consumer's error is about (`rd_kafka_message_t.err`).
    package var scope: FetchScope {
        batchFault != nil ? .batch : Self.ofPartition.contains(code) ? .partition : .client
    }

    /// Whether the broker itself cannot find a batch.
    var isBrokersFault: Bool { code == Code(RD_KAFKA_RESP_ERR_INVALID_MSG) }

    /// Why a batch cannot be read; nil where the error is about something else.
    ///
    /// librdkafka gives `_BAD_COMPRESSION`, `_BAD_MSG` and `_NOT_IMPLEMENTED` with the batch's first offset
    /// (rdkafka_msgset_reader.c); a broker that cannot find the batch in its own file answers `CORRUPT_MESSAGE`, which
    /// librdkafka calls `INVALID_MSG`, and gives with the offset that was asked for (rdkafka_fetcher.c). After each of
    /// them it asks for the same offset again, for ever.
    package var batchFault: BatchFault? { Self.faults[code] }

    private static let faults: [Code: BatchFault] = [
        Code(RD_KAFKA_RESP_ERR__BAD_COMPRESSION): .compression,
        Code(RD_KAFKA_RESP_ERR__BAD_MSG): .damaged,
        Code(RD_KAFKA_RESP_ERR_INVALID_MSG): .damaged,
        Code(RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED): .format,
        Code(RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE): .format,
        Code(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE): .size,
    ]

    private static let ofPartition: Set<Code> = [
        Code(RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE), Code(RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET),
        Code(RD_KAFKA_RESP_ERR__LOG_TRUNCATION), Code(RD_KAFKA_RESP_ERR_UNKNOWN),
        Code(RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION), Code(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART),
        Code(RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR), Code(RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION),
        Code(RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE), Code(RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE),
        Code(RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE),
    ]
}

/// Finds where an unreadable batch ends: librdkafka tells where it begins, and not where it ends.
///
/// A fetch from an offset within the batch gives the same error again; one from behind it gives a record, the end, or the
/// error of another batch. So the end is found by asking from further and further on, each time twice as far, and then by
/// halves: for a batch of 100,000 records by 35 questions.
///
/// A state machine: it says from which offset to ask, and is told what came first.
package struct BatchSearch: Sendable {
    /// What a fetch from an offset gives first.
    package enum Sight: Equatable, Sendable {
        /// A record, or the end.
        case readable
        /// A batch that begins at `at`; or nothing that the broker itself could find at the offset that was asked for.
        case unreadable(BatchFault, at: Int64, isBrokers: Bool)
        /// Nothing in time.
        case nothing
    }

    package enum Step: Equatable, Sendable {
        case ask(from: Int64)
        case found(offsets: Range<Int64>, BatchFault)
        /// It can be read after all.
        case passed
        /// Nobody answers, or nothing can be read up to the end: ask later.
        case unknown
    }

    /// So often a batch is found unreadable before it is believed.
    private static let confirmations = 3

    private let start: Int64
    private let end: Int64
    private var seen = 0
    private var first: Int64
    /// Where the batch begins, as its error says; nil where the broker itself does not find it.
    private var base: Int64?
    private var fault = BatchFault.damaged
    /// The last offset that is within the batch, and the first that is known not to be.
    private var inside: Int64
    private var outside: Int64?
    private var stride: Int64 = 1
    package private(set) var step: Step

    /// - Parameters:
    ///   - start: the offset from which reading met the batch.
    ///   - end: the last stable offset: the batch ends before it or there.
    package init(from start: Int64, end: Int64) {
        (self.start, self.end) = (start, end)
        (first, inside) = (start, start)
        step = end > start ? .ask(from: start) : .passed
    }

    /// What came of the last `ask`.
    package mutating func saw(_ sight: Sight) {
        guard case .ask(let offset) = step else { preconditionFailure("nothing was asked") }
        switch sight {
        case .nothing: step = .unknown
        case .readable where seen < Self.confirmations: step = .passed
        case .unreadable(let fault, let place, let isBrokers) where seen < Self.confirmations:
            seen += 1
            (self.fault, first, base) = (fault, max(start, place), isBrokers ? nil : place)
            inside = first
            step = seen < Self.confirmations ? .ask(from: start) : further()
        case .readable:
            outside = offset
            step = halve()
        case .unreadable(_, let place, let isBrokers):
            if isBrokers || place == base {
                inside = max(inside, offset)
            } else {
                // Another batch, which may begin before what was asked for, and not before this one ends.
                outside = min(outside ?? .max, max(inside + 1, min(place, offset)))
            }
            step = outside == nil ? further() : halve()
        }
    }

    private mutating func further() -> Step {
        guard inside < end else { return .unknown }
        let next = min(end, inside + stride)
        stride *= 2
        return .ask(from: next)
    }

    private func halve() -> Step {
        guard let outside else { return .unknown }
        if outside - inside <= 1 { return .found(offsets: first..<outside, fault) }
        return .ask(from: inside + (outside - inside) / 2)
    }
}
