import KafkaClient
import Testing

@Suite struct RecoveryTests {
    @Test(
        "A worker that has lost its place starts again, whatever librdkafka says of the error",
        arguments: [
            ("_FENCED", -144), ("PRODUCER_FENCED", 90), ("INVALID_PRODUCER_EPOCH", 47),
            ("FENCED_INSTANCE_ID", 82), ("ILLEGAL_GENERATION", 22), ("UNKNOWN_MEMBER_ID", 25),
            ("REBALANCE_IN_PROGRESS", 27), ("_ASSIGNMENT_LOST", -142), ("_STATE", -172),
            ("UNKNOWN", -1),
        ] as [(String, Int32)])
    func fenced(name: String, number: Int32) {
        let code = KafkaError.Code(number: number)
        #expect(code.name == name)
        for flags: Recovery.Flags in [
            [], .isFatal, .isRetriable, .requiresAbort, [.isFatal, .requiresAbort],
        ] {
            #expect(Recovery.following(from: code, flags: flags) == .fenced)
        }
    }

    @Test(
        "What passes by itself is tried again",
        arguments: [
            ("_TIMED_OUT", -185), ("_TRANSPORT", -195), ("_ALL_BROKERS_DOWN", -187),
            ("COORDINATOR_NOT_AVAILABLE", 15), ("NOT_COORDINATOR", 16), ("CONCURRENT_TRANSACTIONS", 51),
        ] as [(String, Int32)])
    func retry(name: String, number: Int32) {
        let code = KafkaError.Code(number: number)
        #expect(code.name == name)
        #expect(Recovery.following(from: code, flags: []) == .retry)
        #expect(Recovery.following(from: code, flags: .requiresAbort) == .abortTransaction)
        #expect(Recovery.following(from: code, flags: .isFatal) == .fatal)
    }

    @Test(
        "What a person must put right stops the service",
        arguments: [
            ("TOPIC_AUTHORIZATION_FAILED", 29), ("TRANSACTIONAL_ID_AUTHORIZATION_FAILED", 53),
            ("_INVALID_ARG", -186), ("UNSUPPORTED_VERSION", 35), ("_AUTHENTICATION", -169),
        ] as [(String, Int32)])
    func fatal(name: String, number: Int32) {
        let code = KafkaError.Code(number: number)
        #expect(code.name == name)
        for flags: Recovery.Flags in [[], .isFatal, .requiresAbort] {
            #expect(Recovery.following(from: code, flags: flags) == .fatal)
        }
    }

    @Test("An error that nobody knows is fatal, unless librdkafka says otherwise")
    func unknown() {
        let code = KafkaError.Code(number: 12_345)
        #expect(Recovery.following(from: code, flags: []) == .fatal)
        #expect(Recovery.following(from: code, flags: .isRetriable) == .retry)
        #expect(Recovery.following(from: code, flags: [.isRetriable, .requiresAbort]) == .abortTransaction)
    }

    @Test("Every error says what to do next")
    func advice() {
        for recovery in Recovery.allCases { #expect(!recovery.advice.isEmpty) }
    }
}
