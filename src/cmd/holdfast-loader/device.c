/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The storage key is remembered, so that a load needs no more of the service than to unwrap; that
 * the service has another one (it was moved to another TPM, or has none now) shows when something
 * does not open. What an origin is told is asked for each time, but for the endorsement key, since
 * the chip takes long to make it: that is remembered together with the storage key. Without the
 * right to it (`aik`), or a chip that has none, it is null: an operator's enrolment does without.
 */
#include "cmd/holdfast-loader/device.h"

#include <jansson.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "crypto/x509.h"
#include "holdfast/client.h"

#define CALL_MS		60000u
#define PROBE_MS	2000u
#define PUBLIC_MAX	1024u
#define CERTIFICATE_MAX 4096u
#define CHAIN_MAX	(10u * 1024u) /* with the rest, as base64, in DEVICE_MAX */
#define DEVICE_MAX	(24u * 1024u) /* what the session passes on */
#define NO_EK		"null"
#define AGAIN_S		2u /* when a busy service is asked again */

#define KEYS_MAX 8u /* storage keys that are remembered */

/* Threads read it without a lock: once they see it nothing changes, and none goes before the end.
 */
struct device_key {
	struct device_key *next;
	struct buf area;
	bool is_tpm;
	_Atomic(struct buf *) ek; /* an object of JSON; NULL: not known yet */
};

static void ek_free(struct buf *ek)
{
	if (!ek)
		return;
	buf_fini(ek);
	free(ek);
}

static void ek_cleanup(struct buf **ek)
{
	ek_free(*ek);
}

static void device_key_free(struct device_key *key)
{
	if (!key)
		return;
	buf_fini(&key->area);
	ek_free(atomic_load(&key->ek));
	free(key);
}

static void hf_cleanup(struct hf **hf)
{
	hf_close(*hf);
}

static void text_cleanup(char **text)
{
	hf_free(*text);
}

/* --- the service --- */

static int open_service(const struct device *device, struct hf **ret_hf, struct err *err)
{
	if (hf_open(device->socket, ret_hf) < 0)
		return err_set(err, ERR_INTERNAL, "holdfast_socket is no path of a socket");
	hf_set_timeout_ms(*ret_hf, CALL_MS);
	return 0;
}

/* Does anybody answer there at all? */
static bool is_there(struct hf *hf)
{
	char *text = NULL;
	int r;

	hf_set_timeout_ms(hf, PROBE_MS);
	r = hf_status_json(hf, &text);
	hf_free(text);
	return r != ERR_INTERNAL;
}

/* What the service's code is for who asks the loader. */
static int code_of(int code)
{
	static const struct {
		int theirs, ours;
	} CODES[] = {
		{ERR_QUOTA, ERR_TPM_BUSY},
		{ERR_WRONG_TPM, ERR_DAMAGED},
		{ERR_WRONG_TENANT, ERR_DAMAGED},
		{ERR_AUTH_FAILED, ERR_TPM_FAILED},
		{ERR_UNREADABLE, ERR_TPM_FAILED},
		/* A service of before these calls. */
		{ERR_NOT_FOUND, ERR_NOT_SUPPORTED},
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(CODES); i++)
		if (CODES[i].theirs == code)
			return CODES[i].ours;
	return code;
}

static int failed(struct hf *hf, const char *what, struct err *err)
{
	int r = code_of(hf_error_code(hf));

	(void)err_set(err, r, "holdfastd, %s: %s", what, hf_error_text(hf));
	if (r == ERR_TPM_BUSY || r == ERR_STARTING)
		err->retry_after = AGAIN_S;
	if (r == ERR_INTERNAL && !is_there(hf))
		r = err_set(err, ERR_TPM_REQUIRED, "version 2 needs holdfastd, and none answers");
	return r;
}

/* --- the storage key --- */

static struct device_key *find_key(struct device *device, struct slice area, bool is_tpm)
{
	struct device_key *key = atomic_load(&device->keys);

	while (key && (key->is_tpm != is_tpm || !slice_equal(buf_slice(&key->area), area)))
		key = key->next;
	return key;
}

/* NULL: it is not remembered, which costs a question the next time. */
static struct device_key *add_key(struct device *device, struct slice area, bool is_tpm)
{
	struct device_key *key;

	if (atomic_load(&device->key_count) >= KEYS_MAX)
		return NULL;
	key = calloc(1, sizeof(*key));
	if (!key)
		return NULL;
	key->is_tpm = is_tpm;
	key->area = (struct buf)BUF_INIT(PUBLIC_MAX);
	atomic_init(&key->ek, NULL);
	buf_put(&key->area, area);
	if (!buf_ok(&key->area)) {
		device_key_free(key);
		return NULL;
	}
	atomic_fetch_add(&device->key_count, 1);
	key->next = atomic_load(&device->keys);
	while (!atomic_compare_exchange_weak(&device->keys, &key->next, key))
		continue;
	return key;
}

/* Something did not open: perhaps since the storage key is another one. */
static void forget(struct device *device)
{
	atomic_store(&device->current, NULL);
}

