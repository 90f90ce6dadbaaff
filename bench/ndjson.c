/* How many records a second the NDJSON stream takes, by size of batch and loggers on one file.  By
 * hand, on the file system in question and with a release build:
 *
 *     cmake --build build/release --target bench && build/release/bin/bench.ndjson DIR [seconds]
 *
 * Each line runs for `seconds` (1). */
#include "logger/ndjson.h"
#include "common/base/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORD_BYTES 1500
#define BATCH_MAX    500
#define LOGGERS_MAX  2

static const struct {
    size_t batch;
    size_t loggers;
} setups[] = {{1, 1}, {10, 1}, {100, 1}, {500, 1}, {1, 2}, {10, 2}, {100, 2}, {500, 2}};

typedef struct {
    const char *path;
    size_t batch;
    int64_t end_ms;
    size_t written;
    pthread_t thread;
} writer_t;

static char record[RECORD_BYTES];

static void *write_batches(void *argument)
{
    writer_t *self = argument;
    fault_t fault;
    wire_view_t records[BATCH_MAX];
    for (size_t i = 0; i < BATCH_MAX; i++)
        records[i] = (wire_view_t){record, sizeof(record)};
    ndjson_t *stream = ndjson_new(&(ndjson_options_t){.path = self->path}, &fault);
    while (stream && clock_now_ms() < self->end_ms &&
           ndjson_append(stream, records, self->batch, &fault) == 0)
        self->written += self->batch;
    if (clock_now_ms() < self->end_ms)
        fprintf(stderr, "%s\n", fault.text);
    ndjson_destroy(&stream);
    return NULL;
}

static void measure(const char *path, size_t batch, size_t loggers, double seconds)
{
    writer_t writers[LOGGERS_MAX] = {0};
    int64_t start_ms = clock_now_ms();
    size_t written = 0, started = 0;
    for (; started < loggers; started++) {
        writers[started] = (writer_t){.path = path, .batch = batch};
        writers[started].end_ms = start_ms + (int64_t)(seconds * 1000);
        if (pthread_create(&writers[started].thread, NULL, write_batches, &writers[started]))
            break;
    }
    for (size_t i = 0; i < started; i++) {
        pthread_join(writers[i].thread, NULL);
        written += writers[i].written;
    }
    double rate = (double)written * 1000 / (double)(clock_now_ms() - start_ms);
    printf("%3zu records in a batch, %zu logger(s)  %8.0f records/s\n", batch, started, rate);
}

int main(int count, char **arguments)
{
    if (count < 2) {
        fprintf(stderr, "usage: %s DIR [seconds]\n", arguments[0]);
        return 64;
    }
    double seconds = count > 2 ? atof(arguments[2]) : 1;
    char path[4096];
    memset(record, 'x', sizeof(record));
    snprintf(path, sizeof(path), "%s/bench-%lld.ndjson", arguments[1], (long long)clock_unix_us());
    for (size_t i = 0; i < sizeof(setups) / sizeof(setups[0]); i++) {
        measure(path, setups[i].batch, setups[i].loggers, seconds);
        (void)unlink(path); /* each line starts with an empty file */
    }
    return 0;
}
