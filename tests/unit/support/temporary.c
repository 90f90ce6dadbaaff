#include "tests/unit/support/temporary.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void temporary_file(const char *text, char path[TEMPORARY_PATH_BYTES])
{
    strcpy(path, "/tmp/postcall-test-XXXXXX");
    int fd = mkstemp(path);
    assert(fd >= 0);
    ssize_t written = write(fd, text, strlen(text));
    assert(written == (ssize_t)strlen(text));
    close(fd);
}
