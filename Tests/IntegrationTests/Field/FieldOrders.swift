import Foundation
import Testing

/// Money and parcels: what was paid has shipped, is kept for its payer, or goes back.
extension FieldTests {
    @Test(
        "Case 03: what was paid in parts, in time, late or after a cancellation, is shipped or refunded to the unit",
        .timeLimit(.minutes(2)))
    func latePartPayment() throws {
        let field = try FieldCase("03-late-part-payment")
        defer { field.end() }
        try field.send("1")
        try field.settle()
        // The payment comes before the deadline, however slow the machine is.
        for step in ["2", "3"] { try field.send(step) }
        try field.settle()
        try field.check(
            "one of two paid in time, then the deadline", expected: FieldCase.money(paid: 1, shipped: 1),
            seconds: 20
        ) {
            try field.story(of: "b03-o1").contains("!") ? try field.money(of: "b03-o1") : "not ended"
        }
        try field.send("4")
        try field.settle()
        try field.check("the other one paid late", expected: FieldCase.money(paid: 2, shipped: 1, refund: 1))
        {
            try field.money(of: "b03-o1")
        }
        for step in ["5", "6"] {
            try field.send(step)
            try field.settle()
        }
        try field.check("cancelled, then paid in two parts", expected: FieldCase.money(paid: 2, refund: 2)) {
            try field.money(of: "b03-o2")
        }
        try field.send("7")
        try field.settle()
        try field.check("paid in two parts in time", expected: FieldCase.money(paid: 2, shipped: 2)) {
            try field.money(of: "b03-o3")
        }
        try field.check("the stock", expected: "BER 17 on hand, 0 reserved, 17 available") {
            try field.levels(of: "A")
        }
        try field.checkAudits()
    }

    @Test(
        "Case 05: one event_id for two different events is a conflict that its sender is told of",
        .timeLimit(.minutes(2)))
    func reusedEventID() throws {
        let field = try FieldCase("05-event-id-reused")
        defer { field.end() }
        for step in ["1", "2", "3"] {
            try field.send(step)
            try field.settle()
        }
        try field.check("the second event", expected: "event_id_conflict") {
            try field.refusal(of: "b05-98880550")
        }
        try field.send("4")
        try field.settle()
        try field.check("the same with a command_id", expected: "received, then rejected command_id_conflict")
        {
            try field.answers().filter { $0.commandId == "b05-7" }.map(\.shown).joined(separator: ", then ")
        }
        try field.check("the order", expected: "reserved, expired!", seconds: 20) {
            try field.story(of: "b05-o1")
        }
        try field.check("the stock", expected: "BER 6 on hand, 0 reserved, 6 available") {
            try field.levels(of: "A")
        }
        try field.checkAudits()
    }

    @Test(
        "Case 10: the units of a backordered line that are there can ship, each parcel counts once, and nothing stays reserved",
        .timeLimit(.minutes(2)))
    func firstParcelOfBackorderedLine() throws {
        let field = try FieldCase("10-ship-part-of-backordered-line", coordinating: ["--ship-on", "shipped"])
        defer { field.end() }
        for step in ["1", "2"] {
            try field.send(step)
            try field.settle()
        }
        try field.check("paid", expected: FieldCase.money(paid: 2, kept: 1, missing: 1)) {
            try field.money(of: "b10-o1")
        }
        try field.send("3")
        try field.settle()
        try field.check("the first parcel", expected: FieldCase.money(paid: 2, shipped: 1, missing: 1)) {
            try field.money(of: "b10-o1")
        }
        for step in ["4", "5"] {
            try field.send(step)
            try field.settle()
        }
        try field.check(
            "the second, told before the stock learns of it", expected: FieldCase.money(paid: 2, shipped: 2)
        ) {
            try field.money(of: "b10-o1")
        }
        try field.check("the stock", expected: "BER 0 on hand, 0 reserved, 0 available") {
            try field.levels(of: "A")
        }
        try field.checkAudits()
    }

