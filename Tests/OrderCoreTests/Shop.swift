import InventoryCore
import OrderCore
import Testing

/// A shop in one process: orders by the machine, stock by the genuine core, and between them queues that a test
/// empties step by step.
struct Shop {
    var settings: OrderSettings
    var now: Int64 = 1_000_000
    var orders: [Order] = []
    /// Where orders stand.
    private var places: [ID: Int] = [:]
    var stock = Stock(settings: Settings(dedupeCount: 4096))
    /// What is on its way, by SKU: each SKU's commands are decided in their order, and so are its replies read.
    var commands: [(sku: ID, queue: [Command])] = []
    var replies: [(sku: ID, queue: [OrderReply])] = []
    var outcomes: [OrderOutcome] = []
    var refused: [OrderEffects.Refused] = []
    var answers: [OrderAnswer] = []
    var ignored = 0
    var repeats = 0
    var proposals: [ProposalResult: Int] = [:]
    /// What the stock did, from the first.
    var ledger: [LedgerEntry] = []
    /// By the id of their events, the payments that were sent.
    private var payments: [ID: (order: ID, units: [LineUnits])] = [:]
    /// Orders of which a payment came that nobody can read: all of it goes back, however much it was.
    private var unreadablePayments: Set<ID> = []
    private var offset: Int64 = 0
    private var events: Int64 = 0

    init(_ settings: OrderSettings = OrderSettings(), stock units: [ID: Int64] = [:]) {
        self.settings = settings
        for (sku, quantity) in units.sorted(by: { $0.key < $1.key }) where quantity > 0 {
            decide(sku, .receive(warehouse: "BER", quantity: quantity, reference: nil))
        }
    }

    // MARK: Upstream

    mutating func place(
        _ id: ID = "o", _ mode: OrderMode = .allOrNothing, _ lines: [(ID, Int64)],
        ttl: Int64 = 60_000
    ) {
        send(
            id,
            .placed(
                OrderEvent.Placed(
                    mode: mode, lines: lines.map { OrderEvent.Line(sku: $0.0, quantity: $0.1) },
                    expiry: .after(milliseconds: ttl))))
    }

    mutating func pay(_ id: ID = "o", _ units: [LineUnits] = []) { send(id, .paid(units)) }
    mutating func cancel(_ id: ID = "o", _ units: [LineUnits] = []) { send(id, .cancelled(units)) }
    mutating func ship(_ id: ID = "o", _ units: [LineUnits] = []) { send(id, .shipped(units)) }

    mutating func change(
        _ id: ID = "o", _ lines: [(ID, Int64)], expiry: Command.Expiry? = nil
    ) {
        send(
            id,
            .changed(
                OrderEvent.Changed(
                    lines: lines.map { OrderEvent.Line(sku: $0.0, quantity: $0.1) }, expiry: expiry)))
    }

    /// The optimizer's proposal, from the newest outcome where no version is given.
    mutating func propose(
        _ id: ID = "o", _ lines: [(ID, [Allocation])], version: Int64? = nil
    ) {
        send(
            id,
            .reallocate(
                Reallocation(
                    version: version ?? told(id).last?.version ?? 1,
                    lines: lines.map { ReallocatedLine(sku: $0.0, allocations: $0.1) })))
    }

    @discardableResult
    mutating func send(_ id: ID, _ body: OrderEvent.Body) -> OrderEvent {
        events += 1
        let event = OrderEvent(
            id: "e\(events)", orderID: id, at: Timestamp(milliseconds: now), offset: events, body: body)
        send(event)
        return event
    }

    mutating func send(_ event: OrderEvent) {
        var event = event
        if case .paid(let units) = event.body, payments[event.id] == nil {
            payments[event.id] = (event.orderID, units)
        }
        event.at = Timestamp(milliseconds: now)
        with(event.orderID) { order, settings, effects in order.handle(event, settings, into: &effects) }
    }

