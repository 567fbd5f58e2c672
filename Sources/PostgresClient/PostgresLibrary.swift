import CLibpq

/// The library that this program runs with.
package enum PostgresLibrary {
    /// Its name and version, such as `libpq 17.6`; wraps `PQlibVersion`.
    package static var name: String {
        let version = Int(PQlibVersion())
        return "libpq \(version / 10000).\(version % 10000)"
    }
}
