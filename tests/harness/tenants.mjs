// The tenants of the tests, as items of the agents table: for the directory (a JSON file or
// DynamoDB) and for those who judge by it.

/** An item as the table holds it. */
export function tenantItem(agentId, businessId, locationId, more = {}) {
  const { recordCalls, ...others } = more;
  return {
    businessId,
    locationId,
    agentId,
    enabled: true,
    voiceId: '21m00Tcm4TlvDq8ikWAM',
    greeting: 'Bună ziua!',
    conversationSettings: {
      maxDuration: 300,
      recordCalls: recordCalls ?? true,
      sendTranscripts: false,
    },
    createdAt: '2025-10-15T10:00:00.000Z',
    updatedAt: '2025-10-15T10:00:00.000Z',
    ...others,
  };
}

/** The agent of the examples, one that does not record, and two more. */
export const TENANTS = [
  tenantItem('agent_xyz123', 'B0100001', 'L0100001'),
  tenantItem('agent_silent', 'B0100001', 'L0100002', { recordCalls: false }),
  tenantItem('agent_other', 'B0200002', 'L0100001'),
  tenantItem('agent_third', 'B0300003', 'L0300003'),
];

export const AGENTS = TENANTS.map(({ agentId }) => agentId);

export function tenantOf(agentId, tenants = TENANTS) {
  const item = tenants.find((tenant) => tenant.agentId === agentId && tenant.enabled);
  return (
    item && {
      businessId: item.businessId,
      locationId: item.locationId,
      recordCalls: item.conversationSettings?.recordCalls !== false,
    }
  );
}
