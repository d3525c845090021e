/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The small texts in the loader's cache, the pin of a resource and the state of a download: who can
 * write there writes what he wants. What is read is written as it was understood, and reads the
 * same.
 */

#include "base/json.h"
#include "loader/cache_impl.h"
#include "tests/fuzz/fuzz.h"

static void check_error(int r, const struct err *err)
{
	FUZZ_REQUIRE(r == 0 || (r == ERR_DAMAGED && r == err->code && err->text[0]));
}

static void pin(struct slice text)
{
	CLEANUP(buf_fini) struct buf first = BUF_INIT(CACHE_TEXT_MAX);
	CLEANUP(buf_fini) struct buf second = BUF_INIT(CACHE_TEXT_MAX);
	struct cache_seen read = {.known = false}, again = {.known = false};
	struct err err = {0};
	int r = cache_text_pin(text, &read, &err);

	check_error(r, &err);
	FUZZ_REQUIRE(read.known == (r == 0));
	if (r < 0)
		return;
	FUZZ_REQUIRE(read.pin.seen.size >= V1_BLOB_MIN);
	FUZZ_REQUIRE(cache_text_put_pin(&read, &first, &err) == 0);
	FUZZ_REQUIRE(cache_text_pin(buf_slice(&first), &again, &err) == 0);
	FUZZ_REQUIRE(cache_text_put_pin(&again, &second, &err) == 0);
	FUZZ_REQUIRE(slice_equal(buf_slice(&first), buf_slice(&second)));
}

static void state(struct slice text)
{
	CLEANUP(buf_fini) struct buf first = BUF_INIT(CACHE_TEXT_MAX);
	CLEANUP(buf_fini) struct buf second = BUF_INIT(CACHE_TEXT_MAX);
	struct cache_state read = {.synced = 0}, again = {.synced = 0};
	struct err err = {0};
	int r = cache_text_state(text, &read, &err);

	check_error(r, &err);
	if (r < 0)
		return;
	FUZZ_REQUIRE(read.synced <= read.want.total);
	FUZZ_REQUIRE(memchr(read.want.etag, 0, sizeof(read.want.etag)));
	FUZZ_REQUIRE(memchr(read.want.modified, 0, sizeof(read.want.modified)));
	FUZZ_REQUIRE(memchr(read.boot, 0, sizeof(read.boot)));
	FUZZ_REQUIRE(cache_text_put_state(&read, &first, &err) == 0);
	FUZZ_REQUIRE(cache_text_state(buf_slice(&first), &again, &err) == 0);
	FUZZ_REQUIRE(cache_text_put_state(&again, &second, &err) == 0);
	FUZZ_REQUIRE(slice_equal(buf_slice(&first), buf_slice(&second)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool begun;

	if (!begun)
		json_setup();
	begun = true;
	pin(slice_of(data, size));
	state(slice_of(data, size));
	return 0;
}
