/// What has an id.
package protocol Identified: Sendable {
    var id: String { get }
}

/// Things by their ids, one beside another. In no order that means anything; the same as long as the same was done.
package struct IDTable<Element: Identified>: Sendable {
    package private(set) var values: [Element] = []
    private var places = PlaceIndex()

    package init() {}

    package var count: Int { values.count }

    private func place(of id: String, _ hash: UInt32) -> Int? {
        places.place(hash) { values[$0].id == id }
    }

    package func contains(_ id: String) -> Bool { place(of: id, IDHash.of(id)) != nil }

    package subscript(id: String) -> Element? {
        get {
            guard let place = place(of: id, IDHash.of(id)) else { return nil }
            return values[place]
        }
        set {
            let hash = IDHash.of(id)
            guard let newValue else { return remove(id, hash) }
            precondition(newValue.id == id)
            if let place = place(of: id, hash) {
                values[place] = newValue
            } else {
                add(newValue, hash)
            }
        }
    }

    /// Changes one in its place, which is made first where it is not there.
    package mutating func change<Result>(
        _ id: String, orMake make: () -> Element, _ body: (inout Element) -> Result
    ) -> Result {
        let hash = IDHash.of(id)
        if let place = place(of: id, hash) { return body(&values[place]) }
        add(make(), hash)
        return body(&values[values.count - 1])
    }

    /// Changes all in their places; their ids stay.
    package mutating func changeAll(_ body: (inout Element) -> Void) {
        for place in values.indices { body(&values[place]) }
    }

    private mutating func add(_ element: Element, _ hash: UInt32) {
        places.insert(hash, values.count)
        values.append(element)
    }

    /// The last takes the place of the one that goes.
    private mutating func remove(_ id: String, _ hash: UInt32) {
        guard let place = place(of: id, hash) else { return }
        places.remove(hash, place)
        let last = values.removeLast()
        if place == values.count { return }
        let hashOfLast = IDHash.of(last.id)
        places.remove(hashOfLast, values.count)
        places.insert(hashOfLast, place)
        values[place] = last
    }
}
