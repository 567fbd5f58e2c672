import InventoryCore
import LedgerSink
import PostgresClient
import Testing

@Suite("A batch of the ledger")
struct LedgerBatchTests {
    @Test("It goes on where the last one ended, past what is never given")
    func positions() {
        var batch = LedgerBatch(from: [0: 5, 1: 0])
        #expect(batch.isEmpty)
        batch.add(LedgerRow(partition: 0, offset: 7, entry: Ledger.receipt(1, 5)))
        #expect(batch.nextOffsets == [0: 8, 1: 0])
        batch.passed(0, next: 10)
        batch.passed(1, next: 3)
        #expect(LedgerBatch(from: batch.nextOffsets).nextOffsets == [0: 10, 1: 3])
    }

    @Test("It never goes back")
    func neverBack() {
        var batch = LedgerBatch(from: [0: 5])
        batch.passed(0, next: 3)
        #expect(batch.nextOffsets == [0: 5])
    }
}

@Suite("The ledger in a genuine PostgreSQL", .enabled(if: Database.url != nil, Database.reason))
struct LedgerStoreTests {
    @Test("The schema's files can be run again without harm")
    func migrateTwice() throws {
        let database = try Database()
        _ = try database.store().offsets(of: 0..<1)
        try database.store().store(Ledger.batch(Ledger.story))
        let names = try SchemaMigrator(files: Database.files).run(on: database.connect())
        #expect(names == names.sorted() && names.count >= 4)
        let rows = try database.connect().rows("SELECT count(*) FROM holdfast.inventory_transactions")
        #expect(rows == [["\(Ledger.story.count)"]])
    }

