import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import Testing

@Suite(
    "The delay service on a genuine broker", .serialized,
    .enabled(if: RealServers.kafka != nil, Comment(rawValue: RealServers.kafkaReason)))
struct DelayTests {
    /// The `expire` commands of a stage: of which reservation, and when the broker appended each.
    private func expires(_ stage: Stage) throws -> [(reservationID: ID, at: Int64)] {
        var reader = RecordReader()
        return try stage.read(.commands).compactMap { record -> (reservationID: ID, at: Int64)? in
            let command = try record.key!.withUnsafeBytes { key in
                try record.value!.withUnsafeBytes { try reader.command(key: key, value: $0) }
            }
            guard case .expire(let id) = command.body else { return nil }
            #expect(record.partition == stage.place(of: command.sku.text))
            return (id, record.timestamp)
        }
    }

    @Test(
        "What nobody confirms expires by itself, never before it is due and within a second after",
        .timeLimit(.minutes(3)))
    func expiry() throws {
        let stage = try Stage()
        defer { stage.endAll() }
        try stage.start("process")
        try stage.start("delay")
        try stage.publish([receive("c1", 100, "A"), receive("c2", 100, "B")])
        try stage.publish((0..<50).map { reserve("r\($0)", 1, $0 % 2 == 0 ? "A" : "B", ttl: 1_000) })
        try stage.publish([confirm("r0", "A"), release("r1", "B")])
        try eventually("48 reservations expire") {
            try stage.results().filter { $0.outcome.kind == .expired }.count == 48
        }
        var due: [ID: Int64] = [:]
        for (outcome, _, _) in try stage.results() where outcome.kind == .reserved {
            due[outcome.reservationID!] = outcome.expiresAt!.milliseconds
        }
        let found = try expires(stage)
        #expect(Set(found.map(\.reservationID)).isSuperset(of: (2..<50).map { "r\($0)" }))
        for (id, at) in found {
            let lateness = at - (try #require(due[id]))
            #expect((0...1_000).contains(lateness), "\(id) after \(lateness) ms")
        }
        #expect(try stage.liveReservations().isEmpty)
        #expect(try stage.levels()["A"]?.levels == [Level(warehouse: "BER", onHand: 99, reserved: 0)])
        try stage.checkBooks()
    }

    @Test("What came due while no delay service ran is sent at once when one starts", .timeLimit(.minutes(3)))
    func restart() throws {
        let stage = try Stage()
        defer { stage.endAll() }
        try stage.start("process")
        let first = try stage.start("delay")
        try stage.publish([receive("c1", 100, "A")])
        try stage.publish((0..<20).map { reserve("r\($0)", 1, "A", ttl: 2_000) })
        try stage.awaitResults()
        first.process.send(SIGKILL)
        _ = first.process.waitForEnd(milliseconds: 5_000)
        let lastDue = try stage.liveReservations().values.map(\.expiresAt.milliseconds).max()!
        try eventually("all of it is due") { WallClock.milliseconds() > lastDue + 500 }
        #expect(try expires(stage).isEmpty)

        let start = WallClock.milliseconds()
        try stage.start("delay")
        try eventually("20 reservations expire") {
            try stage.results().filter { $0.outcome.kind == .expired }.count == 20
        }
        // Joining the group takes most of it: the one that was killed is still a member.
        let latest = try expires(stage).map(\.at).max()!
        #expect(latest - start < 15_000, "sent \(latest - start) ms after the start")
        try stage.checkBooks()
    }

    @Test("A reservation of an aborted transaction is never acted on", .timeLimit(.minutes(3)))
    func aborted() throws {
        let stage = try Stage()
        defer { stage.endAll() }
        try stage.start("delay")
        let producer = try TransactionalProducer(
            configuration: ["bootstrap.servers": stage.bootstrap, "transactional.id": stage.prefix + "abort"])
        try producer.initTransactions(timeoutMilliseconds: 20_000)
        let topic = try producer.topic(stage.name(.reservations))
        var writer = RecordWriter()
        let now = WallClock.milliseconds()
        for (id, isCommitted) in [("aborted-1", false), ("committed", true), ("aborted-2", false)] {
            try producer.begin()
            // The committed one is due last: by then the others would have been acted on.
            writer.write(reservation: snapshot(ID(id), dueAt: now + (isCommitted ? 3_000 : 500)))
            try writer.withBytes { value in
                _ = try Stage.key(OwnedID(sku: "A", id: "\(id)")).withUnsafeBytes { key in
                    try producer.produce(
                        topic, partition: .number(stage.place(of: "A")), key: key, value: value)
                }
            }
            if isCommitted {
                try producer.commit(timeoutMilliseconds: 20_000)
            } else {
                try producer.flush(timeoutMilliseconds: 20_000)
                try producer.abort(timeoutMilliseconds: 20_000)
            }
        }
        try eventually("the committed one is due and told") { try !expires(stage).isEmpty }
        #expect(try expires(stage).map(\.reservationID) == ["committed"])
    }

    @Test(
        "With 1,000,000 live reservations, 99 of 100 are told within a second after they are due, none before",
        .timeLimit(.minutes(5)))
    func million() throws {
        let stage = try Stage()
        defer { stage.endAll() }
        // No processor runs: it is the delay service alone that is measured. These wait for an hour:
        let waiting = 1_000_000
        // And these come due in the ten seconds after the service is ready.
        let coming = 20_000
        let producer = try Producer(configuration: [
            "bootstrap.servers": stage.bootstrap, "linger.ms": "20", "enable.idempotence": "false",
            "compression.codec": "lz4",
        ])
        let topic = try producer.topic(stage.name(.reservations))
        var writer = RecordWriter()
        func put(_ number: Int, dueAt: Int64) throws {
            let reservation = snapshot("r\(number)", dueAt: dueAt)
            writer.write(reservation: reservation)
            let place = PartitionChoice.number(stage.place(of: "A"))
            try writer.withBytes { value in
                try Stage.key(reservation.owned).withUnsafeBytes { key in
                    while try producer.produce(topic, partition: place, key: key, value: value) == .queueFull
                    {
                        producer.poll(timeoutMilliseconds: 10)
                    }
                }
            }
        }
        let now = WallClock.milliseconds()
        for number in 0..<waiting { try put(number, dueAt: now + 3_600_000) }
        try producer.flush(timeoutMilliseconds: 60_000)
        let delay = try stage.start("delay")
        try eventually("all are known") {
            delay.metric("holdfast_delay_live_reservations") >= Double(waiting)
        }

        let start = WallClock.milliseconds() + 2_000
        var due: [ID: Int64] = [:]
        for number in 0..<coming {
            let moment = start + Int64(number) / 2
            due["r\(waiting + number)"] = moment
            try put(waiting + number, dueAt: moment)
        }
        try producer.flush(timeoutMilliseconds: 60_000)
        try eventually("\(coming) are told") {
            delay.metric("holdfast_delay_expires_total") >= Double(coming)
        }
        let told = try expires(stage)
        let lateness = told.map { $0.at - due[ID($0.reservationID.text)]! }.sorted()
        let (p50, p99) = (lateness[lateness.count / 2], lateness[lateness.count * 99 / 100])
        print(
            "delay: \(waiting + coming) live, \(lateness.count) due in 10 s: told p50 \(p50) ms, p99 \(p99) ms, "
                + "at most \(lateness.last!) ms after they were due")
        // One may be told again, where nobody knows whether the broker has it.
        #expect(Set(told.map(\.reservationID)).count == coming && lateness.first! >= 0)
        #expect(p99 < 1_000)
    }

    private func snapshot(_ id: ID, dueAt: Int64) -> ReservationSnapshot {
        ReservationSnapshot(
            id: id, orderID: "o-\(id)", sku: "A",
            allocations: [Allocation(warehouse: "BER", quantity: 1)],
            reservedAt: Timestamp(milliseconds: 1_790_000_000_000),
            expiresAt: Timestamp(milliseconds: dueAt), reservedSequence: 1, sequence: 1)
    }
}
