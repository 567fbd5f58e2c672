import InventoryCore
import Testing

/// A partition whose ledger begins with entries of an earlier log, as `holdfast topics grow` makes it.
@Suite("Entries of an earlier log")
struct EarlierLogTests {
    /// A log of one partition: its state and its ledger.
    private struct Log {
        let partition: Int32
        var stock = Stock()
        var ledger: [LedgerEntry] = []
        var outcomes: [Outcome] = []
        var offset: Int64 = 0
        private var effects = Effects()

        init(_ partition: Int32) { self.partition = partition }

        mutating func handle(_ command: Command, at now: Int64) {
            var command = command
            if command.sku.text.hasPrefix(PartitionBook.prefix) { command.sku = PartitionBook.sku(partition) }
            effects.removeAll()
            outcomes.append(
                stock.handle(
                    command, at: Timestamp(milliseconds: now),
                    source: Source(partition: partition, offset: offset), into: &effects))
            ledger += effects.entries
            offset += 1
        }

        /// Takes over what earlier logs hold of the SKUs that are `wanted`: whole commands, in the order of their
        /// times.
        mutating func takeOver(
            _ logs: [Log], settings: Settings = Settings(), at now: Int64, _ wanted: (String) -> Bool
        ) {
            func book(_ id: ID, _ earlier: EarlierLog) -> Command {
                var settings = settings
                settings.earlierLog = earlier
                return Command(id: id, sku: PartitionBook.sku(partition), body: .setSettings(settings))
            }
            handle(book("opening", .follows), at: now)
            var groups: [(at: Int64, entries: [LedgerEntry])] = []
            for log in logs {
                var group: [LedgerEntry] = []
                for entry in log.ledger {
                    group.append(entry)
                    if entry.more { continue }
                    groups.append((group[0].at.milliseconds, group))
                    group = []
                }
            }
            groups.sort { $0.at < $1.at }
            for entry in groups.flatMap(\.entries) {
                guard !entry.sku.text.hasPrefix(PartitionBook.prefix), wanted(entry.sku.text) else {
                    continue
                }
                stock.fold(entry)
                ledger.append(entry)
            }
            handle(book("closing", .ended), at: now)
        }

        var folded: Stock {
            var stock = Stock()
            for entry in ledger { stock.fold(entry) }
            return stock
        }

        var restored: Stock { get throws { try RestoreTests.restored(stock, ledger) } }
    }

    /// Two logs of many kinds of commands on SKUs of their own.
    private func earlierLogs(_ seed: UInt64, commands: Int) -> [Log] {
        (0..<2).map { partition in
            var log = Log(Int32(partition))
            var random = RandomCommands(
                random: SeededGenerator(seed: seed + UInt64(partition)),
                name: "ab".map(String.init)[partition])
            for number in 0..<commands {
                let now = Int64(number * 3 + partition)
                log.handle(random.next(now: now), at: now)
            }
            return log
        }
    }

    private func receive(_ id: ID, _ quantity: Int64, _ sku: ID) -> Command {
        Command(id: id, sku: sku, body: .receive(warehouse: "BER", quantity: quantity, reference: nil))
    }

    @Test(
        "Fold, restore and live processing give one state, before and after commands in the new log",
        arguments: 1...30)
    func sameState(seed: Int) throws {
        let earlier = earlierLogs(UInt64(seed) * 100, commands: 60)
        // So small that entries of the earlier log leave the window one after another.
        let settings = Settings(dedupeCount: 16 + 5 * (seed % 9))
        var log = Log(0)
        log.takeOver(earlier, settings: settings, at: 1_000) { $0.hasPrefix("A") || $0.hasPrefix("B") }
        var random = RandomCommands(random: SeededGenerator(seed: UInt64(seed) * 100 + 7), name: "a")
        for number in 0..<60 {
            if number % 7 == 0 {
                RestoreTests.expectSame(log.folded, log.stock)
                RestoreTests.expectSame(try log.restored, log.stock)
            }
            let now = 1_001 + Int64(number)
            log.handle(random.next(now: now), at: now)
            if number == 20 + seed % 20 {
                // Another length of the window, while it may hold entries of both logs.
                var other = Settings(dedupeCount: 16 + 11 * (seed % 5))
                other.dedupeAge = settings.dedupeAge
                log.handle(
                    Command(id: "s\(seed)", sku: PartitionBook.sku(0), body: .setSettings(other)), at: now)
                RestoreTests.expectSame(try log.restored, log.stock)
            }
        }
        RestoreTests.expectSame(log.folded, log.stock)
        RestoreTests.expectSame(try log.restored, log.stock)
    }

