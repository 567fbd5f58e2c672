import InventoryCore
import InventoryWire

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
        /// Of a command.
        package var commandID: String?
        /// Whether key or value differ from the original's.
        package var isMended: Bool

        package init(
            topic: Topic, partition: Int32, key: [UInt8]?, value: [UInt8]?, commandID: String?, isMended: Bool
        ) {
            self.topic = topic
            self.partition = partition
            self.key = key
            self.value = value
            self.commandID = commandID
            self.isMended = isMended
        }

        package var byteCount: Int { (key?.count ?? 0) + (value?.count ?? 0) }
    }

    /// The topics that letters come from, and go back to.
    package static let topics: [Topic] = [.commands] + Topic.published

    private let mending: Mending
    private let partitionCounts: [Topic: Int32]
    private let partitionOf: (UnsafeRawBufferPointer, Int32) -> Int32
    private var reader = RecordReader()

    /// - Parameters:
    ///   - partitionCounts: of each of `topics`.
    ///   - partitionOf: where a key belongs among so many partitions (murmur2, as Java's producers place it).
    package init(
        mending: Mending, partitionCounts: [Topic: Int32],
        partitionOf: @escaping (UnsafeRawBufferPointer, Int32) -> Int32
    ) {
        self.mending = mending
        self.partitionCounts = partitionCounts
        self.partitionOf = partitionOf
    }

    /// - Throws: why the record would be no command, warehouse, product or settings, in the same words as a dead
    ///   letter of it.
    package mutating func record(of letter: DeadLetter) throws(DecodingFailure) -> Record {
        guard let topic = Self.topics.first(where: { $0.rawValue == letter.topic }),
            let count = partitionCounts[topic]
        else {
            let known = Self.topics.map(\.rawValue).joined(separator: ", ")
            throw DecodingFailure(
                .unknownType, "it comes from \(letter.topic); letters go back to \(known)")
        }
        let value = try value(of: letter)
        let key = try key(of: letter)
        var record = Record(
            topic: topic, partition: 0, key: key, value: value, commandID: nil,
            isMended: key != letter.key || value != letter.value)
        let command = try check(record)
        if let command {
            record.commandID = command.id
            try checkID(command, letter)
        }
        record.partition = try partition(of: record, command, count)
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

    /// Reads the record as the processor or the relay will.
    /// - Returns: the command, if it is one.
    private mutating func check(_ record: Record) throws(DecodingFailure) -> Command? {
        try bytes(record.key) { key throws(DecodingFailure) in
            try bytes(record.value) { value throws(DecodingFailure) in
                if record.topic == .commands { return try reader.command(key: key, value: value) }
                var relay = Relay(partitionCount: 1) { _ in 0 }
                _ = try relay.deliveries(
                    of: LogRecord(key: key, value: value, offset: 0, timestamp: nil), from: record.topic,
                    partition: 0)
                return nil
            }
        }
    }

    /// A command goes under its original id, so that whoever waits for its result finds it, and so that it is
    /// known for a repeat if its publisher has sent it again too. An id that could not be read is no id.
    private mutating func checkID(_ command: Command, _ letter: DeadLetter) throws(DecodingFailure) {
        let original = try bytes(letter.value) { value throws(DecodingFailure) in
            reader.commandID(ofUnreadable: value)
        }
        guard let original, original != command.id else { return }
        throw DecodingFailure(
            .conflictingFields,
            "its command_id is \(original) and would be \(command.id); a letter goes under its own command_id"
        )
    }

    private func partition(
        of record: Record, _ command: Command?, _ count: Int32
    ) throws(DecodingFailure) -> Int32 {
        if let told = mending.partition, !(0..<count).contains(told) {
            throw DecodingFailure(
                .wrongPartition, "\(record.topic.rawValue) has no partition \(told), but \(count)")
        }
        let own: Int32
        if let command, command.sku.hasPrefix(PartitionBook.prefix) {
            // A book's partition stands in its name.
            guard let number = Int32(command.sku.dropFirst(PartitionBook.prefix.count)),
                (0..<count).contains(number), PartitionBook.sku(number) == command.sku
            else {
                throw DecodingFailure(.wrongPartition, "\(command.sku) is the book of no partition")
            }
            own = number
        } else {
            own = (record.key ?? []).withUnsafeBytes { partitionOf($0, count) }
        }
        guard let told = mending.partition, told != own else { return own }
        if record.topic == .commands {
            throw DecodingFailure(
                .wrongPartition, "the key belongs into partition \(own); leave out --to-partition")
        }
        return told
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
