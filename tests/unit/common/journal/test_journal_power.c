/* Power cuts.  This program stands between the journal and the C library for fsync and fdatasync,
 * and so knows what a disk must have kept: what was synced, and of the rest any part.  Before every
 * sync it makes images of what a power cut at that moment may leave, starts a journal from each,
 * and looks for everything that had been promised by then. */

#include "common/journal/dead_letters.h"
#include "common/journal/journal.h"

#include "tests/unit/support/journal_box.h"
#include "tests/unit/support/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define FILES_MAX   2048
#define ENTRIES_MAX 64
#define EVENTS_MAX  200
#define SECTOR      64 /* what a disk writes whole: smaller than real ones, so that more can tear */

/* What the disk must have. */

typedef struct {
    ino_t inode;
    char *bytes;
    size_t length;
} synced_file_t;

typedef struct {
    char name[NAME_MAX + 1];
    ino_t inode;
} entry_t;

typedef struct {
    entry_t entries[ENTRIES_MAX];
    size_t count;
} listing_t;

static const char *const directories[] = {"0", "0/segments", "0/bodies", "0/dead", "0/damaged"};

#define DIRECTORIES (sizeof(directories) / sizeof(directories[0]))

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static synced_file_t synced_files[FILES_MAX];
static size_t synced_count;
static listing_t synced_listings[DIRECTORIES];

/* What was promised, by event number. */
static bool stored[EVENTS_MAX];
static bool settling[EVENTS_MAX];
static bool resolved[EVENTS_MAX];
static bool buried[EVENTS_MAX];

static journal_box_t box;
static _Atomic bool cutting;  /* images are made before every sync */
static _Atomic bool refusing; /* the disk: what is written stays in the page cache */
static _Thread_local bool is_checking;
static size_t images;

static bool is_file(ino_t inode, size_t *place)
{
    for (*place = 0; *place < synced_count; ++*place) {
        if (synced_files[*place].inode == inode)
            return true;
    }
    return false;
}

static char *read_path(const char *path, size_t *length)
{
    char *bytes = scratch_read(path, length);
    if (!bytes)
        *length = 0;
    return bytes;
}

static void note_file(int fd, const struct stat *status)
{
    size_t place;
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (!is_file(status->st_ino, &place)) {
        place = synced_count++;
        if (place >= FILES_MAX)
            abort();
        synced_files[place].inode = status->st_ino;
    }
    free(synced_files[place].bytes);
    synced_files[place].bytes = read_path(path, &synced_files[place].length);
}

static void list(const char *path, listing_t *listing)
{
    DIR *stream = opendir(path);
    listing->count = 0;
    if (!stream)
        return;
    for (struct dirent *entry = readdir(stream); entry; entry = readdir(stream)) {
        if (entry->d_type != DT_REG)
            continue;
        if (listing->count == ENTRIES_MAX)
            abort();
        entry_t *added = &listing->entries[listing->count++];
        snprintf(added->name, sizeof(added->name), "%s", entry->d_name);
        added->inode = entry->d_ino;
    }
    closedir(stream);
}

static void note_directory(const struct stat *status)
{
    for (size_t i = 0; i < DIRECTORIES; i++) {
        struct stat other;
        char path[SCRATCH_PATH_BYTES];
        scratch_join(path, box.directory, directories[i]);
        if (stat(path, &other) == 0 && other.st_ino == status->st_ino)
            list(path, &synced_listings[i]);
    }
}

/* What a power cut may leave. */

typedef enum { LEFT_SYNCED, LEFT_ALL, LEFT_NAMES, LEFT_BYTES, LEFT_ANY, WAYS } left_t;

static uint64_t seed = 1;

/* The same in every run (Knuth's MMIX generator). */
static bool chance(left_t names_or_bytes, left_t left)
{
    if (left == LEFT_SYNCED || left == LEFT_ALL)
        return left == LEFT_ALL;
    if (left != LEFT_ANY)
        return left == names_or_bytes;
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return seed >> 63;
}

