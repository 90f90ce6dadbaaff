#include "common/http/http_trust.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>

#include "common/base/clock.h"

#define LOOK_EVERY_MS 1000

/* What the file is now; zeros when it is not there. */
static struct stat look(const char *file)
{
    struct stat found = {0};
    if (!file || stat(file, &found) != 0)
        found = (struct stat){0};
    return found;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

int http_trust_open(http_trust_t *self, const char *file, fault_t *fault)
{
    int64_t now_ms = clock_now_ms();
    *self = (http_trust_t){.is_named = file != NULL,
                           .looked_ms = now_ms,
                           .changed_ms = now_ms - HTTP_TRUST_SECONDS_MAX * 1000};
    if (file && access(file, R_OK) != 0)
        return fault_set(fault, "CA file '%.120s' cannot be read", file);
    const char *watched = file ? file : curl_version_info(CURLVERSION_NOW)->cainfo;
    if (watched && !(self->file = strdup(watched)))
        return fault_set(fault, "out of memory");
    self->seen = look(self->file);
    return 0;
}

void http_trust_close(http_trust_t *self)
{
    free(self->file);
    self->file = NULL;
}

long http_trust_seconds(http_trust_t *self, int64_t now_ms)
{
    if (now_ms - self->looked_ms >= LOOK_EVERY_MS) {
        self->looked_ms = now_ms;
        struct stat found = look(self->file);
        if (!is_same(&found, &self->seen))
            self->changed_ms = now_ms;
        self->seen = found;
    }
    int64_t seconds = (now_ms - self->changed_ms) / 1000;
    return seconds < HTTP_TRUST_SECONDS_MAX ? (long)seconds : HTTP_TRUST_SECONDS_MAX;
}

long http_trust_connection_seconds(http_trust_t *self, int64_t now_ms)
{
    long seconds = http_trust_seconds(self, now_ms);
    return seconds > 1 ? seconds - 1 : 0; /* ages are rounded down: one second is not told apart */
}
