#include "tenant-resolver/agents.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const agents_options_t defaults = {
    .ttl_ms = 300000,
    .negative_ttl_ms = 10000,
    .max_stale_ms = 3600000,
    .retry_ms = 1000,
    .entries_max = 100,
};

static const agent_verdict_t clinic = {
    .state = AGENT_TENANT, .business_id = "B1", .location_id = "L1", .record_calls = true};
static const agent_verdict_t moved = {
    .state = AGENT_TENANT, .business_id = "B2", .location_id = "L2"};
static const agent_verdict_t unknown = {.state = AGENT_UNKNOWN};
static const agent_verdict_t unavailable = {.state = AGENT_UNAVAILABLE};

typedef struct {
    agents_t *agents;
    int64_t now_ms;
    agents_waiter_t waiters[64];
    size_t waiting;
    bool ask;
} cache_t;

static cache_t open_cache(const agents_options_t *options)
{
    fault_t fault;
    cache_t cache = {.agents = agents_new(options, &fault), .now_ms = 1000};
    assert_non_null(cache.agents);
    return cache;
}

static const agent_verdict_t *look(cache_t *cache, const char *agent_id)
{
    return agents_look(cache->agents, wire_view(agent_id), cache->now_ms,
                       &cache->waiters[cache->waiting++ % 64], &cache->ask);
}

/* Answers; returns how many waited. */
static size_t answer(cache_t *cache, const char *agent_id, const agent_verdict_t *verdict,
                     const agent_verdict_t **counts)
{
    agents_waiter_t *waiters;
    const agent_verdict_t *result =
        agents_answer(cache->agents, wire_view(agent_id), verdict, cache->now_ms, &waiters);
    size_t count = 0;
    for (; waiters; waiters = waiters->next)
        count++;
    if (counts)
        *counts = result;
    return count;
}

static void learn(cache_t *cache, const char *agent_id, const agent_verdict_t *verdict)
{
    assert_int_equal(look(cache, agent_id)->state, AGENT_ASKED);
    assert_true(cache->ask);
    assert_int_equal(answer(cache, agent_id, verdict, NULL), 1);
}

static void one_question_serves_all_that_wait(void **state)
{
    (void)state;
    cache_t cache = open_cache(&defaults);
    assert_int_equal(look(&cache, "a")->state, AGENT_ASKED);
    assert_true(cache.ask);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(look(&cache, "a")->state, AGENT_ASKED);
        assert_false(cache.ask);
    }
    assert_int_equal(look(&cache, "b")->state, AGENT_ASKED);
    assert_true(cache.ask);
    const agent_verdict_t *verdict;
    assert_int_equal(answer(&cache, "a", &clinic, &verdict), 6);
    assert_string_equal(verdict->business_id, "B1");
    assert_int_equal(answer(&cache, "a", &moved, &verdict), 0); /* nobody asked */
    assert_string_equal(look(&cache, "a")->business_id, "B1");

    agents_figures_t figures;
    agents_figures(cache.agents, &figures);
    assert_int_equal(figures.misses, 2);
    assert_int_equal(figures.hits, 1);
    assert_int_equal(figures.entries, 2);
    agents_destroy(&cache.agents);
}

static void what_waits_is_served_in_order(void **state)
{
    (void)state;
    cache_t cache = open_cache(&defaults);
    for (int i = 0; i < 3; i++)
        (void)look(&cache, "a");
    agents_waiter_t *waiters;
    (void)agents_answer(cache.agents, WIRE_VIEW("a"), &clinic, cache.now_ms, &waiters);
    for (size_t i = 0; i < 3; i++, waiters = waiters->next)
        assert_ptr_equal(waiters, &cache.waiters[i]);
    assert_null(waiters);
    agents_destroy(&cache.agents);
}

static void each_answer_is_believed_for_its_time(void **state)
{
    (void)state;
    static const struct {
        agent_state_t state;
        int64_t ttl_ms;
    } cases[] = {{AGENT_TENANT, 300000},
                 {AGENT_UNKNOWN, 10000},
                 {AGENT_AMBIGUOUS, 10000},
                 {AGENT_DISABLED, 10000},
                 {AGENT_INVALID, 10000}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cache_t cache = open_cache(&defaults);
        const agent_verdict_t verdict = {.state = cases[i].state};
        learn(&cache, "a", &verdict);
        cache.now_ms += cases[i].ttl_ms - 1;
        assert_int_equal(look(&cache, "a")->state, cases[i].state);
        assert_false(cache.ask);
        cache.now_ms += 1;
        assert_int_equal(look(&cache, "a")->state, AGENT_ASKED);
        assert_true(cache.ask);
        agents_destroy(&cache.agents);
    }
}

