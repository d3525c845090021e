/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The record and the journal of the device's identity: as texts behind a good checksum, which
 * anybody can make. What is read is written as it was understood, and then reads the same.
 */

#include "base/json.h"
#include "identity/files_impl.h"
#include "tests/fuzz/fuzz.h"

static void check_error(int r, const struct err *err)
{
	FUZZ_REQUIRE(r == 0 || r == ERR_DAMAGED || r == ERR_UNREADABLE);
	FUZZ_REQUIRE(r == 0 || (r == err->code && err->text[0]));
}

static void record(struct slice text)
{
	CLEANUP(identity_record_cleanup) struct identity_record read = IDENTITY_RECORD_INIT;
	CLEANUP(identity_record_cleanup) struct identity_record again = IDENTITY_RECORD_INIT;
	CLEANUP(buf_fini) struct buf first = BUF_INIT(TWIN_MAX), second = BUF_INIT(TWIN_MAX);
	struct err err = {0};
	int r = files_record_of_text(text, &read, &err);

	check_error(r, &err);
	if (r < 0)
		return;
	FUZZ_REQUIRE(read.name_len <= IDENTITY_NAME_MAX);
	FUZZ_REQUIRE(memchr(read.since, 0, sizeof(read.since)));
	FUZZ_REQUIRE(files_record_to_text(&read, &first, &err) == 0);
	FUZZ_REQUIRE(files_record_of_text(buf_slice(&first), &again, &err) == 0);
	FUZZ_REQUIRE(files_record_to_text(&again, &second, &err) == 0);
	FUZZ_REQUIRE(slice_equal(buf_slice(&first), buf_slice(&second)));
}

static void journal(struct slice text)
{
	CLEANUP(identity_journal_cleanup) struct identity_journal read = IDENTITY_JOURNAL_INIT;
	CLEANUP(identity_journal_cleanup) struct identity_journal again = IDENTITY_JOURNAL_INIT;
	CLEANUP(buf_fini) struct buf first = BUF_INIT(TWIN_MAX), second = BUF_INIT(TWIN_MAX);
	struct err err = {0};
	int r = files_journal_of_text(text, &read, &err);

	check_error(r, &err);
	if (r < 0)
		return;
	FUZZ_REQUIRE(read.name_len <= IDENTITY_NAME_MAX && read.hsk_name_len <= IDENTITY_NAME_MAX);
	FUZZ_REQUIRE(read.doing > IDENTITY_DOING_NOTHING && read.doing <= IDENTITY_DOING_RESET);
	FUZZ_REQUIRE(memchr(read.asked, 0, sizeof(read.asked)));
	FUZZ_REQUIRE(files_journal_to_text(&read, &first, &err) == 0);
	FUZZ_REQUIRE(files_journal_of_text(buf_slice(&first), &again, &err) == 0);
	FUZZ_REQUIRE(files_journal_to_text(&again, &second, &err) == 0);
	FUZZ_REQUIRE(slice_equal(buf_slice(&first), buf_slice(&second)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool begun;

	if (!begun)
		json_setup();
	begun = true;
	record(slice_of(data, size));
	journal(slice_of(data, size));
	return 0;
}
