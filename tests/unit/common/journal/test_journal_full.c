#include "common/journal/journal.h"

#include "tests/unit/support/fake_clock.h"
#include "tests/unit/support/journal_box.h"
#include "tests/unit/support/scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* A real file system that is really full. */
static void a_full_disk_is_survived_and_used_again(void **state)
{
    (void)state;
    journal_box_t box;
    char ballast[1024];
    journal_figures_t figures;
    journal_event_t event;
    journal_box_make(&box);
    if (!scratch_mount(box.directory, "tmpfs", "size=2m")) {
        journal_box_remove(&box);
        print_message("this process may not mount a file system: ");
        skip();
    }
    box.options.segment_bytes = 300000;
    snprintf(ballast, sizeof(ballast), "%s", journal_box_path(&box, "ballast"));
    int fd = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(posix_fallocate(fd, 0, 1 << 20), 0);
    close(fd);
    journal_box_open(&box);
    uint64_t stored = 0;
    fake_clock_stop();
    while (journal_box_append(&box, stored + 1, 5000) == JOURNAL_STORED)
        stored++;
    assert_in_range(stored, 100, 230);
    assert_false(journal_can_store(box.journal));
    fake_clock_run();
    journal_figures(box.journal, &figures);
    assert_false(figures.dead);
    assert_int_equal(journal_box_append(&box, stored, 5000), JOURNAL_DUPLICATE);
    assert_int_equal(journal_box_read(&box, 0, NULL, 0), stored);

    journal_box_close(&box);
    journal_box_open(&box);
    assert_int_equal(box.found.events, stored);
    assert_int_equal(journal_box_append(&box, stored + 1, 5000), JOURNAL_FULL);
    assert_int_equal(unlink(ballast), 0);
    assert_int_equal(journal_box_append(&box, stored + 1, 5000), JOURNAL_STORED);
    assert_true(journal_box_find(&box, stored + 1, &event));
    assert_int_equal(journal_box_read(&box, 0, NULL, 0), stored + 1);
    journal_box_close(&box);
    scratch_remove(box.directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_is_survived_and_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
