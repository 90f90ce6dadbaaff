#include "common/base/ids.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/digest.h"

/* One line of proto/vectors/ids.json, which has one object on each. */
typedef struct {
    char line[2048];
    char values[8][512];
    size_t used;
} vector_t;

/* The value of `key`, which the vectors write without escapes; NULL when absent. */
static const char *value_of(vector_t *vector, const char *key)
{
    char pattern[64];
    snprintf(pattern, sizeof(pattern), "\"%s\": \"", key);
    const char *at = strstr(vector->line, pattern);
    if (!at)
        return NULL;
    at += strlen(pattern);
    const char *end = strchr(at, '"');
    assert_non_null(end);
    char *value = vector->values[vector->used++];
    snprintf(value, sizeof(vector->values[0]), "%.*s", (int)(end - at), at);
    return value;
}

static wire_view_t view_of(vector_t *vector, const char *key)
{
    const char *value = value_of(vector, key);
    assert_non_null(value);
    return wire_view(value);
}

static void make_event(vector_t *vector, const uint8_t *digest, char *text)
{
    const ids_event_t event = {
        .provider = view_of(vector, "provider"),
        .type = view_of(vector, "type"),
        .conversation = view_of(vector, "conversation"),
        .event_time = view_of(vector, "event_time"),
        .digest = digest,
    };
    uint8_t uuid[IDS_UUID_BYTES];
    ids_event(&event, uuid);
    ids_format(uuid, text);
}

static void make_resource(vector_t *vector, char *text)
{
    ids_resource(view_of(vector, "provider"), view_of(vector, "conversation"),
                 view_of(vector, "sub_action"), text);
}

static void check_vector(vector_t *vector)
{
    uint8_t digest[DIGEST_BYTES];
    const char *body = value_of(vector, "body");
    if (body)
        digest_sha256(body, strlen(body), digest);
    const char *id = value_of(vector, "id");
    assert_non_null(id);
    char text[IDS_RESOURCE_BYTES] = "";
    if (strcmp(id, "event") == 0)
        make_event(vector, digest, text);
    else if (strcmp(id, "resource") == 0)
        make_resource(vector, text);
    else if (strcmp(id, "request") == 0)
        ids_request(digest, text);
    assert_string_equal(text, value_of(vector, "text"));
}

static void ids_match_the_published_vectors(void **state)
{
    (void)state;
    FILE *file = fopen(SOURCE_DIR "/proto/vectors/ids.json", "r");
    assert_non_null(file);
    vector_t vector = {0};
    int checked = 0;
    while (fgets(vector.line, sizeof(vector.line), file)) {
        if (vector.line[0] != '{')
            continue;
        vector.used = 0;
        check_vector(&vector);
        checked++;
    }
    fclose(file);
    assert_int_equal(checked, 11);
}

static void fields_are_joined_by_one_nul(void **state)
{
    (void)state;
    const char *const apart[] = {"a", "b"}, *const together[] = {"a\0b"}, *const other[] = {"ab"};
    uint8_t one[IDS_UUID_BYTES], two[IDS_UUID_BYTES], three[IDS_UUID_BYTES];
    ids_uuid5(apart, (const size_t[]){1, 1}, 2, one);
    ids_uuid5(together, (const size_t[]){3}, 1, two);
    ids_uuid5(other, (const size_t[]){2}, 1, three);
    assert_memory_equal(one, two, IDS_UUID_BYTES);
    assert_memory_not_equal(one, three, IDS_UUID_BYTES);
}

static void a_missing_field_counts_as_empty(void **state)
{
    (void)state;
    char missing[IDS_RESOURCE_BYTES], empty[IDS_RESOURCE_BYTES];
    ids_resource(wire_view("elevenlabs"), (wire_view_t){0}, wire_view("failed"), missing);
    ids_resource(wire_view("elevenlabs"), wire_view(""), wire_view("failed"), empty);
    assert_string_equal(missing, empty);
}

static void text_and_bytes_are_the_same_id(void **state)
{
    (void)state;
    uint8_t uuid[IDS_UUID_BYTES];
    char text[IDS_TEXT_BYTES];
    assert_int_equal(ids_parse(IDS_NAMESPACE, strlen(IDS_NAMESPACE), uuid), 0);
    assert_int_equal(uuid[0], 0x6f);
    assert_int_equal(uuid[15], 0x42);
    ids_format(uuid, text);
    assert_string_equal(text, IDS_NAMESPACE);
    assert_int_equal(ids_parse("6F0D9C1E-5B0A-4C57-9D53-2F6F8A1C7E42", 36, uuid), 0);
    ids_format(uuid, text);
    assert_string_equal(text, IDS_NAMESPACE);
}

static const char *const not_ids[] = {
    "",
    "6f0d9c1e5b0a4c579d532f6f8a1c7e42",
    "6f0d9c1e-5b0a-4c57-9d53-2f6f8a1c7e4",
    "6f0d9c1e-5b0a-4c57-9d53-2f6f8a1c7e420",
    "6f0d9c1e-5b0a-4c57-9d53-2f6f8a1c7e4g",
    "6f0d9c1e-5b0a-4c57-9d5302f6f8a1c7e42",
    "{6f0d9c1e-5b0a-4c57-9d53-2f6f8a1c7e}",
    "6f0d9c1-e5b0a-4c57-9d53-2f6f8a1c7e42",
};

static void what_is_no_id_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(not_ids) / sizeof(not_ids[0]); i++) {
        uint8_t uuid[IDS_UUID_BYTES] = {7};
        assert_int_equal(ids_parse(not_ids[i], strlen(not_ids[i]), uuid), -1);
        assert_int_equal(uuid[0], 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_match_the_published_vectors),
        cmocka_unit_test(fields_are_joined_by_one_nul),
        cmocka_unit_test(a_missing_field_counts_as_empty),
        cmocka_unit_test(text_and_bytes_are_the_same_id),
        cmocka_unit_test(what_is_no_id_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
