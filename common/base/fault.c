#include "common/base/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 0))) static void write_reason(fault_t *fault, const char *format,
                                                               va_list arguments)
{
    vsnprintf(fault->text, sizeof(fault->text), format, arguments);
    for (char *at = fault->text; *at; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    }
}

int fault_set(fault_t *fault, const char *format, ...)
{
    if (fault) {
        va_list arguments;
        va_start(arguments, format);
        write_reason(fault, format, arguments);
        va_end(arguments);
    }
    return -1;
}

int fault_set_errno(fault_t *fault, int error_number, const char *format, ...)
{
    if (fault) {
        va_list arguments;
        va_start(arguments, format);
        write_reason(fault, format, arguments);
        va_end(arguments);
        char reason[96];
        size_t length = strlen(fault->text);
        snprintf(fault->text + length, sizeof(fault->text) - length, ": %s",
                 strerror_r(error_number, reason, sizeof(reason)));
    }
    return -1;
}

int fault_blame(fault_t *fault, const char *setting)
{
    fault_t reason;
    if (!fault)
        return -1;
    reason = *fault;
    return fault_set(fault, "%s: %s", setting, reason.text);
}
