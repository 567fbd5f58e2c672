/// A place on Earth, in millionths of a degree (about 11 cm), so that two machines never differ in it.
package struct Point: Equatable, Sendable {
    /// -90,000,000...90,000,000; north is positive.
    package var latitude: Int64
    /// -180,000,000...180,000,000; east is positive.
    package var longitude: Int64

    package init(latitude: Int64, longitude: Int64) {
        self.latitude = latitude
        self.longitude = longitude
    }
}

/// A point on the unit sphere. Distances are compared as squares of chords, which grow as great circles do.
///
/// Only +, -, * and / of IEEE 754 are used, which give the same bits everywhere; a mathematical library's sine
/// need not.
package struct UnitVector: BitwiseCopyable, Sendable {
    let x: Double
    let y: Double
    let z: Double

    package init(_ point: Point) {
        let parallel = Angle.cosine(point.latitude)
        x = parallel * Angle.cosine(point.longitude)
        y = parallel * Angle.sine(point.longitude)
        z = Angle.sine(point.latitude)
    }

    /// The square of the chord to `other`: 0...4.
    func squaredChord(to other: UnitVector) -> Double {
        let (dx, dy, dz) = (x - other.x, y - other.y, z - other.z)
        return dx * dx + dy * dy + dz * dz
    }

    /// The square of the chord under a great circle of so many kilometres.
    static func squaredChord(kilometres: Int64) -> Double {
        // Half of the Earth's circumference, with its mean radius of 6371.0088 km (IUGG).
        guard kilometres < 20_016 else { return 4 }
        let halfAngle = Double(kilometres) / (2 * 6371.0088) * (180_000_000 / Double.pi)
        let sine = Angle.sine(Int64(halfAngle.rounded()))
        return 4 * sine * sine
    }

    /// The way to `other` along the great circle, in whole kilometres, rounded up: 0...20,016. It is the least reach
    /// that `Stock.isInTime` finds long enough.
    package func kilometres(to other: UnitVector) -> Int64 {
        let chord = squaredChord(to: other)
        var (low, high): (Int64, Int64) = (0, 20_016)
        while low < high {
            let middle = (low + high) / 2
            if chord <= Self.squaredChord(kilometres: middle) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

/// Sine and cosine of angles in millionths of a degree.
enum Angle {
    static func sine(_ angle: Int64) -> Double {
        let turn = ((angle % 360_000_000) + 360_000_000) % 360_000_000
        if turn >= 180_000_000 { return -sine(turn - 180_000_000) }
        let acute = min(turn, 180_000_000 - turn)
        return acute <= 45_000_000 ? smallSine(acute) : smallCosine(90_000_000 - acute)
    }

    static func cosine(_ angle: Int64) -> Double { sine(angle + 90_000_000) }

    /// Taylor's series for 0...45 degrees; the first term left out is below 1e-16.
    private static func smallSine(_ angle: Int64) -> Double {
        let x = Double(angle) * (Double.pi / 180_000_000)
        return series(x, from: x, first: 2, terms: 7)
    }

    private static func smallCosine(_ angle: Int64) -> Double {
        let x = Double(angle) * (Double.pi / 180_000_000)
        return series(x, from: 1, first: 1, terms: 8)
    }

    /// So many terms after the starting one, each the one before times -x²/(n(n+1)), n from `first` on by twos.
    private static func series(_ x: Double, from start: Double, first: Double, terms: Int) -> Double {
        var term = start
        var sum = start
        var place = first
        for _ in 0..<terms {
            term = -term * x * x / (place * (place + 1))
            sum += term
            place += 2
        }
        return sum
    }
}

/// The core's sine, for tests.
package enum AngleProbe {
    package static func sine(_ angle: Int64) -> Double { Angle.sine(angle) }
}
