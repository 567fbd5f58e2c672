import InventoryCore
import InventoryWire
import Testing

@Suite("The chain of the ledger")
struct LedgerChainTests {
    private static let first = ChainHash(hexadecimal: String(repeating: "a", count: 64))!

    private static let entry: LedgerEntry = {
        var entry = LedgerEntry(
            sku: "Tee-grün", generation: 2, sequence: 7, more: true, movement: .reserve,
            at: Timestamp(milliseconds: 1_795_510_800_003), source: Source(partition: 3, offset: 42),
            command: .reserve, commandID: "c-1", commandHash: 0xFF, reservationID: "r-1", orderID: "o-1",
            warehouse: "BER", quantity: 4, remaining: 4,
            expiresAt: Timestamp(milliseconds: 1_795_510_860_003),
            deltas: LedgerEntry.Deltas(reserved: 4),
            balances: LedgerEntry.Deltas(onHand: 5, reserved: 4))
        entry.origin = 7
        return entry
    }()

    @Test("The canonical form of an entry is the one that docs/ledger.md tells, byte for byte")
    func canonicalForm() {
        var chain = LedgerChain()
        let form = String(
            decoding: chain.canonicalForm(of: Self.entry, after: Self.first), as: UTF8.self)
        #expect(
            form == """
                17:holdfast ledger 1,64:\(String(repeating: "a", count: 64)),9:Tee-grün,1:2,1:7,4:true,7:reserve,\
                13:1795510800003,7:reserve,3:c-1,16:00000000000000ff,1:3,2:42,3:r-1,3:o-1,-,1:7,-,3:BER,-,1:4,-,\
                1:4,13:1795510860003,-,5:false,4:true,1:0,1:4,1:0,1:0,1:0,1:5,1:4,1:0,1:0,1:0,-,-,-,-,-,-,-,
                """)
        // Computed with sha256sum over the text above.
        #expect(
            chain.hash(of: Self.entry, after: Self.first).hexadecimal
                == "7a69e5bd6f0c15253b9939b0c27338d4bc29b39d20f8d0cf1a8569a292c455ca")
    }

    @Test("Another value of any field, or another entry before it, gives another hash")
    func everyFieldCounts() {
        var chain = LedgerChain()
        let changes: [(inout LedgerEntry) -> Void] = [
            { $0.sku = "B" }, { $0.generation = 3 }, { $0.sequence = 8 }, { $0.more = false },
            { $0.movement = .reacquire }, { $0.at.milliseconds += 1 }, { $0.source.partition = 4 },
            { $0.source.offset = 43 }, { $0.command = .confirm }, { $0.commandID = "c-2" },
            { $0.commandHash = 0xFE }, { $0.reservationID = "r-2" }, { $0.orderID = nil },
            { $0.transferID = "t-1" }, { $0.origin = 6 }, { $0.channel = "web" }, { $0.warehouse = "HAM" },
            { $0.counterpart = "HAM" }, { $0.quantity = 5 }, { $0.requested = 5 }, { $0.remaining = 3 },
            { $0.expiresAt = nil }, { $0.expectedAt = $0.at }, { $0.isNamed = true },
            { $0.allowSplit = false },
            { $0.deltas.onHand = 1 }, { $0.deltas.reserved = -4 }, { $0.deltas.inTransit = 1 },
            { $0.deltas.damaged = 1 }, { $0.deltas.backordered = 1 }, { $0.balances.onHand = 6 },
            { $0.balances.reserved = 5 }, { $0.balances.inTransit = 1 }, { $0.balances.damaged = 1 },
            { $0.setApart = 1 }, { $0.reason = .insufficientStock }, { $0.condition = .damaged },
            { $0.reasonCode = .found }, { $0.note = "" }, { $0.reference = "-" },
            { $0.details = .policy(Policy(safetyStock: 1)) },
        ]
        var hashes: Set<ChainHash> = [
            chain.hash(of: Self.entry, after: Self.first), chain.hash(of: Self.entry, after: .origin),
        ]
        for change in changes {
            var entry = Self.entry
            change(&entry)
            hashes.insert(chain.hash(of: entry, after: Self.first))
        }
        #expect(hashes.count == changes.count + 2)
    }

    @Test(
        "The entries of a command are sealed one after another, and a seal that an entry has does not count")
    func sealing() {
        var chain = LedgerChain()
        var second = Self.entry
        second.sequence = 8
        var entries = [Self.entry, second]
        let last = chain.seal(&entries, after: Self.first)
        #expect(entries[0].chainHash == chain.hash(of: Self.entry, after: Self.first))
        #expect(entries[1].chainHash == chain.hash(of: second, after: entries[0].chainHash))
        #expect(last == entries[1].chainHash)
        var again = entries
        #expect(chain.seal(&again, after: Self.first) == last && again == entries)
    }

    @Test("A hash is written as 64 digits in lower case, and read from nothing else")
    func digits() {
        let hash = ChainHash(1, 0x0123_4567_89AB_CDEF, .max, 0)
        #expect(
            hash.hexadecimal
                == "0000000000000001" + "0123456789abcdef" + "ffffffffffffffff" + "0000000000000000")
        #expect(ChainHash(hexadecimal: hash.hexadecimal) == hash)
        for wrong in ["", "00", hash.hexadecimal.uppercased(), hash.hexadecimal + "0"] {
            #expect(ChainHash(hexadecimal: wrong) == nil, "\(wrong)")
        }
    }
}
