#include "common/vitals.h"

#include "common/hop.h"
#include "common/log.h"
#include "common/shutdown.h"

#include <czmq.h>

int vitals_open(vitals_t *self, const char *daemon, const settings_shared_t *settings,
                const char *const *conditions, fault_t *fault)
{
    log_open(daemon, settings->log_level, settings->log_format);
    zsys_handler_set(NULL);
    if (shutdown_open(fault) != 0)
        return -1;
    self->metrics = metrics_new();
    self->readiness = readiness_new(conditions);
    if (!self->metrics || !self->readiness)
        return fault_set(fault, "out of memory");
    return 0;
}

int vitals_serve(vitals_t *self, const settings_shared_t *settings, const char *admin_setting,
                 fault_t *fault)
{
    self->admin = admin_new(settings->admin_listen, self->metrics, self->readiness, fault);
    return self->admin ? 0 : fault_blame(fault, admin_setting);
}

void vitals_close(vitals_t *self)
{
    admin_destroy(&self->admin);
    readiness_destroy(&self->readiness);
    metrics_destroy(&self->metrics);
    hop_shutdown();
    shutdown_close();
}

void vitals_show(vitals_t *self, const char *condition, const char *trouble)
{
    if (!readiness_set(self->readiness, condition, !trouble, trouble))
        return;
    if (trouble)
        log_line(LOG_LEVEL_WARN, "not ready, retrying", LOG_TEXT("part", condition),
                 LOG_TEXT("reason", trouble));
    else
        log_line(LOG_LEVEL_INFO, "ready", LOG_TEXT("part", condition));
}
