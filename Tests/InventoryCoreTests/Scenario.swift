import InventoryCore
import Testing

/// A rule of the specification as text: one line a fact, each opening with given, when, then or and.
///
///     given receive 10 A in BER
///     when  reserve r1 3 A for o1 ttl 500 at 1000
///     then  reserved r1 3 from BER
///     and   A in BER: 10 on hand, 3 reserved
///     and   ledger: reserve r1
///
/// Commands: `receive N SKU in WAREHOUSE`, `reserve ID N SKU for ORDER [from WAREHOUSE] [ttl MS | until MS]`,
/// `confirm|release|expire ID SKU`; each with `[as COMMAND_ID] [at MS]`. The time stays until the next `at`.
/// Outcomes: `reserved|confirmed|released|expired ID N from WAREHOUSE`, `received N in WAREHOUSE`,
/// `rejected REASON`, `ignored REASON`; a repeat of an earlier answer ends in `again`.
struct Scenario {
    private(set) var stock: Stock
    private(set) var ledger: [LedgerEntry] = []
    private var now: Int64 = 0
    private var commands: Int64 = 0
    private var outcome: Outcome?
    private var newEntries: [LedgerEntry] = []

    init(dedupeWindow: Int = Limits.dedupeWindow) { stock = Stock(dedupeWindow: dedupeWindow) }

    @discardableResult
    static func check(
        _ text: String, dedupeWindow: Int = Limits.dedupeWindow,
        sourceLocation: SourceLocation = #_sourceLocation
    ) -> Scenario {
        var scenario = Scenario(dedupeWindow: dedupeWindow)
        var keyword = ""
        for line in text.split(separator: "\n") {
            var words = line.split(separator: " ").map(String.init)
            guard !words.isEmpty else { continue }
            let first = words.removeFirst()
            if first != "and" { keyword = first }
            let statement = words.joined(separator: " ")
            switch keyword {
            case "given", "when":
                scenario.run(words)
            case "then":
                let found = scenario.check(statement)
                #expect(found == statement, "\(line)", sourceLocation: sourceLocation)
            default:
                Issue.record("a line opens with \(first)", sourceLocation: sourceLocation)
            }
        }
        return scenario
    }

    /// Puts what is true in the place of what `statement` claims, in the same form.
    private func check(_ statement: String) -> String {
        if statement.hasPrefix("ledger:") {
            let entries = newEntries.map { "\($0.movement) \($0.reservationID ?? $0.sku)" }
            return "ledger: " + (entries.isEmpty ? "nothing" : entries.joined(separator: ", "))
        }
        let words = statement.split(separator: " ").map(String.init)
        if words.count > 2, words[1] == "in", words[2].hasSuffix(":") {
            let level = stock.levels(of: words[0])?.levels.first { $0.warehouse == words[2].dropLast() }
            return
                "\(words[0]) in \(words[2]) \(level?.onHand ?? 0) on hand, \(level?.reserved ?? 0) reserved"
        }
        guard let outcome else { return "no command" }
        let text: String =
            switch outcome.kind {
            case .rejected: "rejected \(outcome.rejection?.rawValue ?? "for nothing")"
            case .ignored: "ignored \(outcome.noOp?.rawValue ?? "for nothing")"
            case .received: "received \(outcome.quantity) in \(outcome.warehouse ?? "nowhere")"
            default:
                "\(outcome.kind) \(outcome.reservationID ?? "nothing") \(outcome.quantity) "
                    + "from \(outcome.warehouse ?? "nowhere")"
            }
        return outcome.isDuplicate ? text + " again" : text
    }

    private mutating func run(_ words: [String]) {
        func value(after word: String) -> String? {
            words.firstIndex(of: word).flatMap { $0 + 1 < words.count ? words[$0 + 1] : nil }
        }
        func number(after word: String) -> Int64? { value(after: word).flatMap { Int64($0) } }
        if let at = number(after: "at") { now = at }
        commands += 1
        let body: Command.Body
        let sku: String
        switch words[0] {
        case "receive":
            sku = words[2]
            body = .receive(warehouse: value(after: "in")!, quantity: Int64(words[1])!, reference: nil)
        case "reserve":
            sku = words[3]
            let expiry: Command.Expiry =
                if let until = number(after: "until") {
                    .at(Timestamp(milliseconds: until))
                } else {
                    .after(milliseconds: number(after: "ttl") ?? Limits.defaultTTL)
                }
            body = .reserve(
                reservationID: words[1], orderID: value(after: "for")!, quantity: Int64(words[2])!,
                warehouse: value(after: "from"), expiry: expiry)
        default:
            sku = words[2]
            body =
                switch words[0] {
                case "confirm": .confirm(reservationID: words[1])
                case "release": .release(reservationID: words[1])
                case "expire": .expire(reservationID: words[1])
                default: preconditionFailure("no such command: \(words)")
                }
        }
        let command = Command(id: value(after: "as") ?? "#\(commands)", sku: sku, body: body)
        newEntries = []
        outcome = stock.handle(
            command, at: Timestamp(milliseconds: now), source: Source(partition: 0, offset: commands),
            into: &newEntries)
        ledger += newEntries
    }
}
