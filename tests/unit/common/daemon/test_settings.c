#include "common/daemon/settings.h"
#include "tests/unit/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct {
    settings_shared_t shared;
    char *name;
    bool open;
    int64_t hours;
    int64_t limit;
    settings_list_t sinks;
    int mode;
    char *secret;
    char *bind;
    settings_list_t connect;
} sample_t;

static const char *const modes[] = {"s3", "inline", "none", NULL};

static int check_name(const char *text, fault_t *fault)
{
    return strcmp(text, "bad") ? 0 : fault_set(fault, "give another name");
}

static const setting_t table[] = {
    SETTINGS_SHARED_ROWS("SAMPLE", "127.0.0.1:9601", sample_t, shared),
    {.name = "SAMPLE_NAME", SETTING_TEXT(sample_t, name), .check = check_name, .help = "A name."},
    {.name = "SAMPLE_OPEN", SETTING_BOOL(sample_t, open), .fallback = "false", .help = "Open."},
    {.name = "SAMPLE_HOURS",
     SETTING_INTEGER(sample_t, hours),
     .fallback = "72",
     .min = 1,
     .max = 1000,
     .help = "Hours."},
    {.name = "SAMPLE_LIMIT",
     SETTING_BYTES(sample_t, limit),
     .fallback = "128MiB",
     .help = "Limit."},
    {.name = "SAMPLE_SINKS", SETTING_LIST(sample_t, sinks), .fallback = "a,b", .help = "Sinks."},
    {.name = "STORAGE",
     SETTING_CHOICE(sample_t, mode),
     .choices = modes,
     .fallback = "s3",
     .help = "Mode."},
    {.name = "PROVIDER_SECRET",
     SETTING_SECRET(sample_t, secret),
     .help = "The secret.",
     .flags = SETTING_RELOADABLE},
    {.name = "SAMPLE_BIND",
     SETTING_ADDRESS(sample_t, bind),
     .fallback = "tcp://127.0.0.1:5601",
     .help = "Bind."},
    {.name = "SAMPLE_CONNECT", SETTING_ADDRESSES(sample_t, connect), .help = "Connect."},
};

#define ROWS (sizeof(table) / sizeof(table[0]))

static int load(sample_t *sample, char *const *environment, fault_t *fault)
{
    memset(sample, 0xaa, sizeof(*sample));
    return settings_load(table, ROWS, "SAMPLE", environment, sample, fault);
}

static void assert_refused(const char *entry, const char *expected)
{
    sample_t sample;
    fault_t fault;
    char *environment[] = {"PATH=/bin", (char *)entry, NULL};
    if (load(&sample, environment, &fault) == 0)
        fail_msg("accepted: %s", entry);
    assert_string_equal(fault.text, expected);
    assert_null(sample.name);
}

static void defaults_fill_what_is_not_set(void **state)
{
    (void)state;
    sample_t sample;
    char *environment[] = {"PATH=/bin", "SAMPLE_HOURS=", "SAMPLE_NAME=", NULL};
    assert_int_equal(load(&sample, environment, NULL), 0);
    assert_int_equal(sample.shared.log_level, LOG_LEVEL_INFO);
    assert_int_equal(sample.shared.log_format, LOG_FORMAT_LOGFMT);
    assert_string_equal(sample.shared.admin_listen, "127.0.0.1:9601");
    assert_null(sample.shared.curve_dir);
    assert_false(sample.shared.trust_network);
    assert_null(sample.name);
    assert_false(sample.open);
    assert_int_equal(sample.hours, 72);
    assert_int_equal(sample.limit, 128 * 1024 * 1024);
    assert_int_equal(sample.sinks.count, 2);
    assert_int_equal(sample.mode, 0);
    assert_null(sample.secret);
    assert_string_equal(sample.bind, "tcp://127.0.0.1:5601");
    assert_int_equal(sample.connect.count, 0);
    settings_free(table, ROWS, &sample);
    assert_null(sample.bind);
    assert_null(sample.sinks.items);
    settings_free(table, ROWS, &sample);
}

