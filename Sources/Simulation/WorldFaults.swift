import InventoryWire

/// What goes wrong.
extension World {
    /// Counts a call, and says what is planned for it.
    func fault(at point: Fault.Point) -> Fault? {
        calls[point, default: 0] += 1
        guard !isHealed, let fault = callFaults[point]?[calls[point]!] else { return nil }
        figures[.faults] += 1
        trace("fault: \(fault)")
        return fault
    }

    /// Makes a request: what is planned for it happens, others act meanwhile, and it is carried out or not.
    func request<Answer>(
        _ point: Fault.Point, by host: Host, _ body: @escaping () throws(BrokerError) -> Answer
    ) throws(RequestFailure) -> Answer {
        if host.isDead { throw .dead }
        var effect: Fault.Effect?
        if let fault = fault(at: point), case .call(_, _, let planned) = fault.place {
            effect = planned
            switch planned {
            case .refused: throw .unavailable
            case .crashBefore:
                host.die()
                throw .dead
            case .stall: stall(host, milliseconds: fault.amount)
            case .late:
                late.append(
                    (
                        now + Int64(random.within(1...900)),
                        { [unowned self] in if (try? body()) != nil { figures[.lateArrivals] += 1 } }
                    ))
                interlude(random.within(0...20))
                throw .unavailable
            case .answerLost, .crashAfter: break
            }
        }
        if random.oneIn(16) { interlude(random.within(1...4)) }
        if host.isDead { throw .dead }
        let answer: Answer
        do throws(BrokerError) { answer = try body() } catch {
            count(error)
            throw .broker(error)
        }
        switch effect {
        case .answerLost: throw .unavailable
        case .crashAfter:
            host.die()
            throw .dead
        default: return answer
        }
    }

    private func count(_ error: BrokerError) {
        switch error {
        case .fenced: figures[.fenced] += 1
        case .illegalGeneration, .unknownMember: figures[.staleMembers] += 1
        case .unstableOffset: figures[.unstable] += 1
        case .unknownProducer: figures[.forgotten] += 1
        case .concurrentTransactions, .invalidTransactionState: break
        }
    }

    func deliverLate() {
        guard !late.isEmpty else { return }
        let due = late.filter { $0.at <= now }
        late.removeAll { $0.at <= now }
        for request in due { request.what() }
    }

    func happen(_ fault: Fault) {
        guard case .event(let event, _) = fault.place else { return }
        figures[.faults] += 1
        trace("fault: \(fault)")
        switch event {
        case .processCrash: processes[fault.amount % 2].die()
        case .coordinatorCrash: orders?.coordinators[fault.amount % 2].die()
        case .coordinatorPause:
            orders?.coordinators[fault.amount % 2].pause(until: now + Int64(fault.amount / 2))
        case .processPause: processes[fault.amount % 2].pause(until: now + Int64(fault.amount / 2))
        case .delayCrash: delay.die()
        case .delayClock: delayHostClock += Int64(fault.amount)
        case .relayCrash: relay.die()
        case .sinkCrash: sinks.last?.die()
        case .secondSink: startSink()
        case .databaseKill: database.endSessions()
        case .brokerClock: brokerOffset += Int64(fault.amount)
        case .compaction: compact(tombstonesBefore: now - Self.tombstoneRetention)
        case .retention: retain()
        case .lateMarker:
            broker.delayMarker(in: Set(placesOfOwners), byMilliseconds: Int64(fault.amount))
        case .offsetExpiry: forgetOffsets()
        }
    }

    /// The partitions that only their owners write.
    private var placesOfOwners: [Int] {
        (Topic.ofProcessor + Topic.ofCoordinator + [.relayState]).flatMap { topic in
            (0..<partitionCount).map { index(topic, $0) }
        }
    }

    /// The offsets that nobody commits for as long as nothing is published: those of the coordinators and the relay.
    func forgetOffsets() {
        broker.forgetOffsets(
            of: ([.orders, .orderReplies] + Topic.published).flatMap { topic in
                (0..<partitionCount).map { index(topic, $0) }
            })
    }

    /// The topics that are read once, and deleted after a while.
    var inputs: [Topic] { [Topic.commands] + (orders == nil ? [] : [.orders, .orderReplies]) }

    /// Compacts the topics that are compacted.
    func compact(tombstonesBefore: Int64) {
        for topic in [Topic.levels, .reservations, .transfers] + (orders == nil ? [] : [.orderState]) {
            for partition in 0..<partitionCount {
                broker.partitions[index(topic, partition)].compact(tombstonesBefore: tombstonesBefore)
            }
        }
    }

    /// Deletes commands that were decided, and what was heeded of orders and replies.
    private func retain() {
        for topic in inputs {
            for partition in 0..<partitionCount {
                let place = index(topic, partition)
                guard let committed = try? broker.committedOffset(place), committed > 0 else { continue }
                broker.partitions[place].delete(before: Int64(random.within(0...Int(committed))))
            }
        }
    }

    /// The host stands still in the midst of a call, while the others go on.
    private func stall(_ host: Host, milliseconds: Int) {
        guard depth < 2 else { return }
        depth += 1
        host.pause(until: now + Int64(milliseconds))
        // Whoever watches over it takes it for dead.
        switch host {
        case is SinkService: startSink(after: milliseconds / 3)
        case is DelayService: startDelay(after: milliseconds / 3)
        case is RelayService: startRelay(after: milliseconds / 3)
        default: break
        }
        var steps = 0
        while host.isPaused, !host.isDead, steps < 2_000, violations.isEmpty {
            tick()
            host.wakeIfDue()
            steps += 1
        }
        host.wake()
        depth -= 1
    }
}

/// What became of a request that gave no answer.
enum RequestFailure: Error, Equatable {
    /// The caller is no more.
    case dead
    /// No answer: whether it was carried out is unknown.
    case unavailable
    case broker(BrokerError)
}
