import InventoryCore
import Testing

/// A rule of the specification as text: one line a fact, each opening with given, when, then or and. The text
/// form is described in `Rules/README.md`.
struct Scenario {
    private(set) var stock = Stock()
    private(set) var ledger: [LedgerEntry] = []
    private var now: Int64 = 0
    private var commands: Int64 = 0
    private var outcome: Outcome?
    private var effects = Effects()

    @discardableResult
    static func check(
        _ text: String, sourceLocation: SourceLocation = #_sourceLocation
    ) -> Scenario {
        var scenario = Scenario()
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
                let found = scenario.found(statement)
                #expect(found == statement, "\(line)", sourceLocation: sourceLocation)
            default:
                Issue.record("a line opens with \(first)", sourceLocation: sourceLocation)
            }
        }
        return scenario
    }

    /// Puts what is true in the place of what `statement` claims, in the same form.
    private func found(_ statement: String) -> String {
        func list(_ name: String, _ parts: [String]) -> String {
            "\(name): " + (parts.isEmpty ? "nothing" : parts.joined(separator: ", "))
        }
        if statement.hasPrefix("ledger:") {
            return list(
                "ledger",
                effects.entries.map {
                    "\($0.movement.rawValue) \($0.reservationID ?? $0.transferID ?? $0.sku)"
                })
        }
        if statement.hasPrefix("told:") {
            return list("told", effects.entries.compactMap(Notice.init).map(Self.describe))
        }
        if statement.hasPrefix("alerts:") { return list("alerts", effects.alerts.map(Self.describe)) }
        let words = statement.split(separator: " ").map(String.init)
        if words[0] == "available" { return available(words) }
        if words.count > 2, words[1] == "in", words[2].hasSuffix(":") {
            return "\(words[0]) in \(words[2]) "
                + describeLevel(of: ID(words[0]), in: ID(String(words[2].dropLast())))
        }
        if words.count > 1, words[0].hasSuffix(":"), words.last == "backordered" {
            let snapshot = stock.levels(of: ID(String(words[0].dropLast())))
            return "\(words[0]) \(snapshot?.backordered ?? 0) backordered"
        }
        return outcome.map(Self.describe) ?? "no command"
    }

    private func available(_ words: [String]) -> String {
        let warehouse = ID(String(words[3].last == ":" ? words[3].dropLast() : words[3][...]))
        let level = stock.levels(of: ID(words[1]))?.levels.first { $0.warehouse == warehouse }
        let channel = words.count > 5 ? ID(String(words[5].dropLast())) : nil
        let units = level?.available(to: channel) ?? 0
        return "available \(words[1]) in \(warehouse)" + (channel.map { " to \($0)" } ?? "") + ": \(units)"
    }

    private func describeLevel(of sku: ID, in warehouse: ID) -> String {
        let level =
            stock.levels(of: sku)?.levels.first { $0.warehouse == warehouse } ?? Level(warehouse: warehouse)
        var text = "\(level.onHand) on hand, \(level.reserved) reserved"
        if level.inTransit > 0 { text += ", \(level.inTransit) in transit" }
        if level.damaged > 0 { text += ", \(level.damaged) damaged" }
        return text
    }

    private static func describe(_ notice: Notice) -> String {
        var text = "\(notice.kind.rawValue) \(notice.reservationID) \(notice.quantity)"
        if let formerly = notice.formerly { text += " from \(formerly)" }
        if let warehouse = notice.warehouse { text += " to \(warehouse)" }
        if notice.kind == .reservationLost { text += " leaving \(notice.remaining)" }
        return text
    }

    private static func describe(_ alert: Alert) -> String {
        var text = "\(alert.kind.rawValue) \(alert.transferID ?? alert.sku)"
        if let warehouse = alert.warehouse { text += " in \(warehouse)" }
        text += " \(alert.quantity)"
        if let order = alert.suggestedQuantity { text += " order \(order)" }
        return text
    }

    private static func describe(_ outcome: Outcome) -> String {
        var text = outcome.kind.rawValue
        if let reason = outcome.rejection?.rawValue ?? outcome.noOp?.rawValue {
            text += " \(reason)" + (outcome.isRefundRequired ? " refund_required" : "")
            return text + (outcome.isDuplicate ? " again" : "")
        }
        if let id = outcome.reservationID ?? outcome.transferID { text += " \(id)" }
        switch outcome.kind {
        case .adjusted: text += " \((outcome.delta ?? 0) < 0 ? "" : "+")\(outcome.delta ?? 0)"
        case .policySet, .retired, .warehouseSet, .settingsSet: break
        case .extended: text += " until \(outcome.expiresAt?.milliseconds ?? 0)"
        default: text += " \(outcome.quantity)"
        }
        if outcome.allocations.count == 1 {
            text += " from \(outcome.allocations[0].warehouse)"
        } else if !outcome.allocations.isEmpty {
            text +=
                " from "
                + outcome.allocations.map { "\($0.warehouse) \($0.quantity)" }.joined(separator: " ")
        }
        if let warehouse = outcome.warehouse { text += " in \(warehouse)" }
        if let requested = outcome.requested { text += " of \(requested)" }
        if outcome.backordered > 0 { text += " with \(outcome.backordered) backordered" }
        if let remaining = outcome.remaining, remaining > 0 { text += " leaving \(remaining)" }
        if outcome.isReacquired { text += " reacquired" }
        return text + (outcome.isDuplicate ? " again" : "")
    }

    private mutating func run(_ words: [String]) {
        let line = Line(words: words)
        if let at = line.number(after: "at"), words[0] != "warehouse" { now = at }
        commands += 1
        let command = line.command(id: line.id(after: "as") ?? "#\(commands)")
        effects.removeAll()
        outcome = stock.handle(
            command, at: Timestamp(milliseconds: now), source: Source(partition: 0, offset: commands),
            into: &effects)
        ledger += effects.entries
    }
}

