import Foundation
import Testing

/// Inputs of the same kinds as the cases, that are not among them.
extension FieldTests {
    @Test(
        "Siblings of 01, 02 and 12: ids of every kind in two Unicode forms are two, and one id of two SKUs is two, in one partition",
        .timeLimit(.minutes(2)))
    func idsOfEveryKind() throws {
        let field = try FieldCase("01, 02, 12: siblings", partitions: 1)
        defer { field.end() }
        // The letter, the letter with a ring, the unit; the letter and the unit; a syllable and its parts.
        let forms = [
            "\u{C5}", "A\u{30A}", "\u{212B}", "K", "\u{212A}", "\u{D55C}", "\u{1112}\u{1161}\u{11AB}",
        ]
        let (one, other) = ("\u{E9}", "e\u{301}")
        var commands = forms.enumerated().map { FieldLine.receive($1, Int64($0 + 1), as: "in-\($0)") }
        commands.append(FieldLine.receive("S", 40, as: "in-S"))
        // Commands, reservations, transfers and channels.
        for (number, form) in [one, other].enumerated() {
            commands.append(FieldLine.receive("S", 1, as: "c-\(form)", in: "HAM"))
            commands.append(FieldLine.reserve("S", Int64(number + 1), as: "r-\(form)", #""warehouse":"BER""#))
            commands.append(
                FieldLine.command(
                    "S", "transfer_dispatch", as: "d-\(form)",
                    #""transfer_id":"t-\#(form)","from":"BER","to":"MUC","quantity":\#(number + 1)"#))
        }
        commands.append(FieldLine.command("S", "release", as: "x-1", #""reservation_id":"r-\#(one)""#))
        commands.append(FieldLine.command("S", "transfer_cancel", as: "x-2", #""transfer_id":"t-\#(one)""#))
        commands.append(FieldLine.receive("CH", 5, as: "in-CH"))
        commands.append(
            FieldLine.command(
                "CH", "set_policy", as: "p-CH",
                #""warehouse":"BER","channels":[{"channel":"\#(one)","quantity":2},{"channel":"\#(other)","quantity":3}]"#
            ))
        commands.append(FieldLine.reserve("CH", 2, as: "ch-1", #""channel":"\#(one)""#))
        commands.append(FieldLine.reserve("CH", 1, as: "ch-2", #""channel":"\#(one)""#))
        commands.append(FieldLine.reserve("CH", 3, as: "ch-3", #""channel":"\#(other)""#))
        // One transfer_id for two SKUs.
        for sku in ["T1", "T2"] {
            commands.append(FieldLine.receive(sku, 3, as: "in"))
            commands.append(
                FieldLine.command(
                    sku, "transfer_dispatch", as: "dispatch",
                    #""transfer_id":"t","from":"BER","to":"HAM","quantity":2"#))
        }
        commands.append(
            FieldLine.command("T1", "transfer_receive", as: "arrived", #""transfer_id":"t","quantity":2"#))
        try field.publish(.commands, commands)
        try field.settle()
        try field.check("SKUs", expected: "1 2 3 4 5 6 7") {
            try forms.map { "\(try field.newestLevels(of: FieldName($0))?.levels.first?.onHand ?? 0)" }
                .joined(separator: " ")
        }
        try field.check(
            "commands", expected: "received; received; reserved 1; reserved 2"
        ) { try field.answers(["c-\(one)", "c-\(other)", "r-\(one)", "r-\(other)"].map { FieldName($0) }) }
        try field.check(
            "the stock",
            expected:
                "BER 38 on hand, 2 reserved, 36 available; HAM 2 on hand, 0 reserved, 2 available; MUC 0 on hand, 0 reserved, 0 available"
        ) {
            try field.levels(of: "S")
        }
        try field.check("reservations", expected: "released, 0; reserved, 2") {
            try [one, other].map { form in
                try field.sql("SELECT status, remaining FROM holdfast.reservations WHERE id = 'r-\(form)'")
                    .map { $0.joined(separator: ", ") }.joined()
            }.joined(separator: "; ")
        }
        try field.check("transfers", expected: "cancelled; in_transit; T1 received; T2 in_transit") {
            try field.sql(
                """
                SELECT concat_ws(' ', CASE WHEN sku <> 'S' THEN sku END, status) FROM holdfast.transfers
                ORDER BY sku COLLATE "C", quantity
                """
            ).map { $0.joined() }.joined(separator: "; ")
        }
        try field.check("channels", expected: "reserved 2; rejected insufficient_stock; reserved 3") {
            try field.answers(["ch-1", "ch-2", "ch-3"])
        }

        try field.publish(
            .orders,
            [one, other].map {
                FieldLine.event("o-\($0)", "placed", as: "placed", FieldLine.lines("S", 1))
            })
        try field.publish(.orders, [FieldLine.event("o", "placed", as: "placed", FieldLine.lines("S", 2))])
        try field.settle()
        try field.publish(.orders, [FieldLine.event("o-\(one)", "paid", as: "paid")])
        try field.publish(
            .orders,
            [one, other].map {
                FieldLine.event("o", "paid", as: "paid-\($0)", FieldLine.lines("S", 1))
            })
        try field.settle()
        try field.check("orders", expected: "reserved, confirmed!; reserved") {
            try [one, other].map { try field.story(of: FieldName("o-\($0)")) }.joined(separator: "; ")
        }
        try field.check("events", expected: FieldCase.money(paid: 2, shipped: 2)) { try field.money(of: "o") }

        let bins = try field.write("sku,warehouse,counted\n\u{C5},BER,2\nA\u{30A},BER,2\n")
        let (code, output) = try field.count(bins, applying: true)
        try field.checkCount(
            "a count of both forms", expected: "\u{C5} in BER 1", code, output,
            sourceLocation: #_sourceLocation)
        try field.checkAudits()
    }

    @Test(
        "Siblings of 03, 05, 23, 24 and 33: whatever is paid, changed or sent wrongly is answered, and the money adds up to the unit",
        .timeLimit(.minutes(2)))
    func moneyInOtherWays() throws {
        let field = try FieldCase(
            "03, 05, 23, 24, 33: siblings", coordinating: ["--unknown-order-ms", "1000"])
        defer { field.end() }
        try field.publish(.commands, [FieldLine.receive("A", 100, as: "in")])
        let orders = ["parts", "much", "nothing", "same-1", "same-2"]
        try field.publish(
            .orders,
            orders.map {
                FieldLine.event($0, "placed", as: "placed", FieldLine.lines("A", $0 == "parts" ? 5 : 2))
            })
        try field.settle()
        let pay2 = FieldLine.lines("A", 2)
        try field.publish(
            .orders,
            [
                FieldLine.event("parts", "paid", as: "paid-1", FieldLine.lines("A", 1)),
                FieldLine.event("parts", "cancelled", as: "cancelled-1", FieldLine.lines("A", 1)),
                FieldLine.event("parts", "paid", as: "paid-2", FieldLine.lines("A", 1)),
                FieldLine.event("parts", "cancelled", as: "cancelled-2", FieldLine.lines("A", 1)),
                FieldLine.event("parts", "paid", as: "paid-3", pay2),
                FieldLine.event("much", "paid", as: "paid-much", FieldLine.lines("A", 3)),
                FieldLine.event("nothing", "paid", as: "paid-0", FieldLine.lines("A", 0)),
                FieldLine.event("nothing", "paid", as: "paid-negative", FieldLine.lines("A", -1)),
                FieldLine.event(
                    "nothing", "paid", as: "paid-huge", FieldLine.lines("A", 1_000_000_000_000_000_000)),
                FieldLine.event("same-1", "paid", as: "paid-same"),
                FieldLine.event("same-2", "paid", as: "paid-same"),
                FieldLine.event("words", "placed", as: "placed-words", #""lines":"A""#),
                FieldLine.event("words", "paid", as: "paid-words", pay2),
                FieldLine.event(
                    "comma", "placed", as: "placed-comma", pay2 + #","expires_at":"2027-11-30T10:00:00,5Z""#),
                FieldLine.event("comma", "paid", as: "paid-comma", pay2),
            ])
        try field.settle()
        try field.check(
            "5, paid 1, cancelled 1, paid 1, cancelled 1, paid 2: 3 of them are wanted",
            expected: FieldCase.money(paid: 4, shipped: 3, refund: 1)
        ) { try field.money(of: "parts") }
        try field.check("3 paid for 2", expected: FieldCase.money(paid: 3, shipped: 2, refund: 1)) {
            try field.money(of: "much")
        }
        for (event, what) in [("paid-0", "0"), ("paid-negative", "-1"), ("paid-huge", "10^18")] {
            let isRight: (String) -> Bool = { !$0.isEmpty }
            try field.check("a payment for \(what) units", expected: "refused", isRight: isRight) {
                try field.refusal(of: FieldName(event))
            }
        }
        try field.check("the order of these", expected: FieldCase.money(paid: 0, kept: 2)) {
            try field.money(of: "nothing")
        }
        try field.check("one event_id for two orders", expected: "reserved, confirmed!; reserved, confirmed!")
        {
            try ["same-1", "same-2"].map { try field.story(of: FieldName($0)) }.joined(separator: "; ")
        }
        for (order, what) in [("words", "lines that are no list"), ("comma", "a time with a comma")] {
            try field.check("an order with \(what), then paid", expected: "rejected!, refund_required") {
                try field.story(of: FieldName(order))
            }
        }
        let told = try field.outcomes(of: "same-1").count
        try field.publish(
            .orders,
            [
                FieldLine.event("same-1", "changed", as: "changed-late", FieldLine.lines("A", 4)),
                FieldLine.event("same-2", "paid", as: "paid-same", FieldLine.lines("A", 1)),
            ])
        try field.settle()
        try field.check("a change after all was paid is answered", expected: "yes") {
            let isRefused = try !field.refusal(of: "changed-late").isEmpty
            return try isRefused || field.outcomes(of: "same-1").count > told ? "yes" : "no"
        }
        try field.check("its order", expected: FieldCase.money(paid: 2, shipped: 2)) {
            try field.money(of: "same-1")
        }
        try field.check("an event_id again with other lines", expected: "event_id_conflict") {
            try field.refusal(of: "paid-same")
        }
        try field.check("the stock", expected: "BER 91 on hand, 2 reserved, 89 available") {
            try field.levels(of: "A")
        }
        try field.checkAudits()
    }

    @Test(
        "Siblings of 10 and 38: parcels for more than there is, in several parts, leave neither units reserved nor money unaccounted",
        .timeLimit(.minutes(2)))
    func parcelsInOtherWays() throws {
        let field = try FieldCase("10, 38: siblings", coordinating: ["--ship-on", "shipped"])
        defer { field.end() }
        try field.publish(
            .commands,
            [
                FieldLine.receive("A", 3, as: "in-1"), FieldLine.receive("B", 4, as: "in-2"),
            ])
        try field.publish(
            .orders,
            [
                FieldLine.event("more", "placed", as: "placed", FieldLine.lines("A", 3)),
                FieldLine.event(
                    "part", "placed", as: "placed", FieldLine.lines("B", 6) + #","mode":"partial""#),
            ])
        try field.settle()
        try field.publish(
            .orders,
            [
                FieldLine.event("more", "paid", as: "paid"),
                // 4 of 6 are there. First those that are missing are cancelled, then one of those that are there.
                FieldLine.event("part", "cancelled", as: "cancelled", FieldLine.lines("B", 3)),
                FieldLine.event("part", "paid", as: "paid"),
            ])
        try field.settle()
        try field.check("4 of 6, 3 cancelled, paid", expected: FieldCase.money(paid: 3, kept: 3)) {
            try field.money(of: "part")
        }
        try field.publish(
            .orders,
            [
                FieldLine.event("more", "shipped", as: "shipped", FieldLine.lines("A", 5)),
                FieldLine.event("part", "shipped", as: "shipped-1", FieldLine.lines("B", 1)),
                FieldLine.event("part", "shipped", as: "shipped-2", FieldLine.lines("B", 2)),
            ])
        try field.settle()
        try field.check("5 shipped of 3", expected: FieldCase.money(paid: 3, shipped: 3)) {
            try field.money(of: "more")
        }
        try field.check("shipped in two parcels", expected: FieldCase.money(paid: 3, shipped: 3)) {
            try field.money(of: "part")
        }
        try field.check(
            "the stock",
            expected: "BER 0 on hand, 0 reserved, 0 available; BER 1 on hand, 0 reserved, 1 available"
        ) {
            try "\(field.levels(of: "A")); \(field.levels(of: "B"))"
        }
        try field.checkAudits()
    }

    @Test(
        "Siblings of 06, 13, 14 and 34: shares larger than the stock, two closed warehouses, records under wrong keys",
        .timeLimit(.minutes(2)))
    func stockInOtherWays() throws {
        let field = try FieldCase("06, 13, 14, 34: siblings")
        defer { field.end() }
        func share(_ sku: String, _ channel: String, _ quantity: Int64) -> FieldLine.Line {
            FieldLine.command(
                sku, "set_policy", as: "policy",
                #""warehouse":"BER","channels":[{"channel":"\#(channel)","quantity":\#(quantity)}]"#)
        }
        func open(_ warehouse: String, _ isActive: Bool) -> FieldLine.Line {
            (warehouse, #"{"warehouse":"\#(warehouse)","active":\#(isActive)}"#)
        }
        try field.publish(.warehouses, [open("BER", true), open("HAM", true)])
        try field.settle()
        try field.publish(
            .commands,
            [
                FieldLine.receive("C1", 5, as: "in"), share("C1", "shop", 100),
                FieldLine.reserve("C1", 1, as: "c1-nobody"),
                FieldLine.reserve("C1", 3, as: "c1-shop", #""channel":"shop""#),
                FieldLine.command("C1", "damage", as: "damage", #""warehouse":"BER","quantity":1"#),
                FieldLine.reserve("C1", 1, as: "c1-last", #""channel":"shop""#),
                FieldLine.receive("C2", 5, as: "in"), FieldLine.reserve("C2", 3, as: "c2-live"),
                share("C2", "web", 4),
                FieldLine.reserve("C2", 1, as: "c2-nobody"),
                FieldLine.reserve("C2", 2, as: "c2-web", #""channel":"web""#),
                FieldLine.reserve("C2", 1, as: "c2-more", #""channel":"web""#),
            ])
        try field.settle()
        let no = "rejected insufficient_stock"
        try field.check("5 units, 100 set apart for shop", expected: "\(no); reserved 3; reserved 1") {
            try field.answers(["c1-nobody", "c1-shop", "c1-last"])
        }
        try field.check("5 units, 3 reserved, 4 set apart for web", expected: "\(no); reserved 2; \(no)") {
            try field.answers(["c2-nobody", "c2-web", "c2-more"])
        }

        try field.publish(
            .commands,
            [
                FieldLine.command(
                    "W", "set_policy", as: "policy", #""reorder_point":1,"rearm_point":2,"backorder_limit":5"#
                ),
                FieldLine.receive("W", 3, as: "in-1"), FieldLine.receive("W", 6, as: "in-2", in: "HAM"),
                FieldLine.reserve("W", 1, as: "w-live", #""warehouse":"BER""#),
            ])
        try field.settle()
        try field.publish(.warehouses, [open("BER", false), open("HAM", false)])
        try field.settle()
        try field.check(
            "both closed",
            expected: "BER 3 on hand, 1 reserved, 0 available; HAM 6 on hand, 0 reserved, 0 available; out"
        ) {
            try field.levels(of: "W")
                + "; \(try field.alerts().last { $0.sku == "W" && $0.warehouse == nil }?.alert ?? "")"
        }
        try field.publish(.commands, [FieldLine.reserve("W", 2, as: "w-waits")])
        try field.settle()
        try field.check("a reservation waits", expected: "backordered 0 and 2 backordered") {
            try field.answer("w-waits")
        }
        try field.publish(.warehouses, [open("HAM", true)])
        try field.settle()
        try field.publish(.commands, [FieldLine.receive("W", 1, as: "in-3", in: "HAM")])
        try field.settle()
        try field.check("one is opened, and fills it with the next command", expected: "reserved, 2, HAM 2") {
            try field.reservation("w-waits")
        }
        try field.check(
            "the feed then",
            expected:
                "BER 3 on hand, 1 reserved, 0 available; HAM 7 on hand, 2 reserved, 5 available; recovered"
        ) {
            try field.levels(of: "W")
                + "; \(try field.alerts().last { $0.sku == "W" && $0.warehouse == nil }?.alert ?? "")"
        }

        try field.publish(.commands, [FieldLine.receive("P", 5, as: "in", in: "HAM")])
        try field.publish(
            .products,
            [
                ("P", #"{"sku":"P","name":"P","policy":{"safety_stock":2}}"#),
                ("Q", #"{"sku":"P","name":"P","policy":{"safety_stock":5}}"#),
            ])
        try field.publish(.warehouses, [("BER", #"{"warehouse":"HAM","active":false}"#)])
        try field.settle()
        try field.check(
            "records under wrong keys",
            expected: "key_mismatch, key_mismatch; HAM 5 on hand, 0 reserved, 3 available"
        ) {
            try (field.letters().joined(separator: ", ")) + "; \(field.levels(of: "P"))"
        }
        try field.publish(.products, [("P", #"{"sku":"P","name":"P"}"#)])
        try field.settle()
        try field.check(
            "a product without a policy any more", expected: "HAM 5 on hand, 0 reserved, 5 available"
        ) {
            try field.levels(of: "P")
        }
        try field.checkAudits()
    }

    @Test(
        "Siblings of 09 and 27: columns in another order, a space that does not break, a new warehouse, a SKU in its parts",
        .timeLimit(.minutes(2)))
    func countsInOtherWays() throws {
        let field = try FieldCase("09, 27: siblings")
        defer { field.end() }
        try field.publish(
            .commands,
            [
                FieldLine.receive("TEA-250", 120, as: "in-1"), FieldLine.receive("\u{D55C}", 5, as: "in-2"),
                FieldLine.receive("TEA-250", 7, as: "in-3", in: "HAM"),
            ])
        try field.settle()
        for (what, text, flags, expected) in [
            ("another order", "counted;sku;warehouse\r\n118;TEA-250;BER\r\n", [], "TEA-250 in BER -2"),
            (
                "bins and blanks",
                "sku,warehouse,counted\n\nTEA-250,BER,100\n  ,,\nTEA-250,HAM,7\nTEA-250,BER,18\n", [],
                "TEA-250 in BER -2"
            ),
            (
                "a space that does not break", "sku,warehouse,counted\nTEA-250\u{A0},BER,118\n", [],
                "TEA-250 in BER -2 or refused in line 2, proposes TEA-250"
            ),
            (
                "a new warehouse on purpose", "sku,warehouse,counted,expected\nTEA-250,MUC,3,0\n", [],
                "TEA-250 in MUC 3"
            ),
            (
                "a new warehouse with --allow-new", "sku,warehouse,counted\nTEA-250,MUC,3\n", ["--allow-new"],
                "TEA-250 in MUC 3"
            ),
            (
                "a SKU in its parts", "sku,warehouse,counted\n\u{1112}\u{1161}\u{11AB},BER,4\n", [],
                "refused in line 2, proposes \u{D55C}"
            ),
            (
                "a good row and a bad one", "sku,warehouse,counted\nTEA-250,BER,118\nTEE-250,BER,1\n", [],
                "refused in line 3, proposes TEA-250"
            ),
        ] as [(String, String, [String], String)] {
            let (code, output) = try field.count(try field.write(text), applying: false, flags)
            let alternatives = expected.components(separatedBy: " or ")
            try field.checkCount(
                what, expected: alternatives[code == 2 ? alternatives.count - 1 : 0], code, output,
                sourceLocation: #_sourceLocation)
        }
        try field.check("commands sent by looking", expected: "3") { "\(try field.read(.commands).count)" }
        try field.checkAudits()
    }
}
