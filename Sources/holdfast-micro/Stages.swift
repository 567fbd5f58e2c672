import InventoryCore
import InventoryWire
import StreamRuntime

/// The parts of the way of a command of the load `hot`, each by itself.
enum Stages {
    static func run(count: Int, rounds: Int, _ report: (String, Rounds) -> Void) {
        var source = CommandSource(.hot, skuCount: 1)
        var stock = Stock(settings: Records.settings)
        var effects = Effects()
        source.setUp { command in
            _ = stock.handle(
                command, at: Records.time(of: 0), source: Source(partition: 0, offset: 0), into: &effects)
        }
        report("decode", decode(&source, count, rounds))
        let commands = (0..<count * (rounds + 1)).map { _ in source.next() }
        report("decide, apply", decide(&stock, commands, count, rounds))

        // Outputs of so many commands are written again and again.
        var outputs: [Output] = []
        var offset = Int64(commands.count + 1)
        for _ in 0..<1_000 {
            effects.removeAll()
            let command = source.next()
            let place = Source(partition: 0, offset: offset)
            let outcome = stock.handle(command, at: Records.time(of: offset), source: place, into: &effects)
            let live = command.reservationID.flatMap { stock.reservation($0, of: command.sku) }
            outputs.append(Output(entries: effects.entries, outcome: outcome, source: place, live: live!))
            offset += 1
        }
        report("seal (SHA-256)", seal(&outputs, count, rounds))
        report("encode", encode(outputs, count, rounds))
    }

    /// What comes of one command.
    private struct Output {
        var entries: [LedgerEntry]
        let outcome: Outcome
        let source: Source
        let live: ReservationSnapshot
    }

    private static func measure(_ count: Int, _ rounds: Int, _ body: (_ round: Int) -> Void) -> Rounds {
        var result = Rounds()
        for round in 0...rounds {
            let cost = Cost.of(count) { body(round) }
            // The first one warms up.
            if round > 0 { result.add(cost) }
        }
        return result
    }

    private static func decode(_ source: inout CommandSource, _ count: Int, _ rounds: Int) -> Rounds {
        var processor = CommandProcessor(
            stock: Stock(settings: Records.settings), partition: 0, ownsKey: { _ in true })
        var records = Records()
        for _ in 0..<count { records.append(source.next()) }
        var units: Int64 = 0
        return measure(count, rounds) { _ in
            records.forEach(from: 0) { record in
                do throws(DecodingFailure) {
                    if case .reserve(let reserve) = try processor.decode(record).body {
                        units += reserve.quantity
                    }
                } catch {
                    preconditionFailure("a command of ours cannot be read: \(error.detail)")
                }
            }
        }
    }

    private static func decide(
        _ stock: inout Stock, _ commands: [Command], _ count: Int, _ rounds: Int
    ) -> Rounds {
        var effects = Effects()
        return measure(count, rounds) { round in
            for place in (round * count)..<((round + 1) * count) {
                effects.removeAll()
                let offset = Int64(place + 1)
                _ = stock.handle(
                    commands[place], at: Records.time(of: offset),
                    source: Source(partition: 0, offset: offset), into: &effects)
            }
        }
    }

    private static func seal(_ outputs: inout [Output], _ count: Int, _ rounds: Int) -> Rounds {
        var chain = LedgerChain()
        var hash = ChainHash.origin
        return measure(count, rounds) { _ in
            for place in 0..<count {
                hash = chain.seal(&outputs[place % outputs.count].entries, after: hash)
            }
        }
    }

    private static func encode(_ outputs: [Output], _ count: Int, _ rounds: Int) -> Rounds {
        var writer = RecordWriter()
        var written = 0
        return measure(count, rounds) { _ in
            for place in 0..<count {
                let output = outputs[place % outputs.count]
                for entry in output.entries {
                    writer.write(entry: entry)
                    written += writer.withBytes { $0.count }
                }
                writer.write(reservation: output.live)
                written += writer.withBytes { $0.count }
                writer.write(outcome: output.outcome, source: output.source)
                written += writer.withBytes { $0.count }
            }
        }
    }
}
