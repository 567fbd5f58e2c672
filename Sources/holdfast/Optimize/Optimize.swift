import InventoryCore
import Operations
import Optimizer

/// `holdfast optimize`: as a role, over the past, or on a network of its own.
enum Optimize {
    static func run(_ service: Service) throws -> ExitCode {
        let configuration = service.configuration
        let isPast = configuration.boolean("dry_run")
        for key in ["from", "to"] where configuration.optionalString(key) != nil && !isPast {
            throw RoleFailure(.usage, "--\(key) belongs to --dry-run")
        }
        if configuration.boolean("network") {
            guard !isPast else { throw RoleFailure(.usage, "--network and --dry-run exclude each other") }
            return try NetworkTrial(service: service).run()
        }
        return isPast ? try OptimizePast(service: service).run() : try OptimizeRole(service: service).run()
    }

    static func weights(_ configuration: Configuration) -> Weights {
        Weights(
            shipment: Int64(configuration.integer("shipment_weight")),
            kilometre: Int64(configuration.integer("kilometre_weight")),
            late: Int64(configuration.integer("late_weight")),
            balance: Int64(configuration.integer("balance_weight")),
            leastSaving: Int64(configuration.integer("least_saving")))
    }

    /// Whether the time for one order is over; the clock is read once for many sets.
    static func timer(milliseconds: Int) -> (_ looked: Int) -> Bool {
        let deadline = Deadline(milliseconds: milliseconds)
        return { $0 & 63 == 0 && deadline.isPast }
    }
}

/// What reviews came to, together.
struct ReviewTally: Encodable {
    private(set) var orders = 0
    private(set) var proposals = 0
    private(set) var shipmentsBefore: Int64 = 0
    private(set) var shipmentsAfter: Int64 = 0
    private(set) var kilometresBefore: Int64 = 0
    private(set) var kilometresAfter: Int64 = 0
    private(set) var lateBefore: Int64 = 0
    private(set) var lateAfter: Int64 = 0
    /// Searches that the time for an order ended.
    private(set) var cutShort = 0

    mutating func add(_ review: Review) {
        orders += 1
        if !review.moves.isEmpty { proposals += 1 }
        if !review.isExact { cutShort += 1 }
        shipmentsBefore += review.before.shipments
        shipmentsAfter += review.after.shipments
        kilometresBefore += review.before.kilometres
        kilometresAfter += review.after.kilometres
        lateBefore += review.before.late
        lateAfter += review.after.late
    }
}
