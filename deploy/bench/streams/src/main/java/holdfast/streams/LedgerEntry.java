package holdfast.streams;

/** One entry of the ledger while it is made. Reused: nothing holds it beyond its record. */
final class LedgerEntry {
    String sku;
    long sequence;
    String movement;
    long at;
    Command.Type command;
    String commandId;
    long commandHash;
    int partition;
    long offset;
    String reservationId;
    String orderId;
    /** 0: there is none. */
    long origin;
    String warehouse;
    long quantity;
    /** -1: there is none. */
    long remaining;
    /** -1: there is none. */
    long expiresAt;
    /** The rejection; then there are no deltas and no balances. */
    String reason;
    String reference;
    long onHandDelta;
    long reservedDelta;
    long onHand;
    long reserved;
    final byte[] hash = new byte[LedgerChain.BYTES];

    /** An entry about the command, without deltas. */
    void begin(String movement, Command command, long hash, long at, int partition, long offset) {
        this.movement = movement;
        this.sku = command.sku();
        this.command = command.type();
        this.commandId = command.id();
        this.commandHash = hash;
        this.at = at;
        this.partition = partition;
        this.offset = offset;
        quantity = 0;
        reservationId = orderId = warehouse = reason = reference = null;
        origin = onHandDelta = reservedDelta = onHand = reserved = 0;
        remaining = expiresAt = -1;
    }

    /** Says whose the units are. */
    void concern(Reservation reservation, long remaining) {
        reservationId = reservation.id();
        orderId = reservation.orderId();
        origin = reservation.sequence();
        this.remaining = remaining;
    }

    /** Moves units in a level: the deltas, and the balances that they give. */
    void move(Stock.Level level, long quantity, long onHandDelta, long reservedDelta) {
        warehouse = level.warehouse;
        this.quantity = quantity;
        this.onHandDelta = onHandDelta;
        this.reservedDelta = reservedDelta;
        onHand = level.onHand += onHandDelta;
        reserved = level.reserved += reservedDelta;
        // After every decision; if it were not so, nothing that follows could be trusted.
        if (reserved < 0 || reserved > onHand) throw new IllegalStateException("oversold: " + sku + " in " + warehouse);
    }
}
