import Foundation
import Operations
import Synchronization

/// Stands between the sink and PostgreSQL, and does harm around a COMMIT when it is told to: what the sink then knows
/// of its transaction is nothing.
final class CommitProxy: Sendable {
    enum Harm: Sendable, CaseIterable {
        /// PostgreSQL has committed; the connection is cut before the sink hears of it.
        case cutAfter
        /// The connection is cut before PostgreSQL gets the COMMIT.
        case cutBefore
        /// PostgreSQL gets the COMMIT and is killed at once.
        case kill
    }

    private struct Order {
        let harm: Harm
        let kill: @Sendable () -> Void
    }

    /// The end of both messages: libpq's Query, and the server's CommandComplete.
    private static let commit = Array("COMMIT\0".utf8)

    private let server: Int
    private let listener: Int32
    /// On the loopback.
    let port: Int
    private let order = Mutex<Order?>(nil)
    private let isStopping = Atomic<Bool>(false)

    /// - Parameter server: PostgreSQL's port on the loopback.
    init(server: Int) throws {
        self.server = server
        let socket = try ListeningSocket.open(address: "127.0.0.1", port: 0)
        listener = socket.descriptor
        port = Int(socket.port)
        Service.startThread("proxy") { [self] in accept() }
    }

    /// Does that harm to the next COMMIT.
    /// - Parameter kill: kills PostgreSQL.
    func arm(_ harm: Harm, kill: @escaping @Sendable () -> Void) {
        order.withLock { $0 = Order(harm: harm, kill: kill) }
    }

    /// The harm is done.
    var isDone: Bool { order.withLock { $0 == nil } }

    func stop() { isStopping.store(true, ordering: .releasing) }

    private func accept() {
        while !isStopping.load(ordering: .acquiring) {
            guard Self.isReadable([listener]).first == true else { continue }
            let client = Foundation.accept(listener, nil, nil)
            guard client >= 0 else { continue }
            // A server that is started meanwhile must not hold the connection open.
            _ = fcntl(client, F_SETFD, FD_CLOEXEC)
            Service.startThread("proxied") { [self] in
                carry(client)
                close(client)
            }
        }
        close(listener)
    }

    /// Carries bytes both ways until one side ends or the harm is done.
    private func carry(_ client: Int32) {
        guard let upstream = Self.connect(port: server) else { return }
        defer { close(upstream) }
        var isCommitting = false
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while !isStopping.load(ordering: .acquiring) {
            let readable = Self.isReadable([client, upstream])
            if readable[0] {
                let count = recv(client, &chunk, chunk.count, 0)
                guard count > 0 else { return }
                if Self.holdsCommit(chunk[..<count]) {
                    switch order.withLock({ $0?.harm }) {
                    case .cutBefore:
                        order.withLock { $0 = nil }
                        return
                    case .kill:
                        guard Self.send(upstream, chunk, count) else { return }
                        let kill = order.withLock { order in
                            defer { order = nil }
                            return order?.kill
                        }
                        kill?()
                        return
                    case .cutAfter: isCommitting = true
                    case nil: break
                    }
                }
                guard Self.send(upstream, chunk, count) else { return }
            }
            if readable[1] {
                let count = recv(upstream, &chunk, chunk.count, 0)
                guard count > 0 else { return }
                if isCommitting, Self.holdsCommit(chunk[..<count]) {
                    order.withLock { $0 = nil }
                    return
                }
                guard Self.send(client, chunk, count) else { return }
            }
        }
    }

    private static func holdsCommit(_ bytes: ArraySlice<UInt8>) -> Bool {
        bytes.firstRange(of: commit) != nil
    }

    /// Which of the descriptors can be read without waiting; waits a little for one (`poll(2)`).
    private static func isReadable(_ descriptors: [Int32]) -> [Bool] {
        var entries = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        guard poll(&entries, nfds_t(entries.count), 100) > 0 else { return descriptors.map { _ in false } }
        return entries.map { $0.revents != 0 }
    }

    private static func send(_ descriptor: Int32, _ bytes: [UInt8], _ count: Int) -> Bool {
        var sent = 0
        while sent < count {
            let step = bytes[sent..<count].withUnsafeBytes {
                Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard step > 0 else { return false }
            sent += step
        }
        return true
    }

    private static func connect(port: Int) -> Int32? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Foundation.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 else {
            close(descriptor)
            return nil
        }
        return descriptor
    }
}
