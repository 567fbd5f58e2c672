import InventoryCore
import InventoryWire
import StreamRuntime

/// What the commands of a partition come to in one sitting, without a restart or a fault: each decided once, in the
/// order of the log.
struct Reference {
    struct Output {
        /// The command that it follows from.
        let source: Int64
        let key: [UInt8]?
        let value: [UInt8]?
    }

    /// What an order is told, and in which partition.
    struct Reply {
        let partition: Int32
        let value: [UInt8]
    }

    private final class Replies { var all: [Reply] = [] }

    private(set) var outputs: [Topic: [Output]] = [:]
    private(set) var replies: [Reply] = []
    /// The state before a command, by the offset that was asked for.
    private(set) var states: [Int64: [UInt8]] = [:]
    private(set) var final: [UInt8] = []

    /// - Parameter offsets: where the state is wanted.
    /// - Parameter partitions: how many there are.
    init(
        of commands: [ModelRecord], partition: Int32, partitions: Int32, statesAt offsets: Set<Int64>,
        ownsKey: @escaping (UnsafeRawBufferPointer) -> Bool
    ) throws(LogFailure) {
        let told = Replies()
        var processor = CommandProcessor(
            stock: Stock(), partition: partition, partitions: partitions, ownsKey: ownsKey
        ) {
            told.all.append(Reply(partition: $0, value: Array($2)))
        }
        var wanted = offsets.sorted()[...]
        var outputs: [Topic: [Output]] = [:]
        var skippedBefore: Int64 = 0
        for command in commands where command.offset >= skippedBefore {
            while let offset = wanted.first, offset <= command.offset {
                states[offset] = StateBytes.of(processor.stock)
                wanted.removeFirst()
            }
            var failure: LogFailure?
            withBytes(command.key) { key in
                withBytes(command.value) { value in
                    var record = LogRecord(
                        key: key, value: value, offset: command.offset,
                        timestamp: command.hasAppendTime ? command.timestamp : nil)
                    if let offsets = command.unreadable {
                        record = LogRecord(
                            unreadable: UnreadableBatch(offsets: offsets, reason: .damaged),
                            from: command.offset)
                        skippedBefore = record.next
                    }
                    do throws(LogFailure) {
                        try processor.process(record) { topic, key, value throws(LogFailure) in
                            outputs[topic, default: []].append(
                                Output(
                                    source: command.offset, key: key.map { Array($0) },
                                    value: value.map { Array($0) }))
                        }
                    } catch {
                        failure = error
                    }
                }
            }
            if let failure { throw failure }
        }
        self.outputs = outputs
        replies = told.all
        final = StateBytes.of(processor.stock)
        for offset in wanted { states[offset] = final }
    }
}