    @Test("Without the schema the sink stops, and says how to make it")
    func schemaMissing() throws {
        let database = try Database()
        let connection = try database.connect()
        try connection.execute("DROP SCHEMA holdfast CASCADE")
        #expect(throws: SinkFault.self) {
            try LedgerStore(
                connection: connection, role: "holdfast_application", topic: "t", sourceTopic: "c")
        }
    }

    @Test("A story of movements gives the rows, the levels and the reservations, and the next offset")
    func story() throws {
        let database = try Database()
        let store = try database.store()
        #expect(try store.offsets(of: 0..<2) == [0: 0, 1: 0])
        #expect(try store.store(Ledger.batch(Ledger.story)) == Ledger.story.count)
        #expect(try store.offsets(of: 0..<2) == [0: Int64(Ledger.story.count), 1: 0])
        let connection = try database.connect()
        #expect(
            try connection.rows(
                "SELECT sku, warehouse_id, quantity_on_hand, quantity_reserved, quantity_available FROM holdfast.inventory"
            ) == [["A", "BER", "4", "3", "1"]])
        #expect(
            try connection.rows("SELECT id, status, quantity FROM holdfast.reservations ORDER BY id, status")
                == [["r1", "confirmed", "1"], ["r2", "released", "2"], ["r2", "reserved", "3"]])
        #expect(try connection.rows("SELECT sku FROM holdfast.inventory_differences").isEmpty)
        #expect(try connection.rows("SELECT sku FROM holdfast.check_ledger()").isEmpty)
        #expect(try connection.rows("SELECT sku FROM holdfast.check_chain()").isEmpty)
        #expect(
            try connection.rows(
                "SELECT movement, reason, warehouse_id FROM holdfast.inventory_transactions WHERE sequence = 6"
            )
                == [["rejection", "insufficient_stock", nil]])
    }

    @Test("A rejection that names a warehouse is stored, and changes no level")
    func rejectionInWarehouse() throws {
        let database = try Database()
        let store = try database.store()
        _ = try store.offsets(of: 0..<1)
        let entries = Ledger.story + [Ledger.rejection(8, in: "BER"), Ledger.rejection(9, in: "MUC")]
        #expect(try store.store(Ledger.batch(entries)) == entries.count)
        let connection = try database.connect()
        #expect(
            try connection.rows(
                "SELECT warehouse_id, quantity_on_hand, quantity_reserved FROM holdfast.inventory")
                == [["BER", "4", "3"]])
        #expect(try connection.rows("SELECT sku FROM holdfast.inventory_differences").isEmpty)
        #expect(try connection.rows("SELECT sku FROM holdfast.check_ledger()").isEmpty)
    }

    @Test("Every movement there is gives rows that are read back as the entries that they were")
    func everything() throws {
        let database = try Database()
        let store = try database.store()
        _ = try store.offsets(of: 0..<1)
        let entries = Ledger.everything
        #expect(try store.store(Ledger.batch(entries)) == entries.count)
        let connection = try database.connect()
        let page = try connection.query(
            "SELECT \(LedgerColumns.names) FROM holdfast.inventory_transactions ORDER BY sequence")
        var columns = LedgerColumns()
        var found: [LedgerEntry?] = []
        for row in 0..<page.rowCount { found.append(try columns.entry(page, row)) }
        #expect(found == entries)
        // Warehouses and settings are no SKU's; they have a test on a broker.
        let missing = Set(Movement.allCases).subtracting(entries.map(\.movement))
        #expect(missing == [.setWarehouse, .setSettings, .skip, .retire])
        #expect(try connection.rows("SELECT sku FROM holdfast.inventory_differences").isEmpty)
        #expect(try connection.rows("SELECT sku FROM holdfast.check_ledger()").isEmpty)
        #expect(try connection.rows("SELECT sku FROM holdfast.check_chain()").isEmpty)
    }

    @Test("Levels, reservations and transfers in PostgreSQL are those of the state that the ledger gives")
    func projections() throws {
        for length in 1...Ledger.everything.count {
            // Only where a command's entries are whole the state is one that someone may see.
            let entries = Array(Ledger.everything.prefix(length))
            guard entries.last?.more == false, length % 5 == 0 || length == Ledger.everything.count else {
                continue
            }
            try compare(entries)
        }
    }

    private func compare(_ entries: [LedgerEntry]) throws {
        let database = try Database()
        let store = try database.store()
        _ = try store.offsets(of: 0..<1)
        try store.store(Ledger.batch(entries))
        var stock = Stock()
        for entry in entries { stock.fold(entry) }
        let connection = try database.connect()
        let levels = stock.levels(of: "A")?.levels ?? []
        #expect(
            try connection.rows(
                """
                SELECT warehouse_id, quantity_on_hand, quantity_reserved, quantity_in_transit, quantity_damaged,
                    quantity_set_apart, safety_stock, quantity_available
                FROM holdfast.inventory ORDER BY warehouse_id
                """)
                == levels.map {
                    [
                        $0.warehouse.text, "\($0.onHand)", "\($0.reserved)", "\($0.inTransit)",
                        "\($0.damaged)",
                        "\($0.unusedSetApart)", "\($0.safetyStock)", "\($0.available)",
                    ]
                }, "after \(entries.count) entries")
        #expect(
            try connection.rows(
                "SELECT id, remaining FROM holdfast.reservations WHERE status = 'reserved' ORDER BY id")
                == stock.allReservations.map { [$0.id.text, "\($0.quantity)"] },
            "after \(entries.count) entries")
        let allocations = stock.allReservations.flatMap { live in
            live.allocations.map { [live.id.text, $0.warehouse.text, "\($0.quantity)"] }
        }
        #expect(
            try connection.rows(
                "SELECT reservation_id, warehouse_id, quantity FROM holdfast.reservation_allocations"
            ).map { $0.map { $0 ?? "" } }.sorted { $0.joined() < $1.joined() }
                == allocations.sorted { $0.joined() < $1.joined() }, "after \(entries.count) entries")
        #expect(
            try connection.rows(
                "SELECT id, remaining FROM holdfast.transfers WHERE ended_at IS NULL ORDER BY id")
                == stock.allTransfers.map { [$0.id.text, "\($0.remaining)"] },
            "after \(entries.count) entries")
    }

    @Test("A SKU that was retired leaves nothing set apart for channels, and begins again without")
    func retired() throws {
        let web = Policy(channels: [ChannelShare(channel: "web", quantity: 2)])
        let gone = Command.Adjust(
            warehouse: "HAM", change: .count(0, expected: nil), reasonCode: .other, note: "sold off")
        let first: [Command.Body] = [
            .setPolicy(warehouse: nil, Policy(safetyStock: 1)), .setPolicy(warehouse: "HAM", web),
            .receive(warehouse: "HAM", quantity: 4, reference: nil), .adjust(gone), .retire,
        ]
        let again: [Command.Body] = [
            .receive(warehouse: "BER", quantity: 5, reference: nil), .setPolicy(warehouse: "BER", web),
        ]
        func rows(_ database: Database) throws -> [[String?]] {
            try database.connect().rows(
                """
                SELECT warehouse_id, quantity_on_hand, quantity_set_apart, safety_stock, quantity_available
                FROM holdfast.inventory ORDER BY warehouse_id
                """)
        }
        let database = try Database()
        let store = try database.store()
        _ = try store.offsets(of: 0..<1)
        try store.store(Ledger.batch(Ledger.entries(first)))
        #expect(try rows(database) == [["HAM", "0", "0", "0", "0"]])
        // What an earlier version left is mended by the schema's files.
        try database.connect().execute("UPDATE holdfast.inventory SET quantity_set_apart = 2")
        try SchemaMigrator(files: Database.files).run(on: database.connect())
        #expect(try rows(database) == [["HAM", "0", "0", "0", "0"]])
        // The same in one batch with what begins it again.
        let other = try Database()
        let whole = try other.store()
        _ = try whole.offsets(of: 0..<1)
        try whole.store(Ledger.batch(Ledger.entries(first + again)))
        #expect(try rows(other) == [["BER", "5", "2", "0", "3"], ["HAM", "0", "0", "0", "0"]])
        try SchemaMigrator(files: Database.files).run(on: other.connect())
        #expect(try rows(other) == [["BER", "5", "2", "0", "3"], ["HAM", "0", "0", "0", "0"]])
        #expect(try other.connect().rows("SELECT sku FROM holdfast.inventory_differences").isEmpty)
    }

    @Test("A closed warehouse has nothing available, from the row that closes it to the one that opens it")
    func closedWarehouse() throws {
        func house(_ isActive: Bool) -> Command.Body {
            .setWarehouse(Warehouse(id: "BER", isActive: isActive))
        }
        let bodies: [Command.Body] = [
            .receive(warehouse: "BER", quantity: 5, reference: nil),
            .receive(warehouse: "HAM", quantity: 4, reference: nil), house(false),
            .receive(warehouse: "BER", quantity: 2, reference: nil), house(false), house(true),
            .setPolicy(warehouse: nil, Policy(safetyStock: 1)), house(false), .retire,
        ]
        let entries = Ledger.entries(bodies)
        func available(_ database: Database) throws -> [[String?]] {
            try database.connect().rows(
                """
                SELECT warehouse_id, quantity_on_hand, quantity_available FROM holdfast.inventory ORDER BY 1
                """)
        }
        // One batch for all, and one for each entry.
        for count in 1...entries.count {
            var stock = Stock()
            for entry in entries.prefix(count) { stock.fold(entry) }
            let expected = (stock.levels(of: "A")?.levels ?? []).map {
                [$0.warehouse.text, "\($0.onHand)", "\($0.available)"]
            }
            let whole = try Database()
            let store = try whole.store()
            _ = try store.offsets(of: 0..<1)
            try store.store(Ledger.batch(Array(entries.prefix(count))))
            #expect(try available(whole) == expected, "\(count) entries in one batch")
            #expect(try whole.connect().rows("SELECT sku FROM holdfast.inventory_differences").isEmpty)
        }
        let single = try Database()
        let store = try single.store()
        _ = try store.offsets(of: 0..<1)
        for (offset, entry) in entries.enumerated() {
            var batch = LedgerBatch(from: [0: Int64(offset)])
            batch.add(LedgerRow(partition: 0, offset: Int64(offset), entry: entry))
            try store.store(batch)
        }
        #expect(try available(single) == [["BER", "7", "0"], ["HAM", "4", "3"]])
        // What an earlier version stored is brought up to date by the schema's files, and they change nothing more.
        try single.connect().execute(
            """
            UPDATE holdfast.inventory SET is_closed = false, ledger_partition = NULL;
            DELETE FROM holdfast.warehouse_states
            """)
        #expect(try available(single) == [["BER", "7", "6"], ["HAM", "4", "3"]])
        for _ in 0..<2 {
            try SchemaMigrator(files: Database.files).run(on: single.connect())
            #expect(try available(single) == [["BER", "7", "0"], ["HAM", "4", "3"]])
        }
    }

    @Test("An audit reads the rows of a partition by an index, in the order of the topic")
    func placeIndex() throws {
        let database = try Database()
        let connection = try database.connect()
        // The planner would not use any index on so small a table.
        try connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
        let plan = try connection.query(
            """
            EXPLAIN (COSTS OFF) SELECT sku FROM holdfast.inventory_transactions
            WHERE ledger_partition = 3 AND ledger_offset >= 17 ORDER BY ledger_partition, ledger_offset, sequence
            """, format: .text)
        let lines = try (0..<plan.rowCount).map { try plan.text($0, 0) ?? "" }
        #expect(lines.contains { $0.contains("Index Scan using inventory_transactions_place") }, "\(lines)")
        #expect(lines.contains { $0.contains("Presorted Key: ledger_offset") }, "\(lines)")
    }

    /// What an auditor asks of the ledger, and of the levels: it must find nothing.
    private func expectNoAlarm(_ connection: Connection) throws {
        for check in ["check_ledger()", "check_chain()", "inventory_differences"] {
            let found = try connection.rows("SELECT sku FROM holdfast.\(check)")
            #expect(found.isEmpty, "\(check): \(found)")
        }
    }

    @Test("SKUs and warehouses in two Unicode forms are two, and no check finds fault", arguments: [1, 100])
    func unicodeForms(batch size: Int) throws {
        let (nfc, nfd) = ("Z\u{FC}rich", "Zu\u{308}rich")
        let commands =
            ["CAF\u{C9}", "CAFE\u{301}"].flatMap { sku in
                [
                    Command(
                        id: "in", sku: "\(sku)",
                        body: .receive(warehouse: "\(nfc)", quantity: 5, reference: nil)),
                    Command(
                        id: "in2", sku: "\(sku)",
                        body: .receive(warehouse: "\(nfd)", quantity: 3, reference: nil)),
                    Command(
                        id: "r", sku: "\(sku)",
                        body: .reserve(
                            Command.Reserve(
                                reservationID: "r", orderID: "o", quantity: 7,
                                expiry: .after(milliseconds: 60_000)))),
                    Command(
                        id: "policy", sku: "\(sku)",
                        body: .setPolicy(warehouse: "\(nfd)", Policy(safetyStock: 1))),
                ]
            } + [Command(id: "out", sku: "CAFE\u{301}", body: .release(reservationID: "r", quantity: nil))]
        let database = try Database()
        _ = try database.store().offsets(of: 0..<1)
        try database.store().store(Ledger.entries(of: commands), by: size)
        let connection = try database.connect()
        try expectNoAlarm(connection)
        let levels = try connection.rows(
            """
            SELECT sku::bytea::text, warehouse_id::bytea::text, quantity_on_hand::text,
                quantity_reserved::text, safety_stock::text
            FROM holdfast.inventory ORDER BY sku COLLATE "C", warehouse_id COLLATE "C"
            """)
        #expect(
            levels == [
                [#"\x43414645cc81"#, #"\x5a75cc8872696368"#, "3", "0", "1"],
                [#"\x43414645cc81"#, #"\x5ac3bc72696368"#, "5", "0", "0"],
                [#"\x434146c389"#, #"\x5a75cc8872696368"#, "3", "2", "1"],
                [#"\x434146c389"#, #"\x5ac3bc72696368"#, "5", "5", "0"],
            ])
        #expect(
            try connection.rows("SELECT status FROM holdfast.reservations ORDER BY sku COLLATE \"C\"")
                == [["released"], ["reserved"]])
    }

    @Test(
        "Reservations, transfers and commands of two SKUs have one id, and each SKU its own rows",
        arguments: [1, 100])
    func sharedIDs(batch size: Int) throws {
        let commands =
            ["A", "B"].enumerated().flatMap { number, sku in
                [
                    Command(
                        id: "in", sku: "\(sku)", body: .receive(warehouse: "BER", quantity: 5, reference: nil)
                    ),
                    Command(
                        id: "o1", sku: "\(sku)",
                        body: .reserve(
                            Command.Reserve(
                                reservationID: "o1", orderID: "o1", quantity: Int64(number + 1),
                                expiry: .after(milliseconds: 60_000)))),
                    Command(
                        id: "move", sku: "\(sku)",
                        body: .transferDispatch(
                            Command.TransferDispatch(transferID: "t1", from: "BER", to: "HAM", quantity: 1))),
                ]
            } + [
                Command(id: "out", sku: "A", body: .release(reservationID: "o1", quantity: nil)),
                Command(
                    id: "there", sku: "B", body: .transferReceive(transferID: "t1", quantity: 1, damaged: 0)),
            ]
        let database = try Database()
        _ = try database.store().offsets(of: 0..<1)
        try database.store().store(Ledger.entries(of: commands), by: size)
        let connection = try database.connect()
        try expectNoAlarm(connection)
        #expect(
            try connection.rows(
                "SELECT sku, id, status, remaining::text FROM holdfast.reservations ORDER BY sku COLLATE \"C\""
            )
                == [["A", "o1", "released", "0"], ["B", "o1", "reserved", "2"]])
        #expect(
            try connection.rows("SELECT sku, id, status FROM holdfast.transfers ORDER BY sku COLLATE \"C\"")
                == [["A", "t1", "in_transit"], ["B", "t1", "received"]])
        #expect(
            try connection.rows(
                "SELECT sku, quantity::text FROM holdfast.reservation_allocations ORDER BY sku")
                == [["B", "2"]])
    }

    @Test("How reservations and transfers ended is told")
    func statuses() throws {
        let database = try Database()
        _ = try database.store().offsets(of: 0..<1)
        try database.store().store(Ledger.batch(Ledger.everything))
        let connection = try database.connect()
        #expect(
            try connection.rows("SELECT id, status FROM holdfast.transfers ORDER BY id")
                == [["t1", "received"], ["t2", "cancelled"]])
        #expect(
            try connection.rows(
                "SELECT status FROM holdfast.reservations WHERE id = 'late' ORDER BY reserved_sequence")
                == [["expired"], ["confirmed"]])
    }

    @Test(
        "However a ledger is cut into batches, and where its rows are there already, the tables are the same",
        arguments: [Ledger.story, Ledger.everything, Ledger.random(seed: 1), Ledger.random(seed: 2)])
    func batching(entries: [LedgerEntry]) throws {
        let whole = try Database()
        _ = try whole.store().offsets(of: 0..<1)
        try whole.store().store(Ledger.batch(entries))
        let expected = try whole.tables()
        for size in [1, 2, 7] {
            let parts = try Database()
            let store = try parts.store()
            try store.store(entries, by: size)
            #expect(try parts.tables() == expected, "batches of \(size)")
        }
        // The projections are made anew, and the ledger's rows are found.
        let again = try Database()
        try again.store().store(entries, by: 50)
        try again.connect().execute(
            """
            DELETE FROM holdfast.inventory; DELETE FROM holdfast.policies; DELETE FROM holdfast.reservations;
            DELETE FROM holdfast.transfers; UPDATE holdfast.sink_offsets SET next_offset = 0
            """)
        try again.store().store(entries, by: 5)
        #expect(try again.tables() == expected, "with rows that are there")
    }

    @Test("Rows that are there already change nothing")
    func repeated() throws {
        let database = try Database()
        let store = try database.store()
        _ = try store.offsets(of: 0..<1)
        try store.store(Ledger.batch(Ledger.story))
        try database.connect().execute("UPDATE holdfast.sink_offsets SET next_offset = 0")
        #expect(try store.store(Ledger.batch(Ledger.story)) == 0)
        #expect(try database.connect().rows("SELECT sku FROM holdfast.inventory_differences").isEmpty)
    }

    @Test("A row that differs from the one that is there stops the sink, and nothing is stored")
    func different() throws {
        let database = try Database()
        let store = try database.store()
        _ = try store.offsets(of: 0..<1)
        try store.store(Ledger.batch(Array(Ledger.story.prefix(2))))
        try database.connect().execute("UPDATE holdfast.sink_offsets SET next_offset = 0")
        var other = Ledger.story
        other[1].commandID = "another"
        #expect(throws: SinkFault.self) { try store.store(Ledger.batch(other)) }
        let connection = try database.connect()
        #expect(try connection.rows("SELECT count(*) FROM holdfast.inventory_transactions") == [["2"]])
        #expect(try store.offsets(of: 0..<1) == [0: 0])
    }

    @Test("A second sink, whose offsets are not the stored ones, stops and stores nothing")
    func secondSink() throws {
        let database = try Database()
        let (first, second) = (try database.store(), try database.store())
        let offsets = try first.offsets(of: 0..<1)
        #expect(try second.offsets(of: 0..<1) == offsets)
        try first.store(Ledger.batch(Ledger.story))
        #expect(throws: SinkFault.self) { try second.store(Ledger.batch(Ledger.story)) }
        let rows = try database.connect().rows("SELECT count(*) FROM holdfast.inventory_transactions")
        #expect(rows == [["\(Ledger.story.count)"]])
    }

    @Test(
        "The application's role cannot change, delete or truncate the ledger",
        arguments: ["UPDATE % SET quantity = 9", "DELETE FROM %", "TRUNCATE %"])
    func appendOnly(statement: String) throws {
        let database = try Database()
        _ = try database.store().offsets(of: 0..<1)
        try database.store().store(Ledger.batch(Ledger.story))
        let sql = statement.replacing("%", with: "holdfast.inventory_transactions")
        for role in ["holdfast_application", nil] {
            let connection = try database.connect()
            if let role { try connection.execute("SET ROLE \(role)") }
            // The application's role by its privileges, the owner by the trigger.
            do {
                try connection.execute(sql)
                Issue.record("\(sql) was not refused to \(role ?? "the owner")")
            } catch {
                #expect(error.sqlState == "42501")
                if role == nil { #expect(error.message.contains("append only")) }
            }
        }
    }

    @Test("check_ledger names a missing entry and a balance that is not the sum of its deltas")
    func checkLedger() throws {
        let database = try Database()
        _ = try database.store().offsets(of: 0..<1)
        var wrong = Array(Ledger.story.prefix(3))
        wrong[2].balances.reserved += 1
        wrong.remove(at: 1)
        try database.store().store(Ledger.batch(wrong))
        let problems = try database.connect().rows(
            "SELECT sequence, problem FROM holdfast.check_ledger() ORDER BY problem")
        #expect(
            problems == [
                ["3", "the balance is not the sum of the deltas"], ["3", "the entry before it is missing"],
            ])
    }

    @Test(
        "check_chain names a row that was changed, lost or swapped with another",
        arguments: [
            ("UPDATE t SET quantity = 2, reserved_delta = 2, reserved = 2 WHERE sequence = 2", [2]),
            ("UPDATE t SET note = 'fork lift' WHERE sequence = 4", [4]),
            ("UPDATE t SET at = at + interval '1 millisecond' WHERE sequence = 1", [1]),
            ("UPDATE t SET hash = repeat('0', 64) WHERE sequence = 3", [3, 4]),
            ("DELETE FROM t WHERE sequence = 2", [3]),
            ("UPDATE t SET sequence = 9 - sequence WHERE sequence IN (4, 5)", [4, 5, 6]),
        ] as [(String, [Int])])
    func checkChain(damage: String, named: [Int]) throws {
        let database = try Database()
        _ = try database.store().offsets(of: 0..<1)
        try database.store().store(Ledger.batch(Ledger.story))
        let connection = try database.connect()
        // Who owns the table can do so, and is found out.
        try connection.execute("ALTER TABLE holdfast.inventory_transactions DISABLE TRIGGER ALL")
        // Swapped rows have one another's key for a moment.
        try connection.execute(
            "ALTER TABLE holdfast.inventory_transactions DROP CONSTRAINT inventory_transactions_pkey")
        try connection.execute(
            damage.replacing(" t ", with: " holdfast.inventory_transactions "))
        let found = try connection.rows("SELECT sequence FROM holdfast.check_chain()")
        #expect(found.map { $0.first } == named.map { "\($0)" })
    }

    @Test("A server that goes away in the middle stores nothing of the batch, and can be tried again")
    func goesAway() throws {
        let database = try Database()
        let connection = try database.connect()
        let store = try LedgerStore(
            connection: connection, role: "holdfast_application", topic: "stock.ledger",
            sourceTopic: "stock.commands")
        _ = try store.offsets(of: 0..<1)
        try database.connect().query(
            "SELECT pg_terminate_backend($1)", [.int32(connection.backendProcess)])
        do {
            try store.store(Ledger.batch(Ledger.story))
            Issue.record("a batch was stored over a connection that is gone")
        } catch let error as PostgresError {
            #expect(error.recovery == .retry)
        }
        let again = try database.store()
        #expect(try again.offsets(of: 0..<1) == [0: 0])
        #expect(try again.store(Ledger.batch(Ledger.story)) == Ledger.story.count)
    }
}