static int read_storage_key(const char *text, struct buf *ret_public, bool *ret_is_tpm,
			    struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	const char *protection = "";
	int r = json_parse(slice_str(text), &json, err);

	if (r == 0)
		r = json_get_bytes(json, "public", true, ret_public, err);
	if (r == 0)
		r = json_get_string(json, "protection", true, &protection, err);
	if (r < 0)
		return err_set(err, ERR_INTERNAL, "holdfastd's storage key is not as it is known");
	*ret_is_tpm = strcmp(protection, "tpm") == 0;
	return 0;
}

/* *ret_key: NULL where it is not remembered. */
static int ask_storage_key(struct device *device, struct hf *hf, struct buf *ret_area,
			   bool *ret_is_tpm, struct device_key **ret_key, struct err *err)
{
	CLEANUP(text_cleanup) char *text = NULL;
	struct device_key *key;
	int r = 0;

	if (hf_device_storage_key(hf, &text) < 0)
		r = failed(hf, "storage key", err);
	if (r == 0)
		r = read_storage_key(text, ret_area, ret_is_tpm, err);
	if (r < 0) {
		forget(device);
		return r;
	}
	key = find_key(device, buf_slice(ret_area), *ret_is_tpm);
	if (!key)
		key = add_key(device, buf_slice(ret_area), *ret_is_tpm);
	atomic_store(&device->current, key);
	*ret_key = key;
	return 0;
}

static int give_area(const struct buf *area, struct buf *ret_public, struct err *err)
{
	buf_put(ret_public, buf_slice(area));
	return buf_ok(ret_public) ? 0 : err_set(err, ERR_INTERNAL, "the storage key is too large");
}

static int storage_key(void *arg, bool anew, struct buf *ret_public, bool *ret_is_tpm,
		       struct err *err)
{
	CLEANUP(buf_fini) struct buf area = BUF_INIT(PUBLIC_MAX);
	CLEANUP(hf_cleanup) struct hf *hf = NULL;
	struct device *device = arg;
	const struct device_key *known = anew ? NULL : atomic_load(&device->current);
	struct device_key *key = NULL;
	bool is_tpm = false;
	int r;

	if (known) {
		*ret_is_tpm = known->is_tpm;
		return give_area(&known->area, ret_public, err);
	}
	r = open_service(device, &hf, err);
	if (r == 0)
		r = ask_storage_key(device, hf, &area, &is_tpm, &key, err);
	if (r == 0)
		r = give_area(&area, ret_public, err);
	if (r == 0)
		*ret_is_tpm = is_tpm;
	return r;
}

/* --- what an origin is told --- */

/* Reads PEM of one certificate or more as DER, one after the other. */
static int put_certificate(const json_t *pem, struct buf *der, struct err *err)
{
	const char *text = json_string_value(pem);

	if (!text)
		return err_set(err, ERR_INTERNAL, "holdfastd's certificate is no text");
	return x509_chain_of_pem(slice_str(text), der, err);
}

/* As base64, or null where there is none. */
static void put_bytes(struct buf *json, const char *name, struct slice bytes)
{
	buf_printf(json, ",\"%s\":", name);
	if (bytes.len == 0) {
		buf_put_str(json, "null");
		return;
	}
	buf_put_u8(json, '"');
	base64_encode(json, bytes);
	buf_put_u8(json, '"');
}

