/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast/names.h"

#include "base/mem.h"

#define NAMES_MAX (16u * 1024u * 1024u)

struct names {
	struct buf out;
	bool json;
	bool any;
};

/* The library only gives names that need no escape. */
static int add_name(void *arg, const char *name)
{
	struct names *names = arg;

	if (names->json)
		buf_printf(&names->out, "%s{\"name\":\"%s\"}", names->any ? "," : "", name);
	else
		buf_printf(&names->out, "%s\n", name);
	names->any = true;
	return 0;
}

int names_print(const struct cli *cli, const char *member,
		int (*list)(struct hf *hf, hf_name_fn visit, void *arg))
{
	struct names names = {.out = BUF_INIT(NAMES_MAX), .json = cli->json};
	int r;

	if (cli->json)
		buf_printf(&names.out, "{\"%s\":[", member);
	r = list(cli->hf, add_name, &names);
	if (cli->json)
		buf_put_str(&names.out, "]}\n");
	r = r < 0 ? cli_fail_hf(cli) : cli_print(cli, &names.out);
	buf_fini(&names.out);
	return r;
}
