/* child: processes that end with the test that started them, even when it is killed. */
#ifndef POSTCALL_TESTS_CHILD_H
#define POSTCALL_TESTS_CHILD_H

#include <sys/types.h>

/* As fork, but never fails: it aborts.  The child gets `death_signal` when the thread that called
 * this ends (PR_SET_PDEATHSIG of prctl(2)). */
pid_t child_fork(int death_signal);

/* Starts a program, found by PATH, that is killed with the test.  Its output goes to the descriptor
 * `output`, or nowhere when that is -1; what it says of errors goes nowhere. */
pid_t child_start(const char *const arguments[], int output);

#endif
