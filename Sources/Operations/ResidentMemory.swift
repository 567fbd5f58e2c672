import Foundation

/// The memory of this process that is in RAM.
package enum ResidentMemory {
    /// In bytes, from `/proc/self/statm` (proc(5)); 0 where there is none.
    package static func bytes() -> Int {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}
