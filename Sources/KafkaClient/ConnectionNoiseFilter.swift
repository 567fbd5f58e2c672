/// Decides which of a client's words about lost connections are worth telling: the first of an outage, and the
/// broker's return.
///
/// librdkafka tries again several times a second, and says so each time in its log and as an error. It does not say
/// when a connection works again: that shows in the statistics (`statistics.interval.ms`), or in any answer. That a
/// connection is open is no sign of it: to a broker that hangs it stays so, and statistics may be older than the
/// outage. So an outage lasts until something was received that came after it began.
/// An outage belongs to a broker's address, for which librdkafka has several names. That a broker is there and
/// refuses this client is told besides, once each way: it does not pass by itself.
package struct ConnectionNoiseFilter: Sendable {
    package enum Verdict: Sendable, Equatable {
        /// Pass it on.
        case tell
        /// It repeats what was told.
        case keepQuiet
    }

    /// The end of an outage.
    package struct Return: Sendable, Equatable {
        /// The broker's `host:port`, or `ConnectionNoiseFilter.everyBroker`.
        package let address: String
        /// How many messages about the outage were kept quiet.
        package let keptQuiet: Int

        package init(address: String, keptQuiet: Int) {
            self.address = address
            self.keptQuiet = keptQuiet
        }
    }

    /// Stands for the address where a message names none.
    package static let everyBroker = "every broker"

    /// More addresses than this share one outage, so that a stream of odd messages cannot grow the filter.
    private static let addressLimit = 64

    private struct Outage: Sendable {
        /// In microseconds of `CLOCK_MONOTONIC`.
        let began: Int64
        /// How many messages were kept quiet.
        var keptQuiet = 0
    }

    /// The present outages by address.
    private var outages: [String: Outage] = [:]

    /// Which kinds of refusal were told since all was well.
    private var refusals: Set<String> = []

    package init() {}

    /// Whether an outage goes on.
    package var isOutage: Bool { !outages.isEmpty }

    /// Judges a line of the log.
    /// - Parameter now: when it was written, in microseconds of `CLOCK_MONOTONIC`.
    package mutating func judge(facility: String, message: String, now: Int64) -> Verdict {
        guard Self.connectionFacilities.contains(facility) else { return .tell }
        let address = Self.address(in: message) ?? Self.everyBroker
        return facility == Self.certificateFacility
            ? refusal(facility, at: address, now) : failure(at: address, now)
    }

    /// Judges an error of the client's. It is told once with the log's line of the same failure: whichever comes
    /// first.
    /// - Parameter now: microseconds of `CLOCK_MONOTONIC`.
    package mutating func judge(_ error: KafkaError, now: Int64) -> Verdict {
        guard Self.connectionErrors.contains(error.code.name) else { return .tell }
        if error.code.name == "_ALL_BROKERS_DOWN" { return failure(at: Self.everyBroker, now) }
        let address = Self.address(in: error.message) ?? Self.everyBroker
        return error.isRefusal ? refusal(error.code.name, at: address, now) : failure(at: address, now)
    }

    /// Looks in a client's statistics (librdkafka's `STATISTICS.md`) for brokers from which something was received
    /// after their outage began; returns the outages that ended.
    package mutating func statistics(_ json: UnsafeRawBufferPointer) -> [Return] {
        guard isOutage else { return [] }
        let text = String(decoding: json, as: UTF8.self)
        guard let written = Self.number("\"ts\":", in: text[...]) else { return [] }
        var ended: [Return] = []
        // Each broker's object holds "nodename":"host:port", then "state":"UP", then "rxidle": microseconds since
        // the connection received something, or -1.
        for part in text.split(separator: "\"nodename\":\"").dropFirst() {
            guard let address = part.split(separator: "\"", maxSplits: 1).first,
                let state = part.split(separator: "\"state\":\"", maxSplits: 1).last,
                state.hasPrefix("UP\""),
                let idle = Self.number("\"rxidle\":", in: state), idle >= 0
            else { continue }
            for outage in [String(address), Self.everyBroker] {
                guard let began = outages[outage]?.began, written - idle > began else { continue }
                ended += end(outage)
            }
        }
        return ended
    }

    /// The number after a name in JSON.
    private static func number(_ name: String, in text: Substring) -> Int64? {
        let parts = text.split(separator: name, maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        return Int64(parts[1].drop { $0 == " " }.prefix { $0.isNumber || $0 == "-" })
    }

    /// A broker has answered, no matter which; every outage ended. For a cluster of several brokers, rather use
    /// `statistics`, which tells them apart.
    package mutating func answered() -> [Return] {
        outages.keys.sorted().flatMap { end($0) }
    }

    private mutating func refusal(_ kind: String, at address: String, _ now: Int64) -> Verdict {
        let verdict = failure(at: address, now)
        return refusals.insert(kind).inserted ? .tell : verdict
    }

    private mutating func failure(at address: String, _ now: Int64) -> Verdict {
        let key = outages[address] != nil || outages.count < Self.addressLimit ? address : Self.everyBroker
        guard outages[key] != nil else {
            outages[key] = Outage(began: now)
            return .tell
        }
        outages[key]?.keptQuiet += 1
        return .keepQuiet
    }

    private mutating func end(_ address: String) -> [Return] {
        guard let outage = outages.removeValue(forKey: address) else { return [] }
        if outages.isEmpty { refusals = [] }
        return [Return(address: address, keptQuiet: outage.keptQuiet)]
    }

    /// The facilities under which librdkafka logs why a transaction failed. Whoever called hears it too, as the
    /// call's error, and tells it (`rd_kafka_txn_set_abortable_error` and its like in `rdkafka_txnmgr.c`).
    package static let transactionFacilities: Set<String> = [
        "TXNERR", "ADDPARTS", "ADDOFFSETS", "TXNOFFSETS", "ENDTXN",
    ]

    /// The facilities under which librdkafka logs lost connections and what follows from them.
    private static let connectionFacilities: Set<String> = [
        "FAIL", "REQTMOUT", "GETPID", "COORD", "METADATA", certificateFacility,
    ]

    private static let certificateFacility = "SSLCERTVRFY"

    private static let connectionErrors: Set<String> = [
        "_TRANSPORT", "_RESOLVE", "_ALL_BROKERS_DOWN", "_TIMED_OUT", "_SSL", "_AUTHENTICATION",
    ]

    /// The `host:port` that a message names, as in "127.0.0.1:9092/1: Connect to ... failed".
    static func address(in message: String) -> String? {
        for word in message.split(separator: " ") where !word.hasPrefix("[thrd:") {
            // A name may begin with its protocol and end with the broker's id.
            let name = word.split(separator: "//", maxSplits: 1).last ?? word
            let address = name.prefix { $0 != "/" }
            let bare = address.last == ":" ? address.dropLast() : address
            guard let colon = bare.lastIndex(of: ":"), colon != bare.startIndex else { continue }
            let port = bare[bare.index(after: colon)...]
            if !port.isEmpty, port.allSatisfy(\.isNumber), !bare.contains("#") { return String(bare) }
        }
        return nil
    }
}
