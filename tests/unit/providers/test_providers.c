/* The rows of all providers hold together, and are found by target, name and type. */
#include "providers/providers.h"

#include "proto/routes.h"
#include "providers/elevenlabs/elevenlabs.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void assert_whole(const provider_t *row)
{
    assert_non_null(row->name);
    assert_true(strlen(row->name) <= MESSAGE_NAME_BYTES_MAX);
    assert_non_null(row->routes[0].path);
    assert_non_null(row->events[0].type);
    assert_non_null(row->headers[0]);
    assert_non_null(row->verify->begin);
    assert_non_null(row->verify->update);
    assert_non_null(row->verify->finish);
    assert_non_null(row->verify->destroy);
    assert_non_null(row->identify);
    assert_non_null(row->describe);
    for (size_t i = 0; row->headers[i]; i++)
        assert_true(i < PROVIDER_HEADERS_MAX);
}

static void every_row_is_whole_and_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROVIDERS_COUNT; i++) {
        const provider_route_t *route;
        assert_whole(providers[i]);
        assert_int_equal(provider_index(providers[i]), i);
        assert_ptr_equal(provider_named(wire_view(providers[i]->name)), providers[i]);
        for (const provider_route_t *at = providers[i]->routes; at->path; at++) {
            assert_ptr_equal(provider_of_target(at->path, &route), providers[i]);
            assert_ptr_equal(route, at);
        }
    }
    assert_null(provider_named(WIRE_VIEW("nobody")));
}

static void every_event_leads_to_known_sinks(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROVIDERS_COUNT; i++) {
        for (const provider_event_t *event = providers[i]->events; event->type; event++) {
            bool has_object = false;
            assert_non_null(event->sinks[0]);
            for (const char *const *sink = event->sinks; *sink; sink++) {
                assert_true(route_is_sink(*sink));
                has_object = has_object || strcmp(*sink, SINK_RECORDER) == 0;
            }
            const json_path_t *path =
                event->is_recording ? &providers[i]->recording : &providers[i]->transcript;
            assert_true(!has_object || path->keys[0]);
            assert_true(!event->is_recording || providers[i]->recording_type);
        }
    }
}

/* A provider that stands in no line of rows.h is compiled and never asked. */
static void every_folder_has_a_row(void **state)
{
    (void)state;
    DIR *listing = opendir(SOURCE_DIR "/providers");
    assert_non_null(listing);
    size_t folders = 0;
    for (struct dirent *entry; (entry = readdir(listing));)
        folders += entry->d_type == DT_DIR && entry->d_name[0] != '.';
    closedir(listing);
    assert_int_equal(folders, PROVIDERS_COUNT);
}

static void an_event_goes_where_its_row_says(void **state)
{
    (void)state;
    static const char *const sinks[] = {SINK_RESOURCES_SINK, SINK_RECORDER, NULL};
    const wire_view_t elevenlabs = WIRE_VIEW(PROVIDER_ELEVENLABS);
    assert_int_equal(provider_sink_bits(elevenlabs, WIRE_VIEW(EVENT_TRANSCRIPTION), sinks), 3);
    assert_int_equal(provider_sink_bits(elevenlabs, WIRE_VIEW(EVENT_AUDIO), sinks), 2);
    assert_int_equal(provider_sink_bits(elevenlabs, WIRE_VIEW(EVENT_FAILURE), sinks), 1);
    assert_int_equal(provider_sink_bits(elevenlabs, WIRE_VIEW("voice_removed"), sinks), 0);
    assert_int_equal(provider_sink_bits(WIRE_VIEW("agent-logs"), WIRE_VIEW("sms.send"), sinks), 1);
    assert_int_equal(provider_sink_bits(WIRE_VIEW("nobody"), WIRE_VIEW("sms.send"), sinks), 0);
}

static void a_provider_without_secrets_is_off(void **state)
{
    (void)state;
    provider_keys_t keys = {.allow_unsigned = false};
    const provider_t *elevenlabs = providers[PROVIDERS_elevenlabs];
    const provider_t *agent_logs = providers[PROVIDERS_agent_logs];
    assert_false(provider_is_on(elevenlabs, &keys));
    keys.allow_unsigned = true;
    assert_true(provider_is_on(elevenlabs, &keys));
    assert_false(provider_is_on(agent_logs, &keys)); /* never unsigned */
    keys.of[PROVIDERS_agent_logs] = secrets_new("x", NULL, NULL);
    assert_true(provider_is_on(agent_logs, &keys));
    secrets_destroy(&keys.of[PROVIDERS_agent_logs]);
}

static void targets_are_compared_as_they_came(void **state)
{
    (void)state;
    const provider_route_t *route;
    static const char *const ours[] = {
        "/api/elevenlabs/webhook",
        "/api/elevenlabs/webhook?",
        "/api/elevenlabs/webhook?a=b/c",
        "http://example.com/api/elevenlabs/webhook",
        "HTTP://example.com:3003/api/elevenlabs/webhook?x",
    };
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        assert_non_null(provider_of_target(ours[i], &route));
    static const char *const foreign[] = {
        "",
        "/",
        "*",
        "/api/elevenlabs/webhook/",
        "/api/elevenlabs/webhooks",
        "/api/elevenlabs/webhoo",
        "//api/elevenlabs/webhook",
        "/api/elevenlabs/webhook%00",
        "/api/elevenlabs/%77ebhook",
        "/API/elevenlabs/webhook",
        "/api/elevenlabs/webhook;x",
        "http://example.com",
        "http://example.com?/api/elevenlabs/webhook",
        "https:/api/elevenlabs/webhook",
    };
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
        assert_null(provider_of_target(foreign[i], &route));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_whole_and_its_own),
        cmocka_unit_test(every_event_leads_to_known_sinks),
        cmocka_unit_test(every_folder_has_a_row),
        cmocka_unit_test(an_event_goes_where_its_row_says),
        cmocka_unit_test(a_provider_without_secrets_is_off),
        cmocka_unit_test(targets_are_compared_as_they_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
