import Foundation
import KafkaClient
import Synchronization
import Testing

extension BrokerTests {
    @Suite(.serialized) struct Groups {
        /// A member with what was told to it.
        private final class Member {
            let consumer: Consumer
            var assigned: Set<TopicPartition> = []
            var revoked: Set<TopicPartition> = []
            var followsByItself = true

            init(_ group: String, _ strategy: String, _ topic: String) throws {
                consumer = try Consumer(
                    configuration: Broker.configuration([
                        "group.id": group, "partition.assignment.strategy": strategy,
                        // A member hears of a rebalance with its next heartbeat.
                        "heartbeat.interval.ms": "200",
                        "enable.auto.commit": "false", "auto.offset.reset": "earliest",
                    ]))
                try consumer.subscribe(topics: [topic])
            }

            func observe(_ rebalance: Rebalance) {
                switch rebalance {
                case .assigned(let partitions): assigned.formUnion(partitions)
                case .revoked(let partitions, let lost):
                    #expect(!lost)
                    revoked.formUnion(partitions)
                    assigned.subtract(partitions)
                case .failed(let error): Issue.record("\(error)")
                }
                if followsByItself { #expect(throws: Never.self) { try consumer.follow(rebalance) } }
            }

            func poll() {
                consumer.consumeBatch(maxMessages: 10, timeoutMilliseconds: 50, rebalance: observe) { _ in }
            }
        }

        @Test(
            "Two members share the partitions, are told what comes and goes, and one takes over from the other",
            arguments: [("range", RebalanceProtocol.eager), ("cooperative-sticky", .cooperative)])
        func rebalance(strategy: String, expected: RebalanceProtocol) throws {
            try Broker.withTopic("rebalance", partitions: 4) { name in
                let group = Broker.unique("group")
                let all = Set((0..<4).map { TopicPartition(name, $0) })
                let first = try Member(group, strategy, name)
                try Broker.repeating("the first assignment") {
                    first.poll()
                    return first.assigned == all
                }
                #expect(first.consumer.rebalanceProtocol == expected)
                #expect(first.consumer.memberID != nil)
                // This one leaves the answer to the default.
                let second = try Member(group, strategy, name)
                second.followsByItself = false
                try Broker.repeating("sharing") {
                    first.poll()
                    second.poll()
                    return first.assigned.count == 2 && second.assigned.count == 2
                }
                #expect(first.assigned.union(second.assigned) == all)
                #expect(Set(try second.consumer.assignment()) == second.assigned)
                // Eager takes all partitions away first, cooperative only those that move.
                #expect(first.revoked.count == (expected == .eager ? 4 : 2))
                try second.consumer.close(timeoutMilliseconds: Broker.limit, rebalance: second.observe)
                #expect(second.assigned.isEmpty)
                try Broker.repeating("the takeover") {
                    first.poll()
                    return first.assigned == all
                }
                try first.consumer.close(timeoutMilliseconds: Broker.limit)
            }
        }

