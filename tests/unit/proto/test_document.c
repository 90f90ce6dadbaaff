/* The field tables of proto/PROTOCOL.md say what the code's tables say. */
#include "proto/disk.h"
#include "proto/endpoints.h"
#include "proto/messages.h"
#include "proto/routes.h"

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
    holds("outcome", &message_outcomes);
    holds("outcomes", items_of(&message_outcomes, "outcomes"));
    holds("events", items_of(&message_resolutions, "events"));
    holds("ping", &message_ping);
    holds("pong", &message_pong);
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
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_is_described),
        cmocka_unit_test(every_hop_is_described),
        cmocka_unit_test(every_reason_is_listed),
    };
    return cmocka_run_group_tests(tests, read_document, free_document);
}
