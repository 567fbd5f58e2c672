import Foundation
import InventoryWire

/// JSON as a schema sees it.
indirect enum JSONValue: Decodable, Equatable {
    case null
    case boolean(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .boolean(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .integer(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    var object: [String: JSONValue]? { if case .object(let value) = self { value } else { nil } }
    var string: String? { if case .string(let value) = self { value } else { nil } }
    var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
    /// Any number, also a whole one.
    var number: Double? {
        if case .number(let value) = self { value } else { integer.map { Double($0) } }
    }
    var integer: Int64? { if case .integer(let value) = self { value } else { nil } }

    /// The word of JSON Schema for what it is.
    var types: Set<String> {
        switch self {
        case .null: ["null"]
        case .boolean: ["boolean"]
        case .integer: ["integer", "number"]
        case .number: ["number"]
        case .string: ["string"]
        case .array: ["array"]
        case .object: ["object"]
        }
    }
}

/// As much of JSON Schema 2020-12 as the contract uses. A keyword that it does not know is an error, so that no
/// rule is passed over in silence.
struct JSONSchema {
    struct Unknown: Error { let keyword: String }

    private let root: JSONValue

    init(_ root: JSONValue) { self.root = root }

    /// Notes that change nothing of what is right.
    private static let annotations: Set<String> = [
        "$schema", "$id", "$defs", "title", "description", "contentEncoding", "then", "else", "examples",
    ]

    /// What is wrong with `value`: a line each, with where it is; empty if it is right.
    func mistakes(in value: JSONValue) throws -> [String] { try check(value, root, "value") }

    private func check(_ value: JSONValue, _ schema: JSONValue, _ place: String) throws -> [String] {
        guard let keywords = schema.object else { throw Unknown(keyword: "\(schema)") }
        var mistakes: [String] = []
        for (keyword, rule) in keywords.sorted(by: { $0.key < $1.key }) {
            mistakes += try check(value, keyword, rule, keywords, place)
        }
        return mistakes
    }

    private func check(
        _ value: JSONValue, _ keyword: String, _ rule: JSONValue, _ all: [String: JSONValue], _ place: String
    ) throws -> [String] {
        func unless(_ isRight: Bool) -> [String] { isRight ? [] : ["\(place): \(keyword) \(rule)"] }
        switch keyword {
        case _ where Self.annotations.contains(keyword): return []
        case "$ref": return try check(value, try resolve(rule), place)
        case "allOf": return try rule.array!.flatMap { try check(value, $0, place) }
        case "anyOf": return unless(try rule.array!.contains { try check(value, $0, place).isEmpty })
        case "not": return unless(try !check(value, rule, place).isEmpty)
        case "if":
            let branch = try check(value, rule, place).isEmpty ? all["then"] : all["else"]
            return try branch.map { try check(value, $0, place) } ?? []
        case "const": return unless(value == rule)
        case "enum": return unless(rule.array!.contains(value))
        case "type":
            let allowed = rule.array?.map { $0.string! } ?? [rule.string!]
            return unless(!value.types.isDisjoint(with: allowed))
        case "minimum", "maximum":
            guard let number = value.number, let bound = rule.number else { return [] }
            return unless(keyword == "minimum" ? number >= bound : number <= bound)
        case "minLength", "maxLength", "pattern", "format":
            return value.string.map { unless(text($0, keyword, rule)) } ?? []
        case "items":
            return try (value.array ?? []).flatMap { try check($0, rule, place + "[]") }
        case "minItems": return unless(value.array.map { $0.count >= rule.integer! } ?? true)
        case "maxItems": return unless(value.array.map { $0.count <= rule.integer! } ?? true)
        case "maxProperties": return unless(value.object.map { $0.count <= rule.integer! } ?? true)
        case "required":
            guard let object = value.object else { return [] }
            return rule.array!.filter { object[$0.string!] == nil }.map { "\(place): lacks \($0.string!)" }
        case "properties":
            guard let object = value.object else { return [] }
            return try rule.object!.flatMap { name, schema in
                try object[name].map { try check($0, schema, "\(place).\(name)") } ?? []
            }
        default: throw Unknown(keyword: keyword)
        }
    }

    private func text(_ text: String, _ keyword: String, _ rule: JSONValue) -> Bool {
        switch keyword {
        case "minLength": text.unicodeScalars.count >= rule.integer!
        case "maxLength": text.unicodeScalars.count <= rule.integer!
        case "format": Array(text.utf8).withUnsafeBytes { RFC3339.parse($0) } != nil
        default: text.range(of: rule.string!, options: .regularExpression) != nil
        }
    }

    private func resolve(_ reference: JSONValue) throws -> JSONValue {
        let path = reference.string!.split(separator: "/").map(String.init)
        guard path.count == 3, path[0] == "#", path[1] == "$defs",
            let found = root.object?["$defs"]?.object?[path[2]]
        else { throw Unknown(keyword: "$ref \(reference)") }
        return found
    }

    /// The fields that every value must have.
    var required: [String] { root.object?["required"]?.array?.compactMap(\.string) ?? [] }

    /// Every field that the schema names anywhere, as paths without array brackets.
    func names() -> Set<String> {
        var found: Set<String> = []
        func collect(_ schema: JSONValue, _ place: String) {
            for (keyword, rule) in schema.object ?? [:] where keyword != "$defs" && keyword != "if" {
                for (name, inner) in keyword == "properties" ? rule.object! : [:] {
                    found.insert(place + name)
                    collect(inner, place + name + ".")
                }
                if keyword == "allOf" { for schema in rule.array! { collect(schema, place) } }
                if ["then", "else", "items"].contains(keyword) { collect(rule, place) }
            }
        }
        collect(root, "")
        return found
    }
}

extension JSONValue {
    /// Every field of the value, as `JSONSchema.names` writes them.
    func names(_ place: String = "") -> Set<String> {
        switch self {
        case .object(let fields):
            Set(fields.flatMap { [place + $0] + Array($1.names(place + $0 + ".")) })
        case .array(let elements): Set(elements.flatMap { Array($0.names(place)) })
        default: []
        }
    }
}
