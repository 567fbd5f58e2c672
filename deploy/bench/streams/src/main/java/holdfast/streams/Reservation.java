package holdfast.streams;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;

/**
 * A live reservation. Its store's changelog is the counterpart of stock.reservations.
 *
 * @param sequence of the ledger entry that made it
 * @param hash of the command that made it
 */
record Reservation(
        String id, String orderId, String sku, String warehouse, long quantity, long reservedAt, long expiresAt,
        long sequence, long hash) {

    Reservation less(long units) {
        return new Reservation(id, orderId, sku, warehouse, quantity - units, reservedAt, expiresAt, sequence, hash);
    }

    /** Binary and compact, which JSON as in stock.reservations is not: that favours this program. */
    static final Serde<Reservation> SERDE = Serdes.serdeFrom(new ToBytes(), new FromBytes());

    private static final class ToBytes implements Serializer<Reservation> {
        @Override
        public byte[] serialize(String topic, Reservation reservation) {
            if (reservation == null) return null;
            byte[] id = reservation.id.getBytes(StandardCharsets.UTF_8);
            byte[] order = reservation.orderId.getBytes(StandardCharsets.UTF_8);
            byte[] sku = reservation.sku.getBytes(StandardCharsets.UTF_8);
            byte[] warehouse = reservation.warehouse.getBytes(StandardCharsets.UTF_8);
            ByteBuffer buffer =
                    ByteBuffer.allocate(5 * 8 + 4 * 2 + id.length + order.length + sku.length + warehouse.length);
            buffer.putLong(reservation.quantity).putLong(reservation.reservedAt).putLong(reservation.expiresAt);
            buffer.putLong(reservation.sequence).putLong(reservation.hash);
            buffer.putShort((short) id.length).put(id).putShort((short) order.length).put(order);
            buffer.putShort((short) sku.length).put(sku).putShort((short) warehouse.length).put(warehouse);
            return buffer.array();
        }
    }

    private static final class FromBytes implements Deserializer<Reservation> {
        @Override
        public Reservation deserialize(String topic, byte[] bytes) {
            if (bytes == null) return null;
            ByteBuffer buffer = ByteBuffer.wrap(bytes);
            long quantity = buffer.getLong(), reservedAt = buffer.getLong(), expiresAt = buffer.getLong();
            long sequence = buffer.getLong(), hash = buffer.getLong();
            String id = text(buffer), order = text(buffer), sku = text(buffer), warehouse = text(buffer);
            return new Reservation(id, order, sku, warehouse, quantity, reservedAt, expiresAt, sequence, hash);
        }

        private static String text(ByteBuffer buffer) {
            int length = buffer.getShort();
            String text = new String(buffer.array(), buffer.position(), length, StandardCharsets.UTF_8);
            buffer.position(buffer.position() + length);
            return text;
        }
    }
}