static void a_directory_that_is_down_is_covered_for_a_while(void **state)
{
    (void)state;
    cache_t cache = open_cache(&defaults);
    const agent_verdict_t *verdict;
    learn(&cache, "known", &clinic);
    cache.now_ms += defaults.ttl_ms;
    (void)look(&cache, "known");
    assert_int_equal(answer(&cache, "known", &unavailable, &verdict), 1);
    assert_string_equal(verdict->business_id, "B1");

    /* It is not asked for each event meanwhile, and asked again after a while. */
    assert_string_equal(look(&cache, "known")->business_id, "B1");
    assert_false(cache.ask);
    cache.now_ms += defaults.retry_ms;
    assert_int_equal(look(&cache, "known")->state, AGENT_ASKED);
    assert_true(cache.ask);
    cache.now_ms = 1000 + defaults.max_stale_ms - 1;
    (void)answer(&cache, "known", &unavailable, &verdict);
    assert_int_equal(verdict->state, AGENT_TENANT);
    cache.now_ms += 1;
    assert_int_equal(look(&cache, "known")->state, AGENT_UNAVAILABLE); /* too old to believe */
    assert_false(cache.ask);

    agents_figures_t figures;
    agents_figures(cache.agents, &figures);
    assert_int_equal(figures.stale_served, 3);
    agents_destroy(&cache.agents);
}

static void only_a_tenant_is_believed_while_the_directory_is_down(void **state)
{
    (void)state;
    cache_t cache = open_cache(&defaults);
    const agent_verdict_t *verdict;
    learn(&cache, "gone", &unknown);
    cache.now_ms += defaults.negative_ttl_ms;
    (void)look(&cache, "gone");
    (void)answer(&cache, "gone", &unavailable, &verdict);
    assert_int_equal(verdict->state, AGENT_UNAVAILABLE); /* it may be there by now */
    (void)look(&cache, "new");
    (void)answer(&cache, "new", &unavailable, &verdict);
    assert_int_equal(verdict->state, AGENT_UNAVAILABLE);
    agents_destroy(&cache.agents);
}

static void the_directory_is_right_when_it_answers(void **state)
{
    (void)state;
    cache_t cache = open_cache(&defaults);
    const agent_verdict_t *verdict;
    learn(&cache, "a", &clinic);
    cache.now_ms += defaults.ttl_ms;
    (void)look(&cache, "a");
    (void)answer(&cache, "a", &unknown, &verdict);
    assert_int_equal(verdict->state, AGENT_UNKNOWN);
    cache.now_ms += defaults.negative_ttl_ms;
    learn(&cache, "a", &moved);
    assert_string_equal(look(&cache, "a")->location_id, "L2");
    agents_destroy(&cache.agents);
}

static void a_changed_directory_is_asked_again(void **state)
{
    (void)state;
    cache_t cache = open_cache(&defaults);
    learn(&cache, "old", &clinic);
    (void)look(&cache, "asked");
    cache.now_ms += 10;
    agents_forget(cache.agents, cache.now_ms);
    cache.now_ms += 10;
    learn(&cache, "old", &moved);
    assert_string_equal(look(&cache, "old")->business_id, "B2");

    /* What was on its way may be from before. */
    assert_int_equal(answer(&cache, "asked", &clinic, NULL), 1);
    assert_int_equal(look(&cache, "asked")->state, AGENT_ASKED);
    assert_true(cache.ask);
    agents_destroy(&cache.agents);
}

static void the_cache_is_bounded_by_what_is_looked_at(void **state)
{
    (void)state;
    agents_options_t options = defaults;
    options.entries_max = 3;
    cache_t cache = open_cache(&options);
    learn(&cache, "a", &clinic);
    learn(&cache, "b", &clinic);
    learn(&cache, "c", &clinic);
    assert_int_equal(look(&cache, "a")->state, AGENT_TENANT); /* now b is the oldest */
    learn(&cache, "d", &clinic);
    assert_int_equal(look(&cache, "a")->state, AGENT_TENANT);
    assert_int_equal(look(&cache, "c")->state, AGENT_TENANT);
    assert_int_equal(look(&cache, "d")->state, AGENT_TENANT);
    assert_int_equal(look(&cache, "b")->state, AGENT_ASKED);
    agents_figures_t figures;
    agents_figures(cache.agents, &figures);
    assert_int_equal(figures.evicted, 2);
    assert_int_equal(figures.entries, 3);
    agents_destroy(&cache.agents);
}

/* All that is known is being asked about: the new one must not make room for itself. */
static void what_is_being_asked_about_stays(void **state)
{
    (void)state;
    agents_options_t options = defaults;
    options.entries_max = 1;
    cache_t cache = open_cache(&options);
    char agent_id[16];
    for (int i = 0; i < 10; i++) {
        snprintf(agent_id, sizeof(agent_id), "agent%d", i);
        assert_int_equal(look(&cache, agent_id)->state, AGENT_ASKED);
        assert_true(cache.ask);
    }
    for (int i = 0; i < 10; i++) {
        snprintf(agent_id, sizeof(agent_id), "agent%d", i);
        assert_int_equal(answer(&cache, agent_id, &clinic, NULL), 1);
    }
    agents_destroy(&cache.agents);
}

