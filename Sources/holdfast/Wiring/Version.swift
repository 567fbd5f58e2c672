import InventoryWire
import KafkaClient
import PostgresClient

enum Version {
    /// Semantic version of the program; CHANGELOG.md tells what it holds.
    static let number = "0.1.0-dev"

    static func print() {
        Swift.print("holdfast \(number)")
        Swift.print("librdkafka \(LibraryVersion.name)")
        Swift.print(PostgresLibrary.name)
        Swift.print("libcrypto \(SHA256Digest.libraryVersion)")
    }
}
