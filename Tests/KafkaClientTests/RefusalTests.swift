import KafkaClient
import Testing

@Suite("What a broker refuses") struct RefusalTests {
    private func error(_ number: Int32, _ message: String) -> KafkaError {
        KafkaError(code: KafkaError.Code(number: number), message: message, operation: "connect")
    }

    @Test("A refused password is a refusal, and a connection that broke while it was asked for is none")
    func authentication() {
        let refused = error(-169, "SASL authentication error: Authentication failed: invalid credentials")
        #expect(refused.isRefusal)
        #expect(refused.description.contains("set sasl.username, sasl.password and sasl.mechanism"))
        let broken = error(
            -169,
            "SASL authentication error: SaslAuthenticateRequest failed: Local: Broker transport failure")
        #expect(!broken.isRefusal)
        #expect(!broken.description.contains("sasl.password"))
    }

    @Test(
        "What an ACL is missing for is named",
        arguments: [(29, "topic"), (30, "group"), (53, "transactional id"), (31, "cluster")]
            as [(Int32, String)])
    func rights(number: Int32, what: String) {
        let refused = error(number, "no")
        #expect(refused.isRefusal && refused.recovery == .fatal)
        #expect(refused.description.hasSuffix("give the user an ACL on the \(what)"))
    }

    @Test("A broken handshake is tried again; only a certificate that was looked at is refused")
    func handshake() {
        #expect(!error(-181, "SSL handshake failed: Disconnected").isRefusal)
        #expect(CertificateCheck.message("h:1", 62).contains("certificate of h:1 is for another host name"))
        #expect(CertificateCheck.message("h:1", 20).contains("set ssl.ca.location"))
        #expect(CertificateCheck.message("h:1", 10).contains("has expired"))
    }

    @Test("A refusal counts when it has lasted, and no longer once a broker has answered")
    func grace() {
        let trouble = ConnectionTrouble()
        trouble.note(error(-169, "invalid credentials"))
        #expect(trouble.cause?.isRefusal == true)
        #expect(trouble.lastingRefusal == nil, "another broker may take the client")
        trouble.note(error(-187, "1/1 brokers are down"))
        #expect(trouble.cause?.isRefusal == true)
        trouble.end()
        #expect(trouble.cause == nil)
    }

    @Test("Of a transaction that was refused, the topics are known from the log alone")
    func forbiddenTopics() {
        let trouble = ConnectionTrouble()
        trouble.note(
            facility: "ADDPARTS",
            #"[thrd:main]: TxnCoordinator/1: Failed to add partition "a.stock.results" [0] to transaction: "#
                + "Broker: Topic authorization failed")
        trouble.note(facility: "FAIL", #"Failed to add partition "b" [0]: Topic authorization failed"#)
        #expect(trouble.forbiddenTopics == "topics a.stock.results")
    }
}
