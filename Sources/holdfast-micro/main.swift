import Foundation

// What the way of a command costs in one thread, without Kafka (docs/benchmarks-micro.md).
let options: Options
do {
    options = try Options(Array(CommandLine.arguments.dropFirst()))
} catch {
    FileHandle.standardError.write(Data("holdfast-micro: \(error.message)\n".utf8))
    exit(2)
}
if options.isHelp {
    print(Options.help)
    exit(0)
}
if let load = options.underCallgrind {
    Instructions.run(load)
    exit(0)
}
if let file = options.check {
    do {
        exit(try Check.run(file, options) ? 0 : 1)
    } catch {
        FileHandle.standardError.write(Data("holdfast-micro: \(file) cannot be checked: \(error)\n".utf8))
        exit(2)
    }
}

let report = Report(isJSON: options.isJSON)
let columns = "                 ns: min   median      max    mallocs"
if options.parts.contains(.loads) {
    report.title("a command, bytes to bytes\n" + columns)
    for load in options.loads {
        var bench = Bench(load, skuCount: options.skus)
        var rounds = Rounds()
        _ = bench.run(options.warmUp)
        for _ in 0..<options.rounds { rounds.add(bench.run(options.count)) }
        report.rounds("loads", load.rawValue, rounds, recordBytes: bench.recordBytes)
    }
}
if options.parts.contains(.stages) {
    report.title("its parts, for the load hot\n" + columns)
    Stages.run(count: options.count, rounds: options.rounds) { report.rounds("stages", $0, $1) }
}
if options.parts.contains(.scale) {
    report.title("a command of the load even, by SKUs\n" + columns)
    var skus = 1_000
    while skus <= options.most {
        var bench = Bench(.even, skuCount: skus)
        var rounds = Rounds()
        _ = bench.run(options.warmUp)
        for _ in 0..<options.rounds { rounds.add(bench.run(options.count)) }
        report.rounds("scale", String(skus), rounds)
        skus *= 10
    }
}
if options.parts.contains(.memory) {
    report.title("memory")
    for (name, bytes) in Check.memory(1_000_000) { report.value("memory", name, bytes, "bytes") }
}
