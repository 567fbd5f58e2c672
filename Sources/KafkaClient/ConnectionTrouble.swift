import CRdKafka
import Synchronization

/// Why a client has no connection, as far as its callbacks told. librdkafka's calls only say that no broker
/// answered; the cause comes beside them.
package final class ConnectionTrouble: Sendable {
    private struct State {
        var last: KafkaError?
        var refusal: (error: KafkaError, since: ContinuousClock.Instant)?
        var forbiddenTopics: Set<String> = []
    }

    private let state = Mutex(State())

    /// How long a refusal must last before it counts, in milliseconds: of several brokers another one may take
    /// the client, and a broker that is being set up may refuse for a moment.
    private static let refusalGrace = 3_000

    package init() {}

    /// Notes an error of the client's. What was refused stays so until a broker answers.
    package func note(_ error: KafkaError) {
        state.withLock { state in
            if error.isRefusal {
                state.refusal = (error, state.refusal?.since ?? ContinuousClock.now)
            } else if error.code.native != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN {
                state.last = error
            }
        }
    }

    /// A broker has answered.
    package func end() {
        state.withLock {
            $0.last = nil
            $0.refusal = nil
        }
    }

    /// Notes which topic's partition the coordinator did not take into a transaction. That a topic is forbidden is
    /// told to the caller without its name, which stands in the log alone:
    /// `... Failed to add partition "NAME" [0] to transaction: Broker: Topic authorization failed`.
    package func note(facility: String, _ message: String) {
        guard facility == "ADDPARTS", message.hasSuffix("Topic authorization failed") else { return }
        let parts = message.split(separator: "\"")
        guard parts.count == 3 else { return }
        _ = state.withLock { $0.forbiddenTopics.insert(String(parts[1])) }
    }

    /// The topics that were noted, for a message; nil if none was.
    package var forbiddenTopics: String? {
        let topics = state.withLock { $0.forbiddenTopics.sorted() }
        return topics.isEmpty ? nil : "topics \(topics.joined(separator: ", "))"
    }

    /// The newest cause, of whatever kind.
    package var cause: KafkaError? { state.withLock { $0.refusal?.error ?? $0.last } }

    /// The refusal, once it has lasted.
    package var lastingRefusal: KafkaError? {
        state.withLock { state in
            guard let refusal = state.refusal else { return nil }
            return ContinuousClock.now - refusal.since >= .milliseconds(Self.refusalGrace)
                ? refusal.error : nil
        }
    }
}

extension Client {
    /// How long one look for an answer waits, in milliseconds.
    private static let stepMilliseconds = 50

    /// Waits until a broker has told of the cluster. Where none does, the error says why, and a lasting refusal
    /// of the credentials or of the broker's certificate ends the wait early. For clients that poll nothing else:
    /// it serves events.
    func awaitBroker(for operation: String, timeoutMilliseconds: Int) throws(KafkaError) {
        let deadline = ContinuousClock.now + .milliseconds(timeoutMilliseconds)
        let trouble = context.trouble
        while true {
            let left = deadline - ContinuousClock.now
            let step = min(Self.stepMilliseconds, max(0, Int(left / .milliseconds(1))))
            if clusterID(timeoutMilliseconds: step) != nil { return trouble.end() }
            rd_kafka_poll(pointer, 0)
            if let refusal = trouble.lastingRefusal { throw refusal.during(operation) }
            guard left > .zero else { break }
        }
        guard let cause = trouble.cause else {
            throw KafkaError(code: RD_KAFKA_RESP_ERR__TRANSPORT, operation: operation, client: pointer)
        }
        throw cause.during(operation)
    }
}

/// The look at a broker's certificate.
package enum CertificateCheck {
    /// Has librdkafka tell what is wrong with a certificate (`rd_kafka_conf_set_ssl_cert_verify_cb`): its own log
    /// tells a wrong name and a wrong authority alike. What OpenSSL refuses stays refused.
    static func install(on configuration: OpaquePointer) {
        rd_kafka_conf_set_ssl_cert_verify_cb(configuration, judgeCertificate)
    }

    /// What is wrong, and what to do about it. The numbers are OpenSSL's (`x509_vfy.h`).
    package static func message(_ address: String, _ error: Int32) -> String {
        let certificate = "the certificate of \(address)"
        return switch error {
        case 62, 64:
            "\(certificate) is for another host name; name the broker as its certificate does, in "
                + "bootstrap.servers and in the broker's advertised.listeners"
        case 2, 7, 18, 19, 20, 21:
            "\(certificate) is signed by no authority that is trusted here; set ssl.ca.location to the "
                + "certificate of the authority that signed it"
        case 9: "\(certificate) is not valid yet; look at the clocks of both machines"
        case 10: "\(certificate) has expired; the broker needs another one"
        default: "\(certificate) is refused by OpenSSL with X509_V_ERR \(error)"
        }
    }

    /// What a broker has against this client's certificate: it tells so by an alert of TLS (RFC 8446, 6.2), whose
    /// number stands in the error of a connection that else only broke. Nil for other errors.
    ///
    /// - Parameter file: the client's certificate; nil if it has none.
    package static func refusal(alertIn message: String, of file: String?) -> String? {
        guard let mark = message.firstRange(of: "SSL alert number "),
            let alert = Int(message[mark.upperBound...].prefix { $0.isNumber }),
            [42, 43, 44, 45, 46, 48, 49, 116].contains(alert)
        else { return nil }
        let address = ConnectionNoiseFilter.address(in: message) ?? "the broker"
        guard let file else {
            return "\(address) asks for a certificate of this client, which has none; set "
                + "ssl.certificate.location and ssl.key.location"
        }
        let why =
            switch alert {
            case 44: "it was revoked"
            case 45: "it has expired"
            default: "no authority that the broker trusts signed it, or it has expired"
            }
        return "\(address) refuses this client's certificate, \(file): \(why) (TLS alert \(alert)); set "
            + "ssl.certificate.location and ssl.key.location to one that it takes"
    }

    fileprivate static func copy(_ message: String, to text: UnsafeMutablePointer<CChar>?, _ size: Int) {
        guard let text, size > 0 else { return }
        let bytes = message.utf8.prefix(size - 1).map { CChar(bitPattern: $0) }
        for (index, byte) in (bytes + [0]).enumerated() { text[index] = byte }
    }
}

/// librdkafka's `ssl_cert_verify_cb`: called for each certificate of the chain, on a broker's thread.
private func judgeCertificate(
    client: OpaquePointer?, broker: UnsafePointer<CChar>?, identifier: Int32,
    error: UnsafeMutablePointer<Int32>?, depth: Int32, certificate: UnsafePointer<CChar>?, length: Int,
    text: UnsafeMutablePointer<CChar>?, size: Int, opaque: UnsafeMutableRawPointer?
) -> Int32 {
    guard let error, error.pointee != 0 else { return 1 }
    let name = broker.map { String(cString: $0) } ?? "the broker"
    let address = ConnectionNoiseFilter.address(in: name) ?? name
    let message = CertificateCheck.message(address, error.pointee)
    CertificateCheck.copy(message, to: text, size)
    guard let opaque else { return 0 }
    // It stays so however often it is tried.
    ClientContext.behind(opaque).trouble.note(
        KafkaError(
            code: RD_KAFKA_RESP_ERR__SSL, message: message, operation: "connect to \(address)",
            flags: .isFatal))
    return 0
}
