import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import PostgresClient
import StreamRuntime

/// `holdfast reconcile`: PostgreSQL's levels, live reservations and transfers against those that the ledger's topic
/// gives, folded exactly as far as the sink has come.
final class ReconcilePostgres {
    private static let pageRows = 20_000

    private let service: Service
    private let settings: KafkaSettings
    private let isJSON: Bool
    private var expected: [Key: Value] = [:]
    private var compared = 0
    private var differences = 0

    init(service: Service) {
        self.service = service
        settings = KafkaSettings(service.configuration)
        isJSON = service.configuration.boolean("json")
    }

    private enum Kind: String { case level, reservation, transfer }

    /// What a row is about: `place` is the warehouse of a level, the id of a reservation or transfer.
    private struct Key: Hashable {
        let kind: Kind
        let sku: ID
        let place: ID
    }

    /// The figures of a row, by the words of the topics.
    private typealias Value = [String: Int64]

    func run() throws -> ExitCode {
        do {
            return try KafkaFailures.translated { try compare() }
        } catch let error as PostgresError {
            throw RoleFailure(error.exitCode, error.description)
        }
    }

    private func compare() throws -> ExitCode {
        let snapshot = try DatabaseSnapshot(service: service, name: "holdfast reconcile")
        return try snapshot.read { try compare(snapshot) }
    }

    private func compare(_ snapshot: DatabaseSnapshot) throws -> ExitCode {
        // One moment for the offsets and for all rows.
        try snapshot.begin()
        let offsets = try offsets(snapshot.connection)
        for (partition, next) in offsets.sorted(by: { $0.key < $1.key }) { try fold(partition, to: next) }
        try compareLevels(snapshot)
        try compareReservations(snapshot)
        try compareTransfers(snapshot)
        try snapshot.connection.rollback()
        for key in expected.keys.sorted(by: {
            ($0.kind.rawValue, $0.sku, $0.place) < ($1.kind.rawValue, $1.sku, $1.place)
        })
        where expected[key]!.values.contains(where: { $0 != 0 }) {
            tell(key, expected[key]!, nil)
        }
        tellSums(offsets)
        return differences == 0 ? .success : .differenceFound
    }

    private func offsets(_ connection: Connection) throws -> [Int32: Int64] {
        let result = try connection.query(
            "SELECT partition, next_offset FROM holdfast.sink_offsets WHERE topic = $1",
            [.text(settings.name(.ledger))])
        var offsets: [Int32: Int64] = [:]
        for row in 0..<result.rowCount {
            guard let partition = try result.int32(row, 0) else { continue }
            offsets[partition] = try result.int64(row, 1)
        }
        guard !offsets.isEmpty else {
            throw RoleFailure(
                .usage,
                "PostgreSQL holds nothing of \(settings.name(.ledger)): give the --topic-prefix and the "
                    + "--database-url that belong together")
        }
        return offsets
    }

    /// - Parameter next: the first offset that PostgreSQL does not hold.
    private func fold(_ partition: Int32, to next: Int64) throws {
        let shutdown = service.shutdown
        let scan = TopicScan(
            settings: settings, events: service.kafkaEvents(), isCancelled: { shutdown.isRequested })
        guard let extent = try scan.extents(of: .ledger)[partition], next <= extent.upperBound else {
            throw RoleFailure(
                .differenceFound,
                "PostgreSQL holds \(settings.name(.ledger)), partition \(partition), up to offset \(next), which the "
                    + "topic does not have: it is another's database, or the topic was made anew")
        }
        guard next > extent.lowerBound else { return }
        var rebuild = LedgerRebuild()
        var fault: Inconsistency?
        var due = Deadline(milliseconds: 2_000)
        try scan.read(.ledger, from: [partition: extent.lowerBound], through: next - 1) { message in
            guard fault == nil else { return }
            do throws(Inconsistency) { try rebuild.add(message.logRecord) } catch { fault = error }
            guard due.isPast else { return }
            due = Deadline(milliseconds: 2_000)
            service.logger.info(
                "folding the ledger",
                ["partition": partition, "entries": rebuild.entryCount, "offset": message.offset, "of": next])
        }
        if let fault {
            throw RoleFailure(
                .differenceFound, "partition \(partition), SKU \(fault.sku): \(fault.description)")
        }
        expect(rebuild.stock)
    }

    private func expect(_ stock: Stock) {
        for snapshot in stock.allLevels {
            for level in snapshot.levels {
                expected[Key(kind: .level, sku: snapshot.sku, place: level.warehouse)] = [
                    "on_hand": level.onHand, "reserved": level.reserved, "in_transit": level.inTransit,
                    "damaged": level.damaged, "set_apart": level.unusedSetApart,
                    "safety_stock": level.safetyStock, "available": level.available,
                ]
            }
        }
        for live in stock.allReservations {
            expected[Key(kind: .reservation, sku: live.sku, place: live.id)] = [
                "quantity": live.quantity, "expires_at": live.expiresAt.milliseconds,
            ]
        }
        for live in stock.allTransfers {
            expected[Key(kind: .transfer, sku: live.sku, place: live.id)] = ["remaining": live.remaining]
        }
    }

