/// Where two records of ours differ, in the words of the topics.
package enum FieldDifference {
    /// The fields of the one and of the other that are not the same, as `name value`. Both are JSON objects as
    /// `RecordWriter` writes them, without spaces.
    package static func between(_ found: [UInt8], _ expected: [UInt8]) -> (found: String, expected: String) {
        let left = fields(found)
        let right = fields(expected)
        let names = left.map(\.name) + right.map(\.name).filter { name in !left.contains { $0.name == name } }
        var one: [String] = []
        var other: [String] = []
        for name in names {
            let values = (left.first { $0.name == name }?.value, right.first { $0.name == name }?.value)
            guard values.0 != values.1 else { continue }
            one.append("\(name) \(values.0 ?? "missing")")
            other.append("\(name) \(values.1 ?? "missing")")
        }
        return (one.joined(separator: ", "), other.joined(separator: ", "))
    }

    /// The fields of a JSON object without spaces, values as they are written.
    package static func fields(_ object: [UInt8]) -> [(name: String, value: String)] {
        guard object.first == UInt8(ascii: "{"), object.last == UInt8(ascii: "}") else { return [] }
        var fields: [(name: String, value: String)] = []
        var depth = 0
        var isInText = false
        var start = 1
        var colon: Int?
        for index in 1..<object.count {
            let byte = object[index]
            if isInText {
                if byte == UInt8(ascii: "\""), !isEscaped(object, index) { isInText = false }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isInText = true
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: ":") where depth == 0 && colon == nil: colon = index
            case UInt8(ascii: ",") where depth == 0, UInt8(ascii: "}") where index == object.count - 1:
                if let colon, colon - 1 > start {
                    fields.append(
                        (
                            String(decoding: object[(start + 1)..<(colon - 1)], as: UTF8.self),
                            String(decoding: object[(colon + 1)..<index], as: UTF8.self)
                        ))
                }
                start = index + 1
                colon = nil
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            default: break
            }
        }
        return fields
    }

    /// Whether an odd number of backslashes stands before it.
    private static func isEscaped(_ bytes: [UInt8], _ index: Int) -> Bool {
        var count = 0
        while index - count - 1 >= 0, bytes[index - count - 1] == UInt8(ascii: "\\") { count += 1 }
        return count % 2 == 1
    }
}
