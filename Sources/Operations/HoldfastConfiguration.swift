import Foundation

/// Holdfast's own roles and settings. A new setting is one entry here: reading, checking, help and printing
/// follow from it.
package enum HoldfastConfiguration {
    package static let schema = ConfigurationSchema(
        program: "holdfast",
        summary: "inventory reservations as a Kafka stream processor; it never oversells",
        roles: roles, keys: keys, relations: relations, ownedKafkaSettings: ownedKafkaSettings,
        otherEnvironmentNames: otherEnvironmentNames)

    /// Loads the process's own configuration: its environment, and files from disk.
    /// - Parameter kafkaProblem: what librdkafka has against a setting of its own; this module does not know it.
    package static func load(
        arguments: [String], role: String,
        kafkaProblem: @escaping (String, String) -> String? = { _, _ in nil }
    ) throws(ConfigurationErrors) -> Configuration {
        try schema.load(
            arguments: arguments, environment: ProcessInfo.processInfo.environment, readFile: readFile,
            role: role, kafkaProblem: kafkaProblem)
    }

    private static func readFile(_ path: String) throws -> [UInt8] {
        guard let file = fopen(path, "rb") else {
            throw FileProblem(reason: String(cString: strerror(errno)))
        }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = fread(&chunk, 1, chunk.count, file)
            bytes.append(contentsOf: chunk[..<count])
            if bytes.count > maximumFileBytes {
                throw FileProblem(reason: "it is over \(maximumFileBytes) bytes")
            }
            if count < chunk.count { break }
        }
        if ferror(file) != 0 { throw FileProblem(reason: String(cString: strerror(errno))) }
        return bytes
    }

    /// A configuration is small; what is larger is the wrong file.
    private static let maximumFileBytes = 1 << 20

    private struct FileProblem: Error, CustomStringConvertible {
        let reason: String
        var description: String { reason }
    }

    private static let roles = [
        ConfigurationRole(
            "process", summary: "decide stock commands",
            details: """
                Takes partitions of stock.commands with the others of its group, restores their state, decides \
                each command and writes results, ledger, levels and reservations in one transaction with the \
                input offset. SIGTERM finishes the transaction and leaves the group.
                """),
        ConfigurationRole(
            "delay", summary: "tell what is due: reservations that expire, transfers that are overdue",
            details: """
                Reads stock.reservations and stock.transfers from their start, keeps what is due when, and sends \
                expire or transfer_due into the same partition of stock.commands: never before it is due, and at \
                once for what came due while no delay service ran.
                """),
        ConfigurationRole(
            "relay", summary: "carry warehouses, products and settings into stock.commands",
            details: """
                Reads what people publish in the topics warehouses, products and settings, and sends each change \
                as a command: a warehouse and the settings into every partition of stock.commands, a product's \
                policy into the partition of its SKU. Each batch is one transaction with how far it takes them, \
                which relay.state keeps. One relay is enough; a second one ends the first.
                """),
        ConfigurationRole(
            "coordinate", summary: "carry orders of several lines through reservation, payment and shipment",
            details: """
                Takes partitions of orders with the others of its group, restores their orders from order.state, \
                sends the commands of their lines into stock.commands, reads the replies in the partition of \
                order.replies of the same number, and publishes to order.outcomes: all in one transaction with how \
                far it has read both, which order.state keeps. SIGTERM finishes the transaction and leaves the group.
                """),
        ConfigurationRole(
            "optimize", summary: "propose better warehouses for orders that are reserved and not yet paid",
            details: """
                Takes partitions of order.outcomes with the others of its group, reads all of stock.levels, looks \
                at each order that is reserved and not paid once it has settled, and publishes order.reallocate to \
                orders where all its lines together can come in fewer shipments, over a shorter way, or not too \
                late. The stock decides whether the units are there; an order that has changed meanwhile stays as \
                it is. It keeps no state: without it nothing else changes.

                With --dry-run, --from and --to it tells instead what it would have proposed in a time that is \
                past, with the stock as it was then (from stock.ledger, which it reads from its start). It \
                publishes nothing. Progress goes to standard error.

                With --network it draws a network of 30 warehouses and places orders in the genuine stock, without \
                Kafka, and tells shipments and ways before and after, and what cannot be gone below.
                """),
        ConfigurationRole(
            "sink", summary: "write the ledger into PostgreSQL",
            details: """
                Reads stock.ledger and writes its entries, the levels, the reservations and the transfers into \
                the schema holdfast, with the next offset of each partition in the same transaction. Products \
                and warehouses are written from their own topics.
                """),
        ConfigurationRole(
            "topics apply", summary: "create missing topics and report drift",
            details: """
                Compares the broker's topics with the folders of topics/: creates what is missing, reports what \
                differs and then ends with 1, and changes settings only with --alter. It never deletes.
                """),
        ConfigurationRole(
            "topics grow", summary: "copy a drained system into topics with more partitions",
            details: """
                Copies a system that stands still into topics with more partitions, under --to-prefix: each SKU's \
                ledger byte for byte into the partition where its key belongs then, merged by time; its levels, \
                reservations and transfers as they follow from it; warehouses, products and settings; and the \
                group's offsets. Repeated commands from before are still recognised. First it looks whether all \
                is drained, and ends with 1 and the name of what is not: no members in the groups, no command and \
                no published record that is not decided or carried. At the end it has held every record that \
                there was against the new ledger. With --dry-run it tells how many entries each partition would \
                have. Killed in the midst, it is run again, and goes on. It never changes or deletes the old \
                topics. Its memory is that of the live state of one partition, and an entry of each.
                """),
        ConfigurationRole(
            "acls apply", summary: "give each role's user what it may do on Kafka, and no more",
            details: """
                Compares the broker's ACLs with deploy/acls.txt, or the file of --acl-file: adds what is missing, \
                reports what the users may do besides, and then ends with 1. It never takes anything away. With \
                --print it prints the same as calls of Kafka's own kafka-acls.sh, and talks to no broker.
                """),
        ConfigurationRole(
            "dead-letters list", summary: "count what could not be decoded, by reason, with samples",
            details: """
                Reads dead.letters from its start to its end, and tells how many letters there are of each reason, \
                with the newest of each and where the records came from. It changes nothing.
                """),
        ConfigurationRole(
            "dead-letters show", summary: "show one dead letter",
            details: """
                Shows the letter at a place that list tells: holdfast dead-letters show PARTITION/OFFSET. With \
                --raw it writes the bytes of the original value alone, to be mended and published again.
                """),
        ConfigurationRole(
            "replay", summary: "decide the commands again, and compare with what was decided",
            details: """
                Decides the commands of stock.commands again, with the code that decides them live, and compares \
                entry by entry with stock.ledger, and with stock.results, stock.alerts and dead.letters as far \
                back as they go: each decision must follow from the log. Where stock.commands no longer begins at 0, \
                or with --from, the state before the first command comes from the ledger. It changes nothing, and \
                works while the system runs: what the processors have committed is compared. Progress goes to \
                standard error. Memory depends on the state of one partition, not on the length of the topics.

                After a difference, further commands of the same SKU are decided and not compared, for its state is \
                not the ledger's any more. Ends with 0 if nothing differs, with 1 if something does.

                With --policy FILE it tells instead what another policy would have done, side by side with what \
                was: reservations granted, granted in part, backordered and rejected by reason, splits, shipments. \
                FILE holds one JSON object. Its fields are those of set_policy (safety_stock, reorder_point, \
                rearm_point, reorder_up_to, count_in_transit, backorder_limit, strategy, units_per_order): each \
                that is there goes over that of every SKU's own policy, and the others stay. Besides, it may have \
                "settings", an object with fields of set_settings (default_ttl_ms, shortest_ttl_ms, longest_ttl_ms, \
                dedupe_count, dedupe_age_ms, strategy), and "policies", an array of objects with "sku", perhaps \
                "warehouse", and fields of set_policy for that SKU alone. The customers' commands are those that \
                were: a reservation that only the other policy grants is never confirmed, and expires. Ends with 0.
                """),
        ConfigurationRole(
            "verify", summary: "check that topics and PostgreSQL agree with the ledger",
            details: """
                Follows the ledger from its start: sequences without gaps, deltas and balances, 0 <= reserved <= on \
                hand, reservations and transfers in their order, and the hash chain. Beside it, command by command, \
                that each has exactly one result or dead letter, and its notices and alerts. Then levels, live \
                reservations and transfers are held against what the ledger comes to, and in PostgreSQL the rows of \
                the ledger, inventory, live reservations and transfers. It changes nothing, and works while the \
                system runs: it looks at what was decided and committed when it began, in PostgreSQL at one snapshot. \
                What retention has taken from stock.commands, stock.results, stock.alerts and dead.letters is not \
                missed. Memory depends on the state of one partition, not on the length of the topics.

                Each difference is told with its topic or table, partition, offset, SKU and sequence, with what was \
                found and expected, and with the command to run next. A SKU with a difference in its ledger is not \
                followed any further. Progress goes to standard error. Ends with 0 if all is right, with 1 if \
                anything differs.

                With --state FILE it goes on where the last run ended and writes the file anew, unless something \
                differs: then the file stays, and the next run looks at the same again.
                """),
        ConfigurationRole(
            "show sku", summary: "show a SKU: levels, live reservations, transfers, and its history",
            details: """
                holdfast show sku ID: what the ledger of the SKU's partition comes to, and its newest entries with \
                the commands that caused them. The books of partitions are called @holdfast/partition/N. \
                It reads the topics alone, up to what is committed now, and changes nothing. With --at it tells how \
                things were: after the command at PARTITION/OFFSET of stock.commands was decided, or at a time (up \
                to the first command after it). Progress goes to standard error. Ends with 1 if there is none.
                """),
        ConfigurationRole(
            "show reservation", summary: "show a reservation: what became of it, and by what",
            details: """
                holdfast show reservation ID: its state and every ledger entry about it. Ids are unique within a \
                SKU, so reservations of several SKUs may have it: each is shown. All partitions of the \
                ledger are read, unless --sku tells whose it is. \
                It reads the topics alone, up to what is committed now, and changes nothing. With --at it tells how \
                things were: after the command at PARTITION/OFFSET of stock.commands was decided, or at a time (up \
                to the first command after it). Progress goes to standard error. Ends with 1 if there is none.
                """),
        ConfigurationRole(
            "show order", summary: "show the reservations of an order, and what became of them",
            details: """
                holdfast show order ID: its reservations and every ledger entry about it. All partitions of the \
                ledger are read, unless --sku tells where to look. \
                It reads the topics alone, up to what is committed now, and changes nothing. With --at it tells how \
                things were: after the command at PARTITION/OFFSET of stock.commands was decided, or at a time (up \
                to the first command after it). Progress goes to standard error. Ends with 1 if there is none.
                """),
        ConfigurationRole(
            "show command", summary: "show a command: where it stands, what it did, and its answer",
            details: """
                holdfast show command ID: the records of stock.commands that have the id, their results or dead \
                letters as far as they are still there, and the ledger entries. Ids are unique within a SKU, so \
                commands of several SKUs may have it: each is shown. All partitions are read, unless \
                --sku tells whose it is. \
                It reads the topics alone, up to what is committed now, and changes nothing. With --at it tells how \
                things were: after the command at PARTITION/OFFSET of stock.commands was decided, or at a time (up \
                to the first command after it). Progress goes to standard error. Ends with 1 if there is none.
                """),
        ConfigurationRole(
            "orders stuck", summary: "list orders that wait for the stock in vain, and for what",
            details: """
                Reads order.state to its end and lists the orders that are stuck: since when, and for each line the                 command that has no reply, with its reservation. "An order gets no outcome" in docs/operations.md                 says what to do then. With --pending it prints those commands alone, as SKU|COMMAND, for kcat -K'|' to                 send them again: one that was carried out is a duplicate, and is answered once more. It changes                 nothing. Ends with 0 if no order is stuck, with 1 if any is.
                """),
        ConfigurationRole(
            "orders show", summary: "show an order of several lines: its state and its outcomes",
            details: """
                holdfast orders show ID: what the coordinator knows of the order (order.state), and every outcome that                 order.outcomes still has. It reads the order's partition of both, up to what is committed now, and                 changes nothing. What became of its reservations: holdfast show order ID. Ends with 1 if there is no                 such order.
                """),
        ConfigurationRole(
            "dead-letters redrive", summary: "send dead letters again, as they are or mended, once",
            details: """
                Sends chosen letters again: holdfast dead-letters redrive PARTITION/OFFSET ..., or all of a \
                reason. Each goes into the topic it came from, with its original key and command_id or event_id, and is marked \
                in dead.letters in the same transaction: a letter is never sent twice, whatever ends a run. \
                What could not be read by its reader even now is refused with the reason, and then \
                nothing is sent. The value can be mended by --rename, --remove and --set, which are done in this \
                order; a field inside of an object is named with dots (ship_to.latitude), an element of an array \
                by its number from 0 (allocations.0.quantity). It prints a line a letter, and ends with 1 if any \
                was refused or is not there.
                """),
        ConfigurationRole(
            "rebuild", summary: "make levels, reservations and transfers anew from the ledger",
            details: """
                Folds stock.ledger from its start, checking its sequences and hashes, and makes stock.levels, \
                stock.reservations and stock.transfers what live processing made of them, byte for byte: records \
                that are missing or differ are written, keys that should not be there get tombstones. --in-place \
                needs all processors stopped, and takes over their transactional ids; --into PREFIX writes new \
                topics. With --dry-run it tells what it would write, and ends with 1 if that is anything. It ends \
                with 1, too, if the ledger is broken or a processor is at work. Killed in the midst, it is run \
                again. Its memory is that of the live state of one partition.
                """),
        ConfigurationRole(
            "reconcile", summary: "compare PostgreSQL, or a warehouse's count, with the topics",
            details: """
                Without --count: folds stock.ledger exactly as far as the sink has come, and compares levels, live \
                reservations and transfers with PostgreSQL's. With --count FILE: compares what a warehouse has \
                counted with stock.levels. FILE is CSV or text with tabs (UTF-8 or UTF-16), with a header: sku, \
                warehouse, counted and, if it is known, expected, which is what was believed to be on hand when it was \
                counted. Several rows of a SKU in a warehouse are its bins, and are summed; a column bin guards against \
                a bin that is counted twice. Other columns and blank rows are passed over. A row is refused, with its \
                line, if its number can be read in two ways, or if the SKU has never been in the warehouse: the nearest \
                known names are proposed. A row that is right says expected 0; --allow-new says so of all. With \
                --apply, and if no row is refused, each difference becomes an adjust command with the reason \
                cycle_count, and its outcome is told; a file that is given once more is not applied once more. It \
                ends with 1 if anything differs and is not put right, and with 2 if the file or a row is refused; \
                then nothing is sent.
                """),
        ConfigurationRole(
            "demo", summary: "a flash sale, or a day in a shop, with processes killed, checked from outside",
            details: """
                Starts two processors, a delay service and a sink, publishes a flash sale, kills one processor \
                with SIGKILL in the middle, and checks topics and PostgreSQL at the end. With --scenario day, and \
                a relay besides, it tells a day in a shop instead: receipts, sales, late payments, a count that \
                comes out short, transfers, a warehouse that closes, backorders, alerts. Ends with 1 if a check \
                fails.
                """),
        ConfigurationRole(
            "chaos", summary: "faults on a Kafka and a PostgreSQL of its own, each with its time to recover",
            details: """
                Starts servers and roles of its own, and does them harm while commands flow: kills roles, brokers \
                and PostgreSQL, freezes a processor, cuts networks, fills disks, turns clocks. After each fault it \
                checks the books from outside. The last thing it prints is a table of the times to recover. Ends \
                with 1 if a check fails, or if with CI set a fault cannot be tried here. deploy/local chaos runs it \
                with all that it needs.
                """),
        ConfigurationRole(
            "bench", summary: "how fast it is, beside a bare copy of records and beside Kafka Streams",
            details: """
                Gives the same commands to each contestant, one after another, on topics of their own on the same \
                broker: first as many as there are (commands a second), then at fixed rates (time from when a \
                command should have been sent to when its result is read). Then Holdfast's own parts: the ledger \
                into PostgreSQL beside a bare COPY, the restore of a partition beside a bare consumer, and many \
                reservations that come due at once. Writes each figure as a line of JSON. deploy/local bench builds \
                the contestants and runs it with all that it needs.
                """),
        ConfigurationRole(
            "bench report", summary: "the tables and the picture of figures of holdfast bench",
            details: """
                Prints the figures of --report as tables of Markdown, and with --picture FILE draws one load as SVG: \
                what each contestant does in a second, and its p99 at the rate of --rates.
                """),
        ConfigurationRole(
            "scale", summary: "what more processors do on this machine, and what a command costs whom",
            details: """
                Gives the same commands to one, two and four processors, on topics of their own, all at once when every                 processor has its partitions; with all cores for everyone, and with the broker on cores of its own.                 Tells the processor time of a command and of a transaction, of the broker, the processors and the                 reader each; what two machines would give; and what the model of holdfast size makes of the same.                 deploy/local scale runs it with all that it needs. It ends by itself.
                """),
        ConfigurationRole(
            "size", summary: "what a system for so many reservations a second needs, by simulation",
            details: """
                A queueing simulation with times that holdfast scale has measured. --part rates: partitions,                 processes, brokers and memory for each of --rates, latency, and how long a lost process is missed.                 --part partitions: the rate of --rate on the same machines with more and more partitions. --part hot: one                 SKU, and the same split into virtual SKUs, with more and more cores. --part leases: the end of a sale of a                 SKU that is lent to buckets. Without --part, all. docs/sizing.md tells what is measured, what is                 simulated and what is assumed. It needs no servers.
                """),
        ConfigurationRole(
            "version", summary: "print the version of the program and its libraries",
            details: "Prints the version of the program and of the libraries that it runs with.",
            takesSettings: false),
    ]

    private static let services: Set<String> = [
        "process", "delay", "relay", "coordinate", "optimize", "sink",
    ]

    private static let keys: [ConfigurationKey] =
        connectionKeys + processorKeys + standbyKeys + orderKeys + optimizeKeys + sinkKeys + runKeys
        + toolKeys + aclKeys
        + deadLetterKeys + auditKeys + redriveKeys + rebuildKeys + reconcileKeys + demoKeys + chaosKeys
        + benchKeys + sizeKeys

    private static let connectionKeys = [
        ConfigurationKey(
            "bootstrap_servers", .hostPorts, default: "127.0.0.1:9092",
            environmentAliases: ["KAFKA_BOOTSTRAP"],
            help: "Kafka brokers to begin with."),
        ConfigurationKey(
            "database_url", .url(schemes: ["postgresql", "postgres"]),
            default: "postgresql://127.0.0.1:5432/postgres", secrecy: .password,
            roles: ["sink", "verify", "reconcile", "demo", "bench"],
            environmentAliases: ["DATABASE_URL"],
            help: "The PostgreSQL database that holds the schema holdfast."),
        ConfigurationKey(
            "database_role", .sqlName, default: "holdfast_application", roles: ["sink", "demo"],
            help:
                "The role that the sink takes on: it may insert into and select from the ledger, and no more."
        ),
        ConfigurationKey(
            "topic_prefix", .name(0...64), default: "", roleDefaults: ["demo": "demo."],
            help: """
                Stands before the name of every topic, group and transactional id, so that several systems can \
                share a cluster.
                """),
        ConfigurationKey(
            "group_id", .name(1...200), default: "holdfast",
            roles: [
                "process", "delay", "relay", "coordinate", "optimize", "sink", "topics grow", "acls apply",
                "replay", "verify", "demo",
            ],
            help: "The consumer group; each role adds its own name to it."),
    ]

    private static let processorKeys = [
        ConfigurationKey(
            "transactional_id_prefix", .name(1...128), default: "holdfast",
            roles: [
                "process", "relay", "coordinate", "topics grow", "acls apply", "dead-letters redrive",
                "rebuild",
                "demo",
            ],
            help:
                "With the partition's number, the transactional id, by which a new owner fences the old one."),
        ConfigurationKey(
            "instance_id", .name(1...128), roles: ["process", "delay", "coordinate", "optimize"],
            help: """
                Makes the process a static member of its group: within session_timeout_ms of a stop, a new \
                process of the same id gets the same partitions back. It must be unique in the group.
                """),
        ConfigurationKey(
            "commit_interval_ms", .integer(1...1000, unit: "ms"), default: "25",
            roleDefaults: ["relay": "10"],
            roles: ["process", "relay", "coordinate", "demo", "bench", "scale", "size"],
            help: """
                The shortest time from one commit of a partition to the next while commands come in. What comes to an \
                idle partition is committed at once. (For the relay: how long a transaction stays open at most.)
                """),
        ConfigurationKey(
            "transaction_max_commands", .integer(1...50_000, unit: "commands"), default: "5000",
            roles: ["process", "coordinate", "demo", "bench", "scale", "size"],
            help: "Commands in a transaction at most."),
        ConfigurationKey(
            "transaction_timeout_ms", .integer(2000...60_000, unit: "ms"), default: "10000",
            roles: [
                "process", "relay", "coordinate", "topics grow", "dead-letters redrive", "rebuild", "demo",
            ],
            help: "After this the broker ends a transaction that nobody has ended."),
        ConfigurationKey(
            "session_timeout_ms", .integer(6000...300_000, unit: "ms"), default: "6000",
            roles: ["process", "delay", "coordinate", "optimize", "sink", "demo"],
            help:
                "After so long without a sign of life a process's partitions go to others. 6000 is Kafka's least."
        ),
        ConfigurationKey(
            "restore_timeout_ms", .integer(1000...3_600_000, unit: "ms"), default: "300000",
            roles: ["process", "delay", "coordinate", "demo"],
            help: "How long the restore of a partition may take before its worker starts it anew."),
        // The group takes a member that does not poll for 300 s for dead (max.poll.interval.ms), and it does not poll
        // meanwhile.
        ConfigurationKey(
            "assignment_timeout_ms", .integer(5000...240_000, unit: "ms"), default: "60000",
            roles: ["process", "coordinate", "optimize"],
            help: """
                How long an assignment waits for the leaders of its partitions; then the process ends with 70, so \
                that others may try. It should last for a few elections of leaders.
                """),
        ConfigurationKey(
            "stall_timeout_ms", .integer(0...600_000, unit: "ms"), default: "10000",
            roles: ["process", "coordinate", "delay", "relay", "sink"],
            help: """
                After so long without a record the broker is asked, by another client, whether there is one; if there \
                is, and the same is found after as long again, the process ends with 70, for librdkafka can lose a \
                partition for good. 0 asks never; else at least 1000.
                """),
    ]

    private static let standbyKeys = [
        ConfigurationKey(
            "standby", .boolean, default: "false", roles: ["process"],
            help: """
                Follow the partitions that other processes own as well, so that one whose owner dies is taken over \
                without a full restore. It costs the memory and the reading of their states.
                """),
        ConfigurationKey(
            "standby_interval_ms", .integer(50...60_000, unit: "ms"), default: "500", roles: ["process"],
            help: """
                How long a standby rests between two rounds through the partitions that it follows: what was written \
                since the last round is left for a takeover to read.
                """),
    ]

    private static let orderKeys = [
        ConfigurationKey(
            "order_ttl_ms", .integer(1...31_622_400_000, unit: "ms"), default: "900000",
            roles: ["coordinate"],
            help: "From order.placed to the order's deadline, where it names none."),
        ConfigurationKey(
            "order_grace_ms", .integer(1...31_622_400_000, unit: "ms"), default: "600000",
            roles: ["coordinate"],
            help: """
                How much longer than the order its reservations live: how long the coordinator may be down before a \
                payment in time has to take units again.
                """),
        ConfigurationKey(
            "ship_on", .enumeration(["paid", "shipped"]), default: "paid", roles: ["coordinate"],
            help: "Whether units ship when they are paid, or when order.shipped says so."),
        ConfigurationKey(
            "ship_within_ms", .integer(1000...2_592_000_000, unit: "ms"), default: "604800000",
            roles: ["coordinate"],
            help: """
                With ship_on shipped: for how long reservations of a paid order are kept at a time; they are \
                extended before that. Not longer than the settings' longest_ttl_ms.
                """),
        ConfigurationKey(
            "reply_limit_ms", .integer(100...3_600_000, unit: "ms"), default: "30000", roles: ["coordinate"],
            help: "After so long without a reply a command is sent again."),
        ConfigurationKey(
            "reply_limit_count", .integer(1...1000, unit: "times"), default: "3", roles: ["coordinate"],
            help: "After it was sent again so often, its order is stuck, and asks ten times more seldom."),
        ConfigurationKey(
            "unknown_order_ms", .integer(100...86_400_000, unit: "ms"), default: "60000",
            roles: ["coordinate"],
            help: "How long events of an order that was not placed wait for that; then they are dead letters."
        ),
        ConfigurationKey(
            "order_memory_ms", .integer(1000...31_622_400_000, unit: "ms"), default: "3600000",
            roles: ["coordinate"],
            help: "For how long an order that has ended is remembered: repeats, and payments that come late."),
        ConfigurationKey(
            "order_memory_count", .integer(1...10_000_000, unit: "orders"), default: "100000",
            roles: ["coordinate"], help: "How many of a partition are at most."),
    ]

    private static let optimizeKeys = [
        ConfigurationKey(
            "shipment_weight", .integer(0...1_000_000, unit: nil), default: "500", roles: ["optimize"],
            help: "What a shipment costs: each warehouse that serves an order is one."),
        ConfigurationKey(
            "kilometre_weight", .integer(0...1_000_000, unit: nil), default: "1", roles: ["optimize"],
            help: "What a kilometre costs, from each warehouse that serves an order to its customer."),
        ConfigurationKey(
            "late_weight", .integer(0...1_000_000, unit: nil), default: "2000", roles: ["optimize"],
            help: "What a line costs that comes later than its order was promised."),
        ConfigurationKey(
            "balance_weight", .integer(0...1_000_000, unit: nil), default: "10", roles: ["optimize"],
            help: """
                What a line costs at most that takes scarce units: nothing where it comes from the warehouses that \
                have most of it, all of it where it takes the last units of one while another has many.
                """),
        ConfigurationKey(
            "least_saving", .integer(1...1_000_000_000, unit: nil), default: "100", roles: ["optimize"],
            help: "What a proposal must save at least, by the weights, so that nobody moves goods for little."
        ),
        ConfigurationKey(
            "settle_ms", .integer(0...3_600_000, unit: "ms"), default: "5000", roles: ["optimize"],
            help: "How old an order's outcome is to be before the order is looked at."),
        ConfigurationKey(
            "look_back_ms", .integer(0...2_592_000_000, unit: "ms"), default: "900000", roles: ["optimize"],
            help: """
                How old the outcomes may be that a process begins with; orders that were told longer ago, and not \
                since, are not looked at.
                """),
        ConfigurationKey(
            "order_time_ms", .integer(1...60_000, unit: "ms"), default: "20", roles: ["optimize"],
            help: "How long the search for one order may take; then the best that it has found is taken."),
        ConfigurationKey(
            "waiting_orders", .integer(1...10_000_000, unit: "orders"), default: "100000",
            roles: ["optimize"],
            help: "How many orders wait at most until they have settled; the oldest go for new ones."),
        ConfigurationKey(
            "to", .text(1...64), roles: ["optimize"], isFlagOnly: true,
            help: "With --dry-run: the end of the time, RFC 3339."),
        ConfigurationKey(
            "network", .boolean, default: "false", roles: ["optimize"], isFlagOnly: true,
            help: "Draws a network and its orders, and tells what is saved."),
        ConfigurationKey(
            "orders", .integer(1...1_000_000, unit: "orders"), default: "20000", roles: ["optimize"],
            isFlagOnly: true, help: "With --network: how many orders are placed."),
    ]

    private static let sinkKeys = [
        ConfigurationKey(
            "sink_batch_rows", .integer(1...100_000, unit: "rows"), default: "20000",
            roles: ["sink", "demo"],
            help: "Ledger entries in one transaction of PostgreSQL at most."),
        ConfigurationKey(
            "sink_interval_ms", .integer(1...10_000, unit: "ms"), default: "100", roles: ["sink", "demo"],
            help: "How long the sink gathers entries at most before it writes them."),
    ]

    private static let runKeys = [
        ConfigurationKey(
            "watchdog_timeout_ms", .integer(5000...600_000, unit: "ms"), default: "60000",
            roles: services.union(["demo"]),
            help: "A worker that does not come back for so long ends the process with 70."),
        ConfigurationKey(
            "http_address", .text(1...255), default: "127.0.0.1", roles: services,
            help: "The address that /healthz, /readyz and /metrics are served on; 0.0.0.0 for all."),
        ConfigurationKey(
            "http_port", .integer(0...65_535, unit: nil), default: "0", roles: services,
            help: "The port that they are served on; 0 serves none."),
        ConfigurationKey(
            "log_level", .enumeration(LogLevel.allCases.map(\.rawValue)), default: "info",
            help: "The least level that is logged, to standard error."),
        ConfigurationKey(
            "log_format", .enumeration(["auto"] + LogFormat.allCases.map(\.rawValue)), default: "auto",
            help: "How log lines look; auto is text on a terminal and JSON otherwise."),
        ConfigurationKey(
            "share_directory", .text(1...4096),
            roles: [
                "topics apply", "topics grow", "acls apply", "sink", "rebuild", "demo", "chaos", "bench",
                "scale", "size",
            ],
            help: """
                Where topics/ and deploy/sql/ are. Without it they are looked for upwards from the executable, \
                then from the working directory.
                """),
    ]

    private static let toolKeys = [
        ConfigurationKey(
            "partitions", .integer(1...1000, unit: "partitions"),
            roleDefaults: ["demo": "2", "bench": "2", "scale": "4"],
            roles: ["topics apply", "topics grow", "demo", "bench", "scale"],
            help:
                "Partitions of the stock topics that are created; without it, what the topic's settings say."),
        ConfigurationKey(
            "replication_factor", .integer(1...7, unit: "replicas"),
            roles: ["topics apply", "topics grow", "rebuild", "demo"],
            help: "Replicas of the topics that are created; without it, what the topic's settings say."),
        ConfigurationKey(
            "alter", .boolean, default: "false", roles: ["topics apply"], isFlagOnly: true,
            help: "Change settings of topics that differ, instead of reporting them alone."),
    ]

    private static let aclKeys = [
        ConfigurationKey(
            "acl_file", .text(1...4096), roles: ["acls apply"], isFlagOnly: true,
            help: "What each role may do; without it, deploy/acls.txt."),
        ConfigurationKey(
            "print", .boolean, default: "false", roles: ["acls apply"], isFlagOnly: true,
            help: "Print calls of kafka-acls.sh instead of changing anything."),
    ]

    private static let deadLetterKeys = [
        ConfigurationKey(
            "reason", .name(1...64), roles: ["dead-letters list", "dead-letters redrive"], isFlagOnly: true,
            help: "Takes letters of that reason alone."),
        ConfigurationKey(
            "samples", .integer(0...100, unit: "letters"), default: "3", roles: ["dead-letters list"],
            isFlagOnly: true, help: "How many letters of each reason are shown, the newest first."),
        ConfigurationKey(
            "letter", .text(1...64), roles: ["dead-letters show", "dead-letters redrive"], isFlagOnly: true,
            repeats: true,
            help: """
                The letter's place in dead.letters, PARTITION/OFFSET; it may stand without the flag, as the first \
                argument. Show takes one.
                """),
        ConfigurationKey(
            "raw", .boolean, default: "false", roles: ["dead-letters show"], isFlagOnly: true,
            help: "Writes the bytes of the original value, and nothing else."),
        ConfigurationKey(
            "json", .boolean, default: "false",
            roles: shows.union([
                "orders stuck", "orders show", "dead-letters list", "dead-letters show",
                "dead-letters redrive", "replay", "verify",
                "rebuild", "topics grow", "optimize",
                "sink", "reconcile", "scale", "size",
            ]),
            isFlagOnly: true,
            help: """
                Prints JSON, one object; of dead-letters show, the letter as it stands in the topic; of redrive, \
                rebuild, grow and reconcile, an object a line for each letter, partition or difference, and one \
                with the sums.
                """),
    ]

    private static let shows: Set<String> = ["show sku", "show reservation", "show order", "show command"]

    private static let auditKeys = [
        ConfigurationKey(
            "id", .text(1...128), roles: shows.union(["orders show"]), isFlagOnly: true,
            help: "Whose; it may stand without the flag, right after the subcommand."),
        ConfigurationKey(
            "at", .text(1...4096), roles: shows, isFlagOnly: true,
            help: """
                PARTITION/OFFSET of a command in stock.commands, or an RFC 3339 time such as 2026-11-24T09:15:00Z; \
                without it, now.
                """),
        ConfigurationKey(
            "last", .integer(0...100_000, unit: "entries"), default: "20",
            roles: shows.union(["orders show"]), isFlagOnly: true,
            help: "How many ledger entries, or outcomes, are shown, the newest."),
        ConfigurationKey(
            "pending", .boolean, default: "false", roles: ["orders stuck"], isFlagOnly: true,
            help: "Prints the commands without a reply, and nothing else."),
        ConfigurationKey(
            "sku", .text(1...128), roles: shows.subtracting(["show sku"]), isFlagOnly: true,
            help: "The SKU that it is about: one partition is read, and nothing of other SKUs is shown."),
        ConfigurationKey(
            "partition", .integer(0...999_999, unit: nil), roles: ["replay", "verify"],
            isFlagOnly: true, help: "This partition alone; without it, all of them."),
        ConfigurationKey(
            "from", .text(1...4096), roles: ["replay", "optimize"], isFlagOnly: true,
            help: """
                Of optimize, with --dry-run: the beginning of the time, RFC 3339. Of replay: where to begin in \
                stock.commands: PARTITION/OFFSET, or several with commas between (other partitions \
                begin at their start), or an RFC 3339 time such as 2026-11-24T09:15:00Z.
                """),
        ConfigurationKey(
            "policy", .text(1...4096), roles: ["replay"], isFlagOnly: true,
            help: "The file with another policy; see above."),
        ConfigurationKey(
            "state", .text(1...4096), roles: ["verify"], isFlagOnly: true,
            help: "The file that holds where to go on; without it, all is looked at from the start."),
        ConfigurationKey(
            "without_database", .boolean, default: "false", roles: ["verify"], isFlagOnly: true,
            help: "Looks at the topics alone, and not at PostgreSQL."),
        ConfigurationKey(
            "differences", .integer(0...10_000, unit: "differences"), default: "20",
            roles: ["replay", "verify"], isFlagOnly: true,
            help: "How many differences are told; all are counted."),
    ]

    private static let reconcileKeys = [
        ConfigurationKey(
            "count", .text(1...4096), roles: ["reconcile"], isFlagOnly: true,
            help: "The file of a warehouse's count; /dev/stdin for standard input."),
        ConfigurationKey(
            "apply", .boolean, default: "false", roles: ["reconcile"], isFlagOnly: true,
            help: "Puts the levels right by commands. Without it nothing is changed."),
        ConfigurationKey(
            "allow_new", .boolean, default: "false", roles: ["reconcile"], isFlagOnly: true,
            help:
                "Takes SKUs and warehouses that are not known, and SKUs that have not been in a warehouse before."
        ),
    ]

    private static let rebuildKeys = [
        ConfigurationKey(
            "from_ledger", .boolean, default: "false", roles: ["rebuild"], isFlagOnly: true,
            help: "From what: the ledger alone."),
        ConfigurationKey(
            "in_place", .boolean, default: "false", roles: ["rebuild"], isFlagOnly: true,
            help: "Puts the system's own topics right. All processors must be stopped."),
        ConfigurationKey(
            "into", .name(1...64), roles: ["rebuild"], isFlagOnly: true,
            help: "The prefix of the topics to write instead; they are created, or must be empty."),
        ConfigurationKey(
            "to_prefix", .name(1...64), roles: ["topics grow"], isFlagOnly: true,
            help: "The topic_prefix that the system has from then on."),
    ]

    private static let redriveKeys = [
        ConfigurationKey(
            "dry_run", .boolean, default: "false",
            roles: ["dead-letters redrive", "rebuild", "topics grow", "optimize"], isFlagOnly: true,
            help: "Tells what would be sent or written, and does nothing."),
        ConfigurationKey(
            "rename", .text(1...1024), roles: ["dead-letters redrive"], isFlagOnly: true, repeats: true,
            help: "FIELD=NAME gives a field of the value another name. One that is not there is left out."),
        ConfigurationKey(
            "remove", .text(1...1024), roles: ["dead-letters redrive"], isFlagOnly: true, repeats: true,
            help: "FIELD takes a field out of the value, all of them if it stands several times."),
        ConfigurationKey(
            "set", .text(1...65_536), roles: ["dead-letters redrive"], isFlagOnly: true, repeats: true,
            help: """
                FIELD=VALUE gives a field a value, whether it is there or not. VALUE is JSON if it can be read as \
                JSON, else a text: quantity=3 is a number, sku="3" and sku=A3 are texts.
                """),
        ConfigurationKey(
            "value", .text(1...4096), roles: ["dead-letters redrive"], isFlagOnly: true,
            help: "A file whose bytes are the value of the one chosen letter; /dev/stdin for standard input."),
        ConfigurationKey(
            "key", .text(1...1024), roles: ["dead-letters redrive"], isFlagOnly: true,
            help: "The key of the one chosen letter, instead of the original one."),
        ConfigurationKey(
            "to_partition", .integer(0...999_999, unit: nil), roles: ["dead-letters redrive"],
            isFlagOnly: true,
            help: """
                The partition that letters from warehouses, products and settings are sent to, instead of the one \
                that the key belongs into.
                """),
        ConfigurationKey(
            "skip_refused", .boolean, default: "false", roles: ["dead-letters redrive"], isFlagOnly: true,
            help: "Sends the others where some letters are refused."),
    ]

    private static let demoKeys = [
        ConfigurationKey(
            "scenario", .enumeration(["sale", "day"]), default: "sale", roles: ["demo"], isFlagOnly: true,
            help: "A flash sale, or a day in a shop, which takes none of the sale's settings."),
        ConfigurationKey(
            "skus", .integer(1...1_000_000, unit: "SKUs"), default: "1000",
            roleDefaults: ["bench": "1000000", "scale": "20000", "size": "1000000", "optimize": "2000"],
            roles: ["demo", "bench", "scale", "size", "optimize"], isFlagOnly: true,
            help: "SKUs (of the demo, besides the hot one)."),
        ConfigurationKey(
            "rate", .integer(1...1_000_000, unit: "reservations a second"),
            roleDefaults: ["chaos": "300", "size": "100000"], roles: ["demo", "chaos", "size"],
            isFlagOnly: true,
            help: """
                Of a sale: reservations a second; without it, half of what the machine carries, which is found while \
                the demo warms up. Of chaos: commands a second. Of size: that of the parts partitions and leases.
                """),
        ConfigurationKey(
            "seconds", .integer(1...3600, unit: "s"), default: "20", roleDefaults: ["bench": "10"],
            roles: ["demo", "bench"], isFlagOnly: true,
            help: "How long the sale lasts."),
        ConfigurationKey(
            "warm_up", .integer(0...600, unit: "s"), default: "6", roles: ["demo", "bench"], isFlagOnly: true,
            help: """
                How long commands are practised first, at the rate that was given: a broker that has just started is \
                slow until its code is compiled. What is practised is checked, and not timed. A sale without --rate \
                warms up for as long as it looks for its rate.
                """),
        ConfigurationKey(
            "seed", .integer(0...999_999_999, unit: nil), roleDefaults: ["size": "1", "optimize": "1"],
            roles: ["demo", "chaos", "size", "optimize"], isFlagOnly: true,
            help: """
                What the sale, the victims, the arrivals or the network are drawn from; without it, another one each \
                time (of size and optimize, 1).
                """),
        ConfigurationKey(
            "order_rate", .integer(1...1000, unit: "orders a second"), roles: ["demo"], isFlagOnly: true,
            help: """
                Of a sale: orders of two to five lines that are placed a second, beside the reservations; without it, \
                one to forty reservations, 50 a second at most.
                """),
        ConfigurationKey(
            "processes", .integer(2...8, unit: "processes"), default: "2", roles: ["demo"], isFlagOnly: true,
            help: "Stock processors to start; give as many --partitions, or some have nothing to do."),
        ConfigurationKey(
            "migrate", .boolean, default: "false", roles: ["sink"], isFlagOnly: true,
            help: "Bring the schema up to date (deploy/sql/) before anything is written."),
        ConfigurationKey(
            "rebuild", .boolean, default: "false", roles: ["sink"], isFlagOnly: true,
            help: """
                Makes the schema anew from the whole ledger, as holdfast_rebuild, puts it in the place of the \
                schema holdfast in one transaction, and ends. Readers go on, and may read what others were \
                granted before. The old schema is kept as holdfast_before. A sink that is at work meanwhile goes \
                on with the new tables, or stops (70) because their offsets are not its own; start it again.
                """),
        ConfigurationKey(
            "drop_old", .boolean, default: "false", roles: ["sink"], isFlagOnly: true,
            help: "With --rebuild: drops the old schema afterwards, and the one of an earlier rebuild."),
    ]

    private static let chaosKeys = [
        ConfigurationKey(
            "only", .text(1...1000), roles: ["chaos"], isFlagOnly: true,
            help: "The faults to try, by name, with commas between; without it, all."),
        ConfigurationKey(
            "rounds", .integer(1...100_000, unit: "rounds"), roleDefaults: ["bench": "3", "scale": "2"],
            roles: ["chaos", "bench", "scale"], isFlagOnly: true,
            help:
                "How often each fault is done (without it, as often as --list says), or each figure measured."
        ),
        ConfigurationKey(
            "short", .boolean, default: "false", roles: ["chaos"], isFlagOnly: true,
            help: "Few rounds of each fault, for each change of the program."),
        ConfigurationKey(
            "list", .boolean, default: "false", roles: ["chaos"], isFlagOnly: true,
            help: "Tells the faults, and does none."),
        ConfigurationKey(
            "folder", .text(1...1000), roles: ["chaos", "bench", "scale"], isFlagOnly: true,
            help: """
                An empty folder for the servers' data and the logs of the roles; it stays. Without it, one in the \
                folder for temporary files.
                """),
    ]

    private static let benchKeys = [
        ConfigurationKey(
            "parts", .text(1...1000), roles: ["bench"], isFlagOnly: true,
            help: """
                What is measured, with commas between: throughput, latency, sink, restore, expiry; without it, all. \
                The contestant copy takes its records from the throughput of holdfast, and is left out without it.
                """),
        ConfigurationKey(
            "warm_up_rounds", .integer(0...10, unit: "rounds"), default: "1", roles: ["bench", "scale"],
            isFlagOnly: true,
            help: """
                Rounds (of bench: of its part throughput) that come before the others and do not count: a broker that has just \
                started is slow for minutes.
                """),
        ConfigurationKey(
            "sink_rows", .integer(1000...100_000_000, unit: "rows"), default: "1000000", roles: ["bench"],
            isFlagOnly: true, help: "Ledger entries that the part sink writes into PostgreSQL."),
        ConfigurationKey(
            "restore_skus", .integer(1000...10_000_000, unit: "SKUs"), default: "1000000", roles: ["bench"],
            isFlagOnly: true,
            help: "SKUs of the partition that the part restore restores, each with a live reservation."),
        ConfigurationKey(
            "expiry_reservations", .integer(1000...10_000_000, unit: "reservations"), default: "1000000",
            roles: ["bench"], isFlagOnly: true,
            help: "Reservations that come due in the part expiry."),
        ConfigurationKey(
            "order_count", .integer(1000...10_000_000, unit: "orders"), default: "200000", roles: ["bench"],
            isFlagOnly: true, help: "Orders that the part orders places, of each kind."),
        ConfigurationKey(
            "expiry_seconds", .integer(1...3600, unit: "s"), default: "60", roles: ["bench"],
            isFlagOnly: true, help: "The time in which they all come due, evenly."),
        ConfigurationKey(
            "expiry_rate", .integer(1...1_000_000, unit: "commands a second"), default: "1000",
            roles: ["bench"], isFlagOnly: true, help: "Other commands a second meanwhile."),
        ConfigurationKey(
            "commands", .integer(1000...100_000_000, unit: "commands"), default: "600000",
            roleDefaults: ["scale": "300000"], roles: ["bench", "scale"], isFlagOnly: true,
            help: "Commands of a run that measures throughput; a fifth of them is warm-up."),
        ConfigurationKey(
            "contestants", .text(1...1000), roles: ["bench"], isFlagOnly: true,
            help:
                "Who is measured, with commas between: holdfast, copy, streams; without it, all that are there."
        ),
        ConfigurationKey(
            "loads", .text(1...1000), roles: ["bench", "bench report"], isFlagOnly: true,
            help: """
                What is sent, with commas between: hot (one SKU), sold_out (one SKU that has none), even (many SKUs), \
                zipf (many SKUs, few of them wanted most), mix (reserve, confirm, release); without it, these. And \
                hot_split_2, hot_split_4: as hot, the SKU split into virtual ones on as many partitions. The first \
                load is that of the fixed rates.
                """),
        ConfigurationKey(
            "rates", .text(1...1000), default: "10000,30000,60000,100000",
            roleDefaults: ["bench report": "10000", "size": "1000,10000,100000,1000000"],
            roles: ["bench", "bench report", "size"], isFlagOnly: true,
            help: """
                Commands a second of the runs that measure latency, or of the systems to size, with commas between.
                """),
        ConfigurationKey(
            "report", .text(1...4096), roles: ["bench", "bench report", "scale"], isFlagOnly: true,
            help: """
                The file of the figures, a line of JSON each; what bench measures is added to it, scale makes it anew.
                """),
        ConfigurationKey(
            "picture", .text(1...4096), roles: ["bench report"], isFlagOnly: true,
            help: "The file to draw to (SVG)."),
    ]

    private static let sizeKeys = [
        ConfigurationKey(
            "times", .text(1...4096), roles: ["scale", "size"], isFlagOnly: true,
            help: """
                The file of service times: scale writes it, size reads it (without it, deploy/bench/scale.json: those of \
                the machine of docs/sizing.md).
                """),
        ConfigurationKey(
            "part", .enumeration(["rates", "partitions", "hot", "leases"]), roles: ["size"], isFlagOnly: true,
            help: "One table alone."),
        ConfigurationKey(
            "partition_counts", .text(1...1000), default: "16,64,256,1000", roles: ["size"], isFlagOnly: true,
            help: "Numbers of partitions of the part partitions, with commas between."),
        ConfigurationKey(
            "cores", .integer(1...1024, unit: "cores"), default: "8", roles: ["size"], isFlagOnly: true,
            help: "Of each machine; a process or a broker has one to itself."),
        ConfigurationKey(
            "life", .integer(1...86_400, unit: "s"), default: "120", roles: ["size"], isFlagOnly: true,
            help: "How long a reservation lives, on average."),
        ConfigurationKey(
            "segment_seconds", .integer(1...86_400, unit: "s"), default: "3600", roles: ["size"],
            isFlagOnly: true,
            help:
                "segment.ms of the compacted topics, in seconds: what is younger is read whole by a restore."),
        ConfigurationKey(
            "decides_ahead", .boolean, default: "true", roles: ["size"], isFlagOnly: true,
            help: "Workers decide on while their commits are under way."),
        ConfigurationKey(
            "answer_ms", .integer(1...10_000, unit: "ms"), default: "20", roles: ["size"], isFlagOnly: true,
            help: "Of the part leases: from a command to its committed answer."),
    ]

    private static let relations = [
        ConfigurationRelation.exceeds(
            "transaction_timeout_ms", "commit_interval_ms", times: 10,
            because: "the broker must not end a transaction that is only waiting for its commit"),
        ConfigurationRelation.exceeds(
            "watchdog_timeout_ms", "transaction_timeout_ms", times: 4,
            because:
                "a commit is two calls of the broker, each of which may take a second longer than a transaction"),
        ConfigurationRelation(
            keys: ["stall_timeout_ms"],
            rule:
                "stall_timeout_ms must be 0 (never ask) or at least 1000: a client that has only just lost its "
                + "broker must have time to find it again"
        ) { $0.integer("stall_timeout_ms") == 0 || $0.integer("stall_timeout_ms") >= 1_000 },
    ]

    /// What the promises of exactly once rest on cannot be changed from outside.
    private static let ownedKafkaSettings = [
        "bootstrap.servers": "use bootstrap_servers",
        "metadata.broker.list": "use bootstrap_servers",
        "group.id": "use group_id",
        "group.instance.id": "use instance_id",
        "transactional.id": "use transactional_id_prefix",
        "transaction.timeout.ms": "use transaction_timeout_ms",
        "session.timeout.ms": "use session_timeout_ms",
        "enable.idempotence": "leave it out: exactly once rests on it",
        "acks": "leave it out: exactly once rests on it",
        "request.required.acks": "leave it out: exactly once rests on it",
        "isolation.level": "leave it out: exactly once rests on it",
        "enable.auto.commit": "leave it out: offsets are committed in the transaction",
        "enable.auto.offset.store": "leave it out: offsets are committed in the transaction",
        "auto.offset.reset": "leave it out: a lost offset must be seen and not skipped",
        "partitioner": "leave it out: keys are placed as Java producers do (murmur2_random)",
        "enable.partition.eof": "leave it out: the end of a restore is found by it",
    ]

    /// Variables of the scripts under deploy/, which run the program in the same environment.
    private static let otherEnvironmentNames = [
        "HOLDFAST_CACHE", "HOLDFAST_BINARY", "HOLDFAST_ROOT", "HOLDFAST_TEST_*", "HOLDFAST_BENCH_*",
        "HOLDFAST_STREAMS_*", "HOLDFAST_NO_*",
        "HOLDFAST_DEBIAN_MIRROR", "HOLDFAST_KAFKA_LIBS", "HOLDFAST_KAFKA_HEAP", "HOLDFAST_KAFKA_OPTIONS",
        "HOLDFAST_KAFKA_SECURED", "HOLDFAST_KAFKA_USERS", "HOLDFAST_POSTGRES_SECURED",
        "HOLDFAST_CHAOS_*",
    ]
}
