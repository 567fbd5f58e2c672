import InventoryCore
import InventoryWire

/// What a compacted topic says of things that come and go (reservations, transfers), against the followed ledger.
///
/// The topic is read after the ledger was followed to some point, so it may be ahead: what is newer than the ledger
/// was followed to is compared when the ledger has come there (`passed`).
struct LiveAudit<Snapshot: Equatable & Sendable> {
    /// How a kind of thing is found and told.
    struct Subject {
        let kind: Difference.Kind
        let topic: Topic
        let name: String
        let named: (Snapshot) -> OwnedID
        let sequence: (Snapshot) -> Int64
        let decode: (inout RecordReader, [UInt8]) throws(DecodingFailure) -> Snapshot
        let write: (inout RecordWriter, Snapshot) -> Void
        let live: (Stock, OwnedID) -> Snapshot?
    }

    private enum State {
        /// As the ledger says.
        case right
        case wrong(Difference)
        /// Newer than the ledger was followed to.
        case ahead(Snapshot, offset: Int64)
        /// It ended, and the ledger was not followed to that yet.
        case ended(offset: Int64)
    }

    private let subject: Subject
    private let partition: Int32
    private var states: [OwnedID: State] = [:]
    /// Records whose keys do not name what they hold, by their keys; a tombstone takes them away.
    private var strangers: [[UInt8]: Difference] = [:]
    private var reader = RecordReaderHolder()
    private var key = OwnedKey()
    private var writer = RecordWriter()
    private(set) var compared = 0

    init(_ subject: Subject, partition: Int32) {
        self.subject = subject
        self.partition = partition
    }

    /// Whether the ledger has to be followed further before all can be told.
    var isWaiting: Bool {
        states.values.contains {
            switch $0 {
            case .ahead, .ended: true
            case .right, .wrong: false
            }
        }
    }

    mutating func add(_ record: AuditRecord, _ stock: Stock, _ differences: inout Differences) {
        let bytes = record.key ?? []
        guard let value = record.value else {
            strangers[bytes] = nil
            guard let name = bytes.withUnsafeBytes({ reader.reader.ownedID(key: $0) }) else { return }
            states[name] = subject.live(stock, name) == nil ? nil : .ended(offset: record.offset)
            return
        }
        let snapshot: Snapshot
        do throws(DecodingFailure) {
            snapshot = try subject.decode(&reader.reader, value)
        } catch {
            let name = bytes.withUnsafeBytes { reader.reader.ownedID(key: $0) }
            differences.add(difference(name, record.offset, nil, error.detail, "a \(subject.name)"))
            return
        }
        let name = subject.named(snapshot)
        guard bytes.withUnsafeBytes({ key.isKey($0, of: name) }) else {
            strangers[bytes] = difference(
                name, record.offset, subject.sequence(snapshot),
                "\(subject.name) \(name.id) under the key \(String(decoding: bytes, as: UTF8.self))",
                "the key \(key.withBytes { String(decoding: $0, as: UTF8.self) })",
                next: "holdfast rebuild --from-ledger --in-place")
            return
        }
        states[name] = state(of: snapshot, name, record.offset, stock)
    }

    private mutating func state(
        of snapshot: Snapshot, _ name: OwnedID, _ offset: Int64, _ stock: Stock
    ) -> State {
        let sequence = subject.sequence(snapshot)
        if sequence > stock.sequence(of: name.sku) { return .ahead(snapshot, offset: offset) }
        guard let live = subject.live(stock, name) else {
            return .wrong(
                difference(
                    name, offset, sequence, "\(subject.name) \(name.id) lives",
                    "a tombstone: by the ledger it has ended"))
        }
        return compare(snapshot, live, name, offset)
    }

    private mutating func compare(
        _ snapshot: Snapshot, _ live: Snapshot, _ name: OwnedID, _ offset: Int64
    ) -> State {
        if snapshot == live { return .right }
        subject.write(&writer, snapshot)
        let found = writer.withBytes { Array($0) }
        subject.write(&writer, live)
        let fields = FieldDifference.between(found, writer.withBytes { Array($0) })
        return .wrong(
            difference(
                name, offset, subject.sequence(live), "\(subject.name) \(name.id) with \(fields.found)",
                fields.expected))
    }

    /// The ledger was followed to the end of a command that was about the thing.
    mutating func passed(_ name: OwnedID, _ stock: Stock) {
        let live = subject.live(stock, name)
        switch states[name] {
        case .ahead(let snapshot, let offset)?:
            guard let live, subject.sequence(live) == subject.sequence(snapshot) else { return }
            states[name] = compare(snapshot, live, name, offset)
        case .ended?: if live == nil { states[name] = nil }
        case .right?, .wrong?, nil: break
        }
    }

