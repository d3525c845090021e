/* SPDX-License-Identifier: Apache-2.0 */
/* The doors to guests, which software has none of. */
#include "provider/guest.h"

#include "provider/provider.h"

static int needs_chip(const struct provider *p, struct err *err)
{
	if (p->ops->guests)
		return 0;
	return err_set(err, ERR_TPM_REQUIRED, "raw TPM commands need a TPM");
}

int provider_guest_run(struct provider *p, const struct guest_command *command,
		       struct buf *ret_answer, struct provider_guest **ret_made, struct err *err)
{
	int r = needs_chip(p, err);

	return r < 0 ? r : p->ops->guests->run(p, command, ret_answer, ret_made, err);
}

int provider_guest_save(struct provider *p, struct provider_guest *guest, struct buf *ret_context,
			struct err *err)
{
	int r = needs_chip(p, err);

	return r < 0 ? r : p->ops->guests->save(p, guest, ret_context, err);
}

int provider_guest_load(struct provider *p, enum guest_kind kind, struct slice context,
			uint32_t *ret_rc, struct provider_guest **ret_guest, struct err *err)
{
	int r = needs_chip(p, err);

	return r < 0 ? r : p->ops->guests->load(p, kind, context, ret_rc, ret_guest, err);
}

uint32_t provider_guest_handle(const struct provider *p, const struct provider_guest *guest)
{
	return p->ops->guests ? p->ops->guests->handle(p, guest) : 0;
}

bool provider_guest_lost(const struct provider *p, const struct provider_guest *guest)
{
	return !p->ops->guests || p->ops->guests->lost(p, guest);
}

void provider_guest_free(struct provider *p, struct provider_guest *guest)
{
	if (guest && p->ops->guests)
		p->ops->guests->free(p, guest);
}

uint64_t provider_guest_epoch(const struct provider *p)
{
	return p->ops->guests ? p->ops->guests->epoch(p) : 0;
}

void provider_guest_lockout(const struct provider *p, struct guest_lockout *ret_lockout)
{
	*ret_lockout = (struct guest_lockout){.max = 0};
	if (p->ops->guests)
		p->ops->guests->lockout(p, ret_lockout);
}
