/// What the command line asks for.
struct Options {
    enum Part: String, CaseIterable {
        case loads, stages, scale, memory
    }

    struct Mistake: Error {
        let message: String
    }

    var isHelp = false
    var parts = Part.allCases
    var loads = Load.allCases
    var count = 100_000
    var rounds = 5
    /// Commands before the first round: warm is a processor whose dedupe window is full.
    var warmUp = 70_000
    var skus = 100_000
    /// The most SKUs of the part `scale`.
    var most = 1_000_000
    var isJSON = false
    /// A file with figures to compare with.
    var check: String?
    /// The load whose instructions the callgrind counts that this process runs under.
    var underCallgrind: Load?

    init(_ arguments: [String]) throws(Mistake) {
        var arguments = arguments[...]
        while let name = arguments.popFirst() {
            switch name {
            case "--help", "-h": isHelp = true
            case "--json": isJSON = true
            case "--part": parts = [try Self.word(name, &arguments)]
            case "--load":
                loads = [try Self.word(name, &arguments)]
                parts = [.loads]
            case "--under-callgrind": underCallgrind = try Self.word(name, &arguments) as Load
            case "--count": count = try Self.number(name, &arguments)
            case "--rounds": rounds = try Self.number(name, &arguments)
            case "--warm-up": warmUp = try Self.number(name, &arguments)
            case "--skus": skus = try Self.number(name, &arguments)
            case "--most": most = try Self.number(name, &arguments)
            case "--check":
                guard let file = arguments.popFirst() else { throw Mistake(message: "--check wants a file") }
                check = file
            default: throw Mistake(message: "unknown argument \(name); see holdfast-micro --help")
            }
        }
    }

    private static func number(
        _ name: String, _ arguments: inout ArraySlice<String>
    ) throws(Mistake) -> Int {
        guard let text = arguments.popFirst(), let number = Int(text), 1...100_000_000 ~= number
        else { throw Mistake(message: "\(name) wants a number, 1 or more") }
        return number
    }

    private static func word<Word: RawRepresentable & CaseIterable>(
        _ name: String, _ arguments: inout ArraySlice<String>
    ) throws(Mistake) -> Word where Word.RawValue == String {
        guard let text = arguments.popFirst(), let word = Word(rawValue: text) else {
            throw Mistake(
                message: "\(name) wants one of " + Word.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return word
    }

    static let help = """
        holdfast-micro                  measures what a command costs, from its bytes to those of its outputs
        holdfast-micro --load NAME      one load: hot, sold_out, even, mix, duplicate
        holdfast-micro --part NAME      one part: loads, stages, scale, memory
        holdfast-micro --check FILE     compares what is exact (calls of malloc, bytes of the heap, instructions)
                                        with the file's figures, and names what is more than 5 % over them

          --count N    commands in a round (100000)
          --rounds N   rounds (5)
          --warm-up N  commands before them (70000: the dedupe window is full then)
          --skus N     SKUs of the loads even and mix (100000)
          --most N     the most SKUs of the part scale (1000000)
          --json       a JSON object a line instead of the table

        One thread; its own time is measured, so that what runs beside it counts little.
        docs/benchmarks-micro.md has figures. Exit codes: 0 all is right, 1 the check found something, 2 a mistake in
        the command line.
        """
}
