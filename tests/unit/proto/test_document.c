/* The field tables of proto/PROTOCOL.md say what the code's tables say. */
#include "proto/disk.h"
#include "proto/endpoints.h"
#include "proto/messages.h"
#include "proto/routes.h"
#include "proto/timing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *document;

static int read_document(void **state)
{
    (void)state;
    FILE *file = fopen(SOURCE_DIR "/proto/PROTOCOL.md", "r");
    assert_non_null(file);
    document = calloc(1, 1 << 20);
    assert_non_null(document);
    assert_true(fread(document, 1, (1 << 20) - 1, file) > 1000);
    fclose(file);
    return 0;
}

static int free_document(void **state)
{
    (void)state;
    free(document);
    return 0;
}

/* The row that the document should have for a field, up to its meaning. */
static void row_of(const wire_field_t *field, char row[256])
{
    static const char *const kinds[] = {
        [WIRE_TEXT] = "text", [WIRE_BYTES] = "bytes",     [WIRE_UINT] = "number",
        [WIRE_BOOL] = "flag", [WIRE_NUMBERS] = "numbers", [WIRE_LIST] = "list",
    };
    char limit[32] = "";
    if (field->limit > 0)
        snprintf(limit, sizeof(limit), "%s%zu ", field->exact ? "=" : "", field->limit);
    snprintf(row, 256, "| `%s` | %s | %s| %s|", field->name, kinds[field->kind], limit,
             field->required ? "yes " : "");
}

/* The section `### name` has exactly these rows, in this order. */
static void holds(const char *name, const wire_table_t *table)
{
    char heading[64], row[256];
    snprintf(heading, sizeof(heading), "\n### %s\n", name);
    const char *section = strstr(document, heading);
    if (!section)
        fail_msg("PROTOCOL.md has no section %s", name);
    const char *end = strstr(section + 1, "\n#");
    const char *at = section;
    for (size_t i = 0; i < table->count; i++) {
        row_of(&table->fields[i], row);
        const char *found = strstr(at, row);
        if (!found || (end && found > end))
            fail_msg("%s: the document should say: %s", name, row);
        at = found + 1;
    }
    size_t rows = 0;
    for (const char *line = strstr(section, "\n| `"); line && (!end || line < end);
         line = strstr(line + 1, "\n| `"))
        rows++;
    assert_int_equal(rows, table->count);
}

static const wire_table_t *items_of(const wire_table_t *table, const char *field)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->fields[i].name, field) == 0)
            return table->fields[i].items;
    }
    fail_msg("no field %s", field);
    return NULL;
}

static void every_message_is_described(void **state)
{
    (void)state;
    holds("hello", &message_hello);
    holds("capacity", items_of(&message_hello, "capacity"));
    holds("refuse", &message_refuse);
    holds("who", &message_who);
    holds("event", &message_event);
    holds("sinks", items_of(&message_event, "sinks"));
    holds("former", items_of(&message_event, "former"));
    holds("former", items_of(items_of(&message_resolutions, "events"), "former"));
    holds("outcome", &message_outcomes);
    holds("outcomes", items_of(&message_outcomes, "outcomes"));
    holds("resolved", &message_resolutions);
    holds("go", &message_resolutions);
    holds("events", items_of(&message_resolutions, "events"));
    holds("ping", &message_ping);
    holds("pong", &message_pong);
    holds("bye", &message_empty);
}

/* The rows of a table whose heading row begins like this. */
static size_t rows_under(const char *heading)
{
    const char *line = strstr(document, heading);
    assert_non_null(line);
    size_t rows = 0;
    while ((line = strchr(line, '\n')) && line[1] == '|') {
        rows++;
        line++;
    }
    return rows - 1; /* the rule below the heading */
}

static void every_hop_is_described(void **state)
{
    (void)state;
    size_t count;
    const endpoint_t *rows = endpoint_rows(&count);
    for (size_t i = 0; i < count; i++) {
        char row[256];
        snprintf(row, sizeof(row), "| %s | %s | %s | %s | %s |", rows[i].source, rows[i].worker,
                 rows[i].address, rows[i].bind_setting, rows[i].connect_setting);
        if (!strstr(document, row))
            fail_msg("the document should say: %s", row);
    }
    assert_int_equal(rows_under("| source (binds) |"), count);
}

static void every_interval_is_described(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        int ms;
    } intervals[] = {
        {"both sides ping", TIMING_PING_INTERVAL_MS},
        {"a peer that is silent is gone", TIMING_PEER_SILENCE_MS},
        {"a worker whose connection is closed has to come back", TIMING_PEER_GONE_MS},
        {"a refused worker asks again", TIMING_REFUSED_RETRY_MS},
        {"a lease without a word runs out", TIMING_ACK_WAIT_MS},
        {"the lease of what waits is extended", TIMING_WORKING_INTERVAL_MS},
        {"a `resolved` without its `go` is given up", TIMING_GO_WAIT_MS},
        {"a name is looked up", TIMING_LOOKUP_INTERVAL_MS},
    };
    for (size_t i = 0; i < sizeof(intervals) / sizeof(intervals[0]); i++) {
        char row[128];
        snprintf(row, sizeof(row), "\n| %s | %d |\n", intervals[i].what, intervals[i].ms);
        if (!strstr(document, row))
            fail_msg("the document should say: %s", row);
    }
    assert_int_equal(rows_under("| what | milliseconds |"),
                     sizeof(intervals) / sizeof(intervals[0]));
}

static void every_word_is_described(void **state)
{
    (void)state;
    static const char *const outcomes[] = {OUTCOME_DONE, OUTCOME_WORKING, OUTCOME_RETRY,
                                           OUTCOME_DEAD, OUTCOME_LOST};
    static const char *const scopes[] = {SCOPE_EVENT, SCOPE_TENANT, SCOPE_SINK};
    for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
        char row[32];
        snprintf(row, sizeof(row), "\n| %s | ", outcomes[i]);
        if (!strstr(document, row))
            fail_msg("the document should describe the outcome %s", outcomes[i]);
    }
    assert_int_equal(rows_under("| outcome | means |"), sizeof(outcomes) / sizeof(outcomes[0]));
    for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++) {
        char word[32];
        snprintf(word, sizeof(word), "`%s`", scopes[i]);
        if (!strstr(document, word))
            fail_msg("the document should describe the scope %s", scopes[i]);
    }
}

static void every_reason_is_listed(void **state)
{
    (void)state;
    const char *list = strstr(document, "Reasons of `dead`:");
    assert_non_null(list);
    for (size_t i = 0; route_dead_reasons[i]; i++) {
        if (!strstr(list, route_dead_reasons[i]))
            fail_msg("the document should list %s", route_dead_reasons[i]);
    }
    static const char *const done[] = {DONE_RECORDING_REFUSED, DONE_TRANSCRIPT_EMPTY,
                                       DONE_TRANSCRIPTS_OFF,   DONE_TRANSCRIPT_INLINE,
                                       DONE_NEWER_EXISTS,      DONE_NOTHING_WRITTEN};
    list = strstr(document, "Reasons of `done`");
    assert_non_null(list);
    for (size_t i = 0; i < sizeof(done) / sizeof(done[0]); i++) {
        const char *found = strstr(list, done[i]);
        if (!found || found > strstr(list, "\n\n"))
            fail_msg("the document should list %s", done[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_is_described),  cmocka_unit_test(every_hop_is_described),
        cmocka_unit_test(every_interval_is_described), cmocka_unit_test(every_word_is_described),
        cmocka_unit_test(every_reason_is_listed),
    };
    return cmocka_run_group_tests(tests, read_document, free_document);
}
