/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where things are, and the four things that are done with them. Each call opens its folder anew:
 * what is mounted over it meanwhile counts.
 */
#include "identity/files_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

#define DEFAULT_CONFIG	"/config"
#define DEFAULT_PERSIST "/persist"
#define DEFAULT_BELOW	"device"
#define PRIVATE_MODE	0700
#define SHARED_MODE	0755
#define PATH_ROOM	(PATH_MAX - 64) /* for what is put behind it */

/* --- places --- */

static char *copy_path(const char *path, const char *below)
{
	char *copy = NULL;

	if (asprintf(&copy, "%s%s%s", path, below ? "/" : "", below ? below : "") < 0)
		return NULL;
	return copy;
}

/* Only what is certainly not there is absent; what is there and no folder is an error. */
static int is_there(const char *path, bool *ret_there, struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	char dotted[sizeof(DEFAULT_PERSIST "/.")];
	int r;

	(void)snprintf(dotted, sizeof(dotted), "%s/.", path);
	r = file_open_dir(AT_FDCWD, dotted, false, 0, &fd, err);
	if (r < 0 && r != ERR_NOT_FOUND)
		return err_wrap(err, "%s", path);
	*ret_there = r == 0;
	return 0;
}

/* Both or none: a machine that has only one of them is no EVE. */
static int has_usual(bool *ret_has, struct err *err)
{
	bool persist = false;
	int r = is_there(DEFAULT_PERSIST, &persist, err);

	*ret_has = false;
	return r < 0 || !persist ? r : is_there(DEFAULT_CONFIG, ret_has, err);
}

static int set_folders(struct identity_files *files, const struct identity_places *places,
		       bool usual, struct err *err)
{
	const char *config = places->config, *persist = places->persist;

	free(TAKE(files->config));
	free(TAKE(files->persist));
	files->config = config[0] != '\0' ? copy_path(config, NULL)
			: usual		  ? copy_path(DEFAULT_CONFIG, NULL)
					  : copy_path(places->state, DEFAULT_BELOW);
	files->persist = persist[0] != '\0' ? copy_path(persist, NULL)
			 : usual	    ? copy_path(DEFAULT_PERSIST, NULL)
					    : copy_path(places->state, DEFAULT_BELOW);
	return files->config && files->persist ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

/* A record, or what cannot be read and may be one. */
static bool holds_record(const struct identity_files *files, enum files_folder folder,
			 const char *name)
{
	for (int i = 0; i < 2; i++) {
		CLEANUP(secret_cleanup) struct secret *bytes = NULL;
		char copy[NAME_MAX + 1];
		struct err ignored;

		(void)snprintf(copy, sizeof(copy), "%s%s", name, i ? TWIN_SUFFIX : "");
		if (files_read(files, folder, copy, TWIN_MAX, &bytes, &ignored) != ERR_NOT_FOUND)
			return true;
	}
	return false;
}

/*
 * The machine's folders, if there are any; but an identity that was made before they were there
 * stays where it is, unless there is one in <persist> too. One that lies in <config> only counts
 * for nothing here: more people may write that.
 */
static int choose_folders(struct identity_files *files, const struct identity_places *places,
			  struct err *err)
{
	bool usual = false, asked = places->config[0] != '\0' && places->persist[0] != '\0';
	bool below;
	int r = asked ? 0 : has_usual(&usual, err);

	if (r == 0)
		r = set_folders(files, places, false, err);
	if (r < 0 || !usual)
		return r;
	below = holds_record(files, FILES_IN_HOLDFAST, FILES_RECORD) ||
		holds_record(files, FILES_IN_CONFIG, FILES_RECORD_COPY);
	r = set_folders(files, places, true, err);
	if (r < 0 || !below)
		return r;
	files->stays = !holds_record(files, FILES_IN_HOLDFAST, FILES_RECORD);
	return files->stays ? set_folders(files, places, false, err) : 0;
}

static int check_places(const struct identity_places *places, struct err *err)
{
	const char *const all[] = {places->config, places->persist, places->run, places->state};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		bool may_be_empty = i < 2;

		if ((all[i][0] == '\0' && may_be_empty) ||
		    (all[i][0] == '/' && strlen(all[i]) < PATH_ROOM))
			continue;
		return err_set(err, ERR_INVALID,
			       "a folder of the device's identity must be an "
			       "absolute path");
	}
	return 0;
}

/*
 * What a kill left half written; it may be a key. In folders of the machine only what was to become
 * a file of ours. What cannot be swept only wastes room.
 */
static void sweep(const struct identity_files *files)
{
	static const char *const in_config[] = {FILES_KEY, FILES_CERTIFICATE, FILES_RECORD_COPY,
						FILES_RECORD_COPY TWIN_SUFFIX, NULL};
	static const char *const in_marker[] = {FILES_MARKER, NULL};
	static const struct {
		enum files_folder folder;
		const char *const *names; /* NULL = all */
	} swept[] = {
		{FILES_IN_CONFIG, in_config}, {FILES_IN_MARKER, in_marker},
		{FILES_IN_HOLDFAST, NULL},    {FILES_IN_PREVIOUS, NULL},
		{FILES_IN_QUARANTINE, NULL},
	};
	struct err ignored;
	size_t count;

	for (size_t i = 0; i < ARRAY_LEN(swept); i++) {
		CLEANUP(fd_close_cleanup) int dir = -1;

		if (files_open(files, swept[i].folder, false, &dir, &ignored) == 0)
			(void)!file_sweep_of(dir, swept[i].names, &count, &ignored);
	}
}

