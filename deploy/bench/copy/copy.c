// The limit: a bare copy on librdkafka, with nothing decided. Each record of the input becomes records of the output
// topics, as many and as large as Holdfast's were, in transactions that hold the input's offsets too.
//
// It reads what it writes from Holdfast's own output (a sample of each topic), so that sizes and compressibility are the
// same. One thread, consumer and transactional producer to a partition. Built by deploy/lib/bench.sh.
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_OUTPUTS = 8, SAMPLES = 1000, CALL_LIMIT_MS = 11000 };

struct sample {
    void *value;
    size_t length;
};

struct output {
    char *topic;      // where it writes
    char *sample_of;  // where the sample comes from
    double per_record;
    struct sample samples[SAMPLES];
    int count;
};

static const char *bootstrap, *input, *group = "copy", *transactional_id = "copy", *compression = "lz4";
static int partitions = 1, commit_interval_ms = 10, max_records = 5000;
static struct output outputs[MAX_OUTPUTS];
static int output_count;
static volatile sig_atomic_t stopping;

static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "copy: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(70);
}

static int64_t now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char error[512];
    if (rd_kafka_conf_set(conf, name, value, error, sizeof error) != RD_KAFKA_CONF_OK) fail("%s", error);
}

static void check(rd_kafka_error_t *error, const char *what) {
    if (!error) return;
    fail("%s: %s", what, rd_kafka_error_string(error));
}

static rd_kafka_t *make_consumer(void) {
    char error[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", bootstrap);
    set(conf, "group.id", group);
    set(conf, "isolation.level", "read_committed");
    set(conf, "enable.auto.commit", "false");
    set(conf, "enable.partition.eof", "true");
    set(conf, "socket.nagle.disable", "true");
    // The same as Holdfast's, and Kafka's default of fetch.wait.max.ms as there.
    set(conf, "fetch.queue.backoff.ms", "2");
    set(conf, "queued.min.messages", "100000");
    set(conf, "queued.max.messages.kbytes", "131072");
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
    if (!consumer) fail("%s", error);
    rd_kafka_poll_set_consumer(consumer);
    return consumer;
}

static void assign(rd_kafka_t *consumer, const char *topic, int partition) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_resp_err_t error = rd_kafka_assign(consumer, list);
    if (error) fail("assign %s: %s", topic, rd_kafka_err2str(error));
    rd_kafka_topic_partition_list_destroy(list);
}

// The last records of the sampled topic's first partition, as many as there is room for.
static void take_sample(rd_kafka_t *consumer, struct output *output) {
    assign(consumer, output->sample_of, 0);
    int64_t deadline = now_ms() + 60000, seen = 0;
    while (now_ms() < deadline) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 200);
        if (!message) continue;
        rd_kafka_resp_err_t error = message->err;
        if (!error && message->len > 0) {
            struct sample *sample = &output->samples[seen % SAMPLES];
            free(sample->value);
            sample->value = memcpy(malloc(message->len), message->payload, message->len);
            sample->length = message->len;
            seen++;
        }
        rd_kafka_message_destroy(message);
        // Enough to have passed what was there before the load itself.
        if (error == RD_KAFKA_RESP_ERR__PARTITION_EOF || seen == 100 * SAMPLES) break;
    }
    output->count = seen < SAMPLES ? (int)seen : SAMPLES;
    if (!output->count) output->per_record = 0;
}

