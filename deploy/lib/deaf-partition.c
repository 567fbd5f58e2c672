/* A library for LD_PRELOAD, for Tests/IntegrationTests/StallTests.swift, by which a process's consumer reads its partitions no more: where it is placed (seeks), its
 * partitions are paused, by librdkafka's own function, and the program knows nothing of it. Only while the file
 * DEAF_PARTITION_FILE is there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <unistd.h>

rd_kafka_error_t *rd_kafka_seek_partitions(rd_kafka_t *client, rd_kafka_topic_partition_list_t *partitions,
                                           int timeout) {
    static rd_kafka_error_t *(*genuine)(rd_kafka_t *, rd_kafka_topic_partition_list_t *, int);
    if (!genuine) *(void **)&genuine = dlsym(RTLD_NEXT, "rd_kafka_seek_partitions");
    rd_kafka_error_t *error = genuine(client, partitions, timeout);
    const char *file = getenv("DEAF_PARTITION_FILE");
    if (!error && file && access(file, F_OK) == 0) rd_kafka_pause_partitions(client, partitions);
    return error;
}
