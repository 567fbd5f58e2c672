import CRdKafka

/// An access control list's one line: who may, or may not, do what with which resource.
package struct AccessRule: Sendable, Hashable {
    package enum Resource: String, Sendable, CaseIterable {
        case topic, group, cluster
        case transactionalID = "transactional-id"

        // librdkafka calls the cluster a broker; the number is the protocol's.
        var native: rd_kafka_ResourceType_t {
            switch self {
            case .topic: RD_KAFKA_RESOURCE_TOPIC
            case .group: RD_KAFKA_RESOURCE_GROUP
            case .cluster: RD_KAFKA_RESOURCE_BROKER
            case .transactionalID: RD_KAFKA_RESOURCE_TRANSACTIONAL_ID
            }
        }
    }

    /// Under the names that kafka-acls has for them.
    package enum Operation: String, Sendable, CaseIterable {
        case all = "All"
        case read = "Read"
        case write = "Write"
        case create = "Create"
        case delete = "Delete"
        case alter = "Alter"
        case describe = "Describe"
        case clusterAction = "ClusterAction"
        case describeConfigs = "DescribeConfigs"
        case alterConfigs = "AlterConfigs"
        case idempotentWrite = "IdempotentWrite"

        var native: rd_kafka_AclOperation_t {
            switch self {
            case .all: RD_KAFKA_ACL_OPERATION_ALL
            case .read: RD_KAFKA_ACL_OPERATION_READ
            case .write: RD_KAFKA_ACL_OPERATION_WRITE
            case .create: RD_KAFKA_ACL_OPERATION_CREATE
            case .delete: RD_KAFKA_ACL_OPERATION_DELETE
            case .alter: RD_KAFKA_ACL_OPERATION_ALTER
            case .describe: RD_KAFKA_ACL_OPERATION_DESCRIBE
            case .clusterAction: RD_KAFKA_ACL_OPERATION_CLUSTER_ACTION
            case .describeConfigs: RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS
            case .alterConfigs: RD_KAFKA_ACL_OPERATION_ALTER_CONFIGS
            case .idempotentWrite: RD_KAFKA_ACL_OPERATION_IDEMPOTENT_WRITE
            }
        }
    }

    /// Such as `User:alice`.
    package var principal: String
    package var operation: Operation
    package var resource: Resource
    package var name: String
    /// Whether it is for every resource whose name begins so.
    package var isPrefix: Bool
    /// From where; `*` is from everywhere.
    package var host: String
    /// Else it forbids, which goes over what others allow.
    package var allows: Bool

    package init(
        principal: String, operation: Operation, resource: Resource, name: String, isPrefix: Bool = false,
        host: String = "*", allows: Bool = true
    ) {
        self.principal = principal
        self.operation = operation
        self.resource = resource
        self.name = name
        self.isPrefix = isPrefix
        self.host = host
        self.allows = allows
    }
}

extension AccessRule: CustomStringConvertible {
    package var description: String {
        "\(principal) may \(allows ? "" : "not ")\(operation.rawValue) \(resource.rawValue) \(name)"
            + (isPrefix ? "*" : "") + (host == "*" ? "" : " from \(host)")
    }
}

extension AccessRule {
    /// The same as a call of Kafka's own tool, with the address in $KAFKA_BOOTSTRAP and a client's settings in the
    /// file $KAFKA_CONFIG.
    package var command: String {
        let options = [
            "--add", allows ? "--allow-principal" : "--deny-principal", "'\(principal)'", "--operation",
            operation.rawValue, "--resource-pattern-type", isPrefix ? "prefixed" : "literal",
            "--\(resource.rawValue)", resource == .cluster ? "" : "'\(name)'",
        ]
        let tool = "kafka-acls.sh --bootstrap-server \"$KAFKA_BOOTSTRAP\" --command-config \"$KAFKA_CONFIG\""
        return ([tool] + options).filter { !$0.isEmpty }.joined(separator: " ")
    }
}

