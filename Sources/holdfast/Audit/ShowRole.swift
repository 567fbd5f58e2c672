import Audit
import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations

/// `holdfast show`: a SKU, a reservation, an order or a command, as the topics tell it: its state, and its history
/// with the causes. It reads and changes nothing.
final class ShowRole {
    private let service: Service
    private let id: ID
    private let point: LogPoint?
    private let last: Int
    private var isJSON: Bool { service.configuration.boolean("json") }

    init(service: Service) throws {
        self.service = service
        let what = service.configuration.role.split(separator: " ").last ?? ""
        guard let id = service.configuration.optionalID("id") else {
            throw RoleFailure(.usage, "which \(what)? Write holdfast show \(what) ID")
        }
        self.id = id
        last = service.configuration.integer("last")
        point = try service.configuration.optionalString("at").map { text in
            guard let point = LogPoint(text) else {
                throw RoleFailure(
                    .usage,
                    "--at \(text): it must be PARTITION/OFFSET in stock.commands such as 3/1234, or an RFC 3339 time"
                )
            }
            return point
        }
    }

    // MARK: Reading

    /// The partitions to look at: that of a SKU, those that `--at` names, or all.
    private func partitions(_ reading: AuditReading, sku: ID?) throws -> [Int32] {
        var partitions = reading.partitions
        if let sku {
            partitions = [try Self.partition(of: sku, count: reading.partitionCount)]
        }
        if case .places(let places) = point {
            let named = partitions.filter { places[$0] != nil }
            guard !named.isEmpty else {
                throw RoleFailure(
                    .usage,
                    sku.map { "--at: \(AuditText.printable($0)) is in partition \(partitions[0])" }
                        ?? "--at: there are the partitions 0 to \(reading.partitionCount - 1)")
            }
            return named
        }
        return partitions
    }

    private static func partition(of sku: ID, count: Int32) throws -> Int32 {
        if PartitionBook.isBook(sku) {
            guard let partition = PartitionBook.partition(of: sku), 0..<count ~= partition
            else { throw RoleFailure(.usage, "\(sku): there are the partitions 0 to \(count - 1)") }
            return partition
        }
        return sku.bytes.withUnsafeBytes { murmur2Partition(key: $0, partitionCount: count) }
    }

    /// Whether the entry is from after the point that was asked for; what follows it is, too.
    /// - Parameter source: nil for an entry of an earlier log.
    private func isLater(_ source: Source?, _ at: Timestamp) -> Bool {
        switch point {
        case nil: false
        case .places(let places): source.map { $0.offset > places[$0.partition] ?? .max } ?? false
        case .time(let time): at > time
        }
    }

    /// Entries of the ledger, up to the point that was asked for.
    /// - Parameter isWanted: by the record's bytes, so that most need not be decoded.
    private func readLedger(
        _ reading: AuditReading, _ partition: Int32, isWanted: (AuditRecord) -> Bool,
        _ body: (Recorded<LedgerEntry>) -> Void
    ) throws {
        var reader = RecordReader()
        let cursor = try reading.cursor(.ledger, partition)
        let end = reading.extents[.ledger]?[partition]?.upperBound ?? 0
        let book = Array(PartitionBook.prefix.utf8)
        var isWithinEarlierLog = false
        while let record = try cursor.next() {
            reading.progress(
                "reading the ledger", ["partition": partition, "offset": record.offset, "of": end])
            let isBook = record.key?.starts(with: book) ?? false
            guard let value = record.value, isBook || isWanted(record) else { continue }
            guard let entry = value.withUnsafeBytes({ try? reader.ledgerEntry($0) }) else { continue }
            if entry.beginsEarlierLog { isWithinEarlierLog = true }
            if entry.endsEarlierLog { isWithinEarlierLog = false }
            guard isWanted(record) else { continue }
            // Every place of this log is later than an earlier one.
            var source: Source? = entry.source
            if isWithinEarlierLog, !isBook { source = nil }
            if isLater(source, entry.at) { return }
            body(Recorded(offset: record.offset, value: entry, bytes: value))
        }
    }

