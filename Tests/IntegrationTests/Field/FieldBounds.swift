import Foundation
import Testing

/// What one publisher can do to everyone.
extension FieldTests {
    @Test(
        "Case 40: a reservation with the name of an order's address is refused by name, and the coordinator goes on",
        .timeLimit(.minutes(2)))
    func strayAddress() throws {
        let field = try FieldCase("40-stray-address-ends-the-coordinator")
        defer { field.end() }
        try field.send("1")
        try field.settle()
        try field.check("the reservation", expected: "rejected system_id") { try field.answer("hf01-a") }
        try field.check("the stock", expected: "W1 10 on hand, 0 reserved, 10 available") {
            try field.levels(of: "HF-01")
        }
        // The same in other ways.
        let long = String(repeating: "x", count: 80)
        let names = [
            "@holdfast/order/0/o/1/1", "@holdfast/order/99999/\(long)/200/999999", "@holdfast/order/0/o/01/1",
            "@holdfast/order/-1/o/1/1", "@holdfast/order/0/o/1/99999999999", "@holdfast/x",
            "@holdfast/order/",
        ]
        try field.publish(
            .commands,
            names.enumerated().map { number, name in
                FieldLine.command(
                    "HF-01", "reserve", as: "s-\(number)",
                    #""reservation_id":"\#(name)","order_id":"o","quantity":1"#)
            } + [FieldLine.receive("HF-01", 1, as: "@holdfast/order/0/o/1/1/reserve-1", in: "W1")])
        try field.settle()
        try field.check(
            "siblings", expected: Array(repeating: "rejected system_id", count: 8).joined(separator: "; ")
        ) {
            try field.answers(
                names.indices.map { FieldName("s-\($0)") } + ["@holdfast/order/0/o/1/1/reserve-1"])
        }
        // A forged one goes back at once, and is nobody's.
        let forged = "@holdfast/order/0/\(long)/200/999999"
        try field.publish(
            .commands,
            [
                FieldLine.command(
                    "HF-01", "reserve", as: "\(forged)/reserve-999999",
                    #""reservation_id":"\#(forged)","order_id":"\#(long)","quantity":1"#)
            ])
        try field.settle()
        try field.check("a forged one", expected: "released, 0, ") {
            try field.reservation(FieldName(forged))
        }
        try field.publish(.orders, [FieldLine.event("o", "placed", as: "e1", FieldLine.lines("HF-01", 2))])
        try field.settle()
        try field.publish(.orders, [FieldLine.event("o", "paid", as: "e2")])
        try field.settle()
        try field.check("an order", expected: "reserved, confirmed!") { try field.story(of: "o") }
        try field.check("the stock at last", expected: "W1 8 on hand, 0 reserved, 8 available") {
            try field.levels(of: "HF-01")
        }
        try field.checkAudits()
    }

    @Test(
        "Case 43: 20,000 ids that had one hash before are decided, and restored, as quickly as others",
        .timeLimit(.minutes(3)))
    func collidingIDs() throws {
        let field = try FieldCase("43-colliding-ids", partitions: 1)
        defer { field.end() }
        try field.publish(.commands, [FieldLine.receive("HF-43", 1_000_000, as: "hf43-in")])
        try field.settle()
        var seconds: [Double] = []
        for ids in [(0..<20_000).map { "usual-id-\($0)" }, Self.colliding(20_000)] {
            let start = Date()
            try field.publish(.commands, ids.map { FieldLine.reserve("HF-43", 1, as: $0) })
            try field.settle(seconds: 60)
            seconds.append(Date().timeIntervalSince(start))
        }
        print("20,000 usual ids: \(seconds[0]) s, 20,000 of one hash: \(seconds[1]) s")
        try field.check("the time that they take", expected: "as much as others") {
            seconds[1] < 3 * seconds[0] + 5 ? "as much as others" : "\(seconds[1]) s for \(seconds[0]) s"
        }
        field.stop("process")
        let start = Date()
        try field.start("process")
        let restore = Date().timeIntervalSince(start)
        try field.check("a restore", expected: "under 20 s") {
            restore < 20 ? "under 20 s" : "\(restore) s"
        }
        try field.publish(.commands, [FieldLine.receive("HF-43", 1, as: "hf43-last")])
        try field.settle()
        try field.check("the stock", expected: "BER 1000001 on hand, 40000 reserved, 960001 available") {
            try field.levels(of: "HF-43")
        }
        try field.checkAudits()
    }

    /// Ids of 16 bytes, as `coll.c` of the case makes them: to versions before, they all had one hash.
    private static func colliding(_ count: Int) -> [String] {
        func mix(_ value: UInt64, _ word: UInt64) -> UInt64 {
            let product = (value ^ word).multipliedFullWidth(by: 0xA076_1D64_78BD_642F)
            return (product.high ^ product.low) &+ 0xE703_7ED1_A0B4_28DB
        }
        let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_".utf8)
        var random: UInt64 = 88_172_645_463_325_252
        var ids: [String] = []
        while ids.count < count {
            var first: [UInt8] = []
            for _ in 0..<8 {
                random ^= random << 13
                random ^= random >> 7
                random ^= random << 17
                first.append(letters[Int(random >> 20 & 63)])
            }
            let word = first.reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
            let second = mix(0x9E37_79B9_7F4A_7C15, word)
            let last = (0..<8).map { UInt8(truncatingIfNeeded: second >> UInt64(8 * $0)) }
            let isPlain = last.allSatisfy { (0x21...0x7E).contains($0) && ![0x22, 0x5C, 0x7C].contains($0) }
            if isPlain { ids.append(String(decoding: first + last, as: UTF8.self)) }
        }
        return ids
    }
}
