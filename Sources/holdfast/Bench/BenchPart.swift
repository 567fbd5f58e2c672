/// What a run of the benchmark measures.
enum BenchPart: String, CaseIterable {
    case throughput, latency
    /// The ledger's way into PostgreSQL.
    case sink
    /// How long a processor takes to be ready with the state of a partition.
    case restore
    /// Many reservations that come due at once.
    case expiry
    /// Orders, of one line and of three.
    case orders
}
