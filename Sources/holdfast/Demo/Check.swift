import Foundation

/// One thing that must hold at the end, with the figures that say whether it does.
struct Check {
    let title: String
    let isTrue: Bool
    let figures: String

    init(_ title: String, _ isTrue: Bool, _ figures: String) {
        self.title = title
        self.isTrue = isTrue
        self.figures = figures
    }

    static func table(_ checks: [Check]) -> String {
        let width = checks.map(\.title.count).max() ?? 0
        return checks.map { check in
            let title = check.title.padding(toLength: width, withPad: " ", startingAt: 0)
            return "  \(check.isTrue ? "ok    " : "FAILED")  \(title)  \(check.figures)"
        }.joined(separator: "\n")
    }
}
