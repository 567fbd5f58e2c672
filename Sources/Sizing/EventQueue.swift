/// What is to happen, the soonest first; of what happens at one moment, what was put in first. A binary heap.
package struct EventQueue<Event> {
    private var heap: [(time: Int64, order: UInt64, event: Event)] = []
    private var added: UInt64 = 0

    package init() {}

    package var isEmpty: Bool { heap.isEmpty }

    /// - Parameter time: in nanoseconds of the model's clock.
    package mutating func add(_ event: Event, at time: Int64) {
        heap.append((time, added, event))
        added += 1
        var place = heap.count - 1
        while place > 0 {
            let parent = (place - 1) / 2
            guard isSooner(place, parent) else { break }
            heap.swapAt(place, parent)
            place = parent
        }
    }

    package mutating func next() -> (time: Int64, event: Event)? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap[0] = last
            sink()
        }
        return (first.time, first.event)
    }

    private mutating func sink() {
        var place = 0
        while true {
            var least = place
            let (left, right) = (2 * place + 1, 2 * place + 2)
            if left < heap.count, isSooner(left, least) { least = left }
            if right < heap.count, isSooner(right, least) { least = right }
            if least == place { return }
            heap.swapAt(place, least)
            place = least
        }
    }

    private func isSooner(_ one: Int, _ other: Int) -> Bool {
        heap[one].time != heap[other].time
            ? heap[one].time < heap[other].time : heap[one].order < heap[other].order
    }
}
