/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "artifact/v1_sig.h"
#include "base/clock.h"
#include "base/mem.h"
#include "loader/fault.h"

#define READ_SIZE ((size_t)256 << 10)

struct blob_check {
	const struct blob_facts *facts;
	struct v1_check *pass;
	int before;  /* as long as all of it is the same; -1: it differs, or there is none */
	uint64_t at; /* in the big part */
};

int64_t blob_time(void)
{
	_Static_assert(CLOCK_UNSET == CMS_ANY_TIME, "a clock that was not set goes by no dates");

	return clock_now();
}

int blob_unsigned(const struct loader_config *config, const struct cache_seen *seen,
		  struct err *err)
{
	if (config->unsigned_denied)
		return err_set(err, FAULT_SIGNATURE, "the resource has no signature");
	if (seen->signed_once)
		return err_set(err, FAULT_SIGNATURE,
			       "the resource has no signature, and had one before");
	return 0;
}

static bool has_signature(const struct blob_facts *facts)
{
	return facts->config->anchors.len > 0 && facts->sig.len > 0;
}

int blob_check_new(const struct blob_facts *facts, struct blob_check **ret_check, struct err *err)
{
	CLEANUP(blob_check_cleanup) struct blob_check *check = calloc(1, sizeof(*check));
	int r = 0;

	if (!check)
		return err_set(err, ERR_INTERNAL, "memory is short");
	check->facts = facts;
	check->before = -1;
	if (!has_signature(facts))
		r = blob_unsigned(facts->config, &facts->seen, err);
	if (r == 0)
		r = v1_check_new(&check->pass, err);
	if (r == 0)
		r = v1_check_add(check->pass, facts->small, err);
	if (r < 0)
		return r;
	(void)posix_fadvise(facts->big, 0, 0, POSIX_FADV_SEQUENTIAL);
	*ret_check = TAKE(check);
	return 0;
}

void blob_check_free(struct blob_check *check)
{
	if (!check)
		return;
	v1_check_free(check->pass);
	fd_close_cleanup(&check->before);
	free(check);
}

void blob_check_unlike(struct blob_check *check, int before)
{
	check->before = before;
}

int blob_read(int big, uint64_t at, uint8_t *ret_bytes, size_t len, size_t *ret_len,
	      struct err *err)
{
	size_t done = 0;
	ssize_t n = 1;

	while (done < len && n != 0) {
		n = pread(big, ret_bytes + done, len - done, (off_t)(at + done));
		if (n < 0 && errno != EINTR)
			return err_set_errno(err, ERR_UNREADABLE, errno,
					     "cannot read the big part");
		if (n > 0)
			done += (size_t)n;
	}
	*ret_len = done;
	return 0;
}

/* What cannot be read any more does not keep the next release away. */
static void compare(struct blob_check *check, struct slice bytes)
{
	CLEANUP(mem_free_cleanup) uint8_t *room = malloc(READ_SIZE);
	struct err ignored;
	size_t len = 0;

	if (room && blob_read(check->before, check->at, room, READ_SIZE, &len, &ignored) == 0 &&
	    slice_equal(slice_of(room, len), bytes))
		return;
	fd_close_cleanup(&check->before);
	check->before = -1;
}

int blob_check_step(struct blob_check *check, uint64_t max, bool *ret_end, struct err *err)
{
	CLEANUP(mem_free_cleanup) uint8_t *bytes = malloc(READ_SIZE);
	size_t len = READ_SIZE;
	int r = 0;

	if (!bytes)
		return err_set(err, ERR_INTERNAL, "memory is short");
	while (r == 0 && max > 0 && len == READ_SIZE) {
		r = blob_read(check->facts->big, check->at, bytes, READ_SIZE, &len, err);
		if (r == 0)
			r = v1_check_add(check->pass, slice_of(bytes, len), err);
		if (r == 0 && check->before >= 0)
			compare(check, slice_of(bytes, len));
		check->at += len;
		max -= max < len ? max : len;
	}
	if (r == 0)
		*ret_end = len < READ_SIZE;
	return r;
}

static int check_signature(const struct blob_facts *facts, const struct v1_seen *seen,
			   struct err *err)
{
	const struct v1_release release = {.resource = *facts->resource, .seen = *seen};
	int r = v1_sig_verify(facts->sig, &release, facts->config->anchors, blob_time(), err);

	if (r == ERR_DAMAGED || r == ERR_FORBIDDEN || r == ERR_TOO_LARGE)
		return err->code = FAULT_SIGNATURE;
	return r;
}

int blob_check_end(struct blob_check *check, struct v1_facts *ret_facts, bool *ret_signed,
		   struct err *err)
{
	const struct blob_facts *facts = check->facts;
	const struct v1_seen *expected = NULL;
	bool is_signed = has_signature(facts);
	struct v1_seen seen;
	int r = v1_check_end(check->pass, &seen, err);

	if (r == 0 && check->before >= 0)
		r = err_set(err, FAULT_UPSTREAM,
			    "the big part is still that of the release before");
	if (r == 0 && is_signed)
		r = check_signature(facts, &seen, err);
	else if (r == 0 && facts->seen.known)
		r = v1_pin_expect(&facts->seen.pin, facts->small, &expected, err);
	if (r == 0)
		r = v1_check_verdict(check->pass, facts->key, expected, ret_facts, err);
	if (r == 0)
		*ret_signed = is_signed;
	return r;
}
