/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FAPI writes its files in place and syncs none of them, and about an SRK that it found it records
 * persistent_handle 0, which makes every later unseal cost two more CreatePrimary. Both are mended
 * here: by syncing what FAPI wrote, and with what the chip itself says about its key.
 */
#include "cmd/holdfast-fapi/helper.h"

#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_fapi.h>

#include "base/base64.h"
#include "base/file.h"
#include "base/json.h"

#define RECORD		"object.json"
#define SRK_HANDLE	UINT32_C(0x81000001)
#define SERIALIZED_MAX	1024u
#define FOLDER_NAME_MAX (FAPI_PROFILE_MAX + 1 + FAPI_PATH_MAX + 1)

/* What open_record() leaves: the folder of a record, and its text. */
struct held {
	int folder;
	struct buf text;
};

static void held_fini(struct held *held)
{
	if (held->folder >= 0)
		close(held->folder);
	buf_fini(&held->text);
}

#define HELD_INIT                                                                                  \
	{                                                                                          \
		.folder = -1, .text = BUF_INIT(FAPI_OBJECT_JSON_MAX)                               \
	}

/* Opens DIR/PROFILE/PATH and makes the name of each folder on the way durable. */
static int open_folder(const struct helper *helper, const char *dir, const char *path, int *ret_fd,
		       struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	CLEANUP(fd_close_cleanup) int there = -1;
	char names[FOLDER_NAME_MAX];
	char *name, *rest = NULL;
	int next = -1;
	int r;

	(void)snprintf(names, sizeof(names), "%s/%s", helper->config.profile_name, path);
	r = file_open_dir(AT_FDCWD, dir, false, 0, &fd, err);
	if (r == 0)
		r = file_open_dir(fd, names, false, 0, &there, err);
	if (r < 0)
		return r;
	for (name = strtok_r(names, "/", &rest); name; name = strtok_r(NULL, "/", &rest)) {
		r = file_make_dir(fd, name, 0700, &next, err);
		if (r < 0)
			return r;
		close(fd);
		fd = next;
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static int open_record(struct helper *helper, const char *dir, const char *path, struct held *held,
		       struct err *err)
{
	int r;

	helper->step = "store";
	r = open_folder(helper, dir, path, &held->folder, err);
	return r < 0 ? r : file_read(held->folder, RECORD, &held->text, err);
}

/* In place: a temporary file of ours, left by a kill, would be one more object to FAPI. */
int settle_record(struct helper *helper, const char *dir, const char *path, struct err *err)
{
	CLEANUP(fd_close_cleanup) int folder = -1;
	int r;

	helper->step = "store";
	r = open_folder(helper, dir, path, &folder, err);
	return r < 0 ? r : file_sync(folder, RECORD, err);
}

/* Which of the stores it was in FAPI does not tell. */
int settle_deleted(struct helper *helper, struct err *err)
{
	const char *const stores[] = {helper->config.user_dir, helper->config.system_dir};
	char path[PATH_MAX + FAPI_PROFILE_MAX + sizeof("//HS/SRK")];
	size_t i;
	int r = 0;

	helper->step = "store";
	for (i = 0; i < ARRAY_LEN(stores) && r == 0; i++) {
		CLEANUP(fd_close_cleanup) int folder = -1;

		(void)snprintf(path, sizeof(path), "%s/%s/HS/SRK", stores[i],
			       helper->config.profile_name);
		r = file_open_dir(AT_FDCWD, path, false, 0, &folder, err);
		if (r == 0)
			r = file_sync(folder, NULL, err);
		r = r == ERR_NOT_FOUND ? 0 : r;
	}
	return r;
}

/* --- provisioning --- */

/* What Fapi_Provision makes, inner before outer; all of it can be made again. */
static const char *const PROVISIONED[] = {"HS/SRK", "HE/EK", "HS", "HE", "HN", "LOCKOUT"};

bool settle_is_provisioned(struct helper *helper)
{
	bool whole = true;
	struct err unused;
	size_t i;

	for (i = 0; i < ARRAY_LEN(PROVISIONED) && whole; i++) {
		CLEANUP(held_fini) struct held held = HELD_INIT;
		CLEANUP(json_cleanup) struct json_t *json = NULL;

		whole = open_record(helper, helper->config.system_dir, PROVISIONED[i], &held,
				    &unused) == 0 &&
			json_parse(buf_slice(&held.text), &json, &unused) == 0;
	}
	return whole;
}

/* To FAPI the folder alone is a provisioned store. One that holds more stays. */
static void remove_folder(const struct helper *helper, int store, const char *path)
{
	char names[FOLDER_NAME_MAX];

	(void)snprintf(names, sizeof(names), "%s/%s", helper->config.profile_name, path);
	(void)unlinkat(store, names, AT_REMOVEDIR);
}

int settle_forget(struct helper *helper, struct err *err)
{
	CLEANUP(fd_close_cleanup) int store = -1;
	size_t i, swept; /* of write_srk(), when it was killed */
	int r = file_open_dir(AT_FDCWD, helper->config.system_dir, false, 0, &store, err);

	helper->step = "store";
	for (i = 0; i < ARRAY_LEN(PROVISIONED) && r == 0; i++) {
		CLEANUP(fd_close_cleanup) int folder = -1;

		r = open_folder(helper, helper->config.system_dir, PROVISIONED[i], &folder, err);
		if (r == 0)
			r = file_sweep(folder, &swept, err);
		if (r == 0)
			r = file_remove(folder, RECORD, err);
		r = r == ERR_NOT_FOUND ? 0 : r;
		remove_folder(helper, store, PROVISIONED[i]);
	}
	return r;
}

int settle_provisioned(struct helper *helper, struct err *err)
{
	size_t i;
	int r = 0;

	for (i = 0; i < ARRAY_LEN(PROVISIONED) && r == 0; i++)
		r = settle_record(helper, helper->config.system_dir, PROVISIONED[i], err);
	return r;
}

/* --- the SRK --- */

static void esys_cleanup(ESYS_CONTEXT **esys)
{
	Esys_Finalize(esys);
}

static void esys_free_cleanup(void *p)
{
	Esys_Free(*(void **)p);
}

static int same_name(struct helper *helper, ESYS_CONTEXT *esys, ESYS_TR key,
		     const struct fapi_record *record, struct err *err)
{
	CLEANUP(esys_free_cleanup) TPM2B_NAME *name = NULL;
	int r = helper_check(helper, "Esys_TR_GetName", Esys_TR_GetName(esys, key, &name), err);

	if (r < 0)
		return r;
	if (slice_equal(slice_of(name->name, name->size), slice_of(record->name, record->name_len)))
		return 0;
	(void)err_set(err, ERR_TPM_CHANGED, "the TPM has another SRK than the FAPI store");
	return err_add_remedy(err, remedy_text(REMEDY_CHANGED));
}

/* The chip's SRK in the form that FAPI keeps (that of ESYS), if it is the one of @record. */
static int serialize_srk(struct helper *helper, const struct fapi_record *record,
			 struct buf *ret_bytes, struct err *err)
{
	CLEANUP(esys_cleanup) ESYS_CONTEXT *esys = NULL;
	CLEANUP(esys_free_cleanup) uint8_t *bytes = NULL;
	TSS2_TCTI_CONTEXT *tcti = NULL;
	uint32_t handle = record->persistent_handle ? record->persistent_handle : SRK_HANDLE;
	ESYS_TR key = ESYS_TR_NONE;
	size_t len = 0;
	int r;

	r = helper_check(helper, "Fapi_GetTcti", Fapi_GetTcti(helper->context, &tcti), err);
	if (r == 0)
		r = helper_check(helper, "Esys_Initialize", Esys_Initialize(&esys, tcti, NULL),
				 err);
	if (r == 0)
		r = helper_check(helper, "Esys_TR_FromTPMPublic",
				 Esys_TR_FromTPMPublic(esys, handle, ESYS_TR_NONE, ESYS_TR_NONE,
						       ESYS_TR_NONE, &key),
				 err);
	if (r == 0)
		r = same_name(helper, esys, key, record, err);
	if (r == 0)
		r = helper_check(helper, "Esys_TR_Serialize",
				 Esys_TR_Serialize(esys, key, &bytes, &len), err);
	if (r < 0)
		return r;
	buf_put(ret_bytes, slice_of(bytes, len));
	return buf_ok(ret_bytes) ? 0 : err_set(err, ERR_INTERNAL, "the SRK does not fit");
}

static int write_srk(const struct held *held, const struct buf *serialized, struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	CLEANUP(buf_fini) struct buf hex = BUF_INIT(2 * SERIALIZED_MAX);
	CLEANUP(buf_fini) struct buf text = BUF_INIT(FAPI_OBJECT_JSON_MAX);
	int r = json_parse(buf_slice(&held->text), &json, err);

	if (r < 0)
		return r;
	hex_encode(&hex, buf_slice(serialized));
	if (!buf_ok(&hex) ||
	    json_object_set_new(json, "persistent_handle", json_integer(SRK_HANDLE)) < 0 ||
	    json_object_set_new(json, "serialization",
				json_stringn((const char *)hex.data, hex.len)) < 0)
		return err_set(err, ERR_INTERNAL, "memory is short");
	json_write(&text, json);
	if (!buf_ok(&text))
		return err_set(err, ERR_INTERNAL, "the record does not fit");
	return file_write(held->folder, RECORD, buf_slice(&text), 0600, FILE_REPLACE, err);
}

/* FAPI forbids itself to delete a key that it found; unlike the handle, that stays recorded. */
static int was_found(const struct held *held, bool *ret_found, struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	const char *prohibited;
	int r = json_parse(buf_slice(&held->text), &json, err);

	if (r < 0)
		return r;
	prohibited = json_string_value(json_object_get(json, "delete_prohibited"));
	*ret_found = prohibited && strcmp(prohibited, "YES") == 0;
	return 0;
}

int settle_srk(struct helper *helper, bool *ret_adopted, struct err *err)
{
	CLEANUP(held_fini) struct held held = HELD_INIT;
	CLEANUP(buf_fini) struct buf serialized = BUF_INIT(SERIALIZED_MAX);
	struct fapi_record record = {.persistent_handle = 0};
	bool found = false;
	int r = open_record(helper, helper->config.system_dir, "HS/SRK", &held, err);

	if (r == 0)
		r = fapi_object_parse(buf_slice(&held.text), &record, err);
	if (r == 0)
		r = was_found(&held, &found, err);
	if (r < 0)
		return r;
	r = serialize_srk(helper, &record, &serialized, err);
	if (r == 0 && record.persistent_handle == 0)
		r = write_srk(&held, &serialized, err);
	if (r < 0)
		return r;
	*ret_adopted = found || record.persistent_handle == 0;
	return 0;
}
