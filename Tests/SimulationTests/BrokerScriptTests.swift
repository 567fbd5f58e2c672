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

    @Test(
        "A commit whose answer nobody heard has happened, is repeated without harm, and is not undone by the next owner"
    )
    func unknownCommit() throws {
        let text = """
            A init
            A begin
            A put a x
            A offset 3
            A commit unheard
            read a
            committed
            A commit
            read a
            ends a
            B init
            read a
            peek a
            ends a
            committed
            """
        try expectAlike(BrokerScript(text))
    }

    @Test("A commit of a fenced producer changes nothing, whether its answer is heard or not")
    func unknownCommitOfFenced() throws {
        let text = """
            A init
            A begin
            A put a x
            A offset 3
            B init
            A commit unheard
            read a
            peek a
            committed
            B begin
            B put a y
            B offset 4
            B commit
            read a
            ends a
            committed
            """
        try expectAlike(BrokerScript(text))
    }

    @Test("What retention has deleted is gone, and a reader who goes there is told")
    func retention() throws {
        let text = """
            put a x
            put a y
            A init
            A begin
            A put a z
            A commit
            at a 0
            delete a 1
            ends a
            read a
            peek a
            at a 0
            at a 1
            delete a 3
            read a
            ends a
            at a 3
            at a 4
            at a 9
            put a after
            read a
            """
        try expectAlike(BrokerScript(text))
    }

    @Test("Compaction leaves the newest record of each key at its offset, and nothing that was aborted")
    func compaction() throws {
        let text = """
            put c x
            put c y
            put c x
            drop c y
            put c w
            drop c w
            A init
            A begin
            A put c z
            A abort
            A begin
            A put c y
            A commit
            compact c
            read c
            peek c
            at c 0
            at c 3
            ends c
            """
        try expectAlike(BrokerScript(text))
    }

    @Test(
        "What an open transaction writes takes nothing away from compacted topics, and an aborted one neither"
    )
    func compactionAndTransactions() throws {
        let text = """
            put c x
            put c x
            compact c
            A init
            A begin
            A put c x
            put c y
            compact c
            read c
            peek c
            A abort
            compact c
            read c
            peek c
            """
        // The broker's cleaner comes by every 15 s, while the transaction may be open for a minute.
        try expectAlike(BrokerScript(text))
    }

    @Test("Scripts drawn from seeds", arguments: UInt64(1)...6)
    func random(seed: UInt64) throws {
        let script = BrokerScript(seed: seed, steps: 36)
        try expectAlike(script)
    }
}
