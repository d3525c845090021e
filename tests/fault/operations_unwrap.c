/* SPDX-License-Identifier: Apache-2.0 */

/* What was sealed to the storage key comes out as it was, or not at all; on both providers. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fault/operations.h"
#include "wrap/duplicate.h"

#define PLAIN "what is for this device alone"

static int seal(struct provider *p, struct duplicate_made *ret_made, struct err *err)
{
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
	CLEANUP(wrap_public_cleanup) struct wrap_public *storage = NULL;
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	int r = provider_storage_key(p, &key, err);

	if (r == 0)
		r = wrap_public_read(buf_slice(&key.public), &storage, err);
	if (r == 0)
		r = secret_copy(slice_str(PLAIN), &plain, err);
	return r < 0 ? r : duplicate_make(storage, plain, ret_made, err);
}

static int unwrap(struct provider *p, const struct duplicate_made *made, struct err *err)
{
	const struct provider_wrapped wrapped = {
		.public_area = buf_slice(&made->public_area),
		.private_area = buf_slice(&made->private_area),
		.seed = buf_slice(&made->seed),
	};
	struct secret *plain = NULL;
	int r = provider_unwrap(p, &wrapped, &plain, err);

	if (r < 0) {
		assert_null(plain);
		return r;
	}
	assert_true(slice_equal(secret_slice(plain), slice_str(PLAIN)));
	secret_free(plain);
	return 0;
}

void operation_unwrap(struct script *script)
{
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	struct provider *p = script->world->p;
	struct err err;
	int r;

	/* The chip may still be refused for what was before, and then shows no key. */
	if (seal(p, &made, &err) < 0)
		return;
	script_live(script);
	r = unwrap(p, &made, &err);
	/* From memory now. */
	if (r == 0)
		r = unwrap(p, &made, &err);
	(void)operation_expect(script, r, &err);
}
