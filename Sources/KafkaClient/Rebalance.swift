import CRdKafka

/// What the group decided about this member.
package enum Rebalance: Sendable, Equatable {
    /// These partitions are given to this member: all that it has (`.eager`), or more of them (`.cooperative`).
    case assigned([TopicPartition])
    /// These are taken away. Where they are `lost`, another member may already own them: commit nothing.
    case revoked([TopicPartition], lost: Bool)
    /// The rebalance failed; all partitions are gone.
    case failed(KafkaError)

    init(
        code: rd_kafka_resp_err_t, list: UnsafePointer<rd_kafka_topic_partition_list_t>, client: OpaquePointer
    ) {
        let partitions = PartitionListHandle.offsets(of: list).map(\.partition)
        switch code {
        case RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS:
            self = .assigned(partitions)
        case RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS:
            self = .revoked(partitions, lost: rd_kafka_assignment_lost(client) != 0)
        default:
            self = .failed(KafkaError(code: code, operation: "rebalance the group", client: client))
        }
    }
}

/// How the group rebalances (`rd_kafka_rebalance_protocol`).
package enum RebalanceProtocol: Sendable, Equatable {
    /// Not a member yet.
    case none
    /// Every rebalance first takes all partitions away (`range`, `roundrobin`): use assign and unassign.
    case eager
    /// Only what moves is taken away (`cooperative-sticky`): use incrementalAssign and incrementalUnassign.
    case cooperative

    static func of(_ client: OpaquePointer) -> RebalanceProtocol {
        switch String(cString: rd_kafka_rebalance_protocol(client)) {
        case "COOPERATIVE": .cooperative
        case "EAGER": .eager
        default: .none
        }
    }
}

/// The calls that answer a rebalance, or assign by hand.
enum Assignment {
    /// `rd_kafka_assign`; nil takes all partitions away.
    static func assign(
        _ offsets: [TopicPartitionOffset]?, client: OpaquePointer, context: ClientContext
    ) throws(KafkaError) {
        let code: rd_kafka_resp_err_t
        if let offsets {
            let list = PartitionListHandle(offsets)
            code = rd_kafka_assign(client, list.pointer)
        } else {
            code = rd_kafka_assign(client, nil)
        }
        try KafkaError.check(code, operation: "assign partitions", client: client)
        context.rebalanceAnswered = true
    }

    /// `rd_kafka_incremental_assign`
    static func add(
        _ offsets: [TopicPartitionOffset], client: OpaquePointer, context: ClientContext
    ) throws(KafkaError) {
        let list = PartitionListHandle(offsets)
        try KafkaError.check(
            rd_kafka_incremental_assign(client, list.pointer), operation: "assign more partitions",
            client: client)
        context.rebalanceAnswered = true
    }

    /// `rd_kafka_incremental_unassign`
    static func remove(
        _ partitions: [TopicPartition], client: OpaquePointer, context: ClientContext
    ) throws(KafkaError) {
        let list = PartitionListHandle(partitions)
        try KafkaError.check(
            rd_kafka_incremental_unassign(client, list.pointer), operation: "give partitions back",
            client: client)
        context.rebalanceAnswered = true
    }

    /// Does what the group decided, by its protocol.
    static func apply(
        _ rebalance: Rebalance, from offsets: [TopicPartitionOffset]?, client: OpaquePointer,
        context: ClientContext
    ) throws(KafkaError) {
        let cooperative = RebalanceProtocol.of(client) == .cooperative
        switch rebalance {
        case .assigned(let partitions):
            let start =
                offsets ?? partitions.map { TopicPartitionOffset($0, offset: TopicPartitionOffset.none) }
            if cooperative {
                try add(start, client: client, context: context)
            } else {
                try assign(start, client: client, context: context)
            }
        case .revoked(let partitions, _):
            if cooperative {
                try remove(partitions, client: client, context: context)
            } else {
                try assign(nil, client: client, context: context)
            }
        case .failed:
            try assign(nil, client: client, context: context)
        }
    }

    /// The same where nobody can take an error: it goes to the client's events.
    static func follow(_ rebalance: Rebalance, client: OpaquePointer, context: ClientContext) {
        do {
            try apply(rebalance, from: nil, client: client, context: context)
        } catch {
            context.events.error(error)
        }
    }
}
