/* A library for LD_PRELOAD, for Tests/IntegrationTests/StallTests.swift, by which a process's consumer reads its
 * partitions no more: they are paused, by librdkafka's own function, and the program knows nothing of it. Where they are
 * placed (seeks), or, with DEAF_PARTITION_TOPIC, where partitions of that topic are assigned for the first time. Only
 * while the file DEAF_PARTITION_FILE is there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_on(void) {
    const char *file = getenv("DEAF_PARTITION_FILE");
    return file && access(file, F_OK) == 0;
}

static void assigned(rd_kafka_t *client, const rd_kafka_topic_partition_list_t *partitions) {
    static int is_done;
    const char *topic = getenv("DEAF_PARTITION_TOPIC");
    if (!topic || !partitions || !is_on()) return;
    for (int i = 0; i < partitions->cnt; i++) {
        if (strcmp(partitions->elems[i].topic, topic) != 0 || __atomic_exchange_n(&is_done, 1, __ATOMIC_SEQ_CST))
            continue;
        rd_kafka_topic_partition_list_t *copy = rd_kafka_topic_partition_list_copy(partitions);
        rd_kafka_pause_partitions(client, copy);
        rd_kafka_topic_partition_list_destroy(copy);
        return;
    }
}

rd_kafka_resp_err_t rd_kafka_assign(rd_kafka_t *client, const rd_kafka_topic_partition_list_t *partitions) {
    static rd_kafka_resp_err_t (*genuine)(rd_kafka_t *, const rd_kafka_topic_partition_list_t *);
    if (!genuine) *(void **)&genuine = dlsym(RTLD_NEXT, "rd_kafka_assign");
    rd_kafka_resp_err_t error = genuine(client, partitions);
    if (!error) assigned(client, partitions);
    return error;
}

rd_kafka_error_t *rd_kafka_incremental_assign(rd_kafka_t *client, const rd_kafka_topic_partition_list_t *partitions) {
    static rd_kafka_error_t *(*genuine)(rd_kafka_t *, const rd_kafka_topic_partition_list_t *);
    if (!genuine) *(void **)&genuine = dlsym(RTLD_NEXT, "rd_kafka_incremental_assign");
    rd_kafka_error_t *error = genuine(client, partitions);
    if (!error) assigned(client, partitions);
    return error;
}

rd_kafka_error_t *rd_kafka_seek_partitions(rd_kafka_t *client, rd_kafka_topic_partition_list_t *partitions,
                                           int timeout) {
    static rd_kafka_error_t *(*genuine)(rd_kafka_t *, rd_kafka_topic_partition_list_t *, int);
    if (!genuine) *(void **)&genuine = dlsym(RTLD_NEXT, "rd_kafka_seek_partitions");
    rd_kafka_error_t *error = genuine(client, partitions, timeout);
    if (!error && !getenv("DEAF_PARTITION_TOPIC") && is_on()) rd_kafka_pause_partitions(client, partitions);
    return error;
}

/* A processor reads a partition only once it is placed, and resumes it then: deaf ones stay as they are. */
rd_kafka_resp_err_t rd_kafka_resume_partitions(rd_kafka_t *client, rd_kafka_topic_partition_list_t *partitions) {
    static rd_kafka_resp_err_t (*genuine)(rd_kafka_t *, rd_kafka_topic_partition_list_t *);
    if (!genuine) *(void **)&genuine = dlsym(RTLD_NEXT, "rd_kafka_resume_partitions");
    if (!getenv("DEAF_PARTITION_TOPIC") && is_on()) return RD_KAFKA_RESP_ERR_NO_ERROR;
    return genuine(client, partitions);
}
