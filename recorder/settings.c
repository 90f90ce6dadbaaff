#include "recorder/settings.h"

#include "common/aws/aws_name.h"
#include "proto/endpoints.h"

#include <string.h>

typedef recorder_settings_t settings_t;

static int check_store(const char *text, fault_t *fault)
{
    if (strcmp(text, "s3") == 0 || (strncmp(text, "file:", 5) == 0 && text[5]))
        return 0;
    return fault_set(fault, "s3 or file:DIR would do");
}

static int check_sse(const char *text, fault_t *fault)
{
    if (strcmp(text, "AES256") == 0 || strcmp(text, "off") == 0 || strcmp(text, "aws:kms") == 0 ||
        (strncmp(text, "aws:kms:", 8) == 0 && text[8]))
        return 0;
    return fault_set(fault, "AES256, aws:kms, aws:kms:KEY or off would do");
}

/* In the order of s3_conditions_t. */
static const char *const conditions[] = {"required", "unchecked", NULL};

static int check_bucket(const settings_t *self, const char *name, const char *bucket,
                        fault_t *fault)
{
    return aws_name_check_bucket(bucket, &self->aws, fault) == 0 ? 0 : fault_blame(fault, name);
}

static int check_buckets(const settings_t *self, fault_t *fault)
{
    if (self->recordings_bucket && self->transcripts_bucket)
        return 0;
    return fault_set(fault, "%s: RECORDER_STORE is s3, so the name of a bucket is needed",
                     self->recordings_bucket ? "S3_BUCKET_TRANSCRIPTS" : "S3_BUCKET_RECORDINGS");
}

static int check_all(const void *settings, fault_t *fault)
{
    const settings_t *self = settings;
    if (worker_settings_check(&self->worker, "RECORDER", fault) != 0)
        return -1;
    if (strcmp(self->store, "s3") != 0)
        return 0;
    if (check_buckets(self, fault) != 0 || aws_settings_check(&self->aws, "s3", fault) != 0 ||
        check_bucket(self, "S3_BUCKET_RECORDINGS", self->recordings_bucket, fault) != 0)
        return -1;
    return check_bucket(self, "S3_BUCKET_TRANSCRIPTS", self->transcripts_bucket, fault);
}

/* clang-format off */
static const setting_t table[] = {
    SETTINGS_SHARED_ROWS("RECORDER", "127.0.0.1:9604", settings_t, shared),
    WORKER_SETTINGS_ROWS("RECORDER", ENDPOINT_RECORDER, "the tenant-resolver", settings_t,
                         worker),
    WORKER_CAPACITY_ROWS("RECORDER", "2000", "128MiB", settings_t, worker),
    {.name = "RECORDER_STORE", SETTING_TEXT(settings_t, store), .check = check_store,
     .flags = SETTING_REQUIRED,
     .help = "Where objects go: s3, or file:DIR for a directory."},
    {.name = "S3_BUCKET_RECORDINGS", SETTING_TEXT(settings_t, recordings_bucket),
     .help = "The bucket of the recordings."},
    {.name = "S3_BUCKET_TRANSCRIPTS", SETTING_TEXT(settings_t, transcripts_bucket),
     .help = "The bucket of the transcripts; may be the same."},
    {.name = "S3_SSE", SETTING_TEXT(settings_t, sse), .check = check_sse, .fallback = "AES256",
     .help = "Server-side encryption of objects: AES256, aws:kms, aws:kms:KEY, or off."},
    {.name = "S3_CONDITIONAL_WRITES", SETTING_CHOICE(settings_t, conditions),
     .choices = conditions, .fallback = "required",
     .help = "With an endpoint URL, whether the store must show that it honours If-None-Match and "
             "If-Match before anything is written; unchecked accepts that older transcripts may "
             "replace newer ones."},
    {.name = "S3_PROBE_KEY", SETTING_TEXT(settings_t, probe_key), .fallback = ".postcall-probe",
     .help = "The key of the small object that shows it, in each bucket."},
    {.name = "RECORDER_BATCH_EVENTS", SETTING_INTEGER(settings_t, batch_events),
     .fallback = "500", .min = 1, .max = 10000,
     .help = "Objects that share the syncs of a directory, at most."},
    {.name = "RECORDER_BATCH_BYTES", SETTING_BYTES(settings_t, batch_bytes),
     .fallback = "32MiB", .min = 1024,
     .help = "Bytes of webhooks in one such batch, at most; a larger one goes alone."},
    {.name = "RECORDER_REQUESTS", SETTING_INTEGER(settings_t, requests),
     .fallback = "32", .min = 1, .max = 1000,
     .help = "S3 requests in flight at once."},
    {.name = "RECORDER_DEADLINE_MS", SETTING_INTEGER(settings_t, deadline_ms),
     .fallback = "20000", .min = 100, .max = 600000,
     .help = "How long a PUT may take, retries included; shorter than the ingress's ack wait."},
    AWS_SETTINGS_ROWS("S3", settings_t, aws),
};
/* clang-format on */

const settings_program_t recorder_program = {
    .name = "postcall-recorder",
    .prefix = "RECORDER",
    .purpose = "Writes the recording and transcript of each call to S3, or to a directory.",
    .table = table,
    .count = sizeof(table) / sizeof(table[0]),
    .check = check_all,
};
