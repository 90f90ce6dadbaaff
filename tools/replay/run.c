#include "tools/replay/run.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/daemon/shutdown.h"
#include "proto/endpoints.h"
#include "proto/routes.h"
#include "proto/timing.h"
#include "tools/replay/run_private.h"
#include "tools/replay/unsettled.h"

#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS      50
#define TURN_EVENTS  256
#define LOOK_MS      1000 /* which ingresses are running */
#define SAVE_MS      2000
#define LOOSE_SUFFIX ".tenants"

dispatch_options_t run_dispatch_options(const options_t *options)
{
    return (dispatch_options_t){.ack_wait_ms = TIMING_ACK_WAIT_MS,
                                .window_events = RUN_ITEMS_MAX,
                                .window_bytes = UINT64_MAX,
                                .deferred_max = RUN_ITEMS_MAX,
                                .suspects_max = RUN_ITEMS_MAX,
                                .probe_base_ms = 1000,
                                .probe_max_ms = 10000,
                                .defer_base_ms = 1000,
                                .defer_max_ms = 60000,
                                .max_deliver = 5,
                                .max_deliver_ms = 600000,
                                .suspect_interval_ms = 200,
                                .unknown_agent_ms = options->run.unknown_agent_seconds * 1000};
}

source_options_t run_source_options(const options_t *options, const char *const *sinks,
                                    curve_t *curve)
{
    return (source_options_t){.endpoint = options->run.bind,
                              .worker_stage = STAGE_TENANT_RESOLVER,
                              .sinks = sinks,
                              .curve = curve,
                              .ping_interval_ms = TIMING_PING_INTERVAL_MS,
                              .peer_silence_ms = TIMING_PEER_SILENCE_MS,
                              .peer_gone_ms = TIMING_PEER_GONE_MS};
}

static void add_argument(digest_t *digest, const char *text)
{
    digest_update(digest, text ? text : "", text ? strlen(text) + 1 : 1);
}

/* What has to be the same when a replay is resumed. */
static int digest_arguments(run_t *self, fault_t *fault)
{
    const options_t *options = self->options;
    const filter_words_t *words = &options->words;
    const char *const texts[] = {words->since,        words->until,  words->provider,
                                 words->event_type,   words->tenant, words->agent,
                                 words->conversation, words->event,  words->reason};
    digest_t *digest = digest_new();
    if (!digest)
        return fault_set(fault, "out of memory");
    for (size_t i = 0; i < options->path_count; i++)
        add_argument(digest, options->paths[i]);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        add_argument(digest, texts[i]);
    digest_update(digest, &options->filter.sinks, sizeof(options->filter.sinks));
    add_argument(digest, options->dead ? "dead" : NULL);
    add_argument(digest, options->run.reassign ? "reassign" : NULL);
    digest_final(digest, self->arguments);
    digest_destroy(&digest);
    return 0;
}

static int open_run(run_t *self, fault_t *fault)
{
    const options_run_t *options = &self->options->run;
    const source_options_t source =
        run_source_options(self->options, route_sink_names, self->vitals.curve);
    const dispatch_options_t dispatch = run_dispatch_options(self->options);
    self->selection = selection_new(self->capture, &self->selecting, fault);
    self->dispatch = dispatch_new(&dispatch, self->sinks, fault);
    self->dirty = calloc(self->capture->count, sizeof(*self->dirty));
    if (!self->selection || !self->dispatch)
        return -1;
    if (!self->dirty)
        return fault_set(fault, "out of memory");
    if (options->resume && run_load(self, fault) != 0)
        return -1;
    self->source = source_new(&source, clock_now_ms(), fault);
    self->turn = (turn_t){&run_turn_kind, self, self->source, self->dispatch, self->sinks};
    return self->source ? 0 : fault_blame(fault, "--bind");
}

static void close_run(run_t *self)
{
    run_free_goes(self);
    run_free_items(self);
    dispatch_destroy(&self->dispatch);
    source_destroy(&self->source);
    selection_destroy(&self->selection);
}

/* The loop. */

/* What nothing goes on without, or NULL. */
static const char *waiting_for(const run_t *self)
{
    if (source_workers(self->source) == 0)
        return "a tenant-resolver";
    for (size_t sink = 0; sink < self->sinks; sink++) {
        dispatch_figures_t figures;
        uint64_t events, bytes;
        dispatch_figures(self->dispatch, sink, &figures);
        source_capacity(self->source, sink, &events, &bytes);
        if (figures.paused || (figures.waiting > 0 && events == 0))
            return route_sink_names[sink];
    }
    return NULL;
}

static uint64_t leased(const run_t *self)
{
    uint64_t count = 0;
    for (size_t sink = 0; sink < self->sinks; sink++) {
        dispatch_figures_t figures;
        dispatch_figures(self->dispatch, sink, &figures);
        count += figures.leased;
    }
    return count;
}

static void wait_for_work(const run_t *self, int64_t wait_ms)
{
    struct pollfd fds[] = {
        {.fd = source_fd(self->source), .events = POLLIN},
        {.fd = replayed_fd(selection_replayed(self->selection)), .events = POLLIN},
        {.fd = shutdown_fd(), .events = POLLIN},
    };
    if (wait_ms > 0 && !source_ready(self->source))
        (void)poll(fds, sizeof(fds) / sizeof(fds[0]), (int)wait_ms); /* looked at in any case */
}

static void begin_stopping(run_t *self, const char *why, int64_t now_ms)
{
    if (self->stopping)
        return;
    self->stopping = true;
    self->stop_by_ms = now_ms + self->options->run.drain_seconds * 1000;
    progress_end(&self->progress);
    log_line(LOG_LEVEL_INFO, "stopping; what is on its way is waited for", LOG_TEXT("reason", why));
}

