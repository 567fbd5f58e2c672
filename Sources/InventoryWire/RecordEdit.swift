import CYyjson
import InventoryCore

/// How a person mends a JSON object: fields get another name, go, or get a value, in this order.
///
/// A field is named by a dotted path from the outermost object, `ship_to.latitude`; a whole number in it counts
/// an array's elements from 0, `allocations.0.quantity`. What no edit names keeps its place and its value; numbers
/// that no machine can hold exactly keep their digits.
package struct RecordEdit: Equatable, Sendable {
    /// Why a text is no edit, for the person who wrote it.
    package struct Mistake: Error, Equatable, CustomStringConvertible {
        package let description: String
    }

    struct Path: Equatable, Sendable, CustomStringConvertible {
        let steps: [String]

        fileprivate init(of field: String) { steps = [field] }

        init(_ text: Substring) throws(Mistake) {
            steps = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
            guard !steps.contains(where: \.isEmpty) else {
                throw Mistake(
                    description: "\"\(text)\" is no path; write a field, or fields with dots between")
            }
        }

        var description: String { steps.joined(separator: ".") }
    }

    private let renames: [(from: Path, to: Path)]
    private let removals: [Path]
    private let settings: [(path: Path, value: String)]

    /// - Parameters:
    ///   - renames: `FIELD=NAME` each, both of them paths.
    ///   - removals: a path each.
    ///   - settings: `FIELD=VALUE` each; the value is JSON if it can be read as JSON, else a text.
    package init(
        renames: [String] = [], removals: [String] = [], settings: [String] = []
    ) throws(Mistake) {
        var pairs: [(Path, Path)] = []
        for text in renames {
            let (from, to) = try Self.halves(text, "--rename")
            pairs.append((try Path(from), try Path(to)))
        }
        self.renames = pairs
        var paths: [Path] = []
        for text in removals { paths.append(try Path(text[...])) }
        self.removals = paths
        var values: [(Path, String)] = []
        for text in settings {
            let (path, value) = try Self.halves(text, "--set")
            values.append((try Path(path), String(value)))
        }
        self.settings = values
    }

    private static func halves(_ text: String, _ flag: String) throws(Mistake) -> (Substring, Substring) {
        guard let equals = text.firstIndex(of: "=") else {
            throw Mistake(
                description: "\(flag) \(text): write \(flag) FIELD=\(flag == "--set" ? "VALUE" : "NAME")")
        }
        return (text[..<equals], text[text.index(after: equals)...])
    }

    private init(settings: [(path: Path, value: String)]) {
        (renames, removals, self.settings) = ([], [], settings)
    }

    /// Says when a command is issued.
    package static func issued(at moment: Timestamp) -> RecordEdit {
        var json = JSONBuffer()
        json.begin()
        json.time("issued_at", moment)
        json.end()
        let object = json.withBytes { String(decoding: $0, as: UTF8.self) }
        let value = object.dropFirst(#"{"issued_at":"#.utf8.count).dropLast()
        return RecordEdit(settings: [(Path(of: "issued_at"), String(value))])
    }

    package var isEmpty: Bool { renames.isEmpty && removals.isEmpty && settings.isEmpty }

    /// Whether it gives `field` a value.
    package func sets(_ field: String) -> Bool {
        settings.contains { $0.path.steps == [field] } || renames.contains { $0.to.steps == [field] }
    }

    package static func == (left: RecordEdit, right: RecordEdit) -> Bool {
        left.renames.elementsEqual(right.renames, by: ==) && left.removals == right.removals
            && left.settings.elementsEqual(right.settings, by: ==)
    }
}

extension RecordReader {
    /// The object with the edit carried out. Names and removals of what is not there change nothing, so that one
    /// edit can go over many records.
    ///
    /// - Throws: what is wrong with the original, if it is no JSON object; a path that leads through what is
    ///   neither an object nor an array; a new name that is taken.
    package mutating func edited(
        _ value: UnsafeRawBufferPointer?, _ edit: RecordEdit
    ) throws(DecodingFailure) -> [UInt8] {
        try readDocument(value, limit: Limits.commandBytes) { document throws(DecodingFailure) in
            guard let copy = yyjson_doc_mut_copy(document, nil) else { preconditionFailure("no memory") }
            defer { yyjson_mut_doc_free(copy) }
            try edit.carryOut(on: MutableJSON(document: copy))
            return MutableJSON(document: copy).bytes
        }
    }
}

extension RecordEdit {
    fileprivate func carryOut(on json: MutableJSON) throws(DecodingFailure) {
        for (from, to) in renames {
            guard let value = try json.take(from) else { continue }
            guard try json.find(to) == nil else {
                throw DecodingFailure(.conflictingFields, "\(from) cannot be named \(to), which is there")
            }
            try json.put(value, at: to)
        }
        for path in removals { _ = try json.take(path, all: true) }
        for (path, value) in settings { try json.put(json.value(of: value), at: path) }
    }
}

/// A document that can be changed (`yyjson_mut_doc`), valid while its owner keeps it.
private struct MutableJSON {
    typealias Value = UnsafeMutablePointer<yyjson_mut_val>

    let document: UnsafeMutablePointer<yyjson_mut_doc>

    private var root: Value { yyjson_mut_doc_get_root(document)! }

    /// The document as text, without spaces (`yyjson_mut_write_opts`).
    var bytes: [UInt8] {
        var count = 0
        guard let text = yyjson_mut_write_opts(document, 0, nil, &count, nil) else {
            preconditionFailure("what was read as JSON can be written as JSON")
        }
        defer { free(text) }
        return Array(UnsafeRawBufferPointer(start: text, count: count))
    }

    /// JSON if the text is, else a string.
    func value(of text: String) -> Value {
        var text = text
        return text.withUTF8 { bytes -> Value in
            let flags = yyjson_read_flag(YYJSON_READ_BIGNUM_AS_RAW)
            let start = UnsafeMutableRawPointer(mutating: bytes.baseAddress)?.assumingMemoryBound(
                to: CChar.self)
            if let parsed = start.flatMap({ yyjson_read_opts($0, bytes.count, flags, nil, nil) }) {
                defer { yyjson_doc_free(parsed) }
                return yyjson_val_mut_copy(document, yyjson_doc_get_root(parsed))
            }
            return bytes.isEmpty
                ? yyjson_mut_str(document, "") : yyjson_mut_strncpy(document, start, bytes.count)
        }
    }

    private func name(_ step: String) -> Value {
        var step = step
        return step.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { yyjson_mut_strncpy(document, $0.baseAddress, $0.count) }
        }
    }

    /// What stands behind a step; nil where there is nothing.
    private func child(_ value: Value, _ step: String) -> Value? {
        if yyjson_mut_is_arr(value) {
            return Int(step).flatMap { $0 < 0 ? nil : yyjson_mut_arr_get(value, $0) }
        }
        var step = step
        return step.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { yyjson_mut_obj_getn(value, $0.baseAddress, $0.count) }
        }
    }

    func find(_ path: RecordEdit.Path) throws(DecodingFailure) -> Value? {
        guard let last = path.steps.last, let holder = try holder(of: path) else { return nil }
        return child(holder, last)
    }

    /// The object or array that holds the path's last step; nil where there is none yet.
    private func holder(of path: RecordEdit.Path, making: Bool = false) throws(DecodingFailure) -> Value? {
        var value = root
        for (index, step) in path.steps.enumerated() {
            guard yyjson_mut_is_obj(value) || yyjson_mut_is_arr(value) else {
                let before = path.steps[..<index].joined(separator: ".")
                throw DecodingFailure(
                    .wrongType, "\(before) is neither an object nor an array, so there is no \(path)")
            }
            if index == path.steps.count - 1 { return value }
            if let next = child(value, step) {
                value = next
            } else if making, yyjson_mut_is_obj(value), let made = yyjson_mut_obj(document) {
                yyjson_mut_obj_put(value, name(step), made)
                value = made
            } else {
                return nil
            }
        }
        return nil
    }

    /// Puts a value in the place of all that stands there.
    func put(_ value: Value, at path: RecordEdit.Path) throws(DecodingFailure) {
        let last = path.steps[path.steps.count - 1]
        if let holder = try holder(of: path, making: true) {
            if yyjson_mut_is_obj(holder) {
                yyjson_mut_obj_put(holder, name(last), value)
                return
            }
            if let index = Int(last), index >= 0, yyjson_mut_arr_replace(holder, index, value) != nil {
                return
            }
        }
        throw DecodingFailure(.wrongType, "\(path) is no element of an array that is there")
    }

    /// Takes the value out of the document; nil where there is none.
    /// - Parameter all: whether a field may stand several times; all of them go.
    func take(_ path: RecordEdit.Path, all: Bool = false) throws(DecodingFailure) -> Value? {
        guard let last = path.steps.last, let holder = try holder(of: path), child(holder, last) != nil
        else { return nil }
        if yyjson_mut_is_arr(holder) {
            return Int(last).flatMap { yyjson_mut_arr_remove(holder, $0) }
        }
        let count = yyjson_mut_obj_size(holder)
        let taken = yyjson_mut_obj_remove(holder, name(last))
        guard all || yyjson_mut_obj_size(holder) == count - 1 else {
            throw DecodingFailure(.duplicateField, "\(path) stands more than once; set it, or remove it")
        }
        return taken
    }
}
