import Foundation
import Operations
import Synchronization
import Testing

@Suite("Metrics")
struct MetricsTests {
    @Test("The text is that of Prometheus, ordered and escaped")
    func text() {
        let registry = MetricsRegistry()
        let commands = registry.counters(
            "holdfast_commands_total", help: "Commands by type\nand outcome \\ reason.",
            labels: ["type", "outcome"])
        commands.with("reserve", "rejected").add(2)
        commands.with("confirm", "a \"quoted\" \\ one\n").add()
        commands.with("reserve", "granted").add(40)
        registry.gauge("holdfast_live_reservations", help: "Reservations that live.").set(12.5)
        let lag = registry.gauges("holdfast_lag", help: "Lag.", labels: ["partition"])
        lag.with("10").set(-1)
        lag.with("2").set(Double.infinity)
        let seconds = registry.histogram(
            "holdfast_transaction_seconds", help: "Transactions.", buckets: [0.005, 0.1, 1])
        for value in [0.001, 0.005, 0.25, 7] { seconds.observe(value) }
        #expect(
            registry.prometheusText() == #"""
                # HELP holdfast_commands_total Commands by type\nand outcome \\ reason.
                # TYPE holdfast_commands_total counter
                holdfast_commands_total{type="confirm",outcome="a \"quoted\" \\ one\n"} 1
                holdfast_commands_total{type="reserve",outcome="granted"} 40
                holdfast_commands_total{type="reserve",outcome="rejected"} 2
                # HELP holdfast_lag Lag.
                # TYPE holdfast_lag gauge
                holdfast_lag{partition="10"} -1
                holdfast_lag{partition="2"} +Inf
                # HELP holdfast_live_reservations Reservations that live.
                # TYPE holdfast_live_reservations gauge
                holdfast_live_reservations 12.5
                # HELP holdfast_transaction_seconds Transactions.
                # TYPE holdfast_transaction_seconds histogram
                holdfast_transaction_seconds_bucket{le="0.005"} 2
                holdfast_transaction_seconds_bucket{le="0.1"} 2
                holdfast_transaction_seconds_bucket{le="1"} 3
                holdfast_transaction_seconds_bucket{le="+Inf"} 4
                holdfast_transaction_seconds_sum 7.256
                holdfast_transaction_seconds_count 4

                """#)
    }

    @Test("A gauge that reads is read when the text is made, and resident memory is what the process has")
    func readings() throws {
        let registry = MetricsRegistry()
        let value = Mutex(1.0)
        registry.gauge("g", help: ".") { value.withLock { $0 } }
        #expect(registry.prometheusText().hasSuffix("\ng 1\n"))
        value.withLock { $0 = 2 }
        #expect(registry.prometheusText().hasSuffix("\ng 2\n"))
        let before = ResidentMemory.bytes()
        let block = [UInt8](repeating: 1, count: 64 << 20)
        #expect(ResidentMemory.bytes() - before > 32 << 20)
        #expect(block[before % block.count] == 1)
    }

    @Test("Concurrent additions add up")
    func concurrentAdditions() {
        let registry = MetricsRegistry()
        let counters = registry.counters("c_total", help: ".", labels: ["l"])
        let gauge = registry.gauge("g", help: ".")
        let histogram = registry.histogram("h", help: ".", buckets: [1, 2])
        DispatchQueue.concurrentPerform(iterations: 8) { thread in
            let own = counters.with("own \(thread)")
            for number in 0..<10_000 {
                counters.with("all").add()
                own.add(2)
                gauge.add(number.isMultiple(of: 2) ? 3 : -2)
                histogram.observe(Double(number % 3) + 0.5)
            }
        }
        #expect(counters.with("all").value == 80_000)
        #expect((0..<8).allSatisfy { counters.with("own \($0)").value == 20_000 })
        #expect(gauge.value == 40_000)
        let (cumulative, sum) = histogram.snapshot
        #expect(cumulative == [26_672, 53_336, 80_000])
        #expect(sum == 119_992)
    }

    @Test("Asking for a name again gives the same metric")
    func sameName() {
        let registry = MetricsRegistry()
        registry.counter("c_total", help: ".").add()
        registry.counter("c_total", help: ".").add()
        #expect(registry.counter("c_total", help: ".").value == 2)
    }

    @Test("A metric that is taken out is no longer in the text")
    func removal() {
        let registry = MetricsRegistry()
        let lag = registry.gauges("lag", help: ".", labels: ["partition"])
        lag.with("1").set(5)
        lag.with("2").set(6)
        lag.remove("1")
        #expect(!registry.prometheusText().contains("partition=\"1\""))
        #expect(registry.prometheusText().contains("partition=\"2\"} 6"))
    }

    @Test("Not-a-number does not spoil a histogram")
    func notANumber() {
        let histogram = MetricsRegistry().histogram("h", help: ".")
        histogram.observe(.nan)
        histogram.observe(1)
        #expect(histogram.snapshot.sum == 1)
        #expect(histogram.snapshot.cumulative.last == 1)
    }
}
