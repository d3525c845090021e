/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The v1 format from the command line, for tests beside the openssl command. Plaintext, blobs and
 * what else is made go from standard input to standard output in pieces; keys are in hex. It ends
 * with 0, or with 1 and the error; "peak N" on standard error is the most memory that it had, in
 * kB.
 */

#include <stdio.h>
#include <sys/resource.h>

#include "artifact/v1.h"
#include "artifact/v1_key.h"
#include "artifact/v1_sig.h"
#include "base/base64.h"
#include "base/mem.h"
#include "crypto/cipher.h"

#define PIECE	 65536u
#define FILE_MAX 65536u

static void file_cleanup(FILE **file)
{
	if (*file)
		fclose(*file);
}

static int cannot(struct err *err, const char *what)
{
	return err_set(err, ERR_UNREADABLE, "cannot open, read or write %s", what);
}

static int open_file(const char *path, const char *mode, FILE **ret_file, struct err *err)
{
	*ret_file = fopen(path, mode);
	return *ret_file ? 0 : cannot(err, path);
}

/* Writes all of it and empties it. */
static int put_out(FILE *file, struct buf *buf, struct err *err)
{
	if (buf->len > 0 && fwrite(buf->data, 1, buf->len, file) != buf->len)
		return cannot(err, "the output");
	buf_reset(buf);
	return 0;
}

/* Calls @piece for each piece of the file. */
static int each_piece(FILE *file, int (*piece)(void *arg, struct slice bytes, struct err *err),
		      void *arg, struct err *err)
{
	static uint8_t bytes[PIECE];
	size_t n;
	int r = 0;

	while (r == 0 && (n = fread(bytes, 1, sizeof(bytes), file)) > 0)
		r = piece(arg, slice_of(bytes, n), err);
	if (r == 0 && ferror(file))
		r = cannot(err, "the input");
	return r;
}

/* The same over the parts: small, then big. */
static int each_of_parts(char **paths, int (*piece)(void *, struct slice, struct err *), void *arg,
			 struct err *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < 2; i++) {
		CLEANUP(file_cleanup) FILE *file = NULL;

		r = open_file(paths[i], "rbe", &file, err);
		if (r == 0)
			r = each_piece(file, piece, arg, err);
	}
	return r;
}

static int read_all(const char *path, struct buf *ret_bytes, struct err *err)
{
	CLEANUP(file_cleanup) FILE *file = NULL;
	uint8_t *room = buf_grow(ret_bytes, FILE_MAX);
	int r = open_file(path, "rbe", &file, err);

	if (r < 0 || !room)
		return cannot(err, path);
	ret_bytes->len -= FILE_MAX - fread(room, 1, FILE_MAX, file);
	return 0;
}

static int key_of_hex(const char *hex, struct secret **ret_key, struct err *err)
{
	int r = secret_new(CIPHER_KEY256, ret_key, err);

	if (r == 0 && (strlen(hex) != 2 * CIPHER_KEY256 ||
		       !hex_decode(slice_str(hex), secret_data(*ret_key), CIPHER_KEY256)))
		r = err_set(err, ERR_INVALID, "a key is 64 digits");
	return r;
}

static int print_key(const struct secret *key, struct err *err)
{
	CLEANUP(buf_fini) struct buf hex = BUF_INIT(2 * CIPHER_KEY256);

	hex_encode(&hex, secret_slice(key));
	return put_out(stdout, &hex, err);
}

/* FORMULA PREFIX HW API EMAIL PASSWORD FINGERPRINT */
static int run_user_key(char **words, struct err *err)
{
	const struct v1_salts salts = {.prefix = slice_str(words[1]),
				       .hw = slice_str(words[2]),
				       .api = slice_str(words[3])};
	const struct v1_user user = {.email = slice_str(words[4]),
				     .password = slice_str(words[5]),
				     .fingerprint = slice_str(words[6])};
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	enum v1_formula formula = V1_HW;
	int r = v1_formula_of_name(words[0], &formula, err);

	if (r == 0)
		r = v1_key_user(formula, &salts, &user, &key, err);
	return r < 0 ? r : print_key(key, err);
}

