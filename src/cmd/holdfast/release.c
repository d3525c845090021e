/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast/release.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "cmd/holdfast/artifact.h"

static const char REMEDY_LOCK[] = "Wait until that has ended, and repeat this.";

void release_fini(struct release *release)
{
	fd_close_cleanup(&release->dir);
	buf_fini(&release->whole);
	manifest_free(release->manifest);
}

int release_check(struct release *release, struct err *err)
{
	if (!release->folder)
		release->folder = "models";
	release->resource = (struct resource){
		.folder = slice_str(release->folder),
		/* Where there is none, any good one does. */
		.name = slice_str(release->name ? release->name : "-"),
	};
	if (strcmp(release->folder, RELEASE_DEVICES) == 0)
		return err_set(err, ERR_INVALID,
			       "--folder: " RELEASE_DEVICES " is where an origin keeps devices");
	return resource_check_artifact(&release->resource, err);
}

/* It ends with the descriptor. Where there are no locks, publishers have to take turns. */
static int lock(const struct release *release, struct err *err)
{
	if (flock(release->dir, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		return 0;
	(void)err_set(err, ERR_CONFLICT, "another program publishes in %s", release->folder);
	return err_add_remedy(err, REMEDY_LOCK);
}

int release_open(struct release *release, enum release_use use, struct err *err)
{
	CLEANUP(fd_close_cleanup) int root = -1;
	int r = file_open_dir(AT_FDCWD, release->origin, false, 0, &root, err);

	if (r < 0)
		return err_wrap(err, "--origin");
	if (use == RELEASE_MAKE)
		r = file_make_dir(root, release->folder, RELEASE_FOLDER_MODE, &release->dir, err);
	else
		r = file_open_dir(root, release->folder, false, 0, &release->dir, err);
	if (r == 0 && use != RELEASE_LOOK)
		r = lock(release, err);
	if (r == 0 && release->name)
		r = resource_file(release->resource.name, RESOURCE_MANIFEST, release->file, err);
	return r;
}

/* --- the manifest --- */

int release_peek(struct slice whole, struct manifest **ret_manifest, struct err *err)
{
	CLEANUP(buf_fini) struct buf json = BUF_INIT(CMS_MAX);
	int r = cms_peek_whole(whole, &json, err);

	return r < 0 ? r : manifest_parse(buf_slice(&json), ret_manifest, err);
}

static int open_trusted(struct release *release, const char *anchors_file, struct err *err)
{
	CLEANUP(buf_fini) struct buf anchors = BUF_INIT(X509_CHAIN_MAX * X509_MAX);
	int r = artifact_anchors(anchors_file, &anchors, err);
	const struct manifest_trust trust = {.anchors = buf_slice(&anchors), .at = clock_now()};

	return r < 0 ? r
		     : manifest_open(buf_slice(&release->whole), &release->resource, &trust,
				     &release->manifest, err);
}

static int open_any(struct release *release, struct err *err)
{
	CLEANUP(manifest_cleanup) struct manifest *manifest = NULL;
	int r = release_peek(buf_slice(&release->whole), &manifest, err);

	if (r < 0)
		return r;
	if (strcmp(manifest->folder, release->folder) != 0 ||
	    strcmp(manifest->name, release->name) != 0)
		return err_set(err, ERR_WRONG_NAME, "it is that of another artifact");
	release->manifest = TAKE(manifest);
	return 0;
}

int release_read(struct release *release, const char *anchors_file, struct err *err)
{
	int r = file_read(release->dir, release->file, &release->whole, err);

	if (r == 0)
		r = anchors_file ? open_trusted(release, anchors_file, err)
				 : open_any(release, err);
	return r < 0 ? err_wrap(err, "%s", release->file) : 0;
}

int release_read_trusted(struct release *release, const struct manifest_trust *trust,
			 struct err *err)
{
	int r = file_read(release->dir, release->file, &release->whole, err);

	if (r == 0)
		r = manifest_open(buf_slice(&release->whole), &release->resource, trust,
				  &release->manifest, err);
	return r < 0 ? err_wrap(err, "%s", release->file) : 0;
}

static int file_of(const uint8_t digest[MANIFEST_DIGEST], enum resource_part part,
		   char ret_file[RESOURCE_FILE_MAX + 1], struct err *err)
{
	char hex[MANIFEST_DIGEST_HEX];

	manifest_hex(digest, hex);
	return resource_file(slice_str(hex), part, ret_file, err);
}

int release_payload_file(const struct manifest *manifest, char ret_file[RESOURCE_FILE_MAX + 1],
			 struct err *err)
{
	return file_of(manifest->payload_digest, RESOURCE_PAYLOAD, ret_file, err);
}

int release_keys_file(const struct manifest *manifest, char ret_file[RESOURCE_FILE_MAX + 1],
		      struct err *err)
{
	return file_of(manifest->digest, RESOURCE_KEYS, ret_file, err);
}

static void touch(int dir, const char *name)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	uint64_t size;
	struct err ignored;

	if (file_open(dir, name, &fd, &size, &ignored) == 0)
		(void)futimens(fd, NULL);
}

void release_replaced(const struct release *release)
{
	CLEANUP(manifest_cleanup) struct manifest *manifest = NULL;
	char file[RESOURCE_FILE_MAX + 1];
	struct err ignored;

	if (release_peek(buf_slice(&release->whole), &manifest, &ignored) < 0)
		return;
	if (release_payload_file(manifest, file, &ignored) == 0)
		touch(release->dir, file);
	if (release_keys_file(manifest, file, &ignored) == 0)
		touch(release->dir, file);
}
