package holdfast.streams;

import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.streams.StreamsConfig;

/** The settings of Kafka Streams, each with its reason. README.md has the measurements. */
final class Settings {
    private Settings() {}

    static Properties of(Main.Options options) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, options.bootstrap());
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, options.applicationId());
        settings.put(StreamsConfig.STATE_DIR_CONFIG, options.stateDir());
        guarantees(settings, options);
        processing(settings, options);
        consumer(settings);
        producer(settings, options);
        // Further settings by name, to try them: last, so that they win.
        settings.putAll(options.more());
        return settings;
    }

    private static void guarantees(Properties settings, Main.Options options) {
        // What ours promises: outputs, changelogs and input offsets in one transaction.
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        // How long a transaction lasts, and so the most of what a reader of committed records waits. The default
        // with exactly_once_v2 is 100.
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, options.commitIntervalMs());
        // The broker is one, as for ours; of more brokers: 3.
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        // As ours: a transaction that was left open ends soon.
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.TRANSACTION_TIMEOUT_CONFIG), 10_000);
    }

    private static void processing(Properties settings, Main.Options options) {
        // A thread commits for all its tasks at once and waits meanwhile; with a thread for each partition another
        // one works, as the workers of ours do.
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, options.threads());
        // Over all threads. Large enough that it never evicts before the commit, which would write a SKU's levels
        // more than once.
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64L << 20);
        // Records that are fetched and wait: as many as two polls, so that the thread never waits for a fetch.
        settings.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10_000);
        // Nothing is joined, so no partition need wait for another.
        settings.put(StreamsConfig.MAX_TASK_IDLE_MS_CONFIG, StreamsConfig.MAX_TASK_IDLE_MS_DISABLED);
        // Without tables and repartitions there is nothing to optimize; said so that nobody asks.
        settings.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, StreamsConfig.OPTIMIZE);
        // How long a thread without work waits for records: part of the latency when little comes, and of the time
        // to notice that a commit is due.
        settings.put(StreamsConfig.POLL_MS_CONFIG, Math.min(10, options.commitIntervalMs()));
        // Usage statistics of clients for the broker: of no use here.
        settings.put(StreamsConfig.ENABLE_METRICS_PUSH_CONFIG, false);
    }

    private static void consumer(Properties settings) {
        // A new application decides from the log's start.
        consumer(settings, ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        // A poll gives at most so many: the default of 1000 goes through the poll's own work more often.
        consumer(settings, ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 5_000);
        // An answer waits for more bytes no longer than this: it is part of every command's latency (as ours).
        consumer(settings, ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG, 5);
        // The default of 1 MiB is 5000 commands.
        consumer(settings, ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG, 4 << 20);
        // The kernel's own choice, which grows, instead of 64 KiB.
        consumer(settings, ConsumerConfig.RECEIVE_BUFFER_CONFIG, -1);
    }

    private static void producer(Properties settings, Main.Options options) {
        // A commit sends what waits at once; until then batches grow. Streams' own default of 100 is the same in
        // effect, as long as it is above the commit interval.
        producer(settings, ProducerConfig.LINGER_MS_CONFIG, options.lingerMs());
        // The default of 16 KiB is 40 records; at 20,000 commands a second a transaction has hundreds.
        producer(settings, ProducerConfig.BATCH_SIZE_CONFIG, 512 << 10);
        producer(settings, ProducerConfig.BUFFER_MEMORY_CONFIG, 64L << 20);
        producer(settings, ProducerConfig.COMPRESSION_TYPE_CONFIG, options.compression());
        producer(settings, ProducerConfig.SEND_BUFFER_CONFIG, -1);
        // A transaction that begins before the markers of the last one are written is told to come again
        // (CONCURRENT_TRANSACTIONS): soon, and not after the default of 100.
        producer(settings, ProducerConfig.RETRY_BACKOFF_MS_CONFIG, 5);
        producer(settings, ProducerConfig.RETRY_BACKOFF_MAX_MS_CONFIG, 100);
    }

    private static void consumer(Properties settings, String name, Object value) {
        settings.put(StreamsConfig.consumerPrefix(name), value);
    }

    private static void producer(Properties settings, String name, Object value) {
        settings.put(StreamsConfig.producerPrefix(name), value);
    }
}
