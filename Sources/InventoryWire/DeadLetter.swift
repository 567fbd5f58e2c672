import CCrypto
import InventoryCore

/// A record that could not be decoded, with where it came from.
package struct DeadLetter: Equatable, Sendable {
    package var reason: DecodingFailure.Reason
    package var detail: String
    /// Where it stands: the topic without prefix.
    package var topic: String
    package var partition: Int32
    package var offset: Int64
    package var timestamp: Timestamp?
    package var key: [UInt8]?
    /// The original bytes; the first of them only if `isTruncated`.
    package var value: [UInt8]?
    /// How many bytes the original value has.
    package var valueBytes: Int
    /// Whether the key or the value is cut to what a record can hold.
    package var isTruncated: Bool
    /// SHA-256 of the whole value in hexadecimal, if the value is cut.
    package var valueSHA256: String?
    /// SHA-256 of the whole key in hexadecimal, if the key is cut.
    package var keySHA256: String?

    package init(
        reason: DecodingFailure.Reason, detail: String, topic: String, partition: Int32, offset: Int64,
        timestamp: Timestamp?, key: [UInt8]?, value: [UInt8]?, valueBytes: Int, isTruncated: Bool,
        valueSHA256: String? = nil, keySHA256: String? = nil
    ) {
        self.reason = reason
        self.detail = detail
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.timestamp = timestamp
        self.key = key
        self.value = value
        self.valueBytes = valueBytes
        self.isTruncated = isTruncated
        self.valueSHA256 = valueSHA256
        self.keySHA256 = keySHA256
    }
}

/// SHA-256 (FIPS 180-4), by OpenSSL's libcrypto.
package enum SHA256Digest {
    package static func hexadecimal(_ bytes: UnsafeRawBufferPointer) -> String {
        var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        // Null takes no bytes; the function allows that with a count of 0 (SHA256 in openssl/sha.h).
        _ = SHA256(bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count, &digest)
        return String(
            decoding: digest.flatMap { [Hexadecimal.digit($0 >> 4), Hexadecimal.digit($0 & 15)] },
            as: UTF8.self)
    }

    /// The same as four words.
    package static func hash(_ bytes: UnsafeRawBufferPointer) -> ChainHash {
        var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        _ = SHA256(bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count, &digest)
        let words = digest.withUnsafeBytes { bytes in
            (0..<4).map { UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self)) }
        }
        return ChainHash(words[0], words[1], words[2], words[3])
    }

    /// The library's version, such as 3.5.1.
    package static var libraryVersion: String {
        String(cString: OpenSSL_version(OPENSSL_VERSION_STRING))
    }
}

/// Where a record stands.
package struct RecordOrigin: Sendable {
    package var topic: Topic
    package var partition: Int32
    package var offset: Int64
    package var timestamp: Timestamp?

    package init(topic: Topic, partition: Int32, offset: Int64, timestamp: Timestamp?) {
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.timestamp = timestamp
    }
}

/// Base64 with padding (RFC 4648, section 4).
enum Base64 {
    private static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    /// By byte, its place in the alphabet; 64 for a byte that is not in it.
    private static let places = {
        var places = [UInt8](repeating: 64, count: 256)
        for (place, byte) in alphabet.enumerated() { places[Int(byte)] = UInt8(place) }
        return places
    }()

    static func encode(_ bytes: UnsafeRawBufferPointer, _ put: (UInt8) -> Void) {
        var index = 0
        while index < bytes.count {
            let left = bytes.count - index
            let group =
                UInt32(bytes[index]) << 16 | (left > 1 ? UInt32(bytes[index + 1]) << 8 : 0)
                | (left > 2 ? UInt32(bytes[index + 2]) : 0)
            put(alphabet[Int(group >> 18)])
            put(alphabet[Int(group >> 12 & 63)])
            put(left > 1 ? alphabet[Int(group >> 6 & 63)] : 0x3D)
            put(left > 2 ? alphabet[Int(group & 63)] : 0x3D)
            index += 3
        }
    }

    /// - Returns: nil for what `encode` would not have written.
    static func decode(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 4 * 3)
        for start in stride(from: 0, to: text.count, by: 4) {
            var group: UInt32 = 0
            var padding = 0
            for index in start..<(start + 4) {
                if text[index] == 0x3D && index >= start + 2 && start + 4 == text.count {
                    padding += 1
                    group <<= 6
                } else {
                    let value = places[Int(text[index])]
                    guard padding == 0, value < 64 else { return nil }
                    group = group << 6 | UInt32(value)
                }
            }
            bytes.append(UInt8(group >> 16 & 255))
            if padding < 2 { bytes.append(UInt8(group >> 8 & 255)) }
            if padding < 1 { bytes.append(UInt8(group & 255)) }
        }
        return bytes
    }
}
