package holdfast.streams;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;

/** The levels of a SKU in its warehouses, and where its ledger stands. The counterpart of a record of stock.levels. */
final class Stock {
    /** Units in one warehouse. */
    static final class Level {
        final String warehouse;
        long onHand;
        long reserved;

        Level(String warehouse, long onHand, long reserved) {
            this.warehouse = warehouse;
            this.onHand = onHand;
            this.reserved = reserved;
        }

        long available() {
            return Math.max(0, onHand - reserved);
        }
    }

    /** The newest ledger entry's sequence and hash. */
    long sequence;
    final byte[] chain = new byte[LedgerChain.BYTES];
    /** Ordered by warehouse. A SKU lies in few warehouses, so that a search goes through them. */
    Level[] levels = {};

    Level level(String warehouse) {
        for (Level level : levels) {
            if (level.warehouse.equals(warehouse)) return level;
        }
        return null;
    }

    Level levelOrNew(String warehouse) {
        Level known = level(warehouse);
        if (known != null) return known;
        Level added = new Level(warehouse, 0, 0);
        Level[] more = new Level[levels.length + 1];
        int place = 0;
        while (place < levels.length && levels[place].warehouse.compareTo(warehouse) < 0) place++;
        System.arraycopy(levels, 0, more, 0, place);
        more[place] = added;
        System.arraycopy(levels, place, more, place + 1, levels.length - place);
        levels = more;
        return added;
    }

    /** The named one, else the first that has all of it; null if there is none such. */
    Level allocate(String named, long quantity) {
        for (Level level : levels) {
            if ((named == null || level.warehouse.equals(named)) && level.available() >= quantity) return level;
        }
        return null;
    }

    /** A compact binary form: it is read and written for every command, and nobody else reads it. */
    static final Serde<Stock> SERDE = Serdes.serdeFrom(new ToBytes(), new FromBytes());

    private static final class ToBytes implements Serializer<Stock> {
        @Override
        public byte[] serialize(String topic, Stock stock) {
            if (stock == null) return null;
            int size = 8 + LedgerChain.BYTES + 2;
            byte[][] names = new byte[stock.levels.length][];
            for (int index = 0; index < names.length; index++) {
                names[index] = stock.levels[index].warehouse.getBytes(StandardCharsets.UTF_8);
                size += 2 + names[index].length + 16;
            }
            ByteBuffer buffer = ByteBuffer.allocate(size);
            buffer.putLong(stock.sequence).put(stock.chain).putShort((short) names.length);
            for (int index = 0; index < names.length; index++) {
                Level level = stock.levels[index];
                buffer.putShort((short) names[index].length).put(names[index]);
                buffer.putLong(level.onHand).putLong(level.reserved);
            }
            return buffer.array();
        }
    }

    private static final class FromBytes implements Deserializer<Stock> {
        @Override
        public Stock deserialize(String topic, byte[] bytes) {
            if (bytes == null) return null;
            ByteBuffer buffer = ByteBuffer.wrap(bytes);
            Stock stock = new Stock();
            stock.sequence = buffer.getLong();
            buffer.get(stock.chain);
            stock.levels = new Level[buffer.getShort()];
            for (int index = 0; index < stock.levels.length; index++) {
                int length = buffer.getShort();
                String warehouse = new String(bytes, buffer.position(), length, StandardCharsets.UTF_8);
                buffer.position(buffer.position() + length);
                stock.levels[index] = new Level(warehouse, buffer.getLong(), buffer.getLong());
            }
            return stock;
        }
    }
}
