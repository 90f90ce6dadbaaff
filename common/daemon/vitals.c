#include "common/daemon/vitals.h"

#include "common/base/log.h"
#include "common/daemon/shutdown.h"
#include "common/link/hop.h"

#include <czmq.h>

static int make_metrics(vitals_t *self)
{
    metric_t *build =
        metrics_gauge(self->metrics, "postcall_build_info", "1; the label is the version.",
                      METRIC_LABELS({"version", POSTCALL_VERSION}));
    self->ready = metrics_gauge(self->metrics, "postcall_ready", "1 when /readyz says so.", NULL);
    if (!build || !self->ready)
        return -1;
    metric_set(build, 1);
    return 0;
}

int vitals_open(vitals_t *self, const char *daemon, const settings_shared_t *settings,
                const char *const *conditions, fault_t *fault)
{
    service_open(&self->service);
    log_open(daemon, settings->log_level, settings->log_format);
    zsys_handler_set(NULL);
    if (shutdown_open(fault) != 0)
        return -1;
    self->metrics = metrics_new();
    self->readiness = readiness_new(conditions);
    if (!self->metrics || !self->readiness || make_metrics(self) != 0)
        return fault_set(fault, "out of memory");
    if (!settings->curve_dir)
        return 0;
    self->curve = curve_open(settings->curve_dir, daemon, self->metrics, fault);
    return self->curve ? 0 : fault_blame(fault, "POSTCALL_CURVE_DIR");
}

int vitals_serve(vitals_t *self, const settings_shared_t *settings, const char *admin_setting,
                 fault_t *fault)
{
    self->admin = admin_new(settings->admin_listen, self->metrics, self->readiness, fault);
    if (!self->admin)
        return fault_blame(fault, admin_setting);
    service_ready(&self->service);
    return 0;
}

void vitals_turn(vitals_t *self, int64_t now_ms)
{
    service_turn(&self->service, now_ms, shutdown_requested());
}

void vitals_close(vitals_t *self)
{
    admin_destroy(&self->admin);
    readiness_destroy(&self->readiness);
    curve_close(&self->curve);
    metrics_destroy(&self->metrics);
    hop_shutdown();
    shutdown_close();
    service_close(&self->service);
}

static void tell_status(vitals_t *self)
{
    buffer_t text = {0};
    bool ready;
    if (readiness_render(self->readiness, &text, &ready) == 0 && buffer_append(&text, "", 1) == 0)
        service_status(&self->service, ready ? "ready" : (const char *)text.bytes);
    buffer_free(&text);
}

bool vitals_set(vitals_t *self, const char *condition, const char *trouble)
{
    if (!readiness_set(self->readiness, condition, !trouble, trouble))
        return false;
    metric_set(self->ready, readiness_ready(self->readiness));
    tell_status(self);
    return true;
}

void vitals_show(vitals_t *self, const char *condition, const char *trouble)
{
    if (!vitals_set(self, condition, trouble))
        return;
    if (trouble)
        log_line(LOG_LEVEL_WARN, "not ready, retrying", LOG_TEXT("part", condition),
                 LOG_TEXT("reason", trouble));
    else
        log_line(LOG_LEVEL_INFO, "ready", LOG_TEXT("part", condition));
}
