import InventoryCore
import InventoryWire
import OrderCore

/// Makes of a dead letter the record that is sent again, as it came or mended, and refuses what would only become
/// a dead letter once more. Pure: it sends nothing.
package struct Redrive: ~Copyable {
    /// What a person changes of the original.
    package struct Mending: Sendable {
        package var edit: RecordEdit
        /// In the place of the original's; nil leaves that.
        package var key: [UInt8]?
        package var value: [UInt8]?
        /// Nil for the one that the key belongs into.
        package var partition: Int32?

        package init(
            edit: RecordEdit, key: [UInt8]? = nil, value: [UInt8]? = nil, partition: Int32? = nil
        ) {
            self.edit = edit
            self.key = key
            self.value = value
            self.partition = partition
        }
    }

    /// What is to be sent.
    package struct Record: Equatable, Sendable {
        package var topic: Topic
        package var partition: Int32
        package var key: [UInt8]?
        package var value: [UInt8]?
        /// Of a command, or of an order's event.
        package var commandID: ID?
        package var eventID: ID?
        /// Whether key or value differ from the original's.
        package var isMended: Bool

        package init(
            topic: Topic, partition: Int32, key: [UInt8]?, value: [UInt8]?, commandID: ID? = nil,
            eventID: ID? = nil, isMended: Bool
        ) {
            self.topic = topic
            self.partition = partition
            self.key = key
            self.value = value
            self.commandID = commandID
            self.eventID = eventID
            self.isMended = isMended
        }

        package var byteCount: Int { (key?.count ?? 0) + (value?.count ?? 0) }
    }

    /// The topics that letters come from, and go back to.
    package static let topics: [Topic] = [.commands] + Topic.published + [.orders, .orderReplies]

    private let mending: Mending
    private let now: Int64?
    private let partitionCounts: [Topic: Int32]
    private let partitionOf: (UnsafeRawBufferPointer, Int32) -> Int32
    private var reader = RecordReader()

    /// - Parameters:
    ///   - now: by our clock, in milliseconds since 1970: then the commands are issued, whatever they said before, for
    ///     none of them was decided. Nil leaves them as they are.
    ///   - partitionCounts: of each of `topics` that is there.
    ///   - partitionOf: where a key belongs among so many partitions (murmur2, as Java's producers place it).
    package init(
        mending: Mending, at now: Int64? = nil, partitionCounts: [Topic: Int32],
        partitionOf: @escaping (UnsafeRawBufferPointer, Int32) -> Int32
    ) {
        self.mending = mending
        self.now = now
        self.partitionCounts = partitionCounts
        self.partitionOf = partitionOf
    }

    /// - Throws: why the record would be none of its topic's, in the same words as a dead letter of it.
    package mutating func record(of letter: DeadLetter) throws(DecodingFailure) -> Record {
        guard let topic = Self.topics.first(where: { $0.rawValue == letter.topic }) else {
            let known = Self.topics.map(\.rawValue).joined(separator: ", ")
            throw DecodingFailure(
                .unknownType, "it comes from \(letter.topic); letters go back to \(known)")
        }
        guard let count = partitionCounts[topic] else {
            throw DecodingFailure(.unknownType, "it comes from \(letter.topic), and there is no such topic")
        }
        guard letter.reason != .unreadable || mending.value != nil else {
            throw DecodingFailure(
                .unreadable,
                "\(letter.detail): nothing of them is kept; whoever published them sends them again")
        }
        let value = try value(of: letter)
        let key = try key(of: letter)
        var record = Record(
            topic: topic, partition: 0, key: key, value: value,
            isMended: key != letter.key || value != letter.value)
        let own: Int32?
        switch topic {
        case .commands: own = try checkCommand(&record, letter, count)
        case .orders: own = try checkEvent(&record, letter)
        case .orderReplies: own = try checkReply(record)
        default: own = try checkPublished(record)
        }
        record.partition = try partition(of: record, own, count)
        return record
    }

    private mutating func value(of letter: DeadLetter) throws(DecodingFailure) -> [UInt8]? {
        if let value = mending.value { return value }
        guard letter.value?.count ?? 0 == letter.valueBytes else {
            throw DecodingFailure(
                .tooLarge,
                "the letter holds the first \(letter.value?.count ?? 0) of \(letter.valueBytes) bytes; "
                    + "give the whole by --value")
        }
        guard !mending.edit.isEmpty else { return letter.value }
        return try bytes(letter.value) { value throws(DecodingFailure) in
            try reader.edited(value, mending.edit)
        }
    }

    private func key(of letter: DeadLetter) throws(DecodingFailure) -> [UInt8]? {
        if let key = mending.key { return key }
        guard letter.keySHA256 == nil else {
            throw DecodingFailure(
                .idTooLong, "the letter holds only the beginning of its key; give it by --key")
        }
        return letter.key
    }

    // MARK: Reading the record as its reader will

    /// - Returns: the partition that the record must go to; nil for that of its key. Likewise below.
    private mutating func checkCommand(
        _ record: inout Record, _ letter: DeadLetter, _ count: Int32
    ) throws(DecodingFailure) -> Int32? {
        let command = try bytes(record.key) { key throws(DecodingFailure) in
            try bytes(record.value) { value throws(DecodingFailure) in
                try reader.command(key: key, value: value)
            }
        }
        record.commandID = command.id
        try check("command_id", command.id, letter)
        try issue(&record)
        guard PartitionBook.isBook(command.packedSKU) else { return nil }
        // A book's partition stands in its name.
        guard let number = PartitionBook.partition(of: command.sku), (0..<count).contains(number) else {
            throw DecodingFailure(.wrongPartition, "\(command.sku) is the book of no partition")
        }
        return number
    }

    /// A letter was not decided, however old it is. If its publisher has sent the command again, too, that one is known
    /// for a repeat: its content is the same, and when it was issued does not count.
    ///
    /// A command that has as many fields or bytes as it may stays as it is.
    private mutating func issue(_ record: inout Record) throws(DecodingFailure) {
        guard let now, !mending.edit.sets("issued_at") else { return }
        let issued = try bytes(record.value) { value throws(DecodingFailure) in
            try reader.edited(value, .issued(at: Timestamp.issued(at: now)))
        }
        do throws(DecodingFailure) {
            _ = try bytes(record.key) { key throws(DecodingFailure) in
                try bytes(issued) { value throws(DecodingFailure) in
                    try reader.command(key: key, value: value)
                }
            }
            record.value = issued
        } catch {
            guard error.reason == .tooManyFields || error.reason == .tooLarge else { throw error }
        }
    }

    private mutating func checkEvent(
        _ record: inout Record, _ letter: DeadLetter
    ) throws(DecodingFailure) -> Int32? {
        let found = try bytes(record.key) { key throws(DecodingFailure) in
            try bytes(record.value) { value throws(DecodingFailure) in
                // By its own time, which it gets from the broker when it is there.
                try reader.orderRecord(key: key, value: value, at: Timestamp(milliseconds: 0), offset: 0)
            }
        }
        guard case .event(let event) = found else { return nil }
        record.eventID = event.id
        try check("event_id", event.id, letter)
        return nil
    }

    /// A reply goes to the partition that stands in the name of its reservation.
    private mutating func checkReply(_ record: Record) throws(DecodingFailure) -> Int32? {
        let reply = try bytes(record.value) { value throws(DecodingFailure) in
            guard let value else { throw DecodingFailure(.emptyValue, "the record has no value") }
            return try reader.orderReply(value)
        }
        guard let address = reply.reservationID.flatMap(OrderAddress.init) else {
            throw DecodingFailure(.invalidID, "its reservation is of no order, and so nobody waits for it")
        }
        return address.partition
    }

    private mutating func checkPublished(_ record: Record) throws(DecodingFailure) -> Int32? {
        try bytes(record.key) { key throws(DecodingFailure) in
            // Whether the warehouse has a record, the relay will see.
            if record.topic == .warehouses, record.value == nil {
                _ = try RecordReader.withdrawnWarehouse(key: key)
                return nil
            }
            return try bytes(record.value) { value throws(DecodingFailure) in
                var relay = Relay(partitionCount: 1) { _ in 0 }
                _ = try relay.deliveries(
                    of: LogRecord(key: key, value: value, offset: 0, timestamp: nil), from: record.topic,
                    partition: 0)
                return nil
            }
        }
    }

    /// A record goes under its original id, so that whoever waits for its result finds it, and so that it is known for
    /// a repeat if its publisher has sent it again too. An id that could not be read is no id.
    private mutating func check(
        _ field: StaticString, _ id: ID, _ letter: DeadLetter
    ) throws(DecodingFailure) {
        let original = try bytes(letter.value) { value throws(DecodingFailure) in
            reader.id(field, ofUnreadable: value)
        }
        guard let original, original != id else { return }
        throw DecodingFailure(
            .conflictingFields,
            "its \(field) is \(original) and would be \(id); a letter goes under its own \(field)")
    }

    private func partition(
        of record: Record, _ own: Int32?, _ count: Int32
    ) throws(DecodingFailure) -> Int32 {
        for partition in [mending.partition, own] {
            guard let partition, !(0..<count).contains(partition) else { continue }
            throw DecodingFailure(
                .wrongPartition, "\(record.topic.rawValue) has no partition \(partition), but \(count)")
        }
        let own = own ?? (record.key ?? []).withUnsafeBytes { partitionOf($0, count) }
        guard let told = mending.partition, told != own else { return own }
        if Topic.published.contains(record.topic) { return told }
        throw DecodingFailure(
            .wrongPartition, "the record belongs into partition \(own); leave out --to-partition")
    }
}

extension OrderReply {
    fileprivate var reservationID: ID? {
        switch self {
        case .result(let outcome): outcome.reservationID
        case .notice(let notice): notice.reservationID
        }
    }
}

private func bytes<Result>(
    _ bytes: [UInt8]?, _ body: (UnsafeRawBufferPointer?) throws(DecodingFailure) -> Result
) throws(DecodingFailure) -> Result {
    guard let bytes else { return try body(nil) }
    var result: Swift.Result<Result, DecodingFailure>?
    bytes.withUnsafeBytes { buffer in
        do throws(DecodingFailure) { result = .success(try body(buffer)) } catch { result = .failure(error) }
    }
    return try result!.get()
}
