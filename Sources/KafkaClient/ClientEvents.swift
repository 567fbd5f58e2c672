/// What a client tells of itself, beside the answers to calls.
///
/// `log` is called on librdkafka's own threads at any time, until the client is gone; `error` and `statistics` on
/// the thread that polls the client. No closure may call the client back, nor block.
package struct ClientEvents: Sendable {
    /// A line of librdkafka's log: the level as in syslog (0 emergency to 7 debug), the facility such as "FAIL",
    /// and the message.
    package var log: @Sendable (_ level: Int, _ facility: String, _ message: String) -> Void
    /// An error that belongs to no call, such as a lost connection. librdkafka mends most of them by itself;
    /// one whose recovery is `.fatal` or `.fenced` says that the client is lost.
    package var error: @Sendable (KafkaError) -> Void
    /// Statistics as JSON in UTF-8, each `statistics.interval.ms` (0, which is the default, means never). The
    /// bytes are valid during the call only.
    package var statistics: @Sendable (UnsafeRawBufferPointer) -> Void

    package init(
        log: @escaping @Sendable (_ level: Int, _ facility: String, _ message: String) -> Void = { _, _, _ in
        },
        error: @escaping @Sendable (KafkaError) -> Void = { _ in },
        statistics: @escaping @Sendable (UnsafeRawBufferPointer) -> Void = { _ in }
    ) {
        self.log = log
        self.error = error
        self.statistics = statistics
    }

    /// Nobody listens.
    package static let ignored = ClientEvents()
}
