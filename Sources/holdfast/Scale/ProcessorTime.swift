import Foundation

/// What processes have used of the processors, in seconds, from /proc (proc(5)).
enum ProcessorTime {
    private static let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))

    /// All threads of a process, those that have ended too; nil if there is no such process.
    static func seconds(process: Int32) -> Double? { stat("/proc/\(process)/stat")?.seconds }

    /// The threads of a process whose names begin so.
    static func seconds(process: Int32, threadsNamed prefix: String) -> Double {
        let folder = "/proc/\(process)/task"
        let threads = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return threads.reduce(0) { sum, thread in
            guard let stat = stat("\(folder)/\(thread)/stat"), stat.name.hasPrefix(prefix) else { return sum }
            return sum + stat.seconds
        }
    }

    private static func stat(_ path: String) -> (name: String, seconds: Double)? {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8),
            let open = text.firstIndex(of: "("), let close = text.lastIndex(of: ")")
        else { return nil }
        let fields = text[text.index(after: close)...].split(separator: " ")
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else {
            return nil
        }
        return (String(text[text.index(after: open)..<close]), (user + system) / ticks)
    }
}
