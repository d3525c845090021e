/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a file says goes before what a certificate says. Attributes in a public area are claims
 * until the credential is opened; they are looked at before, since an honest device without them
 * would be challenged for nothing.
 */

#include "origin/challenge.h"

#include <jansson.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "crypto/certificate.h"
#include "crypto/cipher.h"
#include "crypto/x509.h"

#define EK_USAGE "2.23.133.8.1" /* tcg-kp-EKCertificate (EK Credential Profile) */

static const char *const REFUSAL[REFUSALS] = {
	[REFUSED_NOT] = "",
	[REFUSED_UNKNOWN] = "device_unknown",
	[REFUSED_EK] = "ek_untrusted",
	[REFUSED_STORAGE_KEY] = "storage_key_unfit",
};

const char *refusal_name(enum refusal refusal)
{
	return REFUSAL[refusal];
}

static int refuse(enum refusal *ret_refusal, enum refusal refusal, const char *detail,
		  struct err *err)
{
	*ret_refusal = refusal;
	return err_set(err, ERR_FORBIDDEN, "%s", detail);
}

/* --- what it says --- */

void challenge_wish_fini(struct challenge_wish *wish)
{
	buf_fini(&wish->storage_key);
	buf_fini(&wish->ek);
	buf_fini(&wish->chain);
}

static bool is_there(const struct json_t *object, const char *name)
{
	const json_t *member = json_object_get(object, name);

	return member && !json_is_null(member);
}

static int read_part(const struct json_t *ek, const char *name, size_t max, struct buf *chain,
		     struct err *err)
{
	CLEANUP(buf_fini) struct buf part = BUF_INIT(max);
	int r = is_there(ek, name) ? json_get_bytes(ek, name, true, &part, err) : 0;

	buf_put(chain, buf_slice(&part));
	return r < 0 || buf_ok(chain) ? r : err_set(err, ERR_INTERNAL, "memory is short");
}

static int read_ek(const struct json_t *object, struct challenge_wish *wish, struct err *err)
{
	static const char *const MEMBERS[] = {"type", "public", "certificate", "chain"};
	const struct json_t *ek = json_object_get(object, "ek");
	const char *type = "";
	int r;

	wish->has_ek = is_there(object, "ek");
	if (!wish->has_ek)
		return 0;
	if (!json_is_object(ek))
		return err_set(err, ERR_INVALID, "not an object");
	r = json_only(ek, MEMBERS, ARRAY_LEN(MEMBERS), err);
	if (r == 0)
		r = json_get_string(ek, "type", true, &type, err);
	if (r == 0 && pkey_type_of_name(type, &wish->ek_type, err) < 0)
		r = err_set(err, ERR_INVALID, "/type: no type of key");
	if (r == 0)
		r = json_get_bytes(ek, "public", true, &wish->ek, err);
	if (r == 0)
		r = read_part(ek, "certificate", CHALLENGE_CERTIFICATE_MAX, &wish->chain, err);
	/* What leads on from no certificate leads nowhere. */
	if (r == 0 && wish->chain.len > 0)
		r = read_part(ek, "chain", CHALLENGE_CHAIN_MAX, &wish->chain, err);
	return r;
}

static int read_storage_key(const struct json_t *object, struct challenge_wish *wish,
			    struct err *err)
{
	static const char *const MEMBERS[] = {"public"};
	const struct json_t *key = json_object_get(object, "storage_key");
	int r = json_is_object(key) ? json_only(key, MEMBERS, ARRAY_LEN(MEMBERS), err)
				    : err_set(err, ERR_INVALID, "not an object");

	return r < 0 ? r : json_get_bytes(key, "public", true, &wish->storage_key, err);
}

int challenge_wish_read(const struct json_t *object, struct challenge_wish *ret_wish,
			struct err *err)
{
	static const char *const MEMBERS[] = {"storage_key", "ek", "protection"};
	const char *protection = "";
	int r = json_only(object, MEMBERS, ARRAY_LEN(MEMBERS), err);

	if (r == 0)
		r = json_get_string(object, "protection", true, &protection, err);
	if (r < 0)
		return r;
	ret_wish->in_tpm = strcmp(protection, "tpm") == 0;
	if (!ret_wish->in_tpm && strcmp(protection, "software") != 0)
		return err_set(err, ERR_INVALID, "/protection: neither tpm nor software");
	if (read_storage_key(object, ret_wish, err) < 0)
		return err_wrap(err, "/storage_key");
	return read_ek(object, ret_wish, err) < 0 ? err_wrap(err, "/ek") : 0;
}

