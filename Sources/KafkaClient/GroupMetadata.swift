/// Which member of which generation of the group commits: what a consumer hands to a transactional producer.
///
/// A class, although its handle is not copyable: the optimizer of Swift 6.0 crashes on a noncopyable local that
/// lives across several throwing calls, and that is just how callers hold it.
package final class GroupMetadata: Sendable {
    // Never changed after it was made.
    private nonisolated(unsafe) let handle: GroupMetadataHandle

    init(_ handle: consuming GroupMetadataHandle) { self.handle = handle }

    var pointer: OpaquePointer { handle.pointer }
}
