/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holdfast-fapi: arguments, confinement, one verb, one answer. FAPI lives in this process so that
 * a fault of its files, its parser or its locks is never one of the daemon.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <tss2/tss2_fapi.h>

#include "base/file.h"
#include "base/json.h"
#include "cmd/holdfast-fapi/helper.h"
#include "cmd/holdfast-fapi/rc.h"
#include "host/confine.h"
#include "host/limits.h"
#include "host/syscalls.h"

#define EXIT_USAGE 2

static const char USAGE[] =
	"usage: holdfast-fapi probe | provision | list\n"
	"       holdfast-fapi seal PATH < DATA\n"
	"       holdfast-fapi delete PATH\n"
	"       holdfast-fapi --version | --help\n"
	"\n"
	"Does one thing with FAPI and prints one JSON object. holdfastd starts it; TSS2_FAPICONF\n"
	"names the configuration, whose folder is all that it may write to.\n"
	"PATH is /HS/SRK/NAME, DATA 1 to 128 bytes.\n"
	"Exit status: 0 done, 1 failed, 2 wrong usage.\n";

static const struct verb {
	const char *name;
	int (*run)(struct helper *helper, struct err *err);
	bool path;
	bool data;
} VERBS[] = {
	{.name = "probe", .run = verb_probe},
	{.name = "provision", .run = verb_provision},
	{.name = "seal", .run = verb_seal, .path = true, .data = true},
	{.name = "list", .run = verb_list},
	{.name = "delete", .run = verb_delete, .path = true},
};

static const struct verb *find_verb(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(VERBS); i++)
		if (strcmp(VERBS[i].name, name) == 0)
			return &VERBS[i];
	return NULL;
}

/* --- FAPI's context --- */

int helper_check(struct helper *helper, const char *step, uint32_t rc, struct err *err)
{
	helper->step = step;
	return rc == TSS2_RC_SUCCESS ? 0 : rc_fill(rc, step, helper->hierarchy, err);
}

/* FAPI asks when a hierarchy or an object has a password. There is none to give. */
static TSS2_RC refuse_auth(const char *path, const char *description, const char **auth, void *arg)
{
	struct helper *helper = arg;
	const char *slash = strrchr(path, '/');

	(void)description;
	(void)auth;
	if (slash == path)
		(void)snprintf(helper->hierarchy, sizeof(helper->hierarchy), "%s", path);
	return TSS2_FAPI_RC_AUTHORIZATION_UNKNOWN;
}

int helper_open(struct helper *helper, struct err *err)
{
	int r = helper_check(helper, "Fapi_Initialize", Fapi_Initialize(&helper->context, NULL),
			     err);

	if (r < 0)
		return r;
	return helper_check(helper, "Fapi_SetAuthCB",
			    Fapi_SetAuthCB(helper->context, refuse_auth, helper), err);
}

void helper_close(struct helper *helper)
{
	if (helper->context)
		Fapi_Finalize(&helper->context);
	secret_free(helper->data);
	fapi_config_fini(&helper->config);
	buf_fini(&helper->members);
	if (helper->folder >= 0)
		close(helper->folder);
}

/* --- before it --- */

static int read_data(struct helper *helper, struct err *err)
{
	uint8_t bytes[HELPER_DATA_MAX + 1];
	size_t len = 0;
	ssize_t n = 1;
	int r;

	helper->step = "data";
	while (n > 0 && len < sizeof(bytes)) {
		n = read(STDIN_FILENO, bytes + len, sizeof(bytes) - len);
		if (n < 0 && errno == EINTR)
			n = 1;
		else
			len += n > 0 ? (size_t)n : 0;
	}
	if (n < 0)
		r = err_set_errno(err, ERR_INTERNAL, errno, "cannot read the data");
	else if (len == 0)
		r = err_set(err, ERR_INVALID, "there is no data");
	else if (len > HELPER_DATA_MAX)
		r = err_set(err, ERR_TOO_LARGE, "over %u bytes of data", HELPER_DATA_MAX);
	else
		r = secret_copy(slice_of(bytes, len), &helper->data, err);
	wipe(bytes, sizeof(bytes));
	return r;
}

static int read_arguments(struct helper *helper, const struct verb *verb, char **words,
			  struct err *err)
{
	helper->step = "arguments";
	if (!verb)
		return err_set(err, ERR_INVALID, "no such verb");
	if ((words[0] != NULL) != verb->path || (words[0] && words[1]))
		return err_set(err, ERR_INVALID, "%s takes %s", verb->name,
			       verb->path ? "one path" : "no path");
	if (verb->path && !fapi_path_ok(words[0]))
		return err_set(err, ERR_INVALID, "the path is not /HS/SRK/NAME");
	helper->path = words[0];
	return verb->data ? read_data(helper, err) : 0;
}

/* Writes the folder of @file to @ret_folder (PATH_MAX). */
static int folder_of(const char *file, char *ret_folder, struct err *err)
{
	const char *slash = strrchr(file, '/');
	size_t len;

	if (file[0] != '/' || strcmp(slash + 1, FAPI_CONFIG) != 0 || strlen(file) >= PATH_MAX)
		return err_set(err, ERR_INVALID,
			       "TSS2_FAPICONF must be the absolute path of a " FAPI_CONFIG);
	len = slash == file ? 1 : (size_t)(slash - file);
	memcpy(ret_folder, file, len);
	ret_folder[len] = '\0';
	return 0;
}