static void copy_sector(char *to, size_t to_length, const char *from, size_t from_length, size_t at)
{
    size_t some = to_length - at < SECTOR ? to_length - at : SECTOR;
    if (at >= from_length)
        return;
    if (some > from_length - at)
        some = from_length - at;
    memcpy(to + at, from + at, some);
}

/* Sector by sector what was synced, or what was written since. */
static void put_file(const char *path, const char *now_path, ino_t inode, left_t left)
{
    size_t place, now_length;
    struct stat status;
    bool was_synced = is_file(inode, &place);
    size_t length = was_synced ? synced_files[place].length : 0;
    char *now = NULL;
    if (stat(now_path, &status) == 0 && status.st_ino == inode)
        now = read_path(now_path, &now_length);
    if (!now) {
        scratch_write(path, was_synced ? synced_files[place].bytes : "", length);
        return;
    }
    if (now_length > length && chance(LEFT_BYTES, left))
        length = now_length;
    char *mixed = calloc(1, length + 1);
    for (size_t at = 0; at < length; at += SECTOR) {
        if (chance(LEFT_BYTES, left))
            copy_sector(mixed, length, now, now_length, at);
        else if (was_synced)
            copy_sector(mixed, length, synced_files[place].bytes, synced_files[place].length, at);
    }
    scratch_write(path, mixed, length);
    free(mixed);
    free(now);
}

static const entry_t *find_name(const listing_t *listing, const char *name)
{
    for (size_t i = 0; i < listing->count; i++) {
        if (strcmp(listing->entries[i].name, name) == 0)
            return &listing->entries[i];
    }
    return NULL;
}

static void put_entry(const char *image, const char *directory, const char *name, ino_t inode,
                      left_t left)
{
    char below[SCRATCH_PATH_BYTES], path[SCRATCH_PATH_BYTES], now_path[SCRATCH_PATH_BYTES];
    scratch_join(below, image, directory);
    scratch_join(path, below, name);
    scratch_join(below, box.directory, directory);
    scratch_join(now_path, below, name);
    put_file(path, now_path, inode, left);
}

/* Name by name what was synced, or what the directory has now. */
static void put_directory(const char *image, size_t directory, left_t left)
{
    char path[SCRATCH_PATH_BYTES];
    listing_t *now = malloc(sizeof(*now));
    const listing_t *then = &synced_listings[directory];
    scratch_join(path, image, directories[directory]);
    if (mkdir(path, 0700) != 0)
        abort();
    scratch_join(path, box.directory, directories[directory]);
    list(path, now);
    for (size_t i = 0; i < now->count; i++) {
        const entry_t *entry = &now->entries[i], *old = find_name(then, entry->name);
        if (chance(LEFT_NAMES, left))
            put_entry(image, directories[directory], entry->name, entry->inode, left);
        else if (old)
            put_entry(image, directories[directory], old->name, old->inode, left);
    }
    for (size_t i = 0; i < then->count; i++) {
        const entry_t *entry = &then->entries[i];
        if (!find_name(now, entry->name) && !chance(LEFT_NAMES, left))
            put_entry(image, directories[directory], entry->name, entry->inode, left);
    }
    free(now);
}

/* What must be there. */

static int count_letter(void *context, const char *name, const dead_letter_t *letter)
{
    bool *found = context;
    (void)name;
    found[(uint8_t)letter->letter.event_id.bytes[0]] = true;
    return 0;
}

static void must(bool holds, const char *what, uint64_t number, left_t left)
{
    if (holds)
        return;
    fprintf(stderr, "image %zu (%d): event %llu: %s\n", images, (int)left,
            (unsigned long long)number, what);
    abort();
}

