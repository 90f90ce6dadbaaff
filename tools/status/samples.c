#include "tools/status/samples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* `name{labels} value` or `name value`, in a line that ends with a NUL. */
static bool read_line(const char *line, sample_t *sample)
{
    size_t name = strcspn(line, "{ ");
    const char *at = line + name;
    const char *end = at;
    *sample = (sample_t){.name = {line, name}};
    if (*at == '{') {
        end = strchr(at, '}');
        if (!end)
            return false;
        sample->labels = (wire_view_t){at + 1, (size_t)(end - at) - 1};
        end++;
    }
    char *rest;
    sample->value = strtod(end, &rest);
    return name > 0 && line[0] != '#' && rest != end && *rest == '\0';
}

int samples_read(samples_t *self, buffer_t *page)
{
    self->text = *page;
    *page = (buffer_t){0};
    self->items = calloc(SAMPLES_MAX, sizeof(*self->items));
    self->count = 0;
    if (!self->items)
        return -1;
    char *rest = self->text.bytes;
    for (char *line; rest && (line = strsep(&rest, "\n")) && self->count < SAMPLES_MAX;)
        self->count += read_line(line, &self->items[self->count]);
    return 0;
}

void samples_free(samples_t *self)
{
    buffer_free(&self->text);
    free(self->items);
    *self = (samples_t){0};
}

bool sample_is(const sample_t *sample, const char *name)
{
    return wire_equals(sample->name, name);
}

/* `,` and `name="` before a value, `"` behind it. */
wire_view_t sample_label(const sample_t *sample, const char *label)
{
    size_t wanted = strlen(label);
    const char *at = sample->labels.bytes;
    const char *end = at ? at + sample->labels.length : NULL;
    while (at < end) {
        const char *equals = memchr(at, '=', (size_t)(end - at));
        if (!equals || end - equals < 2)
            break;
        const char *value = equals + 2;
        const char *quote = memchr(value, '"', (size_t)(end - value));
        if (!quote)
            break;
        if ((size_t)(equals - at) == wanted && memcmp(at, label, wanted) == 0)
            return (wire_view_t){value, (size_t)(quote - value)};
        at = quote + 1;
        at += at < end && *at == ',';
    }
    return (wire_view_t){0};
}

double samples_sum(const samples_t *self, const char *name, const char *label, const char *value)
{
    double sum = 0;
    bool found = false;
    for (size_t i = 0; i < self->count; i++) {
        const sample_t *sample = &self->items[i];
        if (!sample_is(sample, name) || (label && !wire_equals(sample_label(sample, label), value)))
            continue;
        found = true;
        sum += sample->value;
    }
    return found ? sum : NAN;
}

bool samples_have(const samples_t *self, const char *prefix)
{
    size_t bytes = strlen(prefix);
    for (size_t i = 0; i < self->count; i++) {
        if (self->items[i].name.length > bytes &&
            memcmp(self->items[i].name.bytes, prefix, bytes) == 0)
            return true;
    }
    return false;
}
