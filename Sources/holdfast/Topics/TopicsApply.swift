import Foundation
import InventoryWire
import KafkaClient
import Operations

/// `holdfast topics apply`: makes the broker's topics what the contract says, and tells where they are not. It
/// never deletes, and never changes a setting without `--alter`.
struct TopicsApply {
    private static let timeout = 20_000

    let service: Service
    private let settings: KafkaSettings
    private let print: (String) -> Void

    /// - Parameter print: takes what is to be told of each topic.
    init(service: Service, print: @escaping (String) -> Void = { Swift.print($0) }) {
        self.service = service
        self.print = print
        settings = KafkaSettings(service.configuration)
    }

    func run() throws -> ExitCode {
        let contracts = try TopicContract.load(service.configuration)
        do throws(KafkaError) {
            return try apply(contracts)
        } catch {
            throw RoleFailure(error.exitCode, error.description)
        }
    }

    private func apply(_ contracts: [TopicContract]) throws(KafkaError) -> ExitCode {
        let admin = try Admin(configuration: settings.common(), events: service.kafkaEvents())
        let found = try admin.describeTopics(contracts.map(name), timeoutMilliseconds: Self.timeout)
        var isFailed = try create(contracts.filter { found[name($0)] == nil }, admin)
        let present = contracts.filter { found[name($0)] != nil }
        let configured = try admin.describeConfigs(
            topics: present.map(name), timeoutMilliseconds: Self.timeout)
        for contract in present {
            let drift = drift(
                of: contract, partitions: found[name(contract)]!.partitionCount,
                configured: configured[name(contract)] ?? [:])
            if drift.isEmpty { print("\(name(contract)): as it should be") }
            if try tell(drift, of: contract, admin) { isFailed = true }
        }
        return isFailed ? .differenceFound : .success
    }

    private func name(_ contract: TopicContract) -> String {
        service.configuration.string("topic_prefix") + contract.name
    }

    /// What people publish is little, and not partitioned with the stock.
    private func partitions(_ contract: TopicContract) -> Int {
        if (Topic.published + [.relayState]).contains(where: { $0.rawValue == contract.name }) {
            return contract.partitions
        }
        return service.configuration.optionalInteger("partitions") ?? contract.partitions
    }

    /// - Returns: whether any could not be created.
    private func create(_ missing: [TopicContract], _ admin: Admin) throws(KafkaError) -> Bool {
        let topics = missing.map {
            NewTopic(
                name: name($0), partitionCount: Int32(partitions($0)),
                replicationFactor: Int32(service.configuration.optionalInteger("replication_factor") ?? -1),
                settings: $0.settings)
        }
        var isFailed = false
        let outcomes = try admin.createTopics(topics, timeoutMilliseconds: Self.timeout)
        for topic in topics {
            switch outcomes[topic.name] {
            case .created: print("\(topic.name): created with \(topic.partitionCount) partitions")
            case .alreadyExists: print("\(topic.name): another run has just created it")
            case .failed(let error):
                print("\(topic.name): not created: \(error)")
                isFailed = true
            case nil:
                print("\(topic.name): the broker did not say whether it was created; run this again")
                isFailed = true
            }
        }
        try awaitKnown(topics.map(\.name).filter { outcomes[$0] == .created }, admin)
        return isFailed
    }

    /// A broker may not know yet what its controller has created a moment ago; whoever comes next shall find it.
    private func awaitKnown(_ names: [String], _ admin: Admin) throws(KafkaError) {
        let deadline = Deadline(milliseconds: Self.timeout)
        while try admin.describeTopics(names, timeoutMilliseconds: Self.timeout).count < names.count,
            !deadline.isPast
        {
            usleep(20_000)
        }
    }

    func drift(
        of contract: TopicContract, partitions count: Int, configured: [String: TopicSetting]
    ) -> [TopicDrift] {
        var drift: [TopicDrift] = []
        if count != partitions(contract) {
            drift.append(.partitions(found: count, wanted: partitions(contract)))
        }
        for (name, wanted) in contract.settings.sorted(by: { $0.key < $1.key }) {
            let found = configured[name]?.value ?? ""
            if found != wanted { drift.append(.setting(name, found: found, wanted: wanted)) }
        }
        return drift
    }

    /// Tells the drift, and mends what may be mended.
    /// - Returns: whether any is left.
    private func tell(
        _ drift: [TopicDrift], of contract: TopicContract, _ admin: Admin
    ) throws(KafkaError) -> Bool {
        var isLeft = false
        for difference in drift {
            let text = difference.text(name(contract))
            if case .setting(let setting, _, let wanted) = difference, service.configuration.boolean("alter")
            {
                try admin.incrementalAlterConfigs(
                    topic: name(contract), settings: [setting: wanted], timeoutMilliseconds: Self.timeout)
                print("\(text): changed")
            } else {
                print(text)
                isLeft = true
            }
        }
        return isLeft
    }
}
