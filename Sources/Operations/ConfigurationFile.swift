import Foundation

/// A JSON value, with whole numbers, fractions and booleans told apart.
enum ConfigurationJSON: Decodable, Equatable {
    case null
    case boolean(Bool)
    case integer(Int)
    case double(Double)
    case string(String)
    case array
    case object([String: ConfigurationJSON])

    init(from decoder: Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .boolean(value)
        } else if let value = try? container.decode(Int.self) {
            self = .integer(value)
        } else if let value = try? container.decode(Double.self) {
            self = .double(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([String: ConfigurationJSON].self) {
            self = .object(value)
        } else {
            self = .array
        }
    }

    /// The value as it would be written in a flag; nil for null, arrays and objects.
    var text: String? {
        switch self {
        case .boolean(let value): String(value)
        case .integer(let value): String(value)
        case .double(let value): String(value)
        case .string(let value): value
        case .null, .array, .object: nil
        }
    }

    var kindName: String {
        switch self {
        case .null: "null"
        case .boolean: "a boolean"
        case .integer, .double: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

extension ConfigurationReading {
    /// Enters what the file says: one JSON object of keys, `kafka` being an object of librdkafka's settings.
    mutating func enterFile(_ path: String, _ readFile: (String) throws -> [UInt8]) {
        guard let object = readObject(path, readFile) else { return }
        for (name, value) in object.sorted(by: { $0.key < $1.key }) {
            if name == "kafka" {
                enterKafkaObject(value, path)
            } else if let key = schema.key(name), !key.isFlagOnly {
                enter(key, value, path)
            } else {
                reportUnknown(name, path)
            }
        }
    }

    private mutating func readObject(
        _ path: String, _ readFile: (String) throws -> [UInt8]
    ) -> [String: ConfigurationJSON]? {
        let bytes: [UInt8]
        do {
            bytes = try readFile(path)
        } catch {
            reportFile(
                path, "cannot be read: \(error)", "give the path of a file that this user may read")
            return nil
        }
        guard let json = try? JSONDecoder().decode(ConfigurationJSON.self, from: Data(bytes)) else {
            reportFile(path, "is not JSON: \(syntaxProblem(bytes))", "mend it there")
            return nil
        }
        guard case .object(let object) = json else {
            reportFile(path, "holds \(json.kindName)", "it must hold one JSON object of settings")
            return nil
        }
        for name in JSONKeys.repeated(in: bytes) {
            report(
                ConfigurationMistake(
                    key: name, value: nil, source: .file(path), problem: "stands twice in the same object",
                    remedy: "keep one of them"))
        }
        return object
    }

    private mutating func enter(_ key: ConfigurationKey, _ value: ConfigurationJSON, _ path: String) {
        let fits: Bool
        switch (key.kind, value) {
        // Null is how a file that is written by a program leaves a key out.
        case (_, .null): return
        case (.integer, .integer), (.boolean, .boolean): fits = true
        case (.integer, _), (.boolean, _): fits = false
        case (_, .string): fits = true
        default: fits = false
        }
        if fits, let text = value.text {
            enter(key, text, .file(path))
        } else {
            report(
                ConfigurationMistake(
                    key: key.name, value: value.text.map { key.shown($0) }, source: .file(path),
                    problem: "is \(value.kindName) of JSON", remedy: "allowed: \(key.kind.allowed)"))
        }
    }

    private mutating func enterKafkaObject(_ value: ConfigurationJSON, _ path: String) {
        guard case .object(let settings) = value else {
            report(
                ConfigurationMistake(
                    key: "kafka", value: nil, source: .file(path), problem: "is \(value.kindName)",
                    remedy: "it must be an object of librdkafka's settings"))
            return
        }
        for (name, value) in settings.sorted(by: { $0.key < $1.key }) where value != .null {
            if let text = value.text {
                enterKafka(name, text, .file(path))
            } else {
                report(
                    ConfigurationMistake(
                        key: "kafka.\(name)", value: nil, source: .file(path),
                        problem: "is \(value.kindName)", remedy: "allowed: a string, a number or a boolean"))
            }
        }
    }

    private mutating func reportUnknown(_ name: String, _ path: String) {
        let flagOnly = schema.key(name).map { "only the flag \($0.flag) sets it" }
        let known = schema.keys.filter { !$0.isFlagOnly }.map(\.name) + ["kafka"]
        let suggestion = NearestName.find(name, among: known).map { "did you mean \($0)?" }
        report(
            ConfigurationMistake(
                key: name, value: nil, source: .file(path), problem: "is not a setting",
                remedy: flagOnly ?? suggestion ?? "take it out"))
    }

    private mutating func reportFile(_ path: String, _ problem: String, _ remedy: String) {
        report(
            ConfigurationMistake(
                key: "config", value: path, source: .file(path), problem: problem, remedy: remedy))
    }

    /// Where and why the bytes are not JSON, in the parser's words.
    private func syntaxProblem(_ bytes: [UInt8]) -> String {
        do {
            _ = try JSONSerialization.jsonObject(with: Data(bytes), options: [.fragmentsAllowed])
            return "it is nested too deeply or holds a number that is too large"
        } catch {
            let details = (error as NSError).userInfo["NSDebugDescription"] as? String
            return details ?? error.localizedDescription
        }
    }
}

/// Finds names that stand twice in one object of a text that is JSON: parsers keep one of them in silence.
enum JSONKeys {
    static func repeated(in bytes: [UInt8]) -> [String] {
        var open: [Set<[UInt8]>] = []
        var repeated: [String] = []
        var lastString: [UInt8] = []
        var index = 0
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "{"), UInt8(ascii: "["): open.append([])
            case UInt8(ascii: "}"), UInt8(ascii: "]"): _ = open.popLast()
            case UInt8(ascii: "\""): lastString = string(in: bytes, &index)
            // Outside of strings a colon follows nothing but a name.
            case UInt8(ascii: ":"):
                if let top = open.indices.last, !open[top].insert(lastString).inserted {
                    repeated.append(String(decoding: lastString, as: UTF8.self))
                }
            default: break
            }
            index += 1
        }
        return repeated
    }

    /// The bytes of the string that begins at `index`, which is left at the closing quote.
    private static func string(in bytes: [UInt8], _ index: inout Int) -> [UInt8] {
        let start = index + 1
        index = start
        while index < bytes.count, bytes[index] != UInt8(ascii: "\"") {
            index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
        }
        return Array(bytes[start..<min(index, bytes.count)])
    }
}
