package holdfast.streams;

import java.util.Map;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.state.Stores;

/**
 * stock.commands -> one processor with two stores -> stock.results and stock.ledger.
 *
 * <p>The Processor API and not the DSL: it forwards to two sinks and writes two stores in one step, with nothing in
 * between.
 */
final class StockTopology {
    static final String STOCK = "stock";
    static final String RESERVATIONS = "reservations";
    static final String RESULTS = "results";
    static final String LEDGER = "ledger";

    private StockTopology() {}

    static Topology of(String prefix) {
        // What restores the stores is read from its start, as stock.levels and stock.reservations are.
        Map<String, String> changelog = Map.of("min.cleanable.dirty.ratio", "0.2", "segment.ms", "3600000");
        // In memory, as the state of ours is: the changelog alone is durable, and no RocksDB takes its share.
        var stock = Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(STOCK), Serdes.String(), Stock.SERDE)
                // The cache holds back what is overwritten before the commit: the changelog gets a SKU's levels
                // once in a transaction, as stock.levels does.
                .withCachingEnabled()
                .withLoggingEnabled(changelog);
        var reservations = Stores.keyValueStoreBuilder(
                        Stores.inMemoryKeyValueStore(RESERVATIONS), Serdes.String(), Reservation.SERDE)
                // A reservation is seldom written twice in a transaction: a cache would cost and save nothing.
                .withCachingDisabled()
                .withLoggingEnabled(changelog);
        Topology topology = new Topology();
        topology.addSource(
                "commands", new ByteArrayDeserializer(), new ByteArrayDeserializer(), prefix + "stock.commands");
        topology.addProcessor("decide", StockProcessor::new, "commands");
        topology.addStateStore(stock, "decide");
        topology.addStateStore(reservations, "decide");
        Output.Placing placing = new Output.Placing();
        topology.addSink(RESULTS, prefix + "stock.results", new ByteArraySerializer(), Output.SERIALIZER, placing,
                "decide");
        topology.addSink(LEDGER, prefix + "stock.ledger", new ByteArraySerializer(), Output.SERIALIZER, placing,
                "decide");
        return topology;
    }
}