    @Test(
        "Case 11: an order's deadline may be as far away as a reservation's", .timeLimit(.minutes(2)))
    func longestDeadline() throws {
        let field = try FieldCase("11-longest-deadline")
        defer { field.end() }
        for step in ["1", "2"] {
            try field.send(step)
            try field.settle()
        }
        try field.check("a plain reservation", expected: "reserved 1") { try field.answer("b11-2") }
        for order in ["b11-o1", "b11-o2", "b11-o3"] {
            try field.check("the order \(order)", expected: "reserved") {
                try field.story(of: FieldName(order))
            }
        }
        try field.checkAudits()
    }

    @Test(
        "Case 21: the times of RFC 3339 are taken, and whoever sends another learns it: of a command by a dead letter, of an order by its outcome too",
        .timeLimit(.minutes(2)))
    func timesOfOtherLanguages() throws {
        let field = try FieldCase("21-times-of-other-languages")
        defer { field.end() }
        // Within the longest TTL, whenever the test runs; the leap second is too far away most of the year.
        let tomorrow = ["2027-01-05": String(Date().addingTimeInterval(86_400).ISO8601Format().prefix(10))]
        try field.send("1", replacing: tomorrow)
        try field.settle()
        let refused = "dead letter invalid_time"
        let expected = [
            (2, refused + " or reserved 1"), (4, "reserved 1 or rejected expiry_out_of_range"),
            (7, "reserved 1"),
            (8, "reserved 1"), (9, "reserved 1"), (10, "reserved 1"), (0, refused), (1, refused),
            (3, refused),
            (5, refused), (6, refused), (11, refused), (12, refused), (13, refused),
            (90, "dead letter wrong_type"),
            (91, "dead letter wrong_type"),
        ]
        let forms = try field.texts("1", named: "expires_at")
        for (number, expected) in expected {
            let id = "b21-t\(number)"
            let isRight: (String) -> Bool = { outcome in
                expected.components(separatedBy: " or ").contains(outcome)
            }
            try field.check(
                forms[id] ?? id, expected: expected,
                isRight: isRight
            ) { try field.answer(FieldName(id)) }
        }
        try field.send("2", replacing: tomorrow)
        try field.settle()
        for (order, form) in [("b21-p0", "T10:15Z"), ("b21-p1", "+0100"), ("b21-p2", "a space for the T")] {
            // A form that is taken is reserved.
            let isRight: (String) -> Bool = { ["rejected! invalid_time", "reserved"].contains($0) }
            try field.check(
                "an order with \(form)", expected: "rejected! invalid_time or reserved",
                isRight: isRight
            ) {
                let reason = try field.outcomes(of: FieldName(order)).last?.unreadable?.reason
                return try field.story(of: FieldName(order)) + (reason.map { " " + $0 } ?? "")
            }
        }
        try field.checkAudits()
    }

    @Test(
        "Case 23: an order that cannot be decoded and can be named is rejected with the reason, and its payment is to be refunded",
        .timeLimit(.minutes(2)))
    func unreadableOrderThenPaid() throws {
        // Events of an order that is not known wait for less long than the checks.
        let field = try FieldCase(
            "23-unreadable-order-then-paid", coordinating: ["--unknown-order-ms", "1000"])
        defer { field.end() }
        for step in ["1", "2", "3"] {
            try field.send(step)
            try field.settle()
        }
        for (order, what) in [
            ("b23-o1", "101 lines"), ("b23-o2", "one SKU from two warehouses"), ("b23-o3", "no lines"),
        ] {
            try field.check("an order of \(what), then paid", expected: "rejected!, refund_required") {
                try field.story(of: FieldName(order))
            }
        }
        try field.check("an order of 100 lines", expected: "rejected!, 100 lines with insufficient_stock") {
            let lines = try field.outcomes(of: "b23-o4").last?.lines ?? []
            return try field.story(of: "b23-o4")
                + ", \(lines.filter { $0.reason == "insufficient_stock" }.count) lines with insufficient_stock"
        }
        try field.check(
            "the stock",
            expected: "BER 500 on hand, 0 reserved, 500 available; HAM 5 on hand, 0 reserved, 5 available"
        ) {
            try field.levels(of: "A")
        }
        try field.checkAudits()
    }