/* --- whether it is let in --- */

void challenge_fini(struct challenge *challenge)
{
	wrap_public_free(challenge->storage_key);
	wrap_public_free(challenge->ek);
}

int challenge_begin(const struct challenge_wish *wish, struct challenge *ret_challenge,
		    enum refusal *ret_refusal, struct err *err)
{
	struct wrap_public *key = NULL;
	int r = wrap_public_read(buf_slice(&wish->storage_key), &key, err);

	if (r == ERR_DAMAGED)
		return err_set(err, ERR_INVALID, "/storage_key/public: no public area");
	if (r == ERR_NOT_SUPPORTED)
		return refuse(ret_refusal, REFUSED_STORAGE_KEY, "no storage key of a known kind",
			      err);
	if (r < 0)
		return r;
	ret_challenge->storage_key = key;
	memcpy(ret_challenge->device.name, wrap_public_name(key).data, WRAP_NAME_SIZE);
	return 0;
}

/* Reads it, and says that it is one. */
static int take_ek(const struct challenge_wish *wish, struct challenge *challenge,
		   enum refusal *ret_refusal, struct err *err)
{
	struct device *device = &challenge->device;
	const char *unfit;
	int r = wrap_public_read(buf_slice(&wish->ek), &challenge->ek, err);

	if (r == ERR_DAMAGED)
		return err_set(err, ERR_INVALID, "/ek/public: no public area");
	if (r == ERR_NOT_SUPPORTED)
		return refuse(ret_refusal, REFUSED_EK, "no endorsement key of a known kind", err);
	if (r < 0)
		return r;
	if (pkey_type(wrap_public_key(challenge->ek)) != wish->ek_type)
		return err_set(err, ERR_INVALID, "/ek/type: not that of the key");
	unfit = wrap_public_unfit(challenge->ek);
	if (unfit)
		return refuse(ret_refusal, REFUSED_EK, "no endorsement key of a TPM", err);
	device->has_ek = true;
	memcpy(device->ek_name, wrap_public_name(challenge->ek).data, WRAP_NAME_SIZE);
	return 0;
}

static bool is_listed(const struct device *device, struct slice names)
{
	bool found = false;

	for (size_t at = 0; at + WRAP_NAME_SIZE <= names.len; at += WRAP_NAME_SIZE)
		found = found || device_names_equal(names.data + at, device->ek_name);
	return found;
}

/* Is it a TPM's? */
static int believe_ek(const struct challenge_wish *wish, const struct challenge_trust *trust,
		      const struct challenge *challenge, enum refusal *ret_refusal, struct err *err)
{
	struct slice chain = buf_slice(&wish->chain);
	struct slice own = slice_of(chain.data, certificate_len(chain));
	int r;

	if (is_listed(&challenge->device, trust->ek_names))
		return 0;
	if (trust->ek_anchors.len == 0 || chain.len == 0)
		return refuse(ret_refusal, REFUSED_EK,
			      chain.len == 0
				      ? "the endorsement key has no certificate, and its Name "
					"is not on the list"
				      : "no maker of TPMs is known here",
			      err);
	r = certificate_of(own, wrap_public_key(challenge->ek), err);
	if (r == 0)
		r = x509_leads(chain, trust->ek_anchors, EK_USAGE, err);
	if (r == 0 || r == ERR_INTERNAL)
		return r;
	*ret_refusal = REFUSED_EK;
	err->code = ERR_FORBIDDEN;
	return ERR_FORBIDDEN;
}

/* One that has its file. By a credential where it was enrolled so and shows that key again. */
static int judge_known(const struct challenge_wish *wish, const struct challenge_trust *trust,
		       struct challenge *challenge, enum refusal *ret_refusal, struct err *err)
{
	const struct device_file *file = trust->file;
	int r;

