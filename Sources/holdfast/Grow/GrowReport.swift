import Foundation
import Operations

/// What became, or would become, of each partition: a line each, and one of all; for a person, or as JSON.
struct GrowReport {
    struct Line: Encodable, Equatable {
        /// Left out for the sum of all.
        var partition: Int32?
        /// Of the ledgers that were.
        var entries = 0
        var skus = 0
        var reservations = 0
        var transfers = 0
        /// SKUs whose last alert is told otherwise, because a warehouse was opened or closed in the meantime.
        var alerts = 0
        var isTrial = false

        enum CodingKeys: String, CodingKey {
            case partition, entries, skus, reservations, transfers
            case alerts = "alerts_differ"
            case isTrial = "dry_run"
        }
    }

    private let isJSON: Bool
    private var total = Line()

    init(_ configuration: Configuration) { isJSON = configuration.boolean("json") }

    mutating func tell(_ line: Line) {
        total.entries += line.entries
        total.skus += line.skus
        total.reservations += line.reservations
        total.transfers += line.transfers
        total.alerts += line.alerts
        total.isTrial = line.isTrial
        write(line)
    }

    func tellTotal() { write(total) }

    /// A sentence for a person; where machines read, it goes to the log.
    func say(_ sentence: String, _ logger: Logger) {
        if isJSON { logger.info(sentence) } else { print(sentence) }
    }

    private func write(_ line: Line) {
        guard isJSON else {
            let subject = line.partition.map { "partition \($0)" } ?? "all"
            var text = "\(subject): \(line.entries) ledger entries"
            if !line.isTrial {
                text +=
                    ", \(line.skus) SKUs, \(line.reservations) live reservations, \(line.transfers) transfers: as before"
                if line.alerts > 0 { text += ", but for the last alert of \(line.alerts) SKUs" }
            }
            print(text)
            return
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if let data = try? encoder.encode(line) { print(String(decoding: data, as: UTF8.self)) }
    }
}
