/* SPDX-License-Identifier: Apache-2.0 */
/* Logs are written here byte by byte, and the expected values computed by the hash itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "attest/eventlog.h"
#include "base/buf.h"
#include "base/mem.h"

#define ID_SHA1	  0x0004u
#define ID_SHA256 0x000bu
#define ID_SM3	  0x0012u

static void put_le(struct buf *log, uint32_t value, unsigned bytes)
{
	while (bytes-- > 0) {
		buf_put_u8(log, (uint8_t)value);
		value >>= 8;
	}
}

static void put_data(struct buf *log, struct slice data)
{
	put_le(log, (uint32_t)data.len, 4);
	buf_put(log, data);
}

/* The first event: hashes and the sizes of their digests. */
static void put_spec(struct buf *log, const uint16_t (*algs)[2], uint32_t count)
{
	CLEANUP(buf_fini) struct buf data = BUF_INIT(256);
	static const uint8_t zero[20];
	uint32_t i;

	buf_put(&data, slice_of("Spec ID Event03", 16));
	put_le(&data, 0, 4);
	put_le(&data, 0x02000200, 4);
	put_le(&data, count, 4);
	for (i = 0; i < count; i++) {
		put_le(&data, algs[i][0], 2);
		put_le(&data, algs[i][1], 2);
	}
	buf_put_u8(&data, 0);
	put_le(log, 0, 4);
	put_le(log, 3, 4);
	buf_put(log, slice_of(zero, sizeof(zero)));
	put_data(log, buf_slice(&data));
}

static const uint16_t BOTH[][2] = {{ID_SHA1, 20}, {ID_SHA256, 32}};

/* An event that is measured as the digests of @text. */
static void put_event(struct buf *log, uint32_t pcr, uint32_t type, const char *text)
{
	const struct slice part = slice_str(text);
	uint8_t digest[HASH_MAX_SIZE];
	struct err err;

	put_le(log, pcr, 4);
	put_le(log, type, 4);
	put_le(log, 2, 4);
	put_le(log, ID_SHA1, 2);
	assert_int_equal(hash_digest(HASH_SHA1, &part, 1, digest, &err), 0);
	buf_put(log, slice_of(digest, 20));
	put_le(log, ID_SHA256, 2);
	assert_int_equal(hash_digest(HASH_SHA256, &part, 1, digest, &err), 0);
	buf_put(log, slice_of(digest, 32));
	put_data(log, slice_str(text));
}

static void assert_value(const struct attest_pcrs *pcrs, enum hash_alg hash, unsigned pcr,
			 const uint8_t *expected)
{
	uint32_t mask = 0;
	const uint8_t(*value)[HASH_MAX_SIZE] = attest_bank(pcrs, hash, &mask);

	assert_non_null(value);
	assert_int_equal(mask, 0xffffff);
	assert_memory_equal(value[pcr], expected, hash_size(hash));
}

/* What a PCR has after one extension of @start by the digest of @text. */
static void extended(enum hash_alg hash, const uint8_t *start, const char *text,
		     uint8_t ret_value[HASH_MAX_SIZE])
{
	const struct slice part = slice_str(text);
	uint8_t digest[HASH_MAX_SIZE];
	struct slice parts[2];
	struct err err;

	assert_int_equal(hash_digest(hash, &part, 1, digest, &err), 0);
	parts[0] = slice_of(start, hash_size(hash));
	parts[1] = slice_of(digest, hash_size(hash));
	assert_int_equal(hash_digest(hash, parts, 2, ret_value, &err), 0);
}

static int count_event(void *arg, const struct eventlog_event *event, struct err *err)
{
	unsigned *count = arg;

	(void)err;
	assert_true(event->pcr < ATTEST_PCR_COUNT);
	(*count)++;
	return 0;
}

static void replays_both_banks(void **state)
{
	static const uint8_t zero[HASH_MAX_SIZE];
	CLEANUP(buf_fini) struct buf log = BUF_INIT(4096);
	uint8_t one[HASH_MAX_SIZE], two[HASH_MAX_SIZE], ones[HASH_MAX_SIZE];
	struct attest_pcrs pcrs;
	unsigned count = 0;
	struct err err;

	(void)state;
	put_spec(&log, BOTH, 2);
	put_event(&log, 4, 8, "loader");
	put_event(&log, 4, 8, "kernel");
	put_event(&log, 7, 3, "a remark, which no PCR has seen");
	put_event(&log, 17, 8, "launch");
	assert_int_equal(eventlog_replay(buf_slice(&log), count_event, &count, &pcrs, &err), 0);
	assert_int_equal(count, 4);
	assert_int_equal(pcrs.count, 2);
	extended(HASH_SHA256, zero, "loader", one);
	extended(HASH_SHA256, one, "kernel", two);
	assert_value(&pcrs, HASH_SHA256, 4, two);
	extended(HASH_SHA1, zero, "loader", one);
	extended(HASH_SHA1, one, "kernel", two);
	assert_value(&pcrs, HASH_SHA1, 4, two);
	assert_value(&pcrs, HASH_SHA256, 7, zero);
	memset(ones, 0xff, sizeof(ones));
	assert_value(&pcrs, HASH_SHA256, 18, ones);
	extended(HASH_SHA256, ones, "launch", one);
	assert_value(&pcrs, HASH_SHA256, 17, one);
}

