import CMicrohttpd
import Foundation
import Synchronization

/// Whether a part of the service is well.
package enum Health: Sendable, Equatable {
    case well
    /// Not now, for a reason that a person can act on.
    case unwell(String)
}

/// Answers probes and scrapes: `/healthz`, `/readyz` and `/metrics`, for GET and HEAD.
///
/// Closures run on the server's thread; they must answer at once, from what is known.
package final class HTTPServer: Sendable {
    /// Connections at a time, and seconds after which one that says nothing is closed.
    private static let connectionLimit: UInt32 = 64
    private static let timeoutSeconds: UInt32 = 10

    /// The port that it listens on, also when it was asked for 0.
    package let port: UInt16
    private let daemon: Mutex<OpaquePointer?>
    private let pages: HTTPPages

    /// Starts to listen (`MHD_start_daemon`). Port 0 takes any free port, unlike `http_port` 0 in the
    /// configuration, which means that the caller does not make a server at all.
    package init(
        address: String, port: UInt16, metrics: MetricsRegistry,
        alive: @escaping @Sendable () -> Health = { .well }, ready: @escaping @Sendable () -> Health
    ) throws(HTTPServerError) {
        let socket = try ListeningSocket.open(address: address, port: port)
        let pages = HTTPPages(metrics: metrics, alive: alive, ready: ready)
        // The library holds the pages without counting; this object owns them and stops the library first.
        let context = Unmanaged.passUnretained(pages).toOpaque()
        guard
            let daemon = holdfast_mhd_start(
                socket.descriptor, Self.connectionLimit, Self.timeoutSeconds, answerRequest, context)
        else { throw .libraryFailed }
        self.port = socket.port
        self.pages = pages
        self.daemon = Mutex(daemon)
    }

    deinit {
        stop()
    }

    /// Closes the socket and all connections, and waits for the server's thread (`MHD_stop_daemon`). A second
    /// call does nothing.
    package func stop() {
        daemon.withLock { daemon in
            guard let running = daemon else { return }
            MHD_stop_daemon(running)
            daemon = nil
        }
    }
}

/// What stands at which path.
final class HTTPPages: Sendable {
    struct Page {
        let status: UInt32
        let body: String
        var contentType = "text/plain; charset=utf-8"
        var allow: String?
    }

    private let metrics: MetricsRegistry
    private let alive: @Sendable () -> Health
    private let ready: @Sendable () -> Health

    init(
        metrics: MetricsRegistry, alive: @escaping @Sendable () -> Health,
        ready: @escaping @Sendable () -> Health
    ) {
        self.metrics = metrics
        self.alive = alive
        self.ready = ready
    }

    static func takes(method: String) -> Bool {
        method == "GET" || method == "HEAD"
    }

    func page(method: String, path: String) -> Page {
        guard Self.takes(method: method) else {
            return Page(status: 405, body: "Only GET and HEAD are answered here.\n", allow: "GET, HEAD")
        }
        switch path {
        case "/healthz": return Self.page(alive())
        case "/readyz": return Self.page(ready())
        case "/metrics":
            return Page(
                status: 200, body: metrics.prometheusText(), contentType: PrometheusText.contentType)
        default:
            return Page(status: 404, body: "Nothing here. There are /healthz, /readyz and /metrics.\n")
        }
    }

    private static func page(_ health: Health) -> Page {
        switch health {
        case .well: Page(status: 200, body: "ok\n")
        case .unwell(let reason): Page(status: 503, body: reason + "\n")
        }
    }
}

/// Marks a request whose head has been seen; any address but null does.
nonisolated(unsafe) private let headSeen = UnsafeMutableRawPointer(bitPattern: 1)

/// The library's `MHD_AccessHandlerCallback`: called once with a request's head, and again at its end.
private func answerRequest(
    context: UnsafeMutableRawPointer?, connection: OpaquePointer?, url: UnsafePointer<CChar>?,
    method: UnsafePointer<CChar>?, version: UnsafePointer<CChar>?, upload: UnsafePointer<CChar>?,
    uploadSize: UnsafeMutablePointer<Int>?, request: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
    guard let context, let connection, let url, let method, let request, let uploadSize else { return .NO }
    let verb = String(cString: method)
    if HTTPPages.takes(method: verb) {
        // An answer at the first call would close the connection, which a prober wants to use again.
        if request.pointee == nil {
            request.pointee = headSeen
            return .YES
        }
        if uploadSize.pointee > 0 {
            uploadSize.pointee = 0
            return .YES
        }
    }
    let pages = Unmanaged<HTTPPages>.fromOpaque(context).takeUnretainedValue()
    return send(pages.page(method: verb, path: String(cString: url)), to: connection)
}

/// Queues an answer: `MHD_create_response_from_buffer_copy`, `MHD_add_response_header`,
/// `MHD_queue_response`, `MHD_destroy_response`.
private func send(_ page: HTTPPages.Page, to connection: OpaquePointer) -> MHD_Result {
    var body = page.body
    guard let response = body.withUTF8({ MHD_create_response_from_buffer_copy($0.count, $0.baseAddress) })
    else { return .NO }
    // The library keeps its own count of users, so this gives up ours and not the answer under way.
    defer { MHD_destroy_response(response) }
    MHD_add_response_header(response, "Content-Type", page.contentType)
    // A probe's answer is true for a moment only.
    MHD_add_response_header(response, "Cache-Control", "no-store")
    if let allow = page.allow {
        MHD_add_response_header(response, "Allow", allow)
    }
    return MHD_queue_response(connection, page.status, response)
}
