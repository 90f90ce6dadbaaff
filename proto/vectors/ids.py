#!/usr/bin/env python3
"""Writes ids.json: postcall's ids as python3's own uuid and hashlib modules make them."""
import hashlib
import json
import uuid

NAMESPACE = uuid.UUID("6f0d9c1e-5b0a-4c57-9d53-2f6f8a1c7e42")


def make(*fields):
    return str(uuid.uuid5(NAMESPACE, "\0".join(fields)))


def event(provider, kind, conversation, event_time, body):
    digest = hashlib.sha256(body.encode()).hexdigest()
    return {
        "id": "event", "provider": provider, "type": kind, "conversation": conversation,
        "event_time": event_time, "body": body, "digest": digest,
        "text": make(provider, kind, conversation, event_time, digest),
    }


def resource(provider, conversation, sub_action):
    return {
        "id": "resource", "provider": provider, "conversation": conversation,
        "sub_action": sub_action, "text": "log-" + make(provider, conversation, sub_action),
    }


def request(body):
    digest = hashlib.sha256(body.encode()).hexdigest()
    return {"id": "request", "body": body, "digest": digest, "text": "req-" + make(digest)}


VECTORS = [
    event("elevenlabs", "post_call_transcription", "conv_abc123", "1763759979", "{}"),
    event("elevenlabs", "post_call_audio", "conv_abc123", "1763759979", "{}"),
    event("elevenlabs", "post_call_transcription", "conv_abc123", "1763759979", "{ }"),
    event("elevenlabs", "call_initiation_failure", "conv_ș", "2025-11-21T21:19:39Z", "a"),
    event("elevenlabs", "", "", "", ""),
    resource("elevenlabs", "conv_abc123", "call_ended"),
    resource("elevenlabs", "conv_abc123", "failed"),
    resource("elevenlabs", "conv_ș", "call_ended"),
    resource("elevenlabs", "", "call_ended"),
    request("{}"),
    request(""),
]

print("[")
print(",\n".join(json.dumps(vector, ensure_ascii=False) for vector in VECTORS))
print("]")
