#include "tenant-resolver/agents.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const agents_options_t defaults = {
    .ttl_ms = 1000,
    .negative_ttl_ms = 100,
    .max_stale_ms = 10000,
    .retry_ms = 50,
    .entries_max = 10,
};

static agents_t *open_agents(const agents_options_t *options)
{
    fault_t fault;
    agents_t *agents = agents_new(options, &fault);
    assert_non_null(agents);
    return agents;
}

static agent_verdict_t tenant(const char *business_id)
{
    agent_verdict_t verdict = {.state = AGENT_TENANT, .location_id = "L1"};
    memcpy(verdict.business_id, business_id, strlen(business_id));
    return verdict;
}

/* Looks without a waiter that anybody will miss: for those that are known, or wait for nothing. */
static const agent_verdict_t *look(agents_t *agents, const char *agent_id, int64_t now_ms)
{
    static agents_waiter_t waiters[64];
    static size_t used;
    bool ask;
    return agents_look(agents, wire_view(agent_id), now_ms, &waiters[used++ % 64], &ask);
}

static size_t answer(agents_t *agents, const char *agent_id, agent_verdict_t verdict,
                     int64_t now_ms)
{
    agents_waiter_t *waiters;
    size_t count = 0;
    (void)agents_answer(agents, wire_view(agent_id), &verdict, now_ms, &waiters);
    for (; waiters; waiters = waiters->next)
        count++;
    return count;
}

static void one_question_for_all_who_wait(void **state)
{
    (void)state;
    agents_t *agents = open_agents(&defaults);
    agents_waiter_t waiters[3];
    bool ask;
    for (size_t i = 0; i < 3; i++) {
        const agent_verdict_t *verdict =
            agents_look(agents, WIRE_VIEW("agent"), 0, &waiters[i], &ask);
        assert_int_equal(verdict->state, AGENT_ASKED);
        assert_int_equal(ask, i == 0);
    }
    assert_int_equal(answer(agents, "agent", tenant("B1"), 5), 3);
    assert_string_equal(look(agents, "agent", 6)->business_id, "B1");
    assert_int_equal(answer(agents, "agent", tenant("B1"), 7), 0);
    agents_destroy(&agents);
}

static void an_answer_is_believed_for_its_time(void **state)
{
    (void)state;
    agents_t *agents = open_agents(&defaults);
    (void)look(agents, "known", 0);
    (void)look(agents, "unknown", 0);
    answer(agents, "known", tenant("B1"), 0);
    answer(agents, "unknown", (agent_verdict_t){.state = AGENT_UNKNOWN}, 0);
    assert_int_equal(look(agents, "known", defaults.ttl_ms - 1)->state, AGENT_TENANT);
    assert_int_equal(look(agents, "known", defaults.ttl_ms)->state, AGENT_ASKED);
    assert_int_equal(look(agents, "unknown", defaults.negative_ttl_ms - 1)->state, AGENT_UNKNOWN);
    assert_int_equal(look(agents, "unknown", defaults.negative_ttl_ms)->state, AGENT_ASKED);
    agents_destroy(&agents);
}

static void a_changed_directory_is_asked_again(void **state)
{
    (void)state;
    agents_t *agents = open_agents(&defaults);
    (void)look(agents, "agent", 0);
    answer(agents, "agent", tenant("B1"), 1);
    agents_forget(agents, 1);
    assert_int_equal(look(agents, "agent", 1)->state, AGENT_ASKED);
    answer(agents, "agent", tenant("B2"), 2);
    assert_string_equal(look(agents, "agent", 2)->business_id, "B2");
    agents_destroy(&agents);
}

