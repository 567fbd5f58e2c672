import InventoryCore
import InventoryWire
import StreamRuntime

/// Records of commands, one after another in one piece of memory, so that giving them out costs nothing.
struct Records {
    private var bytes: [UInt8] = []
    /// Where each record's key ends and its value ends.
    private var ends: [(key: Int, value: Int)] = []
    private var writer = RecordWriter()

    /// The time of the first record: 2026-11-24T09:00:00Z.
    static let firstTime: Int64 = 1_795_510_800_000

    var count: Int { ends.count }
    var meanBytes: Int { count == 0 ? 0 : bytes.count / count }

    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
    }

    mutating func append(_ command: Command) {
        bytes.append(contentsOf: command.sku.text.utf8)
        let key = bytes.count
        writer.write(command: command)
        writer.withBytes { bytes.append(contentsOf: $0) }
        ends.append((key, bytes.count))
    }

    /// Gives each record to `body`, with offsets from `offset` on; ten commands come in a millisecond.
    func forEach(from offset: Int64, _ body: (LogRecord) -> Void) {
        bytes.withUnsafeBytes { bytes in
            var start = 0
            for (place, end) in ends.enumerated() {
                let offset = offset + Int64(place)
                body(
                    LogRecord(
                        key: UnsafeRawBufferPointer(rebasing: bytes[start..<end.key]),
                        value: UnsafeRawBufferPointer(rebasing: bytes[end.key..<end.value]),
                        offset: offset, timestamp: Self.time(of: offset).milliseconds))
                start = end.value
            }
        }
    }

    /// A window that the commands before the first round fill, so that what is measured forgets as it remembers.
    static let settings = Settings(dedupeCount: 65_536)

    static func time(of offset: Int64) -> Timestamp { Timestamp(milliseconds: firstTime + offset / 10) }
}
