#include "common/link/curve.h"

#include "common/link/curve_guard.h"
#include "common/link/curve_keys.h"

#include <stdlib.h>
#include <string.h>
#include <zmq.h>

/* Without an answer from our guard nobody is let in; the header of libzmq 4.3.4 hides the option as
 * a draft, the library has it. */
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

struct curve_t {
    char *directory;
    char *name;
    curve_guard_t *guard;
};

curve_t *curve_open(const char *directory, const char *name, metrics_t *metrics, fault_t *fault)
{
    curve_pair_t pair;
    if (!zmq_has("curve")) {
        fault_set(fault, "this libzmq cannot encrypt");
        return NULL;
    }
    if (curve_keys_read_pair(directory, name, &pair, fault) != 0)
        return NULL; /* read again for each socket: here it is asked only whether it would do */
    explicit_bzero(&pair, sizeof(pair));
    curve_t *self = calloc(1, sizeof(*self));
    if (self) {
        self->directory = strdup(directory);
        self->name = strdup(name);
    }
    if (!self || !self->directory || !self->name)
        fault_set(fault, "out of memory");
    else
        self->guard = curve_guard_new(self->directory, self->name, metrics, fault);
    if (self && !self->guard)
        curve_close(&self);
    return self;
}

void curve_close(curve_t **self_p)
{
    curve_t *self = *self_p;
    if (!self)
        return;
    curve_guard_destroy(&self->guard);
    free(self->directory);
    free(self->name);
    free(self);
    *self_p = NULL;
}

static int refused_option(fault_t *fault)
{
    return fault_set(fault, "libzmq refuses a key: %s", zmq_strerror(zmq_errno()));
}

int curve_guard_socket(const curve_link_t *link, void *socket, fault_t *fault)
{
    const curve_t *self = link->curve;
    const int yes = 1;
    curve_pair_t pair;
    /* Before the keys: a socket with keys and nobody to ask lets everybody in. */
    if (curve_guard_serve(self->guard, fault) != 0 ||
        curve_keys_read_pair(self->directory, self->name, &pair, fault) != 0)
        return -1;
    int status = zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &yes, sizeof(yes));
    if (status == 0)
        status =
            zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, pair.secret_key, sizeof(pair.secret_key));
    if (status == 0)
        status = zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, link->peer, strlen(link->peer));
    if (status == 0)
        status = zmq_setsockopt(socket, ZMQ_ZAP_ENFORCE_DOMAIN, &yes, sizeof(yes));
    explicit_bzero(&pair, sizeof(pair));
    if (status != 0)
        return refused_option(fault);
    curve_guard_watch(self->guard, socket, true);
    return 0;
}

int curve_pin_socket(const curve_link_t *link, void *socket, fault_t *fault)
{
    const curve_t *self = link->curve;
    curve_keys_t keys;
    curve_pair_t pair;
    if (curve_keys_read_public(self->directory, CURVE_SOURCES, link->peer, &keys, fault) != 0)
        return -1;
    if (keys.count == 0)
        return fault_set(fault, "%s/%s/%s holds no public key", self->directory, CURVE_SOURCES,
                         link->peer);
    if (curve_keys_read_pair(self->directory, self->name, &pair, fault) != 0)
        return -1;
    const uint8_t *theirs = keys.keys[link->attempt % keys.count];
    int status = zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, theirs, CURVE_KEY_BYTES);
    if (status == 0)
        status =
            zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, pair.public_key, sizeof(pair.public_key));
    if (status == 0)
        status =
            zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, pair.secret_key, sizeof(pair.secret_key));
    explicit_bzero(&pair, sizeof(pair));
    if (status != 0)
        return refused_option(fault);
    curve_guard_watch(self->guard, socket, false);
    return 0;
}

void curve_release_socket(void *socket)
{
    curve_guard_unwatch(socket);
}
