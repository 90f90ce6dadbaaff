#include "common/base/address.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LETTERS_50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NAME_253   LETTERS_50 "." LETTERS_50 "." LETTERS_50 "." LETTERS_50 LETTERS_50

static const struct {
    const char *endpoint;
    bool good, local;
} endpoints[] = {
    {"tcp://127.0.0.1:5601", true, true},
    {"tcp://127.9.9.9:5601", true, true},
    {"tcp://127.0.0.1:*", true, true},
    {"tcp://localhost:5601", true, true},
    {"tcp://LocalHost:5601", true, true},
    {"tcp://[::1]:5601", true, true},
    {"ipc:///run/postcall/ingress", true, true},
    {"ipc://@abstract", true, true},
    {"inproc://test", true, true},
    {"tcp://*:5601", true, false},
    {"tcp://0.0.0.0:5601", true, false},
    {"tcp://[::]:5601", true, false},
    {"tcp://[::ffff:127.0.0.1]:5601", true, false},
    {"tcp://10.0.0.7:5601", true, false},
    {"tcp://128.0.0.1:5601", true, false},
    {"tcp://127.1:5601", true, false},
    {"tcp://ingress:5601", true, false},
    {"tcp://localhost.evil.example:5601", true, false},
    {"tcp://127.0.0.1.evil.example:5601", true, false},
    {"tcp://" NAME_253 ":1", true, false},
    {"tcp://" NAME_253 "aaa:1", false, false},
    {"tcp://127.0.0.1:5601;10.0.0.7:5601", false, false},
    {"tcp://127.0.0.1;10.0.0.7:5601", false, false},
    {"tcp://127.0.0.1:0", false, false},
    {"tcp://127.0.0.1:65536", false, false},
    {"tcp://127.0.0.1:+80", false, false},
    {"tcp://127.0.0.1: 80", false, false},
    {"tcp://127.0.0.1:", false, false},
    {"tcp://127.0.0.1", false, false},
    {"tcp://:5601", false, false},
    {"tcp://[::1:5601", false, false},
    {"tcp://::1:5601", false, false},
    {"tcp://[localhost]:5601", false, false},
    {"tcp://a b:5601", false, false},
    {"ipc://", false, false},
    {"inproc://", false, false},
    {"udp://127.0.0.1:5601", false, false},
    {"127.0.0.1:5601", false, false},
    {"TCP://127.0.0.1:5601", false, false},
    {"", false, false},
};

static void endpoints_are_told_from_other_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        fault_t fault = {""};
        int expected = endpoints[i].good ? 0 : -1;
        if (address_check_endpoint(endpoints[i].endpoint, &fault) != expected)
            fail_msg("endpoint %s", endpoints[i].endpoint);
        assert_int_equal(expected == -1, strstr(fault.text, "tcp://HOST:PORT") != NULL);
    }
}

static void only_what_stays_on_the_machine_is_local(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        if (endpoints[i].good &&
            address_endpoint_is_local(endpoints[i].endpoint) != endpoints[i].local)
            fail_msg("endpoint %s", endpoints[i].endpoint);
    }
}

static const struct {
    const char *text;
    int family; /* 0: refused */
    const char *host;
    uint16_t port;
} listens[] = {
    {"0.0.0.0:3003", AF_INET, "0.0.0.0", 3003},
    {"127.0.0.1:0", AF_INET, "127.0.0.1", 0},
    {"localhost:65535", AF_INET, "127.0.0.1", 65535},
    {"[::]:3003", AF_INET6, "::", 3003},
    {"[::1]:1", AF_INET6, "::1", 1},
    {"[127.0.0.1]:1", 0, NULL, 0},
    {"::1:3003", 0, NULL, 0},
    {"example.com:3003", 0, NULL, 0},
    {"*:3003", 0, NULL, 0},
    {":3003", 0, NULL, 0},
    {"3003", 0, NULL, 0},
    {"127.0.0.1", 0, NULL, 0},
    {"127.0.0.1:65536", 0, NULL, 0},
    {"127.0.0.1:99999999999", 0, NULL, 0},
    {"127.0.0.1:-1", 0, NULL, 0},
    {"", 0, NULL, 0},
};

static void listen_addresses_are_numeric(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(listens) / sizeof(listens[0]); i++) {
        address_listen_t address = {.length = 0};
        fault_t fault;
        int parsed = address_parse_listen(listens[i].text, &address, &fault);
        if (parsed != (listens[i].family ? 0 : -1))
            fail_msg("listen address %s", listens[i].text);
        if (parsed)
            continue;
        char host[INET6_ADDRSTRLEN];
        bool v6 = listens[i].family == AF_INET6;
        const void *bytes = v6 ? (void *)&address.to.v6.sin6_addr : (void *)&address.to.v4.sin_addr;
        assert_int_equal(address.to.any.sa_family, listens[i].family);
        assert_string_equal(inet_ntop(listens[i].family, bytes, host, sizeof(host)),
                            listens[i].host);
        assert_int_equal(ntohs(v6 ? address.to.v6.sin6_port : address.to.v4.sin_port),
                         listens[i].port);
        assert_int_equal(address.length,
                         v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
    }
}

static const struct {
    const char *endpoint;
    const char *host; /* NULL: no name */
    const char *port;
} names[] = {
    {"tcp://ingress:5601", "ingress", "5601"},
    {"tcp://localhost:1", "localhost", "1"},
    {"tcp://a.b-c.example:65535", "a.b-c.example", "65535"},
    {"tcp://127.1:5601", "127.1", "5601"}, /* the system reads it as 127.0.0.1 */
    {"tcp://127.0.0.1:5601", NULL, NULL},
    {"tcp://[::1]:5601", NULL, NULL},
    {"tcp://*:5601", NULL, NULL},
    {"tcp://ingress:*", NULL, NULL},
    {"ipc:///run/postcall/ingress:1", NULL, NULL},
    {"inproc://ingress:1", NULL, NULL},
};

static void names_are_told_from_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        address_name_t name;
        if (address_endpoint_name(names[i].endpoint, &name) != (names[i].host != NULL))
            fail_msg("endpoint %s", names[i].endpoint);
        if (!names[i].host)
            continue;
        assert_string_equal(name.host, names[i].host);
        assert_string_equal(name.port, names[i].port);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints_are_told_from_other_texts),
        cmocka_unit_test(only_what_stays_on_the_machine_is_local),
        cmocka_unit_test(listen_addresses_are_numeric),
        cmocka_unit_test(names_are_told_from_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
