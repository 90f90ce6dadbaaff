#include "resources-sink/failure.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SQLSTATE_LENGTH (FAILURE_SQLSTATE_BYTES - 1)

typedef struct {
    const char *prefix; /* a class, or a whole SQLSTATE */
    failure_kind_t kind;
} rule_t;

/* The first rule that fits counts, so exceptions stand before their class. */
static const rule_t rules[] = {
    /* postcall leaves no column of its own empty, so it is a column that it does not know. */
    {"23502", FAILURE_MISCONFIGURED},
    {"21", FAILURE_REJECTED},
    {"22", FAILURE_REJECTED},
    {"23", FAILURE_REJECTED},
    {"44", FAILURE_REJECTED},
    {"54", FAILURE_REJECTED},
    /* A trigger of the table's owner raised an error about this row. */
    {"P0", FAILURE_REJECTED},
    {"38", FAILURE_REJECTED},
    /* A pooler has handed the session's prepared statements to another server connection. */
    {"26", FAILURE_MISCONFIGURED},
    {"0LP01", FAILURE_MISCONFIGURED},
    {"0P000", FAILURE_MISCONFIGURED},
    {"28", FAILURE_MISCONFIGURED},
    {"3D000", FAILURE_MISCONFIGURED},
    {"3F000", FAILURE_MISCONFIGURED},
    {"42", FAILURE_MISCONFIGURED},
    {"", FAILURE_RETRY},
};

failure_kind_t failure_kind(const char *sqlstate)
{
    const rule_t *rule = rules;
    while (strncmp(sqlstate, rule->prefix, strlen(rule->prefix)) != 0)
        rule++;
    return rule->kind;
}

int failure_set(failure_t *failure, const char *sqlstate, const char *format, ...)
{
    char words[FAULT_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof(words), format, arguments);
    va_end(arguments);
    snprintf(failure->sqlstate, sizeof(failure->sqlstate), "%s", sqlstate);
    return fault_set(&failure->fault, "%s", words);
}

/* Puts asterisks over every `secret` in `text`. */
static void mask(char *text, const char *secret)
{
    size_t length = secret ? strlen(secret) : 0;
    if (length == 0)
        return;
    for (char *at = strstr(text, secret); at; at = strstr(at + length, secret))
        memset(at, '*', length);
}

/* True for the lines of a message that say nothing of their own: advice, which is indented, and the
 * place in the server's source, "LOCATION:  auth_failed, auth.c:335" in the server's language. */
static bool is_idle_line(const char *line)
{
    return line[0] == '\t' || strstr(line, ".c:");
}

/* Writes libpq's lines, one for each host that was tried, as one. */
static void join_lines(char *lines, char words[FAULT_TEXT_BYTES])
{
    size_t length = 0;
    words[0] = '\0';
    char *rest = lines;
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
        if (!line[0] || is_idle_line(line) || length >= FAULT_TEXT_BYTES)
            continue;
        length += (size_t)snprintf(words + length, FAULT_TEXT_BYTES - length, "%s%s",
                                   length > 0 ? "; " : "", line);
    }
}

/* Finds the SQLSTATE in "FATAL:  28P01: password authentication failed ...", where the first word
 * depends on the server's language and what stands before it on the host.  NULL without one. */
static const char *find_sqlstate(const char *text)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (const char *at = strstr(text, ":  "); at; at = strstr(at + 1, ":  ")) {
        const char *code = at + strlen(":  ");
        if (strspn(code, digits) == SQLSTATE_LENGTH && code[SQLSTATE_LENGTH] == ':')
            return code;
    }
    return NULL;
}

int failure_from_connection(failure_t *failure, PGconn *connection)
{
    char *lines = strdup(PQerrorMessage(connection));
    if (!lines)
        return failure_set(failure, "53200", "out of memory");
    mask(lines, PQpass(connection));
    const char *found = find_sqlstate(lines);
    char sqlstate[FAILURE_SQLSTATE_BYTES], words[FAULT_TEXT_BYTES];
    snprintf(sqlstate, sizeof(sqlstate), "%.*s", SQLSTATE_LENGTH, found ? found : "08006");
    join_lines(lines, words);
    free(lines);
    return failure_set(failure, sqlstate, "%s", words[0] ? words : "the connection is lost");
}

int failure_from_result(failure_t *failure, const PGresult *result, PGconn *connection)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *words = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!sqlstate || !words)
        return failure_from_connection(failure, connection);
    return failure_set(failure, sqlstate, "%s", words);
}
