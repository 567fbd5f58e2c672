/// The name of an order's reservation, which is the address for replies as well: what the stock processor says of a
/// reservation with such a name goes to `order.replies` too, into the partition that stands in it. So whoever has the
/// reservation has the address: the ledger, a restored state, a notice years later.
///
///     @holdfast/order/PARTITION/ORDER/LINE/ATTEMPT
///
/// The commands of an order are named after the reservation that they are about:
///
///     @holdfast/order/PARTITION/ORDER/LINE/ATTEMPT/VERB-NUMBER
///
/// Each part has a bound (`Limits.Address`), so that the longest of these names is an id. What goes over one is no
/// address, whoever wrote it.
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

    /// Nil for a reservation that is of no order here: an address has one form, and each of its parts is within its
    /// bound.
    package init?(reservationID: ID) {
        guard Self.isAddress(reservationID) else { return nil }
        let bytes = reservationID.text.utf8
        let start = bytes.index(bytes.startIndex, offsetBy: Self.prefix.utf8.count)
        guard let slash = bytes[start...].firstIndex(of: 0x2F),
            let partition = Self.number(bytes[start..<slash], Limits.Address.partitions),
            let last = bytes.lastIndex(of: 0x2F), last > slash,
            let middle = bytes[..<last].lastIndex(of: 0x2F), middle > slash,
            let line = Self.number(bytes[bytes.index(after: middle)..<last], Limits.Address.lines),
            let attempt = Self.number(bytes[bytes.index(after: last)...], Limits.Address.attempts)
        else { return nil }
        let order = reservationID.text[bytes.index(after: slash)..<middle]
        guard (1...Limits.Address.orderIDBytes).contains(order.utf8.count) else { return nil }
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

    /// The id of the order's command with a number about the reservation.
    ///
    /// - Parameter number: from 1; 0 for one that gives back what was granted to nobody.
    package func commandID(_ verb: OrderVerb, _ number: Int) -> ID {
        "\(reservationID)/\(verb.rawValue)-\(number)"
    }

    /// Whether `id` is the name of an order's command of a kind about the reservation.
    package func isCommand(_ id: ID, of kind: CommandKind) -> Bool {
        guard let verb = OrderVerb.allCases.first(where: { $0.kind == kind }) else { return false }
        let own = Array("\(reservationID)/\(verb.rawValue)-".utf8)
        let bytes = id.text.utf8
        guard bytes.starts(with: own) else { return false }
        return Self.number(bytes.dropFirst(own.count), Limits.Address.commands) != nil
    }

    /// Digits alone, without a zero before others.
    private static func number(_ digits: Substring.UTF8View, _ range: ClosedRange<Int>) -> Int? {
        guard (1...9).contains(digits.count), digits.count == 1 || digits.first != 0x30 else { return nil }
        var number = 0
        for digit in digits {
            guard (0x30...0x39).contains(digit) else { return nil }
            number = number * 10 + Int(digit - 0x30)
        }
        return range.contains(number) ? number : nil
    }
}

/// What a command of an order asks for. The raw values stand in the command's id and in `order.state`.
package enum OrderVerb: String, CaseIterable, Sendable {
    case reserve, confirm, release, extend, move

    package var kind: CommandKind {
        switch self {
        case .reserve: .reserve
        case .confirm: .confirm
        case .release: .release
        case .extend: .extend
        case .move: .reallocate
        }
    }
}
