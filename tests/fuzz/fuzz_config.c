/* SPDX-License-Identifier: Apache-2.0 */

/*
 * holdfast.conf. A refusal names the file, and the line where there is one; what is accepted is in
 * its ranges and can be rendered, or is refused for paths.run.
 */

#include <string.h>

#include "conf/conf.h"
#include "stack/render.h"
#include "tests/fuzz/fuzz.h"

static void check_tenant(const struct conf_tenant *tenant)
{
	size_t len = strlen(tenant->name), i;

	FUZZ_REQUIRE(len >= 1 && len <= 63);
	FUZZ_REQUIRE(strspn(tenant->name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len);
	for (i = 0; i < tenant->peers.count; i++)
		FUZZ_REQUIRE(!strncmp(tenant->peers.items[i], "uid:", 4));
}

/* What needs no quotes is written without them: none of it may have a meaning of its own. */
static void check_tree(const struct stack_tree *tree)
{
	const struct stack_entry *unit = stack_find(tree, STACK_ABRMD_UNIT);
	const struct stack_entry *shell = stack_find(tree, STACK_PROFILE);
	size_t i, quotes = 0;

	for (i = 0; unit && i < unit->content.len; i++)
		FUZZ_REQUIRE(!strchr("%$\\\"'", unit->content.data[i]));
	for (i = 0; shell && i < shell->content.len; i++)
		quotes += shell->content.data[i] == '\'';
	FUZZ_REQUIRE(!shell || quotes == 6);
}

static void check_rendered(const struct conf *conf)
{
	struct stack_tree tree = {.count = 0};
	struct err err = {0};
	int r = stack_render(conf, &tree, &err);

	FUZZ_REQUIRE(r == 0 || (r == ERR_INVALID && strstr(err.text, "paths { run }")));
	FUZZ_REQUIRE((tree.count > 0) == (r == 0 && conf->tpm2.enable));
	check_tree(&tree);
	stack_tree_fini(&tree);
}

static void check(const struct conf *conf)
{
	size_t i;

	FUZZ_REQUIRE(conf->state_dir[0] == '/' && conf->run_dir[0] == '/');
	FUZZ_REQUIRE(conf->tpm.srk_handle >= 0x81000000u && conf->tpm.srk_handle <= 0x817fffffu);
	FUZZ_REQUIRE(!conf->tpm.hsk_handle ||
		     (conf->tpm.hsk_handle >= 0x81000000u && conf->tpm.hsk_handle <= 0x817fffffu));
	for (i = 0; i < conf->tenant_count; i++)
		check_tenant(&conf->tenants[i]);
	check_rendered(conf);
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