    /// Whether a record can hold the id: by its bytes, or because it has characters that are written otherwise.
    static func mayHold(_ value: [UInt8]?, _ id: [UInt8]) -> Bool {
        guard let value else { return false }
        return holds(value, id) || value.contains(0x5C)
    }

    static func holds(_ value: [UInt8], _ id: [UInt8]) -> Bool {
        value.withUnsafeBytes { value in
            id.withUnsafeBytes { id in
                guard let start = value.baseAddress, let wanted = id.baseAddress else { return false }
                return memmem(start, value.count, wanted, id.count) != nil
            }
        }
    }

    // MARK: SKU

    func sku() throws -> ExitCode {
        try KafkaFailures.translated {
            let reading = try AuditReading(service: service, topics: [.ledger])
            let partition = try partitions(reading, sku: id)[0]
            var follower = LedgerFollower(partition: partition)
            var differences = Differences(limit: 3)
            var history = History(limit: last)
            let key = id.bytes
            try readLedger(reading, partition, isWanted: { $0.key == key }) { entry in
                guard entry.value.sku == id else { return }
                _ = follower.follow(entry, &differences)
                history.add(entry)
            }
            guard history.count > 0 else { throw notFound("the ledger has no entry of SKU") }
            let stock = follower.stock
            print(isJSON ? try json(stock, partition, history) : text(stock, partition, history))
            guard differences.isEmpty else {
                throw RoleFailure(
                    .differenceFound,
                    "the ledger of this SKU is damaged, and its state is that before the damage: "
                        + AuditText.lines(differences).joined(separator: "\n") + "\nnext: holdfast verify")
            }
            return .success
        }
    }

    private func notFound(_ what: String) -> RoleFailure {
        RoleFailure(
            .differenceFound,
            "\(what) \(AuditText.printable(id))" + (point == nil ? "" : " up to --at")
                + "; is it written right, and is --topic-prefix?")
    }

    private func text(_ stock: Stock, _ partition: Int32, _ history: History) -> String {
        let newest = history.newest!.value
        let snapshot = stock.levels(of: id)
        var lines = [
            "SKU \(AuditText.printable(id)), partition \(partition), as of ledger sequence \(newest.sequence), "
                + "the command at \(newest.source.partition)/\(newest.source.offset), \(Self.time(newest.at))"
        ]
        if let snapshot {
            if snapshot.generation > 1 || snapshot.isRetired {
                lines.append("generation \(snapshot.generation)" + (snapshot.isRetired ? ", retired" : ""))
            }
            if snapshot.backordered > 0 { lines.append("backordered \(snapshot.backordered)") }
            lines += [""] + levelsText(snapshot)
        }
        if PartitionBook.isBook(id) { lines += bookText(snapshot) }
        let live = stock.liveReservations(of: id)
        if !live.isEmpty {
            var rows = [["reservation", "order", "units", "backordered", "expires at", "from"]]
            for reservation in live.sorted(by: { $0.expiresAt < $1.expiresAt }).prefix(max(last, 1)) {
                rows.append([
                    reservation.id.text, reservation.orderID.text, "\(reservation.quantity)",
                    "\(reservation.backordered)", Self.time(reservation.expiresAt),
                    Self.text(reservation.allocations),
                ])
            }
            lines += ["", "\(live.count) live reservations, the next to expire first:"]
            lines += AuditText.table(rows, left: [0, 1, 4, 5])
        }
        let transfers = stock.allTransfers.filter { $0.sku == id }
        if !transfers.isEmpty {
            var rows = [["transfer", "from", "to", "in transit", "sent", "expected at"]]
            for transfer in transfers.prefix(max(last, 1)) {
                rows.append([
                    transfer.id.text, transfer.from.text, transfer.to.text, "\(transfer.remaining)",
                    "\(transfer.quantity)",
                    (transfer.expectedAt.map(Self.time) ?? "-") + (transfer.isOverdue ? ", overdue" : ""),
                ])
            }
            lines += ["", "\(transfers.count) transfers under way:"]
            lines += AuditText.table(rows, left: [0, 1, 2, 5])
        }
        return (lines + history.text(of: "SKU")).joined(separator: "\n")
    }

