import Foundation
import InventoryCore
import Operations

/// What the flash sale consists of. All ids carry the run's own name, so that several runs can share topics.
struct DemoPlan: Sendable {
    /// Units of the hot SKU, and reservations that ask for one of them.
    static let hotUnits = 1_000
    static let hotReservations = 5_000
    static let warehouses: [ID] = ["BER", "HAM", "MUC", "CGN"]
    /// Of the granted reservations: how many of a hundred are confirmed, and how many released.
    static let confirmedOfHundred: UInt64 = 40
    static let releasedOfHundred: UInt64 = 15

    let run: String
    let skus: Int
    /// Commands a second, and for how long.
    let rate: Int
    let seconds: Int
    /// How long the sale is practised first.
    let warmUpSeconds: Int
    let seed: UInt64
    let producers = 3

    init(_ configuration: Configuration) {
        skus = configuration.integer("skus")
        rate = configuration.integer("rate")
        seconds = configuration.integer("seconds")
        warmUpSeconds = configuration.integer("warm_up")
        let seed =
            configuration.optionalInteger("seed").map { UInt64($0) } ?? UInt64.random(in: 1...999_999)
        self.seed = seed
        run = "s\(seed)-\(String(UInt64(Date().timeIntervalSince1970), radix: 36))"
    }

    var coldReservations: Int { rate * seconds }
    /// Of the sale; they are numbered from 0.
    var reservations: Int { coldReservations + Self.hotReservations }
    var sale: Range<Int> { 0..<reservations }
    /// The numbers of the reservations that are made before the sale, over the cold SKUs alone.
    var warmUp: Range<Int> { reservations..<(reservations + rate * warmUpSeconds) }
    /// Long enough for an order whose processor was killed to be answered.
    var ttlMilliseconds: Int64 { Int64(seconds) * 1_000 + 5_000 }
    /// Of the hot SKU: far longer than the sale takes on a slow machine too, so that what is granted of it is not
    /// granted again by expiry. What nobody pays is released at the end.
    var hotTTLMilliseconds: Int64 { Int64(seconds) * 1_000 + 600_000 }

    var hotSKU: ID { "\(run)-HOT" }
    func sku(_ number: Int) -> ID { "\(run)-\(number)" }
    func reservationID(_ number: Int) -> ID { "\(run)-r\(number)" }

    /// A scramble of a number that is the same in every run of the seed (SplitMix64's finalizer).
    func hash(_ number: Int, _ salt: UInt64) -> UInt64 {
        var mixed = UInt64(number) &* 0x9E37_79B9_7F4A_7C15 &+ seed &+ salt &* 0xD1B5_4A32_D192_ED03
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// Units of the hot SKU, and plenty of the others in two warehouses each.
    var receipts: [Command] {
        let each = Int64(max(2, 2 * (coldReservations + warmUp.count) / max(1, skus)))
        var receipts: [Command] = []
        for (index, units) in [400, 300, 200, 100].enumerated() {
            receipts.append(
                receipt(receipts.count, of: hotSKU, in: Self.warehouses[index], units: Int64(units)))
        }
        for number in 0..<skus {
            for step in 0..<2 {
                let warehouse = Self.warehouses[(number + step) % Self.warehouses.count]
                receipts.append(receipt(receipts.count, of: sku(number), in: ID(warehouse.text), units: each))
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
    func reserve(_ number: Int, hotNumbers: Set<Int>) -> Command {
        let isHot = hotNumbers.contains(number)
        let sku = isHot ? hotSKU : sku(Int(hash(number, 2) % UInt64(max(1, skus))))
        return Command(
            id: "\(run)-c\(number)", sku: sku,
            body: .reserve(
                Command.Reserve(
                    reservationID: reservationID(number), orderID: "\(run)-o\(number)",
                    quantity: isHot ? 1 : Int64(1 + hash(number, 3) % 2),
                    expiry: .after(milliseconds: isHot ? hotTTLMilliseconds : ttlMilliseconds))))
    }

    /// The numbers of the reservations that are for the hot SKU: exactly as many as planned, drawn by the seed.
    func hotNumbers() -> Set<Int> {
        var chosen: Set<Int> = []
        var draw = 0
        while chosen.count < Self.hotReservations {
            chosen.insert(Int(hash(draw, 4) % UInt64(reservations)))
            draw += 1
        }
        return chosen
    }

    /// The end of a reservation of the hot SKU that nobody has paid.
    func releaseHot(_ number: Int) -> Command {
        Command(
            id: "\(run)-x\(number)", sku: hotSKU,
            body: .release(reservationID: reservationID(number), quantity: nil))
    }

    /// What the order pipeline does with a granted reservation; nil leaves it to expire.
    func followUp(of number: Int, sku: ID) -> Command? {
        let id = reservationID(number)
        switch hash(number, 5) % 100 {
        case 0..<Self.confirmedOfHundred:
            return Command(
                id: "\(run)-p\(number)", sku: sku, body: .confirm(reservationID: id, quantity: nil))
        // Nobody gives a unit of the hot SKU back while the sale goes on.
        case 0..<(Self.confirmedOfHundred + Self.releasedOfHundred) where sku != hotSKU:
            return Command(
                id: "\(run)-x\(number)", sku: sku, body: .release(reservationID: id, quantity: nil))
        default:
            return nil
        }
    }
}
