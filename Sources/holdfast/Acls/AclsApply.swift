import KafkaClient
import Operations

/// `holdfast acls apply`: gives each role what `deploy/acls.txt` says, and tells what its user may do beyond that.
/// It never takes anything away.
struct AclsApply {
    private static let timeout = 20_000

    let service: Service

    func run() throws -> ExitCode {
        let contract = try AclContract.load(service.configuration)
        if service.configuration.boolean("print") {
            for rule in contract.rules { print(rule.command) }
            return .success
        }
        do throws(KafkaError) {
            return try apply(contract)
        } catch {
            throw RoleFailure(error.exitCode, error.description)
        }
    }

    private func apply(_ contract: AccessFile) throws(KafkaError) -> ExitCode {
        let settings = KafkaSettings(service.configuration)
        let admin = try Admin(configuration: settings.common(), events: service.kafkaEvents())
        let found = try present(contract, admin)
        let missing = contract.rules.filter { !found.contains($0) }
        try admin.createAcls(missing, timeoutMilliseconds: Self.timeout)
        for rule in missing { print("\(rule): added") }
        guard try awaitEffect(of: missing, contract, admin) else {
            guard !service.shutdown.isRequested else { return .interrupted }
            print(
                "after \(Self.timeout / 1000) s the broker does not show all of them; is it cut off from its controller?"
            )
            return .temporaryFailure
        }
        print("\(contract.rules.count - missing.count) ACLs were there, \(missing.count) added")
        let others = found.subtracting(contract.rules).map(\.description).sorted()
        for rule in others { print("\(rule): the file does not say so") }
        return others.isEmpty ? .success : .differenceFound
    }

    private func present(_ contract: AccessFile, _ admin: Admin) throws(KafkaError) -> Set<AccessRule> {
        var found: Set<AccessRule> = []
        for principal in Set(contract.principals.map(\.principal)) {
            found.formUnion(try admin.describeAcls(of: principal, timeoutMilliseconds: Self.timeout))
        }
        return found
    }

    /// The controller keeps ACLs, and brokers learn of them a moment later: who starts a role right after this command
    /// must find its rights there.
    /// - Returns: false if they were not seen in time, or who called wants to stop.
    private func awaitEffect(
        of rules: [AccessRule], _ contract: AccessFile, _ admin: Admin
    ) throws(KafkaError) -> Bool {
        guard !rules.isEmpty else { return true }
        let deadline = Deadline(milliseconds: Self.timeout)
        while !(try present(contract, admin).isSuperset(of: rules)) {
            guard !deadline.isPast, !service.shutdown.wait(timeoutMilliseconds: 50) else { return false }
        }
        return true
    }
}
