package holdfast.streams;

import java.io.IOException;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/** Decides the commands of one partition, by the rules of the stock processor as far as it knows them (README.md). */
final class StockProcessor implements Processor<byte[], byte[], byte[], Output> {
    private static final long STANDARD_TTL = 15L * 60 * 1000;
    private static final long LONGEST_TTL = 30L * 24 * 60 * 60 * 1000;
    private static final long MOST_ON_HAND = 1_000_000_000_000L;

    /** A command that was decided. */
    private record Decided(String sku, long hash, Outcome outcome) {}

    /** A reservation that ended, and how. */
    private record Ended(Command.Type how, String sku, Outcome outcome) {}

    private final CommandReader reader = new CommandReader();
    private final RecordWriter writer = new RecordWriter();
    private final LedgerChain chain = new LedgerChain();
    private final LedgerEntry entry = new LedgerEntry();
    // In memory only: after a restart they are empty, where ours are read again from the ledger's tail.
    private final Window<Decided> decided = new Window<>();
    private final Window<Ended> ended = new Window<>();
    private final DueReservations due = new DueReservations();

    private ProcessorContext<byte[], Output> context;
    private KeyValueStore<String, Stock> stocks;
    private KeyValueStore<String, Reservation> reservations;
    private int partition;
    private long malformed;

    // The command at hand.
    private Record<byte[], byte[]> record;
    private Command command;
    private Stock stock;
    private boolean isStockChanged;
    private long hash;
    private long at;
    private long offset;

