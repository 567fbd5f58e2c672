extension Consumer {
    /// How long one fetch may take to give anything, in milliseconds.
    private static let sightTimeout = 5_000

    /// Finds where an unreadable batch ends that was met at a place (`BatchSearch`).
    ///
    /// The consumer is assigned that partition meanwhile, and nothing afterwards. It needs `enable.partition.eof`, and a
    /// short `fetch.error.backoff.ms`.
    /// - Parameter beat: is called before each question.
    /// - Returns: the offsets from the place to the batch's end, and why it cannot be read; nil if it can be read after
    ///   all, or if that cannot be told now.
    package func unreadableBatch(
        at place: TopicPartitionOffset, timeoutMilliseconds: Int, beat: () -> Void
    ) throws(KafkaError) -> (offsets: Range<Int64>, fault: BatchFault)? {
        let marks = try watermarks(place.partition, timeoutMilliseconds: timeoutMilliseconds)
        var search = BatchSearch(from: place.offset, end: marks.high)
        while case .ask(let offset) = search.step {
            beat()
            search.saw(try sight(from: TopicPartitionOffset(place.partition, offset: offset)))
        }
        try unassign()
        if case .found(let offsets, let fault) = search.step { return (offsets, fault) }
        return nil
    }

    private func sight(from place: TopicPartitionOffset) throws(KafkaError) -> BatchSearch.Sight {
        try assign([place])
        let deadline = ContinuousClock.now + .milliseconds(Self.sightTimeout)
        var sight: BatchSearch.Sight?
        var failure: KafkaError?
        while sight == nil, failure == nil, ContinuousClock.now < deadline {
            consumeBatch(maxMessages: 1, timeoutMilliseconds: 100) { message in
                switch message.kind {
                case .record, .endOfPartition: sight = .readable
                case .failure(let error):
                    if let fault = error.batchFault {
                        sight = .unreadable(fault, at: message.offset, isBrokers: error.isBrokersFault)
                    } else if error.recovery != .retry {
                        failure = error
                    }
                }
            }
        }
        if let failure { throw failure }
        return sight ?? .nothing
    }
}
