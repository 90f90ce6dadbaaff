#include "tools/replay/list.h"

#include "proto/routes.h"
#include "providers/providers.h"
#include "tools/replay/letter_walk.h"
#include "tools/replay/tenants.h"
#include "tools/replay/text.h"
#include "tools/replay/walk.h"

#include <string.h>

#define TYPE_WIDTH         24
#define CONVERSATION_WIDTH 32
#define AGENT_WIDTH        32
#define TENANT_WIDTH       20

typedef struct {
    const options_t *options;
    const capture_t *capture;
    tenants_t *tenants;
    buffer_t line;
} list_t;

/* Events. */

static const char *state_of(const walk_event_t *event, size_t sink)
{
    if (!(event->marks.settled >> sink & 1))
        return "open";
    return event->marks.dead >> sink & 1 ? "dead" : "done";
}

static void print_sinks(const walk_event_t *event, uint32_t routed)
{
    const char *joint = "";
    for (size_t sink = 0; route_sink_names[sink]; sink++) {
        if (!(routed >> sink & 1))
            continue;
        printf("%s%s=%s", joint, route_sink_names[sink], state_of(event, sink));
        joint = " ";
    }
    if (event->event.dead_reason.length > 0) {
        fputs("dead: ", stdout);
        text_put(stdout, event->event.dead_reason, 0);
    } else if (!routed) {
        putchar('-');
    }
}

static void print_event(const walk_event_t *event, uint32_t routed,
                        const disk_resolution_t *resolution)
{
    const disk_event_t *header = &event->event;
    text_put_time(stdout, header->received_us);
    putchar(' ');
    text_put_event_id(stdout, header->event_id);
    putchar(' ');
    text_put(stdout, header->event_type, TYPE_WIDTH);
    putchar(' ');
    text_put(stdout, header->conversation_id, CONVERSATION_WIDTH);
    putchar(' ');
    text_put_tenant(stdout, resolution, TENANT_WIDTH);
    putchar(' ');
    print_sinks(event, routed);
    putchar('\n');
}

static int end_line(list_t *self, fault_t *fault)
{
    if (buffer_append_text(&self->line, "}\n") != 0)
        return fault_set(fault, "out of memory");
    (void)fwrite(self->line.bytes, 1, self->line.length, stdout);
    buffer_clear(&self->line);
    return 0;
}

static int print_event_json(list_t *self, const walk_event_t *event, uint32_t routed,
                            const disk_resolution_t *resolution, fault_t *fault)
{
    buffer_t *line = &self->line;
    const disk_event_t *header = &event->event;
    int status =
        buffer_append_text(line, "{") || text_json_event(line, header) ||
        text_json_tenant(line, resolution) ||
        text_json(line, "slot", wire_view(self->capture->slots[event->position.slot].path)) ||
        text_json_number(line, "sequence", event->sequence) ||
        text_json(line, "dead_reason", header->dead_reason) ||
        buffer_append_text(line, ",\"sinks\":{");
    for (size_t sink = 0; route_sink_names[sink] && status == 0; sink++) {
        if (routed >> sink & 1)
            status = text_json(line, route_sink_names[sink], wire_view(state_of(event, sink)));
    }
    if (status != 0 || buffer_append_text(line, "}") != 0)
        return fault_set(fault, "out of memory");
    return end_line(self, fault);
}

static uint32_t all_sinks(void)
{
    size_t count = 0;
    while (route_sink_names[count])
        count++;
    return (1u << count) - 1;
}

static int list_event(list_t *self, const walk_event_t *event, fault_t *fault)
{
    const filter_t *filter = &self->options->filter;
    const disk_event_t *header = &event->event;
    disk_resolution_t resolution;
    uint32_t routed =
        header->dead_reason.length > 0
            ? 0
            : provider_sink_bits(header->provider, header->event_type, route_sink_names);
    if (!filter_takes_event(filter, header) ||
        (filter->sinks != all_sinks() && !(routed & filter->sinks)))
        return 0;
    int known = tenants_find(self->tenants, WALK_QUESTION(event), &resolution, fault);
    if (known < 0)
        return -1;
    const disk_resolution_t *whose = known == 1 ? &resolution : NULL;
    if (!filter_takes_tenant(filter, whose))
        return 0;
    if (self->options->json)
        return print_event_json(self, event, routed, whose, fault);
    print_event(event, routed, whose);
    return 0;
}

