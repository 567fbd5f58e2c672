/// A file that says which principal acts in which role, and what each role may do:
///
///     user ROLE NAME
///     allow ROLES OPERATIONS KIND NAMES
///
/// Several stand with commas between, a name that ends with a star is all that begin so, and `#` begins a comment.
package struct AccessFile: Sendable {
    /// Role and principal, in the file's order.
    package let principals: [(role: String, principal: String)]
    /// In the file's order, each once.
    package let rules: [AccessRule]

    /// What is wrong with a line of the file.
    package struct Mistake: Error, Equatable {
        package let line: Int
        package let problem: String
    }

    /// - Parameter names: what stands for each placeholder.
    package init(_ text: String, names: [String: String]) throws(Mistake) {
        var principals: [(role: String, principal: String)] = []
        var rules: [AccessRule] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = names.reduce(String(line)) { $0.replacing($1.key, with: $1.value) }
            let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
            func mistake(_ problem: String) -> Mistake { Mistake(line: index + 1, problem: problem) }
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            switch (first, words.count) {
            case ("user", 3): principals.append((words[1], "User:\(words[2])"))
            case ("allow", 5):
                let actors = try Self.parts(words[1]).map { role throws(Mistake) in
                    let found = principals.first { $0.role == role }
                    guard let found else { throw mistake("no line 'user \(role) NAME' stands before it") }
                    return found.principal
                }
                let operations = try Self.parts(words[2]).map { word throws(Mistake) in
                    guard let operation = AccessRule.Operation(rawValue: word) else {
                        throw mistake("\(word) is no operation of Kafka's, such as Read or Write")
                    }
                    return operation
                }
                guard let resource = AccessRule.Resource(rawValue: words[3]) else {
                    throw mistake("\(words[3]) is neither topic, group, transactional-id nor cluster")
                }
                for actor in actors {
                    for operation in operations {
                        for name in Self.parts(words[4]) {
                            rules.append(Self.rule(actor, operation, resource, name))
                        }
                    }
                }
            default: throw mistake("it is neither 'user ROLE NAME' nor 'allow ROLES OPERATIONS KIND NAMES'")
            }
        }
        self.principals = principals
        var seen: Set<AccessRule> = []
        self.rules = rules.filter { seen.insert($0).inserted }
    }

    private static func parts(_ word: String) -> [String] { word.split(separator: ",").map(String.init) }

    private static func rule(
        _ principal: String, _ operation: AccessRule.Operation, _ resource: AccessRule.Resource,
        _ name: String
    ) -> AccessRule {
        // A lone star is Kafka's own name for all.
        let isPrefix = name.hasSuffix("*") && name != "*"
        return AccessRule(
            principal: principal, operation: operation, resource: resource,
            name: isPrefix ? String(name.dropLast()) : name, isPrefix: isPrefix)
    }
}