    /// An event that cannot be read.
    mutating func sendUnreadable(
        _ id: ID = "o", _ kind: OrderEventKind = .placed, _ lines: [(ID, Int64)] = [],
        hasAllLines: Bool? = nil, eventID: ID? = "unread"
    ) {
        if kind == .paid { unreadablePayments.insert(id) }
        let event = UnreadableEvent(
            id: eventID, orderID: id, kind: kind,
            at: Timestamp(milliseconds: now),
            why: Unreadable(reason: "out_of_range", detail: "lines has 101 elements"),
            lines: lines.map { OrderEvent.Line(sku: $0.0, quantity: $0.1) },
            hasAllLines: hasAllLines ?? !lines.isEmpty)
        with(id) { order, settings, effects in order.handle(event, settings, into: &effects) }
    }

    mutating func due(_ id: ID) {
        let at = Timestamp(milliseconds: now)
        with(id) { order, settings, effects in order.due(at: at, settings, into: &effects) }
    }

    private mutating func with(
        _ id: ID, _ body: (inout Order, OrderSettings, inout OrderEffects) -> Void
    ) {
        var effects = OrderEffects()
        let place = place(of: id)
        body(&orders[place], settings, &effects)
        if orders[place].phase == .forgotten { forget(place) }
        take(effects)
    }

    private mutating func place(of id: ID) -> Int {
        if let place = places[id] { return place }
        orders.append(
            Order(id: id, partition: 3, phase: .unknown(since: Timestamp(milliseconds: now))))
        places[id] = orders.count - 1
        return orders.count - 1
    }

    private mutating func forget(_ place: Int) {
        orders.remove(at: place)
        places = [:]
        for (place, order) in orders.enumerated() { places[order.id] = place }
    }

    /// The coordinator loses all that it knows.
    mutating func forgetAll() {
        orders = []
        places = [:]
    }

    private mutating func take(_ effects: OrderEffects) {
        for command in effects.commands {
            if let place = commands.firstIndex(where: { $0.sku == command.sku }) {
                commands[place].queue.append(command)
            } else {
                commands.append((command.sku, [command]))
            }
        }
        outcomes += effects.outcomes
        refused += effects.refused
        answers += effects.answers
        ignored += effects.ignored
        repeats += effects.repeats
        proposals.merge(effects.proposals, uniquingKeysWith: +)
    }

    // MARK: The stock processor

    /// Decides the next command of a SKU.
    mutating func decideNext(_ place: Int) {
        let command = commands[place].queue.removeFirst()
        if commands[place].queue.isEmpty { commands.remove(at: place) }
        decide(command)
    }

    mutating func decide(_ sku: ID, _ body: Command.Body) {
        events += 1
        decide(Command(id: "c\(events)", sku: sku, body: body))
    }

    private mutating func decide(_ command: Command) {
        var effects = Effects()
        let source = Source(partition: 0, offset: offset)
        offset += 1
        let outcome = stock.handle(
            command, at: Timestamp(milliseconds: now), source: source, into: &effects)
        ledger += effects.entries
        var told: [OrderReply] = []
        for entry in effects.entries {
            guard let notice = Notice(of: entry), OrderAddress.isAddress(notice.reservationID) else {
                continue
            }
            told.append(.notice(notice))
        }
        // In the order of the ledger, as the processor replies.
        if let id = outcome.reservationID, OrderAddress.isAddress(id) {
            let place = told.firstIndex { $0.sequence >= outcome.sequence ?? 0 } ?? told.count
            told.insert(.result(outcome), at: place)
        }
        if told.isEmpty { return }
        if let place = replies.firstIndex(where: { $0.sku == command.sku }) {
            replies[place].queue += told
        } else {
            replies.append((command.sku, told))
        }
    }

    /// The delay service.
    mutating func expireDue() {
        for live in stock.allReservations where live.expiresAt.milliseconds <= now {
            decide(live.sku, .expire(reservationID: live.id))
        }
    }

    // MARK: The coordinator

    /// Reads the next reply of a SKU.
    mutating func readNext(_ place: Int, keep: Bool = false) {
        let reply = replies[place].queue[0]
        if !keep {
            replies[place].queue.removeFirst()
            if replies[place].queue.isEmpty { replies.remove(at: place) }
        }
        guard let id = reply.orderID else { return }
        let at = Timestamp(milliseconds: now)
        guard places[id] != nil else {
            var effects = OrderEffects()
            if case .result(let outcome) = reply, let release = Order.release(ofStray: outcome) {
                effects.commands.append(release)
            }
            return take(effects)
        }
        with(id) { order, settings, effects in order.handle(reply, at: at, settings, into: &effects) }
    }

