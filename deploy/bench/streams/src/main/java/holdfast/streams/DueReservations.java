package holdfast.streams;

import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.PriorityQueue;

/**
 * When the live reservations of each SKU are due. An index over the store of reservations, made again from it at a
 * start. What was confirmed or released stays in it until it would be due, so the caller asks the store.
 */
final class DueReservations {
    record Due(long at, String reservationId) {}

    private static final Comparator<Due> ORDER =
            Comparator.comparingLong(Due::at).thenComparing(Due::reservationId);

    private final Map<String, PriorityQueue<Due>> bySku = new HashMap<>();

    void add(Reservation reservation) {
        bySku.computeIfAbsent(reservation.sku(), sku -> new PriorityQueue<>(4, ORDER))
                .add(new Due(reservation.expiresAt(), reservation.id()));
    }

    /** Removes the soonest that is due; null if none is. */
    String next(String sku, long now) {
        PriorityQueue<Due> queue = bySku.get(sku);
        if (queue == null || queue.peek().at > now) return null;
        String id = queue.poll().reservationId;
        if (queue.isEmpty()) bySku.remove(sku);
        return id;
    }
}
