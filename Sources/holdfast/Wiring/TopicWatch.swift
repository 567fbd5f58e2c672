import Dispatch
import InventoryWire
import KafkaClient
import Operations
import StreamRuntime
import Synchronization

/// The topics that a role rests on, as they were when it began.
struct RoleTopics: Sendable {
    let rules: TopicRules
    let counts: [Topic: Int]

    /// How many partitions a topic has; 0 where it is not there.
    func count(of topic: Topic) -> Int32 { Int32(counts[topic] ?? 0) }
}

extension Service {
    /// How long topics may be missing at start before that is a mistake, in milliseconds.
    private static let topicsGrace = 3_000

    /// Waits until the topics are there, and are as the role needs them (`TopicRules`).
    /// - Returns: nil if the process is to end first.
    /// - Throws: `RoleFailure` for topics that are missing, do not fit together or have other settings.
    func waitForTopics(_ settings: KafkaSettings) throws -> RoleTopics? {
        let admin = try Admin(configuration: settings.common(), events: kafkaEvents())
        let rules = TopicRules(role: configuration.role)
        var isTold = false
        // A broker may not yet know topics that its controller has created a moment ago.
        let grace = Deadline(milliseconds: Self.topicsGrace)
        while !shutdown.isRequested {
            do {
                let look = try TopicLook(admin, settings, rules)
                try Self.check(look, rules, settings)
                return RoleTopics(rules: rules, counts: look.counts)
            } catch let failure as RoleFailure where !grace.isPast {
                logger.debug("looking again", ["reason": failure.message])
                _ = shutdown.wait(timeoutMilliseconds: 200)
            } catch let error as KafkaError {
                if error.recovery == .fatal { throw RoleFailure(error.exitCode, error.description) }
                if !isTold { logger.warning("waiting for the broker", ["reason": error.description]) }
                isTold = true
                _ = shutdown.wait(timeoutMilliseconds: 500)
            }
        }
        return nil
    }

    private static func check(_ look: TopicLook, _ rules: TopicRules, _ settings: KafkaSettings) throws {
        let missing = TopicLook.names(rules).filter { look.counts[$0] == nil && !rules.optional.contains($0) }
        guard missing.isEmpty else {
            throw RoleFailure(
                .usage,
                "missing topics: \(missing.map { settings.name($0) }.joined(separator: ", ")); create them with: "
                    + "holdfast topics apply")
        }
        let counts = Topic.stock.map { look.counts[$0] ?? 0 }
        guard let count = counts.first, counts.allSatisfy({ $0 == count }) else {
            throw RoleFailure(
                .usage,
                "the stock.* topics must have the same number of partitions; they have "
                    + Topic.stock.map { "\(settings.name($0)) \(look.counts[$0] ?? 0)" }.joined(
                        separator: ", ")
                    + ": see docs/operations.md#a-topic-was-altered, and run `holdfast topics grow`")
        }
        guard look.counts[.deadLetters] ?? 0 >= count else {
            throw RoleFailure(
                .usage, "\(settings.name(.deadLetters)) needs at least \(count) partitions")
        }
        let differences = rules.differences(look.found) { settings.name($0) }
        guard differences.isEmpty else {
            throw RoleFailure(.usage, differences.joined(separator: "; "))
        }
    }
}

/// What the broker says of the topics that a role rests on.
struct TopicLook {
    private static let timeout = 2_000

    /// The role's, and those that all roles look at: how many partitions each has.
    let counts: [Topic: Int]
    /// The role's, with their settings.
    let found: [Topic: TopicRules.Found]

    static func names(_ rules: TopicRules) -> [Topic] {
        Topic.allCases.filter { Topic.needed.contains($0) || rules.topics.contains($0) }
    }

    init(_ admin: Admin, _ settings: KafkaSettings, _ rules: TopicRules) throws(KafkaError) {
        let described = try admin.describeTopics(
            Self.names(rules).map { settings.name($0) }, timeoutMilliseconds: Self.timeout)
        var counts: [Topic: Int] = [:]
        for topic in Self.names(rules) { counts[topic] = described[settings.name(topic)]?.partitionCount }
        let there = rules.topics.filter { counts[$0] != nil }
        let configured = try admin.describeConfigs(
            topics: there.map { settings.name($0) }, timeoutMilliseconds: Self.timeout)
        var found: [Topic: TopicRules.Found] = [:]
        for topic in there {
            let values = configured[settings.name(topic)] ?? [:]
            found[topic] = TopicRules.Found(
                partitions: counts[topic]!, cleanupPolicy: values["cleanup.policy"]?.value ?? "",
                timestampType: values["message.timestamp.type"]?.value ?? "")
        }
        (self.counts, self.found) = (counts, found)
    }
}

/// Looks now and then whether the topics that a role rests on are still as it needs them, on a thread and with a client of
/// its own. A broker that gives no answer concludes nothing; a difference counts when two looks in a row have found it.
final class TopicWatch: Sendable {
    /// Between two looks, in milliseconds.
    private static let interval = 5_000

    private let service: Service
    private let settings: KafkaSettings
    private let topics: RoleTopics
    private let told = Mutex<String?>(nil)
    private let ending = DispatchSemaphore(value: 0)

    init(_ service: Service, _ topics: RoleTopics) {
        self.service = service
        self.topics = topics
        settings = KafkaSettings(service.configuration)
    }

    /// What is not as it must be, in a sentence; nil for as long as all is.
    var finding: String? { told.withLock { $0 } }

    /// - Throws: `RoleFailure` for topics that were altered.
    func check() throws {
        if let finding { throw RoleFailure(.usage, finding) }
    }

    /// Why the group gives partitions that were not there when the role began; nil if it does not.
    func refuse(_ partitions: [TopicPartition]) -> String? {
        for place in partitions {
            guard let (topic, count) = topics.counts.first(where: { settings.name($0.key) == place.topic }),
                place.partition >= count
            else { continue }
            return
                "\(settings.name(topic)) had \(count) partitions when this role began, and the group gives "
                + "partition \(place.partition): stop all roles and publishers, and see "
                + "docs/operations.md#a-topic-was-altered"
        }
        return nil
    }

    func start() { Service.startThread("topic-watch") { [self] in run() } }

    /// Ends the thread, when what it asks is answered.
    func end() { ending.signal() }

    private func run() {
        var admin: Admin?
        var before: [String] = []
        while ending.wait(timeout: .now() + .milliseconds(Self.interval)) == .timedOut {
            do throws(KafkaError) {
                if admin == nil {
                    admin = try Admin(configuration: settings.common(), events: service.kafkaEvents())
                }
                let differences = topics.rules.differences(
                    try TopicLook(admin!, settings, topics.rules).found, before: topics.counts
                ) { settings.name($0) }
                if !differences.isEmpty, differences == before {
                    told.withLock { $0 = $0 ?? differences.joined(separator: "; ") }
                }
                before = differences
            } catch {
                service.logger.debug("nobody tells how the topics are", ["reason": error.description])
                before = []
                admin = nil
            }
        }
    }
}