        @Test("Each partition of one member can be read by a thread of its own")
        func partitionQueues() throws {
            let count: Int32 = 3
            try Broker.withTopic("queues", partitions: count) { name in
                try fill(name, partitions: count, records: 1000)
                let consumer = try Consumer(
                    configuration: Broker.configuration([
                        "group.id": Broker.unique("group"), "enable.partition.eof": "true",
                        "enable.auto.commit": "false", "auto.offset.reset": "earliest",
                    ]))
                try consumer.subscribe(topics: [name])
                var queues: [PartitionQueue] = []
                var failure: (any Error)?
                try Broker.repeating("the assignment") {
                    consumer.consumeBatch(
                        maxMessages: 10, timeoutMilliseconds: 100,
                        rebalance: { rebalance in
                            guard case .assigned(let partitions) = rebalance else { return }
                            do {
                                queues = try partitions.map { try consumer.partitionQueue($0) }
                                try consumer.follow(rebalance)
                            } catch { failure = error }
                        }
                    ) { _ in Issue.record("a message came to the consumer queue") }
                    return !queues.isEmpty || failure != nil
                }
                #expect(failure == nil)
                #expect(queues.count == Int(count))
                let finished = Mutex<[Int32: [Int64]]>([:])
                for queue in queues {
                    Thread {
                        let offsets = Self.readToEnd(queue)
                        finished.withLock { $0[queue.partition.partition] = offsets }
                    }.start()
                }
                try Broker.repeating("the end of each partition") {
                    consumer.consumeBatch(maxMessages: 10, timeoutMilliseconds: 50) { _ in
                        Issue.record("a message came to the consumer queue")
                    }
                    return finished.withLock { $0.count } == Int(count)
                }
                for offsets in finished.withLock({ $0.values }) { #expect(offsets == Array(0..<1000)) }
                queues = []
                try consumer.close(timeoutMilliseconds: Broker.limit)
            }
        }

        private static func readToEnd(_ queue: PartitionQueue) -> [Int64] {
            var offsets: [Int64] = []
            var atEnd = false
            let deadline = ContinuousClock.now + .seconds(20)
            while !atEnd, ContinuousClock.now < deadline {
                queue.consumeBatch(maxMessages: 64, timeoutMilliseconds: 100) { message in
                    switch message.kind {
                    case .record: offsets.append(message.offset)
                    case .endOfPartition: atEnd = true
                    case .failure(let error): Issue.record("\(error)")
                    }
                }
            }
            return offsets
        }

        @Test("A partition whose queue was dropped comes to the consumer queue again")
        func queueGivenBack() throws {
            try Broker.withTopic("given-back") { name in
                try fill(name, partitions: 1, records: 3)
                let consumer = try Consumer(
                    configuration: Broker.configuration(["group.id": "none", "enable.partition.eof": "true"]))
                let place = TopicPartition(name, 0)
                // The second replaces the first, whose end must not take the records away.
                var queue: PartitionQueue? = try consumer.partitionQueue(place)
                queue = try consumer.partitionQueue(place)
                let start = TopicPartitionOffset(place, offset: TopicPartitionOffset.beginning)
                try consumer.assign([start])
                var fromQueue = 0
                try Broker.repeating("the queue's records") {
                    consumer.consumeBatch(maxMessages: 1, timeoutMilliseconds: 0) { _ in
                        Issue.record("a message came to the consumer queue")
                    }
                    queue?.consumeBatch(maxMessages: 10, timeoutMilliseconds: 100) { _ in fromQueue += 1 }
                    return fromQueue == 4
                }
                try consumer.unassign()
                queue = nil
                try consumer.assign([start])
                var fromConsumer = 0
                try Broker.repeating("the consumer's records") {
                    consumer.consumeBatch(maxMessages: 10, timeoutMilliseconds: 100) { _ in fromConsumer += 1
                    }
                    return fromConsumer == 4
                }
            }
        }

        @Test("A waiting thread is woken")
        func wake() throws {
            let consumer = try Consumer(configuration: Broker.configuration(["group.id": "none"]))
            let queue = try consumer.partitionQueue(TopicPartition("unassigned", 0))
            let woken = Mutex(false)
            Thread {
                queue.consumeBatch(maxMessages: 1, timeoutMilliseconds: 60_000) { _ in }
                woken.withLock { $0 = true }
            }.start()
            let began = ContinuousClock.now
            try Broker.repeating(upTo: 10, "the end of the wait") {
                queue.wake()
                consumer.consumeBatch(maxMessages: 1, timeoutMilliseconds: 20) { _ in }
                return woken.withLock { $0 }
            }
            #expect(ContinuousClock.now - began < .seconds(10))
        }

        @Test("A paused partition gives nothing until it is resumed, and loses nothing")
        func pause() throws {
            try Broker.withTopic("pause") { name in
                let consumer = try Consumer(configuration: Broker.configuration(["group.id": "none"]))
                let place = TopicPartition(name, 0)
                try consumer.assign([TopicPartitionOffset(place, offset: 0)])
                try consumer.pause([place])
                try fill(name, partitions: 1, records: 5)
                var offsets: [Int64] = []
                consumer.consumeBatch(maxMessages: 10, timeoutMilliseconds: 300) { offsets.append($0.offset) }
                #expect(offsets.isEmpty)
                try consumer.resume([place])
                try Broker.repeating("the records") {
                    consumer.consumeBatch(maxMessages: 10, timeoutMilliseconds: 100) {
                        offsets.append($0.offset)
                    }
                    return offsets.count >= 5
                }
                #expect(offsets == [0, 1, 2, 3, 4])
                try consumer.commit([TopicPartitionOffset(place, offset: 2)])
                let committed = try consumer.committed([place], timeoutMilliseconds: Broker.limit)
                #expect(committed == [TopicPartitionOffset(place, offset: 2)])
            }
        }

        @Test(
            "A partition that was paused until it was placed does not wait for a fetch from where it was assigned"
        )
        func placedWhilePaused() throws {
            try Broker.withTopic("placed") { name in
                try fill(name, partitions: 1, records: 5)
                let place = TopicPartition(name, 0)
                // The shortest of three: a busy machine makes any of them long.
                let waits = try (0..<3).map { _ in
                    let consumer = try Consumer(
                        configuration: Broker.configuration([
                            "group.id": "none", "fetch.wait.max.ms": "2000",
                        ]))
                    let queue = try consumer.partitionQueue(place)
                    try consumer.pause([place])
                    try consumer.assign([TopicPartitionOffset(place, offset: 5)])
                    usleep(200_000)
                    let began = ContinuousClock.now
                    try Broker.repeating("a place") {
                        do throws(KafkaError) {
                            try consumer.seek(
                                TopicPartitionOffset(place, offset: 2), timeoutMilliseconds: Broker.limit)
                            return true
                        } catch {
                            guard error.code.name == "_STATE" else { throw error }
                            return false
                        }
                    }
                    try consumer.resumeAtOnce(place, timeoutMilliseconds: Broker.limit)
                    var offsets: [Int64] = []
                    try Broker.repeating("the records") {
                        queue.consumeBatch(maxMessages: 10, timeoutMilliseconds: 100) {
                            offsets.append($0.offset)
                        }
                        return offsets.count >= 3
                    }
                    #expect(offsets == [2, 3, 4])
                    return ContinuousClock.now - began
                }
                #expect(waits.min()! < .milliseconds(300), "\(waits)")
            }
        }

        private func fill(_ name: String, partitions: Int32, records: Int) throws {
            let producer = try Producer(configuration: Broker.configuration())
            let topic = try producer.topic(name)
            for partition in 0..<partitions {
                for index in 0..<records {
                    try producer.send(topic, partition: .number(partition), key: nil, value: "\(index)")
                }
            }
            try producer.flush(timeoutMilliseconds: Broker.limit)
        }
    }
}
