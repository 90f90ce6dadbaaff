#include "common/journal/journal_scan.h"

#include "common/base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define SEGMENT_ID 0x1122334455667788u

/* A record in the making, as it stands on disk. */
static size_t frame(uint64_t segment_id, uint64_t sequence, const char *header, const char *body,
                    char *out)
{
    journal_record_t record = {.kind = DISK_EVENT,
                               .segment_id = segment_id,
                               .sequence = sequence,
                               .header = header,
                               .header_bytes = strlen(header),
                               .body = body,
                               .body_bytes = strlen(body)};
    size_t length = journal_record_bytes(record.header_bytes, record.body_bytes);
    memset(out, 0, length);
    journal_record_frame(&record, (uint8_t *)out);
    memcpy(out + JOURNAL_FRAME_BYTES, header, record.header_bytes);
    memcpy(out + JOURNAL_FRAME_BYTES + record.header_bytes, body, record.body_bytes);
    return length;
}

static void a_record_is_laid_out_as_documented(void **state)
{
    (void)state;
    char bytes[64];
    assert_int_equal(frame(SEGMENT_ID, 7, "head", "body!", bytes), 56);
    assert_memory_equal(bytes, "PCRC", 4);
    assert_memory_equal(bytes + 8, "\x88\x77\x66\x55\x44\x33\x22\x11", 8);
    assert_memory_equal(bytes + 16, "\7\0\0\0\0\0\0\0", 8);
    assert_memory_equal(bytes + 24, "\1\0\0\0\4\0\0\0\5\0\0\0\0\0\0\0", 16);
    assert_memory_equal(bytes + 40, "headbody!\0\0\0\0\0\0\0", 16);
    uint32_t crc = crc32c_update(0, bytes + 8, 48);
    const uint8_t expected[] = {(uint8_t)crc, (uint8_t)(crc >> 8), (uint8_t)(crc >> 16),
                                (uint8_t)(crc >> 24)};
    assert_memory_equal(bytes + 4, expected, 4);
}

static void a_file_header_comes_back_unless_a_bit_is_wrong(void **state)
{
    (void)state;
    uint8_t bytes[JOURNAL_FILE_HEADER_BYTES];
    journal_file_header_t read;
    const journal_file_header_t header = {JOURNAL_FILE_SEGMENT, 1, 2, 3, 4, 5};
    journal_file_header_write(&header, bytes);
    assert_memory_equal(bytes, "POSTCALL\1\0\0\0\1\0\0\0", 16);
    assert_int_equal(journal_file_header_read(bytes, &read), 0);
    uint8_t again[JOURNAL_FILE_HEADER_BYTES];
    journal_file_header_write(&read, again);
    assert_memory_equal(again, bytes, sizeof(bytes));
    assert_int_equal(read.created_us, 5);
    for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(journal_file_header_read(bytes, &read), -1);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void any_wrong_bit_of_a_record_is_noticed(void **state)
{
    (void)state;
    uint8_t bytes[64];
    journal_record_t record;
    size_t length = frame(SEGMENT_ID, 7, "head", "body!", (char *)bytes);
    for (size_t bit = 0; bit < 8 * length; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        size_t claim = journal_record_claim(bytes, SEGMENT_ID);
        assert_true(claim == 0 || claim != length ||
                    journal_record_check(bytes, length, &record) != 0);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(journal_record_check(bytes, length, &record), 0);
}

static void claims_are_bounded(void **state)
{
    (void)state;
    uint8_t bytes[64], good[64];
    (void)frame(SEGMENT_ID, 7, "head", "body!", (char *)good);
    memcpy(bytes, good, sizeof(bytes));
    memset(bytes + 28, 0xff, 4);
    assert_int_equal(journal_record_claim(bytes, SEGMENT_ID), 0);
    memcpy(bytes, good, sizeof(bytes));
    memset(bytes + 32, 0xff, 8);
    assert_int_equal(journal_record_claim(bytes, SEGMENT_ID), 0);
    assert_int_equal(journal_record_claim(good, SEGMENT_ID + 1), 0);
    assert_int_equal(journal_record_claim(good, JOURNAL_ANY_SEGMENT), 56);
}

/* A file in memory that is put together piece by piece. */
typedef struct {
    int fd;
    uint64_t bytes;
} made_t;

static void add(made_t *made, const void *bytes, size_t length)
{
    assert_int_equal(pwrite(made->fd, bytes, length, (off_t)made->bytes), length);
    made->bytes += length;
}

static void add_record(made_t *made, uint64_t segment_id, uint64_t sequence, size_t body_bytes)
{
    char *body = calloc(1, body_bytes + 1);
    char *framed = malloc(body_bytes + 128);
    memset(body, 'b', body_bytes);
    add(made, framed, frame(segment_id, sequence, "h", body, framed));
    free(framed);
    free(body);
}

/* Scans it all, and checks the sequences that are found and the damage on the way. */
static void assert_scan(made_t *made, uint64_t segment_id, const uint64_t *sequences, size_t count,
                        uint64_t damaged_bytes)
{
    journal_scan_t scan = {0};
    journal_record_t record;
    journal_damage_t damage;
    uint64_t damaged = 0;
    journal_scan_start(&scan, made->fd, segment_id, 0, made->bytes);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(journal_scan_next(&scan, &record, &damage, NULL), 1);
        assert_int_equal(record.sequence, sequences[i]);
        damaged += damage.bytes;
    }
    assert_int_equal(journal_scan_next(&scan, &record, &damage, NULL), 0);
    assert_int_equal(damaged + damage.bytes, damaged_bytes);
    assert_int_equal(journal_scan_next(&scan, &record, &damage, NULL), 0);
    journal_scan_free(&scan);
    close(made->fd);
}

static made_t made_new(void)
{
    made_t made = {.fd = memfd_create("scan", 0)};
    assert_true(made.fd >= 0);
    return made;
}

static void records_of_all_sizes_are_read(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 7, 8, 16000, 262143, 262144, 3000000, 5, 900000, 100};
    uint64_t sequences[sizeof(sizes) / sizeof(sizes[0])];
    made_t made = made_new();
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        add_record(&made, SEGMENT_ID, i, sizes[i]);
        sequences[i] = i;
    }
    assert_scan(&made, SEGMENT_ID, sequences, sizeof(sizes) / sizeof(sizes[0]), 0);
}

