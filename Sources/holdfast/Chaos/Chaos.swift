import Foundation
import Operations

/// `holdfast chaos`: faults on a genuine Kafka and PostgreSQL, one after another, under load.
struct Chaos {
    private let service: Service
    private let progress = DemoProgress()

    init(service: Service) { self.service = service }

    func run() throws -> ExitCode {
        let faults = try chosen()
        if service.configuration.boolean("list") {
            for fault in faults { print(fault.description) }
            return .success
        }
        let seed =
            service.configuration.optionalInteger("seed").map { UInt64($0) } ?? UInt64.random(in: 1...999_999)
        let room = ChaosRoom.fromEnvironment()
        let servers = try ChaosServers(
            configuration: service.configuration, host: room?.outerAddress ?? "127.0.0.1")
        defer { servers.end() }
        progress.phase("\(faults.count) faults, --seed \(seed); servers and logs in \(servers.folder)")
        var report = ChaosReport()
        for fault in faults {
            report.add(try outcome(of: fault, servers, seed))
            if service.shutdown.isRequested { throw RoleFailure(.interrupted, "interrupted") }
        }
        print("\n\(report.table)")
        return report.isFailed(skippingFails: isContinuousIntegration) ? .differenceFound : .success
    }

    private var isContinuousIntegration: Bool {
        !(ProcessInfo.processInfo.environment["CI"] ?? "").isEmpty
    }

    private func chosen() throws -> [ChaosFault] {
        guard let names = service.configuration.optionalString("only")?.split(separator: ",").map(String.init)
        else { return ChaosFault.all }
        let unknown = names.filter { name in !ChaosFault.all.contains { $0.name == name } }
        guard unknown.isEmpty else {
            throw RoleFailure(
                .usage,
                "there is no fault \(unknown.joined(separator: ", ")); there are "
                    + ChaosFault.all.map(\.name).joined(separator: ", "))
        }
        return ChaosFault.all.filter { names.contains($0.name) }
    }

    private func rounds(of fault: ChaosFault) -> Int {
        let configuration = service.configuration
        return configuration.optionalInteger("rounds")
            ?? (configuration.boolean("short") ? fault.shortRounds : fault.rounds)
    }

    /// What came of a fault. One that fails leaves its servers in doubt, so the next fault gets others.
    private func outcome(
        of fault: ChaosFault, _ servers: ChaosServers, _ seed: UInt64
    ) throws -> ChaosReport.Line {
        var line = ChaosReport.Line(fault: fault)
        progress.phase("\(fault.name): \(fault.summary)")
        do {
            if fault.missing(servers) == nil { try servers.start(fault.kafka) }
            // Now it is known, too, whether disks can be made.
            if let reason = fault.missing(servers) {
                line.skipped = reason
                progress.note("skipped: \(reason)")
                return line
            }
            try play(fault, servers, seed, &line)
        } catch let failure as RoleFailure where failure.exitCode != .interrupted {
            line.failure = failure.message
        } catch let error where !(error is RoleFailure) {
            line.failure = "\(error)"
        }
        if let failure = line.failure {
            progress.note("FAILED: \(failure)")
            servers.end()
        }
        return line
    }

    private func play(
        _ fault: ChaosFault, _ servers: ChaosServers, _ seed: UInt64, _ line: inout ChaosReport.Line
    ) throws {
        let stage = try ChaosStage(service: service, servers: servers, fault: fault, seed: seed)
        defer {
            line.restarts = stage.cast.restarts
            stage.end()
        }
        do {
            try playRounds(of: fault, on: stage, &line)
        } catch {
            if !service.shutdown.isRequested { stage.printState() }
            throw error
        }
    }

    private func playRounds(
        of fault: ChaosFault, on stage: ChaosStage, _ line: inout ChaosReport.Line
    ) throws {
        try fault.begin(stage)
        try stage.beginLoad()
        let count = rounds(of: fault)
        for round in 0..<count {
            let seconds = try fault.play(stage, round)
            line.recoveries.append(seconds)
            progress.note(
                "\(fault.name) \(round + 1) of \(count): \(stage.detail)recovered in "
                    + "\(String(format: "%.2f", seconds)) s")
            stage.detail = ""
        }
        line.checks = try stage.settle()
        let failed = line.checks.filter { !$0.isTrue }
        progress.note(
            "\(line.checks.count - failed.count) of \(line.checks.count) checks passed; "
                + "\(stage.cast.restarts) processes ended by themselves and were started again"
                + (stage.load.repeated > 0
                    ? "; \(stage.load.repeated) records were not delivered at first and published again" : "")
        )
        if !failed.isEmpty { print(Check.table(line.checks)) }
    }
}