/* SALT */
static int run_fleet_key(char **words, struct err *err)
{
	const struct v1_salts salts = {.resource = slice_str(words[0])};
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	int r = v1_key_resource(&salts, &key, err);

	return r < 0 ? r : print_key(key, err);
}

/* FRAGMENT-FILE */
static int run_archive_key(char **words, struct err *err)
{
	CLEANUP(buf_fini) struct buf fragment = BUF_INIT(FILE_MAX);
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	int r = read_all(words[0], &fragment, err);

	if (r == 0)
		r = v1_key_archive(buf_slice(&fragment), &key, err);
	return r < 0 ? r : print_key(key, err);
}

struct sealing {
	struct v1_seal *seal;
	struct buf blob;
};

static int seal_piece(void *arg, struct slice bytes, struct err *err)
{
	struct sealing *sealing = arg;
	int r = v1_seal_add(sealing->seal, bytes, &sealing->blob, err);

	return r < 0 ? r : put_out(stdout, &sealing->blob, err);
}

/* KEY <plain >blob */
static int run_seal(char **words, struct err *err)
{
	struct sealing sealing = {.blob = BUF_INIT(PIECE + V1_GROWTH)};
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	int r = key_of_hex(words[0], &key, err);

	if (r == 0)
		r = v1_seal_new(key, &sealing.seal, err);
	if (r == 0)
		r = each_piece(stdin, seal_piece, &sealing, err);
	if (r == 0)
		r = v1_seal_end(sealing.seal, &sealing.blob, err);
	if (r == 0)
		r = put_out(stdout, &sealing.blob, err);
	v1_seal_free(sealing.seal);
	buf_fini(&sealing.blob);
	return r;
}

struct splitting {
	struct v1_split *split;
	struct buf small, big;
	FILE *small_file, *big_file;
};

static int put_parts(struct splitting *splitting, struct err *err)
{
	int r = put_out(splitting->small_file, &splitting->small, err);

	return r < 0 ? r : put_out(splitting->big_file, &splitting->big, err);
}

static int split_piece(void *arg, struct slice bytes, struct err *err)
{
	struct splitting *splitting = arg;
	const struct v1_parts parts = {&splitting->small, &splitting->big};
	int r = v1_split_add(splitting->split, bytes, &parts, err);

	return r < 0 ? r : put_parts(splitting, err);
}

/* SMALL BIG <blob */
static int run_split(char **words, struct err *err)
{
	struct splitting splitting = {.small = BUF_INIT(PIECE), .big = BUF_INIT(PIECE + V1_GROWTH)};
	const struct v1_parts parts = {&splitting.small, &splitting.big};
	CLEANUP(file_cleanup) FILE *small = NULL;
	CLEANUP(file_cleanup) FILE *big = NULL;
	struct v1_seen seen;
	int r = open_file(words[0], "wbe", &small, err);

	if (r == 0)
		r = open_file(words[1], "wbe", &big, err);
	splitting.small_file = small;
	splitting.big_file = big;
	if (r == 0)
		r = v1_split_new(&splitting.split, err);
	if (r == 0)
		r = each_piece(stdin, split_piece, &splitting, err);
	if (r == 0)
		r = v1_split_end(splitting.split, &parts, &seen, err);
	if (r == 0)
		r = put_parts(&splitting, err);
	v1_split_free(splitting.split);
	buf_fini(&splitting.small);
	buf_fini(&splitting.big);
	return r;
}

static int check_piece(void *arg, struct slice bytes, struct err *err)
{
	return v1_check_add(arg, bytes, err);
}

static int see(char **paths, struct v1_check **ret_check, struct v1_seen *ret_seen, struct err *err)
{
	int r = v1_check_new(ret_check, err);

	if (r == 0)
		r = each_of_parts(paths, check_piece, *ret_check, err);
	return r < 0 ? r : v1_check_end(*ret_check, ret_seen, err);
}

struct opening {
	struct v1_open *open;
	struct buf plain;
};

static int open_piece(void *arg, struct slice bytes, struct err *err)
{
	struct opening *opening = arg;
	int r = v1_open_add(opening->open, bytes, &opening->plain, err);

	return r < 0 ? r : put_out(stdout, &opening->plain, err);
}

