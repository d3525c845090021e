/* SPDX-License-Identifier: Apache-2.0 */

/*
 * holdfast.conf. A refusal names the file, and the line where there is one; what is accepted is in
 * its ranges and can be visited.
 */

#include <string.h>

#include "conf/conf.h"
#include "tests/fuzz/fuzz.h"

static void count(void *arg, const char *name)
{
	FUZZ_REQUIRE(name && name[0]);
	++*(unsigned *)arg;
}

static void check_tenant(const struct conf_tenant *tenant)
{
	size_t len = strlen(tenant->name), i;

	FUZZ_REQUIRE(len >= 1 && len <= 63);
	FUZZ_REQUIRE(strspn(tenant->name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len);
	for (i = 0; i < tenant->peers.count; i++)
		FUZZ_REQUIRE(!strncmp(tenant->peers.items[i], "uid:", 4));
}

static void check(const struct conf *conf)
{
	unsigned visited = 0;
	size_t i;

	FUZZ_REQUIRE(conf->state_dir[0] == '/' && conf->run_dir[0] == '/');
	FUZZ_REQUIRE(conf->tpm.srk_handle >= 0x81000000u && conf->tpm.srk_handle <= 0x817fffffu);
	FUZZ_REQUIRE(!conf->tpm.hsk_handle ||
		     (conf->tpm.hsk_handle >= 0x81000000u && conf->tpm.hsk_handle <= 0x817fffffu));
	for (i = 0; i < conf->tenant_count; i++)
		check_tenant(&conf->tenants[i]);
	conf_unused_sections(conf, count, &visited);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf *conf = NULL;
	struct err err = {0};
	int r = conf_parse((const char *)data, size, "fuzz.conf", &conf, &err);

	if (r < 0) {
		FUZZ_REQUIRE(!conf && r == err.code && err.text[0]);
		FUZZ_REQUIRE(r != ERR_INVALID || strstr(err.text, "fuzz.conf"));
		return 0;
	}
	check(conf);
	conf_free(conf);
	return 0;
}