static rd_kafka_t *make_producer(int partition) {
    char error[512], id[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    snprintf(id, sizeof id, "%s-%d", transactional_id, partition);
    set(conf, "bootstrap.servers", bootstrap);
    set(conf, "transactional.id", id);
    set(conf, "transaction.timeout.ms", "10000");
    set(conf, "socket.nagle.disable", "true");
    set(conf, "compression.codec", compression);
    set(conf, "batch.num.messages", "10000");
    set(conf, "batch.size", "1000000");
    set(conf, "queue.buffering.max.messages", "1000000");
    set(conf, "queue.buffering.max.kbytes", "1048576");
    // As in Holdfast: records wait for the commit, which sends them at once.
    char linger[16];
    snprintf(linger, sizeof linger, "%d", 2 * commit_interval_ms + 50);
    set(conf, "linger.ms", linger);
    set(conf, "retry.backoff.ms", "2");
    set(conf, "retry.backoff.max.ms", "1000");
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    if (!producer) fail("%s", error);
    check(rd_kafka_init_transactions(producer, 30000), "init transactions");
    return producer;
}

struct writer {
    rd_kafka_t *producer;
    rd_kafka_topic_t *topics[MAX_OUTPUTS];
    double owed[MAX_OUTPUTS];
    int next[MAX_OUTPUTS];
    int partition;
};

static void copy(struct writer *writer, const rd_kafka_message_t *message) {
    for (int i = 0; i < output_count; i++) {
        for (writer->owed[i] += outputs[i].per_record; writer->owed[i] >= 1; writer->owed[i] -= 1) {
            struct sample *sample = &outputs[i].samples[writer->next[i]];
            writer->next[i] = (writer->next[i] + 1) % outputs[i].count;
            while (rd_kafka_produce(
                writer->topics[i], writer->partition, RD_KAFKA_MSG_F_COPY, sample->value, sample->length,
                message->key, message->key_len, NULL)) {
                if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
                    fail("produce: %s", rd_kafka_err2str(rd_kafka_last_error()));
                rd_kafka_poll(writer->producer, 10);
            }
        }
    }
}

static void commit(struct writer *writer, rd_kafka_t *consumer, int64_t next_offset) {
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(offsets, input, writer->partition)->offset = next_offset;
    rd_kafka_consumer_group_metadata_t *metadata = rd_kafka_consumer_group_metadata(consumer);
    check(
        rd_kafka_send_offsets_to_transaction(writer->producer, offsets, metadata, CALL_LIMIT_MS),
        "send offsets");
    rd_kafka_consumer_group_metadata_destroy(metadata);
    rd_kafka_topic_partition_list_destroy(offsets);
    check(rd_kafka_commit_transaction(writer->producer, CALL_LIMIT_MS), "commit");
}

static void *run(void *argument) {
    struct writer writer = {.partition = (int)(intptr_t)argument};
    rd_kafka_t *consumer = make_consumer();
    writer.producer = make_producer(writer.partition);
    for (int i = 0; i < output_count; i++)
        writer.topics[i] = rd_kafka_topic_new(writer.producer, outputs[i].topic, NULL);
    assign(consumer, input, writer.partition);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer);
    rd_kafka_message_t **batch = malloc((size_t)max_records * sizeof *batch);
    int64_t last_commit = now_ms() - commit_interval_ms;
    while (!stopping) {
        int64_t next_offset = 0;
        int records = 0;
        bool is_open = false;
        do {
            int64_t left = is_open ? last_commit + commit_interval_ms - now_ms() : 100;
            if (left < 0) left = 0;
            rd_kafka_message_t *first = rd_kafka_consume_queue(queue, (int)left);
            if (!first) break;
            batch[0] = first;
            ssize_t count = 1;
            if (max_records - records > 1) {
                ssize_t more = rd_kafka_consume_batch_queue(queue, 0, batch + 1, (size_t)(max_records - records - 1));
                if (more > 0) count += more;
            }
            for (ssize_t i = 0; i < count; i++) {
                rd_kafka_message_t *message = batch[i];
                if (!message->err) {
                    if (!is_open) {
                        check(rd_kafka_begin_transaction(writer.producer), "begin");
                        is_open = true;
                    }
                    copy(&writer, message);
                    next_offset = message->offset + 1;
                    records++;
                } else if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
                    fprintf(stderr, "copy: %s\n", rd_kafka_err2str(message->err));
                }
                rd_kafka_message_destroy(message);
            }
        } while (!stopping && records < max_records && (!is_open || now_ms() - last_commit < commit_interval_ms));
        if (!is_open) continue;
        // The same rule as Holdfast's.
        last_commit = now_ms();
        commit(&writer, consumer, next_offset);
    }
    free(batch);
    rd_kafka_queue_destroy(queue);
    for (int i = 0; i < output_count; i++) rd_kafka_topic_destroy(writer.topics[i]);
    rd_kafka_destroy(writer.producer);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    return NULL;
}

static void stop(int signal) {
    (void)signal;
    stopping = 1;
}

// TOPIC=SAMPLED_TOPIC=RECORDS_PER_INPUT_RECORD
static void add_output(char *text) {
    if (output_count == MAX_OUTPUTS) fail("more than %d outputs", MAX_OUTPUTS);
    struct output *output = &outputs[output_count++];
    output->topic = strtok(text, "=");
    output->sample_of = strtok(NULL, "=");
    char *rate = strtok(NULL, "=");
    if (!output->topic || !output->sample_of || !rate) fail("--output wants TOPIC=SAMPLED_TOPIC=RECORDS");
    output->per_record = atof(rate);
}

int main(int count, char **arguments) {
    for (int i = 1; i < count; i += 2) {
        const char *name = arguments[i];
        if (i + 1 == count) fail("%s wants a value", name);
        char *value = arguments[i + 1];
        if (!strcmp(name, "--bootstrap")) bootstrap = value;
        else if (!strcmp(name, "--input")) input = value;
        else if (!strcmp(name, "--group")) group = value;
        else if (!strcmp(name, "--transactional-id")) transactional_id = value;
        else if (!strcmp(name, "--partitions")) partitions = atoi(value);
        else if (!strcmp(name, "--commit-interval-ms")) commit_interval_ms = atoi(value);
        else if (!strcmp(name, "--max-records")) max_records = atoi(value);
        else if (!strcmp(name, "--compression")) compression = value;
        else if (!strcmp(name, "--output")) add_output(value);
        else fail("unknown argument %s", name);
    }
    if (!bootstrap || !input || !output_count) fail("--bootstrap, --input and --output are needed");
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    rd_kafka_t *consumer = make_consumer();
    for (int i = 0; i < output_count; i++) take_sample(consumer, &outputs[i]);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    pthread_t *threads = calloc((size_t)partitions, sizeof *threads);
    for (intptr_t i = 0; i < partitions; i++) pthread_create(&threads[i], NULL, run, (void *)i);
    printf("ready\n");
    fflush(stdout);
    for (int i = 0; i < partitions; i++) pthread_join(threads[i], NULL);
    return 0;
}
