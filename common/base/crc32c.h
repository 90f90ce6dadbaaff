/* crc32c: the checksum of the journal's records (Castagnoli polynomial, RFC 3720 appendix B.4).
 *
 * It finds what a disk or a crash damaged, and is no protection against a person.  Pure; safe from
 * any thread. */
#ifndef POSTCALL_COMMON_BASE_CRC32C_H
#define POSTCALL_COMMON_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of `length` more bytes behind those whose checksum is `crc`; begin with 0.  Uses the
 * CRC instruction of SSE 4.2 where the processor has it. */
uint32_t crc32c_update(uint32_t crc, const void *bytes, size_t length);

/* The same by table, for every processor; slower, and the yardstick of the other. */
uint32_t crc32c_update_by_table(uint32_t crc, const void *bytes, size_t length);

#endif
