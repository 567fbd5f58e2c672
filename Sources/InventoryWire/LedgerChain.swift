import CCrypto
import InventoryCore

/// Computes the hashes that chain the ledger (DESIGN.md, rule 8): SHA-256 over a canonical form of an entry that
/// begins with the hash of the entry before it of the same SKU. `deploy/sql/006_chain.sql` computes the same of
/// the rows of PostgreSQL, and docs/ledger.md tells the form.
///
/// The form is a row of fields, each written as a netstring (D. J. Bernstein, 1997): the number of its bytes, a
/// colon, the bytes, a comma; `-,` for a field that is not there. So no two entries have the same.
package struct LedgerChain: ~Copyable {
    /// Tells the form, so that another one could follow.
    private static let form: StaticString = "17:holdfast ledger 1,"

    private var bytes = ByteBuffer()
    private var writer = RecordWriter()
    private let algorithm: OpaquePointer
    private let context: OpaquePointer

    package init() {
        // Fetched once, because OpenSSL 3 looks for the algorithm anew with each one-shot call
        // (EVP_MD_fetch, EVP_MD_CTX_new in openssl/evp.h).
        guard let algorithm = EVP_MD_fetch(nil, "SHA256", nil), let context = EVP_MD_CTX_new() else {
            preconditionFailure("libcrypto has no SHA256")
        }
        self.algorithm = algorithm
        self.context = context
    }

    deinit {
        EVP_MD_CTX_free(context)
        EVP_MD_free(algorithm)
    }

    /// The hash of an entry, whose own `chainHash` does not count.
    ///
    /// - Parameter previous: of the entry before it of the same SKU; `origin` for the first.
    package mutating func hash(of entry: LedgerEntry, after previous: ChainHash) -> ChainHash {
        writeCanonicalForm(of: entry, after: previous)
        return digest()
    }

    /// Seals the entries of one command, which are of one SKU, in their order.
    ///
    /// - Parameter previous: of the entry before the first.
    /// - Returns: the hash of the last.
    package mutating func seal(_ entries: inout [LedgerEntry], after previous: ChainHash) -> ChainHash {
        var previous = previous
        for index in entries.indices {
            previous = hash(of: entries[index], after: previous)
            entries[index].chainHash = previous
        }
        return previous
    }

    /// The canonical form itself, for tests.
    package mutating func canonicalForm(of entry: LedgerEntry, after previous: ChainHash) -> [UInt8] {
        writeCanonicalForm(of: entry, after: previous)
        return bytes.withBytes { Array($0) }
    }

    private mutating func writeCanonicalForm(of entry: LedgerEntry, after previous: ChainHash) {
        bytes.removeAll()
        bytes.append(Self.form)
        bytes.append("64:")
        bytes.append(hexadecimal: previous)
        bytes.append(0x2C)
        append(entry.sku)
        append(entry.generation)
        append(entry.sequence)
        append(entry.more)
        append(entry.movement.rawValue)
        append(entry.at.milliseconds)
        append(entry.command.rawValue)
        append(entry.commandID)
        bytes.append("16:")
        bytes.append(hexadecimal: entry.commandHash)
        bytes.append(0x2C)
        append(Int64(entry.source.partition))
        append(entry.source.offset)
        append(entry.reservationID)
        append(entry.orderID)
        append(entry.transferID)
        append(entry.origin)
        append(entry.channel)
        append(entry.warehouse)
        append(entry.counterpart)
        append(entry.quantity)
        append(entry.requested)
        append(entry.remaining)
        append(entry.expiresAt?.milliseconds)
        append(entry.expectedAt?.milliseconds)
        append(entry.isNamed)
        append(entry.allowSplit)
        appendBalances(of: entry)
        append(entry.reason?.rawValue)
        append(entry.condition?.rawValue)
        append(entry.reasonCode?.rawValue)
        append(entry.note)
        append(entry.reference)
        append(writer.details(of: entry))
    }

    private mutating func appendBalances(of entry: LedgerEntry) {
        append(entry.deltas.onHand)
        append(entry.deltas.reserved)
        append(entry.deltas.inTransit)
        append(entry.deltas.damaged)
        append(entry.deltas.backordered)
        let balances = entry.hasBalances ? entry.balances : nil
        append(balances?.onHand)
        append(balances?.reserved)
        append(balances?.inTransit)
        append(balances?.damaged)
        append(balances == nil ? nil : entry.setApart)
        append(entry.deltas.backordered == 0 ? nil : entry.balances.backordered)
    }

    private mutating func append(_ text: String?) {
        guard var text else { return appendNothing() }
        text.withUTF8 { utf8 in
            field(of: utf8.count) { place in
                if let start = utf8.baseAddress { ByteBuffer.copy(start, utf8.count, to: place) }
            }
        }
    }

    /// Writes the number of bytes, the colon and the comma; `body` writes the bytes.
    private mutating func field(of count: Int, _ body: (UnsafeMutablePointer<UInt8>) -> Void) {
        let digits = ByteBuffer.digitCount(UInt64(count))
        bytes.extend(by: digits + 1 + count + 1) { place in
            ByteBuffer.write(UInt64(count), digits, to: place)
            place[digits] = 0x3A
            body(place + digits + 1)
            place[digits + 1 + count] = 0x2C
        }
    }

    private mutating func append(_ flag: Bool) {
        bytes.append(flag ? "4:true," as StaticString : "5:false,")
    }

    private mutating func append(_ number: Int64?) {
        guard let number else { return appendNothing() }
        let digits = ByteBuffer.digitCount(number.magnitude)
        let sign = number < 0 ? 1 : 0
        field(of: sign + digits) { place in
            if number < 0 { place[0] = 0x2D }
            ByteBuffer.write(number.magnitude, digits, to: place + sign)
        }
    }

    private mutating func appendNothing() { bytes.append("-,") }

    /// Of the bytes (`EVP_DigestInit_ex2`, `EVP_DigestUpdate`, `EVP_DigestFinal_ex`).
    private func digest() -> ChainHash {
        withUnsafeTemporaryAllocation(byteCount: Int(SHA256_DIGEST_LENGTH), alignment: 8) { digest in
            let isDone =
                EVP_DigestInit_ex2(context, algorithm, nil) == 1
                && bytes.withBytes({ EVP_DigestUpdate(context, $0.baseAddress, $0.count) }) == 1
                && EVP_DigestFinal_ex(context, digest.assumingMemoryBound(to: UInt8.self).baseAddress, nil)
                    == 1
            precondition(isDone, "libcrypto could not compute a SHA-256")
            func word(_ number: Int) -> UInt64 {
                UInt64(bigEndian: digest.loadUnaligned(fromByteOffset: 8 * number, as: UInt64.self))
            }
            return ChainHash(word(0), word(1), word(2), word(3))
        }
    }
}
