#include "common/daemon/setting_value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/address.h"

#define DESCRIPTION_BYTES 160

static void *member_of(const setting_t *row, void *into)
{
    return (char *)into + row->offset;
}

static size_t member_size(setting_type_t type)
{
    switch (type) {
    case SETTING_TYPE_BOOL:
        return sizeof(bool);
    case SETTING_TYPE_INTEGER:
    case SETTING_TYPE_BYTES:
        return sizeof(int64_t);
    case SETTING_TYPE_LIST:
    case SETTING_TYPE_ADDRESSES:
        return sizeof(settings_list_t);
    case SETTING_TYPE_CHOICE:
        return sizeof(int);
    case SETTING_TYPE_TEXT:
    case SETTING_TYPE_SECRET:
    case SETTING_TYPE_ADDRESS:
        break;
    }
    return sizeof(char *);
}

static void describe_range(const setting_t *row, const char *what, char *text, size_t size)
{
    if (row->max)
        snprintf(text, size, "%s from %" PRId64 " to %" PRId64, what, row->min, row->max);
    else
        snprintf(text, size, "%s, at least %" PRId64, what, row->min);
}

static void describe_choices(const setting_t *row, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; row->choices[i] && used < size; i++) {
        const char *joint = i == 0 ? "" : row->choices[i + 1] ? ", " : " or ";
        used += (size_t)snprintf(text + used, size - used, "%s%s", joint, row->choices[i]);
    }
}

void setting_value_describe(const setting_t *row, char *text, size_t size)
{
    switch (row->type) {
    case SETTING_TYPE_BOOL:
        snprintf(text, size, "true or false");
        break;
    case SETTING_TYPE_INTEGER:
        describe_range(row, "a whole number", text, size);
        break;
    case SETTING_TYPE_BYTES:
        describe_range(row, "a size in bytes, KiB, MiB or GiB", text, size);
        break;
    case SETTING_TYPE_LIST:
        snprintf(text, size, "a comma-separated list without empty items");
        break;
    case SETTING_TYPE_CHOICE:
        describe_choices(row, text, size);
        break;
    case SETTING_TYPE_ADDRESS:
        snprintf(text, size, "a ZeroMQ endpoint");
        break;
    case SETTING_TYPE_ADDRESSES:
        snprintf(text, size, "a comma-separated list of ZeroMQ endpoints");
        break;
    case SETTING_TYPE_TEXT:
    case SETTING_TYPE_SECRET:
        snprintf(text, size, "%s", "");
        break;
    }
}

static int wrong(const setting_t *row, const char *text, fault_t *fault)
{
    char right[DESCRIPTION_BYTES];
    setting_value_describe(row, right, sizeof(right));
    return fault_set(fault, "%s is \"%.48s\": give %s", row->name, text, right);
}

static int out_of_memory(const setting_t *row, fault_t *fault)
{
    return fault_set(fault, "%s: out of memory", row->name);
}

static int read_bool(const setting_t *row, const char *text, bool *member, fault_t *fault)
{
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return wrong(row, text, fault);
    *member = text[0] == 't';
    return 0;
}

static int read_choice(const setting_t *row, const char *text, int *member, fault_t *fault)
{
    for (int i = 0; row->choices[i]; i++) {
        if (strcmp(text, row->choices[i]) == 0) {
            *member = i;
            return 0;
        }
    }
    return wrong(row, text, fault);
}

/* How often 1024 is in the unit that stands behind a number of bytes; -1 for no such unit. */
static int unit_power(const char *unit)
{
    static const char *const units[] = {"", "KiB", "MiB", "GiB"};
    if (*unit == ' ')
        unit++;
    for (int i = 0; i < 4; i++) {
        if (strcmp(unit, units[i]) == 0)
            return i;
    }
    return -1;
}

static int read_number(const setting_t *row, const char *text, int64_t *member, fault_t *fault)
{
    char *end;
    errno = 0;
    bool starts = isdigit((unsigned char)text[text[0] == '-' ? 1 : 0]);
    int64_t number = strtoll(text, &end, 10);
    int power = row->type == SETTING_TYPE_BYTES ? unit_power(end) : *end ? -1 : 0;
    if (!starts || errno == ERANGE || power < 0)
        return wrong(row, text, fault);
    if (__builtin_mul_overflow(number, INT64_C(1) << (10 * power), &number))
        return wrong(row, text, fault);
    if (number < row->min || (row->max && number > row->max))
        return wrong(row, text, fault);
    *member = number;
    return 0;
}

