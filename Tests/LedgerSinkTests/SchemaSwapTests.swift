import LedgerSink
import PostgresClient
import Testing

@Suite("A schema that is made anew and swapped", .enabled(if: Database.url != nil, Database.reason))
struct SchemaSwapTests {
    private func fill(_ database: Database, schema: String) throws {
        let store = try LedgerStore(
            connection: database.connect(), role: "holdfast_application", topic: "stock.ledger",
            sourceTopic: "stock.commands", schema: schema)
        _ = try store.offsets(of: 0..<1)
        try store.store(Ledger.batch(Ledger.everything))
    }

    private func rows(_ database: Database, _ sql: String) throws -> [String] {
        let result = try database.connect().query(sql, format: .text)
        return try (0..<result.rowCount).map { try result.text($0, 0) ?? "" }
    }

    @Test("The files make the same objects under another name, and none of them knows the schema holdfast")
    func otherName() throws {
        let database = try Database()
        let names = """
            SELECT relname || ' ' || relkind::text FROM pg_class WHERE relnamespace = to_regnamespace('%')
            UNION ALL SELECT proname || ' function' FROM pg_proc WHERE pronamespace = to_regnamespace('%') ORDER BY 1
            """
        let original = try rows(database, names.replacing("%", with: "holdfast"))
        try database.connect().execute("DROP SCHEMA holdfast CASCADE")
        try SchemaMigrator(files: Database.files, schema: "elsewhere").run(on: database.connect())
        #expect(try rows(database, names.replacing("%", with: "elsewhere")) == original)
        #expect(original.count > 20)
        #expect(try rows(database, "SELECT to_regnamespace('holdfast') IS NULL") == ["t"])
        #expect(
            try rows(
                database,
                "SELECT proname FROM pg_proc WHERE pronamespace = to_regnamespace('elsewhere') AND prosrc ~ 'holdfast\\.'"
            )
                == [])
        try fill(database, schema: "elsewhere")
        #expect(try rows(database, "SELECT problem FROM elsewhere.check_ledger()") == [])
        #expect(try rows(database, "SELECT problem FROM elsewhere.check_chain()") == [])
    }

    @Test("After a swap the tables, the checks and what others may read are those of the new one")
    func swapped() throws {
        let database = try Database()
        try fill(database, schema: "holdfast")
        let reader = "reader_\(UInt32.random(in: 0...UInt32.max))"
        let owner = try database.connect()
        try owner.execute(
            """
            CREATE ROLE \(reader);
            GRANT USAGE ON SCHEMA holdfast TO \(reader);
            GRANT SELECT ON holdfast.inventory, holdfast.inventory_differences TO \(reader);
            UPDATE holdfast.inventory SET quantity_on_hand = quantity_on_hand + 1;
            """)
        defer { _ = try? owner.execute("DROP OWNED BY \(reader); DROP ROLE \(reader)") }
        #expect(try rows(database, "SELECT sku FROM holdfast.inventory_differences").isEmpty == false)

        let swap = try SchemaSwap(connection: database.connect(), files: Database.files)
        try swap.prepare(dropsOld: false)
        try fill(database, schema: SchemaSwap.fresh)
        try swap.begin()
        let offsets = try swap.offsets(topic: "stock.ledger")
        #expect(offsets == [0: Ledger.batch(Ledger.everything).nextOffsets[0]!])
        #expect(try swap.finish())

        let reading = try database.connect()
        try reading.execute("SET ROLE \(reader)")
        #expect(try reading.query("SELECT sku FROM holdfast.inventory_differences").rowCount == 0)
        #expect(try reading.query("SELECT sku FROM holdfast.inventory").rowCount > 0)
        #expect(throws: PostgresError.self) { try reading.query("SELECT sku FROM holdfast.reservations") }
        #expect(try rows(database, "SELECT problem FROM holdfast.check_ledger()") == [])
        #expect(try rows(database, "SELECT problem FROM holdfast.check_chain()") == [])
        #expect(try rows(database, "SELECT sku FROM holdfast_before.inventory_differences").isEmpty == false)
        // The application may write what it might before.
        #expect(try database.store().offsets(of: 0..<2) == [0: offsets[0]!, 1: 0])
    }

    @Test("What a swap would take away is named before anything is made")
    func refused() throws {
        func fault(_ database: Database, dropsOld: Bool = false) throws -> String? {
            do {
                try SchemaSwap(connection: database.connect(), files: Database.files)
                    .prepare(dropsOld: dropsOld)
                return nil
            } catch let fault as SinkFault {
                return fault.description
            }
        }
        let database = try Database()
        let owner = try database.connect()
        try owner.execute("CREATE VIEW public.report AS SELECT sku FROM holdfast.inventory")
        #expect(try fault(database)?.contains("public.report") == true)
        try owner.execute("DROP VIEW public.report; CREATE TABLE holdfast.notes (text text)")
        #expect(try fault(database)?.contains("notes") == true)
        try owner.execute("DROP TABLE holdfast.notes; CREATE SCHEMA holdfast_before")
        #expect(try fault(database)?.contains("holdfast_before") == true)
        #expect(try fault(database, dropsOld: true) == nil)
        let first = try SchemaSwap(connection: database.connect(), files: Database.files)
        #expect(try fault(database, dropsOld: true)?.contains("another rebuild") == true)
        try first.prepare(dropsOld: true)
    }
}
