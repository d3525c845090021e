/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row says everything about a key: where it stands, where it is kept, its default as it would
 * be written in the file, and what is allowed. Defaults pass through the same checks as the file.
 */
#include "conf/schema.h"

#include <string.h>

#include "base/mem.h"
#include "base/tpm_range.h"
#include "base/utf8.h"
#include "broker/commands.h"
#include "conf/conf.h"
#include "conf/rule.h"

#define ACCOUNT_MAX   31u
#define FILE_NAME_MAX 64u
#define TENANT_MAX    63u
#define CGROUP_MAX    255u
#define SUBJECT_MAX   1024u
#define UID_LAST      4294967294u /* 4294967295 means "no user" to the kernel */
#define PCR_LAST      23u
#define TCTI_CONF_MAX 256u

static const struct schema_section SECTIONS[SCHEMA_SECTION_COUNT] = {
	[SCHEMA_ROOT] = {.name = "the top level", .parent = SCHEMA_ROOT},
	[SCHEMA_TPM] = {.name = "tpm", .parent = SCHEMA_ROOT},
	[SCHEMA_PATHS] = {.name = "paths", .parent = SCHEMA_ROOT},
	[SCHEMA_DEVICE] = {.name = "device", .parent = SCHEMA_ROOT},
	[SCHEMA_FAPI] = {.name = "fapi", .parent = SCHEMA_ROOT},
	[SCHEMA_TENANT] = {.name = "tenant", .parent = SCHEMA_ROOT, .titled = true},
	[SCHEMA_TPM2] = {.name = "tpm2", .parent = SCHEMA_ROOT},
	[SCHEMA_TPM2_ABRMD] = {.name = "abrmd", .parent = SCHEMA_TPM2},
	[SCHEMA_TPM2_PKCS11] = {.name = "pkcs11", .parent = SCHEMA_TPM2},
	[SCHEMA_TPM2_TCTI] = {.name = "tctiEnvironment", .parent = SCHEMA_TPM2},
	[SCHEMA_TPM2_FAPI] = {.name = "fapi", .parent = SCHEMA_TPM2},
};

/* --- what texts must look like --- */

/* They are written into JSON, which knows no other texts. */
static bool is_utf8(const char *text)
{
	struct slice rest = slice_str(text);
	size_t n = 1;

	while (rest.len > 0 && n > 0) {
		n = utf8_next(rest);
		rest = slice_of(rest.data + n, rest.len - n);
	}
	return n > 0;
}

static bool is_utf8_path(const char *text)
{
	return rule_is_absolute(text) && is_utf8(text);
}

static bool is_home_or_absolute(const char *text)
{
	return is_utf8_path(text[0] == '~' ? text + 1 : text);
}

/*
 * systemd-tmpfiles gives such a folder to a group of TPM2 software, and takes it from all others:
 * it must be none that other programs live by. The number of components, besides . and empty ones,
 * that a path below each of these has at least; any other may be one at the top.
 */
#define NEVER SIZE_MAX
static const struct {
	const char *top;
	size_t least;
} TOPS[] = {
	{"", NEVER},	 {"bin", NEVER},   {"boot", NEVER},  {"dev", NEVER},	{"etc", NEVER},
	{"lib", NEVER},	 {"lib32", NEVER}, {"lib64", NEVER}, {"libx32", NEVER}, {"nix", NEVER},
	{"proc", NEVER}, {"sbin", NEVER},  {"sys", NEVER},   {"usr", NEVER},	{"home", 3},
	{"run", 3},	 {"var", 3},	   {"media", 2},     {"mnt", 2},	{"opt", 2},
	{"root", 2},	 {"srv", 2},	   {"tmp", 2},
};

/* The next component, "" at the end; *path is then behind it. */
static struct slice next_component(const char **path)
{
	size_t len;

	do {
		*path += strspn(*path, "/");
		len = strcspn(*path, "/");
		*path += len;
	} while (len == 1 && (*path)[-1] == '.');
	return slice_of(*path - len, len);
}

static bool is_own_folder(const char *text)
{
	const char *at = text;
	struct slice top = next_component(&at);
	size_t count = 1, i;

	while (next_component(&at).len > 0)
		count++;
	for (i = 0; i < ARRAY_LEN(TOPS); i++)
		if (slice_equal(top, slice_str(TOPS[i].top)))
			return rule_is_plain_path(text) && count >= TOPS[i].least;
	return rule_is_plain_path(text);
}

