/* SPDX-License-Identifier: Apache-2.0 */
/* Every place that this room ever writes to; what is not here is out of its reach. */
#include "stack/render.h"

static const char *const PATHS[STACK_PARTS] = {
	[STACK_UDEV_RULES] = "/etc/udev/rules.d/70-holdfast-tpm2.rules",
	[STACK_UDEV_TRIGGER] = "/etc/systemd/system/holdfast-tpm2-udev.service",
	[STACK_UDEV_WANTED] =
		"/etc/systemd/system/multi-user.target.wants/holdfast-tpm2-udev.service",
	[STACK_SYSUSERS] = "/etc/sysusers.d/holdfast-tpm2.conf",
	[STACK_TMPFILES] = "/etc/tmpfiles.d/holdfast-tpm2.conf",
	[STACK_ABRMD_UNIT] = "/etc/systemd/system/tpm2-abrmd.service",
	[STACK_ABRMD_WANTED] = "/etc/systemd/system/multi-user.target.wants/tpm2-abrmd.service",
	[STACK_ABRMD_BUS] = "/etc/dbus-1/system.d/holdfast-tpm2-abrmd.conf",
	[STACK_PKCS11_MODULE] = "/etc/pkcs11/modules/tpm2_pkcs11.module",
	[STACK_PROFILE] = "/etc/profile.d/holdfast-tpm2.sh",
	[STACK_ENVIRONMENT] = "/etc/environment.d/90-holdfast-tpm2.conf",
	[STACK_FAPI_CONFIG] = "/etc/tpm2-tss/fapi-config.json",
	[STACK_FAPI_ECC] = "/etc/tpm2-tss/fapi-profiles/P_ECCP256SHA256.json",
	[STACK_FAPI_RSA] = "/etc/tpm2-tss/fapi-profiles/P_RSA2048SHA256.json",
};

static const char *const WORDS[STACK_PARTS] = {
	[STACK_UDEV_RULES] = "udev-rules",	 [STACK_UDEV_TRIGGER] = "udev-trigger",
	[STACK_UDEV_WANTED] = "udev-wanted",	 [STACK_SYSUSERS] = "sysusers",
	[STACK_TMPFILES] = "tmpfiles",		 [STACK_ABRMD_UNIT] = "abrmd-unit",
	[STACK_ABRMD_WANTED] = "abrmd-wanted",	 [STACK_ABRMD_BUS] = "abrmd-bus",
	[STACK_PKCS11_MODULE] = "pkcs11-module", [STACK_PROFILE] = "profile",
	[STACK_ENVIRONMENT] = "environment",	 [STACK_FAPI_CONFIG] = "fapi-config",
	[STACK_FAPI_ECC] = "fapi-ecc",		 [STACK_FAPI_RSA] = "fapi-rsa",
};

const char *stack_path(enum stack_part part)
{
	return PATHS[part];
}

const char *stack_backup_path(enum stack_part part)
{
	return part == STACK_PKCS11_MODULE ? "/etc/pkcs11/tpm2_pkcs11.module" : PATHS[part];
}

const char *stack_word(enum stack_part part)
{
	return WORDS[part];
}
