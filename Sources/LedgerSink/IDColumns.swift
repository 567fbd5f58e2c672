import InventoryCore
import PostgresClient

// Ids in PostgreSQL are text. Its deterministic collations compare text by bytes, as `ID` does.

extension BinaryCopyWriter {
    /// - Throws: as for a text.
    mutating func append(_ id: ID) throws(PostgresError) { try append(id.text) }

    /// - Throws: as for a text.
    mutating func append(_ id: ID?) throws(PostgresError) { try append(id?.text) }
}

extension QueryResult {
    /// - Throws: as `text` does.
    package func id(_ row: Int, _ column: Int) throws(PostgresError) -> ID? {
        try text(row, column).map { ID($0) }
    }
}

extension Parameter {
    package static func id(_ id: ID) -> Parameter { .text(id.text) }
    package static func ids(_ ids: [ID]) -> Parameter { .textArray(ids.map(\.text)) }
}