static void the_environment_wins(void **state)
{
    (void)state;
    sample_t sample;
    char *environment[] = {
        "LOG_LEVEL=debug",
        "LOG_FORMAT=json",
        "SAMPLE_NAME=a b=c",
        "SAMPLE_OPEN=true",
        "SAMPLE_HOURS=1000",
        "SAMPLE_LIMIT=3 KiB",
        "SAMPLE_SINKS=x, y ,z",
        "STORAGE=none",
        "PROVIDER_SECRET=wsec_",
        "SAMPLE_BIND=ipc:///run/x",
        "SAMPLE_ADMIN_LISTEN=off",
        "SAMPLE_CONNECT=tcp://localhost:1,tcp://[::1]:2",
        NULL,
    };
    assert_int_equal(load(&sample, environment, NULL), 0);
    assert_int_equal(sample.shared.log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(sample.shared.log_format, LOG_FORMAT_JSON);
    assert_string_equal(sample.shared.admin_listen, "off");
    assert_string_equal(sample.name, "a b=c");
    assert_true(sample.open);
    assert_int_equal(sample.hours, 1000);
    assert_int_equal(sample.limit, 3072);
    assert_int_equal(sample.sinks.count, 3);
    assert_string_equal(sample.sinks.items[1], "y");
    assert_string_equal(sample.sinks.items[2], "z");
    assert_int_equal(sample.mode, 2);
    assert_string_equal(sample.secret, "wsec_");
    assert_string_equal(sample.bind, "ipc:///run/x");
    assert_string_equal(sample.connect.items[1], "tcp://[::1]:2");
    settings_free(table, ROWS, &sample);
}

static const struct {
    const char *entry, *fault;
} refused[] = {
    {"SAMPLE_OPEN=yes", "SAMPLE_OPEN is \"yes\": give true or false"},
    {"SAMPLE_HOURS=0", "SAMPLE_HOURS is \"0\": give a whole number from 1 to 1000"},
    {"SAMPLE_HOURS=1001", "SAMPLE_HOURS is \"1001\": give a whole number from 1 to 1000"},
    {"SAMPLE_HOURS= 7", "SAMPLE_HOURS is \" 7\": give a whole number from 1 to 1000"},
    {"SAMPLE_HOURS=+7", "SAMPLE_HOURS is \"+7\": give a whole number from 1 to 1000"},
    {"SAMPLE_HOURS=-7", "SAMPLE_HOURS is \"-7\": give a whole number from 1 to 1000"},
    {"SAMPLE_HOURS=7h", "SAMPLE_HOURS is \"7h\": give a whole number from 1 to 1000"},
    {"SAMPLE_HOURS=1KiB", "SAMPLE_HOURS is \"1KiB\": give a whole number from 1 to 1000"},
    {"SAMPLE_HOURS=99999999999999999999",
     "SAMPLE_HOURS is \"99999999999999999999\": give a whole number from 1 to 1000"},
    {"SAMPLE_LIMIT=5MB",
     "SAMPLE_LIMIT is \"5MB\": give a size in bytes, KiB, MiB or GiB, at least 0"},
    {"SAMPLE_LIMIT=9223372036854775808",
     "SAMPLE_LIMIT is \"9223372036854775808\": give a size in bytes, KiB, MiB or GiB, at least 0"},
    {"SAMPLE_LIMIT=9999999999GiB",
     "SAMPLE_LIMIT is \"9999999999GiB\": give a size in bytes, KiB, MiB or GiB, at least 0"},
    {"SAMPLE_SINKS=a,,b",
     "SAMPLE_SINKS is \"a,,b\": give a comma-separated list without empty items"},
    {"SAMPLE_SINKS=a,", "SAMPLE_SINKS is \"a,\": give a comma-separated list without empty items"},
    {"STORAGE=S3", "STORAGE is \"S3\": give s3, inline or none"},
    {"LOG_LEVEL=trace", "LOG_LEVEL is \"trace\": give error, warn, info or debug"},
    {"SAMPLE_NAME=bad", "SAMPLE_NAME: give another name"},
    {"SAMPLE_BIND=localhost:1",
     "SAMPLE_BIND: \"localhost:1\": an endpoint is tcp://HOST:PORT or ipc://PATH"},
    {"SAMPLE_ADMIN_LISTEN=9601",
     "SAMPLE_ADMIN_LISTEN: \"9601\": give IP:PORT, [IPv6]:PORT, or off"},
    {"SAMPLE_HUORS=7", "SAMPLE_HUORS is not a setting: --help lists those there are"},
    {"SAMPLE_=", "SAMPLE_ is not a setting: --help lists those there are"},
    {"SAMPLE_NAME_FILE=x", "SAMPLE_NAME_FILE is not a setting: --help lists those there are"},
    {"SAMPLE_OPEN=a\nb", "SAMPLE_OPEN is \"a?b\": give true or false"},
    {"PROVIDER_SECRET_FILE=/nowhere",
     "PROVIDER_SECRET_FILE: cannot open \"/nowhere\": No such file or directory"},
    {"SAMPLE_BIND=tcp://*:5601",
     "SAMPLE_BIND: tcp://*:5601 can be reached from other machines: set POSTCALL_CURVE_DIR, or "
     "POSTCALL_TRUST_NETWORK=true if nobody else can"},
    {"SAMPLE_CONNECT=tcp://127.0.0.1:1,tcp://peer:2",
     "SAMPLE_CONNECT: tcp://peer:2 can be reached from other machines: set POSTCALL_CURVE_DIR, or "
     "POSTCALL_TRUST_NETWORK=true if nobody else can"},
};

static void a_wrong_setting_is_named_with_what_would_be_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        assert_refused(refused[i].entry, refused[i].fault);
}

