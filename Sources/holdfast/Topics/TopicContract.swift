import Foundation
import Operations

/// What `topics/NAME/topic.json` says of a topic.
struct TopicContract: Decodable, Sendable {
    let name: String
    let partitions: Int
    /// Kafka's own names and values.
    let settings: [String: String]

    /// All contracts below `topics/` of the share directory, by name.
    static func load(_ configuration: Configuration) throws -> [TopicContract] {
        let folder = URL(filePath: try shareDirectory(configuration)).appending(path: "topics")
        return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .map { $0.appending(path: "topic.json") }
            .filter { FileManager.default.fileExists(atPath: $0.path) }
            .map { file in
                do {
                    return try JSONDecoder().decode(TopicContract.self, from: Data(contentsOf: file))
                } catch {
                    throw RoleFailure(.usage, "\(file.path) cannot be read: \(error)")
                }
            }
            .sorted { $0.name < $1.name }
    }

    /// Where `topics/` and `deploy/sql/` are.
    static func shareDirectory(_ configuration: Configuration) throws -> String {
        do throws(ShareDirectoryError) {
            return try ShareDirectory.locate(
                configured: configuration.optionalString("share_directory"),
                executable: ShareDirectory.executable,
                workingDirectory: FileManager.default.currentDirectoryPath)
        } catch {
            throw RoleFailure(.usage, error.description)
        }
    }
}

/// A way in which a topic on the broker is not what its contract says.
enum TopicDrift: Equatable {
    case missing
    case partitions(found: Int, wanted: Int)
    case setting(String, found: String, wanted: String)

    func text(_ topic: String) -> String {
        switch self {
        case .missing: "\(topic): missing"
        case .partitions(let found, let wanted): "\(topic): \(found) partitions, the contract says \(wanted)"
        case .setting(let name, let found, let wanted):
            "\(topic): \(name) is \(found.isEmpty ? "unset" : found), the contract says \(wanted)"
        }
    }
}
