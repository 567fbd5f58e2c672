import InventoryCore

/// The key of a record of `stock.reservations` and `stock.transfers`: a compact JSON array of the SKU and the id, such
/// as `["TEA-250","r-1"]`, in memory that is used again and again.
///
/// `RecordWriter` and this write texts alike, so each name has one key, and each key one name.
package struct OwnedKey: Sendable {
    /// No key has more bytes: two ids of which each byte is escaped, and what stands around them.
    static let room = 2 * (2 * Limits.idBytes) + 7

    private var json = JSONBuffer()

    package init() {}

    package mutating func set(sku: PackedID, id: PackedID) { json.pair(sku, id) }

    package mutating func set(_ name: OwnedID) { set(sku: PackedID(name.sku), id: PackedID(name.id)) }

    package func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try json.withBytes(body)
    }

    /// Whether a record's key is that of a name.
    package mutating func isKey(_ key: UnsafeRawBufferPointer?, of name: OwnedID) -> Bool {
        guard let key else { return false }
        set(name)
        return withBytes { $0.elementsEqual(key) }
    }
}
