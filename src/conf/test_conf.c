/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults, a file that sets everything, files on disk, and what else the interface offers. */
#include "conf/conf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "conf/test_fixture.h"

/* --- defaults and values --- */

static void test_defaults(void **state)
{
	struct conf *conf = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(conf_default(&conf, &err), 0);
	assert_all_defaults(conf);
	assert_int_equal(conf->tenant_count, 0);
	conf_free(conf);
	conf_free(NULL);
}

static void test_tenant_defaults(void **state)
{
	struct conf_tenant sentinel;
	struct conf_tenant *tenant = NULL;
	struct err err = {0};
	struct conf *conf;

	(void)state;
	conf = parse_ok("tenant web {} tenant host {}");
	assert_int_equal(conf->tenant_count, 2);
	assert_string_equal(conf->tenants[0].name, "web");
	assert_tenant_defaults(&conf->tenants[0]);
	assert_host_defaults(&conf->tenants[1]);
	conf_free(conf);

	assert_int_equal(conf_tenant_default("db", &tenant, &err), 0);
	assert_string_equal(tenant->name, "db");
	assert_tenant_defaults(tenant);
	conf_tenant_free(tenant);
	assert_int_equal(conf_tenant_default("host", &tenant, &err), 0);
	assert_host_defaults(tenant);
	conf_tenant_free(tenant);
	conf_tenant_free(NULL);
	tenant = &sentinel;
	assert_int_equal(conf_tenant_default("../db", &tenant, &err), ERR_INVALID);
	assert_ptr_equal(tenant, &sentinel);
}

#define FINGERPRINT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static const char FULL[] =
	"provider = legacy\n"
	"tpm { tcti = \"swtpm:path=/tmp/a b\" wait = 0 srk = 'rsa-2048' srk_handle = 0x81000005\n"
	"      hsk_handle = 0 encrypt = false owner_auth_file = /o endorsement_auth_file = /e\n"
	"      lockout_auth_file = /l }\n"
	"paths { state = /var//s run = '/r' }\n"
	"device { config_dir = /c persist_dir = /p tpm = require handle = 2164260880\n"
	"         provision = manual restore = ask subject = \"CN=a\" days = 30 }\n"
	"fapi { probe = false }\n"
	"tenant web {\n"
	"  operations = {device-raw, \"seal\"} broker = full allow = {\"NV_Write\", pcr_extend,}\n"
	"  deny = {Hash} keys = 1000000 stored = 0x10000000000 rate = 0 connections = 4096\n"
	"  sessions = 0 objects = 7 peers = {uid:201000, 'uid:0'} cgroup = /a.slice\n"
	"}\n"
	"tenant \"db\" { operations = {} }\n"
	"tpm2 { enable = true tssUser = me tssGroup = \"\" applyUdevRules = false\n"
	"  abrmd { enable = true package = /opt/abrmd }\n"
	"  pkcs11 { enable = true }\n"
	"  tctiEnvironment { enable = true interface = tabrmd deviceConf = /d tabrmdConf = t }\n"
	"  fapi { profileName = P_RSA2048SHA256 profileDir = /pd userDir = /ud systemDir = /sd\n"
	"    tcti = device systemPcrs = {0, 23} logDir = /ld ekCertLess = true\n"
	"    ekFingerprint = " FINGERPRINT " firmwareLogFile = /f imaLogFile = /i }\n"
	"}\n";

static void assert_full_tpm(const struct conf *conf)
{
	assert_int_equal(conf->provider, CONF_PROVIDER_LEGACY);
	assert_string_equal(conf->tpm.tcti, "swtpm:path=/tmp/a b");
	assert_int_equal(conf->tpm.wait, 0);
	assert_int_equal(conf->tpm.srk, CONF_SRK_RSA_2048);
	assert_int_equal(conf->tpm.srk_handle, 0x81000005);
	assert_int_equal(conf->tpm.hsk_handle, 0);
	assert_false(conf->tpm.encrypt);
	assert_string_equal(conf->tpm.owner_auth_file, "/o");
	assert_string_equal(conf->tpm.endorsement_auth_file, "/e");
	assert_string_equal(conf->tpm.lockout_auth_file, "/l");
	assert_string_equal(conf->state_dir, "/var//s");
	assert_string_equal(conf->run_dir, "/r");
	assert_string_equal(conf->device.config_dir, "/c");
	assert_string_equal(conf->device.persist_dir, "/p");
	assert_int_equal(conf->device.tpm, CONF_DEVICE_REQUIRE);
	assert_int_equal(conf->device.handle, 0x81000010);
	assert_int_equal(conf->device.provision, CONF_PROVISION_MANUAL);
	assert_int_equal(conf->device.restore, CONF_RESTORE_ASK);
	assert_string_equal(conf->device.subject, "CN=a");
	assert_int_equal(conf->device.days, 30);
	assert_false(conf->fapi_probe);
}