/* KEY SMALL BIG >plain */
static int run_open(char **words, struct err *err)
{
	struct opening opening = {.plain = BUF_INIT(PIECE + V1_GROWTH)};
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	CLEANUP(v1_check_cleanup) struct v1_check *check = NULL;
	struct v1_facts facts;
	int r = key_of_hex(words[0], &key, err);

	if (r == 0)
		r = see(words + 1, &check, &facts.seen, err);
	if (r == 0)
		r = v1_check_verdict(check, key, NULL, &facts, err);
	if (r == 0)
		r = v1_open_new(key, &facts, 0, &opening.open, err);
	if (r == 0)
		r = each_of_parts(words + 1, open_piece, &opening, err);
	if (r == 0)
		r = v1_open_end(opening.open, &opening.plain, err);
	if (r == 0)
		r = put_out(stdout, &opening.plain, err);
	v1_open_free(opening.open);
	buf_fini(&opening.plain);
	return r;
}

static int release_of(char **words, struct v1_release *ret_release, struct err *err)
{
	CLEANUP(v1_check_cleanup) struct v1_check *check = NULL;

	ret_release->resource.folder = slice_str(words[0]);
	ret_release->resource.name = slice_str(words[1]);
	return see(words + 2, &check, &ret_release->seen, err);
}

/* FOLDER NAME SMALL BIG >text */
static int run_text(char **words, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(V1_SIG_TEXT_MAX);
	struct v1_release release;
	int r = release_of(words, &release, err);

	if (r == 0)
		r = v1_sig_text(&release, &text, err);
	return r < 0 ? r : put_out(stdout, &text, err);
}

/* FOLDER NAME SMALL BIG ANCHORS SIG */
static int run_verify(char **words, struct err *err)
{
	CLEANUP(buf_fini) struct buf anchors = BUF_INIT(FILE_MAX), sig = BUF_INIT(FILE_MAX);
	struct v1_release release;
	int r = release_of(words, &release, err);

	if (r == 0)
		r = read_all(words[4], &anchors, err);
	if (r == 0)
		r = read_all(words[5], &sig, err);
	return r < 0 ? r
		     : v1_sig_verify(buf_slice(&sig), &release, buf_slice(&anchors), CMS_ANY_TIME,
				     err);
}

/* FOLDER NAME SMALL BIG KEY-PKCS8 CHAIN >sig */
static int run_sign(char **words, struct err *err)
{
	CLEANUP(buf_fini) struct buf p8 = BUF_INIT(FILE_MAX), chain = BUF_INIT(FILE_MAX);
	CLEANUP(buf_fini) struct buf sig = BUF_INIT(CMS_MAX);
	CLEANUP(pkey_cleanup) struct pkey *key = NULL;
	struct v1_release release;
	int r = release_of(words, &release, err);

	if (r == 0)
		r = read_all(words[4], &p8, err);
	if (r == 0)
		r = read_all(words[5], &chain, err);
	if (r == 0)
		r = pkey_from_pkcs8(buf_slice(&p8), &key, err);
	if (r == 0)
		r = v1_sig_make(&release, key, buf_slice(&chain), &sig, err);
	return r < 0 ? r : put_out(stdout, &sig, err);
}

static const struct {
	const char *name;
	int words;
	int (*run)(char **words, struct err *err);
} verbs[] = {
	{"user-key", 7, run_user_key},
	{"fleet-key", 1, run_fleet_key},
	{"archive-key", 1, run_archive_key},
	{"seal", 1, run_seal},
	{"split", 2, run_split},
	{"open", 3, run_open},
	{"text", 4, run_text},
	{"verify", 6, run_verify},
	{"sign", 6, run_sign},
};

static long peak(void)
{
	struct rusage usage = {0};

	return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss : -1;
}

int main(int argc, char **argv)
{
	struct err err = {0};
	int r = -1;

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (argc == verbs[i].words + 2 && strcmp(argv[1], verbs[i].name) == 0)
			r = verbs[i].run(argv + 2, &err);
	if (r == 0 && fflush(stdout) != 0)
		r = cannot(&err, "the output");
	if (r < 0)
		fprintf(stderr, "%s\n", err.code ? err.text : "no such verb, or not its words");
	fprintf(stderr, "peak %ld\n", peak());
	return r < 0 ? 1 : 0;
}
