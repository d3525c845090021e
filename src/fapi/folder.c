/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder is made from the outside in and the configuration comes last: where it is, all that it
 * names is there too. What is there stays as it is, since an operator may have edited it.
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/file.h"
#include "base/json.h"
#include "fapi/impl.h"
#include "fapi/profile.h"

#define FOLDER_MODE 0700
#define FILE_MODE   0600
#define MACHINE_MAX (64u * 1024u)
#define TEXT_MAX    (32u * 1024u)
#define SOCKET	    "/tpm.sock"
#define CONTROL	    ".ctrl" /* the TCTI's, behind the name of the socket */

/* --- what the configuration is to say --- */

struct choice {
	const struct fapi_profile *profile;
	bool ek_cert_less;
};

/* FAPI takes both spellings of a truth value. */
static void take_ek_cert_less(const json_t *machine, struct choice *choice)
{
	const json_t *value = json_object_get(machine, "ek_cert_less");
	const char *word = json_string_value(value);

	if (word)
		choice->ek_cert_less = strcasecmp(word, "no") != 0;
	else if (json_is_integer(value))
		choice->ek_cert_less = json_integer_value(value) != 0;
}

static void take_profile(const json_t *machine, struct choice *choice)
{
	const char *name = json_string_value(json_object_get(machine, "profile_name"));
	const struct fapi_profile *profile = name ? fapi_profile_of(name) : NULL;

	if (profile)
		choice->profile = profile;
}

/* Splits @path into an open folder and a name in it; ERR_NOT_FOUND, ERR_UNREADABLE. */
static int read_file(const char *path, struct buf *ret_text, struct err *err)
{
	CLEANUP(mem_free_cleanup) char *copy = strdup(path);
	CLEANUP(fd_close_cleanup) int folder = -1;
	char *slash;
	int r;

	if (!copy)
		return err_set(err, ERR_INTERNAL, "memory is short");
	slash = strrchr(copy, '/');
	if (!slash || slash == copy)
		return err_set(err, ERR_INVALID, "the machine's " FAPI_CONFIG " must be absolute");
	*slash = '\0';
	r = file_open_dir(AT_FDCWD, copy, false, 0, &folder, err);
	return r < 0 ? r : file_read(folder, slash + 1, ret_text, err);
}

/*
 * The machine's own configuration. One that is absent or not for our eyes has no say, nor has a
 * profile that we do not serve: the stores are separate, so nothing breaks. One that is no JSON is
 * told, since whoever wrote it meant something.
 */
static int take_machine(const char *path, struct choice *choice, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(MACHINE_MAX);
	CLEANUP(json_cleanup) struct json_t *machine = NULL;
	int r = read_file(path, &text, err);

	if (r == ERR_NOT_FOUND || r == ERR_UNREADABLE)
		return 0;
	if (r == 0)
		r = json_parse(buf_slice(&text), &machine, err);
	if (r < 0) {
		(void)err_wrap(err, "the machine's " FAPI_CONFIG);
		return err_add_remedy(err, "Correct that file, or say in the configuration of "
					   "the service which FAPI profile to use.");
	}
	take_profile(machine, choice);
	take_ek_cert_less(machine, choice);
	return 0;
}

/* @choice holds the defaults. */
static int choose(const struct fapi_wish *wish, struct choice *choice, struct err *err)
{
	const struct fapi_profile *wanted =
		wish->profile_name ? fapi_profile_of(wish->profile_name) : NULL;
	int r = 0;

	if (wish->profile_name && !wanted)
		return err_set(err, ERR_NOT_SUPPORTED, "no such FAPI profile: %.40s",
			       wish->profile_name);
	if (wish->machine && (!wanted || wish->ek_cert_less < 0))
		r = take_machine(wish->machine, choice, err);
	if (r < 0)
		return r;
	if (wanted)
		choice->profile = wanted;
	if (wish->ek_cert_less >= 0)
		choice->ek_cert_less = wish->ek_cert_less != 0;
	return 0;
}

/* --- making it --- */

static int make_file(int folder, const char *name, struct slice text, struct err *err)
{
	int r = file_write(folder, name, text, FILE_MODE, FILE_CREATE, err);

	return r == ERR_CONFLICT ? 0 : r;
}

