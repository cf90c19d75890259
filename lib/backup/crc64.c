/* CRC-64 (Jones), eight bytes at a time. */
#include "lib/backup/crc64.h"

#include <pthread.h>

#include "lib/base/bytes.h"

#define CRC64_POLYNOMIAL UINT64_C(0x95ac9329ac4bc9b5) /* reflected */

/* [k][b]: the byte b followed by k zero bytes. */
static uint64_t crc64_table[8][256];
static pthread_once_t crc64_once = PTHREAD_ONCE_INIT;

static void
crc64_make_table(void)
{
	for (unsigned b = 0; b < 256; b++) {
		uint64_t crc = b;
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ ((crc & 1) != 0 ? CRC64_POLYNOMIAL : 0);
		crc64_table[0][b] = crc;
	}
	for (unsigned b = 0; b < 256; b++)
		for (unsigned k = 1; k < 8; k++) {
			uint64_t before = crc64_table[k - 1][b];
			crc64_table[k][b] = before >> 8 ^ crc64_table[0][before & 0xff];
		}
}

uint64_t
crc64_add(uint64_t crc, const void *data, size_t len)
{
	const unsigned char *p = data;

	pthread_once(&crc64_once, crc64_make_table);
	for (; len >= 8; p += 8, len -= 8) {
		uint64_t sum = 0;
		crc ^= bytes_get_u64(p);
		for (unsigned k = 0; k < 8; k++)
			sum ^= crc64_table[7 - k][crc >> (8 * k) & 0xff];
		crc = sum;
	}
	for (; len > 0; p++, len--)
		crc = crc >> 8 ^ crc64_table[0][(crc ^ *p) & 0xff];
	return crc;
}