    @Test(
        "Case 24: after a part payment a change applies to what is not paid, or is refused aloud",
        .timeLimit(.minutes(2)))
    func changeAfterPartPayment() throws {
        let field = try FieldCase("24-change-after-part-paid")
        defer { field.end() }
        for step in ["1", "2"] {
            try field.send(step)
            try field.settle()
        }
        let isRight: (String) -> Bool = { outcome in
            [
                "changes told 2, refused 0; A 3 of 3 kept, 0 paid; B 1 paid, 1 shipped",
                "changes told 1, refused 1; A 3 of 3 kept, 0 paid; B 1 paid, 1 shipped",
                "changes told 1, refused 1; A 2 of 2 kept, 0 paid; B 1 paid, 1 shipped",
                "changes told 0, refused 2; A 2 of 2 kept, 0 paid; B 1 paid, 1 shipped",
            ].contains(outcome)
        }
        try field.check(
            "the order",
            expected: "each change is told or refused; of A 2 or 3 are kept, B is paid and shipped",
            isRight: isRight
        ) {
            let outcomes = try field.outcomes(of: "b24-o1")
            let refusals = try ["b24-e3", "b24-e4"].filter { try !field.refusal(of: FieldName($0)).isEmpty }
            let a = outcomes.last?.lines?.first { $0.sku == "A" }
            let b = outcomes.last?.lines?.first { $0.sku == "B" }
            return
                "changes told \(outcomes.filter { $0.outcome == "changed" }.count), refused \(refusals.count); "
                + "A \(a?.reserved ?? 0) of \(a?.quantity ?? 0) kept, \(a?.paid ?? 0) paid; "
                + "B \(b?.paid ?? 0) paid, \(b?.shipped ?? 0) shipped"
        }
        try field.checkAudits()
    }

    @Test(
        "Case 32: when a part cancellation meets a loss, what was not cancelled stays",
        .timeLimit(.minutes(2)))
    func cancellationMeetsLoss() throws {
        let field = try FieldCase("32-short-claim-releases-all")
        defer { field.end() }
        for step in ["1", "2"] {
            try field.send(step)
            try field.settle()
        }
        field.stop("process")
        try field.send("3")
        try field.send("4")
        try field.settle(without: "process")
        try field.start("process")
        try field.settle()
        try field.check("the order", expected: "4 of 4 kept") {
            let line = try field.outcomes(of: "ob1").last?.lines?.first
            return "\(line?.reserved ?? 0) of \(line?.quantity ?? 0) kept"
        }
        try field.check("the stock", expected: "BER 5 on hand, 4 reserved, 1 available") {
            try field.levels(of: "B1")
        }
        try field.checkAudits()
    }

    @Test(
        "Case 33: a second order.paid of an order that is paid adds nothing, and is answered",
        .timeLimit(.minutes(2)))
    func secondPayment() throws {
        let field = try FieldCase("33-partial-second-payment")
        defer { field.end() }
        for step in ["1", "2", "3"] {
            try field.send(step)
            try field.settle()
        }
        try field.check("paid once", expected: FieldCase.money(paid: 6, shipped: 6)) {
            try field.money(of: "ob2")
        }
        let told = try field.outcomes(of: "ob2").count
        try field.send("4")
        try field.settle()
        try field.check("paid again", expected: FieldCase.money(paid: 6, shipped: 6)) {
            try field.money(of: "ob2")
        }
        try field.check("the second payment is answered", expected: "yes") {
            let isRefused = try !field.refusal(of: "ob2-3").isEmpty
            return try isRefused || field.outcomes(of: "ob2").count > told ? "yes" : "no"
        }
        try field.checkAudits()
    }

    @Test("Case 38: a cancellation takes from the units that are missing first", .timeLimit(.minutes(2)))
    func cancelMissingUnits() throws {
        let field = try FieldCase("38-cancel-missing-units")
        defer { field.end() }
        for step in ["1", "2", "3"] {
            try field.send(step)
            try field.settle()
        }
        try field.check("the order", expected: "6 of 6 kept") {
            let line = try field.outcomes(of: "ob7").last?.lines?.first
            return "\(line?.reserved ?? 0) of \(line?.quantity ?? 0) kept"
        }
        try field.check("the stock", expected: "BER 6 on hand, 6 reserved, 0 available") {
            try field.levels(of: "B7")
        }
        try field.checkAudits()
    }
}
