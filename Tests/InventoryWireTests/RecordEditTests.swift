import InventoryWire
import Testing

@Suite("Edits of a record")
struct RecordEditTests {
    private func edited(
        _ value: String, rename: [String] = [], remove: [String] = [], set: [String] = []
    ) throws -> String {
        var reader = RecordReader()
        let edit = try RecordEdit(renames: rename, removals: remove, settings: set)
        return try Array(value.utf8).withUnsafeBytes {
            String(decoding: try reader.edited($0, edit), as: UTF8.self)
        }
    }

    private func reason(
        _ value: String, rename: [String] = [], remove: [String] = [], set: [String] = []
    ) -> DecodingFailure.Reason? {
        do {
            _ = try edited(value, rename: rename, remove: remove, set: set)
            return nil
        } catch {
            return (error as? DecodingFailure)?.reason
        }
    }

    @Test("A value is JSON if it can be read as JSON, else a text")
    func values() throws {
        #expect(try edited("{}", set: ["a=3"]) == #"{"a":3}"#)
        #expect(try edited("{}", set: [#"a="3""#]) == #"{"a":"3"}"#)
        #expect(try edited("{}", set: ["a=TEA 3"]) == #"{"a":"TEA 3"}"#)
        #expect(try edited("{}", set: ["a="]) == #"{"a":""}"#)
        #expect(try edited("{}", set: ["a=b=c"]) == #"{"a":"b=c"}"#)
        #expect(try edited("{}", set: ["a=true", "b=null"]) == #"{"a":true,"b":null}"#)
        #expect(try edited("{}", set: [#"a=[{"w":"BER"}]"#]) == #"{"a":[{"w":"BER"}]}"#)
        #expect(try edited("{}", set: ["a=grün"]) == #"{"a":"grün"}"#)
    }

    @Test("What no edit names keeps its place and every digit")
    func rest() throws {
        let value = #"{"x":123456789012345678901234567890,"a":1,"y":[1,{"z":null}],"w":"\u0001\\"}"#
        #expect(
            try edited(value, set: ["a=2"])
                == #"{"x":123456789012345678901234567890,"a":2,"y":[1,{"z":null}],"w":"\u0001\\"}"#)
    }

    @Test("A path goes into objects, which set makes, and to elements that are there")
    func paths() throws {
        #expect(try edited("{}", set: ["a.b.c=1"]) == #"{"a":{"b":{"c":1}}}"#)
        let list = #"{"l":[{"q":1},{"q":2}]}"#
        #expect(try edited(list, set: ["l.1.q=7"]) == #"{"l":[{"q":1},{"q":7}]}"#)
        #expect(try edited(list, set: ["l.0=x"]) == #"{"l":["x",{"q":2}]}"#)
        #expect(try edited(list, remove: ["l.0"]) == #"{"l":[{"q":2}]}"#)
        #expect(reason(list, set: ["l.2=x"]) == .wrongType)
        #expect(reason(list, set: ["l.q=x"]) == .wrongType)
        #expect(reason(#"{"a":1}"#, set: ["a.b=1"]) == .wrongType)
        #expect(reason(#"{"a":1}"#, remove: ["a.b"]) == .wrongType)
        #expect(try edited(#"{"a":{}}"#, remove: ["a.b.c", "z"]) == #"{"a":{}}"#)
    }

    @Test("Names come first, then what goes, then what is set")
    func order() throws {
        #expect(try edited(#"{"a":1}"#, rename: ["a=b"], remove: ["a"], set: ["a=2"]) == #"{"b":1,"a":2}"#)
        #expect(try edited(#"{"a":{"b":1}}"#, rename: ["a.b=c", "z=y"], remove: ["a"]) == #"{"c":1}"#)
        #expect(reason(#"{"a":1,"b":2}"#, rename: ["a=b"]) == .conflictingFields)
    }

    @Test("A field that stands twice is removed or set as one, and gets no other name")
    func duplicates() throws {
        let twice = #"{"a":1,"b":0,"a":2}"#
        #expect(try edited(twice, remove: ["a"]) == #"{"b":0}"#)
        #expect(try edited(twice, set: ["a=3"]) == #"{"a":3,"b":0}"#)
        #expect(reason(twice, rename: ["a=c"]) == .duplicateField)
    }

    @Test("What is no JSON object cannot be edited, with the decoder's reason")
    func noObject() {
        #expect(reason("", set: ["a=1"]) == .emptyValue)
        #expect(reason("{", set: ["a=1"]) == .invalidJSON)
        #expect(reason("[]", set: ["a=1"]) == .notAnObject)
    }

    @Test("What is no edit is told", arguments: ["a", "=1", "a.=1", ".a=1"])
    func mistakes(text: String) {
        #expect(throws: RecordEdit.Mistake.self) { try RecordEdit(settings: [text]) }
        #expect(throws: RecordEdit.Mistake.self) { try RecordEdit(renames: [text]) }
    }
}