static void assert_full_tenants(const struct conf *conf)
{
	const struct conf_tenant *web = &conf->tenants[0];

	assert_int_equal(conf->tenant_count, 2);
	assert_string_equal(web->name, "web");
	assert_int_equal(web->operations, CONF_OP_DEVICE_RAW | CONF_OP_SEAL);
	assert_int_equal(web->broker, SET_FULL);
	assert_int_equal(web->allow.count, 2);
	assert_string_equal(web->allow.items[0], "NV_Write");
	assert_string_equal(web->allow.items[1], "pcr_extend");
	assert_int_equal(web->deny.count, 1);
	assert_string_equal(web->deny.items[0], "Hash");
	assert_int_equal(web->keys, 1000000);
	assert_int_equal(web->stored, UINT64_C(1) << 40);
	assert_int_equal(web->rate, 0);
	assert_int_equal(web->connections, 4096);
	assert_int_equal(web->sessions, 0);
	assert_int_equal(web->objects, 7);
	assert_int_equal(web->peers.count, 2);
	assert_string_equal(web->peers.items[0], "uid:201000");
	assert_string_equal(web->peers.items[1], "uid:0");
	assert_string_equal(web->cgroup, "/a.slice");
	assert_string_equal(conf->tenants[1].name, "db");
	assert_int_equal(conf->tenants[1].operations, 0);
}

static void assert_full_tpm2(const struct conf_tpm2 *tpm2)
{
	const struct conf_fapi_profile *fapi = &tpm2->fapi;

	assert_true(tpm2->enable);
	assert_string_equal(tpm2->tss_user, "me");
	assert_string_equal(tpm2->tss_group, "");
	assert_false(tpm2->apply_udev_rules);
	assert_true(tpm2->abrmd_enable);
	assert_string_equal(tpm2->abrmd_package, "/opt/abrmd");
	assert_true(tpm2->pkcs11_enable);
	assert_true(tpm2->tcti_environment_enable);
	assert_string_equal(tpm2->tcti_interface, "tabrmd");
	assert_string_equal(tpm2->tcti_device_conf, "/d");
	assert_string_equal(tpm2->tcti_tabrmd_conf, "t");
	assert_string_equal(fapi->profile_name, "P_RSA2048SHA256");
	assert_string_equal(fapi->profile_dir, "/pd");
	assert_string_equal(fapi->user_dir, "/ud");
	assert_string_equal(fapi->system_dir, "/sd");
	assert_string_equal(fapi->tcti, "device");
	assert_int_equal(fapi->system_pcrs.count, 2);
	assert_string_equal(fapi->system_pcrs.items[1], "23");
	assert_string_equal(fapi->log_dir, "/ld");
	assert_int_equal(fapi->ek_cert_less, 1);
	assert_string_equal(fapi->ek_fingerprint, FINGERPRINT);
	assert_string_equal(fapi->firmware_log_file, "/f");
	assert_string_equal(fapi->ima_log_file, "/i");
}

/* Every member is another than its default, so a key that lands in a wrong member is seen. */
static void test_full(void **state)
{
	struct conf *conf = parse_ok(FULL);

	(void)state;
	assert_full_tpm(conf);
	assert_full_tenants(conf);
	assert_full_tpm2(&conf->tpm2);
	conf_free(conf);
}

/* --- files --- */

static void write_text(const char *path, const void *text, size_t len)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

struct folder {
	char path[256];
	char file[300];
	char link[300];
};

static int make_folder(void **state)
{
	struct folder *folder = calloc(1, sizeof(*folder));
	const char *tmp = getenv("TMPDIR");

	assert_non_null(folder);
	(void)snprintf(folder->path, sizeof(folder->path), "%s/holdfast-conf-XXXXXX",
		       tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(folder->path));
	(void)snprintf(folder->file, sizeof(folder->file), "%s/h.conf", folder->path);
	(void)snprintf(folder->link, sizeof(folder->link), "%s/link", folder->path);
	*state = folder;
	return 0;
}