static void reading_goes_on_behind_damage(void **state)
{
    (void)state;
    static const uint64_t found[] = {1, 2, 3};
    char noise[400064];
    memset(noise, 'P', sizeof(noise));
    made_t made = made_new();
    add(&made, noise, 24);
    add_record(&made, SEGMENT_ID, 1, 50);
    add(&made, noise, sizeof(noise));
    add_record(&made, SEGMENT_ID, 2, 50);
    add_record(&made, SEGMENT_ID + 1, 9, 3); /* of another segment: a stale block */
    add_record(&made, SEGMENT_ID, 3, 50);
    add(&made, noise, 100);
    uint64_t stale = journal_record_bytes(1, 3);
    assert_scan(&made, SEGMENT_ID, found, 3, 24 + sizeof(noise) + stale + 100);
}

static void a_length_that_lies_costs_its_own_record(void **state)
{
    (void)state;
    static const uint64_t found[] = {1, 3};
    char framed[128];
    made_t made = made_new();
    add_record(&made, SEGMENT_ID, 1, 50);
    size_t length = frame(SEGMENT_ID, 2, "h", "body", framed);
    framed[33] = 1; /* 256 bytes more */
    add(&made, framed, length);
    add_record(&made, SEGMENT_ID, 3, 500);
    assert_scan(&made, SEGMENT_ID, found, 2, length);
}

static void without_an_id_the_first_good_record_names_it(void **state)
{
    (void)state;
    static const uint64_t found[] = {4, 6};
    made_t made = made_new();
    add(&made, "nonsense", 8);
    add_record(&made, SEGMENT_ID, 4, 10);
    add_record(&made, SEGMENT_ID + 1, 5, 10);
    add_record(&made, SEGMENT_ID, 6, 10);
    assert_scan(&made, JOURNAL_ANY_SEGMENT, found, 2, 8 + journal_record_bytes(1, 10));
}

static void what_is_behind_the_end_is_seen_when_the_end_moves(void **state)
{
    (void)state;
    journal_scan_t scan = {0};
    journal_record_t record;
    journal_damage_t damage;
    made_t made = made_new();
    for (uint64_t sequence = 0; sequence < 1000; sequence++) {
        uint64_t before = made.bytes;
        add_record(&made, SEGMENT_ID, sequence, (size_t)sequence * 3);
        if (sequence == 0)
            journal_scan_start(&scan, made.fd, SEGMENT_ID, 0, before);
        assert_int_equal(journal_scan_next(&scan, &record, &damage, NULL), 0);
        scan.end = made.bytes;
        assert_int_equal(journal_scan_next(&scan, &record, &damage, NULL), 1);
        assert_int_equal(record.sequence, sequence);
        assert_int_equal(record.body_bytes, sequence * 3);
    }
    journal_scan_seek(&scan, 0);
    assert_int_equal(journal_scan_next(&scan, &record, &damage, NULL), 1);
    assert_int_equal(record.sequence, 0);
    journal_scan_free(&scan);
    close(made.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_laid_out_as_documented),
        cmocka_unit_test(a_file_header_comes_back_unless_a_bit_is_wrong),
        cmocka_unit_test(any_wrong_bit_of_a_record_is_noticed),
        cmocka_unit_test(claims_are_bounded),
        cmocka_unit_test(records_of_all_sizes_are_read),
        cmocka_unit_test(reading_goes_on_behind_damage),
        cmocka_unit_test(a_length_that_lies_costs_its_own_record),
        cmocka_unit_test(without_an_id_the_first_good_record_names_it),
        cmocka_unit_test(what_is_behind_the_end_is_seen_when_the_end_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
