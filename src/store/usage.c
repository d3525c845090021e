/* SPDX-License-Identifier: Apache-2.0 */
/* What a tenant's records take, by their names and lengths alone: none is opened. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "store/impl.h"

struct tally {
	int dir;
	struct store_usage usage;
	struct err *err;
};

static int tally_one(void *arg, const char *name)
{
	struct tally *tally = arg;
	struct stat st;

	if (!store_name_ok(name))
		return 0;
	if (fstatat(tally->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 /* removed meanwhile */
				       : err_set_errno(tally->err, ERR_UNREADABLE, errno,
						       "cannot look at a record");
	tally->usage.records++;
	tally->usage.bytes += store_file_bytes(st.st_size < 0 ? 0 : (uint64_t)st.st_size);
	return 0;
}

int store_usage(struct store *store, const char *tenant, enum store_kind kind,
		struct store_usage *ret_usage, struct err *err)
{
	const char *const path[] = {STORE_TENANTS, tenant, store_kind_folder(kind), NULL};
	CLEANUP(fd_close_cleanup) int dir = -1;
	struct tally tally = {.err = err};
	int r;

	if (!store_tenant_ok(tenant))
		return err_set(err, ERR_INVALID, "not a name of a tenant");
	r = store_folder(store, path, false, &dir, err);
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	tally.dir = dir;
	if (r == 0)
		r = file_list(dir, tally_one, &tally, err);
	else
		r = 0;
	if (r == 0)
		*ret_usage = tally.usage;
	return r;
}