    /// Looks for what lives by the ledger and is not in the topic. At the point that the ledger was followed to when
    /// the topic was read.
    mutating func missing(
        _ live: [Snapshot], isSkipped: (ID) -> Bool, _ differences: inout Differences
    ) {
        for snapshot in live {
            let name = subject.named(snapshot)
            if isSkipped(name.sku) || states[name] != nil { continue }
            differences.add(
                difference(
                    name, nil, subject.sequence(snapshot), "no \(subject.name) \(name.id)",
                    "it lives by the ledger"))
        }
    }

    /// Tells what is wrong, and what the ledger never came to.
    mutating func finish(_ stock: Stock, isSkipped: (ID) -> Bool, _ differences: inout Differences) {
        for (_, difference) in strangers.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            differences.add(difference)
        }
        for (name, state) in states.sorted(by: { $0.key < $1.key }) {
            switch state {
            case .right: compared += 1
            case .wrong(let difference):
                if !isSkipped(difference.sku ?? "") { differences.add(difference) }
            case .ahead(let snapshot, let offset):
                if isSkipped(name.sku) { continue }
                differences.add(
                    difference(
                        name, offset, subject.sequence(snapshot),
                        "\(subject.name) \(name.id) as of sequence \(subject.sequence(snapshot))",
                        "what the ledger says, which ends at sequence \(stock.sequence(of: name.sku))"))
            case .ended(let offset):
                guard let live = subject.live(stock, name), !isSkipped(name.sku) else { continue }
                differences.add(
                    difference(
                        name, offset, subject.sequence(live), "no \(subject.name) \(name.id)",
                        "it lives by the ledger"))
            }
        }
    }

    /// - Parameter name: nil for a record that cannot be read, under a key that names nothing.
    private func difference(
        _ name: OwnedID?, _ offset: Int64?, _ sequence: Int64?, _ found: String, _ expected: String,
        next: String? = nil
    ) -> Difference {
        let look = name.map { name in
            subject.kind == .reservation
                ? "holdfast show reservation \(name.id) --sku \(name.sku)" : "holdfast show sku \(name.sku)"
        }
        return Difference(
            subject.kind, place: subject.topic.rawValue, partition: partition, offset: offset, sku: name?.sku,
            sequence: sequence, found: found, expected: expected, next: next ?? look ?? "holdfast verify")
    }
}

/// A reader that a copyable value can hold.
final class RecordReaderHolder {
    var reader = RecordReader()
}

extension LiveAudit<ReservationSnapshot>.Subject {
    static var reservations: Self {
        Self(
            kind: .reservation, topic: .reservations, name: "reservation", named: \.owned,
            sequence: \.sequence,
            decode: { reader, bytes throws(DecodingFailure) in
                try Audit.decode(bytes) { bytes throws(DecodingFailure) in try reader.reservation(bytes) }
            },
            write: { $0.write(reservation: $1) }, live: { $0.reservation($1) })
    }
}

extension LiveAudit<TransferSnapshot>.Subject {
    static var transfers: Self {
        Self(
            kind: .transfer, topic: .transfers, name: "transfer", named: \.owned, sequence: \.sequence,
            decode: { reader, bytes throws(DecodingFailure) in
                try Audit.decode(bytes) { bytes throws(DecodingFailure) in try reader.transfer(bytes) }
            },
            write: { $0.write(transfer: $1) }, live: { $0.transfer($1) })
    }
}

/// The levels against the followed ledger, in the same way. Levels are written once per SKU and transaction, and each
/// stands for the end of a command.
struct LevelsAudit {
    private enum State {
        case right
        /// Older than the ledger was followed to.
        case behind(Int64, offset: Int64)
        case wrong(Difference)
        case ahead(LevelsSnapshot, offset: Int64)
        /// Of the same sequence, and other in what a warehouse's opening or closing changes, which has no entry of the
        /// SKU: that may have come after what the ledger was followed to.
        case otherSwitch(LevelsSnapshot, offset: Int64)
    }

    private let partition: Int32
    private var states: [ID: State] = [:]
    private let reader = RecordReaderHolder()
    private var writer = RecordWriter()
    private(set) var compared = 0

    init(partition: Int32) { self.partition = partition }

    var isWaiting: Bool {
        states.values.contains {
            switch $0 {
            case .ahead, .otherSwitch: true
            case .right, .behind, .wrong: false
            }
        }
    }

