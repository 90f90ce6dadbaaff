/* temporary: files that a test writes and unlinks itself. */
#ifndef POSTCALL_TESTS_TEMPORARY_H
#define POSTCALL_TESTS_TEMPORARY_H

#define TEMPORARY_PATH_BYTES 64

/* Makes a file with this text; aborts when it cannot. */
void temporary_file(const char *text, char path[TEMPORARY_PATH_BYTES]);

#endif
