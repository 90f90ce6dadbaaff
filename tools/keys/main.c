/* postcall-keys: makes the keys with which the daemons encrypt what they say to each other, and
 * know each other (POSTCALL_CURVE_DIR).
 *
 * It runs once and ends; run again, it makes what is missing.  No key is ever shown: what it prints
 * of each is the fingerprint, as the logs do. */
#include "tools/keys/make.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static const char usage[] =
    "usage: postcall-keys DIR [NAME...]      makes what is missing, for all or for these\n"
    "       postcall-keys --next DIR NAME    makes NAME's next key, and publishes it beside the "
    "present one\n"
    "       postcall-keys --help | --version\n"
    "\n"
    "DIR is what POSTCALL_CURVE_DIR names. It gets NAME.key, the secret key of that process "
    "(0600),\n"
    "and below sources/ and workers/ the public keys that the others believe (0644). Nothing is\n"
    "ever written over.\n";

static int make_one(const char *directory, const make_member_t *member, const char *file)
{
    make_result_t result;
    fault_t fault;
    if (make_keys(directory, member, file, &result, &fault) != 0) {
        fprintf(stderr, "postcall-keys: %s: %s\n", file, fault.text);
        return EX_CANTCREAT;
    }
    printf("%s %s %s\n", file, result.fingerprint, result.made ? "made" : "there already");
    return EX_OK;
}

static const make_member_t *find(const make_member_t *members, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(members[i].name, name) == 0)
            return &members[i];
    }
    fprintf(stderr, "postcall-keys: \"%.64s\" is no process that has keys; these are:", name);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, " %s", members[i].name);
    fputc('\n', stderr);
    return NULL;
}

static int make_next(const char *directory, const make_member_t *member)
{
    char file[128];
    snprintf(file, sizeof(file), "%s.next", member->name);
    return make_one(directory, member, file);
}

int main(int argc, char **argv)
{
    make_member_t members[MAKE_MEMBERS_MAX];
    size_t count = make_members(members);
    bool next = argc > 1 && strcmp(argv[1], "--next") == 0;
    char **arguments = argv + (next ? 2 : 1);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return fputs(usage, stdout) < 0;
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return printf("postcall-keys %s\n", POSTCALL_VERSION) < 0;
    if (!arguments[0] || arguments[0][0] == '-' || (next && (!arguments[1] || arguments[2]))) {
        fputs(usage, stderr);
        return EX_USAGE;
    }
    int status = EX_OK;
    for (char **name = arguments + 1; *name && status == EX_OK; name++) {
        const make_member_t *member = find(members, count, *name);
        if (!member)
            return EX_USAGE;
        status = next ? make_next(arguments[0], member) : make_one(arguments[0], member, *name);
    }
    for (size_t i = 0; i < count && !arguments[1] && status == EX_OK; i++)
        status = make_one(arguments[0], &members[i], members[i].name);
    return status;
}
