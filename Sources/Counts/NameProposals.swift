import Foundation
import InventoryCore
import Operations

/// The known names that somebody may have meant who wrote an unknown one.
struct NameProposals {
    /// What lies between the two, from the likeliest slip on.
    enum Likeness: Int, Comparable {
        case unicodeForm, hidden, letterCase, leadingZeros, number, spelling

        static func < (left: Likeness, right: Likeness) -> Bool { left.rawValue < right.rawValue }
    }

    struct Proposal: Equatable {
        let name: ID
        let likeness: Likeness
    }

    private var found: [ID: [Proposal]] = [:]
    private var byKey: [String: [ID]] = [:]
    private var shortened: [(unknown: ID, number: ShortenedNumber)] = []
    private var nearest: [NearestName<ID>] = []
    /// The place of a name in `nearest`.
    private var places: [ID: Int] = [:]

    /// - Parameter unknown: in the order of the file.
    init(for unknown: [ID]) {
        var seen: Set<ID> = []
        for name in unknown where seen.insert(name).inserted {
            let key = Self.key(name.text)
            byKey[key, default: []].append(name)
            guard nearest.count < CountLimits.comparedNames else { continue }
            places[name] = nearest.count
            nearest.append(NearestName(to: key, atMost: CountLimits.proposals))
            if let number = ShortenedNumber(name.text) { shortened.append((name, number)) }
        }
    }

    /// Every known name once.
    mutating func consider(_ known: ID) {
        let key = Self.key(known.text)
        for unknown in byKey[key] ?? [] {
            found[unknown, default: []].append(
                Proposal(name: known, likeness: Self.likeness(unknown.text, known.text)))
        }
        for (unknown, number) in shortened where number.isOf(key) {
            guard found[unknown]?.contains(where: { $0.name == known }) != true else { continue }
            found[unknown, default: []].append(Proposal(name: known, likeness: .number))
        }
        let candidate = NearestName.Candidate(known, text: key)
        for index in nearest.indices { nearest[index].consider(candidate) }
    }

    /// At most `CountLimits.proposals`, the likeliest first.
    func proposals(for unknown: ID) -> [Proposal] {
        let alike = (found[unknown] ?? []).sorted { ($0.likeness, $0.name) < ($1.likeness, $1.name) }
        guard alike.isEmpty else { return Array(alike.prefix(CountLimits.proposals)) }
        let near = places[unknown].map { nearest[$0].names } ?? []
        return near.map { Proposal(name: $0, likeness: .spelling) }
    }

    /// Whether a name without proposals is like no known one.
    func isCompared(_ unknown: ID) -> Bool { places[unknown] != nil }

    private static func likeness(_ unknown: String, _ known: String) -> Likeness {
        // As texts, not as ids: canonically equivalent.
        if unknown == known { return .unicodeForm }
        let (one, other) = (withoutHidden(unknown), withoutHidden(known))
        if one == other { return .hidden }
        if one.lowercased() == other.lowercased() { return .letterCase }
        if withoutZeros(one.lowercased()) == withoutZeros(other.lowercased()) { return .leadingZeros }
        return ShortenedNumber(unknown) != nil || unknown.contains(".") ? .number : .spelling
    }

    private static func withoutHidden(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.filter { !CountText.isHidden($0) }))
    }

    private static func withoutZeros(_ text: String) -> Substring {
        let rest = text.drop { $0 == "0" }
        return rest.isEmpty ? text.suffix(1) : rest
    }

    /// What all that is easily taken for one another has in common.
    static func key(_ text: String) -> String {
        var key = text
        if !text.utf8.allSatisfy({ $0 < 0x80 }) {
            key = text.folding(
                options: [.caseInsensitive, .widthInsensitive, .diacriticInsensitive], locale: nil)
        }
        key = withoutHidden(key.lowercased())
        if let number = ShortenedNumber(key)?.whole { key = number }
        if key.hasSuffix(".0"), key.dropLast(2).allSatisfy(\.isNumber) { key = String(key.dropLast(2)) }
        return String(withoutZeros(key))
    }
}

/// A name that a spreadsheet has taken for a number and shortened: `1.00E+05`, `4.00638E+12`.
private struct ShortenedNumber {
    /// The digits before the exponent, without the separator; rounded.
    private let digits: [UInt8]
    /// How many digits the whole has.
    private let count: Int

    init?(_ text: String) {
        let parts = text.split(omittingEmptySubsequences: false) { $0 == "e" || $0 == "E" }
        guard parts.count == 2, let exponent = Int(parts[1]), (0...40).contains(exponent) else { return nil }
        let mantissa = parts[0].split(omittingEmptySubsequences: false) { $0 == "." || $0 == "," }
        guard mantissa.count <= 2, let whole = mantissa.first, (1...40).contains(parts[0].utf8.count),
            mantissa.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } })
        else { return nil }
        digits = mantissa.flatMap { Array($0.utf8) }
        count = whole.utf8.count + exponent
    }

    /// The number with all its digits, if what was cut off was zeros.
    var whole: String? {
        guard digits.count <= count else { return nil }
        return String(decoding: digits + [UInt8](repeating: 0x30, count: count - digits.count), as: UTF8.self)
    }

    /// Whether a spreadsheet writes that number so.
    func isOf(_ name: String) -> Bool {
        let own = Array(name.utf8)
        guard own.count == count, digits.count < count, own.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return false
        }
        var rounded = Array(own.prefix(digits.count))
        if own[digits.count] >= 0x35 {
            var place = rounded.count - 1
            while place >= 0 {
                rounded[place] += 1
                if rounded[place] <= 0x39 { break }
                rounded[place] = 0x30
                place -= 1
            }
        }
        return rounded == digits
    }
}
