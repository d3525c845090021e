/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cdn.yaml, as a server sends it. What is taken is one host and a key with its secret for reading,
 * perhaps another for writing, all visible characters; it means the same when it is written anew in
 * the plainest way.
 */

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "conf/loader.h"
#include "tests/fuzz/fuzz.h"

static void require_visible(struct slice text)
{
	FUZZ_REQUIRE(text.len > 0 && text.len <= 1024);
	for (size_t i = 0; i < text.len; i++)
		FUZZ_REQUIRE(text.data[i] > ' ' && text.data[i] <= '~');
}

static void put_pair(struct buf *out, const char *key, struct slice value)
{
	buf_printf(out, "%s: '", key);
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] == '\'')
			buf_put_u8(out, '\'');
		buf_put_u8(out, value.data[i]);
	}
	buf_put_str(out, "'\n");
}

static void require_again(const struct conf_cdn *cdn)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(16384);
	CLEANUP(conf_cdn_cleanup) struct conf_cdn *again = NULL;
	struct err err;

	put_pair(&text, "host", slice_str(cdn->host));
	put_pair(&text, "downloader_access_key", slice_str(cdn->reader_key));
	put_pair(&text, "downloader_access_secret", secret_slice(cdn->reader_secret));
	if (cdn->writer_key) {
		put_pair(&text, "uploader_access_key", slice_str(cdn->writer_key));
		put_pair(&text, "uploader_access_secret", secret_slice(cdn->writer_secret));
	}
	FUZZ_REQUIRE(buf_ok(&text) && conf_cdn_parse(buf_slice(&text), &again, &err) == 0);
	FUZZ_REQUIRE(strcmp(again->host, cdn->host) == 0);
	FUZZ_REQUIRE(strcmp(again->reader_key, cdn->reader_key) == 0);
	FUZZ_REQUIRE(
		secret_equal(secret_slice(again->reader_secret), secret_slice(cdn->reader_secret)));
	FUZZ_REQUIRE(!again->writer_key == !cdn->writer_key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(conf_cdn_cleanup) struct conf_cdn *cdn = NULL;
	struct err err = {0};
	int r = conf_cdn_parse(slice_of(data, size), &cdn, &err);

	if (r < 0) {
		FUZZ_REQUIRE(!cdn && r == ERR_INVALID && err.code == r && err.text[0]);
		return 0;
	}
	require_visible(slice_str(cdn->host));
	require_visible(slice_str(cdn->reader_key));
	require_visible(secret_slice(cdn->reader_secret));
	FUZZ_REQUIRE(!cdn->writer_key == !cdn->writer_secret);
	if (cdn->writer_key) {
		require_visible(slice_str(cdn->writer_key));
		require_visible(secret_slice(cdn->writer_secret));
	}
	require_again(cdn);
	return 0;
}