static int write_ek(const json_t *ek, struct buf *json, struct err *err)
{
	CLEANUP(buf_fini) struct buf area = BUF_INIT(PUBLIC_MAX), own = BUF_INIT(CERTIFICATE_MAX);
	CLEANUP(buf_fini) struct buf chain = BUF_INIT(CHAIN_MAX);
	const json_t *certificate = json_object_get(ek, "certificate");
	const json_t *rest = json_object_get(ek, "chain");
	const char *type = NULL;
	int r = json_get_string(ek, "type", true, &type, err);

	if (r == 0)
		r = json_get_bytes(ek, "tpm_public", true, &area, err);
	if (r == 0 && certificate && !json_is_null(certificate))
		r = put_certificate(certificate, &own, err);
	for (size_t i = 0; r == 0 && own.len > 0 && i < json_array_size(rest); i++)
		r = put_certificate(json_array_get(rest, i), &chain, err);
	if (r < 0)
		return r;
	buf_put_str(json, "{\"type\":");
	json_put_string(json, type);
	put_bytes(json, "public", buf_slice(&area));
	put_bytes(json, "certificate", buf_slice(&own));
	put_bytes(json, "chain", buf_slice(&chain));
	buf_put_str(json, "}");
	return buf_ok(json) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

/* Can one do without? */
static bool is_none(int code)
{
	static const int NONE[] = {ERR_FORBIDDEN, ERR_NOT_SUPPORTED, ERR_NO_CERTIFICATE,
				   ERR_NOT_FOUND, ERR_OWNER_AUTH_REQUIRED};
	size_t i;

	for (i = 0; i < ARRAY_LEN(NONE); i++)
		if (NONE[i] == code)
			return true;
	return false;
}

static int ask_ek(struct hf *hf, struct buf *ret_json, struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	CLEANUP(text_cleanup) char *text = NULL;
	int r = hf_ek_json(hf, NULL, &text);

	if (r < 0 && is_none(r)) {
		buf_put_str(ret_json, NO_EK);
		return buf_ok(ret_json) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
	}
	if (r < 0)
		return failed(hf, "endorsement key", err);
	r = json_parse(slice_str(text), &json, err);
	if (r == 0)
		r = write_ek(json, ret_json, err);
	/* The service is no client of ours: what it says wrong is a defect. */
	if (r < 0)
		err->code = ERR_INTERNAL;
	return r < 0 ? ERR_INTERNAL : 0;
}

/* Appends it, and remembers it for the next time, where the storage key is. */
static int put_ek(struct device_key *key, struct hf *hf, struct buf *ret_json, struct err *err)
{
	CLEANUP(ek_cleanup) struct buf *made = NULL;
	const struct buf *known = key ? atomic_load(&key->ek) : NULL;
	struct buf *none = NULL;
	int r;

	if (known) {
		buf_put(ret_json, buf_slice(known));
		return 0;
	}
	made = calloc(1, sizeof(*made));
	if (!made)
		return err_set(err, ERR_INTERNAL, "memory is short");
	*made = (struct buf)BUF_INIT(DEVICE_MAX);
	r = ask_ek(hf, made, err);
	if (r < 0)
		return r;
	buf_put(ret_json, buf_slice(made));
	/* One that was not there may be there next time: rights are given later, too. */
	if (key && !slice_equal(buf_slice(made), slice_str(NO_EK)) &&
	    atomic_compare_exchange_strong(&key->ek, &none, made))
		(void)TAKE(made);
	return 0;
}

static int describe(void *arg, struct buf *ret_json, struct err *err)
{
	CLEANUP(buf_fini) struct buf area = BUF_INIT(PUBLIC_MAX), json = BUF_INIT(DEVICE_MAX);
	CLEANUP(hf_cleanup) struct hf *hf = NULL;
	struct device_key *key = NULL;
	bool is_tpm = false;
	int r = open_service(arg, &hf, err);

	if (r == 0)
		r = ask_storage_key(arg, hf, &area, &is_tpm, &key, err);
	if (r < 0)
		return r;
	buf_put_str(&json, "{\"storage_key\":{\"public\":\"");
	base64_encode(&json, buf_slice(&area));
	buf_put_str(&json, "\"},\"ek\":");
	if (is_tpm)
		r = put_ek(key, hf, &json, err);
	else
		buf_put_str(&json, NO_EK);
	if (r < 0)
		return r;
	buf_printf(&json, ",\"protection\":\"%s\"}", is_tpm ? "tpm" : "software");
	buf_put(ret_json, buf_slice(&json));
	if (!buf_ok(&json) || !buf_ok(ret_json))
		return err_set(err, ERR_INTERNAL, "memory is short");
	return 0;
}

/* --- what was sealed for the device --- */

static int give(void *data, size_t len, struct secret **ret_secret, struct err *err)
{
	int r = secret_copy(slice_of(data, len), ret_secret, err);

	hf_free(data);
	return r;
}

static int activate(void *arg, struct slice file, struct secret **ret_secret, struct err *err)
{
	const struct hf_credential credential = {.data = file.data, .len = file.len};
	CLEANUP(hf_cleanup) struct hf *hf = NULL;
	void *data = NULL;
	size_t len = 0;
	int r = open_service(arg, &hf, err);

	if (r < 0)
		return r;
	if (hf_storage_key_activate(hf, &credential, &data, &len) < 0) {
		forget(arg);
		return failed(hf, "challenge", err);
	}
	return give(data, len, ret_secret, err);
}

static int unwrap(void *arg, const struct duplicate *duplicate, struct secret **ret_key,
		  struct err *err)
{
	const struct hf_wrapped wrapped = {
		.public_area = duplicate->public_area.data,
		.public_len = duplicate->public_area.len,
		.duplicate = duplicate->private_area.data,
		.duplicate_len = duplicate->private_area.len,
		.seed = duplicate->seed.data,
		.seed_len = duplicate->seed.len,
	};
	CLEANUP(hf_cleanup) struct hf *hf = NULL;
	void *data = NULL;
	size_t len = 0;
	int r = open_service(arg, &hf, err);

	if (r < 0)
		return r;
	if (hf_unwrap(hf, &wrapped, &data, &len) < 0) {
		forget(arg);
		return failed(hf, "device key", err);
	}
	return give(data, len, ret_key, err);
}

/* --- its life --- */

void device_init(struct device *device, const char *socket)
{
	device->socket = socket;
	atomic_init(&device->keys, NULL);
	atomic_init(&device->key_count, 0);
	atomic_init(&device->current, NULL);
	device->ops = (struct loader_device){
		.storage_key = storage_key,
		.describe = describe,
		.activate = activate,
		.unwrap = unwrap,
		.arg = device,
	};
}

void device_fini(struct device *device)
{
	struct device_key *key = atomic_exchange(&device->keys, NULL);

	forget(device);
	while (key) {
		struct device_key *next = key->next;

		device_key_free(key);
		key = next;
	}
}
