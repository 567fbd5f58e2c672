import CRdKafka

/// Settings under librdkafka's own names, in the order in which they were given.
///
/// Names and values are librdkafka's (CONFIGURATION.md of librdkafka), of clients and of topics alike.
package struct KafkaConfiguration: Sendable, Equatable, ExpressibleByDictionaryLiteral {
    private var settings: [(key: String, value: String)] = []

    package init() {}

    /// A later setting of the same name replaces the earlier one in its place.
    package init(dictionaryLiteral elements: (String, String)...) {
        for (key, value) in elements { self[key] = value }
    }

    /// The value of a setting, or nil if it was not given. Setting nil removes it.
    package subscript(key: String) -> String? {
        get { settings.first { $0.key == key }?.value }
        set {
            let index = settings.firstIndex { $0.key == key }
            switch (index, newValue) {
            case (let index?, let value?): settings[index].value = value
            case (let index?, nil): settings.remove(at: index)
            case (nil, let value?): settings.append((key, value))
            case (nil, nil): break
            }
        }
    }

    /// The names of the settings in their order.
    package var keys: [String] { settings.map(\.key) }

    /// These settings, with those of `other` put over them.
    package func merging(_ other: KafkaConfiguration) -> KafkaConfiguration {
        var result = self
        for (key, value) in other.settings { result[key] = value }
        return result
    }

    /// These settings, with `value` where `key` was not given.
    func withDefault(_ key: String, _ value: String) -> KafkaConfiguration {
        var result = self
        if result[key] == nil { result[key] = value }
        return result
    }

    /// Those of these settings that a client of the kind has.
    func ofClients(_ kind: ClientHandle.Kind) -> KafkaConfiguration {
        var result = self
        result.settings.removeAll { !SettingScope.has(kind, $0.key) }
        return result
    }

    package static func == (one: KafkaConfiguration, other: KafkaConfiguration) -> Bool {
        one.settings.elementsEqual(other.settings) { $0 == $1 }
    }
}

extension KafkaConfiguration {
    /// Every setting that librdkafka refuses, each with key, value and librdkafka's message
    /// (`rd_kafka_conf_set`). Settings that only clash with each other show when a client is made.
    package func mistakes() -> [KafkaError] {
        let handle = ConfigurationHandle()
        return settings.compactMap { refusal(of: $0, by: handle) }
    }

    /// The C configuration with these settings (`rd_kafka_conf_new`, `rd_kafka_conf_set`).
    func makeHandle() throws(KafkaError) -> ConfigurationHandle {
        let handle = ConfigurationHandle()
        for setting in settings {
            if let refusal = refusal(of: setting, by: handle) { throw refusal }
        }
        return handle
    }

    /// What librdkafka has against one setting, without secrets; nil if it takes it (`rd_kafka_conf_set`).
    package static func problem(with key: String, _ value: String) -> String? {
        problem(with: (key, value), by: ConfigurationHandle())
    }

    private static func problem(
        with setting: (key: String, value: String), by handle: borrowing ConfigurationHandle
    ) -> String? {
        var text = [CChar](repeating: 0, count: 512)
        let result = rd_kafka_conf_set(handle.pointer, setting.key, setting.value, &text, text.count)
        guard result != RD_KAFKA_CONF_OK else { return nil }
        // librdkafka may repeat the value in its message.
        return isSecret(setting.key)
            ? "refused by librdkafka, whose message is kept back as it may hold the secret" : string(text)
    }

    private func refusal(
        of setting: (key: String, value: String), by handle: borrowing ConfigurationHandle
    ) -> KafkaError? {
        guard let reason = Self.problem(with: setting, by: handle) else { return nil }
        let shown = Self.shown(setting.value, of: setting.key)
        return KafkaError(
            code: RD_KAFKA_RESP_ERR__INVALID_ARG,
            message: "kafka setting \(setting.key) = \(shown): \(reason)",
            operation: "configure the Kafka client")
    }
}

extension KafkaConfiguration: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// `key=value` of each setting, with secrets left out.
    package var description: String {
        settings.map { "\($0.key)=\(Self.shown($0.value, of: $0.key))" }.joined(separator: " ")
    }

    package var debugDescription: String { description }

    // A dump would otherwise show the stored values.
    package var customMirror: Mirror { Mirror(self, children: ["settings": description]) }

    /// Each setting with its value as it may be printed.
    package var printable: [(key: String, value: String)] {
        settings.map { ($0.key, Self.shown($0.value, of: $0.key)) }
    }

    /// Whether a setting's value must never be printed.
    package static func isSecret(_ key: String) -> Bool {
        if secrets.contains(key) { return true }
        // Settings of later versions of librdkafka follow these names.
        let words = key.split(whereSeparator: { $0 == "." || $0 == "_" })
        return words.contains { $0 == "password" || $0 == "secret" || $0 == "passphrase" }
    }

    private static let secrets: Set<String> = [
        "sasl.password", "ssl.key.password", "ssl.key.pem", "ssl.keystore.password",
        "sasl.oauthbearer.client.secret",
        // It may hold a token or a password among its words.
        "sasl.oauthbearer.config",
        // A command line may hold a password.
        "sasl.kerberos.kinit.cmd",
    ]

    private static func shown(_ value: String, of key: String) -> String {
        isSecret(key) ? "[redacted]" : value
    }
}
