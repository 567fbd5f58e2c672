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
    private var movements = WordText<Movement>()
    private var commands = WordText<CommandKind>()
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
        withUnsafePointer(to: entry) { writeCanonicalForm(of: $0, after: previous) }
        return digest()
    }

    /// Seals the entries of one command, which are of one SKU, in their order.
    ///
    /// - Parameter previous: of the entry before the first.
    /// - Returns: the hash of the last.
    package mutating func seal(_ entries: inout [LedgerEntry], after previous: ChainHash) -> ChainHash {
        var previous = previous
        entries.withUnsafeMutableBufferPointer { entries in
            guard let start = entries.baseAddress else { return }
            for index in entries.indices {
                writeCanonicalForm(of: UnsafePointer(start + index), after: previous)
                previous = digest()
                entries[index].chainHash = previous
            }
        }
        return previous
    }

    /// The canonical form itself, for tests.
    package mutating func canonicalForm(of entry: LedgerEntry, after previous: ChainHash) -> [UInt8] {
        withUnsafePointer(to: entry) { writeCanonicalForm(of: $0, after: previous) }
        return bytes.withBytes { Array($0) }
    }

    /// By the entry's place: a field of a large value is read there at once, and else through a call.
    private mutating func writeCanonicalForm(of entry: UnsafePointer<LedgerEntry>, after previous: ChainHash)
    {
        bytes.removeAll()
        bytes.append(Self.form)
        bytes.append("64:")
        bytes.append(hexadecimal: previous)
        bytes.append(0x2C)
        let ids = entry.pointee.packed
        append(ids.sku)
        append(entry.pointee.generation)
        append(entry.pointee.sequence)
        append(entry.pointee.more)
        append(movements.text(of: entry.pointee.movement))
        append(entry.pointee.at.milliseconds)
        append(commands.text(of: entry.pointee.command))
        append(ids.command)
        bytes.append("16:")
        bytes.append(hexadecimal: entry.pointee.commandHash)
        bytes.append(0x2C)
        append(Int64(entry.pointee.source.partition))
        append(entry.pointee.source.offset)
        append(ids.reservation)
        append(ids.order)
        // Most entries have nothing of what is rare, and are asked for it once.
        let rare = entry.pointee.rare
        append(rare?.value.transferID)
        append(entry.pointee.origin)
        append(entry.pointee.channel)
        append(entry.pointee.warehouse)
        append(rare?.value.counterpart)
        append(entry.pointee.quantity)
        append(rare?.value.requested)
        append(entry.pointee.remaining)
        append(entry.pointee.expiresAt?.milliseconds)
        append(rare?.value.expectedAt?.milliseconds)
        append(entry.pointee.isNamed)
        append(entry.pointee.allowSplit)
        appendBalances(of: entry)
        append(entry.pointee.reason?.rawValue)
        guard let rare else { return bytes.append("-,-,-,-,-,") }
        append(rare.value.condition?.rawValue)
        append(rare.value.reasonCode?.rawValue)
        append(rare.value.note)
        append(rare.value.reference)
        append(writer.details(of: entry.pointee))
    }

    private mutating func appendBalances(of entry: UnsafePointer<LedgerEntry>) {
        append(entry.pointee.deltas.onHand)
        append(entry.pointee.deltas.reserved)
        append(entry.pointee.deltas.inTransit)
        append(entry.pointee.deltas.damaged)
        append(entry.pointee.deltas.backordered)
        let (movement, deltas) = (entry.pointee.movement, entry.pointee.deltas)
        if LedgerEntry.hasBalances(movement, in: entry.pointee.warehouse, deltas) {
            append(entry.pointee.balances.onHand)
            append(entry.pointee.balances.reserved)
            append(entry.pointee.balances.inTransit)
            append(entry.pointee.balances.damaged)
            append(entry.pointee.setApart)
        } else {
            bytes.append("-,-,-,-,-,")
        }
        append(entry.pointee.deltas.backordered == 0 ? nil : entry.pointee.balances.backordered)
    }

    private mutating func append(_ id: PackedID) {
        if id.isNone { return appendNothing() }
        bytes.extend(atMost: PackedID.room + ByteBuffer.decimalRoom + 2) { place in
            let digits = ByteBuffer.write(decimal: Int64(id.count), to: place)
            place[digits] = 0x3A
            id.write(to: place + digits + 1)
            place[digits + 1 + id.count] = 0x2C
            return digits + id.count + 2
        }
    }

    @inline(__always)
    private mutating func append(_ id: ID?) { append(id?.text) }

    private mutating func append(_ text: String?) {
        if let text { append(text) } else { appendNothing() }
    }

    private mutating func append(_ text: String) {
        text.withBytes { utf8 in
            let count = utf8.count
            bytes.extend(atMost: ByteBuffer.decimalRoom + 2 + count) { place in
                let digits = ByteBuffer.write(decimal: Int64(count), to: place)
                place[digits] = 0x3A
                if let start = utf8.baseAddress { ByteBuffer.copy(start, count, to: place + digits + 1) }
                place[digits + 1 + count] = 0x2C
                return digits + count + 2
            }
        }
    }

    @inline(__always)
    private mutating func append(_ flag: Bool) {
        bytes.append(flag ? "4:true," as StaticString : "5:false,")
    }

    @inline(__always)
    private mutating func append(_ number: Int64?) {
        if let number { append(number) } else { appendNothing() }
    }

    private mutating func append(_ number: Int64) {
        bytes.extend(atMost: 2 * ByteBuffer.decimalRoom) { place in
            // Behind two bytes for the number of its characters, which has one digit as a rule.
            let count = ByteBuffer.write(decimal: number, to: place + 2)
            if count < 10 {
                place[0] = 0x30 + UInt8(truncatingIfNeeded: count)
                place[1] = 0x3A
                place[2 + count] = 0x2C
                return count + 3
            }
            place[0] = 0x30 + UInt8(truncatingIfNeeded: count / 10)
            place[1] = 0x30 + UInt8(truncatingIfNeeded: count % 10)
            place[2] = 0x3A
            let again = ByteBuffer.write(decimal: number, to: place + 3)
            place[3 + again] = 0x2C
            return again + 4
        }
    }

    @inline(__always)
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
