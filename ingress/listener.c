#include "ingress/listener.h"

#include "common/base/address.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

/* 0, or an errno. */
static int prepare(int fd, const address_listen_t *address)
{
    static const int on = 1, off = 0;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
        return errno;
    bool v6 = address->to.any.sa_family == AF_INET6;
    if (v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) != 0)
        return errno;
    if (bind(fd, &address->to.any, address->length) != 0 || listen(fd, SOMAXCONN) != 0)
        return errno;
    return 0;
}

int listener_open(const char *address, fault_t *fault)
{
    address_listen_t parsed;
    if (address_parse_listen(address, &parsed, fault) != 0)
        return -1;
    int fd = socket(parsed.to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fault_set_errno(fault, errno, "cannot open a socket");
    int error = prepare(fd, &parsed);
    if (error == 0)
        return fd;
    close(fd);
    return fault_set_errno(fault, error, "INGRESS_LISTEN: cannot listen on %s", address);
}

int listener_adopt(int fd, fault_t *fault)
{
    int listens = 0;
    socklen_t length = sizeof(listens);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) != 0)
        return fault_set_errno(fault, errno, "descriptor %d", fd);
    if (!listens)
        return fault_set(fault, "descriptor %d is no listening socket", fd);
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return fault_set_errno(fault, errno, "descriptor %d", fd);
    return 0;
}

uint16_t listener_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } name = {.any = {.sa_family = AF_UNSPEC}};
    socklen_t length = sizeof(name);
    if (getsockname(fd, &name.any, &length) != 0)
        return 0;
    if (name.any.sa_family == AF_INET)
        return ntohs(name.v4.sin_port);
    return name.any.sa_family == AF_INET6 ? ntohs(name.v6.sin6_port) : 0;
}
