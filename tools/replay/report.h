/* report: what a replay has done so far, per sink, and how that is told at the end.  Pure but for
 * the stream; one owner. */
#ifndef POSTCALL_TOOLS_REPLAY_REPORT_H
#define POSTCALL_TOOLS_REPLAY_REPORT_H

#include "proto/messages.h"

#include <stdbool.h>
#include <stdio.h>

#define REPORT_REASONS_MAX 16

typedef struct {
    uint64_t wanted;                             /* events that are to go there */
    uint64_t done;                               /* that are there */
    uint64_t retried;                            /* tries that were put off */
    uint64_t dead;                               /* that cannot succeed */
    uint64_t dead_by_reason[REPORT_REASONS_MAX]; /* in the order of route_dead_reasons */
} report_sink_t;

typedef struct {
    uint64_t events; /* that are to be replayed, or that are done with */
    uint64_t left;   /* left whole or in part to the ingress that has yet to settle them */
    uint64_t marked; /* dead letters */
    report_sink_t sinks[MESSAGE_SINKS_MAX]; /* in the order of route_sink_names */
} report_t;

/* Counts an event that cannot succeed for a sink. */
void report_dead(report_t *self, size_t sink, const char *reason);

/* Events and sinks together that are done or dead; and that there are. */
uint64_t report_settled(const report_t *self);
uint64_t report_wanted(const report_t *self);
bool report_any_dead(const report_t *self);

/* Prints the table of sinks, and what was left, marked and dead, and why. */
void report_print(FILE *out, const report_t *self);

/* Prints what would be replayed: per sink how many, and the last line `would replay N events`. */
void report_print_plan(FILE *out, const report_t *self);

#endif
