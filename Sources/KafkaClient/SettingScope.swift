import CRdKafka
import Glibc

/// Whose a setting of librdkafka is, by librdkafka's own list of them.
enum SettingScope {
    /// Settings that only consumers have, and those that only producers have; each under all of its names.
    private static let own: (consumers: Set<String>, producers: Set<String>) = {
        var (consumers, producers, others) = (Set<String>(), Set<String>(), Set<String>())
        for line in list().split(separator: "\n") {
            let columns = line.split(separator: "|", maxSplits: 2, omittingEmptySubsequences: false)
            guard columns.count == 3 else { continue }
            let name = String(columns[0].drop { $0 == " " }.prefix { $0 != " " })
            switch columns[1].filter({ $0 != " " }) {
            case "C": consumers.insert(name)
            case "P": producers.insert(name)
            default: others.insert(name)
            }
        }
        // One of a client and one of a topic may have the same name.
        let both = consumers.intersection(producers).union(others)
        return (consumers.subtracting(both), producers.subtracting(both))
    }()

    /// Whether a client of the kind has the setting. A name that nobody knows is everybody's: whoever sets it is told.
    static func has(_ kind: ClientHandle.Kind, _ name: String) -> Bool {
        switch kind {
        case .producer: !own.consumers.contains(name)
        case .consumer: !own.producers.contains(name)
        }
    }

    /// The table of settings: the name, `C`, `P` or `*`, and more (`rd_kafka_conf_properties_show`).
    private static func list() -> String {
        // The stream writes to both until it is closed.
        let text = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: 1)
        let size = UnsafeMutablePointer<Int>.allocate(capacity: 1)
        text.initialize(to: nil)
        size.initialize(to: 0)
        defer {
            free(text.pointee)
            text.deallocate()
            size.deallocate()
        }
        guard let file = open_memstream(text, size) else { return "" }
        rd_kafka_conf_properties_show(file)
        fclose(file)
        return text.pointee.map { String(cString: $0) } ?? ""
    }
}
