#include "common/daemon/service.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define STATUS_BYTES 256

/* A path, or an abstract name that is written with @ for its zero byte (sd_notify(3)). */
static int connect_to(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || length >= sizeof(address.sun_path))
        return -1;
    memcpy(address.sun_path, name, length);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, bytes) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Half of what sd_watchdog_enabled(3) allows; 0 when there is no watchdog for this process. */
static int64_t watchdog_interval_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    if (!usec || (pid && strtol(pid, NULL, 10) != getpid()))
        return 0;
    return strtoll(usec, NULL, 10) / 2000;
}

void service_open(service_t *self)
{
    const char *name = getenv("NOTIFY_SOCKET");
    *self = (service_t){.fd = name ? connect_to(name) : -1};
    if (self->fd >= 0)
        self->watchdog_interval_ms = watchdog_interval_ms();
}

void service_close(service_t *self)
{
    if (self->fd >= 0)
        close(self->fd);
    self->fd = -1;
}

/* What cannot be said now is left: the daemon must not wait for its manager. */
static void tell(const service_t *self, const char *text)
{
    if (self->fd >= 0)
        (void)send(self->fd, text, strlen(text), MSG_NOSIGNAL);
}

void service_ready(service_t *self)
{
    tell(self, "READY=1");
}

void service_status(service_t *self, const char *text)
{
    char line[STATUS_BYTES];
    int length = snprintf(line, sizeof(line), "STATUS=%s", text);
    for (int i = 0; i < length && line[i]; i++) {
        if (line[i] == '\n')
            line[i] = ' ';
    }
    tell(self, line);
}

void service_turn(service_t *self, int64_t now_ms, bool stopping)
{
    if (self->fd < 0)
        return;
    if (stopping && !self->stopping)
        tell(self, "STOPPING=1");
    self->stopping = stopping;
    if (self->watchdog_interval_ms > 0 && now_ms >= self->next_sign_ms) {
        tell(self, "WATCHDOG=1");
        self->next_sign_ms = now_ms + self->watchdog_interval_ms;
    }
}
