/* SPDX-License-Identifier: Apache-2.0 */

/*
 * FAPI's object.json. What is accepted has parts within their limits, a public part whose first
 * two bytes are its length, and the Name of that part.
 */

#include <string.h>

#include "base/json.h"
#include "crypto/hash.h"
#include "fapi/impl.h"
#include "tests/fuzz/fuzz.h"

static void check(const struct fapi_record *record)
{
	struct slice area = slice_of(record->public_part + 2, record->public_len - 2);
	uint8_t digest[HASH_MAX_SIZE];
	struct err err = {0};

	FUZZ_REQUIRE(record->public_len > 2 && record->public_len <= FAPI_PART_MAX);
	FUZZ_REQUIRE(record->private_len <= FAPI_PART_MAX);
	FUZZ_REQUIRE((size_t)(record->public_part[0] << 8 | record->public_part[1]) == area.len);
	FUZZ_REQUIRE(record->name_len == 34);
	FUZZ_REQUIRE(hash_digest(HASH_SHA256, &area, 1, digest, &err) == 0);
	FUZZ_REQUIRE(slice_equal(slice_of(digest, 32), slice_of(record->name + 2, 32)));
	FUZZ_REQUIRE(!record->sealed || !record->storage);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool set_up;
	struct fapi_record record = {0};
	struct err err = {0};
	char path[FAPI_PATH_MAX + 8];
	int r;

	if (!set_up)
		json_setup();
	set_up = true;
	if (size < sizeof(path)) {
		memcpy(path, data, size);
		path[size] = '\0';
		FUZZ_REQUIRE(!fapi_path_ok(path) || (!strncmp(path, "/HS/SRK/", 8) &&
						     !strstr(path, "/../") && !strchr(path, '%')));
	}
	r = fapi_object_parse(slice_of(data, size), &record, &err);
	if (r < 0)
		FUZZ_REQUIRE(r == err.code && err.text[0]);
	else
		check(&record);
	return 0;
}
