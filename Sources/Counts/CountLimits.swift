import InventoryCore

/// Every bound of a count's file, in one place. What goes over one is refused by its name.
package enum CountLimits {
    /// The largest file, in bytes.
    package static let fileBytes = 1 << 30

    /// The most rows of a file, those that are refused included.
    package static let rows = 1_000_000

    /// The longest row, in bytes. The rows after a longer one are read, unless a quote in it is not closed.
    package static let rowBytes = 1 << 20

    /// How many rows may stand above the header.
    static let rowsAboveHeader = 20

    /// The longest name as it is written, in bytes of UTF-8: with the blanks and the text guard around it. Without them
    /// it is an id, which has its own limit.
    static let writtenNameBytes = 4 * Limits.idBytes

    /// For how many unknown names of each column spellings are compared: each with every known name.
    static let comparedNames = 50

    /// How many known names are proposed for an unknown one.
    static let proposals = 3

    /// How many of the warehouses that a SKU is in are named where it is not in another; the rest is counted.
    static let namedWarehouses = 3
}
