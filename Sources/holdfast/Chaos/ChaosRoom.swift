import Foundation
import Operations

/// A network of its own that a process can be put into, with one link to ours, which can be cut.
/// deploy/lib/chaos-network.sh makes it.
struct ChaosRoom: Sendable {
    /// A process that keeps the room.
    let keeper: Int32
    /// Our end of the link.
    let link: String
    /// The address that is to be reached from in there.
    let outerAddress: String
    /// The room's own.
    let innerAddress: String

    /// The room that the script tells of; nil if it made none.
    static func fromEnvironment() -> ChaosRoom? {
        let words = (ProcessInfo.processInfo.environment["HOLDFAST_CHAOS_ROOM"] ?? "").split(separator: " ")
        guard words.count == 4, let keeper = Int32(words[0]) else { return nil }
        return ChaosRoom(
            keeper: keeper, link: String(words[1]), outerAddress: String(words[2]),
            innerAddress: String(words[3]))
    }

    /// What leads a process into the room.
    var surroundings: DemoCast.Surroundings {
        DemoCast.Surroundings(
            launcher: ["/usr/bin/nsenter", "--net=/proc/\(keeper)/ns/net", "--"], address: innerAddress)
    }

    /// Cuts the link, or mends it (`ioctl` SIOCSIFFLAGS of `netdevice(7)`). What is sent into a link that was cut is
    /// lost without a word.
    func setLink(up: Bool) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(descriptor) }
        // struct ifreq: a name of 16 bytes, then the flags.
        var request = [UInt8](repeating: 0, count: MemoryLayout<ifreq>.size)
        for (index, byte) in link.utf8.prefix(15).enumerated() { request[index] = byte }
        let code = request.withUnsafeMutableBytes { bytes in
            guard ioctl(descriptor, UInt(SIOCGIFFLAGS), bytes.baseAddress!) == 0 else { return Int32(-1) }
            var flags = bytes.loadUnaligned(fromByteOffset: 16, as: Int16.self)
            let isUp = Int16(IFF_UP)
            flags = up ? flags | isUp : flags & ~isUp
            bytes.storeBytes(of: flags, toByteOffset: 16, as: Int16.self)
            return ioctl(descriptor, UInt(SIOCSIFFLAGS), bytes.baseAddress!)
        }
        guard code == 0 else {
            throw RoleFailure(
                .internalFault, "the link \(link) cannot be set: \(String(cString: strerror(errno)))")
        }
    }
}