static int check_text(const setting_t *row, const char *text, fault_t *fault)
{
    fault_t reason;
    bool endpoint = row->type == SETTING_TYPE_ADDRESS || row->type == SETTING_TYPE_ADDRESSES;
    if (endpoint && address_check_endpoint(text, &reason))
        return fault_set(fault, "%s: %s", row->name, reason.text);
    if (row->check && row->check(text, &reason))
        return fault_set(fault, "%s: %s", row->name, reason.text);
    return 0;
}

static int read_text(const setting_t *row, const char *text, char **member, fault_t *fault)
{
    if (check_text(row, text, fault))
        return -1;
    *member = strdup(text);
    return *member ? 0 : out_of_memory(row, fault);
}

static void free_list(settings_list_t *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (settings_list_t){0};
}

/* Appends the item from `start` to `end`, without the blanks around it. */
static int add_item(const char *start, const char *end, settings_list_t *list)
{
    while (start < end && *start == ' ')
        start++;
    while (end > start && end[-1] == ' ')
        end--;
    char *item = strndup(start, (size_t)(end - start));
    if (!item)
        return -1;
    list->items[list->count++] = item;
    return 0;
}

static size_t count_items(const char *text)
{
    size_t count = 1;
    for (; *text; text++)
        count += *text == ',';
    return count;
}

static int split_items(const setting_t *row, const char *text, settings_list_t *list,
                       fault_t *fault)
{
    list->items = calloc(count_items(text), sizeof(*list->items));
    if (!list->items)
        return out_of_memory(row, fault);
    for (const char *start = text, *end;; start = end + 1) {
        end = strchrnul(start, ',');
        if (add_item(start, end, list))
            return out_of_memory(row, fault);
        if (!*end)
            return 0;
    }
}

static int read_list(const setting_t *row, const char *text, settings_list_t *member,
                     fault_t *fault)
{
    settings_list_t list = {0};
    int result = split_items(row, text, &list, fault);
    for (size_t i = 0; i < list.count && result == 0; i++) {
        if (list.items[i][0])
            result = check_text(row, list.items[i], fault);
        else
            result = wrong(row, text, fault);
    }
    if (result)
        free_list(&list);
    else
        *member = list;
    return result;
}

int setting_value_read(const setting_t *row, const char *text, void *into, fault_t *fault)
{
    void *member = member_of(row, into);
    switch (row->type) {
    case SETTING_TYPE_BOOL:
        return read_bool(row, text, member, fault);
    case SETTING_TYPE_INTEGER:
    case SETTING_TYPE_BYTES:
        return read_number(row, text, member, fault);
    case SETTING_TYPE_LIST:
    case SETTING_TYPE_ADDRESSES:
        return read_list(row, text, member, fault);
    case SETTING_TYPE_CHOICE:
        return read_choice(row, text, member, fault);
    case SETTING_TYPE_TEXT:
    case SETTING_TYPE_SECRET:
    case SETTING_TYPE_ADDRESS:
        break;
    }
    return read_text(row, text, member, fault);
}

void setting_value_clear(const setting_t *row, void *into)
{
    memset(member_of(row, into), 0, member_size(row->type));
}

void setting_value_free(const setting_t *row, void *into)
{
    void *member = member_of(row, into);
    switch (row->type) {
    case SETTING_TYPE_SECRET:
        if (*(char **)member)
            explicit_bzero(*(char **)member, strlen(*(char **)member));
        free(*(char **)member);
        break;
    case SETTING_TYPE_TEXT:
    case SETTING_TYPE_ADDRESS:
        free(*(char **)member);
        break;
    case SETTING_TYPE_LIST:
    case SETTING_TYPE_ADDRESSES:
        free_list(member);
        break;
    case SETTING_TYPE_BOOL:
    case SETTING_TYPE_INTEGER:
    case SETTING_TYPE_BYTES:
    case SETTING_TYPE_CHOICE:
        break;
    }
    setting_value_clear(row, into);
}

void setting_value_move(const setting_t *row, void *from, void *into)
{
    setting_value_free(row, into);
    memcpy(member_of(row, into), member_of(row, from), member_size(row->type));
    setting_value_clear(row, from);
}