	if (file->in_tpm && wrap_public_unfit(challenge->storage_key))
		return refuse(ret_refusal, REFUSED_STORAGE_KEY,
			      wrap_public_unfit(challenge->storage_key), err);
	if (!file->has_ek || !wish->has_ek)
		return 0;
	r = take_ek(wish, challenge, ret_refusal, err);
	if (r == 0 && !device_names_equal(challenge->device.ek_name, file->ek_name))
		r = refuse(ret_refusal, REFUSED_EK,
			   "the device is known by another endorsement key", err);
	return r;
}

static int judge_new(const struct challenge_wish *wish, const struct challenge_trust *trust,
		     struct challenge *challenge, enum refusal *ret_refusal, struct err *err)
{
	struct device *device = &challenge->device;
	struct slice area = wrap_public_area(challenge->storage_key);
	const char *unfit = wrap_public_unfit(challenge->storage_key);
	int r;

	if (!wish->in_tpm || !wish->has_ek)
		return refuse(ret_refusal, REFUSED_UNKNOWN, "nobody has enrolled this device", err);
	if (unfit)
		return refuse(ret_refusal, REFUSED_STORAGE_KEY, unfit, err);
	r = take_ek(wish, challenge, ret_refusal, err);
	if (r == 0)
		r = believe_ek(wish, trust, challenge, ret_refusal, err);
	if (r < 0)
		return r;
	memcpy(device->area, area.data, area.len);
	device->area_len = area.len;
	return 0;
}

int challenge_judge(const struct challenge_wish *wish, const struct challenge_trust *trust,
		    struct challenge *challenge, enum refusal *ret_refusal, struct err *err)
{
	const char *unfit = wrap_public_unfit(challenge->storage_key);

	if (trust->file && trust->file->refused)
		return refuse(ret_refusal, REFUSED_UNKNOWN, "this device has been revoked", err);
	if (wish->in_tpm && unfit)
		return refuse(ret_refusal, REFUSED_STORAGE_KEY, unfit, err);
	return trust->file ? judge_known(wish, trust, challenge, ret_refusal, err)
			   : judge_new(wish, trust, challenge, ret_refusal, err);
}

/* --- what it is given --- */

static void put_member(struct buf *json, const char *before, const struct buf *bytes)
{
	buf_put_str(json, before);
	base64_encode(json, buf_slice(bytes));
	buf_put_u8(json, '"');
}

static int put_credential(const struct challenge *challenge, const struct secret *hidden,
			  struct buf *json, struct err *err)
{
	CLEANUP(buf_fini) struct buf file = BUF_INIT(CREDENTIAL_FILE_MAX);
	int r = credential_make(challenge->ek, wrap_public_name(challenge->storage_key), hidden,
				&file, err);

	if (r == 0)
		put_member(json, "{\"credential\":\"", &file);
	return r;
}

static int put_wrapped(const struct challenge *challenge, const struct secret *hidden,
		       struct buf *json, struct err *err)
{
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	int r = duplicate_make(challenge->storage_key, hidden, &made, err);

	if (r < 0)
		return r;
	put_member(json, "{\"wrapped\":{\"public\":\"", &made.public_area);
	put_member(json, ",\"duplicate\":\"", &made.private_area);
	put_member(json, ",\"seed\":\"", &made.seed);
	buf_put_u8(json, '}');
	return 0;
}

/* Of the text that is to come back. */
static int digest_of(const struct secret *hidden, uint8_t ret_digest[DEVICE_DIGEST],
		     struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(2 * DEVICE_SECRET);

	base64url_encode(&text, secret_slice(hidden));
	if (!buf_ok(&text))
		return err_set(err, ERR_INTERNAL, "memory is short");
	return device_digest(buf_slice(&text), ret_digest, err);
}

int challenge_put(const struct challenge *challenge, struct buf *ret_json,
		  uint8_t ret_digest[DEVICE_DIGEST], struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *hidden = NULL;
	int r = secret_new(DEVICE_SECRET, &hidden, err);

	if (r == 0)
		r = cipher_random(secret_data(hidden), DEVICE_SECRET, err);
	if (r == 0)
		r = challenge->ek ? put_credential(challenge, hidden, ret_json, err)
				  : put_wrapped(challenge, hidden, ret_json, err);
	if (r == 0)
		r = digest_of(hidden, ret_digest, err);
	buf_put_u8(ret_json, '}');
	return r < 0 || buf_ok(ret_json) ? r : err_set(err, ERR_INTERNAL, "memory is short");
}