    private func levelsText(_ snapshot: LevelsSnapshot) -> [String] {
        guard !snapshot.levels.isEmpty else { return ["no levels"] }
        var rows = [
            [
                "warehouse", "on hand", "reserved", "available", "in transit", "damaged", "safety stock",
                "set apart",
            ]
        ]
        for level in snapshot.levels {
            rows.append([
                level.warehouse.text, "\(level.onHand)", "\(level.reserved)", "\(level.available)",
                "\(level.inTransit)", "\(level.damaged)", "\(level.safetyStock)",
                level.channels.isEmpty
                    ? "-" : level.channels.map { "\($0.channel) \($0.setApart)" }.joined(separator: ", "),
            ])
        }
        return AuditText.table(rows)
    }

    private func bookText(_ snapshot: LevelsSnapshot?) -> [String] {
        guard let book = snapshot?.book else { return [] }
        var writer = RecordWriter()
        writer.write(settings: book.settings)
        var lines = ["settings " + writer.withBytes { String(decoding: $0, as: UTF8.self) }]
        for warehouse in book.warehouses {
            writer.write(warehouse: WarehouseRecord(warehouse: warehouse))
            lines.append(writer.withBytes { String(decoding: $0, as: UTF8.self) })
        }
        return lines
    }

    private func json(_ stock: Stock, _ partition: Int32, _ history: History) throws -> String {
        var writer = RecordWriter()
        func record(_ write: (inout RecordWriter) -> Void) -> String {
            write(&writer)
            return writer.withBytes { String(decoding: $0, as: UTF8.self) }
        }
        let levels = stock.levels(of: id).map { levels in record { $0.write(levels: levels) } } ?? "null"
        let reservations = stock.liveReservations(of: id).map { live in
            record { $0.write(reservation: live) }
        }
        let transfers = stock.allTransfers.filter { $0.sku == id }.map { live in
            record { $0.write(transfer: live) }
        }
        return """
            {"sku":\(try Self.quoted(id)),"partition":\(partition),"levels":\(levels),\
            "reservations":[\(reservations.joined(separator: ","))],\
            "transfers":[\(transfers.joined(separator: ","))],\(history.json)}
            """
    }

    // MARK: Reservation and order

    func reservation() throws -> ExitCode {
        try stories("reservation") { $0.reservationID == self.id }
    }

    func order() throws -> ExitCode {
        try stories("order") { $0.orderID == self.id }
    }

    private func stories(_ what: String, isWanted: (LedgerEntry) -> Bool) throws -> ExitCode {
        try KafkaFailures.translated {
            let reading = try AuditReading(service: service, topics: [.ledger])
            let sku = service.configuration.optionalID("sku")
            var stories: [ReservationStory] = []
            var history = History(limit: last)
            let needle = id.bytes
            for partition in try partitions(reading, sku: sku) {
                try readLedger(reading, partition, isWanted: { Self.mayHold($0.value, needle) }) { entry in
                    guard isWanted(entry.value), sku == nil || entry.value.sku == sku else { return }
                    history.add(entry)
                    if let index = stories.lastIndex(where: { $0.isAbout(entry.value) }) {
                        stories[index].add(entry.value)
                    } else if let story = ReservationStory(entry.value) {
                        stories.append(story)
                    }
                }
            }
            guard history.count > 0 else {
                throw notFound("the ledger has no entry of \(what)")
            }
            print(isJSON ? try json(what, stories, history) : text(what, stories, history))
            return .success
        }
    }

