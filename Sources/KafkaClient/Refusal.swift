import CRdKafka

extension KafkaError {
    /// Whether the broker does not take this client for who it says it is, or does not let it do this, or the
    /// client does not take the broker for genuine. A person must put that right, on one side or the other.
    package var isRefusal: Bool {
        remedy != nil || (code.native == RD_KAFKA_RESP_ERR__SSL && recovery == .fatal)
    }

    /// What a person is to do about a refusal; nil for other errors, and where the message says it.
    package var remedy: String? { Self.remedy(code, message) }

    /// A connection that breaks while the broker asks who comes is told as a failed authentication, too; librdkafka
    /// gives the reason in the words of its own errors.
    private static func remedy(_ code: Code, _ message: String?) -> String? {
        let isBroken =
            code.native == RD_KAFKA_RESP_ERR__AUTHENTICATION && message?.contains("failed: Local: ") == true
        return isBroken ? nil : remedies[code]
    }

    /// The message of a refusal with whom the broker refuses, and what: it says neither by itself.
    static func naming(
        _ code: rd_kafka_resp_err_t, _ message: String?, _ client: OpaquePointer?
    ) -> String? {
        guard remedy(Code(code), message) != nil, let client, let opaque = rd_kafka_opaque(client) else {
            return message
        }
        let context = ClientContext.behind(opaque)
        let names = context.names
        let what: String? =
            switch code {
            case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED: names.group.map { "group \($0)" }
            case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
                names.transactionalID.map { "transactional id \($0)" }
            case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED: context.trouble.forbiddenTopics
            default: nil
            }
        let who = names.user.map { "user \($0)" } ?? names.certificate.map { "certificate \($0)" }
        let parts = [what, who].compactMap { $0 }
        let text = message ?? String(cString: rd_kafka_err2str(code))
        return parts.isEmpty ? text : "\(text) (\(parts.joined(separator: ", ")))"
    }

    private static let remedies: [Code: String] = [
        Code(RD_KAFKA_RESP_ERR__AUTHENTICATION):
            "set sasl.username, sasl.password and sasl.mechanism to what the broker knows",
        Code(RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED):
            "set sasl.username, sasl.password and sasl.mechanism to what the broker knows",
        Code(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED):
            "give the user an ACL on the topic",
        Code(RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED):
            "give the user an ACL on the group",
        Code(RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED):
            "give the user an ACL on the transactional id",
        Code(RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED):
            "give the user an ACL on the cluster",
    ]
}