static void what_kubernetes_injects_is_let_pass(void **state)
{
    (void)state;
    sample_t sample;
    char *environment[] = {
        "SAMPLE_SERVICE_HOST=10.0.0.1",
        "SAMPLE_SERVICE_PORT=5601",
        "SAMPLE_SERVICE_PORT_HTTP=5601",
        "SAMPLE_PORT=tcp://10.0.0.1:5601",
        "SAMPLE_PORT_5601_TCP=tcp://10.0.0.1:5601",
        "SAMPLE_ADMIN_PORT_5601_TCP_ADDR=10.0.0.1",
        "SAMPLER_ELSE=not ours",
        NULL,
    };
    assert_int_equal(load(&sample, environment, NULL), 0);
    settings_free(table, ROWS, &sample);
}

static void an_open_endpoint_needs_trust(void **state)
{
    (void)state;
    sample_t sample;
    char *with_trust[] = {"SAMPLE_BIND=tcp://*:5601", "POSTCALL_TRUST_NETWORK=true", NULL};
    char *no_trust[] = {"SAMPLE_BIND=tcp://*:5601", "POSTCALL_TRUST_NETWORK=false", NULL};
    assert_int_equal(load(&sample, with_trust, NULL), 0);
    settings_free(table, ROWS, &sample);
    assert_int_equal(load(&sample, no_trust, NULL), -1);
    assert_int_equal(settings_check_address("tcp://*:5601", true, false, NULL), 0);
    assert_int_equal(settings_check_address("tcp://*:5601", false, true, NULL), 0);
    assert_int_equal(settings_check_address("tcp://*:5601", false, false, NULL), -1);
    assert_int_equal(settings_check_address("tcp://127.0.0.1:5601", false, false, NULL), 0);
    assert_int_equal(settings_check_address("nonsense", true, true, NULL), -1);
}

static void a_required_setting_is_asked_for(void **state)
{
    (void)state;
    const setting_t rows[] = {{.name = "SAMPLE_NAME",
                               SETTING_TEXT(sample_t, name),
                               .help = "A name.",
                               .flags = SETTING_REQUIRED}};
    sample_t sample;
    fault_t fault;
    char *environment[] = {"SAMPLE_NAME=", NULL};
    assert_int_equal(settings_load(rows, 1, "SAMPLE", environment, &sample, &fault), -1);
    assert_string_equal(fault.text, "SAMPLE_NAME is not set: A name.");
}

static char secret_path[SCRATCH_PATH_BYTES];
static char secret_entry[SCRATCH_PATH_BYTES + 32];

static int make_secret_file(void **state)
{
    (void)state;
    scratch_file(secret_path, "");
    snprintf(secret_entry, sizeof(secret_entry), "PROVIDER_SECRET_FILE=%s", secret_path);
    return 0;
}

