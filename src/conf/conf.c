/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outside of the room: the file is read here, not by libconfuse, which ends the process when
 * reading fails. Links are followed: the configuration belongs to the administrator, and on some
 * systems all of /etc is links.
 */
#include "conf/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "conf/reader.h"
#include "conf/schema.h"
#include "conf/value.h"

#define FILE_MAX   (1024u * 1024u)
#define CHUNK	   4096u
#define SHOWN_NAME 96u

int conf_default(struct conf **ret_conf, struct err *err)
{
	return conf_parse("", 0, "default", ret_conf, err);
}

/* The end of a long path, so that the line and the cause fit into the message too. */
static const char *shown_name(const char *name)
{
	size_t len = strlen(name);

	return len > SHOWN_NAME ? name + len - SHOWN_NAME : name;
}

int conf_parse(const char *text, size_t len, const char *name, struct conf **ret_conf,
	       struct err *err)
{
	CLEANUP(conf_cleanup) struct conf *conf = NULL;
	int r;

	if (len > FILE_MAX)
		return err_set(err, ERR_INVALID, "%s:1: the file is too large; allowed: 1 MiB",
			       shown_name(name));
	conf = calloc(1, sizeof(*conf));
	if (!conf)
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = value_defaults(conf, false, false, err);
	if (r < 0)
		return r;
	r = reader_run(slice_of(text, len), shown_name(name), conf, err);
	if (r < 0)
		return r;
	*ret_conf = TAKE(conf);
	return 0;
}

static int open_regular(const char *path, int *ret_fd, struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	struct stat st;

	/* Without O_NONBLOCK a FIFO would hang us here. */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_UNREADABLE, errno,
				     "cannot open %s: %s", shown_name(path), strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_UNREADABLE, "%s is not a regular file", shown_name(path));
	*ret_fd = fd;
	fd = -1;
	return 0;
}

/* Stops one byte over the limit, which conf_parse() then refuses. */
static int read_file(const char *path, struct buf *bytes, struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	uint8_t chunk[CHUNK];
	size_t room;
	ssize_t n;
	int r;

	r = open_regular(path, &fd, err);
	if (r < 0)
		return r;
	do {
		room = bytes->max - bytes->len;
		n = read(fd, chunk, room < sizeof(chunk) ? room : sizeof(chunk));
		if (n < 0 && errno != EINTR)
			return err_set_errno(err, ERR_UNREADABLE, errno, "cannot read %s: %s",
					     shown_name(path), strerror(errno));
		if (n > 0)
			buf_put(bytes, slice_of(chunk, (size_t)n));
	} while (n != 0);
	return buf_ok(bytes) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

/* The parser is one for the whole process, and a reload may be at it. */
int conf_load(const char *path, struct conf **ret_conf, struct err *err)
{
	static atomic_flag at_work = ATOMIC_FLAG_INIT;
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(FILE_MAX + 1);
	int r;

	r = read_file(path, &bytes, err);
	if (r < 0)
		return r;
	if (atomic_flag_test_and_set(&at_work))
		return err_set(err, ERR_CONFLICT, "the configuration is being read just now");
	r = conf_parse((const char *)bytes.data, bytes.len, path, ret_conf, err);
	atomic_flag_clear(&at_work);
	return r;
}

void conf_free(struct conf *conf)
{
	size_t i;

	if (!conf)
		return;
	for (i = 0; i < conf->tenant_count; i++)
		reader_tenant_fini(&conf->tenants[i]);
	free(conf->tenants);
	value_clear_all(conf, false);
	free(conf);
}

int conf_provider_of_word(const char *word, enum conf_provider *ret_provider, struct err *err)
{
	uint32_t value;
	int r;

	r = value_word("provider", SCHEMA_PROVIDERS, word, &value, err);
	if (r < 0)
		return r;
	*ret_provider = (enum conf_provider)value;
	return 0;
}
