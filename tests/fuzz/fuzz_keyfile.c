/* SPDX-License-Identifier: Apache-2.0 */

/* TSS2 PRIVATE KEY files. What was read is within its limits, and written it reads the same. */

#include "base/mem.h"
#include "crypto/keyfile.h"
#include "tests/fuzz/fuzz.h"

static void check_again(const struct keyfile *file)
{
	CLEANUP(keyfile_cleanup) struct keyfile again = {0};
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(KEYFILE_PEM_MAX);
	struct err err = {0};

	if (keyfile_write(file, &pem, &err) < 0) {
		/* Base64 makes a file of two full parts longer than a PEM may be. */
		FUZZ_REQUIRE(file->pubkey.len + file->privkey.len > KEYFILE_PEM_MAX / 2);
		return;
	}
	FUZZ_REQUIRE(keyfile_is_tss2(buf_slice(&pem)));
	FUZZ_REQUIRE(keyfile_read(buf_slice(&pem), &again, &err) == 0);
	FUZZ_REQUIRE(again.type == file->type && again.parent == file->parent);
	FUZZ_REQUIRE(again.empty_auth == file->empty_auth);
	FUZZ_REQUIRE(slice_equal(buf_slice(&again.pubkey), buf_slice(&file->pubkey)));
	FUZZ_REQUIRE(slice_equal(buf_slice(&again.privkey), buf_slice(&file->privkey)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(keyfile_cleanup) struct keyfile file = {0};
	struct slice pem = slice_of(data, size);
	struct err err = {0};
	int r = keyfile_read(pem, &file, &err);

	FUZZ_REQUIRE(r == 0 || (r == err.code && err.text[0]));
	if (r < 0)
		return 0;
	FUZZ_REQUIRE(keyfile_is_tss2(pem));
	FUZZ_REQUIRE(file.pubkey.len <= KEYFILE_PART_MAX && file.privkey.len <= KEYFILE_PART_MAX);
	check_again(&file);
	return 0;
}
