import Foundation
import InventoryCore
import InventoryWire
import Testing

@Suite(
    "Replay on a genuine broker", .serialized,
    .enabled(if: RealServers.kafka != nil, Comment(rawValue: RealServers.kafkaReason)))
struct ReplayTests {
    private struct Report: Decodable {
        struct Difference: Decodable {
            let kind: String
            let place: String
            let partition: Int32
            let sku: ID?
            let sequence: Int64?
            let found: String
            let expected: String
            let next: String
        }
        let commands: Int
        let entries: Int
        let differences: Int
        let first: [Difference]
    }

    private func replay(_ stage: Stage, _ arguments: [String] = []) throws -> (code: Int32, report: Report) {
        let (code, output) = try stage.run(["replay", "--json", "--log-level", "warning"] + arguments)
        let json = output[(output.firstIndex(of: "{") ?? output.startIndex)...]
        return (code, try JSONDecoder().decode(Report.self, from: Data(json.utf8)))
    }

    @Test(
        "replay decides again what processors decided though they were killed; a forged entry is told; another policy is tried",
        .timeLimit(.minutes(3)))
    func replay() throws {
        let stage = try Stage()
        defer { stage.endAll() }
        var random = SplitMix(state: 8)
        var processor = try stage.start("process")
        for round in 0..<2 {
            for number in 0..<600 {
                let sku = "SKU-\(Int.random(in: 0..<20, using: &random))"
                let id = "\(round)-\(number)"
                switch number % 6 {
                case 0:
                    try stage.publishSoon(receive(ID(id), 9, ID(sku), in: number % 4 == 0 ? "BER" : "HAM"))
                case 1, 2, 3:
                    try stage.publishSoon(reserve("\(sku)-\(id)", 4, ID(sku), ttl: 1 + Int64(number)))
                case 4:
                    try stage.publish(key: Array(sku.utf8), value: Array("{".utf8))
                default: try stage.publishSoon(confirm("\(sku)-\(round)-\(number - 2)", ID(sku), as: ID(id)))
                }
            }
            try stage.flush()
            try eventually("some are decided") { processor.metric("holdfast_commands_total") > 50 }
            processor.process.send(SIGKILL)
            processor = try stage.start("process")
        }
        try stage.awaitAnswers()

        // While the processor runs.
        let whole = try replay(stage)
        #expect(whole.code == 0 && whole.report.differences == 0)
        #expect(whole.report.commands == 1_200)
        let entries = try stage.ledger().count
        #expect(whole.report.entries == entries)
        let part = try replay(stage, ["--from", "0/150,1/20"])
        #expect(part.code == 0 && part.report.commands == 1_200 - 150 - 20)
        let text = try stage.run(["replay", "--partition", "1"])
        #expect(text.code == 0 && text.output.contains("each decision follows from the log"))
        #expect(try stage.run(["replay", "--from", "yesterday"]).code == 2)
        #expect(try stage.run(["replay", "--partition", "7"]).code == 2)

        let policy = NSTemporaryDirectory() + "\(stage.prefix)policy.json"
        defer { try? FileManager.default.removeItem(atPath: policy) }
        try #"{"safety_stock": 1000}"#.write(toFile: policy, atomically: true, encoding: .utf8)
        let supposed = try stage.run(["replay", "--policy", policy])
        #expect(supposed.code == 0)
        let reserved = supposed.output.split(separator: "\n").first { $0.hasPrefix("  reserved ") }
        #expect(reserved?.split(separator: " ").dropFirst(2).first == "0", "\(supposed.output)")
        try "{\"strategy\":\"best\"}".write(toFile: policy, atomically: true, encoding: .utf8)
        #expect(try stage.run(["replay", "--policy", policy]).code == 2)

        // Someone else writes into the ledger.
        #expect(processor.process.stop(milliseconds: 5_000) == 0)
        var entry = try stage.ledger().last { $0.sku == "SKU-3" }!
        entry.sequence += 1
        entry.quantity = 77
        var writer = RecordWriter()
        writer.write(entry: entry)
        let bytes = writer.withBytes { Array($0) }
        try stage.publish(to: .ledger, key: "SKU-3", value: bytes)
        let forged = try replay(stage)
        #expect(forged.code == 1 && forged.report.differences == 1)
        let difference = try #require(forged.report.first.first)
        #expect(difference.sku == "SKU-3" && difference.sequence == entry.sequence)
        #expect(difference.partition == stage.place(of: "SKU-3") && difference.place == "stock.ledger")
        #expect(difference.next.hasPrefix("holdfast show"))
    }
}
