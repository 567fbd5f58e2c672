/// A binary heap, least first.
package struct Heap<Element: Comparable & Sendable>: Sendable {
    private var elements: [Element] = []

    package init() {}

    package var first: Element? { elements.first }
    package var count: Int { elements.count }
    /// All elements, in no order that means anything.
    package var unordered: [Element] { elements }

    package mutating func insert(_ element: Element) {
        elements.append(element)
        var child = elements.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard elements[child] < elements[parent] else { return }
            elements.swapAt(child, parent)
            child = parent
        }
    }

    package mutating func removeFirst() {
        let last = elements.removeLast()
        if elements.isEmpty { return }
        elements[0] = last
        siftDown(from: 0)
    }

    /// Removes the elements that `isStale` names, and orders the others anew in one pass.
    package mutating func removeAll(where isStale: (Element) -> Bool) {
        elements.removeAll(where: isStale)
        for index in stride(from: elements.count / 2 - 1, through: 0, by: -1) { siftDown(from: index) }
    }

    private mutating func siftDown(from start: Int) {
        var parent = start
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < elements.count && elements[child] < elements[least] {
                least = child
            }
            if least == parent { return }
            elements.swapAt(parent, least)
            parent = least
        }
    }
}
