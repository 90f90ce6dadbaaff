/* fault: why a call failed, in words for a log line or a person.
 *
 * Functions that can fail for a reason in the world return 0 or -1 (or NULL) and say why in a
 * fault_t that the caller owns; NULL may be passed where the reason does not matter.  Nothing here
 * allocates.  Safe from any thread. */
#ifndef POSTCALL_COMMON_BASE_FAULT_H
#define POSTCALL_COMMON_BASE_FAULT_H

#define FAULT_TEXT_BYTES 256

typedef struct {
    char text[FAULT_TEXT_BYTES]; /* NUL-terminated, one line, cut when too long; never a secret */
} fault_t;

/* Writes the formatted reason; control characters become '?'.  Always returns -1, so that a caller
 * can `return fault_set (fault, ...)`. */
int fault_set(fault_t *fault, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As fault_set, followed by ": " and the text of `error_number` (an errno value). */
int fault_set_errno(fault_t *fault, int error_number, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "setting: " before the reason, for the setting that the fault comes from.  Always returns
 * -1. */
int fault_blame(fault_t *fault, const char *setting);

#endif
