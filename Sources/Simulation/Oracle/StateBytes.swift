import InventoryCore
import InventoryWire

/// A state as bytes: two states are the same when these are.
enum StateBytes {
    static func of(_ stock: Stock) -> [UInt8] {
        var writer = RecordWriter()
        var bytes: [UInt8] = []
        func add() {
            writer.withBytes { bytes.append(contentsOf: $0) }
            bytes.append(0x0A)
        }
        for levels in stock.allLevels {
            writer.write(levels: levels)
            add()
        }
        for reservation in stock.allReservations {
            writer.write(reservation: reservation)
            add()
        }
        for transfer in stock.allTransfers {
            writer.write(transfer: transfer)
            add()
        }
        for entry in stock.rememberedEntries {
            writer.write(entry: entry)
            add()
        }
        return bytes
    }

    /// The first line in which two states differ.
    static func difference(_ found: [UInt8], _ wanted: [UInt8]) -> String {
        let foundLines = found.split(separator: 0x0A)
        let wantedLines = wanted.split(separator: 0x0A)
        for (have, want) in zip(foundLines, wantedLines) where have != want {
            return "it has \(text(have)) instead of \(text(want))"
        }
        return "it has \(foundLines.count) lines instead of \(wantedLines.count)"
    }

    static func text(_ bytes: some Sequence<UInt8>) -> String {
        String(decoding: Array(bytes), as: UTF8.self)
    }
}
