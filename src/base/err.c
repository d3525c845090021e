/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One const table says all there is to say about a code; docs/ERRORS.md is its copy for readers
 * and a test holds the two together. The rest of the file fills the caller's struct err.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Row i describes code -(i + 1); the test keeps it so. */
static const struct err_info TABLE[] = {
	{ERR_INVALID, "invalid", 400, "The request is malformed or out of range.",
	 "Correct what the detail names and send the request again."},
	{ERR_FORBIDDEN, "forbidden", 403, "This tenant may not do that.",
	 "Ask the administrator of the device to allow this operation for the tenant."},
	{ERR_NOT_FOUND, "not_found", 404, "There is no such object or path.",
	 "Check the spelling, or list the objects to see which names exist."},
	{ERR_CONFLICT, "conflict", 409, "The name is taken, or the object is of another kind.",
	 "Choose another name, or delete the existing object first."},
	{ERR_TOO_LARGE, "too_large", 413, "The request is over a limit of size.",
	 "Send less at once; the documentation of the operation states its limit."},
	{ERR_NOT_SUPPORTED, "not_supported", 422, "This device or this object cannot do that.",
	 "Repeating does not help: the detail says what this device or this object cannot do."},
	{ERR_DAMAGED, "damaged", 422, "Bytes that should be whole are not.",
	 "Take an undamaged copy from your backup, or make the object again."},
	{ERR_WRONG_NAME, "wrong_name", 422, "It was sealed under another name.",
	 "Give the name under which it was sealed."},
	{ERR_WRONG_TENANT, "wrong_tenant", 403, "It was sealed by another tenant.",
	 "Open it from the tenant that sealed it."},
	{ERR_WRONG_TPM, "wrong_tpm", 422, "It was sealed by another device.",
	 "Open it on the device that sealed it, or seal the content again on this one."},
	{ERR_AUTH_FAILED, "auth_failed", 403, "The secret that authorises use is lost or wrong.",
	 "Give the right password; if it is lost, make the object again."},
	{ERR_QUOTA, "quota", 429, "There are too many objects or requests.",
	 "Wait a moment and repeat, or delete objects that are no longer needed."},
	{ERR_STARTING, "starting", 503, "The security provider is not chosen yet.",
	 "Repeat the request in a few seconds."},
	{ERR_TPM_REQUIRED, "tpm_required", 503, "Only a TPM can do this, and none is in use.",
	 "Start the service with its TPM in use, then repeat the request."},
	{ERR_TPM_BUSY, "tpm_busy", 503, "The TPM has no room or no time now.",
	 "Repeat the request in a few seconds."},
	{ERR_TPM_LOCKOUT, "tpm_lockout", 503,
	 "The TPM refused because of too many failed attempts.",
	 "Wait until the lockout ends, or have the administrator clear it with the lockout "
	 "password."},
	{ERR_TPM_FAILED, "tpm_failed", 503, "The TPM does not answer, or not as a TPM must.",
	 "Repeat once; if it fails again, restart the device and have its TPM checked."},
	{ERR_TPM_CHANGED, "tpm_changed", 503,
	 "The TPM is not the one that the keys were made with.",
	 "Put the original TPM back, or have the administrator accept this one (holdfast tpm "
	 "accept)."},
	{ERR_OWNER_AUTH_REQUIRED, "owner_auth_required", 503,
	 "The owner or endorsement hierarchy of the TPM has a password that the service lacks.",
	 "Have the administrator give the service that password in its configuration: tpm { "
	 "owner_auth_file }, or { endorsement_auth_file } for endorsement keys."},
	{ERR_NO_CERTIFICATE, "no_certificate", 404, "The device has no such certificate.",
	 "Have the device enrolled, or ask for a certificate that it has."},
	{ERR_TIMEOUT, "timeout", 504, "The deadline passed and the outcome is unknown.",
	 "Look whether the change happened, then repeat the request if it did not."},
	{ERR_UNREADABLE, "unreadable", 500, "Stored state exists but cannot be read.",
	 "Have the administrator check the storage of the device; nothing was overwritten."},
	{ERR_DISK_FULL, "disk_full", 507, "There is no room to store durably; nothing was changed.",
	 "Free some space on the device and repeat the request."},
	{ERR_INTERNAL, "internal", 500, "The service has a defect or lacks memory.",
	 "Look into the log of the service and report what it says."},
};

const struct err_info *err_table(size_t *ret_count)
{
	*ret_count = ARRAY_LEN(TABLE);
	return TABLE;
}

const struct err_info *err_info(int code)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(TABLE); i++)
		if (TABLE[i].code == code)
			return &TABLE[i];
	return &TABLE[ARRAY_LEN(TABLE) - 1];
}

int err_code_of_name(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(TABLE); i++)
		if (strcmp(TABLE[i].name, name) == 0)
			return TABLE[i].code;
	return ERR_INTERNAL;
}

/* The one function here that the shared library shows to programs. */
__attribute__((visibility("default"))) const char *hf_code_name(int code)
{
	return code == HF_OK ? "ok" : err_info(code)->name;
}

const char *err_remedy(const struct err *err)
{
	return err->remedy ? err->remedy : err_info(err->code)->remedy;
}

/* A code that is no failure would read as success further up: it becomes a defect instead. */
static int fill(struct err *err, int code, const char *fmt, va_list ap) PRINTF_LIKE(3, 0);
static int fill(struct err *err, int code, const char *fmt, va_list ap)
{
	char text[sizeof(err->text)];

	/* By way of a copy: an argument may be the old text. */
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	*err = (struct err){.code = code < 0 ? code : ERR_INTERNAL};
	memcpy(err->text, text, sizeof(text));
	return err->code;
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = fill(err, code, fmt, ap);
	va_end(ap);
	return r;
}

int err_set_errno(struct err *err, int code, int errnum, const char *fmt, ...)
{
	va_list ap;

	if (errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG)
		code = ERR_DISK_FULL;
	va_start(ap, fmt);
	(void)fill(err, code, fmt, ap);
	va_end(ap);
	return err_add_origin(err, ERR_ORIGIN_ERRNO, (unsigned long)errnum);
}

/* Appends what fits, and always a NUL; @used is the length so far. */
static size_t append(char *text, size_t size, size_t used, const char *more)
{
	size_t len = strnlen(more, size - 1 - used);

	memcpy(text + used, more, len);
	text[used + len] = '\0';
	return used + len;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char text[sizeof(err->text)];
	size_t used;
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	used = append(text, sizeof(text), strlen(text), ": ");
	(void)append(text, sizeof(text), used, err->text);
	memcpy(err->text, text, sizeof(text));
	return err->code;
}

int err_add_origin(struct err *err, enum err_origin kind, unsigned long origin)
{
	err->origin_kind = kind;
	err->origin = origin;
	return err->code;
}

int err_add_remedy(struct err *err, const char *constant)
{
	err->remedy = constant;
	return err->code;
}