static int read_config(struct helper *helper, char *ret_folder, struct err *err)
{
	const char *file = getenv("TSS2_FAPICONF");
	int r;

	helper->step = "configuration";
	r = folder_of(file ? file : "", ret_folder, err);
	if (r == 0)
		r = file_open_dir(AT_FDCWD, ret_folder, false, 0, &helper->folder, err);
	return r < 0 ? r : fapi_config_read(helper->folder, &helper->config, err);
}

/* Where the TSS itself lies, which need not be a folder of the system. */
static void library_folder(char *ret_folder, size_t size)
{
	TSS2_RC (*function)(FAPI_CONTEXT **, const char *) = Fapi_Initialize;
	const char *slash;
	void *address;
	Dl_info info;

	ret_folder[0] = '\0';
	memcpy(&address, &function, sizeof(address));
	if (dladdr(address, &info) == 0 || !info.dli_fname)
		return;
	slash = strrchr(info.dli_fname, '/');
	if (slash && slash != info.dli_fname)
		(void)snprintf(ret_folder, size, "%.*s", (int)(slash - info.dli_fname),
			       info.dli_fname);
}

/*
 * The TCTI is loaded by name when FAPI is initialized, so the library folders are still needed.
 * OpenSSL gets an empty configuration: the machine's may load an engine that wants the TPM too.
 */
static int confine(struct helper *helper, const char *folder, struct err *err)
{
	char library[PATH_MAX];
	const struct confine_path paths[] = {
		{.path = folder, .rights = CONFINE_WRITE},
		{.path = helper->config.profile_dir},
		{.path = library},
		{.path = "/usr/lib"},
		{.path = "/usr/lib64"},
		{.path = "/usr/local/lib"},
		{.path = "/lib"},
		{.path = "/lib64"},
		{.path = "/etc/ld.so.cache"},
		{.path = "/dev/null"},
#ifdef __SANITIZE_ADDRESS__
		{.path = "/proc"}, /* the search for leaks reads it */
#endif
	};

	const struct confine_rules rules = {.paths = paths, .count = ARRAY_LEN(paths)};
	unsigned abi = 0, calls;
	int r;

	helper->step = "confinement";
	library_folder(library, sizeof(library));
	r = confine_paths(&rules, &abi, err);
	helper->confined = abi > 0;
	return r < 0 ? r : syscalls_limit(SYSCALLS_HELPER, false, &calls, err);
}

static int prepare(struct helper *helper, const struct verb *verb, char **words, struct err *err)
{
	char folder[PATH_MAX];
	int r;

	helper->step = "confinement";
	r = limits_apply(err);
	if (r == 0)
		r = confine_process(err);
	if (r == 0)
		r = read_arguments(helper, verb, words, err);
	if (r == 0)
		r = read_config(helper, folder, err);
	return r < 0 ? r : confine(helper, folder, err);
}

/* --- the answer --- */

static void put_failure(struct buf *answer, const struct helper *helper, const struct err *err)
{
	uint32_t rc = err->origin_kind == ERR_ORIGIN_TSS2 ? (uint32_t)err->origin : 0;

	buf_printf(answer, "{\"ok\":false,\"code\":\"%s\",\"step\":\"%s\",\"rc\":\"0x%08x\"",
		   err_info(err->code)->name, helper->step, rc);
	buf_put_str(answer, ",\"text\":");
	json_put_string(answer, err->text);
	buf_put_str(answer, ",\"remedy\":");
	json_put_string(answer, err_remedy(err));
	buf_put_str(answer, "}\n");
}

static int print(const struct buf *answer)
{
	if (!buf_ok(answer) || fwrite(answer->data, 1, answer->len, stdout) != answer->len ||
	    fflush(stdout) != 0)
		return 1;
	return 0;
}

static int answer(struct helper *helper, int r, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(FAPI_ANSWER_MAX);

	if (r == 0 && !buf_ok(&helper->members))
		r = err_set(err, ERR_TOO_LARGE, "the answer is over %u bytes", FAPI_ANSWER_MAX);
	if (r < 0) {
		put_failure(&text, helper, err);
		(void)print(&text);
		return 1;
	}
	buf_put_str(&text, "{\"ok\":true");
	buf_put(&text, buf_slice(&helper->members));
	buf_put_str(&text, "}\n");
	return print(&text);
}

static uint64_t now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

int main(int argc, char **argv)
{
	CLEANUP(helper_close)
	struct helper helper = {
		.folder = -1,
		.start_us = now_us(),
		.members = BUF_INIT(FAPI_ANSWER_MAX - sizeof("{\"ok\":true}\n")),
	};
	const struct verb *verb;
	struct err err = {0};
	int r;

	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		return printf("holdfast-fapi %s\n", HOLDFAST_VERSION) < 0;
	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return fputs(USAGE, stdout) < 0;
	if (argc < 2) {
		(void)fputs(USAGE, stderr);
		return EXIT_USAGE;
	}
	/* Raw lines of libtss2 would be nothing but noise beside the answer. */
	(void)setenv("TSS2_LOG", "all+NONE", 0);
	(void)setenv("OPENSSL_CONF", "/dev/null", 1);
	json_setup();
	verb = find_verb(argv[1]);
	r = prepare(&helper, verb, argv + 2, &err);
	if (r == 0)
		r = helper_open(&helper, &err);
	if (r == 0)
		r = verb->run(&helper, &err);
	return answer(&helper, r, &err);
}