static void say_figures(const walk_figures_t *figures)
{
    if (figures->damaged > 0)
        fprintf(stderr, "postcall-replay: %llu damaged places were passed over; check says where\n",
                (unsigned long long)figures->damaged);
    if (figures->gone > 0)
        fprintf(stderr, "postcall-replay: %llu segments were deleted meanwhile\n",
                (unsigned long long)figures->gone);
}

static int list_events(list_t *self, fault_t *fault)
{
    walk_t *walk = walk_new(self->capture, WALK_WITH_OUTCOMES, fault);
    walk_event_t event;
    int found = walk ? 0 : -1;
    if (!self->options->json)
        printf("%-20s %-36s %-*s %-*s %-*s SINKS\n", "RECEIVED", "EVENT", TYPE_WIDTH, "TYPE",
               CONVERSATION_WIDTH, "CONVERSATION", TENANT_WIDTH, "TENANT");
    while (walk && (found = walk_next(walk, &event, fault)) == 1) {
        if (list_event(self, &event, fault) != 0) {
            found = -1;
            break;
        }
    }
    if (found == 0) {
        walk_figures_t figures = walk_figures(walk);
        say_figures(&figures);
        found = figures.damaged > 0;
    }
    walk_destroy(&walk);
    return found;
}

/* Dead letters. */

static void print_letter(const letter_item_t *item)
{
    const disk_letter_t *letter = &item->letter->letter;
    text_put_time(stdout, letter->at_us);
    putchar(' ');
    text_put_event_id(stdout, letter->event_id);
    putchar(' ');
    text_put(stdout, letter->sink.length > 0 ? letter->sink : WIRE_VIEW("(all)"), 14);
    putchar(' ');
    text_put(stdout, letter->reason, 18);
    putchar(' ');
    text_put(stdout, item->event.tenant_key, AGENT_WIDTH);
    putchar(' ');
    text_put(stdout, item->event.conversation_id, CONVERSATION_WIDTH);
    putchar(' ');
    text_put(stdout, letter->detail.length > 0 ? letter->detail : WIRE_VIEW("-"), 0);
    putchar('\n');
}

static int print_letter_json(list_t *self, const letter_item_t *item, fault_t *fault)
{
    buffer_t *line = &self->line;
    const disk_letter_t *letter = &item->letter->letter;
    if (buffer_append_text(line, "{") || text_json_event(line, &item->event) ||
        text_json_tenant(line, item->resolved ? &item->resolution : NULL) ||
        text_json(line, "slot", wire_view(self->capture->slots[item->slot].path)) ||
        text_json_time(line, "died_at", letter->at_us) || text_json(line, "sink", letter->sink) ||
        text_json(line, "reason", letter->reason) || text_json(line, "detail", letter->detail) ||
        text_json_number(line, "tries", letter->tries))
        return fault_set(fault, "out of memory");
    return end_line(self, fault);
}

static int list_letter(list_t *self, const letter_item_t *item, fault_t *fault)
{
    const filter_t *filter = &self->options->filter;
    if (!filter_takes_letter(filter, &item->letter->letter) ||
        !filter_takes_event(filter, &item->event) ||
        !filter_takes_tenant(filter, item->resolved ? &item->resolution : NULL))
        return 0;
    if (self->options->json)
        return print_letter_json(self, item, fault);
    print_letter(item);
    return 0;
}

static int list_letters(list_t *self, fault_t *fault)
{
    letter_walk_t *walk = letter_walk_new(self->capture, fault);
    letter_item_t item;
    int found = walk ? 0 : -1;
    if (!self->options->json)
        printf("%-20s %-36s %-14s %-18s %-*s %-*s DETAIL\n", "DIED", "EVENT", "SINK", "REASON",
               AGENT_WIDTH, "AGENT", CONVERSATION_WIDTH, "CONVERSATION");
    while (walk && (found = letter_walk_next(walk, &item, fault)) == 1) {
        if (list_letter(self, &item, fault) != 0) {
            found = -1;
            break;
        }
    }
    if (found == 0 && letter_walk_damaged(walk) > 0) {
        fprintf(stderr, "postcall-replay: %llu dead letters cannot be read; check says which\n",
                (unsigned long long)letter_walk_damaged(walk));
        found = 1;
    }
    letter_walk_destroy(&walk);
    return found;
}

int list_run(const options_t *options, const capture_t *capture, fault_t *fault)
{
    list_t self = {.options = options, .capture = capture};
    self.tenants = tenants_new(capture, NULL, fault);
    int status = -1;
    if (self.tenants)
        status = options->dead ? list_letters(&self, fault) : list_events(&self, fault);
    tenants_destroy(&self.tenants);
    buffer_free(&self.line);
    return status;
}