/* One turn; after how many milliseconds the next is wanted, or -1. */
static int64_t turn(run_t *self, int64_t now_ms, fault_t *fault)
{
    bool more = false;
    self->now_ms = now_ms;
    turn_hear(&self->turn, now_ms);
    run_tick(self, now_ms);
    if (run_say_go(self, fault) != 0 || run_enter(self, now_ms, fault) != 0)
        return -1;
    if (!self->stopping)
        more = turn_give_again(&self->turn, TURN_EVENTS, now_ms);
    int64_t wait_ms = source_tick(self->source, now_ms);
    if (more)
        return 0;
    return wait_ms < TICK_MS ? wait_ms : TICK_MS;
}

static int keep_house(run_t *self, int64_t now_ms, int64_t *next_look_ms, int64_t *next_save_ms,
                      fault_t *fault)
{
    if (now_ms - self->active_ms >= self->options->run.give_up_seconds * 1000)
        begin_stopping(self, "nothing was settled for too long", now_ms);
    progress_show(&self->progress, self->report.events, waiting_for(self), now_ms);
    if (now_ms >= *next_look_ms) {
        capture_look(self->capture);
        *next_look_ms = now_ms + LOOK_MS;
    }
    if (now_ms < *next_save_ms)
        return 0;
    *next_save_ms = now_ms + SAVE_MS;
    return run_save(self, FILE_HINT, fault);
}

static bool is_over(const run_t *self, int64_t now_ms)
{
    if (self->stopping)
        return leased(self) == 0 || now_ms >= self->stop_by_ms;
    return self->at_end && !self->first;
}

static int loop(run_t *self, fault_t *fault)
{
    int64_t now_ms = clock_now_ms(), wait_ms = 0;
    int64_t next_look_ms = now_ms, next_save_ms = now_ms + SAVE_MS;
    self->active_ms = self->tokens_ms = now_ms;
    while (!is_over(self, now_ms)) {
        wait_for_work(self, wait_ms);
        now_ms = clock_now_ms();
        shutdown_clear();
        if (shutdown_requested())
            begin_stopping(self, "it was asked to", now_ms);
        wait_ms = turn(self, now_ms, fault);
        if (wait_ms < 0 || keep_house(self, now_ms, &next_look_ms, &next_save_ms, fault) != 0)
            return -1;
    }
    return 0;
}

/* The end. */

static int tell_and_keep(run_t *self, fault_t *fault)
{
    bool complete = self->at_end && !self->first;
    run_sync_marks(self);
    progress_end(&self->progress);
    report_print(stdout, &self->report);
    if (!complete) {
        if (run_save(self, FILE_SYNCED, fault) != 0)
            return -1;
        printf("stopped; the same command with --resume goes on\n");
        return RUN_EXIT_STOPPED;
    }
    state_remove(self->options->run.state);
    bool damaged = selection_figures(self->selection).damaged > 0;
    return report_any_dead(&self->report) || damaged ? RUN_EXIT_INCOMPLETE : 0;
}

static int replay(run_t *self, fault_t *fault)
{
    int status = open_run(self, fault);
    if (status == 0) {
        for (size_t sink = 0; sink < self->sinks; sink++)
            self->report.sinks[sink].wanted = self->plan.wanted.sinks[sink].wanted;
        self->report.left = self->plan.wanted.left;
        fprintf(stderr, "postcall-replay: replaying %" PRIu64 " events at %s\n",
                self->plan.wanted.events, self->options->run.bind);
        progress_begin(&self->progress, stderr, self->plan.wanted.events, self->report.events,
                       clock_now_ms());
        status = loop(self, fault);
    }
    if (status == 0)
        status = tell_and_keep(self, fault);
    progress_end(&self->progress);
    close_run(self);
    return status;
}

static int plan_and_replay(run_t *self, fault_t *fault)
{
    int status = plan_make(&self->plan, self->capture, &self->selecting, fault);
    if (status != 0)
        return status < 0 ? -1 : RUN_EXIT_STOPPED;
    plan_warn(&self->plan);
    if (self->options->run.dry_run) {
        report_print_plan(stdout, &self->plan.wanted);
        return self->plan.figures.damaged > 0 ? RUN_EXIT_INCOMPLETE : 0;
    }
    if (self->options->run.unsettled)
        return unsettled_run(self->options, self->capture, &self->plan, &self->vitals, fault);
    return replay(self, fault);
}

int run_run(const options_t *options, capture_t *capture, fault_t *fault)
{
    static const char *const no_conditions[] = {NULL};
    const settings_shared_t shared = {
        .log_level = LOG_LEVEL_INFO,
        .curve_dir = options->run.dry_run ? NULL : options->run.curve_dir,
    };
    char loose_log[PATH_MAX];
    snprintf(loose_log, sizeof(loose_log), "%s" LOOSE_SUFFIX, options->run.state);
    run_t self = {.options = options,
                  .capture = capture,
                  .selecting = {.filter = &options->filter,
                                .dead = options->dead,
                                .every_sink = options->run.deletes,
                                .loose_log = loose_log}};
    while (route_sink_names[self.sinks])
        self.sinks++;
    int status = vitals_open(&self.vitals, ENDPOINT_REPLAY_SOURCE, &shared, no_conditions, fault);
    if (status == 0)
        status = digest_arguments(&self, fault);
    if (status == 0)
        status = plan_and_replay(&self, fault);
    vitals_close(&self.vitals);
    return status;
}
