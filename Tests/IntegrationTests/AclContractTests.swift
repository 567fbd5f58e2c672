import Foundation
import KafkaClient
import Testing

@Suite("The file of rights")
struct AclContractTests {
    private func read(_ text: String) throws -> AccessFile {
        try AccessFile(
            text, names: ["@PREFIX@": "p.", "@GROUP@": "g", "@TRANSACTIONAL_ID@": "t"])
    }

    @Test("A line is all combinations of its roles, operations and names, with the settings' names in it")
    func combinations() throws {
        let contract = try read(
            """
            # comment
            user a alice
            user b bob

            allow a,b Read,Write topic @PREFIX@x,@PREFIX@y
            allow a Write transactional-id @PREFIX@@TRANSACTIONAL_ID@-stock-*
            allow b Read group @PREFIX@@GROUP@
            allow b Read group @PREFIX@@GROUP@
            """)
        #expect(contract.principals.map(\.principal) == ["User:alice", "User:bob"])
        #expect(contract.rules.count == 10, "what is said twice is one rule")
        #expect(
            contract.rules.contains(
                AccessRule(
                    principal: "User:alice", operation: .write, resource: .transactionalID,
                    name: "p.t-stock-", isPrefix: true)))
        #expect(
            contract.rules.contains(
                AccessRule(principal: "User:bob", operation: .read, resource: .group, name: "p.g")))
    }

    @Test(
        "A mistake is told with its line",
        arguments: [
            ("allow a Read topic x", 1, "no line 'user a NAME'"),
            ("user a alice\nallow a Devour topic x", 2, "Devour"),
            ("user a alice\nallow a Read table x", 2, "table"),
            ("user a alice\n\nallow a Read", 3, "neither"),
        ])
    func mistakes(text: String, line: Int, told: String) {
        #expect {
            try read(text)
        } throws: { error in
            let mistake = error as? AccessFile.Mistake
            return mistake?.line == line && mistake?.problem.contains(told) == true
        }
    }

    @Test("deploy/acls.txt names every topic of ours, and gives nobody all of anything")
    func ownFile() throws {
        let text = try String(contentsOfFile: RealServers.root + "/deploy/acls.txt", encoding: .utf8)
        let rules = try read(text).rules
        for topic in Topic.allCases {
            #expect(rules.contains { $0.resource == .topic && $0.name == "p." + topic.rawValue }, "\(topic)")
        }
        #expect(!rules.contains { $0.operation == .all || $0.name == "*" || $0.resource == .cluster })
        #expect(!rules.contains { $0.isPrefix && $0.resource == .topic })
        // Who may write the ledger, may forge it.
        let writers = rules.filter { $0.operation == .write && $0.name == "p.stock.ledger" }
        #expect(writers.map(\.principal) == ["User:holdfast-processor"])
    }

    @Test("A right is printed as a call of Kafka's own tool")
    func printed() throws {
        let rule = AccessRule(
            principal: "User:alice", operation: .write, resource: .transactionalID, name: "t-", isPrefix: true
        )
        #expect(
            rule.command.hasSuffix(
                "--add --allow-principal 'User:alice' --operation Write --resource-pattern-type prefixed "
                    + "--transactional-id 't-'"))
    }
}
