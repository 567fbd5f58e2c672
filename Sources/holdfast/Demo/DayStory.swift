import InventoryCore
import InventoryWire
import Operations

/// The day itself, from opening to closing time. On the right stands what must come of each step.
extension DayDemo {
    private static let leipzig = Point(latitude: 51_339_700, longitude: 12_373_100)
    private static let dresden = Point(latitude: 51_050_400, longitude: 13_737_300)
    private static let erfurt = Point(latitude: 50_984_800, longitude: 11_029_900)

    private static let dresdenWarehouse = WarehouseRecord(
        warehouse: Warehouse(id: "DRS", location: dresden, priority: 2), name: "Dresden",
        timezone: "Europe/Berlin")

    func tellDay() throws {
        try open()
        try sellInTheMorning()
        try payLate()
        try count()
        try closeDresden()
        try transfer()
        try sellOut()
        try deliver()
        try takeBack()
    }

    private func reserve(
        _ order: ID, _ quantity: Int64, to place: Point? = nil, ttl: Int64 = 900_000
    ) -> Command.Body {
        .reserve(
            Command.Reserve(
                reservationID: ID(id("r-\(order)")), orderID: ID(id(order.text)), quantity: quantity,
                expiry: .after(milliseconds: ttl), shipTo: place))
    }

    private func confirm(_ order: ID, _ quantity: Int64? = nil) -> Command.Body {
        .confirm(reservationID: ID(id("r-\(order)")), quantity: quantity)
    }

    private func release(_ order: ID) -> Command.Body {
        .release(reservationID: ID(id("r-\(order)")), quantity: nil)
    }

    private func open() throws {
        hour("07:30", "warehouses and products are published; the relay carries them into every partition")
        try publish(
            warehouse: WarehouseRecord(
                warehouse: Warehouse(id: "LEJ", location: Self.leipzig, priority: 1), name: "Leipzig",
                timezone: "Europe/Berlin"))
        try publish(warehouse: Self.dresdenWarehouse)
        try publish(
            warehouse: WarehouseRecord(
                warehouse: Warehouse(id: "ERF", location: Self.erfurt, priority: 3), name: "Erfurt",
                timezone: "Europe/Berlin"))
        try publish(
            product: ProductRecord(
                sku: ID(sku("TEA")), name: "Tea, 250 g", description: "Loose leaves in a tin",
                weightGrams: 260,
                dimensions: ProductRecord.Dimensions(length: 90, width: 90, height: 120),
                policy: Policy(
                    reorderPoint: 10, rearmPoint: 15, reorderUpTo: 60, backorderLimit: 5, strategy: .nearest))
        )
        try publish(product: ProductRecord(sku: ID(sku("MUG")), name: "Mug", weightGrams: 310))
        try publish(product: ProductRecord(sku: ID(sku("HONEY")), name: "Honey, 500 g", weightGrams: 640))
        try hear(alerts: ["TEA out: 0, reorder 60"])

        hour("08:00", "deliveries")
        func receive(_ warehouse: ID, _ quantity: Int64) -> Command.Body {
            .receive(warehouse: warehouse, quantity: quantity, reference: "morning delivery")
        }
        try step(
            "20 TEA in Leipzig", "i-1", "TEA", receive("LEJ", 20), "received 20 (LEJ)",
            alerts: ["TEA recovered: 20"])
        try step("6 TEA in Dresden", "i-2", "TEA", receive("DRS", 6), "received 6 (DRS)")
        try step("4 TEA in Erfurt", "i-3", "TEA", receive("ERF", 4), "received 4 (ERF)")
        try step("10 MUG in Leipzig", "i-4", "MUG", receive("LEJ", 10), "received 10 (LEJ)")
        try step("5 HONEY in Dresden", "i-5", "HONEY", receive("DRS", 5), "received 5 (DRS)")
    }

