import Counts
import Foundation
import Operations

/// The file of a warehouse's count, or standard input, as `reconcile` reads it.
struct CountSource {
    private static let pieceBytes = 1 << 18

    let path: String
    let shutdown: ShutdownSignal

    /// - Throws: `RoleFailure` where it cannot be read, or is no count.
    func read() throws -> CountFile {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure }
        defer { close(descriptor) }
        var size = 0
        do {
            return try CountFile {
                if shutdown.isRequested { throw RoleFailure(.interrupted, "interrupted") }
                let piece = try piece(of: descriptor)
                size += piece.count
                guard size <= CountLimits.fileBytes else {
                    throw RoleFailure(
                        .usage, "--count \(path): it has more than \(CountLimits.fileBytes) bytes; split it")
                }
                return piece
            }
        } catch let mistake as CSVReader.Mistake {
            throw RoleFailure(.usage, "--count \(path), \(mistake)")
        }
    }

    private func piece(of descriptor: Int32) throws -> [UInt8] {
        var isInterrupted = false
        repeat {
            var count = 0
            let piece = [UInt8](unsafeUninitializedCapacity: Self.pieceBytes) { buffer, initialized in
                count = Foundation.read(descriptor, buffer.baseAddress, buffer.count)
                isInterrupted = count < 0 && errno == EINTR
                initialized = max(0, count)
            }
            if count >= 0 { return piece }
        } while isInterrupted && !shutdown.isRequested
        throw failure
    }

    private var failure: RoleFailure {
        RoleFailure(.usage, "--count \(path): \(String(cString: strerror(errno)))")
    }
}
