/* SPDX-License-Identifier: Apache-2.0 */
/* Pins and states as the loader's cache writes them, and one short of each of their members. */
#include "tests/fuzz/seeds.h"

#include "loader/cache_impl.h"
#include "tests/fuzz/fuzz.h"

void seeds_cache(void)
{
	static const char *const odd[] = {
		"{\"version\":1}",
		"{\"version\":2,\"small\":\"\"}",
		"{\"version\":1,\"small\":\"00\",\"size\":32,\"sha256\":\"00\",\"signed\":false}",
		"{\"version\":1,\"small\":5,\"total\":1,\"synced\":2,\"etag\":\"\",\"modified\":"
		"\"\","
		"\"boot\":\"\"}",
	};
	struct cache_seen seen = {.known = true, .pin.seen.size = 4096};
	struct cache_state state = {
		.want = {.total = 4096, .etag = "\"5f-1\"", .modified = "Sun, 22 Nov 2026"},
		.synced = 1024,
		.boot = "5c1f9f0e-7e4f-4a4e-9b7b-1d2c3b4a5968",
	};
	struct err err;

	for (unsigned i = 0; i < 2; i++) {
		CLEANUP(buf_fini) struct buf pin = BUF_INIT(CACHE_TEXT_MAX);
		CLEANUP(buf_fini) struct buf text = BUF_INIT(CACHE_TEXT_MAX);

		seen.signed_once = i > 0;
		FUZZ_REQUIRE(cache_text_put_pin(&seen, &pin, &err) == 0);
		FUZZ_REQUIRE(cache_text_put_state(&state, &text, &err) == 0);
		put_seed(buf_slice(&pin));
		put_seed(buf_slice(&text));
		state.want.etag[0] = state.want.modified[0] = state.boot[0] = '\0';
	}
	for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		put_seed(slice_str(odd[i]));
}
