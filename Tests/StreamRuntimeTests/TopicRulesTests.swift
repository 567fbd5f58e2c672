import Foundation
import InventoryWire
import StreamRuntime
import Testing

@Suite("What roles rest on of their topics")
struct TopicRulesTests {
    private static let roles = ["process", "delay", "relay", "coordinate", "optimize", "sink"]

    private struct Contract: Decodable {
        let settings: [String: String]
    }

    /// All topics as the contract makes them.
    private func asMade(_ partitions: Int = 6) -> [Topic: TopicRules.Found] {
        Dictionary(
            uniqueKeysWithValues: Topic.allCases.map { topic in
                (
                    topic,
                    TopicRules.Found(
                        partitions: Topic.published.contains(topic) ? 1 : partitions,
                        cleanupPolicy: TopicRules.cleanupPolicy(of: topic),
                        timestampType: TopicRules.needsAppendTime(topic) ? "LogAppendTime" : "CreateTime")
                )
            })
    }

    private func differences(
        _ role: String, _ found: [Topic: TopicRules.Found], before: [Topic: Int] = [:]
    ) -> [String] {
        let rules = TopicRules(role: role)
        return rules.differences(found.filter { rules.topics.contains($0.key) }, before: before) {
            "v1." + $0.rawValue
        }
    }

    @Test("Roles ask of each topic what its contract says", arguments: Topic.allCases)
    func contract(_ topic: Topic) throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let file = folder.appending(path: "topics/\(topic.rawValue)/topic.json")
        let settings = try JSONDecoder().decode(Contract.self, from: Data(contentsOf: file)).settings
        #expect(settings["cleanup.policy"] == TopicRules.cleanupPolicy(of: topic))
        #expect(
            (settings["message.timestamp.type"] == "LogAppendTime") == TopicRules.needsAppendTime(topic))
    }

    @Test("Topics as they are made are right for every role", arguments: roles)
    func asTheyAreMade(_ role: String) { #expect(differences(role, asMade()) == []) }

    @Test("Commands whose time is left to producers stop all who read or write them, and say what to run")
    func createTime() {
        var found = asMade()
        found[.commands]!.timestampType = "CreateTime"
        for role in ["process", "delay", "relay", "coordinate"] {
            #expect(
                differences(role, found) == [
                    "v1.stock.commands: message.timestamp.type is CreateTime, and must be LogAppendTime, for time is "
                        + "the broker's: run `holdfast topics apply --alter`"
                ])
        }
        #expect(differences("sink", found) == [])
    }

    @Test("A topic of orders whose time is left to producers stops the coordinator alone", arguments: roles)
    func createTimeOfOrders(_ role: String) {
        var found = asMade()
        found[.orders]!.timestampType = "CreateTime"
        #expect(differences(role, found).isEmpty == !["coordinate", "optimize"].contains(role))
    }

    @Test(
        "A ledger that would be compacted, or levels that would be deleted, stop whoever rests on them",
        arguments: [
            (Topic.ledger, "compact"), (.levels, "delete"), (.levels, "compact,delete"),
            (.orderState, "delete"), (.commands, "compact"), (.orders, "compact,delete"),
        ])
    func cleanup(_ topic: Topic, _ policy: String) {
        var found = asMade()
        found[topic]!.cleanupPolicy = policy
        for role in Self.roles {
            let told = differences(role, found)
            #expect(told.isEmpty == !TopicRules(role: role).topics.contains(topic), "\(role)")
            for line in told {
                #expect(line.hasPrefix("v1.\(topic.rawValue): cleanup.policy is \(policy), and must be"))
            }
        }
    }

    @Test(
        "One topic with other partitions than its family stops the role, by name",
        arguments: [
            Topic.commands, .transfers, .orders, .orderState,
        ])
    func oneAlone(_ topic: Topic) {
        var found = asMade()
        found[topic]!.partitions = 12
        for role in Self.roles {
            let rules = TopicRules(role: role)
            let family = Topic.stock.contains(topic) ? Topic.stock : Topic.ofOrders
            let isSeen =
                rules.topics.contains(topic) && rules.topics.contains { $0 != topic && family.contains($0) }
            let told = differences(role, found)
            #expect(told.isEmpty != isSeen, "\(role): \(told)")
            #expect(told.allSatisfy { $0.contains("v1.\(topic.rawValue) 12") && $0.contains("topics grow") })
        }
    }

    @Test("A topic that gets partitions, or goes, while a role works is told by name")
    func whileItWorks() {
        let before = asMade().mapValues(\.partitions)
        #expect(differences("relay", asMade(), before: before) == [])
        #expect(
            differences("relay", asMade(12), before: before).contains {
                $0.hasPrefix("v1.stock.commands has 12 partitions and had 6 when this role began")
            })
        var found = asMade()
        found[.commands] = nil
        #expect(
            differences("relay", found, before: before) == [
                "v1.stock.commands is missing: run `holdfast topics apply`"
            ])
        found = asMade()
        found[.orderReplies] = nil
        #expect(differences("process", found) == [], "no orders")
        #expect(
            differences("process", found, before: before) == [
                "v1.order.replies is missing: run `holdfast topics apply`"
            ])
    }

    @Test("Dead letters need as many partitions as the stock has")
    func deadLetters() {
        var found = asMade()
        found[.deadLetters]!.partitions = 7
        #expect(differences("process", found) == [])
        found[.deadLetters]!.partitions = 5
        #expect(
            differences("process", found) == [
                "v1.dead.letters has 5 partitions and needs at least 6: run `kafka-topics.sh --alter --topic "
                    + "v1.dead.letters --partitions 6`"
            ])
    }
}
