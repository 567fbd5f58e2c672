import InventoryCore

/// Reservations that a demo makes and answers, as a watcher and the sellers know them.
protocol DemoScript: Sendable {
    /// What all SKUs and ids begin with.
    var run: String { get }
    func reserve(_ number: Int) -> Command
    /// What the order pipeline does with a granted reservation; nil leaves it as it is.
    func followUp(of number: Int, sku: ID) -> Command?
    /// Whether a reservation of the SKU outlives the demo, if nobody ends it.
    func isHot(_ sku: ID) -> Bool
}

extension DemoScript {
    func reservationID(_ number: Int) -> ID { "\(run)-r\(number)" }

    func confirm(_ number: Int, sku: ID) -> Command {
        Command(
            id: "\(run)-p\(number)", sku: sku,
            body: .confirm(reservationID: reservationID(number), quantity: nil))
    }

    func release(_ number: Int, sku: ID) -> Command {
        Command(
            id: "\(run)-x\(number)", sku: sku,
            body: .release(reservationID: reservationID(number), quantity: nil))
    }
}

/// Draws that are the same in every run of the seed.
struct DemoDice: Sendable {
    let seed: UInt64

    /// A scramble of a number (SplitMix64's finalizer).
    func hash(_ number: Int, _ salt: UInt64) -> UInt64 {
        var mixed = UInt64(number) &* 0x9E37_79B9_7F4A_7C15 &+ seed &+ salt &* 0xD1B5_4A32_D192_ED03
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// What the flash sale consists of. All ids carry the run's own name, so that several runs can share topics.
struct DemoPlan: DemoScript {
    /// Reservations of the hot SKU are a quarter of the sale, and so many at most; one in five of them can be granted.
    private static let mostHotReservations = 5_000
    private static let hotReservationsPerUnit = 5
    /// The smallest sale that has something of everything.
    private static let fewestReservations = 200
    static let warehouses: [ID] = ["BER", "HAM", "MUC", "CGN"]
    /// Of the granted reservations: how many of a hundred are confirmed, and how many released.
    static let confirmedOfHundred: UInt64 = 40
    static let releasedOfHundred: UInt64 = 15

    let run: String
    let dice: DemoDice
    let skus: Int
    /// Reservations a second, and for how long.
    let rate: Int
    let seconds: Int
    /// All of them; they are numbered from 0.
    let reservations: Int
    /// The numbers of those that are for the hot SKU: exactly as many as planned, drawn by the seed.
    let hotNumbers: Set<Int>

    init(run: String, dice: DemoDice, skus: Int, rate: Int, seconds: Int) {
        self.run = run
        self.dice = dice
        self.skus = skus
        self.rate = rate
        self.seconds = seconds
        let reservations = max(rate * seconds, Self.fewestReservations)
        self.reservations = reservations
        let hotCount = min(Self.mostHotReservations, reservations / 4)
        var chosen: Set<Int> = []
        var draw = 0
        while chosen.count < hotCount {
            chosen.insert(Int(dice.hash(draw, 4) % UInt64(reservations)))
            draw += 1
        }
        hotNumbers = chosen
    }

    var sale: Range<Int> { 0..<reservations }
    /// Reservations that ask for a unit of the hot SKU, and its units.
    var hotReservations: Int { hotNumbers.count }
    var hotUnits: Int { hotReservations / Self.hotReservationsPerUnit }
    /// Long enough for an order whose processor was killed to be answered.
    var ttlMilliseconds: Int64 { Int64(seconds) * 1_000 + 5_000 }
    /// Of the hot SKU: far longer than the sale takes on a slow machine too, so that what is granted of it is not
    /// granted again by expiry. What nobody pays is released at the end.
    var hotTTLMilliseconds: Int64 { Int64(seconds) * 1_000 + 600_000 }

    var hotSKU: ID { "\(run)-HOT" }
    func sku(_ number: Int) -> ID { "\(run)-\(number)" }
    func isHot(_ sku: ID) -> Bool { sku == hotSKU }

    /// Units of the hot SKU, and plenty of the others in two warehouses each.
    var receipts: [Command] {
        let each = Int64(max(2, 2 * reservations / max(1, skus)))
        var receipts: [Command] = []
        var left = hotUnits
        for (index, share) in [4, 3, 2, 1].enumerated() {
            let units = share == 1 ? left : hotUnits * share / 10
            left -= units
            receipts.append(
                receipt(receipts.count, of: hotSKU, in: Self.warehouses[index], units: Int64(units)))
        }
        for number in 0..<skus {
            for step in 0..<2 {
                let warehouse = Self.warehouses[(number + step) % Self.warehouses.count]
                receipts.append(receipt(receipts.count, of: sku(number), in: warehouse, units: each))
            }
        }
        return receipts
    }

    private func receipt(_ number: Int, of sku: ID, in warehouse: ID, units: Int64) -> Command {
        Command(
            id: "\(run)-i\(number)", sku: sku,
            body: .receive(warehouse: warehouse, quantity: units, reference: "opening-stock"))
    }

    /// The reservation of that number; which ones are for the hot SKU is spread over the sale.
    func reserve(_ number: Int) -> Command {
        let isHot = hotNumbers.contains(number)
        let sku = isHot ? hotSKU : sku(Int(dice.hash(number, 2) % UInt64(max(1, skus))))
        return Command(
            id: "\(run)-c\(number)", sku: sku,
            body: .reserve(
                Command.Reserve(
                    reservationID: reservationID(number), orderID: "\(run)-o\(number)",
                    quantity: isHot ? 1 : Int64(1 + dice.hash(number, 3) % 2),
                    expiry: .after(milliseconds: isHot ? hotTTLMilliseconds : ttlMilliseconds))))
    }

    /// What is not confirmed or released expires.
    func followUp(of number: Int, sku: ID) -> Command? {
        switch dice.hash(number, 5) % 100 {
        case 0..<Self.confirmedOfHundred: confirm(number, sku: sku)
        // Nobody gives a unit of the hot SKU back while the sale goes on.
        case 0..<(Self.confirmedOfHundred + Self.releasedOfHundred) where !isHot(sku):
            release(number, sku: sku)
        default: nil
        }
    }
}
