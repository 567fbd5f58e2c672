import CRdKafka

/// The partition that Java producers choose for a key, among `partitionCount` (1 or more): murmur2, made positive,
/// modulo the count (`rd_kafka_msg_partitioner_murmur2`).
///
/// The function reads nothing of its topic argument, so none is given. A key that is absent, not merely empty, is
/// placed at random by producers and has no place here.
package func murmur2Partition(key: UnsafeRawBufferPointer, partitionCount: Int32) -> Int32 {
    precondition(partitionCount > 0, "a topic has at least one partition")
    return rd_kafka_msg_partitioner_murmur2(
        nil, key.baseAddress ?? emptyBytes, key.count, partitionCount, nil, nil)
}

/// An address for bytes that are present but empty: librdkafka takes NULL for absent.
nonisolated(unsafe) let emptyBytes = UnsafeRawPointer(
    UnsafeMutableRawPointer.allocate(byteCount: 1, alignment: 4))
