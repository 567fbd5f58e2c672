import InventoryCore
import InventoryWire
import StreamRuntime

/// What was decided of the commands of a partition, in numbers.
package struct DecisionTally: Equatable, Encodable, Sendable {
    package var reserves = 0
    package var reserved = 0
    package var partiallyReserved = 0
    package var backordered = 0
    package var rejected = 0
    package var rejections: [String: Int] = [:]
    package var unitsAsked: Int64 = 0
    package var unitsGranted: Int64 = 0
    package var unitsBackordered: Int64 = 0
    /// Reservations that were granted from more than one warehouse.
    package var splits = 0
    package var confirmed = 0
    package var refundsRequired = 0
    /// Parcels: what a warehouse ships for one confirmation.
    package var shipments = 0
    package var unitsShipped: Int64 = 0
    package var unitsExpired: Int64 = 0
    package var unitsLost: Int64 = 0
    package var alerts = 0

    package init() {}

    package enum CodingKeys: String, CodingKey {
        case reserves, reserved, backordered, rejected, rejections, splits, confirmed, shipments, alerts
        case partiallyReserved = "partially_reserved"
        case unitsAsked = "units_asked"
        case unitsGranted = "units_granted"
        case unitsBackordered = "units_backordered"
        case refundsRequired = "refunds_required"
        case unitsShipped = "units_shipped"
        case unitsExpired = "units_expired"
        case unitsLost = "units_lost"
    }

    mutating func add(_ command: Command, _ outcome: Outcome, _ effects: Effects) {
        alerts += effects.alerts.count
        for entry in effects.entries {
            switch entry.movement {
            case .ship:
                shipments += 1
                unitsShipped += entry.quantity
            case .expire: unitsExpired += entry.quantity
            case .lose: unitsLost += entry.quantity
            default: break
            }
        }
        guard !outcome.isDuplicate else { return }
        if outcome.isRefundRequired { refundsRequired += 1 }
        if outcome.kind == .confirmed { confirmed += 1 }
        guard case .reserve(let reserve) = command.body else { return }
        reserves += 1
        unitsAsked += reserve.quantity
        switch outcome.kind {
        case .reserved: reserved += 1
        case .partiallyReserved: partiallyReserved += 1
        case .backordered: backordered += 1
        default:
            rejected += 1
            rejections[outcome.rejection?.rawValue ?? outcome.kind.rawValue, default: 0] += 1
            return
        }
        unitsGranted += outcome.quantity
        unitsBackordered += outcome.backordered
        if outcome.allocations.count > 1 { splits += 1 }
    }

    package mutating func add(_ other: DecisionTally) {
        reserves += other.reserves
        reserved += other.reserved
        partiallyReserved += other.partiallyReserved
        backordered += other.backordered
        rejected += other.rejected
        rejections.merge(other.rejections, uniquingKeysWith: +)
        unitsAsked += other.unitsAsked
        unitsGranted += other.unitsGranted
        unitsBackordered += other.unitsBackordered
        splits += other.splits
        confirmed += other.confirmed
        refundsRequired += other.refundsRequired
        shipments += other.shipments
        unitsShipped += other.unitsShipped
        unitsExpired += other.unitsExpired
        unitsLost += other.unitsLost
        alerts += other.alerts
    }
}

