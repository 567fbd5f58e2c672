/// A small language of what clients do with a broker and what they see, to be run on the model and on a genuine
/// broker alike. A line is a step:
///
///     A init           a new producer A takes the transactional id
///     A begin          A begins a transaction
///     A put a x        A writes the key x to topic a, and waits for the broker
///     A offset 3 M     A adds the input offset 3 to its transaction, in the name of member M (none: no member)
///     A commit         also: A abort
///     A commit unheard commits, and does not wait for the answer; it has been carried out when the next step begins
///     put a x          writes without a transaction; drop a x: a tombstone
///     read a           what read_committed shows, with offsets; peek a: what read_uncommitted shows
///     at a 3           the first record that a reader finds who goes to offset 3
///     ends a           where the topic starts, and where each of the two ends
///     delete a 3       retention: what lies before offset 3 is gone
///     compact c        the broker compacts the topic; a record with a key of its own (roll1, roll2, ...) is written first
///     committed        the group's offset of the input
///     M join           a member joins the group, and hears of its generation; M leave
///     time out         the broker ends transactions that have been open for too long
package struct BrokerScript: Sendable {
    package enum Step: Equatable, Sendable {
        case initialise(String)
        case begin(String)
        case put(String?, topic: String, key: String)
        case offset(String, Int64, member: String?)
        case commit(String)
        case commitUnheard(String)
        case abort(String)
        case drop(topic: String, key: String)
        case read(String)
        case peek(String)
        case at(String, Int64)
        case ends(String)
        case delete(String, before: Int64)
        case compact(String)
        case committed
        case join(String)
        case leave(String)
        case timeOut

        /// What it tells is what a reader sees: a marker may be on its way for a moment.
        package var isObservation: Bool {
            switch self {
            case .read, .peek, .at, .ends, .committed: true
            default: false
            }
        }
    }

    package var steps: [Step]

    /// The last one is compacted.
    package static let topics = ["a", "b", "c"]

    /// - Throws: the line that cannot be read.
    package init(_ text: String) throws(UnreadableLine) {
        var steps: [Step] = []
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            guard !words.isEmpty else { continue }
            guard let step = Self.step(words) else { throw UnreadableLine(line: String(line)) }
            steps.append(step)
        }
        self.steps = steps
    }

    package struct UnreadableLine: Error { package let line: String }

    package init(steps: [Step]) { self.steps = steps }

    private static func step(_ words: [String]) -> Step? {
        switch (words.count, words[0], words.dropFirst().first) {
        case (2, "read", let topic?): .read(topic)
        case (2, "peek", let topic?): .peek(topic)
        case (2, "ends", let topic?): .ends(topic)
        case (2, "compact", let topic?): .compact(topic)
        case (2, "time", "out"): .timeOut
        case (1, "committed", nil): .committed
        case (3, "put", let topic?): .put(nil, topic: topic, key: words[2])
        case (3, "drop", let topic?): .drop(topic: topic, key: words[2])
        case (3, "at", let topic?): Int64(words[2]).map { .at(topic, $0) }
        case (3, "delete", let topic?): Int64(words[2]).map { .delete(topic, before: $0) }
        case (3, let who, "commit") where words[2] == "unheard": .commitUnheard(who)
        case (4, let who, "put"): .put(who, topic: words[2], key: words[3])
        case (2, let who, "init"): .initialise(who)
        case (2, let who, "begin"): .begin(who)
        case (2, let who, "commit"): .commit(who)
        case (2, let who, "abort"): .abort(who)
        case (2, let who, "join"): .join(who)
        case (2, let who, "leave"): .leave(who)
        case (3...4, let who, "offset"):
            Int64(words[2]).map { .offset(who, $0, member: words.count == 4 ? words[3] : nil) }
        default: nil
        }
    }
}

extension BrokerScript.Step: CustomStringConvertible {
    package var description: String {
        switch self {
        case .initialise(let who): "\(who) init"
        case .begin(let who): "\(who) begin"
        case .put(let who, let topic, let key): "\(who.map { "\($0) " } ?? "")put \(topic) \(key)"
        case .offset(let who, let offset, let member):
            "\(who) offset \(offset)\(member.map { " \($0)" } ?? "")"
        case .commit(let who): "\(who) commit"
        case .commitUnheard(let who): "\(who) commit unheard"
        case .abort(let who): "\(who) abort"
        case .drop(let topic, let key): "drop \(topic) \(key)"
        case .at(let topic, let offset): "at \(topic) \(offset)"
        case .delete(let topic, let offset): "delete \(topic) \(offset)"
        case .compact(let topic): "compact \(topic)"
        case .read(let topic): "read \(topic)"
        case .peek(let topic): "peek \(topic)"
        case .ends(let topic): "ends \(topic)"
        case .committed: "committed"
        case .join(let member): "\(member) join"
        case .leave(let member): "\(member) leave"
        case .timeOut: "time out"
        }
    }
}