int identity_files_new(const struct identity_places *places, struct identity_files **ret_files,
		       struct err *err)
{
	CLEANUP(identity_files_cleanup) struct identity_files *files = NULL;
	int r = check_places(places, err);

	if (r < 0)
		return r;
	files = calloc(1, sizeof(*files));
	if (!files)
		return err_set(err, ERR_INTERNAL, "memory is short");
	files->run = copy_path(places->run, NULL);
	files->state = copy_path(places->state, NULL);
	if (!files->run || !files->state)
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = choose_folders(files, places, err);
	if (r < 0)
		return r;
	sweep(files);
	*ret_files = TAKE(files);
	return 0;
}

void identity_files_free(struct identity_files *files)
{
	if (!files)
		return;
	free(files->config);
	free(files->persist);
	free(files->run);
	free(files->state);
	free(files);
}

const char *identity_files_config(const struct identity_files *files)
{
	return files->config;
}

const char *identity_files_persist(const struct identity_files *files)
{
	return files->persist;
}

const char *identity_files_problem(const struct identity_files *files)
{
	return files->stays ? "the identity lies below the state folder, though " DEFAULT_CONFIG
			      " and " DEFAULT_PERSIST " are there now: it stays"
			    : "";
}

/* --- folders --- */

static const struct {
	const char *word; /* for errors */
	const char *path[2];
	mode_t mode;
} folders[FILES_FOLDERS] = {
	[FILES_IN_CONFIG] = {"config_dir", {NULL}, 0},
	[FILES_IN_RUN] = {"the run folder", {NULL}, 0},
	[FILES_IN_STATE] = {"the state folder", {NULL}, 0},
	[FILES_IN_HOLDFAST] = {"persist_dir", {"holdfast"}, PRIVATE_MODE},
	[FILES_IN_PREVIOUS] = {"persist_dir", {"holdfast", "previous"}, PRIVATE_MODE},
	[FILES_IN_QUARANTINE] = {"persist_dir", {"holdfast", "quarantine"}, PRIVATE_MODE},
	[FILES_IN_MARKER] = {"persist_dir", {"config"}, SHARED_MODE},
};

static const char *root_of(const struct identity_files *files, enum files_folder folder)
{
	switch (folder) {
	case FILES_IN_CONFIG:
		return files->config;
	case FILES_IN_RUN:
		return files->run;
	case FILES_IN_STATE:
		return files->state;
	default:
		return files->persist;
	}
}

/* By its text: who writes .. into it gets no folders made. */
static bool is_below(const char *path, const char *above)
{
	size_t len = strlen(above);

	while (len > 0 && above[len - 1] == '/')
		len--;
	return strncmp(path, above, len) == 0 && path[len] == '/' && !strstr(path, "..");
}

/* The root itself may be a link, since it is the machine's; hence the dot. */
static int open_root(const struct identity_files *files, enum files_folder folder, bool create,
		     int *ret_fd, struct err *err)
{
	const char *root = root_of(files, folder);
	bool ours = is_below(root, files->state);
	char path[PATH_MAX];
	int r;

	(void)snprintf(path, sizeof(path), "%s/.", root);
	r = file_open_dir(AT_FDCWD, path, create && ours, PRIVATE_MODE, ret_fd, err);
	if (r == ERR_NOT_FOUND && !ours) {
		(void)err_set(err, ERR_UNREADABLE, "%s is not there", folders[folder].word);
		return err_add_remedy(err, "Mount or make the folder that device { config_dir, "
					   "persist_dir } names, then try again.");
	}
	return r;
}

int files_open(const struct identity_files *files, enum files_folder folder, bool create,
	       int *ret_fd, struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	int r = open_root(files, folder, create, &fd, err);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(folders[0].path); i++) {
		const char *name = folders[folder].path[i];
		int next = -1;

		if (!name)
			break;
		if (create)
			r = file_make_dir(fd, name, folders[folder].mode, &next, err);
		else
			r = file_open_dir(fd, name, false, 0, &next, err);
		if (r < 0)
			break;
		close(fd);
		fd = next;
	}
	if (r < 0) {
		(void)files_explain(err);
		return err_wrap(err, "%s", folders[folder].word);
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}

/* --- files --- */

int files_explain(struct err *err)
{
	if (err->origin_kind == ERR_ORIGIN_ERRNO &&
	    (err->origin == EROFS || err->origin == EACCES || err->origin == EPERM))
		return err_add_remedy(err,
				      "Make the folders that device { config_dir, persist_dir } "
				      "name writable for the service, then try again.");
	return err->code;
}

int files_read(const struct identity_files *files, enum files_folder folder, const char *name,
	       size_t max, struct secret **ret_bytes, struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	int r = files_open(files, folder, false, &dir, err);

	return r < 0 ? r : file_read_secret(dir, name, max, ret_bytes, err);
}

int files_write(const struct identity_files *files, enum files_folder folder,
		const struct files_content *content, struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	int r = files_open(files, folder, true, &dir, err);

	if (r < 0)
		return r;
	r = file_write(dir, content->name, content->bytes, content->mode, FILE_REPLACE, err);
	return r < 0 ? files_explain(err) : 0;
}

int files_remove(const struct identity_files *files, enum files_folder folder, const char *name,
		 struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	int r = files_open(files, folder, false, &dir, err);

	if (r == 0)
		r = file_remove(dir, name, err);
	if (r == ERR_NOT_FOUND)
		return 0;
	return r < 0 ? files_explain(err) : 0;
}