/// Decides the commands of a partition twice: as they were, and as if other policies or settings had been laid
/// down.
package final class PolicyReplay {
    package private(set) var was = DecisionTally()
    package private(set) var supposed = DecisionTally()
    package private(set) var commands = 0
    private let partition: Int32
    private let supposition: Supposition
    private var streams: PartitionStreams
    private var decoder: CommandProcessor
    /// SKUs that have what is supposed.
    private var ready: Set<ID> = []
    private var effects = Effects()

    package init(
        streams: PartitionStreams, supposition: Supposition,
        ownsKey: @escaping (UnsafeRawBufferPointer) -> Bool
    ) {
        partition = streams.partition
        self.streams = streams
        self.supposition = supposition
        decoder = CommandProcessor(stock: Stock(), partition: streams.partition, ownsKey: ownsKey)
    }

    /// - Parameter progress: is given how many commands were decided, after each.
    package func run(from start: Int64, before cut: Int64, progress: (Int) throws -> Void) throws {
        var stock = Stock()
        try streams.ledger(before: start) { entry in
            try PartitionReplay.following(entry, partition) { () throws(LedgerFault) in
                _ = try stock.foldChecked(entry.value)
            }
        }
        var other = stock
        other.suppose(supposition.settings.over(other.settings))
        while let step = try streams.next(before: cut) {
            for entry in step.isEarlier ? step.entries : [] {
                try PartitionReplay.following(entry, partition) { () throws(LedgerFault) in
                    _ = try stock.foldChecked(entry.value)
                    _ = try other.foldChecked(entry.value)
                }
            }
            guard let record = step.command, let command = command(record) else { continue }
            commands += 1
            let at = Timestamp(milliseconds: record.timestamp ?? 0)
            let source = Source(partition: partition, offset: record.offset)
            effects.removeAll()
            was.add(command, stock.handle(command, at: at, source: source, into: &effects), effects)
            prepare(command, &other)
            effects.removeAll()
            let changed = supposing(command)
            supposed.add(changed, other.handle(changed, at: at, source: source, into: &effects), effects)
            if command.kind == .retire { ready.remove(command.sku) }
            prepare(command, &other)
            try progress(commands)
        }
    }

    private func command(_ record: AuditRecord) -> Command? {
        func decoded(_ key: UnsafeRawBufferPointer?, _ value: UnsafeRawBufferPointer?) -> Command? {
            try? decoder.decode(
                LogRecord(key: key, value: value, offset: record.offset, timestamp: record.timestamp))
        }
        guard let key = record.key, let value = record.value else { return nil }
        return key.withUnsafeBytes { key in value.withUnsafeBytes { value in decoded(key, value) } }
    }

    /// Lays down what is supposed for the command's SKU, once for as long as it lives.
    private func prepare(_ command: Command, _ stock: inout Stock) {
        guard !PartitionBook.isBook(command.packedSKU), !ready.contains(command.sku),
            stock.levels(of: command.sku)?.isRetired != true
        else { return }
        ready.insert(command.sku)
        let whole = Supposition.Subject(sku: command.sku, warehouse: nil)
        if !supposition.all.isEmpty || supposition.some[whole] != nil {
            stock.suppose(
                supposition.policy(of: whole, insteadOf: stock.policy(of: command.sku)), for: command.sku)
        }
        for subject in supposition.some.keys where subject.sku == command.sku && subject.warehouse != nil {
            stock.suppose(
                supposition.policy(
                    of: subject, insteadOf: stock.policy(of: subject.sku, in: subject.warehouse)),
                for: subject.sku, in: subject.warehouse)
        }
    }

    /// The command with what is supposed in the place of what it lays down.
    private func supposing(_ command: Command) -> Command {
        var changed = command
        switch command.body {
        case .setPolicy(let warehouse, let policy):
            let subject = Supposition.Subject(sku: command.sku, warehouse: warehouse)
            changed.body = .setPolicy(
                warehouse: warehouse, supposition.policy(of: subject, insteadOf: policy))
        case .setPolicies(let published):
            changed.body = .setPolicies(supposing(published, for: command.sku))
        case .setSettings(let settings): changed.body = .setSettings(supposition.settings.over(settings))
        default: break
        }
        return changed
    }

    private func supposing(_ published: PublishedPolicies, for sku: ID) -> PublishedPolicies {
        let whole = Supposition.Subject(sku: sku, warehouse: nil)
        let policy = supposition.policy(of: whole, insteadOf: published.policy)
        var changed = PublishedPolicies(
            policy: published.policy == nil && policy == Policy() ? nil : policy)
        for local in published.warehouses {
            let subject = Supposition.Subject(sku: sku, warehouse: local.warehouse)
            changed.warehouses.append(
                WarehousePolicy(
                    warehouse: local.warehouse,
                    policy: supposition.policy(of: subject, insteadOf: local.policy)))
        }
        // What is supposed of a warehouse holds there also where the record names none.
        for subject in supposition.some.keys.filter({ $0.sku == sku }) {
            guard let warehouse = subject.warehouse,
                !published.warehouses.contains(where: { $0.warehouse == warehouse })
            else { continue }
            changed.warehouses.append(
                WarehousePolicy(
                    warehouse: warehouse, policy: supposition.policy(of: subject, insteadOf: nil)))
        }
        changed.warehouses.sort { $0.warehouse < $1.warehouse }
        return changed
    }
}
