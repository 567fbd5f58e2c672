/// Makes a failing plan smaller: fewer faults, same traffic.
package enum Shrinker {
    /// Leaves out faults, first by halves, then one at a time, for as long as the plan still fails.
    ///
    /// - Parameter fails: whether the run with these faults (places in the whole list) fails.
    /// - Returns: the places of the faults that are left, ascending; leaving out any one of them ends the failure.
    package static func shrink(_ count: Int, fails: ([Int]) -> Bool) -> [Int] {
        var kept = Array(0..<count)
        var size = max(1, count / 2)
        while true {
            var hasShrunk = false
            var start = 0
            while start < kept.count {
                var fewer = kept
                fewer.removeSubrange(start..<min(start + size, kept.count))
                if fails(fewer) {
                    kept = fewer
                    hasShrunk = true
                } else {
                    start += size
                }
            }
            // What could not be left out before may be now that others are gone.
            if size == 1 && !hasShrunk { return kept }
            size = max(1, size / 2)
        }
    }
}
