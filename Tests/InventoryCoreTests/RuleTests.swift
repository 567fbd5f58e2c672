import InventoryCore
import Testing

@Suite("Reserve")
struct ReserveRules {
    @Test("Units that are available are reserved")
    func available() {
        Scenario.check(
            """
            given receive 10 A in BER
            when  reserve r1 3 A for o1
            then  reserved r1 3 from BER
            and   A in BER: 10 on hand, 3 reserved
            and   ledger: reserve r1
            """)
    }

    @Test("The last unit is reserved once")
    func lastUnit() {
        Scenario.check(
            """
            given receive 1 A in BER
            when  reserve r1 1 A for o1
            then  reserved r1 1 from BER
            when  reserve r2 1 A for o2
            then  rejected insufficient_stock
            and   A in BER: 1 on hand, 1 reserved
            and   ledger: rejection r2
            """)
    }

    @Test("All is reserved or nothing")
    func allOrNothing() {
        Scenario.check(
            """
            given receive 2 A in BER
            when  reserve r1 3 A for o1
            then  rejected insufficient_stock
            and   A in BER: 2 on hand, 0 reserved
            """)
    }

    @Test("A named warehouse serves, or none does")
    func namedWarehouse() {
        Scenario.check(
            """
            given receive 10 A in BER
            and   receive 2 A in HAM
            when  reserve r1 2 A for o1 from HAM
            then  reserved r1 2 from HAM
            when  reserve r2 1 A for o2 from HAM
            then  rejected insufficient_stock
            when  reserve r3 1 A for o3 from MUC
            then  rejected insufficient_stock
            """)
    }

    @Test("Without a named warehouse the one with most available serves")
    func mostStock() {
        Scenario.check(
            """
            given receive 10 A in BER
            and   receive 12 A in HAM
            when  reserve r1 5 A for o1
            then  reserved r1 5 from HAM
            when  reserve r2 5 A for o2
            then  reserved r2 5 from BER
            """)
    }

    @Test("Of warehouses with as much the lower id serves, in whatever order they were stocked")
    func tie() {
        Scenario.check(
            """
            given receive 5 A in HAM
            and   receive 5 A in BER
            when  reserve r1 1 A for o1
            then  reserved r1 1 from BER
            """)
    }

    @Test("A SKU that was never received has no stock")
    func unknownSKU() {
        Scenario.check(
            """
            when  reserve r1 1 A for o1
            then  rejected insufficient_stock
            and   ledger: rejection r1
            """)
    }

    @Test("The stock of one SKU does not serve another")
    func otherSKU() {
        Scenario.check(
            """
            given receive 5 A in BER
            when  reserve r1 1 B for o1
            then  rejected insufficient_stock
            """)
    }

    @Test("expires_at must be after the record's time and within the longest TTL")
    func expiryRange() {
        Scenario.check(
            """
            given receive 5 A in BER at 1000
            when  reserve r1 1 A for o1 until 1000
            then  rejected expiry_out_of_range
            when  reserve r2 1 A for o2 until 1001
            then  reserved r2 1 from BER
            when  reserve r3 1 A for o3 until \(1000 + Limits.longestTTL)
            then  reserved r3 1 from BER
            when  reserve r4 1 A for o4 until \(1001 + Limits.longestTTL)
            then  rejected expiry_out_of_range
            """)
    }
}

@Suite("Ends of a reservation")
struct EndingRules {
    @Test("A confirmed reservation ships its units")
    func confirm() {
        Scenario.check(
            """
            given receive 10 A in BER
            and   reserve r1 3 A for o1
            when  confirm r1 A
            then  confirmed r1 3 from BER
            and   A in BER: 7 on hand, 0 reserved
            and   ledger: ship r1
            """)
    }

    @Test("A released reservation gives its units back")
    func release() {
        Scenario.check(
            """
            given receive 10 A in BER
            and   reserve r1 3 A for o1
            when  release r1 A
            then  released r1 3 from BER
            and   A in BER: 10 on hand, 0 reserved
            and   ledger: release r1
            """)
    }

    @Test("A second confirm gets the first one's outcome and changes nothing")
    func secondConfirm() {
        Scenario.check(
            """
            given receive 10 A in BER
            and   reserve r1 3 A for o1
            and   confirm r1 A
            when  confirm r1 A
            then  confirmed r1 3 from BER again
            and   A in BER: 7 on hand, 0 reserved
            and   ledger: nothing
            """)
    }

    @Test("A second release gets the first one's outcome and changes nothing")
    func secondRelease() {
        Scenario.check(
            """
            given receive 10 A in BER
            and   reserve r1 3 A for o1
            and   release r1 A
            when  release r1 A
            then  released r1 3 from BER again
            and   ledger: nothing
            """)
    }

