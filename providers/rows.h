/* rows: the list of all providers, from which everything else follows: ROW(symbol, setting, help)
 * names the row `provider_<symbol>`, the ingress's setting with its secrets, and what its help
 * says. */
#ifndef POSTCALL_PROVIDERS_ROWS_H
#define POSTCALL_PROVIDERS_ROWS_H

#define PROVIDER_ROWS(ROW)                                                                         \
    ROW(elevenlabs, "ELEVENLABS_WEBHOOK_SECRET",                                                   \
        "The webhook's secret; several, separated by commas, while one is rotated.")               \
    ROW(agent_logs, "AGENT_LOGS_KEYS",                                                             \
        "Secrets for POST /api/agent-logs, whsec_BASE64 each, separated by commas; with "          \
        "@BUSINESS:LOCATION behind it a secret writes for that tenant alone.")

#endif
