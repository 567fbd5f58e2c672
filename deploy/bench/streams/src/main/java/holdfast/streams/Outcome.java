package holdfast.streams;

/**
 * What a command got, as a record of stock.results tells it.
 *
 * @param reason why not; null for success
 * @param allocated whether units of the warehouse were moved for a reservation: then it is told as an allocation
 * @param quantity units; 0 where none are told
 * @param remaining of the reservation; -1 where it is not told
 * @param expiresAt of the reservation; -1 where it is not told
 * @param sequence of the ledger entry; 0 where there is none
 */
record Outcome(
        String outcome, String reason, String reservationId, String orderId, String warehouse, boolean allocated,
        long quantity, long remaining, long expiresAt, long sequence, long at, long offset) {}
