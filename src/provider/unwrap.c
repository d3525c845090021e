/* SPDX-License-Identifier: Apache-2.0 */
/* The door, for what others have encrypted to the storage key. */

#include "provider/impl.h"

static int check_part(struct slice part, const char *what, struct err *err)
{
	if (part.len && part.len <= PROVIDER_WRAPPED_MAX)
		return 0;
	return err_set(err, ERR_INVALID, "the %s of what is wrapped has 1 to %u bytes", what,
		       PROVIDER_WRAPPED_MAX);
}

int provider_unwrap(struct provider *p, const struct provider_wrapped *wrapped,
		    struct secret **ret_plain, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	int r;

	if (!p || !p->ops->unwrap)
		return provider_not_there(err);
	r = check_part(wrapped->public_area, "public area", err);
	if (r == 0)
		r = check_part(wrapped->private_area, "duplicate", err);
	if (r == 0)
		r = check_part(wrapped->seed, "seed", err);
	if (r == 0)
		r = p->ops->unwrap(p, wrapped, &plain, err);
	/* One word, without what the chip thought: who sent it learns nothing, and logs nothing. */
	if (r == ERR_DAMAGED)
		return err_set(err, ERR_DAMAGED,
			       "it was sealed for another storage key, or changed, or is no such "
			       "sealed data");
	if (r == 0)
		*ret_plain = TAKE(plain);
	return r;
}

int provider_storage_activate(struct provider *p, const struct credential *credential,
			      struct secret **ret_secret, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *secret = NULL;
	int r;

	if (!p || !p->ops->storage_activate)
		return provider_not_there(err);
	r = provider_check_credential(credential, err);
	if (r == 0)
		r = p->ops->storage_activate(p, credential, &secret, err);
	if (r == 0)
		*ret_secret = TAKE(secret);
	return r;
}
