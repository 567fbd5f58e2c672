import Audit
import Foundation
import InventoryCore
import Operations
import Optimizer

/// `holdfast optimize --network`: orders on a network of 30 warehouses, in the genuine stock, allocated by its
/// strategies line by line; then each is looked at as the role does it, and what it proposes is given to the stock. Each
/// strategy is gone through twice: without the optimizer, and with it.
struct NetworkTrial {
    static let strategies: [Strategy] = [.nearest, .fewestSplits]
    /// How many sets of warehouses are looked at for an order at most: a count, so that a machine's speed changes nothing.
    private static let sets = 20_000
    /// How many orders come in before one has settled.
    private static let settleOrders = 20

    private let service: Service
    private let weights: Weights
    private let orders: Int
    private let skus: Int
    private let seed: UInt64

    init(service: Service) {
        self.service = service
        weights = Optimize.weights(service.configuration)
        orders = service.configuration.integer("orders")
        skus = service.configuration.integer("skus")
        seed = UInt64(service.configuration.integer("seed"))
    }

    func run() throws -> ExitCode {
        var results: [Result] = []
        for strategy in Self.strategies {
            let (plain, better) = (pass(strategy, isOptimized: false), pass(strategy, isOptimized: true))
            results.append(Result(strategy: strategy.rawValue, without: plain, with: better))
            if service.shutdown.isRequested { throw RoleFailure(.interrupted, "interrupted") }
        }
        if service.configuration.boolean("json") {
            print(try AuditText.json(results))
        } else {
            print(text(results).joined(separator: "\n"))
        }
        return .success
    }

    struct Result: Encodable {
        var strategy: String
        var without: Figures
        var with: Figures
    }

    struct Figures: Encodable {
        var granted = 0
        var refused = 0
        var reviews = ReviewTally()
        /// Proposals that the stock did not take as a whole.
        var refusedProposals = 0
        /// Shipments that the granted orders need at least, each with all the stock of the beginning to itself.
        var leastShipments = 0
        /// Orders whose least was not settled: the number told is one that they cannot be below.
        var unsettledBounds = 0
        /// Of the search, in microseconds.
        var microseconds: [Double] = []

        private enum CodingKeys: String, CodingKey {
            case granted, refused, reviews, refusedProposals, leastShipments, unsettledBounds
        }
    }

    // MARK: One pass

    private func pass(_ strategy: Strategy, isOptimized: Bool) -> Figures {
        var shop = ShopNetwork(seed: seed, skus: skus)
        var books = TrialStock(shop.stock(orders: orders))
        let bound = books.network
        // Without it all is looked at, too, and nothing is good enough to be proposed.
        var weights = self.weights
        if !isOptimized { weights.leastSaving = .max }
        let optimizer = Optimizer(weights)
        var figures = Figures()
        var settling: [TrialStock.Placed] = []
        var first = 0
        for number in 0..<(orders + Self.settleOrders) {
            if number < orders {
                let order = shop.order()
                if let placed = books.place(order, number: number, strategy) {
                    settling.append(placed)
                    figures.granted += 1
                    addBound(order, bound, &figures)
                } else {
                    figures.refused += 1
                }
            }
            while first < settling.count, settling[first].number <= number - Self.settleOrders {
                review(settling[first], optimizer, &books, &figures)
                first += 1
            }
            if service.shutdown.isRequested { break }
        }
        return figures
    }

    private func addBound(_ order: ShopNetwork.Order, _ bound: Network, _ figures: inout Figures) {
        let wanted = ServedOrder(
            lines: order.lines.map { ServedOrder.Line(sku: $0.sku, quantity: $0.quantity) })
        let least = Optimizer().leastShipments(wanted, in: bound) { $0 >= Self.sets }
        figures.leastShipments += least.count
        if !least.isExact { figures.unsettledBounds += 1 }
    }

    private func review(
        _ placed: TrialStock.Placed, _ optimizer: Optimizer, _ books: inout TrialStock,
        _ figures: inout Figures
    ) {
        let order = books.served(placed)
        let start = MonotonicTime.now()
        let review = optimizer.review(order, in: books.network) { $0 >= Self.sets }
        figures.microseconds.append(MonotonicTime.seconds(since: start) * 1e6)
        figures.reviews.add(review)
        if !review.moves.isEmpty, !books.move(placed, review.moves) { figures.refusedProposals += 1 }
    }

    // MARK: Telling

    private func text(_ results: [Result]) -> [String] {
        var lines = [
            "\(orders) orders, \(skus) SKUs, \(ShopNetwork.cities.count) warehouses, seed \(seed); weights: shipment "
                + "\(weights.shipment), kilometre \(weights.kilometre), balance \(weights.balance), least saving "
                + "\(weights.leastSaving)",
            "",
        ]
        func each(_ number: Int64, _ orders: Int) -> String {
            orders == 0 ? "-" : String(format: "%.3f", Double(number) / Double(orders))
        }
        func far(_ number: Int64, _ orders: Int) -> String {
            orders == 0 ? "-" : String(format: "%.0f", Double(number) / Double(orders))
        }
        var rows = [
            [
                "strategy", "optimizer", "granted", "shipments an order, before", "after", "at least",
                "km an order, before", "after", "proposals", "refused", "cut short", "µs p50", "p99", "most",
            ]
        ]
        for result in results {
            for (name, figures) in [("no", result.without), ("yes", result.with)] {
                let (reviews, granted) = (figures.reviews, figures.granted)
                let times = Percentiles(figures.microseconds)
                rows.append([
                    result.strategy, name, "\(granted)", each(reviews.shipmentsBefore, granted),
                    each(reviews.shipmentsAfter, granted), each(Int64(figures.leastShipments), granted),
                    far(reviews.kilometresBefore, granted), far(reviews.kilometresAfter, granted),
                    "\(reviews.proposals)", "\(figures.refusedProposals)", "\(reviews.cutShort)",
                    times.text(50), times.text(99), times.text(100),
                ])
            }
        }
        lines += AuditText.table(rows, left: [0, 1])
        let unsettled = results.reduce(0) { $0 + $1.without.unsettledBounds + $1.with.unsettledBounds }
        lines += [
            "",
            "At least: each order with all the stock of the beginning to itself, and with no other order"
                + (unsettled == 0 ? "." : "; of \(unsettled) a lower number than the least is told."),
        ]
        return lines
    }
}