/// A line that gives a command.
private struct Line {
    let words: [String]

    func value(after word: String) -> String? {
        words.dropFirst().firstIndex(of: word).flatMap { $0 + 1 < words.count ? words[$0 + 1] : nil }
    }

    func number(after word: String) -> Int64? { value(after: word).flatMap { Int64($0) } }

    func has(_ word: String) -> Bool { words.contains(word) }

    private func time(after word: String) -> Timestamp? {
        number(after: word).map { Timestamp(milliseconds: $0) }
    }

    private var expiry: Command.Expiry {
        if let until = time(after: "until") { return .at(until) }
        return number(after: "ttl").map { .after(milliseconds: $0) } ?? .standard
    }

    private func point(after word: String) -> Point? {
        guard let text = value(after: word) else { return nil }
        let parts = text.split(separator: ",").compactMap { Double($0) }
        guard parts.count == 2 else { return nil }
        return Point(latitude: Int64(parts[0] * 1e6), longitude: Int64(parts[1] * 1e6))
    }

    private var condition: Condition { has("damaged") ? .damaged : .sellable }

    private var strategy: Strategy? { value(after: "by").flatMap(Strategy.init(rawValue:)) }

    func command(id: ID) -> Command {
        let (sku, body) = skuAndBody
        return Command(
            id: id, sku: sku, generation: number(after: "generation"), issuedAt: time(after: "issued"),
            body: body)
    }