    private func text(_ what: String, _ stories: [ReservationStory], _ history: History) -> String {
        var lines = ["\(what) \(AuditText.printable(id))" + history.ownersText]
        if stories.isEmpty {
            lines.append("no reservation was made")
        } else {
            var rows = [
                [
                    "reservation", "order", "SKU", "status", "units", "backordered", "shipped",
                    "reserved at", "expires at", "ended at", "from",
                ]
            ]
            for story in stories {
                rows.append([
                    story.id.text, story.orderID.text, story.sku.text, story.status.rawValue,
                    "\(story.remaining)",
                    "\(story.backordered)", "\(story.shipped)", Self.time(story.reservedAt),
                    Self.time(story.expiresAt), story.endedAt.map(Self.time) ?? "-",
                    Self.text(story.allocations),
                ])
            }
            lines += [""] + AuditText.table(rows, left: [0, 1, 2, 3, 7, 8, 9, 10])
        }
        return (lines + history.text(of: what)).joined(separator: "\n")
    }

    private struct StoryJSON: Encodable {
        struct Part: Encodable {
            let warehouse: ID
            let quantity: Int64
        }

        let reservationID: ID
        let orderID: ID
        let sku: ID
        let partition: Int32
        let status: String
        let quantity: Int64
        let backordered: Int64
        let shipped: Int64
        let allocations: [Part]
        let reservedAt: String
        let expiresAt: String
        let endedAt: String?
        let reservedSequence: Int64

        enum CodingKeys: String, CodingKey {
            case reservationID = "reservation_id"
            case orderID = "order_id"
            case sku, partition, status, quantity, backordered, shipped, allocations
            case reservedAt = "reserved_at"
            case expiresAt = "expires_at"
            case endedAt = "ended_at"
            case reservedSequence = "reserved_sequence"
        }

        init(_ story: ReservationStory) {
            reservationID = story.id
            orderID = story.orderID
            sku = story.sku
            partition = story.partition
            status = story.status.rawValue
            quantity = story.remaining
            backordered = story.backordered
            shipped = story.shipped
            allocations = story.allocations.map { Part(warehouse: $0.warehouse, quantity: $0.quantity) }
            reservedAt = RFC3339.text(story.reservedAt)
            expiresAt = RFC3339.text(story.expiresAt)
            endedAt = story.endedAt.map(RFC3339.text)
            reservedSequence = story.origin
        }
    }

    private func json(_ what: String, _ stories: [ReservationStory], _ history: History) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let text = String(decoding: try encoder.encode(stories.map(StoryJSON.init)), as: UTF8.self)
        return
            "{\(try Self.quoted(what + "_id")):\(try Self.quoted(id)),\"reservations\":\(text),\(history.json)}"
    }

    // MARK: Command

    func command() throws -> ExitCode {
        try KafkaFailures.translated {
            let reading = try AuditReading(
                service: service, topics: [.results, .deadLetters, .ledger])
            let sku = service.configuration.optionalID("sku")
            var story = CommandStory(id: id, limit: last)
            let needle = id.bytes
            for partition in try partitions(reading, sku: sku) {
                for topic in [Topic.commands, .results, .deadLetters] {
                    let cursor = try reading.cursor(topic, partition)
                    let end = reading.extents[topic]?[partition]?.upperBound ?? 0
                    while let record = try cursor.next() {
                        reading.progress(
                            "reading \(topic.rawValue)",
                            ["partition": partition, "offset": record.offset, "of": end])
                        if topic == .deadLetters || Self.mayHold(record.value, needle) {
                            story.add(record, of: topic, sku: sku, isLater: isLater)
                        }
                    }
                }
                try readLedger(reading, partition, isWanted: { Self.mayHold($0.value, needle) }) { entry in
                    guard entry.value.commandID == id, sku == nil || entry.value.sku == sku else { return }
                    story.history.add(entry)
                }
            }
            guard !story.isEmpty else { throw notFound("no topic has a command") }
            print(isJSON ? try story.json(Self.quoted(id)) : story.text())
            return .success
        }
    }

    // MARK: Text

    static func time(_ time: Timestamp) -> String { RFC3339.text(time) }

    static func quoted(_ id: ID) throws -> String { try quoted(id.text) }

    static func quoted(_ text: String) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return String(decoding: try encoder.encode(text), as: UTF8.self)
    }

    private static func text(_ allocations: [Allocation]) -> String {
        allocations.isEmpty
            ? "-" : allocations.map { "\($0.warehouse) \($0.quantity)" }.joined(separator: ", ")
    }
}

