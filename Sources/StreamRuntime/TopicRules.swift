import InventoryWire

/// What each role rests on of the topics that it reads and writes, as `topics/NAME/topic.json` has it: the number of
/// partitions, the cleanup policy, and whose clock gives the records their time.
package struct TopicRules: Sendable {
    /// A topic as the broker has it.
    package struct Found: Equatable, Sendable {
        /// 1 or more.
        package var partitions: Int
        /// `cleanup.policy`: `delete`, `compact`, or both with a comma between.
        package var cleanupPolicy: String
        /// `message.timestamp.type`: `CreateTime` or `LogAppendTime`.
        package var timestampType: String

        package init(partitions: Int, cleanupPolicy: String, timestampType: String) {
            self.partitions = partitions
            self.cleanupPolicy = cleanupPolicy
            self.timestampType = timestampType
        }
    }

    /// Those whose records count by the broker's clock: when they were appended.
    private static let appendTimed: Set<Topic> = [
        .commands, .orders, .orderReplies, .reservations, .transfers,
    ]
    /// Those of which the newest record of a key counts, and must stay.
    private static let compacted: Set<Topic> = [
        .levels, .reservations, .transfers, .warehouses, .products, .settings, .orderState,
    ]

    /// Those that the role cannot work without.
    package let needed: [Topic]
    /// Those that count where they are there.
    package let optional: [Topic]

    /// - Parameter role: the subcommand.
    package init(role: String) {
        var (needed, optional): ([Topic], [Topic]) = (Topic.needed, [])
        switch role {
        case "process": (needed, optional) = (Topic.stock + [.deadLetters], [.orderReplies])
        case "delay": needed = [.commands, .reservations, .transfers]
        case "relay": needed = [.commands, .deadLetters] + Topic.published
        case "coordinate": needed = [.commands, .deadLetters] + Topic.ofOrders
        case "optimize": needed = [.levels, .orders, .orderOutcomes]
        case "sink": (needed, optional) = ([.ledger, .warehouses, .products], [.orderOutcomes])
        default: break
        }
        (self.needed, self.optional) = (needed, optional)
    }

    package var topics: [Topic] { needed + optional }

    /// The `cleanup.policy` that a topic must have.
    package static func cleanupPolicy(of topic: Topic) -> String {
        compacted.contains(topic) ? "compact" : "delete"
    }

    /// Whether a topic must have `message.timestamp.type=LogAppendTime`.
    package static func needsAppendTime(_ topic: Topic) -> Bool { appendTimed.contains(topic) }

    /// What is not as it must be, each in a sentence that says what to run.
    ///
    /// - Parameters:
    ///   - found: of the role's topics those that are there.
    ///   - before: how many partitions they had when the role began; empty at its start.
    ///   - name: what a topic is called on the cluster.
    package func differences(
        _ found: [Topic: Found], before: [Topic: Int] = [:], name: (Topic) -> String
    ) -> [String] {
        var told: [String] = []
        for topic in topics {
            guard let state = found[topic] else {
                if needed.contains(topic) || before[topic] != nil {
                    told.append("\(name(topic)) is missing: run `holdfast topics apply`")
                }
                continue
            }
            told += Self.settings(of: topic, state, name(topic))
            if let count = before[topic], count != state.partitions {
                told.append(
                    "\(name(topic)) has \(state.partitions) partitions and had \(count) when this role began: "
                        + "stop all roles and publishers, and see docs/operations.md#a-topic-was-altered")
            }
        }
        return told + Self.counts(found, name)
    }

    private static func settings(of topic: Topic, _ state: Found, _ name: String) -> [String] {
        var told: [String] = []
        let policy = cleanupPolicy(of: topic)
        if state.cleanupPolicy != policy {
            told.append(
                "\(name): cleanup.policy is \(state.cleanupPolicy), and must be \(policy): run `holdfast topics "
                    + "apply --alter`")
        }
        if needsAppendTime(topic), state.timestampType != "LogAppendTime" {
            told.append(
                "\(name): message.timestamp.type is \(state.timestampType), and must be LogAppendTime, for time is "
                    + "the broker's: run `holdfast topics apply --alter`")
        }
        return told
    }

    /// Topics of one family have the same number of partitions; `dead.letters` at least as many.
    private static func counts(_ found: [Topic: Found], _ name: (Topic) -> String) -> [String] {
        var told: [String] = []
        var most = 0
        for family in [Topic.stock, Topic.ofOrders] {
            let there = family.filter { found[$0] != nil }
            let counts = there.map { found[$0]!.partitions }
            // One alone may have been altered.
            if there.count > 1 { most = max(most, counts.min() ?? 0) }
            guard let least = counts.min(), counts.contains(where: { $0 != least }) else { continue }
            told.append(
                "topics that must have the same number of partitions have "
                    + there.map { "\(name($0)) \(found[$0]!.partitions)" }.joined(separator: ", ")
                    + ": see docs/operations.md#a-topic-was-altered, and run `holdfast topics grow`")
        }
        if let letters = found[.deadLetters]?.partitions, letters < most {
            told.append(
                "\(name(.deadLetters)) has \(letters) partitions and needs at least \(most): run `kafka-topics.sh "
                    + "--alter --topic \(name(.deadLetters)) --partitions \(most)`")
        }
        return told
    }
}
