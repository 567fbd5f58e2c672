import Foundation
import Simulation
import Testing

@Suite("The simulation")
struct SimulationTests {
    @Test("Whatever goes wrong, the books are right at the end: 300 seeds")
    func seeds() {
        var figures = Figures()
        for seed in UInt64(1)...300 {
            let report = Simulation.run(Plan(seed: seed))
            #expect(report.problems.isEmpty, "seed \(seed): \(report.problems.first ?? "")")
            figures.add(report.figures)
        }
        // What never happens is not tried.
        for count in Figures.Count.allCases where ![.unstable, .overtaken].contains(count) {
            #expect(figures[count] > 0, "\(count.rawValue)")
        }
    }

    @Test("A run leaves nothing of its world in memory")
    func memory() {
        struct Inhabitant { weak var object: AnyObject? }
        var inhabitants: [Inhabitant] = []
        for seed in UInt64(1)...40 {
            let world = World(plan: Plan(seed: seed))
            world.run()
            inhabitants += world.inhabitants.map { Inhabitant(object: $0) }
        }
        let left = inhabitants.compactMap(\.object)
        #expect(
            left.isEmpty,
            "\(left.count) of \(inhabitants.count), such as \(left.prefix(3).map { type(of: $0) })")
    }

    @Test(
        "Seeds that were wrong once",
        arguments: [
            // No command comes to one of two partitions: it is done all the same.
            80_367
        ] as [UInt64])
    func once(seed: UInt64) {
        #expect(Simulation.run(Plan(seed: seed)).problems == [])
    }

    @Test("A seed gives the same run, line by line", arguments: [1, 2, 3, 7, 17, 4_711] as [UInt64])
    func replay(seed: UInt64) {
        func lines() -> [String] {
            var lines: [String] = []
            _ = Simulation.run(Plan(seed: seed)) { lines.append($0) }
            return lines
        }
        let first = lines()
        #expect(first.count > 40)
        #expect(first == lines())
    }

    @Test(
        "A wrong version of the protocol is caught",
        arguments: [
            "offsets-before", "emit-again", "ahead-though-failed", "ahead-offset", "wall-clock", "delay-once",
            "delay-own-clock", "delay-deaf",
            "sink-offsets-first", "sink-no-guard", "relay-place-after", "relay-not-placed",
            "order-offsets-before", "order-state-outside", "order-state-short", "order-strays-kept",
        ])
    func mutants(name: String) throws {
        let mutant = try #require(Mutant.named(name))
        let caught = (UInt64(1)...1_000).first {
            (Plan.hasOrders($0) || !mutant.isOfOrders)
                && !Simulation.run(Plan(seed: $0), mutant: mutant).isRight
        }
        #expect(caught != nil)
    }

    @Test("A protection that stands behind another can be left out", arguments: Mutant.redundant.map(\.name))
    func redundant(name: String) throws {
        let mutant = try #require(Mutant.named(name))
        for seed in UInt64(1)...200 {
            let report = Simulation.run(Plan(seed: seed), mutant: mutant)
            #expect(report.problems.isEmpty, "seed \(seed): \(report.problems.first ?? "")")
        }
    }

    @Test("The docs tell every wrong version of the protocol, once")
    func docs() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "docs/simulation.md").path
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let told = text.split(separator: "\n").compactMap { line -> String? in
            line.hasPrefix("| `") ? line.split(separator: "`").dropFirst().first.map(String.init) : nil
        }
        #expect(told.sorted() == (Mutant.all + Mutant.redundant).map(\.name).sorted())
    }
}