static bool is_program(const char *text)
{
	const char *name = strrchr(text, '/');

	return rule_is_plain_path(text) && name[1] != '\0' && strcmp(name, "/.") != 0;
}

/* These names are written into rules of udev and systemd. */
static bool is_account_or_empty(const char *text)
{
	return text[0] == '\0' ||
	       (rule_made_of(text, RULE_LOWER RULE_UPPER RULE_DIGITS "_-", ACCOUNT_MAX) &&
		!strchr(RULE_DIGITS "-", text[0]));
}

static bool is_file_name(const char *text)
{
	return rule_made_of(text, RULE_LOWER RULE_UPPER RULE_DIGITS "._-", FILE_NAME_MAX) &&
	       text[0] != '.';
}

/* What is never let through would be a promise that is not kept. */
static bool is_command(const char *text)
{
	const struct command *command = commands_by_name(text);

	return command && command->set != SET_NEVER;
}

/* What provisioning takes is in that set alone. */
static bool is_allowable(const char *text)
{
	return is_command(text) && commands_by_name(text)->set != SET_PROVISION;
}

static bool is_peer(const char *text)
{
	return strncmp(text, "uid:", 4) == 0 && rule_is_decimal(text + 4, UID_LAST);
}

/* It is written into environments and scripts, where it must mean itself. */
static bool is_device_conf(const char *text)
{
	return rule_made_of(text, RULE_LOWER RULE_UPPER RULE_DIGITS "/._-+@:,=[]", TCTI_CONF_MAX);
}

static bool is_tcti_conf(const char *text)
{
	return text[0] == '\0' || is_device_conf(text);
}

/* SHA-256, SHA-384 or SHA-512. */
static bool is_fingerprint(const char *text)
{
	size_t len = strlen(text);

	return (len == 64 || len == 96 || len == 128) &&
	       rule_made_of(text, RULE_DIGITS "abcdefABCDEF", len);
}

static bool is_pcr(const char *text)
{
	return rule_is_decimal(text, PCR_LAST);
}

/* As long as the places that it is copied to; it is shown to administrators. */
static bool is_cgroup(const char *text)
{
	const char *at = text;

	while (*at >= ' ' && *at != '\x7f')
		at++;
	return *at == '\0' && strlen(text) <= CGROUP_MAX && rule_is_absolute_or_empty(text);
}

/* That its attributes are known ones is checked by who makes certificates. */
static bool is_subject(const char *text)
{
	return text[0] == '\0' || (strlen(text) <= SUBJECT_MAX && strchr(text, '='));
}

static bool is_tenant_name(const char *text)
{
	return rule_made_of(text, RULE_LOWER RULE_DIGITS "-", TENANT_MAX);
}

const struct schema_rule SCHEMA_TENANT_NAME = {is_tenant_name, "1 to 63 of a-z, 0-9 and -"};

static const struct schema_rule CGROUP = {
	is_cgroup, "\"\" or an absolute path without .. and of up to 255 bytes"};
static const struct schema_rule UTF8 = {is_utf8, "UTF-8"};
static const struct schema_rule UTF8_PATH = {is_utf8_path, "an absolute path without .., in UTF-8"};
static const struct schema_rule HOME_OR_ABSOLUTE = {
	is_home_or_absolute, "an absolute path, or one that begins with ~/, without .., in UTF-8"};
static const struct schema_rule ACCOUNT_OR_EMPTY = {
	is_account_or_empty,
	"\"\" or a name of 1 to 31 letters, digits, _ and - that begins with a letter or _"};
static const struct schema_rule FILE_NAME = {
	is_file_name, "1 to 64 letters, digits, ., _ and - without a leading dot"};
#define COMMAND_NAME "the name of a TPM command that holdfast-broker(7) lists as one to be "
static const struct schema_rule ALLOWABLE = {is_allowable, COMMAND_NAME "given, such as NV_Write"};
static const struct schema_rule COMMAND = {is_command, COMMAND_NAME "given, such as NV_Read"};
static const struct schema_rule SUBJECT = {
	is_subject, "\"\" or a distinguished name (RFC 4514), such as CN=gw-1,O=Example"};
static const struct schema_rule PEER = {is_peer, "uid:N, N from 0 to 4294967294"};
static const struct schema_rule OWN_FOLDER = {
	is_own_folder,
	"an absolute path of letters, digits and /._-+@: without .., to a folder for this "
	"alone: none of the machine's own, such as /, /etc or /var/lib"};
static const struct schema_rule PROGRAM = {
	is_program, "the absolute path of a program, of letters, digits and /._-+@: without .."};
