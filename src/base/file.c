/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new content is written to a temporary file, synced, given its name in one step, and then the
 * folder is synced. The temporary file stays locked (flock) while its writer lives, which is how
 * file_sweep() knows the ones that were left behind by a kill. Links are never followed and only
 * regular files are read, opened without blocking, so that a planted FIFO cannot hang us.
 */
#include "base/file_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define READ_CHUNK    4096u
#define TEMP_NAME_MAX 64u
#define TEMP_TRIES    1000u

bool file_is_temp(const char *name)
{
	return strncmp(name, FILE_TEMP_PREFIX, strlen(FILE_TEMP_PREFIX)) == 0;
}

/* Names of temporary files are refused as well: the next sweep would delete them. */
int file_check_name(const char *name, struct err *err)
{
	if (name[0] == '\0' || strlen(name) > NAME_MAX || strchr(name, '/') ||
	    strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || file_is_temp(name))
		return err_set(err, ERR_INVALID, "not a file name");
	return 0;
}

/*
 * What errno means for something that is to be read. Lack of our own resources is not the file's
 * fault, and must not make anybody put a good file aside.
 */
static int read_code(int errnum)
{
	switch (errnum) {
	case ENOENT:
		return ERR_NOT_FOUND;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return ERR_INTERNAL;
	default:
		return ERR_UNREADABLE;
	}
}

/* What errno means for a change in a folder. */
static int change_code(int errnum)
{
	switch (errnum) {
	case ENOENT:
		return ERR_NOT_FOUND;
	case EEXIST:
	case EISDIR:
	case ENOTEMPTY:
		return ERR_CONFLICT;
	default:
		return ERR_INTERNAL;
	}
}