static int drop_folder(void **state)
{
	struct folder *folder = *state;

	(void)unlink(folder->file);
	(void)unlink(folder->link);
	assert_int_equal(rmdir(folder->path), 0);
	free(folder);
	return 0;
}

static int load_code(const char *path, struct err *err)
{
	struct conf sentinel;
	struct conf *conf = &sentinel;
	int r;

	*err = (struct err){0};
	r = conf_load(path, &conf, err);
	if (r < 0)
		assert_ptr_equal(conf, &sentinel);
	else
		conf_free(conf);
	return r;
}

static void test_load(void **state)
{
	const struct folder *folder = *state;
	struct conf *conf = NULL;
	struct err err = {0};

	assert_int_equal(load_code(folder->file, &err), ERR_NOT_FOUND);
	write_text(folder->file, "", 0);
	assert_int_equal(load_code(folder->file, &err), 0);
	write_text(folder->file, FULL, strlen(FULL));
	assert_int_equal(symlink("h.conf", folder->link), 0);
	assert_int_equal(conf_load(folder->link, &conf, &err), 0);
	assert_full_tpm(conf);
	conf_free(conf);
}

static void test_load_bad_content(void **state)
{
	const struct folder *folder = *state;
	struct err err;

	write_text(folder->file, "tpm {\n foo = 1 }", 16);
	assert_int_equal(load_code(folder->file, &err), ERR_INVALID);
	assert_starts(err.text, folder->file);
	assert_has(err.text, "/h.conf:2: no such option 'foo'");
	write_text(folder->file, "a\n\0", 3);
	assert_int_equal(load_code(folder->file, &err), ERR_INVALID);
	assert_has(err.text, "/h.conf:2: a NUL byte");
}

static void test_load_unreadable(void **state)
{
	const struct folder *folder = *state;
	struct err err;

	assert_int_equal(load_code(folder->path, &err), ERR_UNREADABLE);
	assert_has(err.text, "is not a regular file");
	assert_int_equal(load_code("/dev/zero", &err), ERR_UNREADABLE);
	assert_int_equal(mkfifo(folder->file, 0600), 0);
	assert_int_equal(load_code(folder->file, &err), ERR_UNREADABLE);
	assert_int_equal(symlink("link", folder->link), 0);
	assert_int_equal(load_code(folder->link, &err), ERR_UNREADABLE);
	assert_int_equal(err.origin_kind, ERR_ORIGIN_ERRNO);
	assert_int_equal(err.origin, ELOOP);
}

static void test_load_huge(void **state)
{
	const struct folder *folder = *state;
	struct err err;

	write_text(folder->file, "#", 1);
	assert_int_equal(truncate(folder->file, (off_t)1 << 40), 0);
	assert_int_equal(load_code(folder->file, &err), ERR_INVALID);
	assert_has(err.text, "/h.conf:1: the file is too large; allowed: 1 MiB");
}

/* --- the rest of the interface --- */

static void test_provider_of_word(void **state)
{
	enum conf_provider provider = CONF_PROVIDER_LEGACY;
	struct err err = {0};

	(void)state;
	assert_int_equal(conf_provider_of_word("TPM", &provider, &err), ERR_INVALID);
	assert_int_equal(provider, CONF_PROVIDER_LEGACY);
	assert_has(err.text, "auto, tpm, legacy");
	assert_int_equal(conf_provider_of_word("", &provider, &err), ERR_INVALID);
	assert_int_equal(conf_provider_of_word("auto", &provider, &err), 0);
	assert_int_equal(provider, CONF_PROVIDER_AUTO);
	assert_int_equal(conf_provider_of_word("tpm", &provider, &err), 0);
	assert_int_equal(provider, CONF_PROVIDER_TPM);
	assert_int_equal(conf_provider_of_word("legacy", &provider, &err), 0);
	assert_int_equal(provider, CONF_PROVIDER_LEGACY);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_tenant_defaults),
		cmocka_unit_test(test_full),
		cmocka_unit_test_setup_teardown(test_load, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(test_load_bad_content, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(test_load_unreadable, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(test_load_huge, make_folder, drop_folder),
		cmocka_unit_test(test_provider_of_word),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
