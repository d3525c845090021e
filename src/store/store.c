/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state folder as a whole: who may own it, and what a killed writer left in it. Folders below
 * are opened anew by every call, which lets any thread work on any of them.
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "crypto/hash.h"
#include "store/impl.h"

#define MAC_KEY_SIZE   32u
#define MAC_KEY_LABEL  "holdfast record mac"
#define SPOOL_FOLDER   "spool"
#define SHOWN_PATH     100u
#define OPEN_LOCK_FILE (O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)

static const char *const KIND_FOLDERS[STORE_KINDS] = {
	[STORE_KEYS] = "keys",
	[STORE_SECRETS] = "secrets",
	[STORE_AIKS] = "aiks",
	[STORE_PERSISTENT] = "persistent",
};

const char *store_kind_folder(enum store_kind kind)
{
	return KIND_FOLDERS[kind];
}

static bool is_lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool store_name_ok(const char *name)
{
	size_t i;

	for (i = 0; name[i] != '\0'; i++)
		if (i == STORE_NAME_MAX ||
		    !(is_lower_or_digit(name[i]) || (name[i] >= 'A' && name[i] <= 'Z') ||
		      name[i] == '.' || name[i] == '_' || name[i] == '-'))
			return false;
	return i > 0 && name[0] != '.';
}

bool store_tenant_ok(const char *name)
{
	size_t i;

	for (i = 0; name[i] != '\0'; i++)
		if (i == STORE_TENANT_MAX || !(is_lower_or_digit(name[i]) || name[i] == '-'))
			return false;
	return i > 0;
}

int store_folder(const struct store *store, const char *const *path, bool create, int *ret_fd,
		 struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	int next = -1;
	int r;

	r = file_open_dir(store->dir, ".", false, STORE_DIR_MODE, &fd, err);
	if (r < 0)
		return r;
	for (; *path; path++) {
		r = file_open_dir(fd, *path, create, STORE_DIR_MODE, &next, err);
		if (r < 0)
			return r;
		close(fd);
		fd = next;
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static int step_into(int *fd, const char *name, struct err *err)
{
	int next = -1;
	int r = file_make_dir(*fd, name, STORE_DIR_MODE, &next, err);

	if (r < 0)
		return r;
	fd_close_cleanup(fd);
	*fd = next;
	return 0;
}

int store_tenant_make(struct store *store, const char *tenant, struct err *err)
{
	CLEANUP(fd_close_cleanup) int home = -1;
	size_t kind;
	int r;

	if (!store_tenant_ok(tenant))
		return err_set(err, ERR_INVALID, "not a name of a tenant");
	r = store_folder(store, (const char *const[]){NULL}, false, &home, err);
	if (r == 0)
		r = step_into(&home, STORE_TENANTS, err);
	if (r == 0)
		r = step_into(&home, tenant, err);
	for (kind = 0; r == 0 && kind < STORE_KINDS; kind++) {
		CLEANUP(fd_close_cleanup) int folder = -1;

		r = file_make_dir(home, KIND_FOLDERS[kind], STORE_DIR_MODE, &folder, err);
	}
	return r;
}

int store_spool(struct store *store, struct spool **ret_spool, struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	int r = store_folder(store, (const char *const[]){SPOOL_FOLDER, NULL}, true, &dir, err);

	return r < 0 ? r : spool_new(dir, ret_spool, err);
}

/* --- opening --- */

/* The end of a long path, so that what is to be done fits into the message too. */
static const char *shown_path(const char *path)
{
	size_t len = strlen(path);

	return len > SHOWN_PATH ? path + len - SHOWN_PATH : path;
}

static int check_owner(int dir, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(dir, &st) < 0)
		return err_set_errno(err, ERR_UNREADABLE, errno, "cannot look at the state folder");
	if (st.st_uid != geteuid())
		return err_set(err, ERR_UNREADABLE,
			       "the state folder belongs to another user: chown %u %s",
			       (unsigned)geteuid(), shown_path(path));
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return err_set(err, ERR_UNREADABLE,
			       "the state folder is open to other users: chmod 700 %s",
			       shown_path(path));
	return 0;
}

/* The kernel drops the lock with the process, however that ends. */
static int take_lock(int dir, const char *path, int *ret_fd, struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = openat(dir, STORE_LOCK, OPEN_LOCK_FILE, STORE_FILE_MODE);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set_errno(err, ERR_UNREADABLE, errno, "cannot open the lock file");
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_UNREADABLE, "the lock file is not a file");
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return err_set(err, ERR_CONFLICT, "another holdfastd uses the state folder %s",
			       shown_path(path));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot lock the state folder %s",
				     shown_path(path));
	*ret_fd = fd;
	fd = -1;
	return 0;
}