    private func sellInTheMorning() throws {
        hour("09:00", "sales, served from the nearest warehouse")
        try step(
            "order-1: 3 TEA to Dresden", "c-1", "TEA", reserve("order-1", 3, to: Self.dresden),
            "reserved 3 (DRS 3)")
        try step(
            "order-2: 8 TEA to Leipzig", "c-2", "TEA", reserve("order-2", 8, to: Self.leipzig),
            "reserved 8 (LEJ 8)")
        try step("order-1 is paid", "p-1", "TEA", confirm("order-1"), "confirmed 3 (DRS 3)")
        try step(
            "order-2: 5 are ready", "p-2", "TEA", confirm("order-2", 5), "confirmed 5 (LEJ 5), 3 to come")
        try step("order-2: the rest", "p-3", "TEA", confirm("order-2"), "confirmed 3 (LEJ 3)")
        try step(
            "the shop repeats order-1's reserve", "c-1", "TEA", reserve("order-1", 3, to: Self.dresden),
            "reserved 3 (DRS 3), a repeat")
        try step(
            "the same command id with 4 TEA", "c-1", "TEA", reserve("order-1", 4, to: Self.dresden),
            "rejected: command_id_conflict")
    }

    private func payLate() throws {
        hour("10:00", "two customers leave their baskets, and pay when the time is over")
        try step(
            "order-3: 2 TEA, 1.5 s to pay", "c-3", "TEA", reserve("order-3", 2, to: Self.leipzig, ttl: 1_500),
            "reserved 2 (LEJ 2)")
        try step(
            "order-4: all 5 HONEY, 1.5 s to pay", "c-4", "HONEY", reserve("order-4", 5, ttl: 1_500),
            "reserved 5 (DRS 5)")
        try due("order-3 expires", of: "r-order-3", "expired 2 (LEJ 2)")
        try due("order-4 expires", of: "r-order-4", "expired 5 (DRS 5)")
        try step("order-5: all 5 HONEY", "c-5", "HONEY", reserve("order-5", 5), "reserved 5 (DRS 5)")
        try step("order-5 is paid", "p-5", "HONEY", confirm("order-5"), "confirmed 5 (DRS 5)")
        try step(
            "order-3 is paid late, there is tea", "p-6", "TEA", confirm("order-3"),
            "confirmed 2 (LEJ 2), taken from stock again")
        try step(
            "order-4 is paid late, the honey is gone", "p-7", "HONEY", confirm("order-4"),
            "rejected: reservation_expired, refund required")
    }

    private func count() throws {
        hour("11:00", "a cycle count of the mugs comes out short")
        try step("order-6: 4 MUG", "c-6", "MUG", reserve("order-6", 4), "reserved 4 (LEJ 4)")
        try step("order-7: 3 MUG", "c-7", "MUG", reserve("order-7", 3), "reserved 3 (LEJ 3)")
        try step("order-8: 2 MUG", "c-8", "MUG", reserve("order-8", 2), "reserved 2 (LEJ 2)")
        try step(
            "order-6 is at the till, and gets more time", "e-6", "MUG",
            .extend(reservationID: ID(id("r-order-6")), expiry: .after(milliseconds: 1_800_000)),
            "extended 4")
        let counted = Command.Body.adjust(
            Command.Adjust(warehouse: "LEJ", change: .count(6, expected: 10), reasonCode: .cycleCount))
        try step(
            "6 MUG counted where 10 should be", "a-1", "MUG", counted, "adjusted -4 (LEJ)",
            notices: ["order-8: reservation lost 2, keeps 0", "order-7: reservation lost 1, keeps 2"])
        try step("the count comes in once more", "a-2", "MUG", counted, "rejected: expected_mismatch")
        try step("order-6 is paid", "p-8", "MUG", confirm("order-6"), "confirmed 4 (LEJ 4)")
        try step("order-7 is cancelled", "x-7", "MUG", release("order-7"), "released 2 (LEJ 2)")
    }

    private func closeDresden() throws {
        hour("12:00", "Dresden closes: its record in the topic warehouses becomes inactive")
        var closed = Self.dresdenWarehouse
        closed.warehouse.isActive = false
        try publish(warehouse: closed)
        try step(
            "order-9: 2 TEA to Dresden", "c-9", "TEA", reserve("order-9", 2, to: Self.dresden),
            "reserved 2 (LEJ 2)")
        try step("order-9 is paid", "p-9", "TEA", confirm("order-9"), "confirmed 2 (LEJ 2)")
    }

