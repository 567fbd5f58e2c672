/// One record of a topic, with its bytes.
package struct AuditRecord: Equatable, Sendable {
    package var partition: Int32
    package var offset: Int64
    /// Milliseconds since 1970; nil where the record has none.
    package var timestamp: Int64?
    package var key: [UInt8]?
    /// Nil for a tombstone.
    package var value: [UInt8]?

    package init(
        partition: Int32, offset: Int64, timestamp: Int64? = nil, key: [UInt8]? = nil, value: [UInt8]? = nil
    ) {
        self.partition = partition
        self.offset = offset
        self.timestamp = timestamp
        self.key = key
        self.value = value
    }
}

/// The records of one partition of a topic, in order, to an end that was taken before. What is read is not kept, so
/// that memory does not grow with the topic.
package protocol RecordCursor: AnyObject {
    /// Nil at the end.
    func next() throws -> AuditRecord?
}

/// What was made of records, with a look at the next one. Keys are the offsets of the commands that they are about.
package struct Peeking<Element> {
    private let cursor: any RecordCursor
    private let make: (AuditRecord) -> Element?
    private var element: Element?
    private var isAtEnd = false

    /// - Parameter make: nil for records that are to be left out.
    package init(_ cursor: any RecordCursor, _ make: @escaping (AuditRecord) -> Element?) {
        self.cursor = cursor
        self.make = make
    }

    package mutating func peek() throws -> Element? {
        while element == nil, !isAtEnd {
            guard let record = try cursor.next() else {
                isAtEnd = true
                break
            }
            element = make(record)
        }
        return element
    }

    package mutating func next() throws -> Element? {
        let next = try peek()
        element = nil
        return next
    }
}
