import InventoryCore

/// The name of an order's reservation, which is the address for replies as well: what the stock processor says of a
/// reservation with such a name goes to `order.replies` too, into the partition that stands in it. So whoever has the
/// reservation has the address: the ledger, a restored state, a notice years later.
///
///     @holdfast/order/PARTITION/ORDER/LINE/ATTEMPT
package struct OrderAddress: Equatable, Sendable {
    package static let prefixBytes: StaticString = "@holdfast/order/"
    package static let prefix = prefixBytes.description

    /// Of `order.replies`.
    package var partition: Int32
    package var orderID: ID
    /// The number of the line in its order, from 1.
    package var line: Int
    /// The number of the reservation in its line, from 1.
    package var attempt: Int

    package init(partition: Int32, orderID: ID, line: Int, attempt: Int) {
        self.partition = partition
        self.orderID = orderID
        self.line = line
        self.attempt = attempt
    }

    /// Nil for a reservation that is of no order here.
    package init?(reservationID: ID) {
        guard Self.isAddress(reservationID) else { return nil }
        let bytes = reservationID.text.utf8
        let start = bytes.index(bytes.startIndex, offsetBy: Self.prefix.utf8.count)
        guard let slash = bytes[start...].firstIndex(of: 0x2F),
            let partition = Self.number(bytes[start..<slash]), partition <= Int(Int32.max),
            let last = bytes.lastIndex(of: 0x2F), last > slash,
            let middle = bytes[..<last].lastIndex(of: 0x2F), middle > slash,
            let line = Self.number(bytes[bytes.index(after: middle)..<last]),
            let attempt = Self.number(bytes[bytes.index(after: last)...])
        else { return nil }
        let order = reservationID.text[bytes.index(after: slash)..<middle]
        guard !order.isEmpty else { return nil }
        self.init(partition: Int32(partition), orderID: ID(String(order)), line: line, attempt: attempt)
    }

    /// Whether a reservation's id may be an address: what most ids are not is seen at once.
    @inline(__always)
    package static func isAddress(_ reservationID: ID) -> Bool {
        reservationID.begins(with: prefixBytes)
    }

    package var reservationID: ID {
        "\(Self.prefix)\(partition)/\(orderID)/\(line)/\(attempt)"
    }

    /// Digits alone, at most 9 of them.
    private static func number(_ digits: Substring.UTF8View) -> Int? {
        guard (1...9).contains(digits.count) else { return nil }
        var number = 0
        for digit in digits {
            guard (0x30...0x39).contains(digit) else { return nil }
            number = number * 10 + Int(digit - 0x30)
        }
        return number
    }
}
