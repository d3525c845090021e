/* SPDX-License-Identifier: Apache-2.0 */

/* The first byte is the question of fuzz_v2.c. */

#include "artifact/content_key.h"
#include "artifact/payload.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/seeds.h"
#include "tests/vectors/v2.inc"

static void put(uint8_t question, const char *text)
{
	CLEANUP(buf_fini) struct buf seed = BUF_INIT(16384);

	buf_put_u8(&seed, question);
	buf_put_str(&seed, text);
	put_seed(buf_slice(&seed));
}

/* A fleet in order, and one that is not; the first two bytes say who is looked for. */
static void put_lines(void)
{
	for (unsigned kind = 0; kind < 3; kind++) {
		CLEANUP(buf_fini) struct buf seed = BUF_INIT(16384);

		buf_put_str(&seed, "\2\5\1");
		for (unsigned i = 0; i < 20; i++) {
			buf_printf(&seed, "{\"storage_key\":\"%.*s%02x\",\"manifest\":\"", 66,
				   V2_P256_NAME, kind == 1 ? 200 - i * 9 : i * 9);
			buf_printf(&seed, "%*d\"}\n", (int)(kind == 2 ? i * 100 : i), 1);
		}
		put_seed(buf_slice(&seed));
	}
}

/* Size, step, from, then changes. */
static void put_scripts(void)
{
	static const uint32_t sizes[] = {0, 1, 65535, 65536, 65537, 150000};
	static const uint32_t steps[] = {0, 4000, 64552, 400000};

	for (size_t i = 0; i < ARRAY_LEN(sizes) * ARRAY_LEN(steps); i++) {
		CLEANUP(buf_fini) struct buf seed = BUF_INIT(256);

		buf_put_u8(&seed, 4);
		buf_put_u32(&seed, sizes[i % ARRAY_LEN(sizes)]);
		buf_put_u32(&seed, steps[i / ARRAY_LEN(sizes)]);
		buf_put_u32(&seed, i % 3 == 0 ? (uint32_t)i * 6000 : 0);
		for (size_t k = 0; k < i % 4; k++) {
			buf_put_u8(&seed, (uint8_t)(i + k));
			buf_put_u32(&seed, (uint32_t)(i * 70001));
			buf_put_u32(&seed, (uint32_t)(k * 16));
			buf_put_u8(&seed, 1);
		}
		put_seed(buf_slice(&seed));
	}
}

/* The header of each kind of file, and no stream behind it. */
static void put_files(void)
{
	static const char *const heads[] = {"HFV2\1\20", "HFV2\2\20", "HFV2\1\17", "HFV3\1\20"};

	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		CLEANUP(buf_fini) struct buf seed = BUF_INIT(256);

		buf_put_u8(&seed, 5);
		buf_put_str(&seed, heads[i]);
		buf_put_u16(&seed, 0);
		buf_put_u64(&seed, 10);
		buf_put(&seed, slice_of(V2_SALT, 32));
		buf_put_str(&seed, "0123456789abcdef0123456789");
		put_seed(buf_slice(&seed));
	}
}

void seeds_v2(void)
{
	put(0, V2_FILE_JSON);
	put(0, V2_ARCHIVE_JSON);
	put(0, "{\"holdfast\":\"artifact v3\"}");
	put(0, "{\"holdfast\":\"artifact v2\",\"more\":1}");
	put(1, V2_P256_LINE);
	put(1, V2_P256_LINE "\n");
	put(1, V2_CEK);
	put(3, "{\"holdfast\":\"content key v2\",\"folder\":\"models\",\"name\":\"net.bin\","
	       "\"serial\":7,\"manifest\":\"" V2_FILE_DIGEST "\",\"key\":"
	       "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"}\n");
	put_lines();
	put_scripts();
	put_files();
}
