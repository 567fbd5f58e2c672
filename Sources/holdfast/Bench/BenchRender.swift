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
        let figures = try Self.figures(path)
        if let picture = configuration.optionalString("picture") {
            try write(
                BenchPicture(
                    figures, load: configuration.optionalString("loads") ?? "hot",
                    rate: Int(configuration.optionalString("rates") ?? "") ?? 10_000
                ).svg(), to: picture)
        }
        print(BenchTables(figures).markdown())
        return .success
    }

    /// The lines of a report.
    static func figures(_ path: String) throws -> [BenchFigure] {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw RoleFailure(.usage, "--report: \(path) cannot be read")
        }
        return try text.split(separator: "\n").enumerated().map { number, line in
            do {
                return try JSONDecoder().decode(BenchFigure.self, from: Data(line.utf8))
            } catch {
                throw RoleFailure(.usage, "--report: line \(number + 1) of \(path) is no figure")
            }
        }
    }

    private func write(_ text: String, to path: String) throws {
        do {
            try text.write(toFile: path, atomically: true, encoding: .utf8)
        } catch {
            throw RoleFailure(.usage, "--picture: \(path) cannot be written")
        }
    }
}