static void check_image(const char *image, left_t left)
{
    journal_box_t left_box = box;
    journal_event_t event;
    bool seen[EVENTS_MAX] = {false}, letters[256] = {false};
    uint64_t damaged = 0;
    snprintf(left_box.directory, sizeof(left_box.directory), "%s", image);
    journal_box_open(&left_box);
    journal_cursor_t *cursor = journal_cursor_new(left_box.journal);
    journal_cursor_seek(cursor, (journal_position_t){0, 0});
    while (journal_read(cursor, &event, NULL) == 1) {
        uint64_t number = journal_box_number(&event.event);
        must(!seen[number], "there twice", number, left);
        seen[number] = true;
        must(!event.settled || settling[number], "settled by nobody", number, left);
        char *body = journal_body_read(left_box.journal, &event, 0, NULL);
        must(body || settling[number], "without its body", number, left);
        free(body);
        disk_resolution_t resolution;
        if (resolved[number])
            must(journal_event_resolution(left_box.journal, &event, &resolution, NULL) == 1 &&
                     wire_equals(resolution.business_id, "B"),
                 "without its resolution", number, left);
    }
    journal_cursor_destroy(&cursor);
    must(dead_letters_each(journal_slot_directory(left_box.journal), count_letter, letters,
                           &damaged, NULL) == 0,
         "unreadable letters", 0, left);
    for (uint64_t number = 0; number < EVENTS_MAX; number++) {
        must(!stored[number] || settling[number] || seen[number], "lost", number, left);
        must(!buried[number] || letters[number], "without its letter", number, left);
    }
    journal_box_close(&left_box);
}

static void cut_power(void)
{
    is_checking = true;
    for (left_t left = LEFT_SYNCED; left < WAYS + 2; left++) { /* any twice more */
        char image[SCRATCH_PATH_BYTES];
        images++;
        scratch_new(image);
        for (size_t i = 0; i < DIRECTORIES; i++)
            put_directory(image, i, left < WAYS ? left : LEFT_ANY);
        check_image(image, left);
        scratch_remove(image);
    }
    is_checking = false;
}

static int sync_noted(int fd, long call)
{
    struct stat status;
    /* Threads of a journal that checks an image have no flag of their own: they are told by their
     * files, which are not in the box. */
    char path[64], target[PATH_MAX] = "";
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ssize_t length = readlink(path, target, sizeof(target) - 1);
    bool ours = length > 0 && box.directory[0] &&
                strncmp(target, box.directory, strlen(box.directory)) == 0;
    if (is_checking || !ours)
        return (int)syscall(call, fd);
    if (atomic_load(&refusing)) {
        errno = EIO;
        return -1;
    }
    pthread_mutex_lock(&lock);
    if (atomic_load(&cutting))
        cut_power();
    int result = (int)syscall(call, fd);
    if (fstat(fd, &status) != 0)
        abort();
    if (S_ISDIR(status.st_mode))
        note_directory(&status);
    else
        note_file(fd, &status);
    pthread_mutex_unlock(&lock);
    return result;
}

int fdatasync(int fd)
{
    return sync_noted(fd, SYS_fdatasync);
}

int fsync(int fd)
{
    return sync_noted(fd, SYS_fsync);
}

/* The life that is cut. */

static void promise(bool *promises, uint64_t number)
{
    pthread_mutex_lock(&lock);
    promises[number] = true;
    pthread_mutex_unlock(&lock);
}

static void store(uint64_t number, size_t body_bytes, bool spilled)
{
    journal_box_event_t *event = malloc(sizeof(*event));
    journal_body_t *body = NULL;
    journal_box_event(event, number, body_bytes);
    if (spilled) {
        body = journal_body_new(box.journal, NULL);
        assert_int_equal(journal_body_write(body, event->body, event->body_bytes), 0);
        event->event.body_file = wire_view(journal_body_keep(body, NULL));
    }
    assert_int_equal(journal_box_append_event(&box, event), JOURNAL_STORED);
    promise(stored, number);
    journal_body_destroy(&body, false);
    free(event);
}

