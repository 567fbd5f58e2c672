import InventoryCore

/// What is asked of the processor.
enum Load: String, CaseIterable {
    /// One SKU, and every reserve is granted.
    case hot
    /// One SKU, and every reserve is rejected: nothing is left.
    case soldOut = "sold_out"
    /// Reserves over many SKUs.
    case even
    /// Over many SKUs: 60 % reserve, 30 % confirm, 10 % release.
    case mix
    /// Repeats of commands that were decided before.
    case duplicate
}

/// Makes the commands of a load. Ids are as long as UUIDs, as most publishers' are; a TTL is 30 days, so that nothing
/// expires.
struct CommandSource {
    let load: Load
    let skuCount: Int
    private var made = 0
    private var reserved = 0
    private var ended = 0

    private static let ttl: Int64 = 30 * 24 * 60 * 60 * 1000
    /// So many commands are repeated; the dedupe window has room for all.
    private static let repeated = 10_000

    init(_ load: Load, skuCount: Int) {
        self.load = load
        self.skuCount = load == .even || load == .mix ? skuCount : 1
    }

    /// What must come before: units of each SKU, and what is to be repeated.
    func setUp(warehouses: [ID] = ["BER"], _ body: (Command) -> Void) {
        let units: Int64 = load == .soldOut ? 1 : 1_000_000_000
        for number in 0..<skuCount {
            for warehouse in warehouses {
                body(
                    Command(
                        id: "receive-\(number)-\(warehouse)", sku: ID(Self.sku(number)),
                        body: .receive(warehouse: warehouse, quantity: units, reference: nil)))
            }
        }
        switch load {
        case .soldOut: body(reserve(Int.max))
        case .duplicate: for number in 0..<Self.repeated { body(reserve(number)) }
        case .hot, .even, .mix: break
        }
    }

    mutating func next() -> Command {
        defer { made += 1 }
        switch load {
        case .hot, .soldOut, .even: return reserve(made)
        case .duplicate: return reserve(made % Self.repeated)
        case .mix:
            switch made % 10 {
            case 2, 5, 8:
                return end { .confirm(reservationID: ID($0), quantity: nil) }
            case 7:
                return end { .release(reservationID: ID($0), quantity: nil) }
            default:
                defer { reserved += 1 }
                return reserve(reserved)
            }
        }
    }

    func reserve(_ number: Int) -> Command {
        Command(
            id: ID(Self.id("c0", number)), sku: ID(sku(of: number)),
            body: .reserve(
                Command.Reserve(
                    reservationID: ID(Self.id("e0", number)), orderID: "order-\(Self.digits(number, 12))",
                    quantity: 1, expiry: .after(milliseconds: Self.ttl))))
    }

    /// The oldest reservation that has not ended.
    private mutating func end(_ body: (String) -> Command.Body) -> Command {
        defer { ended += 1 }
        return Command(
            id: ID(Self.id("f0", ended)), sku: ID(sku(of: ended)), body: body(Self.id("e0", ended)))
    }

    /// Spread over all SKUs, in no order that memory has.
    private func sku(of number: Int) -> String {
        Self.sku(Int((UInt64(number) &* 0x9E37_79B9_7F4A_7C15 >> 20) % UInt64(skuCount)))
    }

    private static func sku(_ number: Int) -> String { "SKU-" + digits(number, 8) }

    private static func id(_ prefix: String, _ number: Int) -> String {
        "\(prefix)7b1c64-3f5e-4a0d-9b2e-" + digits(number % 1_000_000_000_000, 12)
    }

    private static func digits(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
