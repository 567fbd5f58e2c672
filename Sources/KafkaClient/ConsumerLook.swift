extension Consumer {
    /// What stands from a place on, for a reader of this consumer's isolation.
    package enum Sight: Equatable, Sendable {
        /// The first record's offset.
        case record(at: Int64)
        /// There is none before the end.
        case nothing
        /// Neither came in time, or the place is not there.
        case unknown
    }

    /// Looks for the first record at a place or after it, in at most `timeoutMilliseconds`. Transaction markers are no
    /// records, though they take offsets; nor, under `read_committed`, is what was aborted.
    ///
    /// It is assigned that partition meanwhile, and nothing afterwards. It needs `enable.partition.eof`, and
    /// `auto.offset.reset=error`.
    package func firstRecord(
        from place: TopicPartitionOffset, timeoutMilliseconds: Int
    ) throws(KafkaError) -> Sight {
        try assign([place])
        let deadline = ContinuousClock.now + .milliseconds(timeoutMilliseconds)
        var sight: Sight?
        while sight == nil, ContinuousClock.now < deadline {
            consumeBatch(maxMessages: 1, timeoutMilliseconds: 100) { message in
                switch message.kind {
                case .record: sight = .record(at: message.offset)
                case .endOfPartition: sight = .nothing
                case .failure(let error): if error.recovery != .retry { sight = .unknown }
                }
            }
        }
        try unassign()
        return sight ?? .unknown
    }
}