static void bury(const journal_event_t *event, uint64_t number)
{
    size_t length;
    char *record = journal_record_read(box.journal, event->position, &length, NULL);
    char id[16] = {(char)number};
    const dead_letter_t letter = {.letter = {.event_id = {id, 16},
                                             .sequence = event->sequence,
                                             .reason = WIRE_VIEW("rejected"),
                                             .at_us = 1},
                                  .event_record = record,
                                  .event_record_bytes = length};
    assert_int_equal(dead_letters_put(journal_slot_directory(box.journal), &letter, 1, NULL), 0);
    promise(buried, number);
    free(record);
}

static void deliver(uint64_t number)
{
    journal_event_t event;
    assert_true(journal_box_find(&box, number, &event));
    if (number % 3 == 0) {
        journal_box_resolve(&box, &event, number, "B", NULL);
        promise(resolved, number);
    }
    if (number % 5 == 0)
        bury(&event, number);
    promise(settling, number);
    journal_box_settle(&box, &event, JOURNAL_SINKS_MAX);
}

/* Two processes whose last words went no further than the page cache; nobody was told of them.  The
 * next process finds the words, and from then on stands by them. */

static void store_in_vain(uint64_t number)
{
    journal_box_open(&box);
    store(number, 100, false); /* begins the segment */
    atomic_store(&refusing, true);
    assert_int_equal(journal_box_append(&box, number + 1, 200), JOURNAL_DEAD);
    journal_box_close(&box);
    atomic_store(&refusing, false);

    journal_box_open(&box);
    assert_int_equal(journal_box_append(&box, number + 1, 200), JOURNAL_DUPLICATE);
    promise(stored, number + 1);
    store(number + 2, 100, false);
    journal_box_close(&box);
}

static void resolve_in_vain(uint64_t number)
{
    journal_event_t event;
    journal_figures_t figures;
    disk_resolution_t final;
    journal_box_open(&box);
    assert_true(journal_box_find(&box, number, &event));
    atomic_store(&refusing, true);
    const disk_resolution_t resolution = {.sequence = event.sequence,
                                          .event_id = {"0123456789abcdef", 16},
                                          .provider = WIRE_VIEW("elevenlabs"),
                                          .conversation_id = WIRE_VIEW("conv-in-vain"),
                                          .business_id = WIRE_VIEW("B")};
    assert_int_equal(journal_resolve(box.journal, event.position, &resolution, &final, 1, NULL), 0);
    do {
        usleep(1000);
        journal_figures(box.journal, &figures);
    } while (!figures.dead);
    journal_box_close(&box);
    atomic_store(&refusing, false);

    journal_box_open(&box);
    assert_int_equal(journal_resolution_find(box.journal, resolution.provider,
                                             resolution.conversation_id, &final, NULL),
                     1);
    promise(resolved, number);
    store(number + 3, 100, false);
    journal_box_close(&box);
}

static void live(uint64_t from, uint64_t to)
{
    journal_box_open(&box);
    for (uint64_t number = from; number < to; number++) {
        store(number, 200, number % 4 == 0);
        if (number > from + 2)
            deliver(number - 2);
    }
    for (int turn = 0; turn < 10; turn++) {
        journal_housekeep(box.journal, (journal_position_t){UINT64_MAX, 0});
        usleep(2000);
    }
    journal_box_close(&box);
}

static void no_power_cut_breaks_a_promise(void **state)
{
    (void)state;
    setenv("TMPDIR", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", 1);
    journal_box_make(&box);
    box.options.segment_bytes = 1000;
    box.options.retention_ms = 0;
    journal_box_open(&box); /* a slot that was there before */
    journal_box_close(&box);
    for (size_t i = 0; i < DIRECTORIES; i++) {
        char path[SCRATCH_PATH_BYTES];
        list(scratch_join(path, box.directory, directories[i]), &synced_listings[i]);
    }
    atomic_store(&cutting, true);
    live(1, 12);
    store_in_vain(12);
    resolve_in_vain(12);
    live(16, 26);
    live(26, 29);
    atomic_store(&cutting, false);
    assert_true(images > 300);
    for (size_t i = 0; i < synced_count; i++)
        free(synced_files[i].bytes);
    journal_box_remove(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_power_cut_breaks_a_promise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
