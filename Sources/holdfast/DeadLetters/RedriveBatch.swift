import InventoryWire
import StreamRuntime

/// Which letters a person wants to be sent again.
enum LetterChoice {
    case places(Set<LetterPlace>)
    case reason(DecodingFailure.Reason)

    func contains(_ place: LetterPlace) -> Bool {
        if case .places(let places) = self { return places.contains(place) }
        return true
    }

    func contains(_ reason: DecodingFailure.Reason) -> Bool {
        if case .reason(let chosen) = self { return chosen == reason }
        return true
    }
}

/// The chosen letters that wait to be sent, gathered in one reading of `dead.letters`. Its memory has a bound,
/// however many letters there are: what finds no room is left to the next reading.
struct RedriveBatch: ~Copyable {
    /// The most letters, and the most bytes of theirs, that are held at once.
    private static let letters = 10_000
    private static let bytes = 64 << 20
    /// The most refused letters that are told one by one.
    private static let refusals = 1_000

    struct Letter {
        var place: LetterPlace
        var reason: DecodingFailure.Reason
        var key: [UInt8]?
        var record: Redrive.Record
    }

    private let choice: LetterChoice
    /// Letters before these were dealt with by an earlier reading.
    private let starts: [Int32: Int64]
    private let redriven: RedrivenLetters
    private var redrive: Redrive
    private var reader = RecordReader()
    private var waiting: [Letter] = []
    private var byteCount = 0
    /// Where the letters begin that found no room, by partition.
    private(set) var rest: [Int32: Int64] = [:]
    /// The first of those that cannot be sent.
    private(set) var refusals: [(place: LetterPlace, failure: DecodingFailure)] = []
    private(set) var refusedCount = 0
    private(set) var redrivenCount = 0
    private(set) var chosenCount = 0
    private var found: Set<LetterPlace> = []

    init(
        _ choice: LetterChoice, from starts: [Int32: Int64], redriven: RedrivenLetters,
        redrive: consuming Redrive
    ) {
        self.choice = choice
        self.starts = starts
        self.redriven = redriven
        self.redrive = redrive
    }

    /// Takes a record of `dead.letters`, if it is a letter and chosen.
    mutating func add(_ value: UnsafeRawBufferPointer?, at place: LetterPlace) {
        guard place.offset >= starts[place.partition] ?? .max, choice.contains(place), let value,
            let letter = try? reader.deadLetter(value), choice.contains(letter.reason)
        else { return }
        chosenCount += 1
        if case .places = choice { found.insert(place) }
        if redriven.contains(place) {
            redrivenCount += 1
            return
        }
        do throws(DecodingFailure) {
            hold(
                Letter(
                    place: place, reason: letter.reason, key: letter.key,
                    record: try redrive.record(of: letter)))
        } catch {
            refusedCount += 1
            if refusals.count < Self.refusals { refusals.append((place, error)) }
        }
    }

    private mutating func hold(_ letter: Letter) {
        let place = letter.place
        let hasRoom = waiting.count < Self.letters && byteCount + letter.record.byteCount <= Self.bytes
        guard rest[place.partition] == nil, hasRoom || waiting.isEmpty else {
            rest[place.partition] = rest[place.partition] ?? place.offset
            return
        }
        byteCount += letter.record.byteCount
        waiting.append(letter)
    }

    /// In the order of their places.
    var lettersToSend: [Letter] { waiting.sorted { $0.place < $1.place } }

    /// Chosen places where no letter stands.
    var missing: [LetterPlace] {
        guard case .places(let places) = choice else { return [] }
        return places.subtracting(found).sorted()
    }
}
