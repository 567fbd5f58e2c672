import KafkaClient
import Synchronization
import Testing

@Suite struct ConfigurationTests {
    @Test("An unknown setting is refused with its name, its value and librdkafka's reason")
    func unknownSetting() {
        let configuration: KafkaConfiguration = ["bootstrap.servers": "localhost:1", "no.such.setting": "7"]
        let mistakes = configuration.mistakes()
        #expect(mistakes.count == 1)
        let text = mistakes.first?.message ?? ""
        #expect(text.contains("no.such.setting"))
        #expect(text.contains("= 7"))
        #expect(text.contains("No such configuration property"))
        #expect(mistakes.first?.recovery == .fatal)
    }

    @Test("Every mistake is told at once, in the order of the settings")
    func allMistakes() {
        let configuration: KafkaConfiguration = [
            "acks": "many", "linger.ms": "5", "security.protocol": "shouting",
        ]
        let mistakes = configuration.mistakes()
        #expect(mistakes.count == 2)
        #expect(mistakes.first?.message.contains("acks = many") == true)
        #expect(mistakes.last?.message.contains("security.protocol = shouting") == true)
    }

    @Test("A client with a bad setting is not made")
    func badClient() {
        #expect(throws: KafkaError.self) {
            _ = try Producer(configuration: ["linger.ms": "soon"])
        }
        #expect(throws: KafkaError.self) {
            _ = try TransactionalProducer(configuration: ["bootstrap.servers": "localhost:1"])
        }
        #expect(throws: KafkaError.self) {
            _ = try Consumer(configuration: ["bootstrap.servers": "localhost:1"])
        }
        // These clash only with each other, which librdkafka tells when the client is made.
        #expect(throws: KafkaError.self) {
            _ = try Producer(configuration: ["enable.idempotence": "true", "acks": "1"])
        }
    }

    @Test(
        "A secret is never printed",
        arguments: [
            "sasl.password", "ssl.key.password", "ssl.key.pem", "ssl.keystore.password",
            "sasl.oauthbearer.client.secret", "sasl.oauthbearer.config", "some.later.password",
        ])
    func secrets(key: String) {
        var configuration: KafkaConfiguration = ["client.id": "visible"]
        configuration[key] = "hunter2"
        for text in ["\(configuration)", String(reflecting: configuration), configuration.debugDescription] {
            #expect(!text.contains("hunter2"))
            #expect(text.contains("visible"))
        }
        var dumped = ""
        dump(configuration, to: &dumped)
        #expect(!dumped.contains("hunter2"))
        #expect(!configuration.printable.contains { $0.value == "hunter2" })
        #expect(!configuration.mistakes().contains { $0.description.contains("hunter2") })
    }

    @Test("Settings keep their order, and a later value replaces the earlier one in its place")
    func order() {
        var configuration: KafkaConfiguration = ["a": "1", "b": "2", "a": "3"]
        #expect(configuration.keys == ["a", "b"])
        #expect(configuration["a"] == "3")
        configuration["a"] = nil
        #expect(configuration.merging(["b": "4", "c": "5"]).description == "b=4 c=5")
    }

    @Test("Each client gets only what is its own, and warns of nothing; who gets what librdkafka itself says")
    func scope() throws {
        let told = Mutex<[String]>([])
        let events = ClientEvents(log: { _, _, message in told.withLock { $0.append(message) } })
        let configuration: KafkaConfiguration = [
            "bootstrap.servers": "localhost:1", "group.id": "g", "fetch.min.bytes": "2",
            "max.poll.interval.ms": "400000", "linger.ms": "7", "message.send.max.retries": "3",
            "compression.codec": "lz4", "socket.keepalive.enable": "true",
        ]
        _ = try Producer(configuration: configuration, events: events)
        _ = try Consumer(configuration: configuration, events: events)
        let warnings = told.withLock { $0 }.filter { $0.contains("onfiguration property") }
        #expect(warnings == [])
        // What a client has is refused where it is wrong, and what nobody knows in any client.
        #expect(throws: KafkaError.self) {
            _ = try Consumer(configuration: ["group.id": "g", "fetch.min.bytes": "few"])
        }
        #expect(throws: KafkaError.self) { _ = try Producer(configuration: ["no.such.setting": "7"]) }
    }

    @Test("A librdkafka older than 2.8 is refused")
    func version() throws {
        try LibraryVersion.check()
        #expect(throws: KafkaError.self) { try LibraryVersion.check(number: 0x0200_02ff, name: "2.0.2") }
        #expect(throws: KafkaError.self) { try LibraryVersion.check(number: 0x0207_ffff, name: "2.7.255") }
        try LibraryVersion.check(number: 0x0208_00ff, name: "2.8.0")
        try LibraryVersion.check(number: 0x020f_00ff, name: "2.15.0")
    }
}
