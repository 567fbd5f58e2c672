import Foundation

extension ChaosFault {
    /// Why it cannot be tried here; nil if it can.
    func missing(_ servers: ChaosServers) -> String? {
        switch needs {
        case nil: return nil
        case .disks: return servers.noDisksReason
        case .room:
            guard ChaosRoom.fromEnvironment() == nil else { return nil }
            return ProcessInfo.processInfo.environment["HOLDFAST_CHAOS_NO_ROOM"]
                ?? "no network of its own was made; run it as deploy/local chaos"
        case .clock:
            return nil
        }
    }

    static let clocks: [ChaosFault] = []
    static let brokers: [ChaosFault] = []
    static let networks: [ChaosFault] = []
}
