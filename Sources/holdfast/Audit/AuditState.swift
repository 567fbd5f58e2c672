import Audit
import Foundation
import InventoryCore
import InventoryWire
import Operations

/// What an audit leaves for the next one: of each partition, where it stopped and the state there, in the words of
/// the topics. One line a thing; each partition's lines end with their SHA-256.
///
///     holdfast verify 1
///     {"prefix":"","partitions":12,"database":"..."}   the database whose rows were looked at, if any were
///     P {"commands":...}      where to go on
///     L {...}                 levels of a SKU
///     R {...}, T {...}        a live reservation, a transfer under way
///     # SHA-256 of the partition's lines
///     O {"0":...}             where to go on in each partition of order.outcomes; only where there is one
///     # SHA-256 of that line
enum AuditState {
    static let title = "holdfast verify 1"

    struct Header: Codable {
        var prefix: String
        var partitions: Int32
        /// `DatabaseSnapshot.identity`; nil where the topics alone were looked at.
        var database: String?

        func isOfTopics(of other: Header) -> Bool {
            prefix == other.prefix && partitions == other.partitions
        }
    }

    struct Section {
        var position: PartitionStreams.Position
        var levels: [[UInt8]] = []
        var reservations: [[UInt8]] = []
        var transfers: [[UInt8]] = []
    }

    static func lines(_ stock: Stock, _ position: PartitionStreams.Position) throws -> [UInt8] {
        var writer = RecordWriter()
        var bytes: [UInt8] = Array("P ".utf8) + [UInt8](try JSONEncoder().encode(position)) + [0x0A]
        func append(_ kind: String) {
            bytes += Array(kind.utf8)
            writer.withBytes { bytes += $0 }
            bytes.append(0x0A)
        }
        for sku in stock.skus.sorted() where stock.sequence(of: sku) > 0 {
            writer.write(levels: stock.levels(of: sku)!)
            append("L ")
            for reservation in stock.liveReservations(of: sku) {
                writer.write(reservation: reservation)
                append("R ")
            }
        }
        for transfer in stock.allTransfers {
            writer.write(transfer: transfer)
            append("T ")
        }
        return sealed(bytes)
    }

    /// - Parameter orders: of each partition of `order.outcomes`, where to go on.
    static func lines(orders: [Int32: Int64]) throws -> [UInt8] {
        let named = Dictionary(uniqueKeysWithValues: orders.map { ("\($0.key)", $0.value) })
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return sealed(Array("O ".utf8) + [UInt8](try encoder.encode(named)) + [0x0A])
    }

    private static func sealed(_ bytes: [UInt8]) -> [UInt8] {
        let digest = bytes.withUnsafeBytes { SHA256Digest.hexadecimal($0) }
        return bytes + Array("# \(digest)\n".utf8)
    }
}

/// Reads a state file partition by partition.
final class AuditStateReader {
    let header: AuditState.Header
    private let path: String
    private let file: UnsafeMutablePointer<FILE>

    /// - Returns: nil where there is no such file.
    init?(path: String) throws {
        self.path = path
        guard let file = fopen(path, "rb") else {
            if errno == ENOENT { return nil }
            throw RoleFailure(.usage, "--state \(path): \(String(cString: strerror(errno)))")
        }
        self.file = file
        guard try Self.line(file) == Array(AuditState.title.utf8), let second = try Self.line(file),
            let header = try? JSONDecoder().decode(AuditState.Header.self, from: Data(second))
        else { throw Self.damaged(path, "it is no state of this version") }
        self.header = header
    }

    deinit { fclose(file) }

    static func damaged(_ path: String, _ why: String) -> RoleFailure {
        RoleFailure(.usage, "--state \(path): \(why); remove the file to begin anew")
    }

