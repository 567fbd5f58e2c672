import KafkaClient
import Testing

@Suite struct ConnectionNoiseFilterTests {
    let refused =
        "[thrd:10.0.0.1:9092/bootstrap]: 10.0.0.1:9092/bootstrap: Connect to ipv4#10.0.0.1:9092 failed: "
        + "Connection refused (after 0ms in state CONNECT)"
    let refusedByID = "[thrd:sasl_ssl://10.0.0.1:9092/1]: sasl_ssl://10.0.0.1:9092/1: Disconnected"
    let refusedCoordinator = "[thrd:GroupCoordinator]: GroupCoordinator: 10.0.0.1:9092: Connect failed"
    let refusedElsewhere = "[thrd:10.0.0.2:9092/2]: 10.0.0.2:9092/2: Connection refused"

    private func statistics(_ address: String, _ state: String) -> [UInt8] {
        Array(
            """
            {"brokers":{"\(address)/1":{"name":"\(address)/1", "nodeid":1, "nodename":"\(address)", \
            "source":"learned", "state":"\(state)", "stateage":12}},"cgrp":{"state": "up"}}
            """.utf8)
    }

    @Test("An outage of a broker is told once, under whichever name librdkafka has for it")
    func toldOnce() {
        var filter = ConnectionNoiseFilter()
        #expect(filter.judge(facility: "FAIL", message: refused) == .tell)
        for message in [refused, refusedByID, refusedCoordinator, refused] {
            #expect(filter.judge(facility: "FAIL", message: message) == .keepQuiet)
        }
        #expect(filter.isOutage)
    }

    @Test("Each broker has its own outage")
    func eachBroker() {
        var filter = ConnectionNoiseFilter()
        #expect(filter.judge(facility: "FAIL", message: refused) == .tell)
        #expect(filter.judge(facility: "FAIL", message: refusedElsewhere) == .tell)
        let json = statistics("10.0.0.2:9092", "UP")
        let returns = json.withUnsafeBytes { filter.statistics($0) }
        #expect(returns == [.init(address: "10.0.0.2:9092", keptQuiet: 0)])
        #expect(filter.judge(facility: "FAIL", message: refused) == .keepQuiet)
    }

    @Test("The return of the broker is told once, with what was kept quiet, and a new outage is told again")
    func returns() {
        var filter = ConnectionNoiseFilter()
        _ = filter.judge(facility: "FAIL", message: refused)
        _ = filter.judge(facility: "FAIL", message: refused)
        let down = statistics("10.0.0.1:9092", "TRY_CONNECT")
        #expect(down.withUnsafeBytes { filter.statistics($0) }.isEmpty)
        let up = statistics("10.0.0.1:9092", "UP")
        #expect(
            up.withUnsafeBytes { filter.statistics($0) } == [.init(address: "10.0.0.1:9092", keptQuiet: 1)])
        #expect(up.withUnsafeBytes { filter.statistics($0) }.isEmpty)
        #expect(filter.judge(facility: "FAIL", message: refused) == .tell)
        #expect(filter.answered() == [.init(address: "10.0.0.1:9092", keptQuiet: 0)])
        #expect(filter.answered().isEmpty)
    }

    @Test("That a broker which came back refuses the client is told once, though the outage goes on")
    func refusal() {
        var filter = ConnectionNoiseFilter()
        _ = filter.judge(facility: "FAIL", message: refused)
        let wrong = KafkaError(
            code: KafkaError.Code(number: -169), message: "10.0.0.1:9092/1: invalid credentials",
            operation: "connect")
        #expect(filter.judge(wrong) == .tell)
        #expect(filter.judge(wrong) == .keepQuiet)
        let certificate = "10.0.0.1:9092/1: Certificate (...) verification callback failed"
        #expect(filter.judge(facility: "SSLCERTVRFY", message: certificate) == .tell)
        #expect(filter.judge(facility: "SSLCERTVRFY", message: certificate) == .keepQuiet)
        #expect(filter.answered() == [.init(address: "10.0.0.1:9092", keptQuiet: 4)])
        #expect(filter.judge(wrong) == .tell)
    }

    @Test("What has nothing to do with connections is always told")
    func others() {
        var filter = ConnectionNoiseFilter()
        for _ in 1...3 {
            #expect(filter.judge(facility: "CONFWARN", message: "a setting is ignored") == .tell)
        }
        #expect(!filter.isOutage)
    }

    @Test("Messages without an address share one outage, and odd ones cannot grow the filter")
    func bounded() {
        var filter = ConnectionNoiseFilter()
        #expect(filter.judge(facility: "GETPID", message: "Failed to acquire a producer id") == .tell)
        #expect(filter.judge(facility: "GETPID", message: "Failed to acquire a producer id") == .keepQuiet)
        var told = 0
        for port in 1...1000 where filter.judge(facility: "FAIL", message: "host:\(port)/1: failed") == .tell
        {
            told += 1
        }
        #expect(told < 100)
        #expect(filter.answered().count < 100)
    }
}
