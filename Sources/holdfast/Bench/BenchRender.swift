import Foundation
import Operations

/// `holdfast bench report`: the tables and the picture of figures that were measured before.
struct BenchRender {
    let service: Service

    func run() throws -> ExitCode {
        let configuration = service.configuration
        guard let path = configuration.optionalString("report") else {
            throw RoleFailure(.usage, "--report FILE is needed: the figures of holdfast bench")
        }
        let (machines, figures) = try Self.lines(path)
        if let picture = configuration.optionalString("picture") {
            try write(
                BenchPicture(
                    figures, load: configuration.optionalString("loads") ?? "hot",
                    rate: Int(configuration.optionalString("rates") ?? "") ?? 10_000
                ).svg(), to: picture)
        }
        for machine in machines { print("Measured on \(machine.text).\n") }
        print(BenchTables(figures).markdown())
        return .success
    }

    /// The lines of a report: figures, and on what they were measured, each machine once.
    static func lines(_ path: String) throws -> (machines: [BenchMachine], figures: [BenchFigure]) {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw RoleFailure(.usage, "--report: \(path) cannot be read")
        }
        var (machines, figures): ([BenchMachine], [BenchFigure]) = ([], [])
        for (number, line) in text.split(separator: "\n").enumerated() {
            let data = Data(line.utf8)
            if let machine = try? JSONDecoder().decode(BenchMachine.self, from: data) {
                if !machines.contains(machine) { machines.append(machine) }
            } else if let figure = try? JSONDecoder().decode(BenchFigure.self, from: data) {
                figures.append(figure)
            } else {
                throw RoleFailure(.usage, "--report: line \(number + 1) of \(path) is no figure")
            }
        }
        return (machines, figures)
    }

    private func write(_ text: String, to path: String) throws {
        do {
            try text.write(toFile: path, atomically: true, encoding: .utf8)
        } catch {
            throw RoleFailure(.usage, "--picture: \(path) cannot be written")
        }
    }
}