    @Test("A release after a confirm and a confirm after a release are refused by how it ended")
    func crossed() {
        Scenario.check(
            """
            given receive 10 A in BER
            and   reserve r1 3 A for o1
            and   reserve r2 3 A for o2
            and   confirm r1 A
            and   release r2 A
            when  release r1 A
            then  rejected reservation_confirmed
            when  confirm r2 A
            then  rejected reservation_released
            and   A in BER: 7 on hand, 0 reserved
            """)
    }

    @Test("What was never reserved cannot be confirmed or released")
    func unknown() {
        Scenario.check(
            """
            given receive 10 A in BER
            when  confirm r1 A
            then  rejected reservation_not_found
            when  release r1 A
            then  rejected reservation_not_found
            """)
    }

    @Test("A reservation is not found under another SKU")
    func otherSKU() {
        Scenario.check(
            """
            given receive 10 A in BER
            and   receive 10 B in BER
            and   reserve r1 3 A for o1
            when  confirm r1 B
            then  rejected reservation_not_found
            when  release r1 A
            and   release r1 B
            then  rejected reservation_not_found
            """)
    }
}

@Suite("Expiry")
struct ExpiryRules {
    @Test("A reservation that is due expires when the delay service says so")
    func expire() {
        Scenario.check(
            """
            given receive 10 A in BER
            and   reserve r1 3 A for o1 ttl 500
            when  expire r1 A at 500
            then  expired r1 3 from BER
            and   A in BER: 10 on hand, 0 reserved
            and   ledger: expire r1
            """)
    }

    @Test("An expire that comes early changes nothing")
    func early() {
        Scenario.check(
            """
            given receive 10 A in BER
            and   reserve r1 3 A for o1 ttl 500
            when  expire r1 A at 499
            then  ignored not_due
            and   A in BER: 10 on hand, 3 reserved
            and   ledger: nothing
            """)
    }

    @Test("A second expire gets the first one's outcome")
    func second() {
        Scenario.check(
            """
            given receive 10 A in BER
            and   reserve r1 3 A for o1 ttl 500
            and   expire r1 A at 600
            when  expire r1 A
            then  expired r1 3 from BER again
            and   ledger: nothing
            """)
    }

    @Test("An expire for what was confirmed or never known changes nothing")
    func ended() {
        Scenario.check(
            """
            given receive 10 A in BER
            and   reserve r1 3 A for o1 ttl 500
            and   confirm r1 A
            when  expire r1 A at 500
            then  ignored already_ended
            when  expire r2 A
            then  ignored already_ended
            """)
    }

    @Test("What is due expires before any command of its SKU is looked at, though nobody has said so")
    func beforeCommands() {
        Scenario.check(
            """
            given receive 3 A in BER
            and   reserve r1 3 A for o1 ttl 500
            when  reserve r2 3 A for o2 at 500
            then  reserved r2 3 from BER
            and   ledger: expire r1, reserve r2
            and   A in BER: 3 on hand, 3 reserved
            when  expire r1 A
            then  expired r1 3 from BER again
            """)
    }

    @Test("A confirm one millisecond before expiry ships, and at expiry is refused")
    func confirmAtExpiry() {
        Scenario.check(
            """
            given receive 10 A in BER
            and   reserve r1 3 A for o1 ttl 500
            and   reserve r2 3 A for o2 ttl 500
            when  confirm r1 A at 499
            then  confirmed r1 3 from BER
            when  confirm r2 A at 500
            then  rejected reservation_expired
            and   ledger: expire r2, rejection r2
            and   A in BER: 7 on hand, 0 reserved
            """)
    }

    @Test("Reservations expire in the order in which they come due, and those due at once in the order made")
    func order() {
        Scenario.check(
            """
            given receive 10 A in BER
            and   reserve r1 1 A for o1 ttl 300
            and   reserve r2 1 A for o2 ttl 100
            and   reserve r3 1 A for o3 ttl 300
            and   reserve r4 1 A for o4 ttl 200
            when  receive 1 A in BER at 300
            then  ledger: expire r2, expire r4, expire r1, expire r3, receive A
            """)
    }

    @Test("A command of one SKU does not expire the reservations of another")
    func otherSKU() {
        Scenario.check(
            """
            given receive 1 A in BER
            and   receive 1 B in BER
            and   reserve r1 1 A for o1 ttl 100
            when  receive 1 B in BER at 200
            then  ledger: receive B
            """)
    }

    @Test("A reservation without a TTL expires after 15 minutes")
    func defaultTTL() {
        Scenario.check(
            """
            given receive 1 A in BER
            and   reserve r1 1 A for o1
            when  expire r1 A at 899999
            then  ignored not_due
            when  expire r1 A at 900000
            then  expired r1 1 from BER
            """)
    }
}

