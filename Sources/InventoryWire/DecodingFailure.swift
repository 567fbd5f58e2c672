/// Why bytes are no record of ours. Malformed input is never a rejection: it goes to `dead.letters`.
package struct DecodingFailure: Error, Equatable, Sendable {
    /// In the order in which they are looked for.
    package enum Reason: String, CaseIterable, Sendable {
        /// The record has no timestamp between 1970 and 9999, or a field that is no time.
        case invalidTime = "invalid_time"
        /// No value, or one of no bytes.
        case emptyValue = "empty_value"
        /// More bytes than a command may have.
        case tooLarge = "too_large"
        case invalidUTF8 = "invalid_utf8"
        case invalidJSON = "invalid_json"
        case notAnObject = "not_an_object"
        case tooManyFields = "too_many_fields"
        /// A field that stands twice, known or not.
        case duplicateField = "duplicate_field"
        case missingField = "missing_field"
        case wrongType = "wrong_type"
        /// A number that is too small or too large, or an id of no bytes.
        case outOfRange = "out_of_range"
        case idTooLong = "id_too_long"
        /// An id with a control character, which PostgreSQL's text and people's terminals cannot hold; or one
        /// that is kept for the partitions' own books.
        case invalidID = "invalid_id"
        /// A command, a strategy or another word of no known meaning.
        case unknownType = "unknown_type"
        /// Fields that exclude each other.
        case conflictingFields = "conflicting_fields"
        /// The record's key is not the SKU.
        case keyMismatch = "key_mismatch"
        /// The key belongs into another partition: its publisher does not place keys by murmur2.
        case wrongPartition = "wrong_partition"
        /// A command that was issued after its record's time: its sender's clock is ahead of the broker's.
        case issuedInFuture = "issued_in_future"
        /// Records that nobody can read: their batch is damaged, or cannot be unpacked. The detail says which offsets.
        case unreadable
        /// An event of an order that was not placed, not for long enough, or is forgotten.
        case unknownOrder = "unknown_order"
        /// An event whose id came before, with another content.
        case eventIDConflict = "event_id_conflict"
        /// An event that its order cannot heed; the detail says why.
        case eventRefused = "event_refused"
    }

    package var reason: Reason
    /// A sentence: which field, what was found, what is allowed.
    package var detail: String

    package init(_ reason: Reason, _ detail: String) {
        self.reason = reason
        self.detail = detail
    }
}
