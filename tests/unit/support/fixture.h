/* fixture: files under tests/fixtures, whole in memory, for cmocka tests. */
#ifndef POSTCALL_TESTS_UNIT_SUPPORT_FIXTURE_H
#define POSTCALL_TESTS_UNIT_SUPPORT_FIXTURE_H

#include "common/base/buffer.h"

#include <stdio.h>

/* The bytes of tests/fixtures/`name`; the test fails if they cannot be read.  Free the buffer. */
static inline buffer_t fixture_read(const char *name)
{
    char path[512], chunk[4096];
    snprintf(path, sizeof(path), SOURCE_DIR "/tests/fixtures/%s", name);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("no fixture %s", path);
    buffer_t bytes = {0};
    for (size_t got; (got = fread(chunk, 1, sizeof(chunk), file)) > 0;)
        assert_int_equal(buffer_append(&bytes, chunk, got), 0);
    fclose(file);
    return bytes;
}

#endif
