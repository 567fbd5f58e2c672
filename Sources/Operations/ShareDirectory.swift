import Foundation

/// No directory with the topics and the SQL was found.
package struct ShareDirectoryError: Error, CustomStringConvertible {
    let looked: [String]

    package var description: String {
        "share_directory: none of these holds topics/ and deploy/sql/: \(looked.joined(separator: ", ")). "
            + "Set share_directory to the directory that does, such as the root of the project's checkout."
    }
}

/// Finds the directory that holds `topics/` and `deploy/sql/`.
package enum ShareDirectory {
    /// `configured` if it is given, else the first that fits on the way up from the executable's directory,
    /// then from the working directory; at each step also its `share/holdfast`, where packages put such files.
    package static func locate(
        configured: String?, executable: String, workingDirectory: String,
        isDirectory: (String) -> Bool = ShareDirectory.isDirectory
    ) throws(ShareDirectoryError) -> String {
        let candidates: [String]
        if let configured {
            candidates = [configured]
        } else {
            let starts = [
                URL(fileURLWithPath: executable).deletingLastPathComponent().path, workingDirectory,
            ]
            candidates = starts.flatMap(ancestors).flatMap { directory in
                let base = directory == "/" ? "" : directory
                return [directory, base + "/share/holdfast"]
            }
        }
        for candidate in candidates
        where isDirectory(candidate + "/topics") && isDirectory(candidate + "/deploy/sql") {
            return candidate
        }
        throw ShareDirectoryError(looked: candidates)
    }

    /// The path of the running executable: the link `/proc/self/exe`.
    package static var executable: String {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
            ?? CommandLine.arguments.first ?? ""
    }

    /// Whether a directory stands at `path`.
    package static func isDirectory(_ path: String) -> Bool {
        var isDirectory: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
            && isDirectory.boolValue
    }

    private static func ancestors(of path: String) -> [String] {
        var url = URL(fileURLWithPath: path).standardizedFileURL
        var all = [url.path]
        while url.path != "/" && !url.path.isEmpty {
            url.deleteLastPathComponent()
            all.append(url.path)
        }
        return all
    }
}
