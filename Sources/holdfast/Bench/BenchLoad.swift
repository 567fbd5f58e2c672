import Foundation
import InventoryCore
import KafkaClient

/// What is sent in a benchmark: commands by number, the same ones for every contestant.
struct BenchLoad {
    enum Kind: String, CaseIterable {
        /// Reservations of one SKU, all granted.
        case hot
        /// Reservations of one SKU that has none left.
        case soldOut = "sold_out"
        /// Reservations of many SKUs, each as often as another.
        case even
        /// Reservations of many SKUs, of which few are wanted most (Zipf's law with exponent 1.1).
        case zipf
        /// Of ten commands six reserve, three confirm, one releases; many SKUs.
        case mix
        /// As `hot`, but the SKU's units are shared out to two or four virtual SKUs, each on a partition of its own, as
        /// far as there are so many; reservations take them in turn.
        case hotSplit2 = "hot_split_2"
        case hotSplit4 = "hot_split_4"

        /// What is measured where nobody asks for loads. That of a split tells something only with partitions enough.
        static let usual = allCases.filter { $0.buckets == 1 }

        /// How many SKUs the hot one is split into.
        var buckets: Int {
            switch self {
            case .hotSplit2: 2
            case .hotSplit4: 4
            default: 1
            }
        }
    }

    static let warehouse = "BER"
    private static let exponent = 1.1
    /// Longer than any run.
    private static let ttl: Int64 = 86_400_000

    let kind: Kind
    let skuCount: Int
    /// Where each SKU's share of the draws ends, for Zipf's law.
    private let shares: [Double]
    /// The names of virtual SKUs; without them, SKUs are named by their numbers.
    private let buckets: [String]

    /// - Parameter partitions: of the commands; virtual SKUs are named so that they come to lie apart.
    init(_ kind: Kind, skus: Int, partitions: Int32) {
        self.kind = kind
        buckets = kind.buckets == 1 ? [] : (0..<kind.buckets).map { Self.bucket($0, partitions) }
        switch kind {
        case .hot, .soldOut: skuCount = 1
        case .hotSplit2, .hotSplit4: skuCount = kind.buckets
        case .even, .zipf, .mix: skuCount = skus
        }
        guard kind == .zipf else {
            shares = []
            return
        }
        var sum = 0.0
        shares = (1...skuCount).map { rank in
            sum += 1 / pow(Double(rank), Self.exponent)
            return sum
        }
    }

    /// A name that belongs into the partition of the number.
    private static func bucket(_ number: Int, _ partitions: Int32) -> String {
        for tries in 0... {
            var name = "HOT@\(number).\(tries)"
            let found = name.withUTF8 {
                murmur2Partition(key: UnsafeRawBufferPointer($0), partitionCount: partitions)
            }
            if found == Int32(number) % partitions { return name }
        }
        preconditionFailure("a range without an end has ended")
    }

    private func name(_ sku: Int) -> String { buckets.isEmpty ? "SKU-\(sku)" : buckets[sku] }

    /// Each SKU gets its stock first.
    func receipt(_ sku: Int) -> Command {
        Command(
            id: "receipt-\(sku)", sku: ID(name(sku)),
            body: .receive(
                warehouse: ID(Self.warehouse),
                quantity: kind == .soldOut ? 1 : 1_000_000_000 / Int64(kind.buckets), reference: nil))
    }

    /// The command of a number, counted from 0.
    func command(_ number: Int) -> Command {
        guard kind == .mix else { return reserve(number, sku: sku(number)) }
        // The commands of ten are of one SKU; what is confirmed and released was reserved ten commands before.
        let (ten, place) = number.quotientAndRemainder(dividingBy: 10)
        let before = (ten - 1) * 10
        switch place {
        case 0..<6: return reserve(number, sku: ten % skuCount)
        case 6..<9:
            return Command(
                id: "command-\(number)", sku: "SKU-\(max(ten - 1, 0) % skuCount)",
                body: .confirm(reservationID: "reservation-\(before + place - 6)", quantity: nil))
        default:
            return Command(
                id: "command-\(number)", sku: "SKU-\(max(ten - 1, 0) % skuCount)",
                body: .release(reservationID: "reservation-\(before + 3)", quantity: nil))
        }
    }

    private func sku(_ number: Int) -> Int {
        switch kind {
        case .hot, .soldOut: return 0
        case .even, .mix, .hotSplit2, .hotSplit4: return number % skuCount
        case .zipf:
            var random = ChaosRandom(seed: UInt64(number))
            let draw = Double(random.next() >> 11) / Double(1 << 53) * shares[skuCount - 1]
            return min(shares.partitioningIndex { $0 > draw }, skuCount - 1)
        }
    }

    private func reserve(_ number: Int, sku: Int) -> Command {
        Command(
            id: "command-\(number)", sku: ID(name(sku)),
            body: .reserve(
                Command.Reserve(
                    reservationID: "reservation-\(number)", orderID: "order-\(number)", quantity: 1,
                    warehouse: ID(Self.warehouse), expiry: .after(milliseconds: Self.ttl))))
    }
}

extension Array {
    /// The first index from which on all elements are as `isLater` says; the array is ordered so.
    fileprivate func partitioningIndex(where isLater: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if isLater(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