/* What cannot be swept only wastes room: no reason to keep anybody from what is readable. */
static void sweep_folder(const struct store *store, const char *const *path)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	struct err ignored;
	size_t count;

	if (store_folder(store, path, false, &fd, &ignored) == 0)
		(void)!file_sweep(fd, &count, &ignored);
}

static int sweep_tenant(void *arg, const char *name)
{
	const struct store *store = arg;
	size_t kind;

	if (!store_tenant_ok(name))
		return 0;
	sweep_folder(store, (const char *const[]){STORE_TENANTS, name, NULL});
	for (kind = 0; kind < STORE_KINDS; kind++)
		sweep_folder(store,
			     (const char *const[]){STORE_TENANTS, name, KIND_FOLDERS[kind], NULL});
	return 0;
}

static void sweep_all(struct store *store)
{
	CLEANUP(fd_close_cleanup) int tenants = -1;
	struct err ignored;

	sweep_folder(store, (const char *const[]){NULL});
	sweep_folder(store, (const char *const[]){SPOOL_FOLDER, NULL});
	if (store_folder(store, (const char *const[]){STORE_TENANTS, NULL}, false, &tenants,
			 &ignored) == 0)
		(void)!file_list(tenants, sweep_tenant, store, &ignored);
}

/* Now, since a full disk may have no room for it when a removal needs it, which then tries again.
 */
static void make_removed(const struct store *store)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	struct err ignored;

	(void)!store_folder(store, (const char *const[]){STORE_REMOVED, NULL}, true, &fd, &ignored);
}

int store_open(const char *path, struct store **ret_store, struct err *err)
{
	CLEANUP(store_cleanup) struct store *store = calloc(1, sizeof(*store));
	int r;

	if (!store)
		return err_set(err, ERR_INTERNAL, "memory is short");
	store->dir = -1;
	store->lock = -1;
	r = file_open_dir(AT_FDCWD, path, true, STORE_DIR_MODE, &store->dir, err);
	if (r < 0)
		return err_wrap(err, "the state folder %s", shown_path(path));
	r = check_owner(store->dir, path, err);
	if (r < 0)
		return r;
	r = take_lock(store->dir, path, &store->lock, err);
	if (r < 0)
		return r;
	sweep_all(store);
	make_removed(store);
	*ret_store = TAKE(store);
	return 0;
}

void store_free(struct store *store)
{
	if (!store)
		return;
	secret_free(store->mac_key);
	fd_close_cleanup(&store->dir);
	fd_close_cleanup(&store->lock);
	free(store);
}

int store_set_key(struct store *store, const struct secret *root, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	struct slice label = slice_str(MAC_KEY_LABEL);
	int r;

	if (store->mac_key)
		return err_set(err, ERR_INTERNAL, "the store has its key already");
	r = secret_new(MAC_KEY_SIZE, &key, err);
	if (r < 0)
		return r;
	r = hash_hmac(HASH_SHA256, secret_slice(root), &label, 1, secret_data(key), err);
	if (r < 0)
		return r;
	store->mac_key = TAKE(key);
	return 0;
}
