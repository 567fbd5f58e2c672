import PostgresClient

/// A connection as a store of the sink uses it: in the application's role, for one schema, with one topic's offsets.
/// Drop it after an error, and open another.
package final class SinkSession {
    let connection: Connection
    let topic: String
    let schema: String

    /// - Parameters:
    ///   - topic: the topic's name on its cluster, by which its offsets are stored.
    ///   - tables: what the store needs.
    /// - Throws: `DatabaseRefusal` when something of it is not there, else `PostgresError`.
    init(
        connection: Connection, role: String, topic: String, schema: String, tables: [DatabaseNeeds.Table]
    ) throws {
        self.connection = connection
        self.topic = topic
        self.schema = schema
        try DatabaseNeeds(connection, role: role, schema: schema).checkStorage(tables)
        try connection.execute("SET ROLE \(connection.quoted(identifier: role))")
    }

    /// A statement that names the schema `holdfast`, for the one that is written into.
    func sql(_ text: String) -> String { SchemaMigrator.sql(text, in: schema) }

    /// Runs `body` in a transaction in which the schema cannot be swapped (`SchemaSwap`): it waits for a swap that
    /// is under way, and its statements then find the new tables, with the new offsets.
    func transaction<Value>(_ body: () throws -> Value) throws -> Value {
        try connection.transaction { _ in
            if schema == SchemaMigrator.schema {
                try connection.execute("SELECT pg_advisory_xact_lock_shared(hashtext('holdfast.swap'))")
            }
            return try body()
        }
    }

    /// The next offset of each partition; 0 for one that was never read.
    func offsets(of partitions: Range<Int32>) throws -> [Int32: Int64] {
        try connection.query(
            sql(
                """
                INSERT INTO holdfast.sink_offsets (topic, partition, next_offset)
                SELECT $1, unnest($2), 0 ON CONFLICT DO NOTHING
                """), [.text(topic), .int32Array(Array(partitions))])
        let result = try connection.query(
            sql("SELECT partition, next_offset FROM holdfast.sink_offsets WHERE topic = $1"), [.text(topic)])
        var offsets: [Int32: Int64] = [:]
        for row in 0..<result.rowCount {
            guard let partition = try result.int32(row, 0), partitions.contains(partition) else { continue }
            offsets[partition] = try result.int64(row, 1)
        }
        return offsets
    }

    /// Moves the offsets over a batch. First in its transaction, because it takes the lock that a second sink waits for.
    /// - Throws: `SinkFault` when they are not what this sink left there.
    func moveOffsets(_ batch: SinkBatch<some SinkRow>) throws {
        let moved = batch.spans.filter { $0.value.next != $0.value.expected || !batch.isEmpty }
            .sorted { $0.key < $1.key }
        let touched = try connection.query(
            sql(
                """
                UPDATE holdfast.sink_offsets s SET next_offset = v.next
                FROM unnest($2, $3, $4) AS v (partition, expected, next)
                WHERE s.topic = $1 AND s.partition = v.partition AND s.next_offset = v.expected
                """),
            [
                .text(topic), .int32Array(moved.map(\.key)), .int64Array(moved.map(\.value.expected)),
                .int64Array(moved.map(\.value.next)),
            ]
        ).affectedRows
        guard touched == moved.count else { throw SinkFault.otherSink(topic, moved.map(\.key)) }
    }
}
