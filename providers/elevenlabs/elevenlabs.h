/* elevenlabs: the parts of ElevenLabs' row.
 *
 * Bodies: https://elevenlabs.io/docs/eleven-agents/workflows/post-call-webhooks.  The provider's
 * fields come and go with its releases, so every field but those that identify a call may be
 * missing, null or of another type. */
#ifndef POSTCALL_PROVIDERS_ELEVENLABS_ELEVENLABS_H
#define POSTCALL_PROVIDERS_ELEVENLABS_ELEVENLABS_H

#include "providers/provider.h"

#define PROVIDER_ELEVENLABS "elevenlabs"

/* Its event types; the last is an alternative form of the first that no sink can read yet. */
#define EVENT_TRANSCRIPTION      "post_call_transcription"
#define EVENT_AUDIO              "post_call_audio"
#define EVENT_FAILURE            "call_initiation_failure"
#define EVENT_TRANSCRIPTION_OTEL "post_call_transcription_otel"

/* Whether events of this type go to any sink. */
bool elevenlabs_has_event(const char *type);

/* For the row. */
int elevenlabs_identify(json_reader_t *reader, const provider_request_t *request, const char *body,
                        size_t bytes, identity_t *identity, fault_t *fault);
json_status_t elevenlabs_describe(json_reader_t *reader, const provider_stored_t *event,
                                  facts_t *facts, fault_t *fault);

#endif