@Suite("Receive")
struct ReceiveRules {
    @Test("Received units are on hand, warehouse by warehouse")
    func receive() {
        Scenario.check(
            """
            given receive 10 A in BER
            when  receive 5 A in HAM
            then  received 5 in HAM
            and   A in BER: 10 on hand, 0 reserved
            and   A in HAM: 5 on hand, 0 reserved
            """)
    }

    @Test("On hand does not go over its limit")
    func limit() {
        var lines = ["given receive 1 A in BER"]
        let full = Int(Limits.onHand / Limits.quantity)
        for _ in 1..<full { lines.append("and   receive \(Limits.quantity) A in BER") }
        lines += [
            "when  receive \(Limits.quantity) A in BER",
            "then  rejected on_hand_limit_exceeded",
            "when  receive \(Limits.quantity - 1) A in BER",
            "then  received \(Limits.quantity - 1) in BER",
            "and   A in BER: \(Limits.onHand) on hand, 0 reserved",
            "when  receive 1 A in BER",
            "then  rejected on_hand_limit_exceeded",
        ]
        Scenario.check(lines.joined(separator: "\n"))
    }
}

@Suite("Repeats")
struct RepeatRules {
    @Test("A command that comes again gets the first outcome and changes nothing")
    func repeats() {
        Scenario.check(
            """
            given receive 10 A in BER as c1
            when  receive 10 A in BER as c1
            then  received 10 in BER again
            and   A in BER: 10 on hand, 0 reserved
            when  reserve r1 3 A for o1 as c2
            and   reserve r1 3 A for o1 as c2
            then  reserved r1 3 from BER again
            and   A in BER: 10 on hand, 3 reserved
            when  confirm r1 A as c3
            and   confirm r1 A as c3
            then  confirmed r1 3 from BER again
            and   ledger: nothing
            """)
    }

    @Test("A refusal that is asked again is refused alike, though there is stock by now")
    func repeatedRefusal() {
        Scenario.check(
            """
            given reserve r1 3 A for o1 as c1
            and   receive 10 A in BER
            when  reserve r1 3 A for o1 as c1
            then  rejected insufficient_stock again
            and   ledger: nothing
            when  reserve r1 3 A for o1 as c2
            then  reserved r1 3 from BER
            """)
    }

    @Test("A command id with another content is a conflict, and does not answer for the first")
    func commandConflict() {
        Scenario.check(
            """
            given receive 10 A in BER as c1
            when  receive 11 A in BER as c1
            then  rejected command_id_conflict
            when  receive 10 B in BER as c1
            then  rejected command_id_conflict
            when  receive 10 A in BER as c1
            then  received 10 in BER again
            """)
    }

    @Test("A reservation asked for again under another command id is the same reservation")
    func repeatedReservation() {
        Scenario.check(
            """
            given receive 10 A in BER
            and   reserve r1 3 A for o1 as c1
            when  reserve r1 3 A for o1 as c2
            then  reserved r1 3 from BER again
            and   A in BER: 10 on hand, 3 reserved
            and   ledger: nothing
            """)
    }

    @Test("A reservation id is not used for two reservations")
    func reservationConflict() {
        Scenario.check(
            """
            given receive 10 A in BER
            and   receive 10 B in BER
            and   reserve r1 3 A for o1
            when  reserve r1 4 A for o1
            then  rejected reservation_id_conflict
            when  reserve r1 3 A for o2
            then  rejected reservation_id_conflict
            when  reserve r1 3 B for o1
            then  rejected reservation_id_conflict
            when  confirm r1 A
            and   reserve r1 3 A for o1
            then  rejected reservation_id_conflict
            """)
    }

    @Test("What lies outside the dedupe window is forgotten, what lives is not")
    func window() {
        Scenario.check(
            """
            given receive 10 A in BER as c1
            and   reserve r1 1 A for o1 as c2
            and   receive 1 A in BER as c3
            and   receive 1 A in BER as c4
            when  receive 10 A in BER as c1
            then  received 10 in BER
            when  reserve r1 1 A for o1 as c2
            then  reserved r1 1 from BER again
            """, dedupeWindow: 2)
    }

    @Test("What is told first follows the written order of precedence")
    func precedence() {
        Scenario.check(
            """
            given receive 1 A in BER as c1 at 1000
            and   reserve r1 1 A for o1 as c2
            when  reserve r1 9 A for o9 until 1 as c1
            then  rejected command_id_conflict
            when  reserve r1 9 A for o9 until 1
            then  rejected reservation_id_conflict
            when  reserve r2 9 A for o9 until 1
            then  rejected expiry_out_of_range
            when  reserve r2 9 A for o9
            then  rejected insufficient_stock
            """)
    }
}
