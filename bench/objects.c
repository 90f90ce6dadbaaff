/* How many small objects a second the directory store takes, by size of batch, threads and way of
 * syncing.  By hand, on the file system in question and with a release build:
 *
 *     cmake --build build/release --target bench && build/release/bin/bench.objects DIR [seconds]
 *
 * Each line runs for `seconds` (1).  The objects stay in DIR/bench-*, to be removed by hand. */
#include "common/base/clock.h"
#include "common/base/offload.h"
#include "recorder/object_dir.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define OBJECT_BYTES 8192
#define TENANTS      64
#define BATCH_MAX    256
#define KEY_BYTES    64
#define VERSION                                                                                    \
    "1739537297000000-1739537297000000-"                                                           \
    "00868814e332e05628108d8b3089ed5d58eef4f18f0aaeffe4b893ed73ccd050"

typedef struct {
    size_t batch;
    size_t threads;
    size_t syncfs_objects_min;
} setup_t;

static const setup_t setups[] = {
    {1, 1, SIZE_MAX}, {1, 1, 1},   {16, 1, SIZE_MAX}, {16, 1, 1}, {64, 1, SIZE_MAX},
    {64, 1, 1},       {256, 1, 1}, {64, 2, SIZE_MAX}, {64, 2, 1}, {256, 2, 1},
};

/* A batch on its way through the store, again and again with new keys. */
typedef struct {
    object_dir_job_t job;
    object_dir_write_t writes[BATCH_MAX];
    char keys[BATCH_MAX][KEY_BYTES];
} flight_t;

static char object[OBJECT_BYTES];

static void fill(flight_t *flight, size_t batch, unsigned long *number)
{
    for (size_t i = 0; i < batch; i++, ++*number) {
        snprintf(flight->keys[i], KEY_BYTES, "transcripts/B%lu/conversation_%lu.json",
                 *number % TENANTS, *number);
        flight->writes[i] = (object_dir_write_t){.key = wire_view(flight->keys[i]),
                                                 .version = WIRE_VIEW(VERSION),
                                                 .bytes = object,
                                                 .length = sizeof(object)};
    }
    flight->job = (object_dir_job_t){flight->writes, batch};
}

static size_t count_written(const flight_t *flight)
{
    size_t written = 0;
    for (size_t i = 0; i < flight->job.count; i++)
        written += flight->writes[i].result == OBJECT_DIR_WRITTEN;
    return written;
}

static flight_t *wait_for(offload_t *offload)
{
    struct pollfd finished = {.fd = offload_fd(offload), .events = POLLIN};
    while (poll(&finished, 1, -1) < 1) {
    }
    return offload_take(offload);
}

/* Objects per second of one setup. */
static double run(object_dir_t *store, const setup_t *setup, double seconds)
{
    offload_t *offload = offload_new(setup->threads, object_dir_run, store, NULL);
    flight_t *flights = calloc(setup->threads + 1, sizeof(*flights));
    if (!offload || !flights)
        return 0;
    unsigned long number = 0;
    size_t written = 0;
    int64_t start_ms = clock_now_ms(), end_ms = start_ms + (int64_t)(seconds * 1000);
    for (size_t i = 0; i <= setup->threads; i++) {
        fill(&flights[i], setup->batch, &number);
        (void)offload_put(offload, &flights[i]); /* without memory the figure is lower */
    }
    while (offload_pending(offload) > 0) {
        flight_t *flight = wait_for(offload);
        written += flight ? count_written(flight) : 0;
        if (!flight || clock_now_ms() >= end_ms)
            continue;
        fill(flight, setup->batch, &number);
        (void)offload_put(offload, flight);
    }
    double rate = (double)written * 1000 / (double)(clock_now_ms() - start_ms);
    offload_destroy(&offload);
    free(flights);
    return rate;
}

static int measure(const char *parent, size_t index, double seconds)
{
    const setup_t *setup = &setups[index];
    char directory[4096];
    fault_t fault;
    snprintf(directory, sizeof(directory), "%s/bench-%zu-%lld", parent, index,
             (long long)clock_unix_us());
    if (mkdir(directory, 0750)) {
        perror(directory);
        return -1;
    }
    object_dir_options_t options = {.directory = directory,
                                    .syncfs_objects_min = setup->syncfs_objects_min};
    object_dir_t *store = object_dir_new(&options, &fault);
    if (!store) {
        fprintf(stderr, "%s\n", fault.text);
        return -1;
    }
    printf("%3zu objects in a batch, %zu thread(s), %-12s %8.0f objects/s\n", setup->batch,
           setup->threads, setup->syncfs_objects_min == 1 ? "syncfs" : "file by file",
           run(store, setup, seconds));
    object_dir_destroy(&store);
    return 0;
}

int main(int count, char **arguments)
{
    if (count < 2) {
        fprintf(stderr, "usage: %s DIR [seconds]\n", arguments[0]);
        return 64;
    }
    double seconds = count > 2 ? atof(arguments[2]) : 1;
    memset(object, 'x', sizeof(object));
    for (size_t i = 0; i < sizeof(setups) / sizeof(setups[0]); i++) {
        if (measure(arguments[1], i, seconds))
            return 1;
    }
    return 0;
}
