import Simulation

/// What the command line asks for.
struct Options {
    enum Task {
        case help, listMutants, range, mutants
        /// One seed, with its trace.
        case one(UInt64)
        /// A part of a range, for a parent process.
        case share
    }

    struct Mistake: Error {
        let message: String
    }

    var task = Task.range
    var firstSeed: UInt64 = 1
    var seeds: UInt64 = 1_000
    /// Every `stride`th seed of the range.
    var stride: UInt64 = 1
    var mutant: Mutant?
    /// Only seeds with orders of several lines.
    var areOrdersWanted = false
    var processes = 0
    /// Of a seed's faults only these, by their places.
    var faults: [Int]?

    /// Whether a seed of the range is run: without orders it says nothing of a wrong coordinator.
    func isWanted(_ seed: UInt64) -> Bool {
        Plan.hasOrders(seed) || !(areOrdersWanted || mutant?.isOfOrders == true)
    }

    /// The plan of a seed, or of its faults those that were asked for.
    func plan(_ seed: UInt64) -> Plan {
        var plan = Plan(seed: seed)
        if let faults { plan.faults = faults.filter { $0 < plan.faults.count }.map { plan.faults[$0] } }
        return plan
    }

    init(_ arguments: [String]) throws(Mistake) {
        var arguments = arguments[...]
        while let name = arguments.popFirst() {
            switch name {
            case "--help", "-h": task = .help
            case "--list-mutants": task = .listMutants
            case "--mutants": task = .mutants
            case "--share": task = .share
            case "--orders": areOrdersWanted = true
            case "--seeds": seeds = try Self.number(name, &arguments, least: 1)
            case "--first-seed": firstSeed = try Self.number(name, &arguments, least: 0)
            case "--seed": task = .one(try Self.number(name, &arguments, least: 0))
            case "--stride": stride = try Self.number(name, &arguments, least: 1)
            case "--processes": processes = Int(try Self.number(name, &arguments, least: 1))
            case "--faults":
                guard let list = arguments.popFirst() else {
                    throw Mistake(message: "--faults wants places, such as 0,3")
                }
                faults = try Self.places(list)
            case "--mutant":
                guard let wanted = arguments.popFirst(), let found = Mutant.named(wanted) else {
                    throw Mistake(message: "--mutant wants a name of --list-mutants")
                }
                mutant = found
            default: throw Mistake(message: "unknown argument \(name); see holdfast-simulate --help")
            }
        }
    }

    private static func number(
        _ name: String, _ arguments: inout ArraySlice<String>, least: UInt64
    ) throws(Mistake) -> UInt64 {
        guard let text = arguments.popFirst(), let number = UInt64(text), number >= least,
            number <= UInt64(Int64.max)
        else { throw Mistake(message: "\(name) wants a number, \(least) or more") }
        return number
    }

    /// Places as `--faults` takes them.
    static func list(_ places: [Int]) -> String {
        places.isEmpty ? "none" : places.map(String.init).joined(separator: ",")
    }

    private static func places(_ list: String) throws(Mistake) -> [Int] {
        if list == "none" { return [] }
        let places = list.split(separator: ",").map { Int($0) ?? -1 }
        guard !places.isEmpty, places.allSatisfy({ $0 >= 0 }) else {
            throw Mistake(message: "--faults wants places, such as 0,3, or none")
        }
        return places.sorted()
    }

    static let help = """
        holdfast-simulate [--seeds N] [--first-seed K]     runs N seeds (1000) from K (1) on
        holdfast-simulate --seed K                         runs one seed, shrinks what fails, and prints its trace
        holdfast-simulate --mutants [--seeds N]            runs the wrong versions of the protocol; each must be caught
        holdfast-simulate --list-mutants                   tells what they are
        holdfast-simulate --mutant NAME [--seed K | --seeds N]   runs one of them

          --orders        only the seeds with orders of several lines, one in eleven
          --processes N   how many processes share the seeds (default: one for each core)
          --faults LIST   of the seed's faults only these, by their numbers, such as 0,3; or none

        The production code of processors, delay service, relay, coordinators and sink runs over a model of Kafka and PostgreSQL, in
        which seeded faults happen. One seed always gives the same run. docs/simulation.md tells what is modelled.
        Exit codes: 0 all is right (with --mutants: all are caught), 1 something is not, 2 a mistake in the command
        line, 130 interrupted.
        """
}