    private func transfer() throws {
        hour("13:00", "what lies in Dresden goes to Erfurt, and two units break on the way")
        func dispatch(_ id: ID, _ from: String, _ quantity: Int64, within: Int64) -> Command.Body {
            .transferDispatch(
                Command.TransferDispatch(
                    transferID: ID(self.id(id.text)), from: ID(from), to: "ERF", quantity: quantity,
                    expectedAt: Timestamp(milliseconds: WallClock.milliseconds() + within)))
        }
        try step(
            "3 TEA leave Dresden", "d-1", "TEA", dispatch("t-1", "DRS", 3, within: 3_600_000),
            "transfer dispatched 3 (ERF), 3 to come")
        try step(
            "1 sound, 2 broken in Erfurt", "d-2", "TEA",
            .transferReceive(transferID: ID(id("t-1")), quantity: 1, damaged: 2), "transfer received 3 (ERF)")
        try step(
            "2 TEA leave Leipzig, expected in 1 s", "d-3", "TEA", dispatch("t-2", "LEJ", 2, within: 1_000),
            "transfer dispatched 2 (ERF), 2 to come")
        try step(
            "Erfurt reports 3 of them", "d-4", "TEA",
            .transferReceive(transferID: ID(id("t-2")), quantity: 3, damaged: 0),
            "rejected: quantity_exceeds_transfer")
        try due(
            "they do not arrive", of: "t-2", "transfer overdue 2 (ERF), 2 to come",
            alerts: ["TEA transfer overdue: 2 from LEJ to ERF"])
        try step(
            "the van turns back", "d-5", "TEA", .transferCancel(transferID: ID(id("t-2"))),
            "transfer cancelled 2 (ERF)")
    }

    private func sellOut() throws {
        hour("15:00", "the tea sells out")
        try step(
            "order-10: 5 TEA to Leipzig", "c-10", "TEA", reserve("order-10", 5, to: Self.leipzig),
            "reserved 5 (LEJ 5)", alerts: ["TEA low: 8, reorder 52"])
        hour("15:10", "every processor is killed (SIGKILL) with an order on its way")
        try publish("c-11", "TEA", reserve("order-11", 11, to: Self.leipzig))
        try killProcessors()
        try answer(
            "order-11: 11 TEA, 3 more than there are", "c-11",
            "backordered 11 (LEJ 3, ERF 5), 3 of them later",
            alerts: ["TEA out: 0, reorder 63"])
        try step(
            "order-12: 3 TEA, over the limit of 5", "c-12", "TEA", reserve("order-12", 3),
            "rejected: insufficient_stock")
    }

    private func deliver() throws {
        hour("16:00", "the reorder arrives")
        try step(
            "30 TEA in Leipzig", "i-6", "TEA",
            .receive(warehouse: "LEJ", quantity: 30, reference: "reorder"), "received 30 (LEJ)",
            notices: ["order-11: backorder filled 3, keeps 11"], alerts: ["TEA recovered: 27"])
        try step("order-10 is paid", "p-10", "TEA", confirm("order-10"), "confirmed 5 (LEJ 5)")
        try step("order-11 is paid", "p-11", "TEA", confirm("order-11"), "confirmed 11 (LEJ 6, ERF 5)")
    }

    private func takeBack() throws {
        hour("17:00", "returns and breakage")
        func back(_ condition: Condition) -> Command.Body {
            .return(
                Command.Return(
                    warehouse: "LEJ", quantity: 1, condition: condition, orderID: ID(id("order-2"))))
        }
        try step("order-2 sends 1 TEA back", "b-1", "TEA", back(.sellable), "returned 1 (LEJ)")
        try step("and 1 in a dented tin", "b-2", "TEA", back(.damaged), "returned 1 (LEJ)")
        try step(
            "a fork lift breaks 2", "b-3", "TEA",
            .damage(warehouse: "LEJ", quantity: 2, reference: "fork lift"), "damaged 2 (LEJ)")
        try publish(garbage: #"{"type":"reserve""#, sku: "TEA")
        hour("17:30", "a record that is no command went to dead.letters; the next one is decided as ever")
        try step(
            "1 TEA is found behind a shelf", "a-3", "TEA",
            .adjust(Command.Adjust(warehouse: "LEJ", change: .delta(1), reasonCode: .found)),
            "adjusted +1 (LEJ)")
        try step(
            "and is stolen", "a-4", "TEA",
            .adjust(Command.Adjust(warehouse: "LEJ", change: .delta(-1), reasonCode: .stolen)),
            "adjusted -1 (LEJ)")
    }
}