static const struct schema_rule DEVICE_CONF = {is_device_conf,
					       "1 to 256 letters, digits and /._-+@:,=[]"};
static const struct schema_rule TCTI_CONF = {is_tcti_conf,
					     "up to 256 letters, digits and /._-+@:,=[]"};
static const struct schema_rule FINGERPRINT = {is_fingerprint, "64, 96 or 128 hexadecimal digits"};
static const struct schema_rule PCR = {is_pcr, "a decimal number from 0 to 23"};

/* --- words --- */

const struct schema_word SCHEMA_PROVIDERS[] = {
	{"auto", CONF_PROVIDER_AUTO},
	{"tpm", CONF_PROVIDER_TPM},
	{"legacy", CONF_PROVIDER_LEGACY},
	{0},
};
static const struct schema_word SRKS[] = {
	{"", CONF_SRK_DEFAULT},
	{"ecc-p256", CONF_SRK_ECC_P256},
	{"rsa-2048", CONF_SRK_RSA_2048},
	{0},
};
static const struct schema_word DEVICE_TPMS[] = {
	{"prefer", CONF_DEVICE_PREFER},
	{"require", CONF_DEVICE_REQUIRE},
	{"off", CONF_DEVICE_OFF},
	{0},
};
static const struct schema_word PROVISIONS[] = {
	{"auto", CONF_PROVISION_AUTO},
	{"manual", CONF_PROVISION_MANUAL},
	{0},
};
static const struct schema_word RESTORES[] = {
	{"auto", CONF_RESTORE_AUTO},
	{"ask", CONF_RESTORE_ASK},
	{0},
};
#define WORD(set, word) {word, set},
static const struct schema_word BROKERS[] = {COMMAND_SET_WORDS(WORD){0}};
static const struct schema_word OPERATIONS[] = {
	{"random", CONF_OP_RANDOM},
	{"seal", CONF_OP_SEAL},
	{"key", CONF_OP_KEY},
	{"sign", CONF_OP_SIGN},
	{"aik", CONF_OP_AIK},
	{"usage", CONF_OP_USAGE},
	{"decrypt", CONF_OP_DECRYPT},
	{"import", CONF_OP_IMPORT},
	{"export", CONF_OP_EXPORT},
	{"unwrap", CONF_OP_UNWRAP},
	{"device-sign", CONF_OP_DEVICE_SIGN},
	{"device-tls", CONF_OP_DEVICE_TLS},
	{"device-raw", CONF_OP_DEVICE_RAW},
	{0},
};
static const struct schema_word INTERFACES[] = {
	{.word = "tabrmd"},
	{.word = "device"},
	{.word = "holdfast"},
	{0},
};

#define HOST_OPERATIONS                                                                            \
	"random,seal,key,sign,aik,usage,decrypt,import,export,unwrap,device-sign,device-tls"

/* --- keys --- */

#define CONF(member)   offsetof(struct conf, member)
#define TENANT(member) offsetof(struct conf_tenant, member)
#define HANDLES	       .min = TPM_OWNER_FIRST, .max = TPM_OWNER_LAST