    @Test("A command of an earlier log that is repeated gets its first outcome, at whatever offset it comes")
    func repeats() throws {
        var first = Log(0)
        first.handle(receive("c1", 10, "A"), at: 10)
        first.handle(receive("c2", 3, "A"), at: 11)
        first.handle(
            Command(
                id: "c3", sku: "A",
                body: .reserve(
                    Command.Reserve(
                        reservationID: "r1", orderID: "o1", quantity: 2, expiry: .after(milliseconds: 9_000)))
            ),
            at: 12)
        var second = Log(0)
        second.takeOver([first], at: 100) { _ in true }
        for restored in [second.stock, second.folded, try second.restored] {
            var log = second
            log.stock = restored
            // The same offsets as in the first log.
            log.offset = 0
            for command in [receive("c1", 10, "A"), receive("c2", 3, "A")] { log.handle(command, at: 200) }
            let again = log.outcomes.suffix(2)
            #expect(again.allSatisfy { $0.isDuplicate })
            #expect(again.map(\.sequence) == [1, 2])
            #expect(log.ledger.count == second.ledger.count)
        }
    }

    @Test("Commands of two logs with one source are two commands")
    func sameSource() throws {
        var first = Log(0)
        first.handle(receive("c1", 1, "A"), at: 10)
        var other = Log(0)
        other.handle(receive("d1", 2, "B"), at: 11)
        var grown = Log(3)
        grown.takeOver([first, other], at: 100) { _ in true }
        for stock in [grown.stock, grown.folded, try grown.restored] {
            var log = grown
            log.stock = stock
            log.handle(receive("c1", 1, "A"), at: 200)
            log.handle(receive("d1", 2, "B"), at: 201)
            #expect(log.outcomes.suffix(2).map(\.quantity) == [1, 2])
            #expect(log.outcomes.suffix(2).allSatisfy { $0.isDuplicate })
        }
    }

    @Test("What is said to be the end of an earlier log in the midst of a log does no harm")
    func strayEnd() throws {
        var log = Log(0)
        log.handle(receive("c1", 10, "A"), at: 10)
        log.handle(
            Command(id: "s", sku: PartitionBook.sku(0), body: .setSettings(Settings(earlierLog: .ended))),
            at: 11)
        log.handle(receive("c2", 10, "A"), at: 12)
        RestoreTests.expectSame(try log.restored, log.stock)
        log.stock = try log.restored
        log.handle(receive("c1", 10, "A"), at: 13)
        #expect(log.outcomes.last?.isDuplicate == true)
    }

    @Test("A partition into which an earlier log is still being copied is not restored")
    func unfinished() throws {
        var log = Log(0)
        log.handle(
            Command(id: "s", sku: PartitionBook.sku(0), body: .setSettings(Settings(earlierLog: .follows))),
            at: 11)
        #expect {
            try log.restored
        } throws: { error in
            let doubt = error as? Inconsistency
            return doubt?.sku == PartitionBook.sku(0)
                && doubt?.description.contains("holdfast topics grow") == true
        }
    }

    @Test("Growing twice keeps each SKU's ledger, levels and reservations, and its repeats", arguments: 1...5)
    func twice(seed: Int) throws {
        let one = earlierLogs(UInt64(seed) * 1_000, commands: 150)
        func place(_ sku: ID, _ count: Int) -> Int {
            Int(sku.text.utf8.reduce(0) { $0 &* 31 &+ UInt32($1) }) % count
        }
        func grown(_ logs: [Log], _ count: Int, at now: Int64) -> [Log] {
            (0..<count).map { number in
                var log = Log(Int32(number))
                log.takeOver(logs, at: now) { place(ID($0), count) == number }
                return log
            }
        }
        var two = grown(one, 3, at: 2_000)
        // Further commands of each SKU in its new partition.
        for name in ["a", "b"] {
            for (number, sku) in ["A", "B", "C"].enumerated() {
                let now = 2_001 + Int64(number)
                two[place("\(sku)\(name)", 3)].handle(receive("n\(sku)\(name)", 5, "\(sku)\(name)"), at: now)
            }
        }
        var three = grown(two, 5, at: 3_000)
        func bySKU<Value>(_ logs: [Log], _ values: (Log) -> [Value], _ sku: (Value) -> ID) -> [ID: [Value]] {
            Dictionary(
                grouping: logs.flatMap(values).filter { !PartitionBook.isBook(sku($0)) }, by: sku)
        }
        #expect(bySKU(three, \.ledger, \.sku) == bySKU(two, \.ledger, \.sku))
        #expect(
            bySKU(three, \.stock.allReservations, \.sku).mapValues { $0.map(\.id) }
                == bySKU(two, \.stock.allReservations, \.sku).mapValues { $0.map(\.id) })
        let levels = bySKU(two, \.stock.allLevels, \.sku).mapValues { $0.map(\.sequence) }
        #expect(bySKU(three, \.stock.allLevels, \.sku).mapValues { $0.map(\.sequence) } == levels)
        for number in three.indices {
            RestoreTests.expectSame(try three[number].restored, three[number].stock)
        }
        let sku = "Aa"
        three[place(ID(sku), 5)].handle(receive("nAa", 5, ID(sku)), at: 3_001)
        #expect(three[place(ID(sku), 5)].outcomes.last?.isDuplicate == true)
    }
}
