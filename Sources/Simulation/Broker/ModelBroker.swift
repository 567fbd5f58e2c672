/// A model of what Kafka promises, without its network and its disks: partitions, transactions, and the group's
/// offsets. Each call is one request that the broker has carried out whole; what can happen to requests and
/// answers on their way is the business of `ModelLog`.
///
/// What it says is compared with a genuine broker (`BrokerScript`).
package final class ModelBroker {
    /// Who a producer is: the number behind its transactional id, and how often that was initialised.
    package struct Identity: Equatable, Sendable {
        package let producer: Int
        package let epoch: Int
    }

    private enum Phase: Equatable {
        case empty
        case ongoing
        /// The outcome is decided; markers are still to be written.
        case ending(commit: Bool)
        case ended(commit: Bool)
    }

    private struct Transaction {
        var epoch = 0
        var phase = Phase.empty
        /// Where it has records, or markers to be written.
        var partitions: [Int] = []
        /// The next offsets that it commits, by input partition.
        var offsets: [Int: Int64] = [:]
        /// Whether the group still waits for the marker.
        var holdsOffsets = false
        var beganAt: Int64 = 0
        var isForgotten = false
    }

    package var partitions: [ModelPartition]
    package var group = ModelGroup()
    /// That of the order coordinators.
    package var orderGroup = ModelGroup()
    /// The broker's clock, in milliseconds.
    package var now: Int64 = 0
    /// After how long the broker aborts a transaction by itself, in milliseconds.
    private let transactionTimeout: Int64
    private var producers: [String: Int] = [:]
    private var transactions: [Transaction] = []
    private var offsets: [Int: Int64] = [:]
    /// The next producer that is fenced leaves one of these places without its marker for so long.
    private var lateness: (places: Set<Int>, milliseconds: Int64)?
    private var lateMarkers: [(at: Int64, producer: Int, place: Int, commit: Bool)] = []
    package private(set) var lateMarkerCount = 0
    package private(set) var abortedTransactions = 0
    package private(set) var timedOutTransactions = 0

    package init(partitionCount: Int, transactionTimeout: Int64) {
        partitions = Array(repeating: ModelPartition(), count: partitionCount)
        self.transactionTimeout = transactionTimeout
    }

    // MARK: Producers

    /// InitProducerId: takes the transactional id, and ends the transaction that its last owner left open.
    package func initProducer(_ transactionalID: String) throws(BrokerError) -> Identity {
        guard let producer = producers[transactionalID] else {
            producers[transactionalID] = transactions.count
            transactions.append(Transaction())
            return Identity(producer: transactions.count - 1, epoch: 0)
        }
        switch transactions[producer].phase {
        case .ending:
            throw .concurrentTransactions
        case .ongoing:
            transactions[producer].epoch += 1
            transactions[producer].phase = .ending(commit: false)
            abortedTransactions += 1
            finishMarkers(producer, isFencing: true)
        case .empty, .ended: break
        }
        transactions[producer].epoch += 1
        transactions[producer].phase = .empty
        return Identity(producer: producer, epoch: transactions[producer].epoch)
    }

    /// AddPartitionsToTxn and Produce: appends a record in the producer's transaction, which it begins if need be.
    package func produce(
        _ identity: Identity, _ partition: Int, key: [UInt8]?, value: [UInt8]?
    ) throws(BrokerError) {
        try join(identity)
        if !transactions[identity.producer].partitions.contains(partition) {
            transactions[identity.producer].partitions.append(partition)
        }
        partitions[partition].append(
            key: key, value: value, at: now, producer: identity.producer, state: .open)
    }

    /// Produce without a transaction.
    @discardableResult
    package func append(_ partition: Int, key: [UInt8]?, value: [UInt8]?) -> Int64 {
        partitions[partition].append(key: key, value: value, at: now)
    }

    /// AddOffsetsToTxn and TxnOffsetCommit: the group checks that the member is one of the present generation.
    ///
    /// - Parameters:
    ///   - member: nil for a consumer that is in no group's membership, which is not checked.
    ///   - path: the group that it is a member of.
    package func sendOffsets(
        _ identity: Identity, _ new: [Int: Int64], member: ModelGroup.Member?,
        of path: KeyPath<ModelBroker, ModelGroup> = \.group
    ) throws(BrokerError) {
        try join(identity)
        transactions[identity.producer].holdsOffsets = true
        if let member { try self[keyPath: path].check(member) }
        transactions[identity.producer].offsets.merge(new) { $1 }
    }

    /// OffsetCommit, outside of any transaction.
    ///
    /// - Parameters:
    ///   - member: nil for a consumer that is in no group's membership, which is not checked.
    ///   - path: the group that it is a member of.
    package func commitOffsets(
        _ new: [Int: Int64], member: ModelGroup.Member?,
        of path: KeyPath<ModelBroker, ModelGroup> = \.group
    ) throws(BrokerError) {
        if let member { try self[keyPath: path].check(member) }
        offsets.merge(new) { $1 }
    }

    /// EndTxn: the outcome is decided when this returns; markers follow.
    package func endTransaction(_ identity: Identity, commit: Bool) throws(BrokerError) {
        try check(identity)
        switch transactions[identity.producer].phase {
        case .ongoing: transactions[identity.producer].phase = .ending(commit: commit)
        case .ended(commit), .ending(commit): break
        case .empty, .ended, .ending: throw .invalidTransactionState
        }
    }

    /// No other producer has taken its transactional id since.
    package func isCurrent(_ identity: Identity) -> Bool {
        transactions[identity.producer].epoch == identity.epoch
    }

    private func check(_ identity: Identity) throws(BrokerError) {
        if transactions[identity.producer].isForgotten { throw .unknownProducer }
        guard isCurrent(identity) else { throw .fenced }
    }

    private func join(_ identity: Identity) throws(BrokerError) {
        try check(identity)
        switch transactions[identity.producer].phase {
        case .ongoing: return
        case .ending: throw .concurrentTransactions
        case .empty, .ended:
            transactions[identity.producer].phase = .ongoing
            transactions[identity.producer].partitions = []
            transactions[identity.producer].offsets = [:]
            transactions[identity.producer].holdsOffsets = false
            transactions[identity.producer].beganAt = now
        }
    }

    // MARK: What the broker does by itself

    /// Whether markers are still to be written.
    package var hasMarkers: Bool {
        transactions.contains { if case .ending = $0.phase { true } else { false } }
    }

    /// Writes one marker of some transaction that has ended.
    package func writeMarker(_ random: inout SeededGenerator) {
        let ending = transactions.indices.filter {
            if case .ending = transactions[$0].phase { true } else { false }
        }
        guard !ending.isEmpty else { return }
        let producer = random.one(of: ending)
        let count = transactions[producer].partitions.count
        let hasOffsets = transactions[producer].holdsOffsets
        let choice = random.below(max(1, count + (hasOffsets ? 1 : 0)))
        if choice < count { writeMarker(producer, place: choice) } else { takeOffsets(producer) }
        finishIfMarked(producer)
    }

    /// Writes all markers of a producer's transaction, if it has ended.
    package func finishMarkers(_ identity: Identity) { finishMarkers(identity.producer) }

    /// For whoever fences it.
    package func finishMarkers(of transactionalID: String) {
        if let producer = producers[transactionalID] { finishMarkers(producer, isFencing: true) }
    }

    private func finishMarkers(_ producer: Int, isFencing: Bool = false) {
        guard case .ending = transactions[producer].phase else { return }
        if isFencing { leaveOut(producer) }
        while !transactions[producer].partitions.isEmpty { writeMarker(producer, place: 0) }
        takeOffsets(producer)
        finishIfMarked(producer)
    }

    /// From now on the marker of one partition comes late when a producer is fenced, as if the broker had completed the
    /// transaction without it.
    package func delayMarker(in places: Set<Int>, byMilliseconds milliseconds: Int64) {
        lateness = (places, milliseconds)
    }

    private func leaveOut(_ producer: Int) {
        guard case .ending(let commit) = transactions[producer].phase, let lateness,
            let index = transactions[producer].partitions.firstIndex(where: { lateness.places.contains($0) })
        else { return }
        let place = transactions[producer].partitions.remove(at: index)
        lateMarkers.append((now + lateness.milliseconds, producer, place, commit))
        lateMarkerCount += 1
        self.lateness = nil
    }

    package var hasLateMarkers: Bool { !lateMarkers.isEmpty }

    /// Writes the markers that are late and due.
    package func writeLateMarkers() {
        for marker in lateMarkers where marker.at <= now {
            partitions[marker.place].mark(marker.producer, commit: marker.commit, at: now)
        }
        lateMarkers.removeAll { $0.at <= now }
    }

    private func writeMarker(_ producer: Int, place: Int) {
        guard case .ending(let commit) = transactions[producer].phase else { return }
        let partition = transactions[producer].partitions.remove(at: place)
        partitions[partition].mark(producer, commit: commit, at: now)
    }

    private func takeOffsets(_ producer: Int) {
        guard case .ending(let commit) = transactions[producer].phase else { return }
        if commit { offsets.merge(transactions[producer].offsets) { $1 } }
        transactions[producer].offsets = [:]
        transactions[producer].holdsOffsets = false
    }

    private func finishIfMarked(_ producer: Int) {
        guard case .ending(let commit) = transactions[producer].phase,
            transactions[producer].partitions.isEmpty, !transactions[producer].holdsOffsets
        else { return }
        transactions[producer].phase = .ended(commit: commit)
    }

    /// Aborts transactions that have been open for too long; their producers are fenced.
    package func expireTransactions() {
        for producer in transactions.indices
        where transactions[producer].phase == .ongoing
            && now - transactions[producer].beganAt > transactionTimeout
        {
            transactions[producer].epoch += 1
            transactions[producer].phase = .ending(commit: false)
            abortedTransactions += 1
            timedOutTransactions += 1
        }
    }

    /// Forgets offsets that were not committed for long, of these input partitions.
    package func forgetOffsets(of places: [Int]) { for place in places { offsets[place] = nil } }

    /// Forgets the transactional ids that nobody has used for long. Whoever has one must initialise it again.
    package func forgetProducers() {
        producers = [:]
        for producer in transactions.indices { transactions[producer].isForgotten = true }
    }

    package var hasOpenTransactions: Bool { transactions.contains { $0.phase == .ongoing } }

    // MARK: Readers

    /// OffsetFetch.
    ///
    /// - Parameter stable: refuse while a transaction that has not ended holds an offset of the partition (KIP-447).
    package func committedOffset(_ partition: Int, stable: Bool = true) throws(BrokerError) -> Int64? {
        if stable, transactions.contains(where: { $0.offsets[partition] != nil }) { throw .unstableOffset }
        return offsets[partition]
    }
}