static void begins_with_the_locality(void **state)
{
	CLEANUP(buf_fini) struct buf log = BUF_INIT(4096);
	uint8_t expected[HASH_MAX_SIZE] = {[31] = 3};
	struct attest_pcrs pcrs;
	struct err err;

	(void)state;
	put_spec(&log, BOTH, 2);
	put_le(&log, 0, 4);
	put_le(&log, 3, 4);
	put_le(&log, 0, 4);
	put_data(&log, slice_of("StartupLocality\0\3", 17));
	assert_int_equal(eventlog_replay(buf_slice(&log), NULL, NULL, &pcrs, &err), 0);
	assert_value(&pcrs, HASH_SHA256, 0, expected);
}

static void reads_the_old_form(void **state)
{
	static const uint8_t zero[HASH_MAX_SIZE];
	CLEANUP(buf_fini) struct buf log = BUF_INIT(4096);
	const struct slice part = slice_str("bios");
	uint8_t digest[HASH_MAX_SIZE], expected[HASH_MAX_SIZE];
	struct attest_pcrs pcrs;
	uint32_t unused;
	struct err err;

	(void)state;
	assert_int_equal(hash_digest(HASH_SHA1, &part, 1, digest, &err), 0);
	put_le(&log, 2, 4);
	put_le(&log, 8, 4);
	buf_put(&log, slice_of(digest, 20));
	put_data(&log, part);
	assert_int_equal(eventlog_replay(buf_slice(&log), NULL, NULL, &pcrs, &err), 0);
	extended(HASH_SHA1, zero, "bios", expected);
	assert_value(&pcrs, HASH_SHA1, 2, expected);
	assert_null(attest_bank(&pcrs, HASH_SHA256, &unused));
}

/* Every prefix of a log ends between two events, or is broken: nothing else. */
static void is_whole_or_broken(void **state)
{
	CLEANUP(buf_fini) struct buf log = BUF_INIT(4096);
	struct attest_pcrs pcrs;
	size_t len, ends[3];
	struct err err;

	(void)state;
	put_spec(&log, BOTH, 2);
	ends[0] = log.len;
	put_event(&log, 1, 8, "one");
	ends[1] = log.len;
	put_event(&log, 2, 8, "two");
	ends[2] = log.len;
	for (len = 0; len <= log.len; len++) {
		bool whole = len == ends[0] || len == ends[1] || len == ends[2];
		int r = eventlog_replay(slice_of(log.data, len), NULL, NULL, &pcrs, &err);

		assert_int_equal(r, whole ? 0 : ERR_DAMAGED);
	}
}

static void refuses(void **state)
{
	static const uint16_t WRONG_SIZE[][2] = {{ID_SHA256, 20}};
	static const uint16_t UNKNOWN[][2] = {{ID_SM3, 32}};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(4096);
	struct attest_pcrs pcrs;
	struct err err;

	(void)state;
	put_spec(&log, WRONG_SIZE, 1);
	assert_int_equal(eventlog_replay(buf_slice(&log), NULL, NULL, &pcrs, &err), ERR_DAMAGED);
	buf_reset(&log);
	put_spec(&log, UNKNOWN, 1);
	assert_int_equal(eventlog_replay(buf_slice(&log), NULL, NULL, &pcrs, &err),
			 ERR_NOT_SUPPORTED);
	buf_reset(&log);
	put_spec(&log, BOTH, 2);
	put_event(&log, 24, 8, "no such PCR");
	assert_int_equal(eventlog_replay(buf_slice(&log), NULL, NULL, &pcrs, &err), ERR_DAMAGED);
	assert_int_equal(eventlog_replay(slice_of("", EVENTLOG_MAX + 1), NULL, NULL, &pcrs, &err),
			 ERR_TOO_LARGE);
}

static void tells_what_is_not_explained(void **state)
{
	CLEANUP(buf_fini) struct buf log = BUF_INIT(4096);
	struct attest_pcrs replayed, values;
	uint32_t unexplained = 0;
	struct err err;

	(void)state;
	put_spec(&log, BOTH, 2);
	put_event(&log, 4, 8, "loader");
	assert_int_equal(eventlog_replay(buf_slice(&log), NULL, NULL, &replayed, &err), 0);
	values = replayed;
	values.banks[1].mask = 1u << 4 | 1u << 5 | 1u << 18;
	assert_int_equal(eventlog_compare(&replayed, &values, HASH_SHA256, &unexplained, &err), 0);
	assert_int_equal(unexplained, 0);
	values.banks[1].value[5][0] ^= 1;
	values.banks[1].value[6][0] ^= 1; /* nobody asks for it */
	assert_int_equal(eventlog_compare(&replayed, &values, HASH_SHA256, &unexplained, &err), 0);
	assert_int_equal(unexplained, 1u << 5);
	assert_int_equal(eventlog_compare(&replayed, &values, HASH_SHA512, &unexplained, &err),
			 ERR_NOT_SUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replays_both_banks),
		cmocka_unit_test(begins_with_the_locality),
		cmocka_unit_test(reads_the_old_form),
		cmocka_unit_test(is_whole_or_broken),
		cmocka_unit_test(refuses),
		cmocka_unit_test(tells_what_is_not_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