static int remove_secret_file(void **state)
{
    (void)state;
    return unlink(secret_path);
}

static void write_secret(const char *bytes, size_t length)
{
    FILE *file = fopen(secret_path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

static const struct {
    const char *content, *secret;
} secret_files[] = {
    {"wsec_1", "wsec_1"},       {"wsec_1\n", "wsec_1"},     {"wsec_1\r\n", "wsec_1"},
    {"wsec_1\n\n", "wsec_1\n"}, {" wsec_1 \n", " wsec_1 "},
};

static void a_secret_file_loses_one_newline(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(secret_files) / sizeof(secret_files[0]); i++) {
        sample_t sample;
        write_secret(secret_files[i].content, strlen(secret_files[i].content));
        char *environment[] = {secret_entry, NULL};
        assert_int_equal(load(&sample, environment, NULL), 0);
        assert_string_equal(sample.secret, secret_files[i].secret);
        settings_free(table, ROWS, &sample);
    }
}

static void assert_secret_refused(char *const *environment, const char *words)
{
    sample_t sample;
    fault_t fault;
    assert_int_equal(load(&sample, environment, &fault), -1);
    assert_non_null(strstr(fault.text, "PROVIDER_SECRET"));
    assert_non_null(strstr(fault.text, words));
    assert_null(strstr(fault.text, "wsec"));
}

static void a_secret_that_cannot_be_right_is_refused_and_not_shown(void **state)
{
    (void)state;
    char *from_file[] = {secret_entry, NULL};
    write_secret("wsec_1", 6);
    char *both[] = {secret_entry, "PROVIDER_SECRET=wsec_2", NULL};
    assert_secret_refused(both, "both");
    write_secret("\n", 1);
    assert_secret_refused(from_file, "empty");
    write_secret("wsec\0_1", 7);
    assert_secret_refused(from_file, "NUL");
    char *directory[] = {"PROVIDER_SECRET_FILE=/tmp", NULL};
    assert_secret_refused(directory, "cannot read");

    char *large = malloc(SETTINGS_SECRET_BYTES_MAX + 1);
    assert_non_null(large);
    memset(large, 'w', SETTINGS_SECRET_BYTES_MAX + 1);
    write_secret(large, SETTINGS_SECRET_BYTES_MAX + 1);
    assert_secret_refused(from_file, "longer");
    write_secret(large, SETTINGS_SECRET_BYTES_MAX);
    sample_t sample;
    assert_int_equal(load(&sample, from_file, NULL), 0);
    assert_int_equal(strlen(sample.secret), SETTINGS_SECRET_BYTES_MAX);
    settings_free(table, ROWS, &sample);
    free(large);
}

static void a_reload_reads_only_what_may_change(void **state)
{
    (void)state;
    sample_t sample;
    fault_t fault;
    write_secret("wsec_old", 8);
    char *before[] = {secret_entry, "SAMPLE_NAME=old", NULL};
    char *after[] = {secret_entry, "SAMPLE_NAME=new", NULL};
    assert_int_equal(load(&sample, before, NULL), 0);
    write_secret("wsec_new", 8);
    assert_int_equal(settings_reload(table, ROWS, after, &sample, &fault), 0);
    assert_string_equal(sample.secret, "wsec_new");
    assert_string_equal(sample.name, "old");
    write_secret("", 0);
    assert_int_equal(settings_reload(table, ROWS, after, &sample, &fault), -1);
    assert_string_equal(sample.secret, "wsec_new");
    settings_free(table, ROWS, &sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_fill_what_is_not_set),
        cmocka_unit_test(the_environment_wins),
        cmocka_unit_test(a_wrong_setting_is_named_with_what_would_be_right),
        cmocka_unit_test(what_kubernetes_injects_is_let_pass),
        cmocka_unit_test(an_open_endpoint_needs_trust),
        cmocka_unit_test(a_required_setting_is_asked_for),
        cmocka_unit_test(a_secret_file_loses_one_newline),
        cmocka_unit_test(a_secret_that_cannot_be_right_is_refused_and_not_shown),
        cmocka_unit_test(a_reload_reads_only_what_may_change),
    };
    return cmocka_run_group_tests(tests, make_secret_file, remove_secret_file);
}
