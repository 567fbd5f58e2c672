import InventoryCore

/// What stands in `dead.letters` behind a letter that was sent again: written in one transaction with the record
/// that was sent, so that no letter is ever sent twice.
package struct RedriveMark: Equatable, Sendable {
    /// Where the letter stands in `dead.letters`.
    package var letterPartition: Int32
    package var letterOffset: Int64
    /// Why it was a letter.
    package var reason: DecodingFailure.Reason
    /// Where what was sent stands: the topic without prefix.
    package var topic: String
    package var partition: Int32
    package var offset: Int64
    /// Of a command.
    package var commandID: ID?
    /// Whether key or value differ from the original's.
    package var isMended: Bool

    package init(
        letterPartition: Int32, letterOffset: Int64, reason: DecodingFailure.Reason, topic: String,
        partition: Int32, offset: Int64, commandID: ID? = nil, isMended: Bool
    ) {
        self.letterPartition = letterPartition
        self.letterOffset = letterOffset
        self.reason = reason
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.commandID = commandID
        self.isMended = isMended
    }
}

extension RecordReader {
    /// Reads a mark of `dead.letters`; nil if the record is a letter.
    package mutating func redriveMark(
        _ value: UnsafeRawBufferPointer
    ) throws(DecodingFailure) -> RedriveMark? {
        try read(value, limit: Self.recordBytes) { object throws(DecodingFailure) in
            guard let letter = try object.optionalObject("redriven") else { return nil }
            return RedriveMark(
                letterPartition: try Self.partition(letter),
                letterOffset: try letter.integer("offset", 0 ... .max),
                reason: try object.word("reason", DecodingFailure.Reason.self),
                topic: String(decoding: try object.text("topic"), as: UTF8.self),
                partition: try Self.partition(object), offset: try object.integer("offset", 0 ... .max),
                commandID: try object.optionalID("command_id"), isMended: try object.boolean("mended"))
        }
    }

    private static func partition(_ object: JSONObject) throws(DecodingFailure) -> Int32 {
        Int32(truncatingIfNeeded: try object.integer("partition", 0...Int64(Int32.max)))
    }

    /// An id of a record that may be none of ours for other reasons; nil if none can be read.
    package mutating func id(_ field: StaticString, ofUnreadable value: UnsafeRawBufferPointer?) -> ID? {
        try? read(value, limit: Limits.commandBytes) { object throws(DecodingFailure) in
            try object.id(field)
        }
    }
}

extension RecordWriter {
    /// A mark, for `dead.letters`.
    package mutating func write(mark: RedriveMark) {
        json.begin()
        json.beginObject("redriven")
        json.integer("partition", Int64(mark.letterPartition))
        json.integer("offset", mark.letterOffset)
        json.endElement()
        json.string("reason", mark.reason.rawValue)
        json.string("topic", mark.topic)
        json.integer("partition", Int64(mark.partition))
        json.integer("offset", mark.offset)
        json.string("command_id", mark.commandID)
        json.flag("mended", mark.isMended)
        json.end()
    }
}
