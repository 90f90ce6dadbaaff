/* aws_profile: static keys of one profile from the files that the AWS tools share.
 *
 * ~/.aws/credentials and ~/.aws/config, unless the settings name others; the format is described in
 * "Shared config and credentials files" of the AWS SDKs reference guide.  Only keys
 * that stand in the files are read: a profile that asks for a role, a process or a sign-on is
 * refused in words, not passed over.  Reads small local files when called; safe from any thread. */
#ifndef POSTCALL_COMMON_AWS_AWS_PROFILE_H
#define POSTCALL_COMMON_AWS_AWS_PROFILE_H

#include "common/aws/aws_key_set.h"
#include "common/aws/aws_settings.h"
#include "common/base/fault.h"

#define AWS_PROFILE_FILE_BYTES (256u * 1024)

/* Reads the profile AWS_PROFILE, else "default".  1 with its keys; 0 when AWS_PROFILE is not set
 * and the files say nothing of a default; -1 when the profile named is not there, is of an
 * unsupported kind or incomplete, or a file cannot be read. */
int aws_profile_read(const aws_credential_settings_t *settings, aws_key_set_t *keys,
                     fault_t *fault);

#endif
