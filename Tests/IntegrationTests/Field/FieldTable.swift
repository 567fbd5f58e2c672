import Foundation
import Synchronization

/// What came of each case beside what is right. Each row is printed as it comes, and all of them once more at the end.
enum FieldTable {
    struct Row: Sendable {
        let name: String
        let what: String
        let expected: String
        let outcome: String
        let isRight: Bool

        var shown: String {
            "case \(name) | \(what) | expected: \(expected) | outcome: \(outcome)"
                + (isRight ? "" : " | WRONG")
        }
    }

    private static let rows = Mutex<[Row]>([])
    private static let atTheEnd: Void = { atexit { FieldTable.printAll() } }()

    static func add(_ row: Row) {
        _ = atTheEnd
        rows.withLock { $0.append(row) }
        print(row.shown)
    }

    private static func printAll() {
        let rows = rows.withLock { $0 }
        func line(_ cells: [String], _ isRight: Bool = true) -> String {
            "| " + cells.joined(separator: " | ") + (isRight ? " |" : " | WRONG |")
        }
        print("\n" + line(["case", "what", "expected", "outcome"]))
        for row in rows { print(line([row.name, row.what, row.expected, row.outcome], row.isRight)) }
        let wrong = rows.filter { !$0.isRight }.count
        print("cases of the field: \(Set(rows.map(\.name)).count), checks \(rows.count), wrong \(wrong)")
        fflush(nil)
    }
}
