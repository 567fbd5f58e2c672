import Foundation
import InventoryCore
import InventoryWire

/// A point of the log: a command's place in `stock.commands`, or a time.
enum LogPoint: Equatable {
    case places([Int32: Int64])
    case time(Timestamp)

    /// `3/1234`, several with commas between, or an RFC 3339 time; nil for anything else.
    init?(_ text: String) {
        if let time = Timestamp(rfc3339: text) {
            self = .time(time)
            return
        }
        var places: [Int32: Int64] = [:]
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let place = LetterPlace(String(part)), places[place.partition] == nil else { return nil }
            places[place.partition] = place.offset
        }
        self = .places(places)
    }
}