/// What the broker refuses.
package enum BrokerError: Error, Equatable, Sendable {
    /// A newer producer has the transactional id, or the broker has ended the transaction by itself.
    case fenced
    /// The transaction before is still being ended: ask again.
    case concurrentTransactions
    case invalidTransactionState
    /// The transactional id is forgotten.
    case unknownProducer
    /// A transaction that is open holds the offset: ask again.
    case unstableOffset
    case illegalGeneration
    case unknownMember
}

/// The consumer group: who is in it, who has which partition.
package struct ModelGroup: Sendable {
    /// How a member knows itself: its id, and the generation that it was told last.
    package struct Member: Equatable, Sendable {
        package var id: Int
        package var generation: Int

        package init(id: Int, generation: Int) {
            self.id = id
            self.generation = generation
        }
    }

    package private(set) var generation = 0
    package private(set) var members: [Int] = []
    private var lastID = 0

    package init() {}

    package mutating func join() -> Member {
        lastID += 1
        members.append(lastID)
        generation += 1
        return Member(id: lastID, generation: generation)
    }

    package mutating func remove(_ id: Int) {
        members.removeAll { $0 == id }
        generation += 1
    }

    /// Partitions have gone from one member to another.
    package mutating func rebalanced() { generation += 1 }

    package func check(_ member: Member) throws(BrokerError) {
        guard members.contains(member.id) else { throw .unknownMember }
        guard member.generation == generation else { throw .illegalGeneration }
    }
}
