import Foundation

/// Why the HTTP server could not start; each says which setting to change.
package enum HTTPServerError: Error, CustomStringConvertible {
    /// `getaddrinfo(3)` does not know the address.
    case unknownAddress(address: String, reason: String)
    /// Another process listens there.
    case portTaken(address: String, port: UInt16)
    /// The address is none of this machine's.
    case foreignAddress(address: String)
    /// The system refused in another way.
    case refused(address: String, port: UInt16, reason: String)
    /// `MHD_start_daemon` failed.
    case libraryFailed

    package var description: String {
        switch self {
        case .unknownAddress(let address, let reason):
            "http_address: \(address) is no address (\(reason)). "
                + "Set http_address to an address of this machine, such as 127.0.0.1 or 0.0.0.0."
        case .portTaken(let address, let port):
            "http_port: port \(port) on \(address) is taken by another process. "
                + "Set http_port to a free port, or to 0 to do without the HTTP server."
        case .foreignAddress(let address):
            "http_address: \(address) is not an address of this machine. "
                + "Set http_address to one of its own, such as 127.0.0.1 or 0.0.0.0."
        case .refused(let address, let port, let reason):
            "http_port: cannot listen on \(address) port \(port): \(reason). "
                + "Set http_port to a port that this user may use (1024 or above), or to 0 to do without."
        case .libraryFailed:
            "the HTTP server could not start (MHD_start_daemon failed). "
                + "Check the limits on threads and open files, or set http_port to 0 to do without."
        }
    }
}

/// A TCP socket that listens. Made here and not by the library, so that a failure is known by its cause.
package struct ListeningSocket {
    package let descriptor: Int32
    /// The port that it is bound to; the one the system chose if it was asked for 0.
    package let port: UInt16

    /// Binds and listens: `getaddrinfo(3)`, `socket(2)`, `bind(2)`, `listen(2)`.
    package static func open(address: String, port: UInt16) throws(HTTPServerError) -> ListeningSocket {
        var hints = addrinfo()
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let result = getaddrinfo(address, String(port), &hints, &found)
        guard result == 0, let first = found else {
            throw .unknownAddress(address: address, reason: String(cString: gai_strerror(result)))
        }
        defer { freeaddrinfo(first) }

        let kind = first.pointee.ai_socktype | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(first.pointee.ai_family, kind, first.pointee.ai_protocol)
        guard descriptor >= 0 else { throw failure(address, port) }
        // So that a restart need not wait until the last run's connections are forgotten.
        var on: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        guard bind(descriptor, first.pointee.ai_addr, first.pointee.ai_addrlen) == 0,
            listen(descriptor, 64) == 0, let bound = boundPort(descriptor)
        else {
            let error = failure(address, port)
            close(descriptor)
            throw error
        }
        return ListeningSocket(descriptor: descriptor, port: bound)
    }

    /// The error that `errno` stands for.
    private static func failure(_ address: String, _ port: UInt16) -> HTTPServerError {
        switch errno {
        case EADDRINUSE: .portTaken(address: address, port: port)
        case EADDRNOTAVAIL: .foreignAddress(address: address)
        default: .refused(address: address, port: port, reason: String(cString: strerror(errno)))
        }
    }

    /// The port of a bound socket: `getsockname(2)`. It stands in the same place for IPv4 and IPv6.
    private static func boundPort(_ descriptor: Int32) -> UInt16? {
        var storage = sockaddr_in6()
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let result = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        return result == 0 ? UInt16(bigEndian: storage.sin6_port) : nil
    }
}