    /// Until nothing is on its way.
    mutating func run() {
        var rounds = 0
        while !commands.isEmpty || !replies.isEmpty {
            while !commands.isEmpty { decideNext(0) }
            while !replies.isEmpty { readNext(0) }
            rounds += 1
            precondition(rounds < 1_000, "orders and stock turn in circles: \(orders)")
        }
    }

    /// Time passes, and what is due by then is looked at.
    mutating func wait(_ milliseconds: Int64) {
        now += milliseconds
        lookAtDue()
    }

    mutating func lookAtDue() {
        for id in orders.map(\.id) {
            guard let order = order(id), let due = order.dueAt(settings),
                due.milliseconds <= now
            else { continue }
            self.due(id)
        }
    }

    // MARK: What is seen

    func order(_ id: ID = "o") -> Order? { places[id].map { orders[$0] } }

    func told(_ id: ID = "o") -> [OrderOutcome] { outcomes.filter { $0.orderID == id } }

    /// What was told of an order, in a line each: `released!` is final.
    func story(_ id: ID = "o") -> [String] {
        told(id).map { $0.kind.rawValue + ($0.isFinal ? "!" : "") }
    }

    /// The units of a SKU that payments of an order name, each event's once; exact unless another payment names none, or
    /// cannot be read. Nil where one was refused.
    func namedPayments(_ id: ID, _ sku: ID) -> (units: Int64, isExact: Bool)? {
        var (units, isExact): (Int64, Bool) = (0, !unreadablePayments.contains(id))
        for (event, payment) in payments where payment.order == id {
            let isRefused =
                refused.contains { $0.event.id == event } || answers.contains { $0.eventID == event }
            if isRefused { return nil }
            if payment.units.isEmpty { isExact = false }
            for unit in payment.units where unit.sku == sku {
                units += unit.quantity ?? 0
                if unit.quantity == nil { isExact = false }
            }
        }
        return (units, isExact)
    }

    /// Why events of an order did nothing, in their order.
    func declined(_ id: ID = "o") -> [String] {
        answers.filter { $0.orderID == id }.map(\.reason.rawValue)
    }

    /// The units of a SKU that shipped for an order, by warehouse, by the stock's own books.
    func shipments(_ id: ID = "o", _ sku: ID) -> [Allocation] {
        var units: [ID: Int64] = [:]
        for entry in ledger where entry.orderID == id && entry.sku == sku && entry.movement == .ship {
            units[entry.warehouse ?? "", default: 0] += entry.quantity
        }
        return units.sorted { $0.key < $1.key }.map { Allocation(warehouse: $0.key, quantity: $0.value) }
    }

    /// The units that an order has reserved, by the stock's own books.
    func held(_ id: ID = "o") -> Int64 {
        stock.allReservations.filter { $0.orderID == id }.reduce(0) { $0 + $1.quantity }
    }

    /// Where the units of a SKU are that an order has reserved, by the stock's own books; in the warehouses' order.
    func allocations(_ id: ID = "o", _ sku: ID) -> [Allocation] {
        var units: [ID: Int64] = [:]
        for live in stock.allReservations where live.orderID == id && live.sku == sku {
            for part in live.allocations { units[part.warehouse, default: 0] += part.quantity }
        }
        return units.sorted { $0.key < $1.key }.map { Allocation(warehouse: $0.key, quantity: $0.value) }
    }

    func shipped(_ id: ID = "o") -> Int64 {
        ledger.filter { $0.orderID == id && $0.movement == .ship }.reduce(0) { $0 + $1.quantity }
    }
}

extension OrderReply {
    /// Of the ledger entry that it tells of.
    fileprivate var sequence: Int64 {
        switch self {
        case .result(let outcome): outcome.sequence ?? 0
        case .notice(let notice): notice.sequence
        }
    }
}