/// The newest entries about something, and how many there are.
struct History {
    let limit: Int
    private(set) var count = 0
    private(set) var newest: Recorded<LedgerEntry>?
    /// Whose entries there are: an id is unique within its SKU, and others may use it, too.
    private(set) var skus: Set<ID> = []
    private var ring: [Recorded<LedgerEntry>] = []

    init(limit: Int) { self.limit = limit }

    mutating func add(_ entry: Recorded<LedgerEntry>) {
        count += 1
        newest = entry
        skus.insert(entry.value.sku)
        if limit == 0 { return }
        // Trimmed by halves, so that a long history costs a constant for each entry.
        ring.append(entry)
        if ring.count > 2 * limit { ring.removeFirst(ring.count - limit) }
    }

    var entries: ArraySlice<Recorded<LedgerEntry>> { ring.suffix(limit) }

    /// Behind a title: that the id is of several SKUs.
    var ownersText: String {
        skus.count < 2
            ? ""
            : ", of \(skus.count) SKUs; --sku shows one: "
                + skus.sorted().map(AuditText.printable).joined(separator: ", ")
    }

    func text(of what: String) -> [String] {
        guard !entries.isEmpty else { return ["", "\(count) ledger entries"] }
        let areOfOne = skus.count < 2
        var rows = [
            [
                "sequence", "time", "command at", "command", "command id", "movement", "units", "warehouse",
                "on hand", "reserved", "about",
            ] + (areOfOne ? [""] : ["SKU", ""])
        ]
        for recorded in entries {
            let entry = recorded.value
            var about = [(entry.reservationID ?? entry.transferID ?? "").text]
            if let remaining = entry.remaining { about.append("(\(remaining) remaining)") }
            rows.append([
                "\(entry.sequence)", ShowRole.time(entry.at),
                "\(entry.source.partition)/\(entry.source.offset)", entry.command.rawValue,
                entry.commandID.text,
                entry.movement.rawValue, "\(entry.quantity)", (entry.warehouse ?? "-").text,
                entry.hasBalances ? "\(entry.balances.onHand)" : "-",
                entry.hasBalances ? "\(entry.balances.reserved)" : "-", about.joined(separator: " "),
            ])
            if !areOfOne { rows[rows.count - 1].append(entry.sku.text) }
            rows[rows.count - 1].append(
                entry.reason?.rawValue ?? entry.reasonCode?.rawValue ?? entry.reference?.text ?? "")
        }
        let which = entries.count < count ? "the last \(entries.count) of \(count)" : "all \(count)"
        return ["", "History: \(which) ledger entries", ""]
            + AuditText.table(rows, left: [1, 2, 3, 4, 5, 7, 10, 11, 12])
    }

    /// Fields of a JSON object.
    var json: String {
        let lines = entries.map { recorded in
            "{\"ledger_offset\":\(recorded.offset),\"entry\":"
                + String(decoding: recorded.bytes, as: UTF8.self) + "}"
        }
        return "\"entries\":\(count),\"history\":[\(lines.joined(separator: ","))]"
    }
}

/// What the topics tell of a command: where it stands, perhaps several times, what it did, and its answers.
struct CommandStory {
    private struct Line {
        let record: AuditRecord
        let text: String
    }

    let id: ID
    var history: History
    private let limit: Int
    private var commands: [Line] = []
    private var results: [Line] = []
    private var letters: [Line] = []
    private let reader = ReaderBox()

