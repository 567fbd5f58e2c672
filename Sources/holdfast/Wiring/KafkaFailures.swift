import KafkaClient
import Operations

/// How a subcommand that runs once ends when Kafka fails it.
enum KafkaFailures {
    /// Runs `body`; an error of Kafka that is left over ends the program: with 75 if another try may help, with 2 if
    /// the broker refuses the user or what he wants.
    static func translated<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as KafkaError {
            throw RoleFailure(error.exitCode, error.description)
        }
    }
}
