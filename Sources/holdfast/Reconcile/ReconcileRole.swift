import Operations

/// `holdfast reconcile`: two accounts of the same stock, and where they differ.
struct ReconcileRole {
    let service: Service

    func run() throws -> ExitCode {
        guard let file = service.configuration.optionalString("count") else {
            guard !service.configuration.boolean("apply") else {
                throw RoleFailure(
                    .usage,
                    "--apply goes with --count FILE; PostgreSQL is put right by holdfast sink --rebuild")
            }
            return try ReconcilePostgres(service: service).run()
        }
        return try ReconcileCount(service: service).run(file)
    }
}
