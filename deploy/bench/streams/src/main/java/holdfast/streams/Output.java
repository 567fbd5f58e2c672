package holdfast.streams;

import java.util.Optional;
import java.util.Set;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.processor.StreamPartitioner;

/** A record that is ready, and the number of the partition that it goes to: that of its command, as with ours. */
record Output(int partition, byte[] bytes) {
    static final Serializer<Output> SERIALIZER = (topic, output) -> output.bytes;

    /** Whoever writes to few partitions commits faster. Made once for each partition, not for each record. */
    static final class Placing implements StreamPartitioner<byte[], Output> {
        private static final int MOST = 1024;
        private final Optional<Set<Integer>>[] places = places();

        @Override
        public Optional<Set<Integer>> partitions(String topic, byte[] key, Output output, int partitions) {
            return places[output.partition];
        }

        @SuppressWarnings({"unchecked", "rawtypes"})
        private static Optional<Set<Integer>>[] places() {
            Optional<Set<Integer>>[] places = new Optional[MOST];
            for (int place = 0; place < MOST; place++) places[place] = Optional.of(Set.of(place));
            return places;
        }
    }
}
