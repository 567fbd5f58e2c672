import Foundation
import Testing

/// Channels, late payments, backorders, published records, closed warehouses.
extension FieldTests {
    @Test(
        "Case 06: a tombstone or a record under another key of settings changes nothing, and is a dead letter",
        .timeLimit(.minutes(2)))
    func settingsUnderAnotherKey() throws {
        let field = try FieldCase("06-settings-tombstone-other-key")
        defer { field.end() }
        try field.send("1")
        try field.settle()
        try field.check("the longest TTL", expected: "[3600000, 3600000]") { "\(try field.longestTTLs())" }
        try field.send("2")
        try field.settle()
        try field.check("records under the key defaults", expected: "2 dead letters") {
            "\(try field.letters(holding: "defaults").count) dead letters"
        }
        try field.check("the longest TTL then", expected: "[3600000, 3600000]") {
            "\(try field.longestTTLs())"
        }
        try field.send("3")
        try field.settle()
        try field.check("a reservation for a day", expected: "rejected expiry_out_of_range") {
            try field.answer("b06-2")
        }
        try field.checkAudits()
    }

    @Test(
        "Case 13: a warehouse's policy that the product no longer names no longer applies",
        .timeLimit(.minutes(2)))
    func droppedWarehousePolicy() throws {
        let field = try FieldCase("13-dropped-warehouse-policy")
        defer { field.end() }
        for (step, levels) in [
            ("1", "BER 5 on hand, 0 reserved, 5 available"), ("2", "BER 5 on hand, 0 reserved, 0 available"),
            ("3", "BER 5 on hand, 0 reserved, 5 available"),
        ] {
            try field.send(step)
            try field.settle()
            try field.check("the stock after step \(step)", expected: levels) {
                try field.levels(of: "TEA-250")
            }
        }
        try field.send("4")
        try field.settle()
        try field.check("a reservation then", expected: "reserved 1") { try field.answer("b13-2") }
        try field.checkAudits()
    }

    @Test(
        "Case 14: a closed warehouse has nothing available in the feed, in PostgreSQL and in alerts, at once",
        .timeLimit(.minutes(2)))
    func closedWarehouse() throws {
        let field = try FieldCase("14-closed-warehouse")
        defer { field.end() }
        for step in ["1", "2"] {
            try field.send(step)
            try field.settle()
        }
        func database() throws -> String {
            try field.sql(
                "SELECT quantity_on_hand, quantity_available FROM holdfast.inventory WHERE sku = 'A'"
            )
            .map { "\($0[0]) on hand, \($0[1]) available" }.joined(separator: "; ")
        }
        try field.check("PostgreSQL while it is open", expected: "5 on hand, 5 available") { try database() }
        try field.send("3")
        try field.settle()
        try field.check("the feed", expected: "BER 5 on hand, 0 reserved, 0 available") {
            try field.levels(of: "A")
        }
        try field.check("PostgreSQL", expected: "5 on hand, 0 available") { try database() }
        try field.check("the last alert, without another command", expected: "out") {
            try field.alerts().last { $0.sku == "A" && $0.warehouse == nil }?.alert ?? "none"
        }
        try field.send("4")
        try field.settle()
        let isRight: (String) -> Bool = { $0.hasPrefix("rejected ") }
        try field.check(
            "a reservation", expected: "rejected", isRight: isRight
        ) { try field.answer("b14-2") }
        try field.publish(.warehouses, [("BER", #"{"warehouse":"BER","active":true}"#)])
        try field.settle()
        try field.check("the feed when it is open again", expected: "BER 5 on hand, 0 reserved, 5 available")
        {
            try field.levels(of: "A")
        }
        try field.check("PostgreSQL when it is open again", expected: "5 on hand, 5 available") {
            try database()
        }
        try field.checkAudits()
    }

    @Test(
        "Case 34: of channels with more set apart than there is, each takes its own as far as it is there, and the last units go to somebody",
        .timeLimit(.minutes(2)))
    func overcommittedChannels() throws {
        let field = try FieldCase("34-channels-overcommitted")
        defer { field.end() }
        try field.send("1")
        try field.settle()
        try field.check(
            "4 by shop, 2 and 1 by web, 1 by shop, 1 by nobody",
            expected: "reserved 4; reserved 2; reserved 1; reserved 1; rejected insufficient_stock"
        ) { try field.answers(["b3-4", "b3-5", "b3-6", "b3-7", "b3-8"]) }
        try field.check("the stock", expected: "BER 8 on hand, 8 reserved, 0 available") {
            try field.levels(of: "B3")
        }
        try field.checkAudits()
    }

    @Test(
        "Case 35: a late payment for a backorder takes units of the warehouse that it named, as one does that named none",
        .timeLimit(.minutes(2)))
    func latePaymentOfNamedBackorder() throws {
        let field = try FieldCase("35-late-payment-named-backorder")
        defer { field.end() }
        try field.send("1")
        try field.settle()
        // Beyond the TTL of a second.
        try field.check("both have expired", expected: "expired, 0, ; expired, 0, ", seconds: 20) {
            try ["b4-r1", "b4-r2"].map { try field.reservation($0) }.joined(separator: "; ")
        }
        try field.send("2")
        try field.settle()
        try field.check("the late payments", expected: "confirmed reacquired; confirmed reacquired") {
            try field.answers(["b4-5", "b4-6"])
        }
        try field.check("the stock", expected: "BER 6 on hand, 0 reserved, 6 available") {
            try field.levels(of: "B4")
        }
        try field.checkAudits()
    }

    @Test(
        "Case 37: a backorder that may not be split is filled by whichever warehouse has it all",
        .timeLimit(.minutes(2)))
    func unsplitBackorder() throws {
        let field = try FieldCase("37-unsplit-backorder-stuck")
        defer { field.end() }
        try field.send("1")
        try field.settle()
        try field.check("b6-r1", expected: "reserved, 5, HAM 5") { try field.reservation("b6-r1") }
        try field.check("b6-r2", expected: "reserved, 10, BER 3, HAM 5") { try field.reservation("b6-r2") }
        try field.check(
            "the stock",
            expected:
                "BER 3 on hand, 3 reserved, 0 available; HAM 10 on hand, 10 reserved, 0 available; 2 backordered"
        ) { try field.levels(of: "B6") }
        try field.checkAudits()
    }
}
