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

    @Test("That the broker has forgotten an id, or the client a topic, is no other owner and no missing topic")
    func forgotten() {
        func error(_ number: Int32) -> KafkaError {
            KafkaError(code: KafkaError.Code(number: number), message: "", operation: "test")
        }
        let owners = [-144, 90, 47].map { error($0) }
        #expect(owners.allSatisfy { $0.isTakenOver && $0.recovery == .fenced && !$0.passesByItself })
        // INVALID_PRODUCER_ID_MAPPING, UNKNOWN_PRODUCER_ID, _STATE
        let expired = [49, 59, -172].map { error($0) }
        #expect(expired.allSatisfy { !$0.isTakenOver && $0.recovery == .fenced && !$0.passesByItself })
        // _UNKNOWN_PARTITION, _UNKNOWN_TOPIC, UNKNOWN_TOPIC_OR_PART, _TRANSPORT
        #expect([-190, -188, 3, -195].map { error($0) }.allSatisfy { $0.passesByItself && !$0.isTakenOver })
        #expect(KafkaError.unknownTopic("t").passesByItself)
        #expect(![29, -186, 35].map { error($0) }.contains { $0.passesByItself })
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
