#include "tests/unit/support/cluster.h"

#include <assert.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/support/child.h"
#include "tests/unit/support/scratch.h"

#define PATH_BYTES          96
#define DIRECTORY_BYTES_MAX 76
#define ANSWER_BYTES        (1024u * 1024)
#define START_TRIES         12000 /* of 10 ms */

struct cluster_t {
    char programs[PATH_BYTES]; /* where initdb and postgres are */
    char directory[PATH_BYTES];
    char files[PATH_BYTES]; /* the data directory, under `directory` */
    char log[PATH_BYTES];
    pid_t server; /* 0: stopped */
};

/* Becomes the user postgres where the test runs as root. */
static void leave_root(void)
{
    const struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : NULL;
    if (user && (initgroups("postgres", user->pw_gid) != 0 || setgid(user->pw_gid) != 0 ||
                 setuid(user->pw_uid) != 0))
        _exit(126);
}

/* Starts a program whose output goes to the descriptor `output`.  The program ends with this
 * process, whatever ends it. */
static pid_t start_program(const char *const arguments[], int output)
{
    pid_t pid = child_fork(SIGKILL);
    if (pid == 0) {
        leave_root();
        prctl(PR_SET_PDEATHSIG, SIGQUIT); /* again: who changes the user is not watched any more */
        dup2(output, STDOUT_FILENO);
        dup2(output, STDERR_FILENO);
        execv(arguments[0], (char *const *)arguments);
        _exit(127);
    }
    return pid;
}

static int wait_for(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        ;
    return status;
}

