/* setting_value: one value of one setting, as common/daemon/settings reads and frees it.
 *
 * The part of settings that knows the types; daemons include common/daemon/settings.h alone.  Safe
 * from any thread. */
#ifndef POSTCALL_COMMON_DAEMON_SETTING_VALUE_H
#define POSTCALL_COMMON_DAEMON_SETTING_VALUE_H

#include "common/daemon/settings.h"

/* Reads `text` into the row's member of `into`, which is empty before.  0, or -1 with a fault that
 * names the setting and says what would be right (never showing a secret); the member stays empty.
 */
int setting_value_read(const setting_t *row, const char *text, void *into, fault_t *fault);

/* Makes the member empty: NULL, 0, false. */
void setting_value_clear(const setting_t *row, void *into);

/* Frees what the member owns, wipes it when it is a secret, and makes it empty. */
void setting_value_free(const setting_t *row, void *into);

/* Moves the member of `from` over to `into`, freeing what was there; it is then empty in `from`. */
void setting_value_move(const setting_t *row, void *from, void *into);

/* Writes what a right value looks like, "true or false" for example; "" for plain text. */
void setting_value_describe(const setting_t *row, char *text, size_t size);

#endif
