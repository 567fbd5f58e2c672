/// The SHA-256 that chains a ledger entry to the one before it of the same SKU (DESIGN.md, rule 8). The core carries
/// it and compares it; who writes the ledger computes it, over the entry as it is written.
///
/// 32 bytes as four words, the first byte in the topmost bits of the first.
package struct ChainHash: Hashable, Sendable {
    package let first: UInt64
    package let second: UInt64
    package let third: UInt64
    package let fourth: UInt64

    package init(_ first: UInt64, _ second: UInt64, _ third: UInt64, _ fourth: UInt64) {
        (self.first, self.second, self.third, self.fourth) = (first, second, third, fourth)
    }

    /// What stands before the first entry of a SKU: 32 zero bytes. Also of an entry that is not sealed yet.
    package static let origin = ChainHash(0, 0, 0, 0)
}