    private static func line(_ file: UnsafeMutablePointer<FILE>) throws -> [UInt8]? {
        var pointer: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(pointer) }
        let count = getline(&pointer, &capacity, file)
        guard count > 0, let pointer else { return nil }
        let bytes = UnsafeRawBufferPointer(start: pointer, count: count)
        return Array(bytes.last == 0x0A ? bytes.dropLast() : bytes[...])
    }

    /// Where to go on, in all partitions; the whole file is checked.
    func positions() throws -> [Int32: PartitionStreams.Position] {
        var positions: [Int32: PartitionStreams.Position] = [:]
        for partition in 0..<header.partitions { positions[partition] = try section().position }
        return positions
    }

    /// The next partition's.
    func section() throws -> AuditState.Section {
        var section: AuditState.Section?
        var text: [UInt8] = []
        while let line = try Self.line(file) {
            let rest = Array(line.dropFirst(2))
            switch line.first {
            case UInt8(ascii: "#"):
                let digest = text.withUnsafeBytes { SHA256Digest.hexadecimal($0) }
                guard let section, Array(digest.utf8) == rest else {
                    throw Self.damaged(path, "its checksum is wrong")
                }
                return section
            case UInt8(ascii: "P"):
                section = (try? JSONDecoder().decode(PartitionStreams.Position.self, from: Data(rest))).map {
                    AuditState.Section(position: $0)
                }
            case UInt8(ascii: "L"): section?.levels.append(rest)
            case UInt8(ascii: "R"): section?.reservations.append(rest)
            case UInt8(ascii: "T"): section?.transfers.append(rest)
            default: throw Self.damaged(path, "a line of it cannot be read")
            }
            text += line
            text.append(0x0A)
        }
        throw Self.damaged(path, "it ends too early")
    }

    /// Where to go on in `order.outcomes`, after the last partition's section; empty where nothing says so.
    func orders() throws -> [Int32: Int64] {
        guard let line = try Self.line(file) else { return [:] }
        let digest = (line + [0x0A]).withUnsafeBytes { SHA256Digest.hexadecimal($0) }
        guard try Self.line(file) == Array("# \(digest)".utf8) else {
            throw Self.damaged(path, "its checksum is wrong")
        }
        guard line.starts(with: Array("O ".utf8)),
            let named = try? JSONDecoder().decode([String: Int64].self, from: Data(line.dropFirst(2)))
        else { throw Self.damaged(path, "a line of it cannot be read") }
        return Dictionary(
            uniqueKeysWithValues: named.compactMap { key, offset in Int32(key).map { ($0, offset) } })
    }

    /// The state of a section, with the ledger's tail before it, which the topic still has.
    func stock(
        _ section: AuditState.Section, tail: (_ length: Int, _ restore: inout StockRestore) throws -> Void
    ) throws -> Stock {
        var restore = StockRestore()
        var reader = RecordReader()
        do throws(DecodingFailure) {
            for line in section.levels {
                restore.add(try decode(line) { b throws(DecodingFailure) in try reader.levels(b) })
            }
            for line in section.reservations {
                restore.add(try decode(line) { b throws(DecodingFailure) in try reader.reservation(b) })
            }
            for line in section.transfers {
                restore.add(try decode(line) { b throws(DecodingFailure) in try reader.transfer(b) })
            }
        } catch {
            throw Self.damaged(path, error.detail)
        }
        try tail(restore.tailLength, &restore)
        do throws(Inconsistency) {
            return try restore.finish()
        } catch {
            throw RoleFailure(
                .differenceFound,
                "the state in \(path) and the ledger before it disagree: SKU \(error.sku): \(error.description); "
                    + "next: holdfast verify without --state")
        }
    }
}

/// Writes a state file beside the one that is there, and puts it in its place when all is written.
final class AuditStateWriter {
    private let path: String
    private let temporary: String
    private let handle: FileHandle

    init(path: String, header: AuditState.Header) throws {
        self.path = path
        temporary = path + ".\(getpid())"
        guard FileManager.default.createFile(atPath: temporary, contents: nil),
            let handle = FileHandle(forWritingAtPath: temporary)
        else { throw RoleFailure(.usage, "--state \(path): no file can be written beside it") }
        self.handle = handle
        try write(Array("\(AuditState.title)\n".utf8) + [UInt8](try JSONEncoder().encode(header)) + [0x0A])
    }

    func write(_ bytes: [UInt8]) throws { try handle.write(contentsOf: Data(bytes)) }

    func finish() throws {
        try handle.synchronize()
        try handle.close()
        guard rename(temporary, path) == 0 else {
            throw RoleFailure(.internalFault, "--state \(path): \(String(cString: strerror(errno)))")
        }
    }

    /// Leaves the one that is there.
    func abandon() {
        try? handle.close()
        unlink(temporary)
    }
}
