import KafkaClient
import Testing

@Suite struct ConnectionNoiseFilterTests {
    let refused =
        "[thrd:10.0.0.1:9092/bootstrap]: 10.0.0.1:9092/bootstrap: Connect to ipv4#10.0.0.1:9092 failed: "
        + "Connection refused (after 0ms in state CONNECT)"
    let refusedByID = "[thrd:sasl_ssl://10.0.0.1:9092/1]: sasl_ssl://10.0.0.1:9092/1: Disconnected"
    let refusedCoordinator = "[thrd:GroupCoordinator]: GroupCoordinator: 10.0.0.1:9092: Connect failed"
    let refusedElsewhere = "[thrd:10.0.0.2:9092/2]: 10.0.0.2:9092/2: Connection refused"

    /// As librdkafka 2.8 writes them, cut to what counts.
    private func statistics(
        _ address: String, _ state: String, written: Int = 1_000_000, idle: Int = 10
    ) -> [UInt8] {
        Array(
            """
            { "name": "rdkafka#consumer-1", "ts":\(written), "time":1700000000, "brokers":{ \
            "\(address)/1": { "name":"\(address)/1", "nodeid":1, "nodename":"\(address)", \
            "source":"learned", "state":"\(state)", "stateage":12, "rx":7, "rxidle":\(idle), "req": { } } }, \
            "cgrp": { "state": "up" } }
            """.utf8)
    }

    @Test("An outage of a broker is told once, under whichever name librdkafka has for it")
    func toldOnce() {
        var filter = ConnectionNoiseFilter()
        #expect(filter.judge(facility: "FAIL", message: refused, now: 0) == .tell)
        for message in [refused, refusedByID, refusedCoordinator, refused] {
            #expect(filter.judge(facility: "FAIL", message: message, now: 0) == .keepQuiet)
        }
        #expect(filter.isOutage)
    }

    @Test("Each broker has its own outage")
    func eachBroker() {
        var filter = ConnectionNoiseFilter()
        #expect(filter.judge(facility: "FAIL", message: refused, now: 0) == .tell)
        #expect(filter.judge(facility: "FAIL", message: refusedElsewhere, now: 0) == .tell)
        let json = statistics("10.0.0.2:9092", "UP")
        let returns = json.withUnsafeBytes { filter.statistics($0) }
        #expect(returns == [.init(address: "10.0.0.2:9092", keptQuiet: 0)])
        #expect(filter.judge(facility: "FAIL", message: refused, now: 0) == .keepQuiet)
    }

    @Test("The return of the broker is told once, with what was kept quiet, and a new outage is told again")
    func returns() {
        var filter = ConnectionNoiseFilter()
        _ = filter.judge(facility: "FAIL", message: refused, now: 0)
        _ = filter.judge(facility: "FAIL", message: refused, now: 0)
        let down = statistics("10.0.0.1:9092", "TRY_CONNECT")
        #expect(down.withUnsafeBytes { filter.statistics($0) }.isEmpty)
        let up = statistics("10.0.0.1:9092", "UP")
        #expect(
            up.withUnsafeBytes { filter.statistics($0) } == [.init(address: "10.0.0.1:9092", keptQuiet: 1)])
        #expect(up.withUnsafeBytes { filter.statistics($0) }.isEmpty)
        #expect(filter.judge(facility: "FAIL", message: refused, now: 0) == .tell)
        #expect(filter.answered() == [.init(address: "10.0.0.1:9092", keptQuiet: 0)])
        #expect(filter.answered().isEmpty)
    }

    @Test("A connection that is open, and over which nothing has come since the outage began, is no return")
    func hangs() {
        var filter = ConnectionNoiseFilter()
        #expect(filter.judge(facility: "FAIL", message: refused, now: 5_000_000) == .tell)
        func returns(written: Int, idle: Int) -> [ConnectionNoiseFilter.Return] {
            statistics("10.0.0.1:9092", "UP", written: written, idle: idle).withUnsafeBytes {
                filter.statistics($0)
            }
        }
        // Statistics from before the outage that were read late; silence since; nothing ever received.
        #expect(returns(written: 4_900_000, idle: 10).isEmpty)
        #expect(returns(written: 6_000_000, idle: 1_000_001).isEmpty)
        #expect(returns(written: 7_000_000, idle: -1).isEmpty)
        #expect(filter.judge(facility: "FAIL", message: refused, now: 7_500_000) == .keepQuiet)
        #expect(returns(written: 8_000_000, idle: 500) == [.init(address: "10.0.0.1:9092", keptQuiet: 1)])
        #expect(!filter.isOutage)
    }

    @Test("That a broker which came back refuses the client is told once, though the outage goes on")
    func refusal() {
        var filter = ConnectionNoiseFilter()
        _ = filter.judge(facility: "FAIL", message: refused, now: 0)
        let wrong = KafkaError(
            code: KafkaError.Code(number: -169), message: "10.0.0.1:9092/1: invalid credentials",
            operation: "connect")
        #expect(filter.judge(wrong, now: 0) == .tell)
        #expect(filter.judge(wrong, now: 0) == .keepQuiet)
        let certificate = "10.0.0.1:9092/1: Certificate (...) verification callback failed"
        #expect(filter.judge(facility: "SSLCERTVRFY", message: certificate, now: 0) == .tell)
        #expect(filter.judge(facility: "SSLCERTVRFY", message: certificate, now: 0) == .keepQuiet)
        #expect(filter.answered() == [.init(address: "10.0.0.1:9092", keptQuiet: 4)])
        #expect(filter.judge(wrong, now: 0) == .tell)
    }

    @Test("What has nothing to do with connections is always told")
    func others() {
        var filter = ConnectionNoiseFilter()
        for _ in 1...3 {
            #expect(filter.judge(facility: "CONFWARN", message: "a setting is ignored", now: 0) == .tell)
        }
        #expect(!filter.isOutage)
    }

    @Test("Messages without an address share one outage, and odd ones cannot grow the filter")
    func bounded() {
        var filter = ConnectionNoiseFilter()
        #expect(filter.judge(facility: "GETPID", message: "Failed to acquire a producer id", now: 0) == .tell)
        #expect(
            filter.judge(facility: "GETPID", message: "Failed to acquire a producer id", now: 0) == .keepQuiet
        )
        var told = 0
        for port in 1...1000
        where filter.judge(facility: "FAIL", message: "host:\(port)/1: failed", now: 0) == .tell {
            told += 1
        }
        #expect(told < 100)
        #expect(filter.answered().count < 100)
    }
}
