/* SPDX-License-Identifier: Apache-2.0 */
/* By the field Conffiles of dpkg's records: " PATH MD5 [obsolete]" in lines of their own. */
#include "stack/conffile.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/file.h"
#include "crypto/md5.h"
#include "stack/place.h"

#define STATUS	   "/var/lib/dpkg/status"
#define STATUS_MAX (64u * 1024u * 1024u)
#define FIELD	   "Conffiles:"

bool conffile_noted(struct slice status, const char *path, const char *md5)
{
	const char *at = (const char *)status.data;
	size_t left = status.len;
	bool inside = false;
	char wanted[512];
	int width = snprintf(wanted, sizeof(wanted), " %s %s", path, md5);

	if (width < 0 || (size_t)width >= sizeof(wanted))
		return false;
	while (left > 0) {
		const char *end = memchr(at, '\n', left);
		size_t len = end ? (size_t)(end - at) : left;

		if (len == 0 || at[0] != ' ')
			inside = slice_begins(slice_of(at, len), FIELD);
		else if (inside && slice_begins(slice_of(at, len), wanted) &&
			 (len == (size_t)width || at[width] == ' '))
			return true;
		len += end ? 1 : 0;
		at += len;
		left -= len;
	}
	return false;
}

int conffile_pristine(int root, const char *path, struct slice content, bool *ret_pristine,
		      struct err *err)
{
	CLEANUP(buf_fini) struct buf status = BUF_INIT(STATUS_MAX);
	CLEANUP(fd_close_cleanup) int dir = -1;
	char md5[MD5_TEXT_SIZE];
	struct err none;
	int r = place_open(root, STATUS, false, &dir, err);

	if (r == 0)
		r = file_read(dir, place_name(STATUS), &status, err);
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	*ret_pristine = r == 0 && md5_text(content, md5, &none) == 0 &&
			conffile_noted(buf_slice(&status), path, md5);
	return 0;
}
