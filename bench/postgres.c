/* How many rows a second PostgreSQL takes, by size of batch: new ones, and the same again.  By
 * hand, on a database of its own, whose table `resources` grows, and with a release build:
 *
 *     cmake --build build/release --target bench && build/release/bin/bench.postgres URL [seconds]
 *
 * Each line runs for `seconds` (1).  Rows have a jsonb of 1 KiB. */
#include "resources-sink/postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "resources-sink/migrate.h"

#define BATCH_MAX  1000
#define ID_BYTES   64
#define DATA_BYTES 1024

static const size_t batches[] = {1, 10, 100, 300, 1000};

/* The rows of one batch and where their ids stand. */
typedef struct {
    char ids[BATCH_MAX][ID_BYTES];
    char json[DATA_BYTES + 1]; /* the same for all */
    postgres_row_t rows[BATCH_MAX];
    postgres_result_t results[BATCH_MAX];
    uint64_t number; /* of the last id; in this run it never repeats */
} load_t;

/* Ids are as scattered as UUIDs, so that the index is written at random. */
static void renew(load_t *load, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t scattered = ++load->number * 0x9e3779b97f4a7c15u;
        snprintf(load->ids[i], ID_BYTES, "B0100001-L0100001-log-%016llx",
                 (unsigned long long)scattered);
    }
}

static void prepare(load_t *load)
{
    int head = snprintf(load->json, sizeof(load->json),
                        "{\"actionType\":\"voice_call\",\"subAction\":\"call_ended\",\"metadata\":"
                        "{\"callDuration\":42,\"cost\":350,\"transcriptS3Key\":\"");
    for (size_t i = (size_t)head; i < DATA_BYTES; i++)
        load->json[i] = (char)('a' + (i * i * 7 + i) % 26);
    memcpy(load->json + DATA_BYTES - 3, "\"}}", 4);
    load->number = (uint64_t)clock_unix_us() << 20;
    for (size_t i = 0; i < BATCH_MAX; i++)
        load->rows[i] =
            (postgres_row_t){load->ids[i], "B0100001:L0100001",    "agent-logs", "log-1", "create",
                             load->json,   "2026-11-20T07:30:00Z", "req-1",      "2026"};
}

/* Rows a second in batches of `count`; with `again`, of the same rows over and over. */
static double measure(postgres_t *postgres, load_t *load, size_t count, bool again, int seconds)
{
    renew(load, count);
    postgres_write(postgres, load->rows, count, load->results);
    int64_t start_ms = clock_now_ms(), now_ms = start_ms;
    size_t written = 0;
    while (now_ms - start_ms < seconds * 1000) {
        if (!again)
            renew(load, count);
        postgres_write(postgres, load->rows, count, load->results);
        for (size_t i = 0; i < count; i++)
            written += load->results[i].outcome <= POSTGRES_SAME;
        now_ms = clock_now_ms();
    }
    return (double)written * 1000 / (double)(now_ms - start_ms);
}

int main(int argc, char **argv)
{
    fault_t fault = {"usage: bench.postgres URL [seconds]"};
    migrate_report_t report;
    load_t *load = calloc(1, sizeof(*load));
    int seconds = argc > 2 ? atoi(argv[2]) : 1;
    postgres_t *postgres = NULL;
    if (load && argc > 1 && migrate_run(argv[1], &report, &fault) == 0)
        postgres = postgres_new(
            &(postgres_options_t){.url = argv[1], .deadline_ms = POSTGRES_DEADLINE_MS}, &fault);
    if (!postgres) {
        fprintf(stderr, "%s\n", fault.text);
        free(load);
        return 1;
    }
    prepare(load);
    printf("batch  new rows/s  same rows/s\n");
    for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++)
        printf("%5zu  %10.0f  %11.0f\n", batches[i],
               measure(postgres, load, batches[i], false, seconds),
               measure(postgres, load, batches[i], true, seconds));
    postgres_destroy(&postgres);
    free(load);
    return 0;
}