/* Makes the folder @name in @folder and, if @inside is given, that one in it. */
static int make_folder(int folder, const char *name, const char *inside, struct err *err)
{
	CLEANUP(fd_close_cleanup) int outer = -1;
	CLEANUP(fd_close_cleanup) int inner = -1;
	int r = file_make_dir(folder, name, FOLDER_MODE, &outer, err);

	if (r == 0 && inside)
		r = file_make_dir(outer, inside, FOLDER_MODE, &inner, err);
	return r;
}

static int make_profiles(int folder, struct err *err)
{
	CLEANUP(fd_close_cleanup) int profiles = -1;
	char name[FAPI_PROFILE_MAX + sizeof(".json")];
	size_t i;
	int r = file_make_dir(folder, "profiles", FOLDER_MODE, &profiles, err);

	for (i = 0; i < FAPI_PROFILE_COUNT && r == 0; i++) {
		(void)snprintf(name, sizeof(name), "%s.json", FAPI_PROFILES[i].name);
		r = make_file(profiles, name, slice_str(FAPI_PROFILES[i].text), err);
	}
	return r;
}

/* "name": "<front><path><tail>" */
static void put_path(struct buf *text, const char *name, const char *const parts[3])
{
	CLEANUP(buf_fini) struct buf value = BUF_INIT(TEXT_MAX);
	size_t i;

	for (i = 0; i < 3; i++)
		buf_put_str(&value, parts[i]);
	buf_put_u8(&value, '\0');
	buf_printf(text, "  \"%s\": ", name);
	if (buf_ok(&value))
		json_put_string(text, (const char *)value.data);
	else
		text->failed = true;
	buf_put_str(text, ",\n");
}

static void put_config(struct buf *text, const struct fapi_place *place,
		       const struct choice *choice)
{
	buf_printf(text, "{\n  \"profile_name\": \"%s\",\n", choice->profile->name);
	put_path(text, "profile_dir", (const char *const[]){place->folder, "/profiles", ""});
	put_path(text, "user_dir", (const char *const[]){place->folder, "/user", ""});
	put_path(text, "system_dir", (const char *const[]){place->folder, "/system", ""});
	put_path(text, "log_dir", (const char *const[]){place->folder, "/log", ""});
	put_path(text, "tcti", (const char *const[]){"swtpm:path=", place->run, SOCKET});
	buf_printf(text, "  \"system_pcrs\": [],\n  \"ek_cert_less\": \"%s\"\n}\n",
		   choice->ek_cert_less ? "yes" : "no");
}

/* The TCTI splits its configuration at commas, and a socket's path is short. */
static int check_place(const struct fapi_place *place, struct err *err)
{
	const size_t room = sizeof(((struct sockaddr_un *)NULL)->sun_path);

	if (place->folder[0] != '/' || place->run[0] != '/')
		return err_set(err, ERR_INVALID, "the folders of FAPI must be absolute");
	if (strchr(place->run, ','))
		return err_set(err, ERR_INVALID, "a comma in the folder of FAPI's socket");
	if (strlen(place->run) + strlen(SOCKET CONTROL) >= room)
		return err_set(err, ERR_INVALID, "the folder of FAPI's socket is too long");
	return 0;
}

static int make_config(int folder, const struct fapi_place *place, const struct fapi_wish *wish,
		       struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(TEXT_MAX);
	struct choice choice = {.profile = &FAPI_PROFILES[0], .ek_cert_less = true};
	struct stat st;
	int r;

	/* Readable or not: it is there, and nobody's wish is asked. */
	if (fstatat(folder, FAPI_CONFIG, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	r = choose(wish, &choice, err);
	if (r < 0)
		return r;
	put_config(&text, place, &choice);
	if (!buf_ok(&text))
		return err_set(err, ERR_INVALID, "the folders of FAPI are too long");
	return make_file(folder, FAPI_CONFIG, buf_slice(&text), err);
}

int fapi_folder_make(const struct fapi_place *place, const struct fapi_wish *wish, struct err *err)
{
	CLEANUP(fd_close_cleanup) int folder = -1;
	int r = check_place(place, err);

	if (r == 0)
		r = file_open_dir(AT_FDCWD, place->folder, true, FOLDER_MODE, &folder, err);
	if (r == 0)
		r = make_profiles(folder, err);
	if (r == 0)
		r = make_folder(folder, "system", "policy", err);
	if (r == 0)
		r = make_folder(folder, "user", NULL, err);
	if (r == 0)
		r = make_folder(folder, "log", NULL, err);
	return r < 0 ? r : make_config(folder, place, wish, err);
}
