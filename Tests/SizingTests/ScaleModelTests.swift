import Sizing
import Testing

@Suite struct ScaleModelTests {
    private let times = ServiceTimes(
        worker: .init(command: 4, transaction: 0), client: .init(command: 2, transaction: 100),
        broker: .init(command: 5, transaction: 400), reader: 1, publishBroker: 1, publisher: 1,
        commitShare: 0.6, commitWait: 3, outside: 0)

    private func fleet(processes: Int = 1, brokers: Int = 1, cores: Int = 8, partitions: Int = 1) -> Layout {
        .fleet(
            processes: processes, processCores: cores, brokers: brokers, brokerCores: cores,
            partitions: partitions, commitInterval: 25, commandLimit: 1_000)
    }

    private func isNear(_ one: Double, _ other: Double, within share: Double) -> Bool {
        abs(one - other) <= share * abs(other)
    }

    @Test(
        "A worker that decides nothing during a commit takes the sum of its steps for each full transaction")
    func oneAfterAnother() {
        var layout = fleet()
        layout.decidesAhead = false
        let seen = ScaleModel.run(layout, .backlog(100_000), times)
        // 4 ms to decide, 2.1 for the client, 3.4 for the broker, 3 of waiting.
        #expect(isNear(seen.perSecond, 1_000 / 0.0125, within: 0.01), "\(seen)")
        #expect(seen.commandsInTransaction == 1_000)
    }

    @Test("Who decides during a commit needs the longer of the two")
    func decidingAhead() {
        let seen = ScaleModel.run(fleet(), .backlog(100_000), times)
        #expect(isNear(seen.perSecond, 1_000 / 0.0085, within: 0.02), "\(seen)")
    }

    @Test("With partitions enough the cores are the bound: throughput is cores by time of a command")
    func coresAreTheBound() {
        let layout = Layout.shared(
            cores: 2, processes: 1, partitions: 16, commitInterval: 25, commandLimit: 1_000)
        let seen = ScaleModel.run(layout, .backlog(2_000_000), times)
        // 4 + 2.1 + 5.4 + 1 microseconds; a core rests now and then, when all wait for commits.
        #expect(isNear(seen.perSecond, seen.busy[0] * 2e6 / 12.5, within: 0.01), "\(seen)")
        #expect(seen.busy[0] > 0.95)
    }

    @Test("A command that comes to an idle partition is committed at once")
    func idle() {
        let seen = ScaleModel.run(fleet(), .rate(5, seconds: 60, warmUp: 0), times)
        // 4 us, 102 us, 403 us and 3 ms; the classes are 1 % wide.
        #expect(isNear(seen.p50, 3.509, within: 0.02), "\(seen)")
        #expect(seen.commandsInTransaction < 1.1)
    }

    @Test("Little's law holds for commands, and what comes goes", arguments: [1, 4])
    func little(_ partitions: Int) {
        let seen = ScaleModel.run(
            fleet(partitions: partitions), .rate(20_000, seconds: 20, warmUp: 2), times)
        #expect(isNear(seen.perSecond, 20_000, within: 0.02), "\(seen)")
        #expect(isNear(seen.inSystem, seen.perSecond * seen.mean / 1_000, within: 0.03), "\(seen)")
    }

    @Test("The utilisation law holds for broker and processors")
    func utilisation() {
        let seen = ScaleModel.run(
            fleet(cores: 2, partitions: 4), .rate(40_000, seconds: 10, warmUp: 1), times)
        let size = seen.commandsInTransaction
        #expect(isNear(seen.busy[0], seen.perSecond * (6 + 100 / size) / 2e6, within: 0.03), "\(seen)")
        #expect(isNear(seen.busy[1], seen.perSecond * (6 + 400 / size) / 2e6, within: 0.03), "\(seen)")
    }

    @Test("Followers add their share of the leader's work")
    func followers() {
        var layout = fleet(brokers: 3, cores: 4, partitions: 6)
        layout.replicas = 3
        layout.followerShare = 0.5
        let seen = ScaleModel.run(layout, .rate(30_000, seconds: 10, warmUp: 1), times)
        let size = seen.commandsInTransaction
        let path = 3 + 400 / size
        let all = seen.busy[1...].reduce(0, +) * 4
        #expect(isNear(all, seen.perSecond * (path * 2 + 2 + 1 * 2) / 1e6, within: 0.04), "\(seen)")
    }

    @Test("One seed gives one run, another seed another")
    func seeds() {
        let load = Load.rate(10_000, seconds: 2, warmUp: 0.5)
        let one = ScaleModel.run(fleet(partitions: 3), load, times, seed: 5)
        #expect(one == ScaleModel.run(fleet(partitions: 3), load, times, seed: 5))
        #expect(one != ScaleModel.run(fleet(partitions: 3), load, times, seed: 6))
    }

    @Test("The partitions of a lost process wait for the group, are restored side by side, and catch up")
    func loss() throws {
        let loss = Loss(
            at: 3, unnoticed: 6_000, opening: 100, records: 1_000_000, perRecord: 1.5, brokerPerRecord: 0.5)
        let seen = ScaleModel.run(
            fleet(processes: 3, cores: 4, partitions: 12), .rate(6_000, seconds: 25, warmUp: 1), times,
            loss: loss)
        // Four partitions over two processes of four cores: each has a core.
        let restored = try #require(seen.restoredAfter)
        #expect(restored > 7.6 && restored < 7.8, "\(seen)")
        let drained = try #require(seen.drainedAfter)
        #expect(drained >= restored && drained < restored + 3, "\(seen)")
        #expect(isNear(seen.perSecond, 6_000, within: 0.03), "\(seen)")
    }

    @Test("A line through costs finds what goes with commands and what with transactions")
    func fit() {
        let points = [50.0, 500, 5_000].map {
            CostFit.Point(commandsInTransaction: $0, microseconds: 7 + 900 / $0)
        }
        let cost = CostFit.cost(points)
        #expect(isNear(cost.command, 7, within: 1e-6) && isNear(cost.transaction, 900, within: 1e-6))
        #expect(CostFit.cost([points[0], points[0]]) == .init(command: 25, transaction: 0))
    }

    @Test("Percentiles are right to one percent")
    func percentiles() {
        var counts = LatencyCounts()
        for number in 1...1_000 { counts.add(Double(number)) }
        #expect(isNear(counts.value(50), 500, within: 0.01))
        #expect(isNear(counts.value(99), 990, within: 0.01))
        #expect(counts.mean == 500.5)
        #expect(LatencyCounts().value(99) == 0)
    }
}
