import Foundation
import KafkaClient
import Operations

// Reading this file is reading the architecture: one executable, a role a process.
let arguments = Array(CommandLine.arguments.dropFirst())
let schema = HoldfastConfiguration.schema

switch (arguments.first, arguments.dropFirst().first) {
case (nil, _):
    // Nothing was asked for: that is a mistake in a script, and a question at a terminal.
    FileHandle.standardError.write(Data(schema.helpText.utf8))
    ExitCode.usage.exitProcess()
case ("--help", _), ("-h", _), ("help", nil):
    print(schema.helpText)
case ("help", let role?):
    print(schema.helpText(role: role))
case ("version", _), ("--version", _):
    Version.print()
case ("process", _):
    run("process", arguments.dropFirst()) { try ProcessRole(service: $0).run() }
case ("delay", _):
    run("delay", arguments.dropFirst()) { try DelayRole(service: $0).run() }
case ("relay", _):
    run("relay", arguments.dropFirst()) { try RelayRole(service: $0).run() }
case ("coordinate", _):
    run("coordinate", arguments.dropFirst()) { try CoordinateRole(service: $0).run() }
case ("optimize", _):
    run("optimize", arguments.dropFirst()) { try Optimize.run($0) }
case ("sink", _):
    run("sink", arguments.dropFirst()) { try SinkRole(service: $0).run() }
case ("topics", "apply"):
    run("topics apply", arguments.dropFirst(2)) { try TopicsApply(service: $0).run() }
case ("topics", "grow"):
    run("topics grow", arguments.dropFirst(2)) { try TopicsGrow(service: $0).run() }
case ("acls", "apply"):
    run("acls apply", arguments.dropFirst(2)) { try AclsApply(service: $0).run() }
case ("dead-letters", "list"):
    run("dead-letters list", arguments.dropFirst(2)) { try DeadLettersRole(service: $0).list() }
case ("dead-letters", "show"):
    run("dead-letters show", placeFirst(arguments.dropFirst(2), "--letter")) {
        try DeadLettersRole(service: $0).show()
    }
case ("replay", _):
    run("replay", arguments.dropFirst()) { try ReplayRole(service: $0).run() }
case ("verify", _):
    run("verify", arguments.dropFirst()) { try VerifyRole(service: $0).run() }
case ("show", "sku"):
    run("show sku", placeFirst(arguments.dropFirst(2), "--id")) { try ShowRole(service: $0).sku() }
case ("show", "reservation"):
    run("show reservation", placeFirst(arguments.dropFirst(2), "--id")) {
        try ShowRole(service: $0).reservation()
    }
case ("show", "order"):
    run("show order", placeFirst(arguments.dropFirst(2), "--id")) { try ShowRole(service: $0).order() }
case ("show", "command"):
    run("show command", placeFirst(arguments.dropFirst(2), "--id")) { try ShowRole(service: $0).command() }
case ("dead-letters", "redrive"):
    run("dead-letters redrive", placesFirst(arguments.dropFirst(2))) {
        try DeadLettersRedrive(service: $0).run()
    }
case ("orders", "stuck"):
    run("orders stuck", arguments.dropFirst(2)) { try OrdersStuck(service: $0).run() }
case ("orders", "show"):
    run("orders show", placeFirst(arguments.dropFirst(2), "--id")) { try OrdersShow(service: $0).run() }
case ("rebuild", _):
    run("rebuild", arguments.dropFirst()) { try RebuildRole(service: $0).run() }
case ("reconcile", _):
    run("reconcile", arguments.dropFirst()) { try ReconcileRole(service: $0).run() }
case ("demo", _):
    run("demo", arguments.dropFirst()) {
        $0.configuration.string("scenario") == "day"
            ? try DayDemo(service: $0).run() : try Demo(service: $0).run()
    }
case ("chaos", _):
    run("chaos", arguments.dropFirst()) { try Chaos(service: $0).run() }
case ("bench", "report"):
    run("bench report", arguments.dropFirst(2)) { try BenchRender(service: $0).run() }
case ("bench", _):
    run("bench", arguments.dropFirst()) { try Bench(service: $0).run() }
case ("scale", _):
    run("scale", arguments.dropFirst()) { try Scale(service: $0).run() }
case ("size", _):
    run("size", arguments.dropFirst()) { try Size(service: $0).run() }
case (let unknown?, let next):
    let name = [unknown, next].compactMap { $0 }.prefix(
        ["topics", "acls", "dead-letters", "show", "orders", "bench"].contains(unknown) ? 2 : 1
    ).joined(separator: " ")
    fail("there is no subcommand \(name)\n\n\(schema.helpText)", .usage)
}

/// Reads the configuration of `role` once, checked whole, and runs it.
func run(_ role: String, _ arguments: ArraySlice<String>, _ body: (Service) throws -> ExitCode) {
    if ConfigurationSchema.asksForHelp(Array(arguments)) {
        print(schema.helpText(role: role))
        return
    }
    let configuration: Configuration
    do throws(ConfigurationErrors) {
        configuration = try HoldfastConfiguration.load(
            arguments: Array(arguments), role: role,
            kafkaProblem: { KafkaConfiguration.problem(with: $0, $1) })
    } catch {
        fail(error.description, .usage)
    }
    let service = Service(configuration: configuration)
    do {
        try body(service).exitProcess()
    } catch let failure as RoleFailure {
        service.logger.error(failure.message)
        failure.exitCode.exitProcess()
    } catch let error as KafkaError {
        service.logger.error(error.description)
        error.exitCode.exitProcess()
    } catch {
        service.logger.error("\(error)")
        ExitCode.internalFault.exitProcess()
    }
}

/// `show 0/17` is short for `show --letter 0/17`.
func placeFirst(_ arguments: ArraySlice<String>, _ flag: String) -> ArraySlice<String> {
    guard let first = arguments.first, !first.hasPrefix("-") else { return arguments }
    return [flag] + arguments
}

/// `redrive 0/17 0/18` is short for `redrive --letter 0/17 --letter 0/18`.
func placesFirst(_ arguments: ArraySlice<String>) -> ArraySlice<String> {
    let places = arguments.prefix { !$0.hasPrefix("-") }
    return places.flatMap { ["--letter", $0] } + arguments.dropFirst(places.count)
}

func fail(_ message: String, _ code: ExitCode) -> Never {
    FileHandle.standardError.write(Data("holdfast: \(message)\n".utf8))
    code.exitProcess()
}
