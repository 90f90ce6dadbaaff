/* aws_key_set: one set of AWS keys as a credential source gave it.  Plain data; never printed. */
#ifndef POSTCALL_COMMON_AWS_AWS_KEY_SET_H
#define POSTCALL_COMMON_AWS_AWS_KEY_SET_H

#include <stdint.h>

#define AWS_KEY_ID_BYTES        129
#define AWS_SECRET_KEY_BYTES    129
#define AWS_SESSION_TOKEN_BYTES 8192 /* AWS promises no length; known ones are below 4 KiB */

typedef struct {
    char access_key_id[AWS_KEY_ID_BYTES];
    char secret_access_key[AWS_SECRET_KEY_BYTES];
    char session_token[AWS_SESSION_TOKEN_BYTES]; /* "" for lasting keys */
    int64_t expires_unix_s;                      /* 0: never */
} aws_key_set_t;

#endif
