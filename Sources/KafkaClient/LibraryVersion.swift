import CRdKafka

/// The librdkafka that was found at run time.
package enum LibraryVersion {
    /// The oldest version that is accepted, as `rd_kafka_version()` counts: 0xMMmmrrpp, here 2.8.0.
    ///
    /// The last byte is left out, so that a candidate of 2.8.0 is accepted as well.
    package static let oldest: Int32 = 0x0208_0000

    /// The version in words, such as "2.8.0" (`rd_kafka_version_str`).
    package static var name: String { String(cString: rd_kafka_version_str()) }

    /// Refuses a librdkafka older than 2.8 (`rd_kafka_version`).
    ///
    /// - Throws: `_UNSUPPORTED_FEATURE`, whose recovery is `.fatal`.
    package static func check() throws(KafkaError) {
        try check(number: rd_kafka_version(), name: name)
    }

    /// The rule of `check()`, for a version of the caller's.
    package static func check(number: Int32, name: String) throws(KafkaError) {
        guard number < oldest else { return }
        throw KafkaError(
            code: RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE,
            message: "librdkafka \(name) is too old: install 2.8 or later",
            operation: "check the version of librdkafka")
    }
}
