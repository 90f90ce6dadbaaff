/* cluster: a private PostgreSQL server for tests, in a temporary directory, on a Unix socket.
 *
 * The program must be installed (Debian: postgresql-15).  The server refuses to run as root, and
 * then becomes the user postgres.  It dies with the thread that started it, and so with the test.
 * A failure aborts: a test without its server cannot go on. */
#ifndef POSTCALL_TESTS_CLUSTER_H
#define POSTCALL_TESTS_CLUSTER_H

#include <stddef.h>

#define CLUSTER_URL_BYTES 256

typedef struct cluster_t cluster_t;

/* Makes a data directory and starts the server.  `configuration` is lines for postgresql.conf, or
 * NULL; without "fsync=on" nothing is synced. */
cluster_t *cluster_new(const char *configuration);
void cluster_destroy(cluster_t **self);

/* Starts a stopped server and waits until it takes connections. */
void cluster_start(cluster_t *self);

/* Stops the server: SIGINT (connections are broken off), SIGQUIT (as in a crash), SIGKILL. */
void cluster_stop(cluster_t *self, int signal_number);

/* Stops and continues every process of the server, so that it answers nothing meanwhile. */
void cluster_freeze(cluster_t *self);
void cluster_thaw(cluster_t *self);

/* The directory of the socket, and the connection string of a database as the superuser
 * `postgres`, whose password is never asked for. */
const char *cluster_socket_directory(const cluster_t *self);
void cluster_url(const cluster_t *self, const char *database, char url[CLUSTER_URL_BYTES]);

/* Runs SQL with psql and returns what it prints, unaligned and without the last newline; free it.
 * Aborts when a statement fails. */
char *cluster_query(cluster_t *self, const char *database, const char *sql);

/* As cluster_query, and forgets the answer. */
void cluster_run(cluster_t *self, const char *database, const char *sql);

/* As cluster_query, for an answer that is one whole number. */
long cluster_number(cluster_t *self, const char *database, const char *sql);

#endif
