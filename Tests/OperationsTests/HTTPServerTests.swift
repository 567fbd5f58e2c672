import Foundation
import Operations
import Synchronization
import Testing

/// A server whose health a test sets, on a free port of the loopback.
private final class Probe: Sendable {
    let metrics = MetricsRegistry()
    let health = Mutex<(alive: Health, ready: Health)>((.well, .well))

    func serve(address: String = "127.0.0.1", port: UInt16 = 0) throws(HTTPServerError) -> HTTPServer {
        try HTTPServer(
            address: address, port: port, metrics: metrics,
            alive: { self.health.withLock { $0.alive } }, ready: { self.health.withLock { $0.ready } })
    }
}

@Suite("The HTTP endpoints")
struct HTTPServerTests {
    @Test("/healthz is 200 while the process is alive and 503 with the reason when it is not")
    func healthz() throws {
        let probe = Probe()
        let server = try probe.serve()
        defer { server.stop() }
        let well = try exchange(server.port, "GET /healthz HTTP/1.1")
        #expect(well.status == 200)
        #expect(well.body == "ok\n")
        probe.health.withLock { $0.alive = .unwell("worker 3 hangs") }
        let unwell = try exchange(server.port, "GET /healthz HTTP/1.1")
        #expect(unwell.status == 503)
        #expect(unwell.body == "worker 3 hangs\n")
    }

    @Test("/readyz is 503 with the reason as text until it is ready")
    func readyz() throws {
        let probe = Probe()
        probe.health.withLock { $0.ready = .unwell("no connection to the broker") }
        let server = try probe.serve()
        defer { server.stop() }
        let unready = try exchange(server.port, "GET /readyz HTTP/1.1")
        #expect(unready.status == 503)
        #expect(unready.body == "no connection to the broker\n")
        #expect(unready.header("Content-Type") == "text/plain; charset=utf-8")
        probe.health.withLock { $0.ready = .well }
        #expect(try exchange(server.port, "GET /readyz?verbose=1 HTTP/1.1").status == 200)
    }

    @Test("/metrics is the text of the registry")
    func metrics() throws {
        let probe = Probe()
        probe.metrics.counter("holdfast_restarts_total", help: "Restarts of workers.").add(3)
        let server = try probe.serve()
        defer { server.stop() }
        let answer = try exchange(server.port, "GET /metrics HTTP/1.1")
        #expect(answer.status == 200)
        #expect(answer.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8")
        #expect(answer.body == probe.metrics.prometheusText())
        #expect(answer.body.contains("holdfast_restarts_total 3\n"))
    }

    @Test("HEAD has the head of GET and no body")
    func head() throws {
        let server = try Probe().serve()
        defer { server.stop() }
        let answer = try exchange(server.port, "HEAD /healthz HTTP/1.1")
        #expect(answer.status == 200)
        #expect(answer.header("Content-Length") == "3")
        #expect(answer.body == "")
    }

