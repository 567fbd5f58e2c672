import Foundation
import InventoryCore
import Testing

/// The folder `Rules/`: the specification in the small text form.
enum RuleBook {
    struct Rule: CustomTestStringConvertible, Sendable {
        let chapter: String
        let sentence: String
        let text: String

        var testDescription: String { "\(chapter): \(sentence)" }
    }

    static let rules: [Rule] = {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Rules")
        let files =
            (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
        return files.filter { $0.pathExtension == "txt" }.sorted { $0.path < $1.path }.flatMap(rules)
    }()

    private static func rules(in file: URL) -> [Rule] {
        guard let text = try? String(contentsOf: file, encoding: .utf8) else { return [] }
        var chapter = file.lastPathComponent
        var rules: [Rule] = []
        for block in text.components(separatedBy: "\n\n") {
            let lines = block.split(separator: "\n").map(String.init)
            if let title = lines.first, title.hasPrefix("# ") { chapter = String(title.dropFirst(2)) }
            guard let place = lines.firstIndex(where: { $0.hasPrefix("## ") }) else { continue }
            rules.append(
                Rule(
                    chapter: chapter, sentence: String(lines[place].dropFirst(3)),
                    text: lines[(place + 1)...].joined(separator: "\n")))
        }
        return rules
    }
}

@Suite("Rules")
struct RuleTests {
    @Test("Each rule of the folder holds", arguments: RuleBook.rules)
    func rule(_ rule: RuleBook.Rule) throws {
        let scenario = Scenario.check(rule.text)
        try checkInvariants(scenario.stock)
        // What was decided is what the ledger tells, and what a restart finds.
        var folded = Stock()
        for entry in scenario.ledger { folded.fold(entry) }
        RestoreTests.expectSame(folded, scenario.stock)
        RestoreTests.expectSame(try RestoreTests.restored(scenario.stock, scenario.ledger), scenario.stock)
    }

    @Test("The folder has rules, each with a then, and no sentence twice")
    func folder() {
        #expect(RuleBook.rules.count > 100)
        for rule in RuleBook.rules { #expect(rule.text.contains("then "), "\(rule.testDescription)") }
        #expect(Set(RuleBook.rules.map(\.sentence)).count == RuleBook.rules.count)
    }

    @Test("Every command is granted in one rule and refused in another")
    func coverage() {
        var granted: Set<CommandKind> = []
        var refused: Set<CommandKind> = []
        var reasons: Set<Rejection> = []
        for rule in RuleBook.rules {
            for entry in Scenario.check(rule.text).ledger {
                if let reason = entry.reason {
                    refused.insert(entry.command)
                    reasons.insert(reason)
                } else {
                    granted.insert(entry.command)
                }
            }
        }
        #expect(granted == Set(CommandKind.sent))
        // These are told to be without effect, or have no reason to be refused by but the limit below.
        let neverRefused: Set<CommandKind> = [.expire, .transferDue, .setSettings, .setWarehouse]
        #expect(Set(CommandKind.sent).subtracting(refused) == neverRefused)
        // Limits that take hundreds of commands to reach are tested on their own.
        #expect(Set(Rejection.allCases).subtracting(reasons) == [.warehouseLimitExceeded])
    }

    @Test("The documented order of precedence is the code's")
    func precedence() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "docs/decisions.md")
        let text = try String(contentsOf: file, encoding: .utf8)
        let section = try #require(text.components(separatedBy: "## Why a command is refused").last)
            .components(separatedBy: "\n## ")[0]
        let words = section.split(separator: "\n").filter { $0.hasPrefix("| `") }
            .map { String($0.dropFirst(3).prefix { $0 != "`" }) }
        #expect(words == Rejection.allCases.map(\.rawValue))
    }

    @Test("A SKU stands in at most so many warehouses, and a partition knows at most so many")
    func warehouseLimits() {
        var lines: [String] = []
        for number in 0..<Limits.warehousesPerSKU { lines.append("given receive 1 A in W\(number)") }
        lines += [
            "when  receive 1 A in ONE-MORE", "then  rejected warehouse_limit_exceeded",
            "when  dispatch t1 1 A from W0 to ONE-MORE", "then  rejected warehouse_limit_exceeded",
            "when  policy A in ONE-MORE safety 1", "then  rejected warehouse_limit_exceeded",
            "when  publish A in W0 safety 1 in ONE-MORE safety 1", "then  rejected warehouse_limit_exceeded",
            "when  adjust +1 A in ONE-MORE because found", "then  rejected warehouse_limit_exceeded",
            "when  receive 1 A in W0", "then  received 1 in W0",
        ]
        for number in 0..<Limits.warehouses { lines.append("given warehouse W\(number)") }
        lines += [
            "when  warehouse ONE-MORE", "then  rejected warehouse_limit_exceeded",
            "when  warehouse W0 closed", "then  warehouse_set in W0",
        ]
        Scenario.check(lines.joined(separator: "\n"))
    }

    /// DESIGN.md, section 4: what holds after every decision.
    private func checkInvariants(_ stock: Stock) throws {
        for snapshot in stock.allLevels {
            for level in snapshot.levels {
                #expect(0 <= level.reserved && level.reserved <= level.onHand, "\(snapshot.sku)")
            }
        }
    }
}
