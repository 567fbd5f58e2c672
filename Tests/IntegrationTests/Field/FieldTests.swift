import Testing

/// The cases of the field (`Field/README.md`), each with topics and a database of its own. Their tests are in
/// `FieldIdentity.swift`, `FieldOrders.swift`, `FieldStock.swift`, `FieldCounts.swift` and `FieldTopics.swift`; what else
/// of each kind was thought of, in `FieldSiblings.swift`.
@Suite(
    "The field: inputs made after public bug reports, on real servers", .serialized,
    .enabled(
        if: RealServers.kafka != nil && RealServers.database != nil,
        Comment(rawValue: RealServers.bothReason)))
struct FieldTests {}
