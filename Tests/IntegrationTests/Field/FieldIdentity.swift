import Foundation
import Testing

/// Ids are bytes, belong to their SKU, and a repeat is recognised or refused.
extension FieldTests {
    @Test(
        "Case 01: a warehouse in two Unicode forms is two warehouses, of 5 and of 3, and all audits agree",
        .timeLimit(.minutes(2)))
    func warehouseInTwoForms() throws {
        let field = try FieldCase("01-warehouse-nfc-nfd")
        defer { field.end() }
        try field.send("1")
        try field.settle()
        try field.check("the reservation of 7", expected: "reserved 7") { try field.answer("b01-3") }
        let expected = "Zu\\u{308}rich 3; Z\\u{FC}rich 5; reserved 7"
        try field.check("on hand in the feed", expected: expected) {
            let levels = try field.newestLevels(of: "A")?.levels ?? []
            return levels.map { "\($0.warehouse) \($0.onHand); " }.joined()
                + "reserved \(levels.reduce(0) { $0 + $1.reserved })"
        }
        try field.check("on hand in PostgreSQL", expected: expected) {
            let rows = try field.sql(
                """
                SELECT warehouse_id, quantity_on_hand, quantity_reserved FROM holdfast.inventory
                WHERE sku = 'A' ORDER BY warehouse_id COLLATE "C"
                """)
            return rows.map { "\(FieldName($0[0])) \($0[1]); " }.joined()
                + "reserved \(rows.reduce(0) { $0 + (Int64($1[2]) ?? 0) })"
        }
        try field.checkAudits()
    }

    @Test(
        "Case 02: a SKU in two Unicode forms is two SKUs, to the stock, to orders, to counts and to all audits",
        .timeLimit(.minutes(2)))
    func skuInTwoForms() throws {
        let field = try FieldCase("02-sku-nfc-nfd")
        defer { field.end() }
        for step in ["1", "2"] {
            try field.send(step)
            try field.settle()
        }
        try field.check("a release under the other form", expected: "rejected reservation_not_found") {
            try field.answer("b02-3")
        }
        try field.check("the stock of CAF\\u{C9}-13", expected: "BER 5 on hand, 2 reserved, 3 available") {
            try field.levels(of: "CAF\u{C9}-13")
        }
        try field.check("the stock of CAFE\\u{301}-13", expected: "BER 3 on hand, 0 reserved, 3 available") {
            try field.levels(of: "CAFE\u{301}-13")
        }
        try field.send("3")
        try field.settle()
        for step in ["4", "5"] { try field.send(step) }
        try field.settle()
        try field.check(
            "an order of both forms", expected: "reserved: T\\u{C9}-1 1 of 1, TE\\u{301}-1 1 of 1"
        ) {
            let outcome = try field.outcomes(of: "b02-o2").last
            return (outcome?.outcome ?? "nothing") + ": "
                + (outcome?.lines ?? []).map { "\($0.sku) \($0.reserved ?? 0) of \($0.quantity)" }
                .joined(separator: ", ")
        }
        try field.checkCount(
            "a count under the other form", "count-from-a-mac.csv", applying: true,
            expected: "refused in line 2, proposes T\u{C9}-3")
        try field.check("the stock of T\\u{C9}-3", expected: "BER 5 on hand, 0 reserved, 5 available") {
            try field.levels(of: "T\u{C9}-3")
        }
        try field.check("SKUs in PostgreSQL", expected: "5, b02-r1 reserved, 2") {
            let skus = try field.sql(
                "SELECT count(*) FROM holdfast.inventory WHERE sku LIKE 'CAF%' OR sku LIKE 'T%'")[0][0]
            let reservation = try field.sql(
                "SELECT status, remaining FROM holdfast.reservations WHERE id = 'b02-r1'")
            return "\(skus), b02-r1 " + reservation.map { $0.joined(separator: ", ") }.joined(separator: "; ")
        }
        try field.checkAudits()
    }

    @Test(
        "Case 12: an order's number is the reservation_id, or the command_id, of each of its lines: an id belongs to its SKU",
        .timeLimit(.minutes(2)))
    func orderNumberAsID() throws {
        // All SKUs in one partition, where they would meet.
        let field = try FieldCase("12-order-number-as-id", partitions: 1)
        defer { field.end() }
        for step in ["1", "2", "3"] { try field.send(step) }
        try field.settle()
        try field.check(
            "one reservation_id for three SKUs", expected: "reserved 1; reserved 1; reserved 1"
        ) { try field.answers(["b12-4", "b12-5", "b12-6"]) }
        try field.check("one command_id for three SKUs", expected: "A reserved 1; B reserved 1; E reserved 1")
        {
            try field.answers().filter { $0.commandId == "b12-o2" }.map { "\($0.sku) \($0.shown)" }
                .sorted().joined(separator: "; ")
        }
        for sku in ["A", "B", "E"] {
            try field.check("the stock of \(sku)", expected: "BER 5 on hand, 2 reserved, 3 available") {
                try field.levels(of: FieldName(sku))
            }
        }
        try field.check("b12-o1 in PostgreSQL", expected: "A reserved 1; B reserved 1; E reserved 1") {
            try field.sql(
                "SELECT sku, status, remaining FROM holdfast.reservations WHERE id = 'b12-o1' ORDER BY sku"
            )
            .map { $0.joined(separator: " ") }.joined(separator: "; ")
        }
        try field.checkAudits()
    }

    @Test(
        "Case 31: a command that comes again after 70,000 others is recognised or refused, and never decided twice",
        .timeLimit(.minutes(3)))
    func repeatAfterManyCommands() throws {
        let field = try FieldCase("31-repeat-after-many-commands")
        defer { field.end() }
        let two = [
            ("R", #"{"command_id":"c31-in","type":"receive","sku":"R","warehouse":"BER","quantity":10}"#),
            (
                "R",
                #"{"command_id":"c31-no","type":"reserve","sku":"R","reservation_id":"c31-no","order_id":"c31-o","quantity":11}"#
            ),
        ]
        try field.publish(.commands, two)
        try field.publish(
            .commands,
            (1...70_000).map { number in
                (
                    "R",
                    #"{"command_id":"c31-x\#(number)","type":"reserve","sku":"R","reservation_id":"c31-y\#(number)","order_id":"c31-o\#(number)","quantity":1000}"#
                )
            })
        try field.publish(.commands, two)
        func told(_ id: FieldName) throws -> [FieldRecord.Answer] {
            try field.answers(holding: "\"\(id.text)\"").filter { $0.commandId == id }
        }
        let refused = "rejected command_too_old"
        for (id, first) in [("c31-in", "received"), ("c31-no", "rejected insufficient_stock")] {
            let isRight: (String) -> Bool = {
                ["\(first), \(first) (duplicate)", "\(first), \(refused)"].contains($0)
            }
            try field.check(
                "\(id), sent twice", expected: "\(first), then the same as a duplicate, or \(refused)",
                seconds: 90,
                isRight: isRight
            ) {
                try told(FieldName(id)).map { $0.shown + ($0.duplicate == true ? " (duplicate)" : "") }
                    .joined(separator: ", ")
            }
        }
        try field.check("the stock of R", expected: "BER 10 on hand, 0 reserved, 10 available") {
            try field.levels(of: "R")
        }
        try field.checkAudits()
    }
}
