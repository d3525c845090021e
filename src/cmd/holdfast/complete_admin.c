/* SPDX-License-Identifier: Apache-2.0 */
/* What only the administrator's socket tells. */
#include "base/mem.h"
#include "cmd/holdfast/complete.h"

static int add_tenant(void *arg, const struct hf_tenant *tenant)
{
	offer_word(arg, tenant->name, NULL);
	return 0;
}

/* In the place of the handle for everybody; silent, unlike admin_open(). */
static bool open_admin(struct cli *cli)
{
	struct hf *hf;

	if (hf_open_admin(cli->socket, &hf) < 0)
		return false;
	hf_set_timeout_ms(hf, COMPLETE_TIMEOUT_MS);
	hf_close(cli->hf);
	cli->hf = hf;
	return true;
}

void complete_tenants(struct cli *cli, struct offers *offers)
{
	if (open_admin(cli))
		(void)hf_tenant_list(cli->hf, add_tenant, offers);
}

void complete_fapi_paths(struct cli *cli, struct offers *offers)
{
	if (open_admin(cli))
		(void)hf_fapi_list(cli->hf, complete_name, offers);
}