static void an_id_that_no_item_can_have_is_unknown(void **state)
{
    (void)state;
    cache_t cache = open_cache(&defaults);
    learn(&cache, "a", &clinic);
    assert_int_equal(look(&cache, "")->state, AGENT_UNKNOWN);
    assert_false(cache.ask);
    assert_int_equal(look(&cache, NULL)->state, AGENT_UNKNOWN);
    const wire_view_t hostile = {"a\0b", 3};
    bool ask;
    assert_int_equal(
        agents_look(cache.agents, hostile, cache.now_ms, &cache.waiters[0], &ask)->state,
        AGENT_UNKNOWN); /* and not the tenant of "a" */
    agents_waiter_t *waiters;
    assert_int_equal(agents_answer(cache.agents, hostile, &clinic, 0, &waiters)->state,
                     AGENT_UNAVAILABLE);
    agents_destroy(&cache.agents);
}

/* Items. */

#define ITEM(business, location, is_enabled)                                                       \
    {                                                                                              \
        .business_id = {business, sizeof(business) - 1},                                           \
        .location_id = {location, sizeof(location) - 1}, .enabled = is_enabled,                    \
        .record_calls = true                                                                       \
    }

static void items_make_a_verdict(void **state)
{
    (void)state;
    static const struct {
        agent_item_t items[3];
        size_t count;
        agent_state_t expected;
    } cases[] = {
        {{{.enabled = true}}, 0, AGENT_UNKNOWN},
        {{ITEM("B1", "L1", true)}, 1, AGENT_TENANT},
        {{ITEM("B1", "L1", false)}, 1, AGENT_DISABLED},
        {{ITEM("B2", "L2", false), ITEM("B1", "L1", true)}, 2, AGENT_TENANT},
        {{ITEM("B1", "L1", true), ITEM("B2", "L2", false)}, 2, AGENT_TENANT},
        {{ITEM("B1", "L1", true), ITEM("B1", "L1", true)}, 2, AGENT_AMBIGUOUS},
        {{ITEM("B1", "L1", true), ITEM("x", "y", false), ITEM("B2", "L2", true)},
         3,
         AGENT_AMBIGUOUS},
        {{ITEM("", "L1", true)}, 1, AGENT_INVALID},
        {{ITEM("B1", "", true)}, 1, AGENT_INVALID},
        {{ITEM("B:1", "L1", true)}, 1, AGENT_INVALID},
        {{ITEM("B1", "L\n1", true)}, 1, AGENT_INVALID},
        {{ITEM("B1", "L\0001", true)}, 1, AGENT_INVALID},
        {{ITEM("B1", "L\1771", true)}, 1, AGENT_INVALID},
        {{ITEM("", "", false)}, 1, AGENT_DISABLED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        agent_verdict_t verdict;
        memset(&verdict, 'x', sizeof(verdict));
        agents_decide(cases[i].items, cases[i].count, &verdict);
        if (verdict.state != cases[i].expected)
            fail_msg("case %zu: %d", i, verdict.state);
        if (verdict.state != AGENT_TENANT)
            continue;
        assert_string_equal(verdict.business_id, "B1");
        assert_string_equal(verdict.location_id, "L1");
        assert_true(verdict.record_calls);
    }
}

static void ids_have_a_limit(void **state)
{
    (void)state;
    char longest[AGENTS_TENANT_ID_BYTES_MAX + 1];
    agent_verdict_t verdict;
    memset(longest, 'b', sizeof(longest));
    agent_item_t item = {{longest, AGENTS_TENANT_ID_BYTES_MAX}, WIRE_VIEW("L"), true, false};
    agents_decide(&item, 1, &verdict);
    assert_int_equal(verdict.state, AGENT_TENANT);
    assert_int_equal(strlen(verdict.business_id), AGENTS_TENANT_ID_BYTES_MAX);
    assert_false(verdict.record_calls);
    item.business_id.length++;
    agents_decide(&item, 1, &verdict);
    assert_int_equal(verdict.state, AGENT_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_question_serves_all_that_wait),
        cmocka_unit_test(what_waits_is_served_in_order),
        cmocka_unit_test(each_answer_is_believed_for_its_time),
        cmocka_unit_test(a_directory_that_is_down_is_covered_for_a_while),
        cmocka_unit_test(only_a_tenant_is_believed_while_the_directory_is_down),
        cmocka_unit_test(the_directory_is_right_when_it_answers),
        cmocka_unit_test(a_changed_directory_is_asked_again),
        cmocka_unit_test(the_cache_is_bounded_by_what_is_looked_at),
        cmocka_unit_test(what_is_being_asked_about_stays),
        cmocka_unit_test(an_id_that_no_item_can_have_is_unknown),
        cmocka_unit_test(items_make_a_verdict),
        cmocka_unit_test(ids_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
