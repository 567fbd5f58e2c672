import Foundation

extension ChaosFault {
    /// Why it cannot be tried here; nil if it can.
    func missing(_ servers: ChaosServers) -> String? {
        let environment = ProcessInfo.processInfo.environment
        switch needs {
        case nil: return nil
        case .disks: return servers.noDisksReason
        case .room:
            guard ChaosRoom.fromEnvironment() == nil else { return nil }
            return environment["HOLDFAST_CHAOS_NO_ROOM"]
                ?? "no network of its own was made; run it as deploy/local chaos"
        case .clock:
            guard environment["HOLDFAST_CHAOS_CLOCK"] == nil else { return nil }
            return environment["HOLDFAST_CHAOS_NO_CLOCK"]
                ?? "no library for it was made; run it as deploy/local chaos"
        }
    }
}
