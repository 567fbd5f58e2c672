import Foundation

/// How the program ends; the same for every role. The numbers 70 and 75 are those of `sysexits.h`.
package enum ExitCode: Int32, CaseIterable, Sendable {
    case success = 0
    case differenceFound = 1
    case usage = 2
    case internalFault = 70
    case temporaryFailure = 75
    case interrupted = 130

    /// What the code tells whoever started the program, as the help shows it.
    package var meaning: String {
        switch self {
        case .success: "done, or stopped as asked"
        case .differenceFound: "a check failed, or drift was found"
        case .usage: "a mistake in the command line or configuration, or a server refuses the user"
        case .internalFault: "a fault inside; a restart may help, the log says what happened"
        case .temporaryFailure: "a server cannot be reached; try again later"
        case .interrupted: "interrupted twice; stopped without finishing"
        }
    }

    /// Ends the process with this code, at once: what stands in the C library's buffers is written, and `_exit(2)` does
    /// the rest.
    ///
    /// Not `exit(3)`: it runs the clean-up of libraries while other threads go on, and a client's thread that
    /// does TLS then uses what OpenSSL has freed (`OPENSSL_cleanup`). A role that failed ended with SIGSEGV instead
    /// of its code.
    package func exitProcess() -> Never {
        fflush(nil)
        _exit(rawValue)
    }
}
