import InventoryCore

extension ChainHash {
    /// 64 hexadecimal digits in lower case, as they stand in topics and tables.
    package var hexadecimal: String {
        String(unsafeUninitializedCapacity: 64) { digits in
            var count = 0
            Hexadecimal.write(self) {
                digits[count] = $0
                count += 1
            }
            return count
        }
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

/// Bits as hexadecimal digits in lower case, the topmost first.
enum Hexadecimal {
    static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }

    /// 16 digits.
    static func write(_ value: UInt64, _ put: (UInt8) -> Void) {
        for shift in stride(from: 60, through: 0, by: -4) {
            put(digit(UInt8(truncatingIfNeeded: value >> UInt64(shift)) & 15))
        }
    }

    /// 64 digits.
    static func write(_ hash: ChainHash, _ put: (UInt8) -> Void) {
        for word in [hash.first, hash.second, hash.third, hash.fourth] { write(word, put) }
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
