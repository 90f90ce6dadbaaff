/* schema: the text of schema.sql, which the build puts into the binary. */
#ifndef POSTCALL_RESOURCES_SINK_SCHEMA_H
#define POSTCALL_RESOURCES_SINK_SCHEMA_H

/* NUL-terminated. */
extern const char schema_sql[];

#endif