static const struct schema_field FIELDS[] = {
	{SCHEMA_ROOT, "provider", SCHEMA_ENUM, CONF(provider), .def = "auto",
	 .words = SCHEMA_PROVIDERS},

	{SCHEMA_TPM, "tcti", SCHEMA_TEXT, CONF(tpm.tcti), .def = ""},
	{SCHEMA_TPM, "wait", SCHEMA_UINT, CONF(tpm.wait), .def = "20", .max = 600},
	{SCHEMA_TPM, "srk", SCHEMA_ENUM, CONF(tpm.srk), .def = "", .words = SRKS},
	{SCHEMA_TPM, "srk_handle", SCHEMA_HANDLE, CONF(tpm.srk_handle), .def = "0x81000002",
	 HANDLES},
	{SCHEMA_TPM, "hsk_handle", SCHEMA_HANDLE, CONF(tpm.hsk_handle), .def = "0x81000101",
	 HANDLES, .zero = true},
	{SCHEMA_TPM, "encrypt", SCHEMA_BOOL, CONF(tpm.encrypt), .def = "true"},
	{SCHEMA_TPM, "owner_auth_file", SCHEMA_TEXT, CONF(tpm.owner_auth_file), .def = "",
	 .rule = &RULE_ABSOLUTE_OR_EMPTY},
	{SCHEMA_TPM, "endorsement_auth_file", SCHEMA_TEXT, CONF(tpm.endorsement_auth_file),
	 .def = "", .rule = &RULE_ABSOLUTE_OR_EMPTY},
	{SCHEMA_TPM, "lockout_auth_file", SCHEMA_TEXT, CONF(tpm.lockout_auth_file), .def = "",
	 .rule = &RULE_ABSOLUTE_OR_EMPTY},

	{SCHEMA_PATHS, "state", SCHEMA_TEXT, CONF(state_dir), .def = "/var/lib/holdfast",
	 .rule = &RULE_ABSOLUTE},
	{SCHEMA_PATHS, "run", SCHEMA_TEXT, CONF(run_dir), .def = "/run/holdfast",
	 .rule = &RULE_ABSOLUTE},

	{SCHEMA_DEVICE, "config_dir", SCHEMA_TEXT, CONF(device.config_dir), .def = "",
	 .rule = &RULE_ABSOLUTE_OR_EMPTY},
	{SCHEMA_DEVICE, "persist_dir", SCHEMA_TEXT, CONF(device.persist_dir), .def = "",
	 .rule = &RULE_ABSOLUTE_OR_EMPTY},
	{SCHEMA_DEVICE, "tpm", SCHEMA_ENUM, CONF(device.tpm), .def = "prefer",
	 .words = DEVICE_TPMS},
	{SCHEMA_DEVICE, "handle", SCHEMA_HANDLE, CONF(device.handle), .def = "0x81000100", HANDLES},
	{SCHEMA_DEVICE, "provision", SCHEMA_ENUM, CONF(device.provision), .def = "auto",
	 .words = PROVISIONS},
	{SCHEMA_DEVICE, "restore", SCHEMA_ENUM, CONF(device.restore), .def = "auto",
	 .words = RESTORES},
	{SCHEMA_DEVICE, "subject", SCHEMA_TEXT, CONF(device.subject), .def = "", .rule = &SUBJECT},
	{SCHEMA_DEVICE, "days", SCHEMA_UINT, CONF(device.days), .def = "7300", .min = 1,
	 .max = 36500},

	{SCHEMA_FAPI, "probe", SCHEMA_BOOL, CONF(fapi_probe), .def = "true"},

	{SCHEMA_TENANT, "operations", SCHEMA_SET, TENANT(operations),
	 .def = "random,seal,key,sign,aik,usage", .host_def = HOST_OPERATIONS, .words = OPERATIONS},
	{SCHEMA_TENANT, "broker", SCHEMA_ENUM, TENANT(broker), .def = "none",
	 .host_def = "provision", .words = BROKERS},
	{SCHEMA_TENANT, "allow", SCHEMA_LIST, TENANT(allow), .def = "", .rule = &ALLOWABLE},
	{SCHEMA_TENANT, "deny", SCHEMA_LIST, TENANT(deny), .def = "", .rule = &COMMAND},
	{SCHEMA_TENANT, "keys", SCHEMA_U64, TENANT(keys), .def = "256", .host_def = "0",
	 .max = 1000000},
	{SCHEMA_TENANT, "stored", SCHEMA_U64, TENANT(stored), .def = "16777216", .host_def = "0",
	 .max = UINT64_C(1) << 40},
	{SCHEMA_TENANT, "rate", SCHEMA_UINT, TENANT(rate), .def = "200", .host_def = "0",
	 .max = 1000000},
	{SCHEMA_TENANT, "connections", SCHEMA_UINT, TENANT(connections), .def = "64", .min = 1,
	 .max = 4096},
	{SCHEMA_TENANT, "sessions", SCHEMA_UINT, TENANT(sessions), .def = "16", .max = 61},
	{SCHEMA_TENANT, "objects", SCHEMA_UINT, TENANT(objects), .def = "64", .max = 4096},
	{SCHEMA_TENANT, "peers", SCHEMA_LIST, TENANT(peers), .def = "", .rule = &PEER},
	{SCHEMA_TENANT, "cgroup", SCHEMA_TEXT, TENANT(cgroup), .def = "", .rule = &CGROUP},

	{SCHEMA_TPM2, "enable", SCHEMA_BOOL, CONF(tpm2.enable), .def = "false"},
	{SCHEMA_TPM2, "tssUser", SCHEMA_TEXT, CONF(tpm2.tss_user), .def = NULL,
	 .rule = &ACCOUNT_OR_EMPTY},
	{SCHEMA_TPM2, "tssGroup", SCHEMA_TEXT, CONF(tpm2.tss_group), .def = "tss",
	 .rule = &ACCOUNT_OR_EMPTY},
	{SCHEMA_TPM2, "applyUdevRules", SCHEMA_BOOL, CONF(tpm2.apply_udev_rules), .def = "true"},
	{SCHEMA_TPM2_ABRMD, "enable", SCHEMA_BOOL, CONF(tpm2.abrmd_enable), .def = "false"},
	{SCHEMA_TPM2_ABRMD, "package", SCHEMA_TEXT, CONF(tpm2.abrmd_package),
	 .def = "/usr/sbin/tpm2-abrmd", .rule = &PROGRAM},
	{SCHEMA_TPM2_PKCS11, "enable", SCHEMA_BOOL, CONF(tpm2.pkcs11_enable), .def = "false"},
	{SCHEMA_TPM2_TCTI, "enable", SCHEMA_BOOL, CONF(tpm2.tcti_environment_enable),
	 .def = "false"},
	{SCHEMA_TPM2_TCTI, "interface", SCHEMA_TEXT, CONF(tpm2.tcti_interface), .def = "device",
	 .words = INTERFACES},
	{SCHEMA_TPM2_TCTI, "deviceConf", SCHEMA_TEXT, CONF(tpm2.tcti_device_conf),
	 .def = "/dev/tpmrm0", .rule = &DEVICE_CONF},
	{SCHEMA_TPM2_TCTI, "tabrmdConf", SCHEMA_TEXT, CONF(tpm2.tcti_tabrmd_conf),
	 .def = "bus_name=com.intel.tss2.Tabrmd", .rule = &TCTI_CONF},
	{SCHEMA_TPM2_FAPI, "profileName", SCHEMA_TEXT, CONF(tpm2.fapi.profile_name),
	 .def = "P_ECCP256SHA256", .rule = &FILE_NAME},
	{SCHEMA_TPM2_FAPI, "profileDir", SCHEMA_TEXT, CONF(tpm2.fapi.profile_dir),
	 .def = "/etc/tpm2-tss/fapi-profiles/", .rule = &UTF8_PATH},
	{SCHEMA_TPM2_FAPI, "userDir", SCHEMA_TEXT, CONF(tpm2.fapi.user_dir),
	 .def = "~/.local/share/tpm2-tss/user/keystore", .rule = &HOME_OR_ABSOLUTE},
	{SCHEMA_TPM2_FAPI, "systemDir", SCHEMA_TEXT, CONF(tpm2.fapi.system_dir),
	 .def = "/var/lib/tpm2-tss/system/keystore", .rule = &OWN_FOLDER},
	{SCHEMA_TPM2_FAPI, "tcti", SCHEMA_TEXT, CONF(tpm2.fapi.tcti), .def = "", .rule = &UTF8},
	{SCHEMA_TPM2_FAPI, "systemPcrs", SCHEMA_LIST, CONF(tpm2.fapi.system_pcrs), .def = "",
	 .rule = &PCR},
	{SCHEMA_TPM2_FAPI, "logDir", SCHEMA_TEXT, CONF(tpm2.fapi.log_dir),
	 .def = "/run/tpm2-tss/eventlog/", .rule = &OWN_FOLDER},
	{SCHEMA_TPM2_FAPI, "ekCertLess", SCHEMA_TRISTATE, CONF(tpm2.fapi.ek_cert_less),
	 .def = NULL},
	{SCHEMA_TPM2_FAPI, "ekFingerprint", SCHEMA_TEXT, CONF(tpm2.fapi.ek_fingerprint),
	 .def = NULL, .rule = &FINGERPRINT},
	{SCHEMA_TPM2_FAPI, "firmwareLogFile", SCHEMA_TEXT, CONF(tpm2.fapi.firmware_log_file),
	 .def = "/sys/kernel/security/tpm0/binary_bios_measurements", .rule = &UTF8_PATH},
	{SCHEMA_TPM2_FAPI, "imaLogFile", SCHEMA_TEXT, CONF(tpm2.fapi.ima_log_file),
	 .def = "/sys/kernel/security/ima/binary_runtime_measurements", .rule = &UTF8_PATH},
};

const struct schema SCHEMA_HOLDFAST = {
	.sections = SECTIONS,
	.section_count = ARRAY_LEN(SECTIONS),
	.fields = FIELDS,
	.field_count = ARRAY_LEN(FIELDS),
	.manual = "holdfast.conf(5)",
};

bool schema_is_titled(const struct schema *schema, const struct schema_field *field)
{
	return schema->sections[field->section].titled;
}

bool schema_is_list(const struct schema_field *field)
{
	return field->kind == SCHEMA_LIST || field->kind == SCHEMA_SET;
}
