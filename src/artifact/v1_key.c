/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each text is the base64 of one SHA-384 over fields with a character between them, each key the
 * SHA-256 of such a text. All that is in between is wiped.
 */

#include "artifact/v1_key.h"

#include "base/base64.h"
#include "base/mem.h"
#include "crypto/cipher.h"
#include "crypto/hash.h"

#define FIELDS_MAX 7u /* with what stands between them */

static const char *const formula_names[V1_FORMULAS] = {
	[V1_HW] = "v1-hw",
	[V1_NOHW] = "v1-nohw",
};

int v1_formula_of_name(const char *name, enum v1_formula *ret_formula, struct err *err)
{
	for (unsigned i = 0; i < V1_FORMULAS; i++)
		if (strcmp(name, formula_names[i]) == 0) {
			*ret_formula = (enum v1_formula)i;
			return 0;
		}
	return err_set(err, ERR_NOT_SUPPORTED, "unknown formula; known are v1-hw, v1-nohw");
}

const char *v1_formula_name(enum v1_formula formula)
{
	return formula_names[formula];
}

struct field {
	struct slice bytes;
	const char *what; /* NULL: a separator */
};

static int check_fields(const struct field *fields, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		if (fields[i].what && fields[i].bytes.len == 0)
			return err_set(err, ERR_INVALID, "%s is missing", fields[i].what);
		if (fields[i].bytes.len > V1_FIELD_MAX)
			return err_set(err, ERR_INVALID, "%s is over %u bytes", fields[i].what,
				       V1_FIELD_MAX);
	}
	return 0;
}

/* base64(SHA-384(fields)). */
static int text_of(const struct field *fields, size_t count, char ret_text[V1_KEY_TEXT],
		   struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(V1_KEY_TEXT);
	struct slice parts[FIELDS_MAX];
	uint8_t digest[HASH_MAX_SIZE];
	int r = check_fields(fields, count, err);

	for (size_t i = 0; i < count; i++)
		parts[i] = fields[i].bytes;
	if (r == 0)
		r = hash_digest(HASH_SHA384, parts, count, digest, err);
	if (r < 0)
		return r;
	base64_encode(&text, slice_of(digest, hash_size(HASH_SHA384)));
	wipe(digest, sizeof(digest));
	if (!buf_ok(&text) || text.len != V1_KEY_TEXT)
		return err_set(err, ERR_INTERNAL, "memory is short");
	memcpy(ret_text, text.data, V1_KEY_TEXT);
	return 0;
}

int v1_key_hardware(const struct v1_salts *salts, struct slice fingerprint,
		    char ret_text[V1_KEY_TEXT], struct err *err)
{
	const struct field fields[] = {
		{salts->prefix, "the salt \"prefix\""}, {slice_str("_"), NULL},
		{fingerprint, "the fingerprint"},	{slice_str("_"), NULL},
		{salts->hw, "the salt \"hw\""},
	};

	return text_of(fields, ARRAY_LEN(fields), ret_text, err);
}

static int user_text(const struct v1_salts *salts, const struct v1_user *user,
		     struct slice hardware, char *ret_text, struct err *err)
{
	struct field fields[FIELDS_MAX] = {
		{user->email, "the email"},
		{slice_str("-"), NULL},
		{user->password, "the password"},
		{slice_str("-"), NULL},
	};
	size_t count = 4;

	if (hardware.len > 0) {
		fields[count++] = (struct field){hardware, "the hardware's hash"};
		fields[count++] = (struct field){slice_str("-"), NULL};
	}
	fields[count++] = (struct field){salts->api, "the salt \"api\""};
	return text_of(fields, count, ret_text, err);
}

/* As the user says it, else of the fingerprint. */
static int hardware_of(const struct v1_salts *salts, const struct v1_user *user,
		       char ret_text[V1_KEY_TEXT], struct err *err)
{
	if (user->hardware.len == 0)
		return v1_key_hardware(salts, user->fingerprint, ret_text, err);
	if (user->hardware.len != V1_KEY_TEXT)
		return err_set(err, ERR_INVALID, "the hardware's hash is not of %u characters",
			       V1_KEY_TEXT);
	memcpy(ret_text, user->hardware.data, V1_KEY_TEXT);
	return 0;
}

int v1_key_user_text(enum v1_formula formula, const struct v1_salts *salts,
		     const struct v1_user *user, struct secret **ret_text, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *text = NULL;
	char hardware[V1_KEY_TEXT];
	bool bound = formula == V1_HW;
	int r = secret_new(V1_KEY_TEXT, &text, err);

	if (r == 0 && bound)
		r = hardware_of(salts, user, hardware, err);
	if (r == 0)
		r = user_text(salts, user, slice_of(hardware, bound ? sizeof(hardware) : 0),
			      (char *)secret_data(text), err);
	wipe(hardware, sizeof(hardware));
	if (r < 0)
		return r;
	*ret_text = TAKE(text);
	return 0;
}

static int key_of(struct slice text, struct secret **ret_key, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	int r = secret_new(CIPHER_KEY256, &key, err);

	if (r == 0)
		r = hash_digest(HASH_SHA256, &text, 1, secret_data(key), err);
	if (r == 0)
		*ret_key = TAKE(key);
	return r;
}

int v1_key_user(enum v1_formula formula, const struct v1_salts *salts, const struct v1_user *user,
		struct secret **ret_key, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *text = NULL;
	int r = v1_key_user_text(formula, salts, user, &text, err);

	return r < 0 ? r : key_of(secret_slice(text), ret_key, err);
}

int v1_key_resource(const struct v1_salts *salts, struct secret **ret_key, struct err *err)
{
	const struct field field = {salts->resource, "the salt \"resource\""};
	char text[V1_KEY_TEXT];
	int r = text_of(&field, 1, text, err);

	if (r == 0)
		r = key_of(slice_of(text, sizeof(text)), ret_key, err);
	wipe(text, sizeof(text));
	return r;
}

int v1_key_archive(struct slice fragment, struct secret **ret_key, struct err *err)
{
	const struct field field = {fragment, "the key fragment"};
	int r = check_fields(&field, 1, err);

	return r < 0 ? r : key_of(fragment, ret_key, err);
}
