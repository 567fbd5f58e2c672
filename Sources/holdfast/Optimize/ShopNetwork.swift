import InventoryCore
import Optimizer
import Sizing

/// A made-up shop on real places: a warehouse in each of 30 cities of Europe, customers where people live, goods that
/// sell very differently well, kept in many warehouses or in few. All follows from the seed.
struct ShopNetwork {
    struct City {
        let id: ID
        let place: Point
        /// In thousands, about: customers and stock are drawn by it.
        let people: Int

        init(_ id: ID, _ latitude: Double, _ longitude: Double, _ people: Int) {
            self.id = id
            place = Point(
                latitude: Int64((latitude * 1_000_000).rounded()),
                longitude: Int64((longitude * 1_000_000).rounded()))
            self.people = people
        }
    }

    static let cities = [
        City("AMS", 52.3676, 4.9041, 870), City("BCN", 41.3851, 2.1734, 1_600),
        City("BER", 52.5200, 13.4050, 3_700), City("BHX", 52.4862, -1.8904, 1_100),
        City("BRU", 50.8503, 4.3517, 1_200), City("BUD", 47.4979, 19.0402, 1_700),
        City("CGN", 50.9375, 6.9603, 1_100), City("CPH", 55.6761, 12.5683, 640),
        City("DUB", 53.3498, -6.2603, 590), City("FRA", 50.1109, 8.6821, 760),
        City("HAM", 53.5511, 9.9937, 1_900), City("KRK", 50.0647, 19.9450, 780),
        City("LIS", 38.7223, -9.1393, 550), City("LON", 51.5074, -0.1278, 8_900),
        City("LYS", 45.7640, 4.8357, 520), City("MAD", 40.4168, -3.7038, 3_300),
        City("MIL", 45.4642, 9.1900, 1_400), City("MRS", 43.2965, 5.3698, 870),
        City("MUC", 48.1351, 11.5820, 1_500), City("NAP", 40.8518, 14.2681, 910),
        City("PAR", 48.8566, 2.3522, 2_100), City("PRG", 50.0755, 14.4378, 1_300),
        City("ROM", 41.9028, 12.4964, 2_800), City("SOF", 42.6977, 23.3219, 1_200),
        City("STO", 59.3293, 18.0686, 980), City("SVQ", 37.3891, -5.9845, 680),
        City("TRN", 45.0703, 7.6869, 850), City("VIE", 48.2082, 16.3738, 1_900),
        City("WAW", 52.2297, 21.0122, 1_800), City("ZAG", 45.8150, 15.9819, 770),
    ]

    /// Of 100 orders, how many have 1, 2, ... 8 lines.
    private static let lineCounts = [30, 22, 16, 11, 8, 6, 4, 3]
    /// Of 100 lines, how many are of 1, 2, 3 units.
    private static let unitCounts = [75, 17, 8]
    /// How far a customer lives from the middle of a city at most, in millionths of a degree each way.
    private static let suburb = 400_000
    /// Units in stock for each that is likely to be ordered.
    private static let plenty = 1.15

    struct Order {
        var lines: [(sku: ID, quantity: Int64)]
        var shipTo: Point
    }

    private var draws: Draws
    /// The sums of how well SKUs sell, from the best; Zipf's law with exponent 1.
    private var demand: [Double] = []
    private let people: [Double]

    init(seed: UInt64, skus: Int) {
        draws = Draws(seed: seed)
        var sum = 0.0
        for rank in 1...skus {
            sum += 1 / Double(rank)
            demand.append(sum)
        }
        var counted = 0.0
        people = Self.cities.map {
            counted += Double($0.people)
            return counted
        }
    }

    /// Units by SKU and warehouse, for so many orders. What sells best lies in most warehouses, the rest in a few.
    mutating func stock(orders: Int) -> [(sku: ID, warehouse: ID, quantity: Int64)] {
        let lines = Self.mean(Self.lineCounts) * Double(orders)
        let units = lines * Self.mean(Self.unitCounts)
        var stock: [(sku: ID, warehouse: ID, quantity: Int64)] = []
        for index in demand.indices {
            let share = (demand[index] - (index == 0 ? 0 : demand[index - 1])) / demand.last!
            let part = Double(index) / Double(demand.count)
            let range = part < 0.02 ? 20...30 : part < 0.1 ? 10...20 : part < 0.4 ? 5...10 : 2...5
            let count = range.lowerBound + draws.below(range.count)
            let places = warehouses(count)
            let weights = places.map { _ in 0.1 + draws.exponential(mean: 1) }
            let total = weights.reduce(0, +)
            let wanted = max(Double(count), units * share * Self.plenty)
            for (place, weight) in zip(places, weights) {
                let quantity = Int64((wanted * weight / total).rounded())
                if quantity > 0 { stock.append((Self.sku(index), Self.cities[place].id, quantity)) }
            }
        }
        return stock
    }

    mutating func order() -> Order {
        var lines: [(sku: ID, quantity: Int64)] = []
        let count = 1 + drawn(Self.lineCounts)
        while lines.count < count {
            let sku = Self.sku(Self.place(of: draws.unit() * demand.last!, in: demand))
            if lines.contains(where: { $0.sku == sku }) { continue }
            lines.append((sku, Int64(1 + drawn(Self.unitCounts))))
        }
        let city = Self.cities[Self.place(of: draws.unit() * people.last!, in: people)]
        return Order(
            lines: lines,
            shipTo: Point(latitude: near(city.place.latitude), longitude: near(city.place.longitude)))
    }

    private mutating func near(_ angle: Int64) -> Int64 {
        angle + Int64(draws.below(2 * Self.suburb + 1) - Self.suburb)
    }

    /// So many different cities, the large ones more often.
    private mutating func warehouses(_ count: Int) -> [Int] {
        var chosen: [Int] = []
        while chosen.count < min(count, Self.cities.count) {
            let place = Self.place(of: draws.unit() * people.last!, in: people)
            // Every other draw goes by no size, or the small ones would hardly have anything.
            let other = draws.below(2) == 0 ? place : draws.below(Self.cities.count)
            if !chosen.contains(other) { chosen.append(other) }
        }
        return chosen
    }

    private mutating func drawn(_ percents: [Int]) -> Int {
        var left = draws.below(100)
        for (index, percent) in percents.enumerated() {
            if left < percent { return index }
            left -= percent
        }
        return percents.count - 1
    }

    /// Of numbers that begin with 1.
    private static func mean(_ percents: [Int]) -> Double {
        percents.enumerated().reduce(0) { $0 + Double(($1.offset + 1) * $1.element) } / 100
    }

    private static func sku(_ index: Int) -> ID { "S\(index)" }

    /// The first place whose sum is above `value`.
    private static func place(of value: Double, in sums: [Double]) -> Int {
        var (low, high) = (0, sums.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if sums[middle] > value { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
