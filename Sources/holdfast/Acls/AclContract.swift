import Foundation
import KafkaClient
import Operations

/// `deploy/acls.txt`: what each role may do on Kafka.
enum AclContract {
    /// Reads the file with the names that this configuration gives to groups, transactional ids and topics.
    static func load(_ configuration: Configuration) throws -> AccessFile {
        let path =
            try configuration.optionalString("acl_file")
            ?? TopicContract.shareDirectory(configuration) + "/deploy/acls.txt"
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw RoleFailure(.usage, "\(path) cannot be read; name another file with --acl-file")
        }
        let names = [
            "@PREFIX@": configuration.string("topic_prefix"), "@GROUP@": configuration.string("group_id"),
            "@TRANSACTIONAL_ID@": configuration.string("transactional_id_prefix"),
        ]
        do throws(AccessFile.Mistake) {
            return try AccessFile(text, names: names)
        } catch {
            throw RoleFailure(.usage, "\(path), line \(error.line): \(error.problem)")
        }
    }
}
