#include "tests/unit/support/child.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

pid_t child_fork(int death_signal)
{
    pid_t parent = getpid(), child = fork();
    assert(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, death_signal);
        if (getppid() != parent)
            _exit(126); /* it ended before it could be watched */
    }
    return child;
}

pid_t child_start(const char *const arguments[], int output)
{
    pid_t child = child_fork(SIGKILL);
    if (child == 0) {
        int nowhere = open("/dev/null", O_RDWR);
        dup2(nowhere, STDIN_FILENO);
        dup2(output >= 0 ? output : nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
        execvp(arguments[0], (char *const *)arguments);
        _exit(127);
    }
    return child;
}
