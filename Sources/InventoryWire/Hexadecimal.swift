import InventoryCore

extension ChainHash {
    /// 64 hexadecimal digits in lower case, as they stand in topics and tables.
    package var hexadecimal: String {
        var digits = ByteBuffer(capacity: 64)
        digits.append(hexadecimal: self)
        return digits.withBytes { String(decoding: $0, as: UTF8.self) }
    }

    /// - Returns: nil for what is not 64 hexadecimal digits in lower case.
    package init?(hexadecimal: String) {
        var text = hexadecimal
        guard let hash = text.withUTF8({ Hexadecimal.chainHash(UnsafeRawBufferPointer($0)) }) else {
            return nil
        }
        self = hash
    }
}

extension ByteBuffer {
    /// 64 digits.
    mutating func append(hexadecimal hash: ChainHash) {
        append(hexadecimal: hash.first)
        append(hexadecimal: hash.second)
        append(hexadecimal: hash.third)
        append(hexadecimal: hash.fourth)
    }
}

/// Bits as hexadecimal digits in lower case, the topmost first.
enum Hexadecimal {
    static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }

    /// The 8 digits of 32 bits, as they lie in memory: each four bits go into a byte, and those over 9 are moved on
    /// to the letters, all at once.
    static func digits(_ value: UInt32) -> UInt64 {
        var digits = UInt64(value)
        digits = (digits << 16 | digits) & 0x0000_FFFF_0000_FFFF
        digits = (digits << 8 | digits) & 0x00FF_00FF_00FF_00FF
        digits = (digits << 4 | digits) & 0x0F0F_0F0F_0F0F_0F0F
        let letters = (digits &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        return (digits &+ 0x3030_3030_3030_3030 &+ letters &* 0x27).bigEndian
    }

    /// - Returns: nil for what is not 64 digits in lower case.
    static func chainHash(_ digits: UnsafeRawBufferPointer) -> ChainHash? {
        guard digits.count == 64 else { return nil }
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        for (place, digit) in digits.enumerated() {
            let value: UInt8
            switch digit {
            case 0x30...0x39: value = digit - 0x30
            case 0x61...0x66: value = digit - 0x57
            default: return nil
            }
            switch place / 16 {
            case 0: words.0 = words.0 << 4 | UInt64(value)
            case 1: words.1 = words.1 << 4 | UInt64(value)
            case 2: words.2 = words.2 << 4 | UInt64(value)
            default: words.3 = words.3 << 4 | UInt64(value)
            }
        }
        return ChainHash(words.0, words.1, words.2, words.3)
    }
}
