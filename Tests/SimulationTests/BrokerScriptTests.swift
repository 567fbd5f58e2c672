import Foundation
import Simulation
import Testing

/// What the model says is what a genuine broker says.
@Suite(
    "The model against a genuine broker", .serialized,
    .enabled(if: GenuineScriptTarget.bootstrap != nil, Comment(rawValue: GenuineScriptTarget.whyNone)),
    .timeLimit(.minutes(5)))
struct BrokerScriptTests {
    @Test(
        "What is committed, aborted and open is seen alike, with the same offsets",
        arguments: [
            """
            A init
            put a before
            A begin
            A put a x
            put a between
            read a
            peek a
            ends a
            A put b y
            A commit
            read a
            read b
            ends a
            A begin
            A put a z
            A abort
            put a after
            read a
            peek a
            ends a
            """
        ])
    func visibility(text: String) throws {
        try expectAlike(BrokerScript(text))
    }

    @Test(
        "A new producer of the id ends the open transaction, and the old one can do nothing more",
        arguments: ["A commit", "A abort", "A offset 7", "A put a late"])
    func fencing(last: String) throws {
        let text = """
            A init
            A begin
            A put a x
            A offset 3
            committed
            B init
            committed
            read a
            peek a
            ends a
            B begin
            B put a y
            \(last)
            B offset 5
            committed
            B commit
            committed
            read a
            peek a
            ends a
            """
        try expectAlike(BrokerScript(text))
    }

    @Test("Offsets are committed with the transaction, and not told while it is open")
    func offsets() throws {
        let text = """
            A init
            committed
            A begin
            A offset 3
            committed
            A commit
            committed
            A begin
            A put a x
            A offset 8
            A abort
            committed
            """
        try expectAlike(BrokerScript(text))
    }

    @Test("Offsets of a member of an older generation, and of one that has left, are refused")
    func generations() throws {
        let older = """
            M join
            A init
            A begin
            A offset 3 M
            A commit
            committed
            N join
            A begin
            A offset 4 M
            committed
            """
        try expectAlike(BrokerScript(older))
        let left = """
            M join
            A init
            M leave
            N join
            A begin
            A offset 4 M
            committed
            """
        try expectAlike(BrokerScript(left))
    }

    @Test("A transaction that is open for too long is aborted, and its producer fenced")
    func timeOut() throws {
        let text = """
            A init
            A begin
            A put a x
            A offset 3
            time out
            read a
            ends a
            committed
            A commit
            B init
            B begin
            B put a y
            B commit
            read a
            ends a
            """
        try expectAlike(BrokerScript(text), transactionTimeout: 1_500)
    }

    @Test("Scripts drawn from seeds", arguments: UInt64(1)...6)
    func random(seed: UInt64) throws {
        let script = BrokerScript(seed: seed, steps: 36)
        try expectAlike(script)
    }
}
