import Foundation
import Testing

/// A consumer that follows a topic and asks anew every few milliseconds costs an idle broker a third of a core, and no
/// record comes earlier by it.
@Suite("How long consumers let a broker wait for records")
struct FetchWaitTests {
    private static let setting = "fetch.wait.max.ms"

    /// The lines of all sources that set it, and the files that they stand in.
    private func lines(with text: String) throws -> [(file: String, line: String)] {
        let project = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let sources = project.appending(path: "Sources")
        let files = try #require(FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil))
        return try files.compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }.flatMap { file in
            try String(contentsOf: file, encoding: .utf8).split(separator: "\n").filter {
                $0.contains(text) && !$0.drop { $0 == " " }.starts(with: "//")
            }.map { (file.lastPathComponent, String($0)) }
        }
    }

    @Test("Only who reads to an end and then stops sets it, by the one function for that")
    func onlyReadersToAnEnd() throws {
        let set = try lines(with: "\"\(Self.setting)\"")
        #expect(set.map(\.file) == ["KafkaSettings.swift"])
        let waits = try lines(with: "longestWait: ").map(\.line).filter {
            $0.contains("reader(isolation: isolation")
        }
        #expect(
            waits.map { $0.drop { $0 == " " } } == [
                "reader(isolation: isolation, longestWait: nil)",
                "reader(isolation: isolation, longestWait: 5)",
            ])
    }

    @Test("Those that follow a topic do not read by the settings of readers to an end")
    func followers() throws {
        let readers = Set(try lines(with: "readerToEnd(isolation:").map(\.file))
        #expect(
            readers == [
                "KafkaSettings.swift", "TopicScan.swift", "TopicCursor.swift", "AuditReading.swift",
                "KafkaPartitionReader.swift", "Standby.swift", "BenchRestore.swift",
            ])
    }
}