extension Admin {
    /// Adds rules; one that is there already is left as it is (`rd_kafka_CreateAcls`).
    ///
    /// - Throws: the first rule's error. Others may have been added.
    package func createAcls(_ rules: [AccessRule], timeoutMilliseconds: Int) throws(KafkaError) {
        guard !rules.isEmpty else { return }
        let operation = "create ACLs"
        var list = ArrayHandle(free: { rd_kafka_AclBinding_destroy($0) })
        for rule in rules { list.append(try Self.binding(rule)) }
        let answer = try request(
            RD_KAFKA_ADMIN_OP_CREATEACLS, operation, timeoutMilliseconds: timeoutMilliseconds
        ) { options, queue in
            list.withPointers { rd_kafka_CreateAcls(client.pointer, $0, $1, options, queue) }
        }
        var count = 0
        let results = rd_kafka_CreateAcls_result_acls(
            rd_kafka_event_CreateAcls_result(answer.pointer), &count)
        for index in 0..<count {
            guard let result = results?[index], let error = rd_kafka_acl_result_error(result) else {
                continue
            }
            let code = rd_kafka_error_code(error)
            // The broker's words about a missing right are a dump of its objects.
            let isForbidden = code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED
            throw KafkaError(
                code: code, message: isForbidden ? nil : String(cString: rd_kafka_error_string(error)),
                operation: isForbidden ? operation : "\(operation): \(rules[min(index, rules.count - 1)])",
                client: client.pointer)
        }
    }

    /// The rules of a principal (`rd_kafka_DescribeAcls`), those of kinds that `AccessRule` does not know left out.
    package func describeAcls(
        of principal: String, timeoutMilliseconds: Int
    ) throws(KafkaError) -> Set<AccessRule> {
        let operation = "describe the ACLs of \(principal)"
        var text = [CChar](repeating: 0, count: 512)
        let filter = rd_kafka_AclBindingFilter_new(
            RD_KAFKA_RESOURCE_ANY, nil, RD_KAFKA_RESOURCE_PATTERN_ANY, principal, nil,
            RD_KAFKA_ACL_OPERATION_ANY, RD_KAFKA_ACL_PERMISSION_TYPE_ANY, &text, text.count)
        guard let filter else {
            throw KafkaError(
                code: RD_KAFKA_RESP_ERR__INVALID_ARG, message: string(text), operation: operation)
        }
        defer { rd_kafka_AclBinding_destroy(filter) }
        let answer = try request(
            RD_KAFKA_ADMIN_OP_DESCRIBEACLS, operation, timeoutMilliseconds: timeoutMilliseconds
        ) { options, queue in
            rd_kafka_DescribeAcls(client.pointer, filter, options, queue)
        }
        var count = 0
        let bindings = rd_kafka_DescribeAcls_result_acls(
            rd_kafka_event_DescribeAcls_result(answer.pointer), &count)
        return Set((0..<count).compactMap { bindings?[$0].flatMap { Self.rule($0) } })
    }

    /// `rd_kafka_AclBinding_new`
    private static func binding(_ rule: AccessRule) throws(KafkaError) -> OpaquePointer {
        var text = [CChar](repeating: 0, count: 512)
        let binding = rd_kafka_AclBinding_new(
            rule.resource.native, rule.name,
            rule.isPrefix ? RD_KAFKA_RESOURCE_PATTERN_PREFIXED : RD_KAFKA_RESOURCE_PATTERN_LITERAL,
            rule.principal, rule.host, rule.operation.native,
            rule.allows ? RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW : RD_KAFKA_ACL_PERMISSION_TYPE_DENY, &text,
            text.count)
        guard let binding else {
            throw KafkaError(
                code: RD_KAFKA_RESP_ERR__INVALID_ARG, message: string(text),
                operation: "make an ACL of: \(rule)")
        }
        return binding
    }

    /// `rd_kafka_AclBinding_restype` and the like.
    private static func rule(_ binding: OpaquePointer) -> AccessRule? {
        let operation = AccessRule.Operation.allCases.first {
            $0.native == rd_kafka_AclBinding_operation(binding)
        }
        let resource = AccessRule.Resource.allCases.first {
            $0.native == rd_kafka_AclBinding_restype(binding)
        }
        guard let operation, let resource else { return nil }
        return AccessRule(
            principal: String(cString: rd_kafka_AclBinding_principal(binding)), operation: operation,
            resource: resource, name: String(cString: rd_kafka_AclBinding_name(binding)),
            isPrefix: rd_kafka_AclBinding_resource_pattern_type(binding)
                == RD_KAFKA_RESOURCE_PATTERN_PREFIXED,
            host: String(cString: rd_kafka_AclBinding_host(binding)),
            allows: rd_kafka_AclBinding_permission_type(binding) == RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW)
    }
}
