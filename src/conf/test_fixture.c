/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing with a verdict, and every default once. */
#include "conf/test_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct conf *parse_ok(const char *text)
{
	struct conf *conf = NULL;
	struct err err = {0};

	if (conf_parse(text, strlen(text), "t", &conf, &err) < 0)
		fail_msg("refused: %s\n%s", err.text, text);
	return conf;
}

void parse_bad(const char *text, size_t len, struct err *err)
{
	struct conf sentinel;
	struct conf *conf = &sentinel;

	*err = (struct err){0};
	if (conf_parse(text, len, "t", &conf, err) == 0)
		fail_msg("taken: %s", text);
	assert_int_equal(err->code, ERR_INVALID);
	assert_ptr_equal(conf, &sentinel);
}

void assert_starts(const char *text, const char *start)
{
	if (strncmp(text, start, strlen(start)) != 0)
		fail_msg("\"%s\" does not start with \"%s\"", text, start);
}

void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" lacks \"%s\"", text, part);
}

/* --- defaults --- */

void assert_tenant_defaults(const struct conf_tenant *tenant)
{
	assert_int_equal(tenant->operations, CONF_OP_RANDOM | CONF_OP_SEAL | CONF_OP_KEY |
						     CONF_OP_SIGN | CONF_OP_AIK | CONF_OP_USAGE);
	assert_int_equal(tenant->broker, SET_NONE);
	assert_int_equal(tenant->allow.count, 0);
	assert_int_equal(tenant->deny.count, 0);
	assert_int_equal(tenant->keys, 256);
	assert_int_equal(tenant->stored, 16777216);
	assert_int_equal(tenant->rate, 200);
	assert_int_equal(tenant->connections, 64);
	assert_int_equal(tenant->sessions, 16);
	assert_int_equal(tenant->objects, 64);
	assert_int_equal(tenant->peers.count, 0);
	assert_string_equal(tenant->cgroup, "");
}

void assert_host_defaults(const struct conf_tenant *tenant)
{
	assert_string_equal(tenant->name, "host");
	assert_int_equal(tenant->operations, (CONF_OP_DEVICE_RAW << 1) - 1 - CONF_OP_DEVICE_RAW);
	assert_int_equal(tenant->broker, SET_PROVISION);
	assert_int_equal(tenant->keys, 0);
	assert_int_equal(tenant->stored, 0);
	assert_int_equal(tenant->rate, 0);
	assert_int_equal(tenant->connections, 64);
	assert_int_equal(tenant->sessions, 16);
	assert_int_equal(tenant->objects, 64);
}

static void assert_tpm2_defaults(const struct conf_tpm2 *tpm2)
{
	const struct conf_fapi_profile *fapi = &tpm2->fapi;

	assert_false(tpm2->enable);
	assert_null(tpm2->tss_user);
	assert_string_equal(tpm2->tss_group, "tss");
	assert_true(tpm2->apply_udev_rules);
	assert_false(tpm2->abrmd_enable);
	assert_string_equal(tpm2->abrmd_package, "/usr/sbin/tpm2-abrmd");
	assert_false(tpm2->pkcs11_enable);
	assert_false(tpm2->tcti_environment_enable);
	assert_string_equal(tpm2->tcti_interface, "device");
	assert_string_equal(tpm2->tcti_device_conf, "/dev/tpmrm0");
	assert_string_equal(tpm2->tcti_tabrmd_conf, "bus_name=com.intel.tss2.Tabrmd");
	assert_string_equal(fapi->profile_name, "P_ECCP256SHA256");
	assert_string_equal(fapi->profile_dir, "/etc/tpm2-tss/fapi-profiles/");
	assert_string_equal(fapi->user_dir, "~/.local/share/tpm2-tss/user/keystore");
	assert_string_equal(fapi->system_dir, "/var/lib/tpm2-tss/system/keystore");
	assert_string_equal(fapi->tcti, "");
	assert_int_equal(fapi->system_pcrs.count, 0);
	assert_string_equal(fapi->log_dir, "/run/tpm2-tss/eventlog/");
	assert_int_equal(fapi->ek_cert_less, -1);
	assert_null(fapi->ek_fingerprint);
	assert_string_equal(fapi->firmware_log_file,
			    "/sys/kernel/security/tpm0/binary_bios_measurements");
	assert_string_equal(fapi->ima_log_file,
			    "/sys/kernel/security/ima/binary_runtime_measurements");
}

void assert_all_defaults(const struct conf *conf)
{
	assert_int_equal(conf->provider, CONF_PROVIDER_AUTO);
	assert_string_equal(conf->tpm.tcti, "");
	assert_int_equal(conf->tpm.wait, 20);
	assert_int_equal(conf->tpm.srk, CONF_SRK_DEFAULT);
	assert_int_equal(conf->tpm.srk_handle, 0x81000002);
	assert_int_equal(conf->tpm.hsk_handle, 0x81000101);
	assert_true(conf->tpm.encrypt);
	assert_string_equal(conf->tpm.owner_auth_file, "");
	assert_string_equal(conf->tpm.endorsement_auth_file, "");
	assert_string_equal(conf->tpm.lockout_auth_file, "");
	assert_string_equal(conf->state_dir, "/var/lib/holdfast");
	assert_string_equal(conf->run_dir, "/run/holdfast");
	assert_string_equal(conf->device.config_dir, "");
	assert_string_equal(conf->device.persist_dir, "");
	assert_int_equal(conf->device.tpm, CONF_DEVICE_PREFER);
	assert_int_equal(conf->device.handle, 0x81000100);
	assert_int_equal(conf->device.provision, CONF_PROVISION_AUTO);
	assert_int_equal(conf->device.restore, CONF_RESTORE_AUTO);
	assert_string_equal(conf->device.subject, "");
	assert_int_equal(conf->device.days, 7300);
	assert_true(conf->fapi_probe);
	assert_tpm2_defaults(&conf->tpm2);
}
