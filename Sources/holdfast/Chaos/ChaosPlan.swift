import InventoryCore

/// The commands that flow while harm is done: of most kinds, over a few SKUs with too little stock, with short TTLs.
/// All are drawn from a seed; each has a number, which is in its id.
struct ChaosPlan: Sendable {
    static let skus = 48
    static let warehouses: [ID] = ["BER", "HAM", "MUC"]
    /// In milliseconds.
    static let timesToLive: ClosedRange<Int64> = 1_000...6_000

    /// A reservation that nobody but the delay service sees to be due.
    struct Lonely: Sendable {
        let reservation: ID
        let commands: [Command]
    }

    /// Stands before every id and SKU, so that runs can share topics.
    let run: String
    private var random: ChaosRandom
    private(set) var count = 0
    /// The newest reservations and transfers, which later commands speak of.
    private var reservations: [(id: ID, sku: ID)] = []
    private var transfers: [(id: ID, sku: ID)] = []

    init(run: String, random: ChaosRandom) {
        self.run = run
        self.random = random
    }

    /// The number in a command's id; nil if the plan did not make it.
    static func number(of id: ID, run: String) -> Int? {
        id.text.hasPrefix(run + "-c") ? Int(id.text.dropFirst(run.utf8.count + 2)) : nil
    }

    /// The first commands: the opening stock.
    mutating func openingStock() -> [Command] {
        (0..<Self.skus).flatMap { sku in
            Self.warehouses.map { receive(sku: "\(run)-\(sku)", warehouse: ID($0.text), quantity: 60) }
        }
    }

    mutating func next() -> Command {
        switch UInt64.random(in: 0..<100, using: &random) {
        case 0..<52: reserve(sku: anySKU, timeToLive: Int64.random(in: Self.timesToLive, using: &random))
        case 52..<68: ofReservation { .confirm(reservationID: ID($0.text), quantity: nil) }
        case 68..<80: ofReservation { .release(reservationID: ID($0.text), quantity: nil) }
        case 80..<83: ofReservation { .extend(reservationID: $0, expiry: .after(milliseconds: 2_000)) }
        case 83..<91: receive(sku: anySKU, warehouse: anyWarehouse, quantity: 12)
        case 91..<93:
            command(
                anySKU,
                .return(
                    Command.Return(warehouse: anyWarehouse, quantity: 1, condition: .sellable, orderID: nil)))
        case 93: command(anySKU, .damage(warehouse: anyWarehouse, quantity: 1, reference: nil))
        case 94: count(anySKU)
        case 95..<98: dispatch()
        default: ofTransfer { .transferReceive(transferID: $0, quantity: 1, damaged: 0) }
        }
    }

    /// A reservation of a SKU that no other command speaks of, and the stock for it.
    mutating func lonely(timeToLive: Int64) -> Lonely {
        let sku = "\(run)-lonely-\(count)"
        let receipt = receive(sku: ID(sku), warehouse: Self.warehouses[0], quantity: 5)
        let commands = [receipt, reserve(sku: ID(sku), timeToLive: timeToLive, anywhere: true)]
        return Lonely(reservation: reservations.removeLast().id, commands: commands)
    }

    private var anySKU: ID {
        mutating get { "\(run)-\(Int.random(in: 0..<Self.skus, using: &random))" }
    }

    private var anyWarehouse: ID {
        mutating get { Self.warehouses.randomElement(using: &random)! }
    }

    private mutating func command(_ sku: ID, _ body: Command.Body) -> Command {
        defer { count += 1 }
        return Command(id: "\(run)-c\(count)", sku: sku, body: body)
    }

    private mutating func receive(sku: ID, warehouse: ID, quantity: Int64) -> Command {
        command(sku, .receive(warehouse: warehouse, quantity: quantity, reference: nil))
    }

    /// - Parameter anywhere: never from one named warehouse, which may have nothing.
    private mutating func reserve(sku: ID, timeToLive: Int64, anywhere: Bool = false) -> Command {
        let id: ID = "\(run)-r\(count)"
        reservations.append((id, sku))
        if reservations.count > 2_000 { reservations.removeFirst(1_000) }
        return command(
            sku,
            .reserve(
                Command.Reserve(
                    reservationID: id, orderID: "\(run)-o\(count)",
                    quantity: Int64.random(in: 1...4, using: &random),
                    warehouse: !anywhere && Int.random(in: 0..<4, using: &random) == 0 ? anyWarehouse : nil,
                    expiry: .after(milliseconds: timeToLive),
                    allowPartial: Bool.random(using: &random))))
    }

    /// A command about a reservation of the last seconds, which may have ended, or never have been granted.
    private mutating func ofReservation(_ body: (ID) -> Command.Body) -> Command {
        guard let chosen = reservations.suffix(300).randomElement(using: &random) else {
            return receive(sku: anySKU, warehouse: anyWarehouse, quantity: 1)
        }
        return command(chosen.sku, body(chosen.id))
    }

    private mutating func count(_ sku: ID) -> Command {
        command(
            sku,
            .adjust(
                Command.Adjust(
                    warehouse: anyWarehouse,
                    change: .count(Int64.random(in: 20...60, using: &random), expected: nil),
                    reasonCode: .cycleCount)))
    }

    private mutating func dispatch() -> Command {
        let sku = anySKU
        let id: ID = "\(run)-t\(count)"
        transfers.append((id, sku))
        if transfers.count > 100 { transfers.removeFirst(50) }
        let from = Int.random(in: 0..<Self.warehouses.count, using: &random)
        return command(
            sku,
            .transferDispatch(
                Command.TransferDispatch(
                    transferID: id, from: Self.warehouses[from],
                    to: Self.warehouses[(from + 1) % Self.warehouses.count], quantity: 2)))
    }

    private mutating func ofTransfer(_ body: (ID) -> Command.Body) -> Command {
        guard let chosen = transfers.randomElement(using: &random) else { return dispatch() }
        return command(chosen.sku, body(chosen.id))
    }
}
