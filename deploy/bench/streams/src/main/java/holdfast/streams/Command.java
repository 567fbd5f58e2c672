package holdfast.streams;

/**
 * A command about one SKU, as topics/stock.commands/schema.json has it, in the fields that this program knows.
 *
 * @param quantity units; 0 where it is left out
 * @param expiresAt milliseconds since 1970; -1 where it is left out
 * @param ttl milliseconds; -1 where it is left out
 */
record Command(
        String id, Type type, String sku, String reservationId, String orderId, long quantity, String warehouse,
        long expiresAt, long ttl, String reference) {

    enum Type {
        RESERVE("reserve"), CONFIRM("confirm"), RELEASE("release"), RECEIVE("receive"), EXPIRE("expire");

        final String word;

        Type(String word) {
            this.word = word;
        }

        static Type of(String word) {
            return switch (word) {
                case "reserve" -> RESERVE;
                case "confirm" -> CONFIRM;
                case "release" -> RELEASE;
                case "receive" -> RECEIVE;
                case "expire" -> EXPIRE;
                default -> throw new IllegalArgumentException("type " + word);
            };
        }
    }

    /** 64 bits of what is asked for, without the id: a repeat has the same. */
    long hash() {
        long hash = add(type.ordinal(), sku);
        hash = add(hash, reservationId);
        hash = add(hash, orderId);
        hash = add(hash, warehouse);
        hash = add(hash, reference);
        hash = mix(hash ^ quantity);
        hash = mix(hash ^ expiresAt);
        return mix(hash ^ ttl);
    }

    private static long add(long hash, String text) {
        return mix(hash ^ (text == null ? -1 : (long) text.length() << 32 | text.hashCode() & 0xFFFFFFFFL));
    }

    private static long mix(long word) {
        word *= 0xA0761D6478BD642FL;
        return (word ^ word >>> 32) + 0xE7037ED1A0B428DBL;
    }
}