    @Test("Other paths are 404 and other methods 405 with what is allowed")
    func refusals() throws {
        let server = try Probe().serve()
        defer { server.stop() }
        #expect(try exchange(server.port, "GET / HTTP/1.1").status == 404)
        #expect(try exchange(server.port, "GET /healthz/x HTTP/1.1").status == 404)
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let answer = try exchange(server.port, "\(method) /healthz HTTP/1.1", body: "x=1")
            #expect(answer.status == 405)
            #expect(answer.header("Allow") == "GET, HEAD")
        }
    }

    @Test("A connection can be used for several requests")
    func keepAlive() throws {
        let server = try Probe().serve()
        defer { server.stop() }
        let connection = try LoopbackConnection(port: server.port)
        connection.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.send("GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        let text = connection.readToEnd()
        #expect(text.contains("HTTP/1.1 200 OK"))
        #expect(text.contains("HTTP/1.1 404 Not Found"))
    }

    @Test("A port that is taken is told with the key to change")
    func portTaken() throws {
        let server = try Probe().serve()
        defer { server.stop() }
        do {
            _ = try Probe().serve(port: server.port)
            Issue.record("two servers cannot have one port")
        } catch {
            #expect(
                error.description
                    == "http_port: port \(server.port) on 127.0.0.1 is taken by another process. "
                    + "Set http_port to a free port, or to 0 to do without the HTTP server.")
        }
    }

    @Test("An address that is not this machine's is told with the key to change")
    func wrongAddress() {
        for address in ["192.0.2.1", "no such host."] {
            do {
                _ = try Probe().serve(address: address)
                Issue.record("\(address) is no address of this machine")
            } catch {
                #expect(error.description.hasPrefix("http_address: \(address) is no"))
            }
        }
    }

    @Test("After a stop the port is free again, and stopping twice does no harm")
    func stop() throws {
        let first = try Probe().serve()
        let port = first.port
        #expect(try exchange(port, "GET /healthz HTTP/1.1").status == 200)
        first.stop()
        first.stop()
        #expect(throws: LoopbackConnection.Refused.self) { try LoopbackConnection(port: port) }
        let second = try Probe().serve(port: port)
        #expect(try exchange(port, "GET /healthz HTTP/1.1").status == 200)
        second.stop()
    }

    @Test("Many clients at once are all answered")
    func manyClients() throws {
        let probe = Probe()
        let server = try probe.serve()
        defer { server.stop() }
        let port = server.port
        let counter = probe.metrics.counter("asked_total", help: ".")
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            for _ in 0..<25 {
                let path = Bool.random() ? "/metrics" : "/readyz"
                if (try? exchange(port, "GET \(path) HTTP/1.1").status) == 200 { counter.add() }
            }
        }
        #expect(counter.value == 200)
    }
}

/// An answer of HTTP, taken apart.
private struct Answer {
    let status: Int
    let headers: [String]
    let body: String

    func header(_ name: String) -> String? {
        headers.first { $0.lowercased().hasPrefix(name.lowercased() + ":") }
            .map { $0.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces) }
    }
}

/// Sends one request on a connection of its own and reads the answer to its end.
private func exchange(_ port: UInt16, _ requestLine: String, body: String? = nil) throws -> Answer {
    let connection = try LoopbackConnection(port: port)
    let length = body.map { "Content-Length: \($0.utf8.count)\r\n" } ?? ""
    connection.send("\(requestLine)\r\nHost: localhost\r\nConnection: close\r\n\(length)\r\n\(body ?? "")")
    let text = connection.readToEnd()
    let end = try #require(text.range(of: "\r\n\r\n"))
    let lines = text[..<end.lowerBound].components(separatedBy: "\r\n")
    let words = lines[0].split(separator: " ")
    return Answer(
        status: try #require(words.count > 1 ? Int(words[1]) : nil), headers: Array(lines.dropFirst()),
        body: String(text[end.upperBound...]))
}

/// A TCP connection to a port of 127.0.0.1, with a limit on each wait.
private final class LoopbackConnection {
    struct Refused: Error {}

    private let descriptor: Int32

    init(port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw Refused() }
    }

    deinit {
        close(descriptor)
    }

    func send(_ text: String) {
        var text = text
        text.withUTF8 {
            _ = Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
    }

    func readToEnd() -> String {
        var all: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while case let count = recv(descriptor, &chunk, chunk.count, 0), count > 0 {
            all.append(contentsOf: chunk[..<count])
        }
        return String(decoding: all, as: UTF8.self)
    }
}

@Suite("A free port")
struct FreePortTests {
    @Test("is none that the kernel gives to outgoing connections, and is not given twice")
    func free() throws {
        let text = try String(contentsOfFile: "/proc/sys/net/ipv4/ip_local_port_range", encoding: .utf8)
        let outgoing = text.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
        let first = try #require(outgoing.first)
        let ports = try (0..<500).map { _ in try freeLoopbackPort() }
        #expect(Set(ports).count == ports.count)
        #expect(first < 20_000 || ports.allSatisfy { $0 < first })
    }

    @Test("is none on which somebody listens")
    func taken() throws {
        let socket = try ListeningSocket.open(address: "127.0.0.1", port: UInt16(freeLoopbackPort()))
        defer { close(socket.descriptor) }
        #expect(throws: HTTPServerError.self) {
            try ListeningSocket.open(address: "127.0.0.1", port: socket.port)
        }
    }
}