static void a_directory_that_is_down_leaves_what_was_known(void **state)
{
    (void)state;
    static const agent_verdict_t down = {.state = AGENT_UNAVAILABLE};
    agents_t *agents = open_agents(&defaults);
    agents_waiter_t *waiters;
    (void)look(agents, "known", 0);
    (void)look(agents, "new", 0);
    answer(agents, "known", tenant("B1"), 0);
    (void)look(agents, "known", defaults.ttl_ms);
    const agent_verdict_t *verdict =
        agents_answer(agents, WIRE_VIEW("known"), &down, defaults.ttl_ms, &waiters);
    assert_string_equal(verdict->business_id, "B1");
    verdict = agents_answer(agents, WIRE_VIEW("new"), &down, defaults.ttl_ms, &waiters);
    assert_int_equal(verdict->state, AGENT_UNAVAILABLE);

    /* It is left in peace for a moment, and then asked again. */
    int64_t later_ms = defaults.ttl_ms + defaults.retry_ms;
    assert_int_equal(look(agents, "known", later_ms - 1)->state, AGENT_TENANT);
    assert_int_equal(look(agents, "new", later_ms - 1)->state, AGENT_UNAVAILABLE);
    assert_int_equal(look(agents, "known", later_ms)->state, AGENT_ASKED);
    verdict = agents_answer(agents, WIRE_VIEW("known"), &down, defaults.max_stale_ms, &waiters);
    assert_int_equal(verdict->state, AGENT_UNAVAILABLE); /* too long ago to be believed */
    agents_destroy(&agents);
}

static void the_agent_looked_at_longest_ago_is_forgotten(void **state)
{
    (void)state;
    agents_options_t options = defaults;
    options.entries_max = 2;
    agents_t *agents = open_agents(&options);
    agents_figures_t figures;
    for (const char *agent_id = "abc"; *agent_id; agent_id++) {
        const char name[] = {*agent_id, '\0'};
        (void)look(agents, name, 0);
        answer(agents, name, tenant(name), 0);
        (void)look(agents, "a", 0);
    }
    assert_string_equal(look(agents, "a", 1)->business_id, "a");
    assert_string_equal(look(agents, "c", 1)->business_id, "c");
    assert_int_equal(look(agents, "b", 1)->state, AGENT_ASKED);
    agents_figures(agents, &figures);
    assert_int_equal(figures.entries, 2);
    assert_int_equal(figures.evicted, 2);
    agents_destroy(&agents);
}

/* Who waits for an answer gets it, even if more agents are asked about than can be remembered. */
static void what_is_asked_is_not_forgotten(void **state)
{
    (void)state;
    agents_options_t options = defaults;
    options.entries_max = 2;
    agents_t *agents = open_agents(&options);
    agents_figures_t figures;
    static const char *const names[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(look(agents, names[i], 0)->state, AGENT_ASKED);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(answer(agents, names[i], tenant(names[i]), 1), 1);
    (void)look(agents, "e", 2);
    answer(agents, "e", tenant("e"), 2);
    agents_figures(agents, &figures);
    assert_int_equal(figures.entries, options.entries_max);
    assert_string_equal(look(agents, "e", 3)->business_id, "e");
    agents_destroy(&agents);
}

static agent_state_t decide(const agent_item_t *items, size_t count)
{
    agent_verdict_t verdict;
    agents_decide(items, count, &verdict);
    return verdict.state;
}

static void items_make_a_verdict(void **state)
{
    (void)state;
    const agent_item_t enabled = {WIRE_VIEW("B1"), WIRE_VIEW("L1"), true, true};
    const agent_item_t disabled = {WIRE_VIEW("B2"), WIRE_VIEW("L2"), false, true};
    assert_int_equal(decide(NULL, 0), AGENT_UNKNOWN);
    assert_int_equal(decide((agent_item_t[]){enabled}, 1), AGENT_TENANT);
    assert_int_equal(decide((agent_item_t[]){disabled}, 1), AGENT_DISABLED);
    assert_int_equal(decide((agent_item_t[]){disabled, enabled}, 2), AGENT_TENANT);
    assert_int_equal(decide((agent_item_t[]){enabled, disabled, enabled}, 3), AGENT_AMBIGUOUS);
    static const char *const bad[] = {"", "B:1", "B\n", "B\x7f"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const agent_item_t item = {wire_view(bad[i]), WIRE_VIEW("L1"), true, true};
        assert_int_equal(decide(&item, 1), AGENT_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_question_for_all_who_wait),
        cmocka_unit_test(an_answer_is_believed_for_its_time),
        cmocka_unit_test(a_changed_directory_is_asked_again),
        cmocka_unit_test(a_directory_that_is_down_leaves_what_was_known),
        cmocka_unit_test(the_agent_looked_at_longest_ago_is_forgotten),
        cmocka_unit_test(what_is_asked_is_not_forgotten),
        cmocka_unit_test(items_make_a_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
