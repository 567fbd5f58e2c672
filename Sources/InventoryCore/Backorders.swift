/// Who waits for units of a SKU, by what they wait for: a row for each warehouse that was named and for those that any
/// may serve, and in it one for each channel that had units set apart. Who waits in a row for a part of it can be served when the
/// first can; those that may not be split want the whole from one warehouse, and are looked at one by one.
///
/// Each row is in the order in which the reservations were made. It may hold stale ones: those that have ended or have
/// all their units. There are never more than twice as many as wait.
struct Backorders: Sendable {
    /// What is waited for.
    struct Key: Hashable, Sendable {
        /// The one that was named.
        var warehouse: ID?
        /// May not be split, and any warehouse may serve it.
        var isWhole: Bool
    }

    private struct Row: Sendable {
        /// Nil also for channels that no units are set apart for: all of these may take the same.
        var channel: ID?
        var waiting: [Due]
        /// Those before it are stale.
        var first = 0
    }

    private var rows: [Key: [Row]] = [:]
    private var entryCount: UInt32 = 0
    private var waitingCount: UInt32 = 0

    /// The reservations that wait.
    var count: Int {
        get { Int(waitingCount) }
        set { waitingCount = UInt32(newValue) }
    }

    /// Whether stale ones are to be taken out.
    var isStale: Bool { entryCount > 2 * waitingCount + 16 }

    /// - Parameter channel: of the reservation, if units are set apart for it; else nil.
    mutating func append(_ due: Due, _ key: Key, channel: ID?) {
        entryCount += 1
        guard let row = rows[key]?.firstIndex(where: { $0.channel == channel }) else {
            return rows[key, default: []].append(Row(channel: channel, waiting: [due]))
        }
        rows[key]![row].waiting.append(due)
    }

    /// All of them, stale ones too, in the order in which they were made.
    var all: [Due] {
        rows.values.flatMap { $0.flatMap(\.waiting) }.sorted { $0.sequence < $1.sequence }
    }

    mutating func removeAll() { self = Backorders() }

    /// A place in a row.
    struct Place: Sendable {
        fileprivate let key: Key
        fileprivate let row: Int
        fileprivate var number: Int

        var isWhole: Bool { key.isWhole }

        mutating func next() { number += 1 }
    }

    /// The beginnings of the rows that may be served by any of some warehouses.
    func places(of warehouses: [ID]) -> [Place] {
        if rows.isEmpty || warehouses.isEmpty { return [] }
        var keys = [Key(warehouse: nil, isWhole: false), Key(warehouse: nil, isWhole: true)]
        for warehouse in warehouses { keys.append(Key(warehouse: warehouse, isWhole: false)) }
        var places: [Place] = []
        for key in keys {
            guard let found = rows[key] else { continue }
            for row in found.indices { places.append(Place(key: key, row: row, number: found[row].first)) }
        }
        return places
    }

    /// Takes note that all before a place are stale.
    mutating func drop(before place: Place) { rows[place.key]?[place.row].first = place.number }

    /// Nil behind the last.
    func due(at place: Place) -> Due? {
        guard let row = rows[place.key]?[place.row], place.number < row.waiting.count else { return nil }
        return row.waiting[place.number]
    }
}