    mutating func add(_ record: AuditRecord, _ stock: Stock, _ differences: inout Differences) {
        let key = ID(decoding: record.key ?? [])
        guard let value = record.value else {
            // A rebuild takes away the levels of a SKU that the ledger does not know; those of others are missing.
            states[key] = nil
            return
        }
        let snapshot: LevelsSnapshot
        do throws(DecodingFailure) {
            snapshot = try decode(value) { bytes throws(DecodingFailure) in try reader.reader.levels(bytes) }
        } catch {
            differences.add(difference(key, record.offset, nil, error.detail, "levels"))
            return
        }
        guard snapshot.sku == key else {
            differences.add(
                difference(
                    snapshot.sku, record.offset, snapshot.sequence, "levels under the key \(key)",
                    "the SKU as the key"))
            return
        }
        let sequence = stock.sequence(of: key)
        if snapshot.sequence > sequence {
            states[key] = .ahead(snapshot, offset: record.offset)
        } else if snapshot.sequence < sequence {
            states[key] = .behind(snapshot.sequence, offset: record.offset)
        } else if let live = stock.levels(of: key), live != snapshot,
            Self.withoutSwitches(live) == Self.withoutSwitches(snapshot)
        {
            states[key] = .otherSwitch(snapshot, offset: record.offset)
        } else {
            states[key] = compare(snapshot, record.offset, stock)
        }
    }

    private static func withoutSwitches(_ snapshot: LevelsSnapshot) -> LevelsSnapshot {
        var plain = snapshot
        plain.alert = .calm
        for place in plain.levels.indices {
            plain.levels[place].alert = .calm
            plain.levels[place].isClosed = false
        }
        return plain
    }

    /// The ledger was followed past an entry that may have opened or closed a warehouse.
    mutating func passedSwitch(_ stock: Stock) {
        for (sku, state) in states {
            guard case .otherSwitch(let snapshot, _) = state, stock.levels(of: sku) == snapshot else {
                continue
            }
            states[sku] = .right
        }
    }

    private mutating func compare(_ snapshot: LevelsSnapshot, _ offset: Int64, _ stock: Stock) -> State {
        guard let live = stock.levels(of: snapshot.sku), live != snapshot else { return .right }
        writer.write(levels: snapshot)
        let found = writer.withBytes { Array($0) }
        writer.write(levels: live)
        let fields = FieldDifference.between(found, writer.withBytes { Array($0) })
        return .wrong(difference(snapshot.sku, offset, snapshot.sequence, fields.found, fields.expected))
    }

    /// The ledger was followed to the end of a command of the SKU.
    mutating func passed(_ sku: ID, _ stock: Stock) {
        guard case .ahead(let snapshot, let offset)? = states[sku],
            snapshot.sequence == stock.sequence(of: sku)
        else { return }
        states[sku] = compare(snapshot, offset, stock)
    }

    /// Looks for SKUs whose levels are not in the topic, or older than the ledger. At the point that the ledger was
    /// followed to when the topic was read.
    mutating func missing(_ stock: Stock, isSkipped: (ID) -> Bool, _ differences: inout Differences) {
        for sku in stock.skus.sorted() where !isSkipped(sku) && stock.sequence(of: sku) > 0 {
            switch states[sku] {
            case .right?, .wrong?, .ahead?, .otherSwitch?: break
            case .behind(let sequence, let offset)?:
                differences.add(
                    difference(
                        sku, offset, sequence, "levels of sequence \(sequence)",
                        "levels of sequence \(stock.sequence(of: sku))"))
            case nil:
                differences.add(
                    difference(
                        sku, nil, stock.sequence(of: sku), "no levels",
                        "levels of sequence \(stock.sequence(of: sku))"))
            }
        }
    }

    mutating func finish(_ stock: Stock, isSkipped: (ID) -> Bool, _ differences: inout Differences) {
        for (sku, state) in states.sorted(by: { $0.key < $1.key }) where !isSkipped(sku) {
            switch state {
            case .right: compared += 1
            case .behind: break
            case .wrong(let difference): differences.add(difference)
            case .otherSwitch(let snapshot, let offset):
                guard case .wrong(let difference) = compare(snapshot, offset, stock) else { continue }
                differences.add(difference)
            case .ahead(let snapshot, let offset):
                differences.add(
                    difference(
                        sku, offset, snapshot.sequence, "levels of sequence \(snapshot.sequence)",
                        "what the ledger says, which ends at sequence \(stock.sequence(of: sku))"))
            }
        }
    }

    private func difference(
        _ sku: ID, _ offset: Int64?, _ sequence: Int64?, _ found: String, _ expected: String
    ) -> Difference {
        Difference(
            .levels, place: Topic.levels.rawValue, partition: partition, offset: offset, sku: sku,
            sequence: sequence, found: found, expected: expected, next: "holdfast show sku \(sku)")
    }
}