/// The model, as scripts see it.
package final class ModelScriptTarget {
    private let broker = ModelBroker(
        partitionCount: BrokerScript.topics.count + 1, transactionTimeout: 1_000)
    private var producers: [String: ModelBroker.Identity] = [:]
    private var rolls = 0
    private var members: [String: ModelGroup.Member] = [:]
    private static let input = BrokerScript.topics.count

    package init() {}

    /// Runs a step.
    /// - Returns: what is seen of it: `ok`, `fenced`, `refused`, or what a reader reads.
    package func run(_ step: BrokerScript.Step) -> String {
        do throws(BrokerError) {
            return try perform(step)
        } catch {
            // As the runtime classes them.
            guard case .put = step else { return error == .fenced ? "fenced" : "refused" }
            return "refused"
        }
    }

    private func perform(_ step: BrokerScript.Step) throws(BrokerError) -> String {
        switch step {
        case .initialise(let who): producers[who] = try broker.initProducer("id")
        case .begin: break
        case .put(let who?, let topic, let key):
            try broker.produce(producers[who]!, place(topic), key: Array(key.utf8), value: [])
        case .put(nil, let topic, let key): broker.append(place(topic), key: Array(key.utf8), value: [])
        case .offset(let who, let offset, let member):
            try broker.sendOffsets(
                producers[who]!, [Self.input: offset], member: member.map { members[$0]! })
        case .commit(let who): try end(who, commit: true)
        case .commitUnheard(let who): try? end(who, commit: true)
        case .abort(let who): try end(who, commit: false)
        case .drop(let topic, let key):
            broker.append(place(topic), key: Array(key.utf8), value: nil)
        case .delete(let topic, let offset): broker.partitions[place(topic)].delete(before: offset)
        case .compact(let topic):
            rolls += 1
            broker.append(place(topic), key: Array("roll\(rolls)".utf8), value: [])
            broker.partitions[place(topic)].compact(tombstonesBefore: 0)
        case .at(let topic, let offset): return first(topic, offset)
        case .read(let topic): return records(topic, .committed)
        case .peek(let topic): return records(topic, .uncommitted)
        case .ends(let topic):
            let partition = broker.partitions[place(topic)]
            return "start \(partition.start), stable \(partition.lastStable), end \(partition.end)"
        case .committed:
            do throws(BrokerError) {
                return try broker.committedOffset(Self.input).map(String.init) ?? "none"
            } catch {
                return "not yet"
            }
        case .join(let member): members[member] = broker.group.join()
        case .leave(let member): broker.group.remove(members[member]!.id)
        case .timeOut:
            broker.now += 2_000
            broker.expireTransactions()
            for identity in producers.values { broker.finishMarkers(identity) }
        }
        return "ok"
    }

    private func end(_ who: String, commit: Bool) throws(BrokerError) {
        try broker.endTransaction(producers[who]!, commit: commit)
        broker.finishMarkers(producers[who]!)
    }

    private func place(_ topic: String) -> Int { BrokerScript.topics.firstIndex(of: topic)! }

    private func records(_ topic: String, _ isolation: ModelIsolation) -> String {
        visible(topic, isolation).map(Self.text).joined(separator: " ")
    }

    private func visible(_ topic: String, _ isolation: ModelIsolation) -> [ModelRecord] {
        let partition = broker.partitions[place(topic)]
        return partition.records.filter {
            $0.offset < partition.limit(isolation) && ModelPartition.isVisible($0.state, isolation)
        }
    }

    private func first(_ topic: String, _ offset: Int64) -> String {
        let partition = broker.partitions[place(topic)]
        guard (partition.start...partition.lastStable).contains(offset) else { return "out of range" }
        return visible(topic, .committed).first { $0.offset >= offset }.map(Self.text) ?? "nothing"
    }

    private static func text(_ record: ModelRecord) -> String {
        "\(String(decoding: record.key ?? [], as: UTF8.self))@\(record.offset)"
    }
}

extension BrokerScript {
    /// A script drawn from a seed. The model runs along, so that a producer that was refused is left alone: what its
    /// client does after that is the client's own affair.
    package init(seed: UInt64, steps count: Int) {
        var random = SeededGenerator(seed: seed, purpose: 4)
        let model = ModelScriptTarget()
        var steps: [Step] = []
        /// By producer: nil before a transaction, then how much it holds.
        var producers: [(name: String, holds: Int?)] = []
        var made = 0
        var keys = 0
        func add(_ step: Step) -> Bool {
            steps.append(step)
            return model.run(step) == "ok"
        }
        while steps.count < count {
            if producers.isEmpty || (made < 5 && random.oneIn(7)) {
                made += 1
                let name = "P\(made)"
                if add(.initialise(name)) { producers.append((name, nil)) }
                continue
            }
            let index = random.below(producers.count)
            let name = producers[index].name
            var isAlive = true
            switch (producers[index].holds, random.below(6)) {
            case (nil, 0), (.some, 5):
                keys += 1
                _ = add(.put(nil, topic: random.one(of: Self.drawn), key: "k\(keys)"))
            case (nil, _):
                isAlive = add(.begin(name))
                producers[index].holds = 0
            case (let holds?, 0...2):
                keys += 1
                isAlive = add(.put(name, topic: random.one(of: Self.drawn), key: "k\(keys)"))
                producers[index].holds = holds + 1
            case (let holds?, 3):
                isAlive = add(.offset(name, Int64(random.within(1...50)), member: nil))
                producers[index].holds = holds + 1
            case (0?, _): break
            default:
                isAlive = add(random.oneIn(3) ? .abort(name) : .commit(name))
                producers[index].holds = nil
                Self.look(&steps)
            }
            if !isAlive { producers.remove(at: index) }
            if random.oneIn(6) { Self.look(&steps) }
        }
        Self.look(&steps)
        self.init(steps: steps)
    }

    /// Compaction takes its time on a genuine broker: only written scripts have it.
    private static var drawn: [String] { Array(topics.dropLast()) }

    private static func look(_ steps: inout [Step]) {
        for topic in drawn { steps += [.read(topic), .peek(topic), .ends(topic)] }
        steps.append(.committed)
    }
}
