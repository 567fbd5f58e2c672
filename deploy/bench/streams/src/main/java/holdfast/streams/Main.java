package holdfast.streams;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;

/** The stock processor in Kafka Streams. Says `ready` when it processes, and ends in order on SIGTERM. */
public final class Main {
    private static final Duration CLOSE_LIMIT = Duration.ofSeconds(20);

    private static final String USAGE = """
            --bootstrap HOST:PORT --prefix PREFIX [--application-id ID] [--threads N] [--commit-interval-ms N]
            [--compression lz4|none] [--linger-ms N] [--state-dir DIR] [--set NAME=VALUE]...""";

    private Main() {}

    record Options(
            String bootstrap, String prefix, String applicationId, int threads, int commitIntervalMs,
            String compression, int lingerMs, String stateDir, Map<String, String> more) {

        static Options of(String[] words) {
            Map<String, String> given = new HashMap<>();
            Map<String, String> more = new HashMap<>();
            for (int index = 0; index < words.length; index += 2) {
                if (!words[index].startsWith("--") || index + 1 == words.length) throw new IllegalArgumentException(USAGE);
                if (words[index].equals("--set")) {
                    String[] pair = words[index + 1].split("=", 2);
                    if (pair.length < 2) throw new IllegalArgumentException(USAGE);
                    more.put(pair[0], pair[1]);
                } else {
                    given.put(words[index].substring(2), words[index + 1]);
                }
            }
            String prefix = take(given, "prefix", null);
            Options options = new Options(
                    take(given, "bootstrap", null), prefix, take(given, "application-id", prefix + "streams"),
                    Integer.parseInt(take(given, "threads", "6")),
                    Integer.parseInt(take(given, "commit-interval-ms", "25")),
                    take(given, "compression", "lz4"), Integer.parseInt(take(given, "linger-ms", "100")),
                    take(given, "state-dir", System.getProperty("java.io.tmpdir") + "/holdfast-streams"), more);
            if (!given.isEmpty()) throw new IllegalArgumentException("unknown: " + given.keySet() + "\n" + USAGE);
            return options;
        }

        private static String take(Map<String, String> given, String name, String standard) {
            String value = given.remove(name);
            if (value == null && standard == null) throw new IllegalArgumentException("--" + name + " is missing\n" + USAGE);
            return value == null ? standard : value;
        }
    }

    public static void main(String[] words) throws InterruptedException {
        Options options;
        try {
            options = Options.of(words);
        } catch (IllegalArgumentException mistake) {
            System.err.println(mistake.getMessage());
            System.exit(2);
            return;
        }
        KafkaStreams streams = new KafkaStreams(StockTopology.of(options.prefix()), Settings.of(options));
        CountDownLatch ready = new CountDownLatch(1);
        CountDownLatch failed = new CountDownLatch(1);
        streams.setStateListener((state, before) -> {
            if (state == KafkaStreams.State.RUNNING) ready.countDown();
            if (state == KafkaStreams.State.ERROR) failed.countDown();
        });
        streams.setUncaughtExceptionHandler(exception -> {
            exception.printStackTrace();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            // It leaves the group: else who is started next waits until the session of this one has run out.
            boolean isClosed = streams.close(CloseOptions.timeout(CLOSE_LIMIT)
                    .withGroupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP));
            // Else the exit code would be 143 whether it closed or not.
            Runtime.getRuntime().halt(isClosed && failed.getCount() > 0 ? 0 : 1);
        }));
        Thread.ofVirtual().start(() -> {
            try {
                ready.await();
                System.out.println("ready");
            } catch (InterruptedException ended) {
                Thread.currentThread().interrupt();
            }
        });
        streams.start();
        failed.await();
        System.exit(1);
    }
}