/* Makes a content durable, before it has its name. */
int file_sync_content(int fd, const char *name, struct err *err)
{
	if (fsync(fd) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot make %s durable", name);
	return 0;
}

int file_sync_folder(int fd, const char *name, struct err *err)
{
	int errnum;

	if (fsync(fd) == 0)
		return 0;
	errnum = errno;
	(void)err_set(err, ERR_INTERNAL, "cannot make the change of %s durable", name);
	return err_add_origin(err, ERR_ORIGIN_ERRNO, (unsigned long)errnum);
}

static ssize_t read_retry(int fd, uint8_t *data, size_t len)
{
	ssize_t n;

	do
		n = read(fd, data, len);
	while (n < 0 && errno == EINTR);
	return n;
}

/* --- folders --- */

/* A folder that was just made. The umask is not asked. */
static int finish_folder(int parent, const char *name, mode_t mode, struct err *err)
{
	CLEANUP(fd_close_cleanup) int made = openat(parent, name, OPEN_FOLDER);

	if (made < 0 || fchmod(made, mode) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot make folder %s", name);
	return file_sync_content(made, name, err);
}

/*
 * Makes @name in @parent and makes that durable. One that is there already may be of somebody who
 * was killed before the sync, or whose sync failed: @parent is synced all the same.
 */
static int make_folder(int parent, const char *name, mode_t mode, struct err *err)
{
	CLEANUP(fd_close_cleanup) int above = -1;
	int r = 0;

	if (mkdirat(parent, name, mode) == 0)
		r = finish_folder(parent, name, mode, err);
	else if (errno != EEXIST)
		r = err_set_errno(err, ERR_INTERNAL, errno, "cannot make folder %s", name);
	if (r < 0)
		return r;
	/* @parent itself cannot be synced when it was opened as a path. */
	above = openat(parent, ".", OPEN_FOLDER);
	if (above < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot make folder %s", name);
	return file_sync_folder(above, name, err);
}

struct folder_walk {
	const char *rest; /* of the path */
	char name[NAME_MAX + 1];
	bool last; /* no component comes after name */
};

/* Takes the next component: 1, 0 at the end of the path, or negative. */
static int walk_next(struct folder_walk *walk, struct err *err)
{
	const char *start = walk->rest + strspn(walk->rest, "/");
	size_t len = strcspn(start, "/");

	if (len == 0)
		return 0;
	if (len > NAME_MAX)
		return err_set(err, ERR_INVALID, "a component of the path is too long");
	memcpy(walk->name, start, len);
	walk->name[len] = '\0';
	walk->rest = start + len;
	walk->last = walk->rest[strspn(walk->rest, "/")] == '\0';
	return 1;
}

/*
 * Folders on the way may be links (/var/run) and need not be readable, the last one may not be a
 * link and is opened for reading.
 */
static int open_component(int parent, const struct folder_walk *walk, int *ret_fd, struct err *err)
{
	int flags = walk->last ? OPEN_FOLDER : O_PATH | O_DIRECTORY | O_CLOEXEC;
	int fd = openat(parent, walk->name, flags);

	if (fd < 0)
		return err_set_errno(err, read_code(errno), errno, "cannot open folder %s",
				     walk->name);
	*ret_fd = fd;
	return 0;
}

int file_open_dir(int at, const char *path, bool create, mode_t mode, int *ret_fd, struct err *err)
{
	struct folder_walk walk = {.rest = path};
	CLEANUP(fd_close_cleanup) int fd = -1;
	int next = -1;
	int r;

	if (path[0] == '\0' || strlen(path) >= PATH_MAX)
		return err_set(err, ERR_INVALID, "not a path of a folder");
	walk.last = path[strspn(path, "/")] == '\0';
	fd = openat(at, path[0] == '/' ? "/" : ".",
		    walk.last ? OPEN_FOLDER : O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_set_errno(err, read_code(errno), errno, "cannot open the first folder");
	while ((r = walk_next(&walk, err)) > 0) {
		r = open_component(fd, &walk, &next, err);
		if (r == ERR_NOT_FOUND && create) {
			r = make_folder(fd, walk.name, mode, err);
			if (r == 0)
				r = open_component(fd, &walk, &next, err);
		}
		if (r < 0)
			return r;
		close(fd);
		fd = next;
	}
	if (r < 0)
		return r;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int file_make_dir(int parent, const char *name, mode_t mode, int *ret_fd, struct err *err)
{
	int r = file_check_name(name, err);

	if (r == 0)
		r = make_folder(parent, name, mode, err);
	return r < 0 ? r : file_open_dir(parent, name, false, mode, ret_fd, err);
}

/* --- reading --- */

int file_open(int dir, const char *name, int *ret_fd, uint64_t *ret_size, struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	struct stat st;
	int r;

	r = file_check_name(name, err);
	if (r < 0)
		return r;
	fd = openat(dir, name, OPEN_FILE);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set_errno(err, read_code(errno), errno, "cannot open %s", name);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_UNREADABLE, "%s is not a regular file", name);
	*ret_size = (uint64_t)st.st_size;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

/* Until the end of the file, not until its @size: files of the kernel do not state theirs. */
static int read_to_end(int fd, const char *name, size_t size, struct buf *bytes, struct err *err)
{
	size_t step = size > READ_CHUNK ? size : READ_CHUNK;

	for (;;) {
		size_t room = bytes->max - bytes->len;
		size_t want = room < step ? room : step;
		uint8_t beyond;
		uint8_t *end;
		ssize_t n;

		end = want > 0 ? buf_grow(bytes, want) : &beyond;
		if (!end)
			return err_set(err, ERR_INTERNAL, "memory is short");
		n = read_retry(fd, end, want > 0 ? want : 1);
		if (n < 0)
			return err_set_errno(err, read_code(errno), errno, "cannot read %s", name);
		if (want == 0 && n > 0)
			return err_set(err, ERR_TOO_LARGE, "%s is too large", name);
		bytes->len -= want - (want > 0 ? (size_t)n : 0);
		if (n == 0)
			return 0;
	}
}

int file_read(int dir, const char *name, struct buf *ret_bytes, struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	size_t before = ret_bytes->len;
	uint64_t size;
	int r;

	r = file_open(dir, name, &fd, &size, err);
	if (r < 0)
		return r;
	if (!buf_ok(ret_bytes))
		return err_set(err, ERR_INTERNAL, "no room to read %s", name);
	r = read_to_end(fd, name, (size_t)size, ret_bytes, err);
	if (r < 0 && ret_bytes->len > before) {
		wipe(ret_bytes->data + before, ret_bytes->len - before);
		ret_bytes->len = before;
	}
	return r;
}

int file_read_secret(int dir, const char *name, size_t max, struct secret **ret_secret,
		     struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	CLEANUP(secret_cleanup) struct secret *secret = NULL;
	size_t size, done = 0;
	uint64_t there;
	uint8_t beyond;
	ssize_t n;
	int r;

	r = file_open(dir, name, &fd, &there, err);
	if (r < 0)
		return r;
	if (there > max)
		return err_set(err, ERR_TOO_LARGE, "%s is too large", name);
	size = (size_t)there;
	r = secret_new(size, &secret, err);
	if (r < 0)
		return r;
	do {
		n = done < size ? read_retry(fd, secret_data(secret) + done, size - done)
				: read_retry(fd, &beyond, 1);
		if (n < 0)
			return err_set_errno(err, read_code(errno), errno, "cannot read %s", name);
		done += (size_t)n;
	} while (n > 0 && done <= size);
	wipe(&beyond, sizeof(beyond));
	if (done != size)
		return err_set(err, ERR_UNREADABLE, "%s changed while it was read", name);
	*ret_secret = TAKE(secret);
	return 0;
}

/* --- writing --- */

struct temp {
	int dir;
	int fd;
	char name[TEMP_NAME_MAX]; /* empty = no file is to be removed */
};

static void temp_fini(struct temp *temp)
{
	if (temp->name[0] != '\0')
		(void)unlinkat(temp->dir, temp->name, 0);
	if (temp->fd >= 0)
		close(temp->fd);
}

/* Its end says whose it is. The counter keeps threads apart, O_EXCL processes that share a pid in
 * different namespaces. */
static void make_temp_name(const char *for_name, char name[TEMP_NAME_MAX])
{
	static _Atomic unsigned counter;

	(void)snprintf(name, TEMP_NAME_MAX, FILE_TEMP_PREFIX "%d-%u-%.*s", (int)getpid(),
		       atomic_fetch_add(&counter, 1), FILE_SWEEP_NAME_MAX, for_name);
}

static int temp_open(struct temp *temp, const char *for_name, struct err *err)
{
	char name[TEMP_NAME_MAX];
	unsigned tries;

	for (tries = 0; tries < TEMP_TRIES; tries++) {
		make_temp_name(for_name, name);
		temp->fd = openat(temp->dir, name,
				  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (temp->fd >= 0 || errno != EEXIST)
			break;
	}
	if (temp->fd < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot write %s", for_name);
	memcpy(temp->name, name, sizeof(name));
	/* Where locks do not exist, the sweep can only be run before writers start. */
	(void)flock(temp->fd, LOCK_EX | LOCK_NB);
	return 0;
}

static int write_all(int fd, struct slice bytes)
{
	ssize_t n;

	while (bytes.len > 0) {
		n = write(fd, bytes.data, bytes.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		bytes = slice_of(bytes.data + n, bytes.len - (size_t)n);
	}
	return 0;
}

/* Looks first. What comes in between can only be an empty folder: rename(2) goes over nothing else
 * with a folder. */
static int rename_folder(int from_dir, const char *from, int to_dir, const char *to)
{
	struct stat st;

	if (fstatat(to_dir, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
		errno = EEXIST;
	return errno != ENOENT ? -1 : renameat(from_dir, from, to_dir, to);
}

/*
 * As renameat(), but never over an existing name. Old kernels and some file systems (NFS) cannot do
 * it in one step; a second link to the file and removing the first is as safe. A folder has no
 * second link.
 */
static int rename_new(int from_dir, const char *from, int to_dir, const char *to)
{
	struct stat st;
	int errnum;

	if (renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != ENOSYS && errno != EINVAL)
		return -1;
	if (fstatat(from_dir, from, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
		return rename_folder(from_dir, from, to_dir, to);
	if (linkat(from_dir, from, to_dir, to, 0) < 0)
		return -1;
	if (unlinkat(from_dir, from, 0) == 0)
		return 0;
	errnum = errno;
	(void)unlinkat(to_dir, to, 0);
	errno = errnum;
	return -1;
}

static int temp_publish(struct temp *temp, const char *name, enum file_write how, struct err *err)
{
	int r;

	if (how == FILE_CREATE)
		r = rename_new(temp->dir, temp->name, temp->dir, name);
	else
		r = renameat(temp->dir, temp->name, temp->dir, name);
	if (r < 0)
		return err_set_errno(err, errno == ENOENT ? ERR_INTERNAL : change_code(errno),
				     errno, "cannot write %s", name);
	temp->name[0] = '\0';
	r = file_sync_folder(temp->dir, name, err);
	/*
	 * What did not become durable must not be there after all. A replaced content is gone; then
	 * the name has the new one, whole, and the caller knows that a power cut may undo it.
	 */
	if (r < 0 && how == FILE_CREATE)
		(void)unlinkat(temp->dir, name, 0);
	return r;
}

int file_write(int dir, const char *name, struct slice bytes, mode_t mode, enum file_write how,
	       struct err *err)
{
	CLEANUP(temp_fini) struct temp temp = {.dir = dir, .fd = -1};
	int r;

	r = file_check_name(name, err);
	if (r < 0)
		return r;
	r = temp_open(&temp, name, err);
	if (r < 0)
		return r;
	if (fchmod(temp.fd, mode) < 0 || write_all(temp.fd, bytes) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot write %s", name);
	r = file_sync_content(temp.fd, name, err);
	if (r < 0)
		return r;
	return temp_publish(&temp, name, how, err);
}

/* --- drafts --- */

#define PROC_FD_SIZE sizeof("/proc/self/fd/2147483647")

struct file_draft {
	struct temp temp;
	char name[NAME_MAX + 1];
};

static void proc_path(int fd, char path[PROC_FD_SIZE])
{
	(void)snprintf(path, PROC_FD_SIZE, "/proc/self/fd/%d", fd);
}

/* False where the file system has no files without a name, or they could not get one later. */
static bool draft_open_nameless(struct file_draft *draft)
{
	char path[PROC_FD_SIZE];
	int fd = openat(draft->temp.dir, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);

	if (fd < 0)
		return false;
	proc_path(fd, path);
	if (access(path, F_OK) < 0) {
		close(fd);
		return false;
	}
	draft->temp.fd = fd;
	return true;
}

/* A temporary name: the last one is then given in one step, as with all other files. */
static int draft_link(struct file_draft *draft, struct err *err)
{
	char path[PROC_FD_SIZE], name[TEMP_NAME_MAX];
	unsigned tries;
	int r = -1;

	proc_path(draft->temp.fd, path);
	for (tries = 0; r < 0 && tries < TEMP_TRIES; tries++) {
		make_temp_name(draft->name, name);
		r = linkat(AT_FDCWD, path, draft->temp.dir, name, AT_SYMLINK_FOLLOW);
		if (r < 0 && errno != EEXIST)
			break;
	}
	if (r < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot write %s", draft->name);
	memcpy(draft->temp.name, name, sizeof(name));
	return 0;
}

int file_draft_new(int dir, const char *name, mode_t mode, struct file_draft **ret_draft,
		   struct err *err)
{
	CLEANUP(file_draft_cleanup) struct file_draft *draft = NULL;
	int r = file_check_name(name, err);

	if (r < 0)
		return r;
	draft = calloc(1, sizeof(*draft));
	if (!draft)
		return err_set(err, ERR_INTERNAL, "memory is short");
	draft->temp.fd = -1;
	memcpy(draft->name, name, strlen(name) + 1);
	draft->temp.dir = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	if (draft->temp.dir < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot write %s", name);
	if (!draft_open_nameless(draft))
		r = temp_open(&draft->temp, name, err);
	if (r == 0 && fchmod(draft->temp.fd, mode) < 0)
		r = err_set_errno(err, ERR_INTERNAL, errno, "cannot write %s", name);
	if (r == 0)
		*ret_draft = TAKE(draft);
	return r;
}

int file_draft_write(struct file_draft *draft, struct slice bytes, struct err *err)
{
	if (write_all(draft->temp.fd, bytes) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot write %s", draft->name);
	return 0;
}

int file_draft_name(struct file_draft *draft, const char *name, struct err *err)
{
	int r = file_check_name(name, err);

	if (r == 0)
		memcpy(draft->name, name, strlen(name) + 1);
	return r;
}

int file_draft_publish(struct file_draft *draft, enum file_write how, struct err *err)
{
	int r = file_sync_content(draft->temp.fd, draft->name, err);

	if (r == 0 && draft->temp.name[0] == '\0')
		r = draft_link(draft, err);
	return r < 0 ? r : temp_publish(&draft->temp, draft->name, how, err);
}

void file_draft_free(struct file_draft *draft)
{
	if (!draft)
		return;
	temp_fini(&draft->temp);
	fd_close_cleanup(&draft->temp.dir);
	free(draft);
}

int file_remove(int dir, const char *name, struct err *err)
{
	int r = file_check_name(name, err);

	if (r < 0)
		return r;
	if (unlinkat(dir, name, 0) < 0)
		return err_set_errno(err, change_code(errno), errno, "cannot remove %s", name);
	return file_sync_folder(dir, name, err);
}

/* What cannot be overwritten is removed all the same. */
void file_overwrite(int dir, const char *name)
{
	static const uint8_t zeros[READ_CHUNK];
	CLEANUP(fd_close_cleanup) int fd = openat(dir, name, OPEN_TO_ERASE);
	struct stat st;
	size_t left;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1)
		return;
	left = st.st_size > FILE_ERASE_MAX ? FILE_ERASE_MAX : (size_t)st.st_size;
	while (left > 0) {
		size_t step = left < sizeof(zeros) ? left : sizeof(zeros);

		if (write_all(fd, slice_of(zeros, step)) < 0)
			return;
		left -= step;
	}
	(void)fsync(fd);
}

int file_erase(int dir, const char *name, struct err *err)
{
	int r = file_check_name(name, err);

	if (r < 0)
		return r;
	file_overwrite(dir, name);
	return file_remove(dir, name, err);
}

int file_sync(int dir, const char *name, struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	uint64_t size;
	int r;

	if (!name)
		return file_sync_folder(dir, "names in a folder", err);
	r = file_open(dir, name, &fd, &size, err);
	if (r == 0)
		r = file_sync_content(fd, name, err);
	return r < 0 ? r : file_sync_folder(dir, name, err);
}

int file_move_passing(int from_dir, const char *from, int to_dir, const char *to, struct err *err)
{
	int r = file_check_name(from, err);

	if (r == 0)
		r = file_check_name(to, err);
	if (r == 0 && rename_new(from_dir, from, to_dir, to) < 0)
		r = err_set_errno(err, change_code(errno), errno, "cannot move %s", from);
	return r;
}

int file_move(int from_dir, const char *from, int to_dir, const char *to, struct err *err)
{
	int r = file_move_passing(from_dir, from, to_dir, to, err);

	/* First where it arrived: a cut in between then leaves two names rather than none. */
	if (r == 0)
		r = file_sync_folder(to_dir, to, err);
	return r < 0 ? r : file_sync_folder(from_dir, from, err);
}

int file_link(int from_dir, const char *from, int to_dir, const char *to, struct err *err)
{
	int r = file_check_name(to, err);

	if (r == 0 && linkat(from_dir, from, to_dir, to, 0) < 0)
		r = err_set_errno(err, change_code(errno), errno, "cannot keep %s as %s", from, to);
	return r < 0 ? r : file_sync_folder(to_dir, to, err);
}

int file_replace(int from_dir, const char *from, int to_dir, const char *to, struct err *err)
{
	int r = file_check_name(from, err);

	if (r == 0)
		r = file_check_name(to, err);
	if (r == 0 && renameat(from_dir, from, to_dir, to) < 0)
		r = err_set_errno(err, change_code(errno), errno, "cannot write %s", to);
	if (r == 0)
		r = file_sync_folder(to_dir, to, err);
	return r < 0 || from_dir == to_dir ? r : file_sync_folder(from_dir, from, err);
}