static int open_log(const cluster_t *self)
{
    int log = open(self->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    assert(log >= 0);
    return log;
}

/* Runs a program to its end, which must be a good one. */
static void run_program(const cluster_t *self, const char *const arguments[])
{
    int log = open_log(self);
    int status = wait_for(start_program(arguments, log));
    close(log);
    if (status != 0)
        fprintf(stderr, "%s failed, see %s\n", arguments[0], self->log);
    assert(status == 0);
}

static void find_programs(cluster_t *self)
{
    glob_t found;
    int status = glob("/usr/lib/postgresql/*/bin", 0, NULL, &found);
    assert(status == 0 && "PostgreSQL is installed");
    snprintf(self->programs, PATH_BYTES, "%s", found.gl_pathv[found.gl_pathc - 1]);
    globfree(&found);
}

static void make_directory(cluster_t *self)
{
    char directory[SCRATCH_PATH_BYTES];
    scratch_new(directory);
    assert(strlen(directory) < DIRECTORY_BYTES_MAX && "a socket has room there: unix(7)");
    strcpy(self->directory, directory);
    const struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : NULL;
    if (user) {
        int status = chown(self->directory, user->pw_uid, user->pw_gid);
        assert(status == 0);
    }
    snprintf(self->files, PATH_BYTES, "%.75s/files", self->directory);
    snprintf(self->log, PATH_BYTES, "%.75s/log", self->directory);
}

static void configure(const cluster_t *self, const char *configuration)
{
    char path[PATH_BYTES + 32];
    snprintf(path, sizeof(path), "%s/postgresql.conf", self->files);
    FILE *file = fopen(path, "a");
    assert(file);
    fprintf(file, "listen_addresses=''\nunix_socket_directories='%s'\nfsync=off\n",
            self->directory);
    fprintf(file, "shared_buffers=64MB\nmax_wal_size=4GB\n%s\n",
            configuration ? configuration : "");
    fclose(file);
}

cluster_t *cluster_new(const char *configuration)
{
    cluster_t *self = calloc(1, sizeof(*self));
    assert(self);
    find_programs(self);
    make_directory(self);
    char initdb[PATH_BYTES + 16];
    snprintf(initdb, sizeof(initdb), "%s/initdb", self->programs);
    run_program(self,
                (const char *const[]){initdb, "-D", self->files, "-U", "postgres", "-A", "trust",
                                      "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", NULL});
    configure(self, configuration);
    cluster_start(self);
    return self;
}

/* True when the server has written into its lock file that it takes connections. */
static int is_ready(const cluster_t *self)
{
    char path[PATH_BYTES + 32], text[512] = "";
    snprintf(path, sizeof(path), "%s/postmaster.pid", self->files);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    size_t length = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[length] = '\0';
    return atoi(text) == self->server && strstr(text, "ready") != NULL;
}

static void launch(cluster_t *self)
{
    char server[PATH_BYTES + 16];
    snprintf(server, sizeof(server), "%s/postgres", self->programs);
    int log = open_log(self);
    self->server = start_program((const char *const[]){server, "-D", self->files, NULL}, log);
    close(log);
}

void cluster_start(cluster_t *self)
{
    assert(self->server == 0);
    launch(self);
    for (int tries = 0; !is_ready(self); tries++) {
        assert(tries < START_TRIES && "the server starts");
        usleep(10000);
        /* After a SIGKILL it leaves at once while children of the one before still run. */
        if (waitpid(self->server, NULL, WNOHANG) == self->server)
            launch(self);
    }
}

/* Sends a signal to every child of the server. */
static void signal_children(const cluster_t *self, int signal_number)
{
    char path[64], text[4096] = "";
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", self->server, self->server);
    FILE *file = fopen(path, "r");
    assert(file);
    size_t length = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[length] = '\0';
    char *at = text;
    for (long child = strtol(at, &at, 10); child > 0; child = strtol(at, &at, 10))
        kill((pid_t)child, signal_number);
}

void cluster_freeze(cluster_t *self)
{
    kill(self->server, SIGSTOP);
    signal_children(self, SIGSTOP);
}

void cluster_thaw(cluster_t *self)
{
    kill(self->server, SIGCONT);
    signal_children(self, SIGCONT);
}

void cluster_stop(cluster_t *self, int signal_number)
{
    assert(self->server != 0);
    kill(self->server, signal_number);
    wait_for(self->server);
    self->server = 0;
}

void cluster_destroy(cluster_t **self_pointer)
{
    cluster_t *self = *self_pointer;
    if (!self)
        return;
    if (self->server)
        cluster_stop(self, SIGINT);
    scratch_remove(self->directory);
    free(self);
    *self_pointer = NULL;
}

const char *cluster_socket_directory(const cluster_t *self)
{
    return self->directory;
}

void cluster_url(const cluster_t *self, const char *database, char url[CLUSTER_URL_BYTES])
{
    snprintf(url, CLUSTER_URL_BYTES, "host=%s user=postgres dbname=%s", self->directory, database);
}

char *cluster_query(cluster_t *self, const char *database, const char *sql)
{
    char url[CLUSTER_URL_BYTES], psql[PATH_BYTES + 16];
    cluster_url(self, database, url);
    snprintf(psql, sizeof(psql), "%s/psql", self->programs);
    int ends[2];
    int status = pipe2(ends, O_CLOEXEC);
    assert(status == 0);
    pid_t pid = start_program((const char *const[]){psql, "-X", "-q", "-A", "-t", "-v",
                                                    "ON_ERROR_STOP=1", "-d", url, "-c", sql, NULL},
                              ends[1]);
    close(ends[1]);
    char *answer = malloc(ANSWER_BYTES);
    assert(answer);
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], answer + length, ANSWER_BYTES - 1 - length)) > 0)
        length += (size_t)got;
    close(ends[0]);
    answer[length] = '\0';
    status = wait_for(pid);
    if (status != 0)
        fprintf(stderr, "psql: %s\n", answer);
    assert(status == 0);
    if (length > 0)
        answer[length - 1] = '\0';
    return answer;
}

void cluster_run(cluster_t *self, const char *database, const char *sql)
{
    free(cluster_query(self, database, sql));
}

long cluster_number(cluster_t *self, const char *database, const char *sql)
{
    char *answer = cluster_query(self, database, sql);
    char *end;
    long number = strtol(answer, &end, 10);
    assert(end != answer && *end == '\0');
    free(answer);
    return number;
}