    private final class ReaderBox {
        var reader = RecordReader()
    }

    init(id: ID, limit: Int) {
        self.id = id
        self.limit = limit
        history = History(limit: limit)
    }

    var isEmpty: Bool {
        commands.isEmpty && results.isEmpty && letters.isEmpty && history.count == 0
    }

    mutating func add(
        _ record: AuditRecord, of topic: Topic, sku: ID?, isLater: (Source, Timestamp) -> Bool
    ) {
        guard let value = record.value else { return }
        let line = Line(record: record, text: String(decoding: value, as: UTF8.self))
        let at = Timestamp(milliseconds: record.timestamp ?? 0)
        switch topic {
        case .commands:
            let source = Source(partition: record.partition, offset: record.offset)
            guard commands.count < max(limit, 1), !isLater(source, at), isCommand(record, sku) else { return }
            commands.append(line)
        case .results:
            guard let found = value.withUnsafeBytes({ try? reader.reader.outcome($0) }),
                found.outcome.commandID == id, sku == nil || found.outcome.sku == sku,
                !isLater(found.source, at), results.count < max(limit, 1)
            else { return }
            results.append(line)
        default:
            guard let letter = value.withUnsafeBytes({ try? reader.reader.deadLetter($0) }),
                letter.topic == Topic.commands.rawValue,
                commands.contains(where: {
                    $0.record.partition == letter.partition && $0.record.offset == letter.offset
                })
            else { return }
            letters.append(Line(record: record, text: "\(letter.reason.rawValue): \(letter.detail)"))
        }
    }

    /// A record that is none of ours counts if its bytes hold the id: it has become a dead letter.
    private func isCommand(_ record: AuditRecord, _ sku: ID?) -> Bool {
        let (key, value) = (record.key ?? [], record.value ?? [])
        let command = key.withUnsafeBytes { key in
            value.withUnsafeBytes { try? reader.reader.command(key: key, value: $0) }
        }
        if let command { return command.id == id && (sku == nil || command.sku == sku) }
        return ShowRole.holds(value, id.bytes)
    }

    func text() -> String {
        func place(_ record: AuditRecord) -> String {
            let time = record.timestamp.map { ", " + ShowRole.time(Timestamp(milliseconds: $0)) } ?? ""
            return "\(record.partition)/\(record.offset)\(time)"
        }
        func lines(_ title: String, _ lines: [Line]) -> [String] {
            guard !lines.isEmpty else { return [] }
            return ["", title]
                + lines.flatMap { ["  \(place($0.record))", "    \(AuditText.printable($0.text))"] }
        }
        var text = ["command \(AuditText.printable(id))" + history.ownersText]
        text += lines("in stock.commands:", commands)
        if commands.isEmpty { text += ["", "not in stock.commands, or not any more"] }
        text += lines("answered in stock.results:", results)
        text += lines("in dead.letters, because it is no command:", letters)
        if results.isEmpty, letters.isEmpty { text += ["", "no answer, or not any more"] }
        if history.count == 0 {
            text += ["", "no ledger entry: it changed nothing"]
        } else {
            text += history.text(of: "command")
        }
        return text.joined(separator: "\n")
    }

    func json(_ quotedID: String) throws -> String {
        func list(_ lines: [Line], _ name: String, isJSON: Bool) throws -> String {
            let objects = try lines.map { line in
                let value = isJSON ? line.text : try ShowRole.quoted(line.text)
                return "{\"partition\":\(line.record.partition),\"offset\":\(line.record.offset),"
                    + "\"\(name)\":\(value)}"
            }
            return "[\(objects.joined(separator: ","))]"
        }
        return """
            {"command_id":\(quotedID),"commands":\(try list(commands, "text", isJSON: false)),\
            "results":\(try list(results, "result", isJSON: true)),\
            "dead_letters":\(try list(letters, "reason", isJSON: false)),\(history.json)}
            """
    }
}