    private var skuAndBody: (ID, Command.Body) {
        switch words[0] {
        case "receive":
            return (
                id(2),
                .receive(warehouse: id(after: "in")!, quantity: Int64(words[1])!, reference: nil)
            )
        case "return":
            return (
                id(2),
                .return(
                    Command.Return(
                        warehouse: id(after: "in")!, quantity: Int64(words[1])!, condition: condition))
            )
        case "damage":
            return (
                id(2), .damage(warehouse: id(after: "in")!, quantity: Int64(words[1])!, reference: nil)
            )
        case "adjust", "count":
            let number = Int64(words[1])!
            return (
                id(2),
                .adjust(
                    Command.Adjust(
                        warehouse: id(after: "in")!,
                        change: words[0] == "adjust"
                            ? .delta(number) : .count(number, expected: self.number(after: "expected")),
                        condition: condition, reasonCode: ReasonCode(rawValue: value(after: "because")!)!))
            )
        case "dispatch":
            return (
                id(3),
                .transferDispatch(
                    Command.TransferDispatch(
                        transferID: id(1), from: id(after: "from")!, to: id(after: "to")!,
                        quantity: Int64(words[2])!, expectedAt: time(after: "due")))
            )
        case "arrive":
            return (
                id(3),
                .transferReceive(
                    transferID: id(1), quantity: Int64(words[2])!, damaged: number(after: "damaged") ?? 0)
            )
        case "cancel": return (id(2), .transferCancel(transferID: id(1)))
        case "overdue": return (id(2), .transferDue(transferID: id(1)))
        case "reserve": return (id(3), .reserve(reserve))
        case "confirm":
            return (
                id(2),
                .confirm(reservationID: id(1), quantity: number(after: "units"), warehouse: id(after: "from"))
            )
        case "release": return (id(2), .release(reservationID: id(1), quantity: number(after: "units")))
        case "expire": return (id(2), .expire(reservationID: id(1)))
        case "extend": return (id(2), .extend(reservationID: id(1), expiry: expiry))
        case "reallocate": return (id(2), .reallocate(reservationID: id(1), allocations: shares("to")))
        case "policy": return (id(1), .setPolicy(warehouse: id(after: "in"), policy))
        case "publish":
            let locals = words.split(separator: "in").dropFirst().map { Line(words: ["policy"] + Array($0)) }
            return (
                id(1),
                .setPolicies(
                    PublishedPolicies(
                        policy: has("all") ? Line(words: Array(words.prefix { $0 != "in" })).policy : nil,
                        warehouses: locals.map {
                            WarehousePolicy(warehouse: $0.id(1), policy: $0.policy)
                        }))
            )
        case "retire": return (id(1), .retire)
        case "warehouse":
            return (PartitionBook.sku(0), .setWarehouse(warehouse, isWithdrawn: has("withdrawn")))
        case "settings": return (PartitionBook.sku(0), .setSettings(settings))
        default: preconditionFailure("no such command: \(words)")
        }
    }

    private func id(_ index: Int) -> ID { ID(words[index]) }

    func id(after word: String) -> ID? { value(after: word).map { ID($0) } }

    private var reserve: Command.Reserve {
        Command.Reserve(
            reservationID: id(1), orderID: id(after: "for")!, quantity: Int64(words[2])!,
            warehouse: id(after: "from"), expiry: expiry, strategy: strategy,
            allowPartial: has("partial"), allowSplit: !has("unsplit"), allowBackorder: !has("now"),
            channel: id(after: "through"), shipTo: point(after: "to"),
            deliverWithinHours: number(after: "within"))
    }

    /// WAREHOUSE:UNITS, with commas between.
    private func shares(_ word: String) -> [Allocation] {
        (value(after: word) ?? "").split(separator: ",").map {
            let parts = $0.split(separator: ":")
            return Allocation(warehouse: ID(String(parts[0])), quantity: Int64(parts[1])!)
        }
    }

    private var policy: Policy {
        Policy(
            safetyStock: number(after: "safety"), reorderPoint: number(after: "reorder"),
            rearmPoint: number(after: "rearm"), reorderUpTo: number(after: "upto"),
            countsInTransit: has("transit"), backorderLimit: number(after: "backorders"),
            strategy: strategy, unitsPerOrder: number(after: "limit"),
            channels: shares("apart").map { ChannelShare(channel: $0.warehouse, quantity: $0.quantity) })
    }

    private var warehouse: Warehouse {
        Warehouse(
            id: id(1), location: point(after: "at"),
            priority: number(after: "priority") ?? Limits.standardPriority,
            handlingHours: number(after: "handling") ?? 0,
            kilometresPerHour: number(after: "speed") ?? Limits.standardKilometresPerHour,
            isActive: !has("closed") && !has("withdrawn"))
    }

    private var settings: Settings {
        let standard = Settings()
        return Settings(
            defaultTTL: number(after: "ttl") ?? standard.defaultTTL,
            shortestTTL: number(after: "least") ?? standard.shortestTTL,
            longestTTL: number(after: "most") ?? standard.longestTTL,
            dedupeCount: number(after: "remember").map { Int($0) } ?? standard.dedupeCount,
            dedupeAge: number(after: "for") ?? standard.dedupeAge,
            strategy: strategy ?? standard.strategy)
    }
}
