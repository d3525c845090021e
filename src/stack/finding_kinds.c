/* SPDX-License-Identifier: Apache-2.0 */
/* Every id there is, in the order of docs/DOCTOR.md, which tools/check-docs holds against this. */
#include "stack/finding.h"

#define DOCTOR FINDING_BY_DOCTOR
#define CHECK  FINDING_BY_CHECK

static const struct finding_kind KINDS[] = {
	{"socket", DOCTOR},
	{"service", DOCTOR},
	{"provider", DOCTOR},
	{"use", DOCTOR},
	{"device-tpm0", DOCTOR | CHECK},
	{"device-tpmrm0", DOCTOR | CHECK},
	{"device", DOCTOR | CHECK},
	{"tpm", DOCTOR},
	{"resource-manager", DOCTOR | CHECK},
	{"lockout-password", DOCTOR},
	{"lockout", DOCTOR | CHECK},
	{"fapi", DOCTOR},
	{"identity", DOCTOR},
	{"identity-alarm", DOCTOR},
	{"migration", DOCTOR},
	{"soft-key", DOCTOR},
	{"tpm-in-use", DOCTOR},
	{"certificate", DOCTOR},
	{"memory-lock", DOCTOR},
	{"clock", DOCTOR},
	{"tpm2", CHECK},
	{"ledger", CHECK},
	{"file-udev-rules", CHECK},
	{"file-udev-trigger", CHECK},
	{"file-udev-wanted", CHECK},
	{"file-sysusers", CHECK},
	{"file-tmpfiles", CHECK},
	{"file-abrmd-unit", CHECK},
	{"file-abrmd-wanted", CHECK},
	{"file-abrmd-bus", CHECK},
	{"file-pkcs11-module", CHECK},
	{"file-profile", CHECK},
	{"file-environment", CHECK},
	{"file-fapi-config", CHECK},
	{"file-fapi-ecc", CHECK},
	{"file-fapi-rsa", CHECK},
	{"tss-user", CHECK},
	{"tss-group", CHECK},
	{"holdfast-group", CHECK},
	{"member", CHECK},
	{"tpm-owner", CHECK},
	{"abrmd", CHECK},
	{"tcti-tools", CHECK},
	{"tcti-pkcs11", CHECK},
	{"tcti-openssl", CHECK},
	{"tcti", CHECK},
	{"fapi-profile", CHECK},
	{"fapi-system-dir", CHECK},
	{"fapi-log-dir", CHECK},
	{"fapi-keystore", CHECK},
	{"ek-certificate", CHECK},
	{"srk", CHECK},
	{"same-tpm", CHECK},
	{"pkcs11-module", CHECK},
	{"pkcs11-store", CHECK},
};

const struct finding_kind *finding_kinds(size_t *ret_count)
{
	*ret_count = ARRAY_LEN(KINDS);
	return KINDS;
}
