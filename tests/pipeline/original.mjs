// What the system that postcall replaces published: its curl example, the record it wrote for a
// call, and the SQL that its users run. All three must go on working, to the letter.

export const CURL_BODY = `{
    "type": "post_call_transcription",
    "event_timestamp": 1739537297,
    "data": {
      "agent_id": "agent_xyz123",
      "conversation_id": "conv_test_123",
      "status": "done",
      "transcript": [
        {
          "role": "agent",
          "message": "Bună ziua!",
          "time_in_call_secs": 0
        }
      ],
      "metadata": {
        "start_time_unix_secs": 1739537297,
        "call_duration_secs": 42,
        "cost": 350
      }
    }
  }`;

export const CURL_TRANSCRIPT = CURL_BODY.slice(CURL_BODY.indexOf('['), CURL_BODY.indexOf(']') + 1);

/** The record of that call; resourceId and requestId are ours to choose. */
export const CURL_RECORD = {
  resourceType: 'agent-logs',
  operation: 'create',
  businessId: 'B0100001',
  locationId: 'L0100001',
  data: {
    actionType: 'voice_call',
    subAction: 'call_ended',
    agentSessionId: 'conv_test_123',
    triggeredBy: 'elevenlabs',
    provider: 'elevenlabs',
    externalId: 'conv_test_123',
    metadata: {
      conversationId: 'conv_test_123',
      callDuration: 42,
      cost: 350,
      startTime: 1739537297,
      status: 'done',
      transcriptLength: 1,
      transcriptAvailable: true,
      deliveryStatus: 'delivered',
      transcriptS3Key: 'transcripts/B0100001/conv_test_123.json',
    },
  },
  timestamp: '2025-02-14T12:48:17Z',
};

export const QUERIES = {
  finishedCalls: `SELECT * FROM resources
WHERE "businessLocationId" = 'B0100001:L0100001'
  AND "resourceType" = 'agent-logs'
  AND "data"->>'actionType' = 'voice_call'
  AND "data"->>'subAction' = 'call_ended'
ORDER BY "createdAt" DESC;`,
  thisMonth: `SELECT
  COUNT(*) as total_calls,
  SUM((data->'metadata'->>'callDuration')::int) as total_duration_secs,
  SUM((data->'metadata'->>'cost')::int) as total_cost
FROM resources
WHERE "businessLocationId" = 'B0100001:L0100001'
  AND "resourceType" = 'agent-logs'
  AND "data"->>'actionType' = 'voice_call'
  AND "data"->>'subAction' = 'call_ended'
  AND "createdAt" >= DATE_TRUNC('month', CURRENT_DATE);`,
  byDay: `SELECT
  DATE("createdAt") as call_date,
  COUNT(*) as num_calls,
  AVG((data->'metadata'->>'callDuration')::int) as avg_duration,
  SUM((data->'metadata'->>'cost')::int) as total_cost
FROM resources
WHERE "businessLocationId" = 'B0100001:L0100001'
  AND "resourceType" = 'agent-logs'
  AND "data"->>'subAction' = 'call_ended'
GROUP BY DATE("createdAt")
ORDER BY call_date DESC;`,
  byAction: `SELECT
  "data"->>'actionType' as action_type,
  "data"->>'subAction' as sub_action,
  "data"->>'triggeredBy' as triggered_by,
  COUNT(*) as count
FROM resources
WHERE "businessLocationId" = 'B0100001:L0100001'
  AND "resourceType" = 'agent-logs'
GROUP BY "data"->>'actionType', "data"->>'subAction', "data"->>'triggeredBy'
ORDER BY count DESC;`,
};