    private func compareLevels(_ snapshot: DatabaseSnapshot) throws {
        let columns = ["on_hand", "reserved", "in_transit", "damaged", "set_apart", "available"]
        let sql = """
            SELECT sku, warehouse_id, safety_stock, \(columns.map { "quantity_\($0)" }.joined(separator: ", "))
            FROM holdfast.inventory ORDER BY sku COLLATE "C", warehouse_id COLLATE "C"
            """
        try eachRow(of: sql, snapshot) { page, row in
            var found: Value = ["safety_stock": try page.int64(row, 2) ?? 0]
            for (place, column) in columns.enumerated() {
                found[column] = try page.int64(row, 3 + place) ?? 0
            }
            try look(.level, page, row, found)
        }
    }

    private func compareReservations(_ snapshot: DatabaseSnapshot) throws {
        let sql = """
            SELECT sku, id, remaining, expires_at FROM holdfast.reservations WHERE status = 'reserved'
            ORDER BY sku COLLATE "C", id COLLATE "C"
            """
        try eachRow(of: sql, snapshot) { page, row in
            try look(
                .reservation, page, row,
                [
                    "quantity": try page.int64(row, 2) ?? 0,
                    "expires_at": try page.timestampMilliseconds(row, 3) ?? 0,
                ])
        }
    }

    private func compareTransfers(_ snapshot: DatabaseSnapshot) throws {
        let sql = """
            SELECT sku, id, remaining FROM holdfast.transfers WHERE ended_at IS NULL
            ORDER BY sku COLLATE "C", id COLLATE "C"
            """
        try eachRow(of: sql, snapshot) { page, row in
            try look(.transfer, page, row, ["remaining": try page.int64(row, 2) ?? 0])
        }
    }

    private func eachRow(
        of sql: String, _ snapshot: DatabaseSnapshot, _ body: (borrowing QueryResult, Int) throws -> Void
    ) throws {
        let connection = snapshot.connection
        try connection.execute("DECLARE reconcile NO SCROLL CURSOR FOR \(sql)")
        // From now on it reads these tables, whatever their names will be.
        try snapshot.check()
        while true {
            let page = try connection.query("FETCH \(Self.pageRows) FROM reconcile")
            for row in 0..<page.rowCount { try body(page, row) }
            if page.rowCount < Self.pageRows { break }
        }
        try connection.execute("CLOSE reconcile")
    }

    private func look(_ kind: Kind, _ page: borrowing QueryResult, _ row: Int, _ found: Value) throws {
        compared += 1
        let key = Key(kind: kind, sku: try page.id(row, 0) ?? "", place: try page.id(row, 1) ?? "")
        let wanted = expected.removeValue(forKey: key)
        if wanted == found { return }
        // Of a SKU that was retired PostgreSQL keeps a row without units.
        if wanted == nil, kind == .level, found.values.allSatisfy({ $0 == 0 }) { return }
        tell(key, wanted, found)
    }

    private struct Line: Encodable {
        var what: String
        var sku: ID
        var warehouse: ID?
        var id: ID?
        /// Left out where there is none.
        var topics: Value?
        var postgresql: Value?
    }

    private func tell(_ key: Key, _ wanted: Value?, _ found: Value?) {
        differences += 1
        let isLevel = key.kind == .level
        if isJSON {
            return json(
                Line(
                    what: key.kind.rawValue, sku: key.sku, warehouse: isLevel ? key.place : nil,
                    id: isLevel ? nil : key.place, topics: wanted, postgresql: found))
        }
        let (sku, place) = (Printable.text(key.sku.bytes), Printable.text(key.place.bytes))
        let name = isLevel ? "level of \(sku) in \(place)" : "\(key.kind.rawValue) \(place) of \(sku)"
        guard let wanted else { return print("\(name): in PostgreSQL alone") }
        guard let found else { return print("\(name): not in PostgreSQL") }
        let fields = wanted.keys.sorted().filter { wanted[$0] != found[$0] }
        print(
            "\(name): "
                + fields.map { "\($0) is \(wanted[$0]!), in PostgreSQL \(found[$0] ?? 0)" }.joined(
                    separator: "; "))
    }

    private func tellSums(_ offsets: [Int32: Int64]) {
        if isJSON { return json(["compared": compared, "differ": differences]) }
        print(
            "\(compared) rows compared, as of the offsets "
                + offsets.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)" }.joined(separator: " ")
                + "; \(differences) differ"
                + (differences > 0 ? " (holdfast sink --rebuild makes the tables anew)" : ""))
    }

    private func json(_ value: some Encodable) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if let data = try? encoder.encode(value) { print(String(decoding: data, as: UTF8.self)) }
    }
}