    @Override
    public void init(ProcessorContext<byte[], Output> context) {
        this.context = context;
        partition = context.taskId().partition();
        stocks = context.getStateStore(StockTopology.STOCK);
        reservations = context.getStateStore(StockTopology.RESERVATIONS);
        // The stores are restored by now.
        try (KeyValueIterator<String, Reservation> live = reservations.all()) {
            while (live.hasNext()) due.add(live.next().value);
        }
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        this.record = record;
        at = record.timestamp();
        offset = context.recordMetadata().map(RecordMetadata::offset).orElseThrow();
        try {
            try {
                command = reader.read(record.value());
            } catch (IOException | RuntimeException unreadable) {
                refuse(unreadable);
                return;
            }
            hash = command.hash();
            stock = stocks.get(command.sku());
            if (stock == null) stock = new Stock();
            isStockChanged = false;
            expireDue();
            answer();
            // Once for all that the command did.
            if (isStockChanged) stocks.put(command.sku(), stock);
        } catch (IOException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    /** Ours sends it to dead.letters; here it is told and passed over. */
    private void refuse(Exception reason) {
        malformed++;
        if (Long.bitCount(malformed) == 1) {
            System.err.println("not decided, " + malformed + " so far: partition " + partition + ", offset " + offset
                    + ": " + reason);
        }
    }

    /** What of the SKU is due at the record's time ends before the command is looked at. */
    private void expireDue() throws IOException {
        for (String id = due.next(command.sku(), at); id != null; id = due.next(command.sku(), at)) {
            Reservation reservation = reservations.get(id);
            if (reservation == null || reservation.expiresAt() > at) continue;
            Outcome outcome = take(reservation, reservation.quantity(), "expire", Command.Type.EXPIRE, "expired");
            ended.put(id, new Ended(Command.Type.EXPIRE, command.sku(), outcome));
        }
    }

    private void answer() throws IOException {
        Decided before = decided.get(command.id());
        if (before != null) {
            if (before.hash == hash && before.sku.equals(command.sku())) {
                respond(before.outcome, true);
            } else {
                respond(reject("command_id_conflict"), false);
            }
            return;
        }
        switch (command.type()) {
            case RESERVE -> reserve();
            case CONFIRM -> end("ship", "confirmed");
            case RELEASE -> end("release", "released");
            case RECEIVE -> receive();
            case EXPIRE -> expire();
        }
    }

    private void reserve() throws IOException {
        Reservation live = reservations.get(command.reservationId());
        if (live != null && live.hash() == hash && live.sku().equals(command.sku())) {
            respond(new Outcome("reserved", null, live.id(), live.orderId(), live.warehouse(), true, live.quantity(),
                    -1, live.expiresAt(), live.sequence(), live.reservedAt(), offset), true);
            return;
        }
        if (live != null || ended.containsKey(command.reservationId())) {
            settle(reject("reservation_id_conflict"));
            return;
        }
        long expiresAt = command.expiresAt() >= 0 ? command.expiresAt()
                : at + (command.ttl() >= 0 ? command.ttl() : STANDARD_TTL);
        if (expiresAt <= at || expiresAt > at + LONGEST_TTL) {
            settle(reject("expiry_out_of_range"));
            return;
        }
        Stock.Level level = stock.allocate(command.warehouse(), command.quantity());
        if (level == null) {
            settle(reject("insufficient_stock"));
            return;
        }
        Reservation reservation = new Reservation(command.reservationId(), command.orderId(), command.sku(),
                level.warehouse, command.quantity(), at, expiresAt, stock.sequence + 1, hash);
        begin("reserve");
        entry.concern(reservation, reservation.quantity());
        entry.expiresAt = expiresAt;
        entry.move(level, reservation.quantity(), 0, reservation.quantity());
        append();
        reservations.put(reservation.id(), reservation);
        due.add(reservation);
        settle(new Outcome("reserved", null, reservation.id(), reservation.orderId(), level.warehouse, true,
                reservation.quantity(), -1, expiresAt, stock.sequence, at, offset));
    }

    /** A confirm or a release, of the whole or of a part. */
    private void end(String movement, String word) throws IOException {
        Reservation live = reservations.get(command.reservationId());
        if (live == null || !live.sku().equals(command.sku())) {
            answerEnded();
            return;
        }
        long units = command.quantity() > 0 ? command.quantity() : live.quantity();
        if (units > live.quantity()) {
            settle(reject("quantity_exceeds_reserved"));
            return;
        }
        Outcome outcome = take(live, units, movement, command.type(), word);
        if (units == live.quantity()) ended.put(live.id(), new Ended(command.type(), command.sku(), outcome));
        settle(outcome);
    }

    /** A reservation ends once: a second command to the same end gets the first one's outcome. */
    private void answerEnded() throws IOException {
        Ended before = ended.get(command.reservationId());
        if (before == null || !before.sku.equals(command.sku())) {
            settle(reject("reservation_not_found"));
        } else if (before.how == command.type()) {
            respond(before.outcome, true);
        } else {
            settle(reject(switch (before.how) {
                case CONFIRM -> "reservation_confirmed";
                case RELEASE -> "reservation_released";
                default -> "reservation_expired";
            }));
        }
    }

    /** Takes units of a live reservation out of it, and with a shipment out of the warehouse. */
    private Outcome take(Reservation reservation, long units, String movement, Command.Type how, String word)
            throws IOException {
        long remaining = reservation.quantity() - units;
        begin(movement);
        entry.concern(reservation, remaining);
        entry.move(stock.level(reservation.warehouse()), units, how == Command.Type.CONFIRM ? -units : 0, -units);
        append();
        if (remaining == 0) {
            reservations.delete(reservation.id());
        } else {
            reservations.put(reservation.id(), reservation.less(units));
        }
        return new Outcome(word, null, reservation.id(), reservation.orderId(), reservation.warehouse(), true, units,
                how == Command.Type.EXPIRE ? -1 : remaining, -1, stock.sequence, at, offset);
    }

    private void receive() throws IOException {
        Stock.Level known = stock.level(command.warehouse());
        if (known != null && known.onHand + command.quantity() > MOST_ON_HAND) {
            settle(reject("on_hand_limit_exceeded"));
            return;
        }
        begin("receive");
        entry.reference = command.reference();
        entry.move(stock.levelOrNew(command.warehouse()), command.quantity(), command.quantity(), 0);
        append();
        settle(new Outcome("received", null, null, null, command.warehouse(), false, command.quantity(), -1, -1,
                stock.sequence, at, offset));
    }

    /** Whatever was due has expired by now, so there is nothing more to do. */
    private void expire() throws IOException {
        Reservation live = reservations.get(command.reservationId());
        Ended before = ended.get(command.reservationId());
        if (live != null && live.sku().equals(command.sku())) {
            respond(new Outcome("ignored", "not_due", live.id(), null, null, false, 0, -1, live.expiresAt(), 0, at,
                    offset), false);
        } else if (before != null && before.how == Command.Type.EXPIRE && before.outcome.offset() == offset) {
            settle(before.outcome);
        } else {
            respond(new Outcome("ignored", "already_ended", command.reservationId(), null, null, false, 0, -1, -1, 0,
                    at, offset), false);
        }
    }

    /** A rejection is an entry without deltas. */
    private Outcome reject(String reason) throws IOException {
        begin("rejection");
        entry.reason = reason;
        entry.reservationId = command.reservationId();
        entry.orderId = command.orderId();
        entry.warehouse = command.warehouse();
        entry.quantity = command.quantity();
        append();
        return new Outcome("rejected", reason, command.reservationId(), command.orderId(), command.warehouse(), false,
                command.quantity(), -1, -1, stock.sequence, at, offset);
    }

    private void begin(String movement) {
        entry.begin(movement, command, hash, at, partition, offset);
    }

    /** Gives the entry its place in the SKU's ledger and writes it. */
    private void append() throws IOException {
        entry.sequence = ++stock.sequence;
        chain.seal(entry, stock.chain);
        System.arraycopy(entry.hash, 0, stock.chain, 0, LedgerChain.BYTES);
        isStockChanged = true;
        forward(writer.entry(entry), StockTopology.LEDGER);
    }

    /** Remembers the outcome for repeats, and tells it. */
    private void settle(Outcome outcome) throws IOException {
        decided.put(command.id(), new Decided(command.sku(), hash, outcome));
        respond(outcome, false);
    }

    private void respond(Outcome outcome, boolean isDuplicate) throws IOException {
        forward(writer.result(command, outcome, isDuplicate, partition), StockTopology.RESULTS);
    }

    private void forward(byte[] bytes, String sink) {
        context.forward(record.withValue(new Output(partition, bytes)), sink);
    }
}
