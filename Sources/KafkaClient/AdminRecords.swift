import CRdKafka

extension Admin {
    /// Deletes the records before an offset of each partition, as retention does (`rd_kafka_DeleteRecords`): the
    /// partition then starts there.
    ///
    /// - Throws: also when the broker refuses it for one of the partitions, such as an offset beyond its end.
    package func deleteRecords(
        before offsets: [TopicPartitionOffset], timeoutMilliseconds: Int
    ) throws(KafkaError) {
        guard !offsets.isEmpty else { return }
        let places = PartitionListHandle(offsets)
        var list = ArrayHandle(free: { rd_kafka_DeleteRecords_destroy($0) })
        list.append(rd_kafka_DeleteRecords_new(places.pointer))
        let answer = try request(
            RD_KAFKA_ADMIN_OP_DELETERECORDS, "delete records", timeoutMilliseconds: timeoutMilliseconds
        ) { options, queue in
            list.withPointers { rd_kafka_DeleteRecords(client.pointer, $0, $1, options, queue) }
        }
        let result = rd_kafka_event_DeleteRecords_result(answer.pointer)
        guard let results = rd_kafka_DeleteRecords_result_offsets(result) else { return }
        for index in 0..<Int(results.pointee.cnt) {
            let code = results.pointee.elems[index].err
            guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
                throw KafkaError(code: code, operation: "delete records")
            }
        }
    }
}
