#include "common/aws/aws_profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support/scratch.h"

/* Reads `profile` (NULL: none is named) from the texts of the two files (NULL: no such file). */
static int read_profile(const char *profile, const char *credentials, const char *config,
                        aws_key_set_t *keys, fault_t *fault)
{
    char credentials_path[SCRATCH_PATH_BYTES] = "/nowhere/credentials";
    char config_path[SCRATCH_PATH_BYTES] = "/nowhere/config";
    if (credentials)
        scratch_file(credentials_path, credentials);
    if (config)
        scratch_file(config_path, config);
    const aws_credential_settings_t settings = {.profile = (char *)(uintptr_t)profile,
                                                .shared_credentials_file = credentials_path,
                                                .config_file = config_path};
    *keys = (aws_key_set_t){0};
    int result = aws_profile_read(&settings, keys, fault);
    unlink(credentials_path);
    unlink(config_path);
    return result;
}

static const char credentials[] = "; made by hand\n"
                                  "aws_access_key_id = stray\n"
                                  "[default]\n"
                                  "aws_access_key_id = AKID # the key\n"
                                  "aws_secret_access_key=a/b+c=#d;e\r\n"
                                  "[ other ]\n"
                                  "aws_access_key_id=OTHER\n"
                                  "aws_secret_access_key=S\n"
                                  "s3 =\n"
                                  "  aws_access_key_id = nested\n"
                                  "aws_session_token = T\n"
                                  "[half]\n"
                                  "aws_access_key_id=HALF\n";

static void the_profile_named_counts(void **state)
{
    (void)state;
    aws_key_set_t keys;
    assert_int_equal(read_profile(NULL, credentials, NULL, &keys, NULL), 1);
    assert_string_equal(keys.access_key_id, "AKID");
    assert_string_equal(keys.secret_access_key, "a/b+c=#d;e");
    assert_string_equal(keys.session_token, "");
    assert_int_equal(read_profile("other", credentials, NULL, &keys, NULL), 1);
    assert_string_equal(keys.access_key_id, "OTHER");
    assert_string_equal(keys.session_token, "T");
}

static void the_config_file_has_its_own_titles(void **state)
{
    (void)state;
    aws_key_set_t keys;
    static const char config[] = "[profile x]\naws_access_key_id=X\naws_secret_access_key=XS\n"
                                 "[y]\naws_access_key_id=Y\naws_secret_access_key=YS\n"
                                 "[default]\naws_access_key_id=D\naws_secret_access_key=DS\n";
    assert_int_equal(read_profile("x", NULL, config, &keys, NULL), 1);
    assert_string_equal(keys.access_key_id, "X");
    assert_int_equal(read_profile("y", NULL, config, &keys, NULL), -1);
    assert_int_equal(read_profile(NULL, credentials, config, &keys, NULL), 1);
    assert_string_equal(keys.access_key_id, "AKID");
}

static void what_is_missing_or_unsupported_is_said(void **state)
{
    (void)state;
    aws_key_set_t keys;
    fault_t fault;
    assert_int_equal(read_profile(NULL, NULL, NULL, &keys, &fault), 0);
    assert_int_equal(read_profile("gone", credentials, NULL, &keys, &fault), -1);
    assert_non_null(strstr(fault.text, "AWS profile 'gone' has no keys in /tmp/"));
    assert_int_equal(read_profile("half", credentials, NULL, &keys, &fault), -1);
    assert_int_equal(read_profile("r", NULL, "[profile r]\nrole_arn = a\n", &keys, &fault), -1);
    assert_non_null(strstr(fault.text, "'r' uses role_arn, which is not supported"));
    assert_int_equal(read_profile("p", "[p]\ncredential_process = x\n", NULL, &keys, &fault), -1);
}

static void long_values_are_refused(void **state)
{
    (void)state;
    aws_key_set_t keys;
    fault_t fault;
    char text[400] = "[default]\naws_access_key_id=";
    memset(text + strlen(text), 'A', AWS_KEY_ID_BYTES);
    assert_int_equal(read_profile(NULL, text, NULL, &keys, &fault), -1);
    assert_string_equal(fault.text, "aws_access_key_id of AWS profile 'default' is too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_profile_named_counts),
        cmocka_unit_test(the_config_file_has_its_own_titles),
        cmocka_unit_test(what_is_missing_or_unsupported_is_said),
        cmocka_unit_test(long_values_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
