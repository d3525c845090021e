/* SPDX-License-Identifier: Apache-2.0 */
/* The journal is what counts: with it the reset has begun, whether or not anybody hears of it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "cmd/holdfastd/device.h"
#include "cmd/holdfastd/reset.h"
#include "cmd/holdfastd/reset_steps.h"

#define NAMED_MAX 8u /* handles in an answer */

struct ask_work {
	struct daemon *daemon;
	struct service_reset wish;
	void (*done)(void *op, const struct err *err);
	void *op;
	bool put_aside; /* the journal of before, which cannot be read */
	_Atomic bool begun;
};

static int refuse_foreign(const uint32_t *handles, size_t count, struct err *err)
{
	CLEANUP(buf_fini) struct buf list = BUF_INIT(256);
	size_t i;

	for (i = 0; i < count && i < NAMED_MAX; i++)
		buf_printf(&list, "%s0x%08" PRIx32, i > 0 ? ", " : "", handles[i]);
	if (count > NAMED_MAX)
		buf_printf(&list, " and %zu more", count - NAMED_MAX);
	(void)err_set(err, ERR_CONFLICT, "clearing the TPM takes away keys of others, at %.*s",
		      (int)list.len, (const char *)list.data);
	return err_add_remedy(err, "Keys of disks may be among them. Reset without clearing the "
				   "TPM, or repeat and accept that they are lost.");
}

/* Ours may be the identity's key, or one that is being made. */
static int check_foreign(const struct ask_work *ask, const struct identity_world *world,
			 const uint32_t ours[static 2], struct err *err)
{
	uint32_t handles[TPM_FOREIGN_MAX];
	size_t count = 0;
	int r;

	if (!ask->wish.clear_tpm || ask->wish.accept_foreign)
		return 0;
	if (!world->provider)
		return err_set(err, ERR_TPM_FAILED, "nobody knows whose keys are in the TPM: %s",
			       world->cause);
	r = tpm_provider_foreign(world->provider, ours, 2, handles, &count, err);
	return r < 0 || count == 0 ? r : refuse_foreign(handles, count, err);
}

/*
 * Identity keys of this device that no record names, as of reinstallations: known by their password
 * alone, which goes with auth.key. A journal that says `partial` is durable before.
 */
static bool sweep_chip(struct provider *p)
{
	uint32_t handles[TPM_FOREIGN_MAX];
	size_t count = 0, i;
	bool whole = true;
	struct err err;

	if (tpm_provider_foreign(p, NULL, 0, handles, &count, &err) < 0) {
		log_err(LOG_LEVEL_WARNING, &err, "factory reset: keys in the TPM");
		return false;
	}
	for (i = 0; i < count; i++) {
		int r = identity_key_evict(p, handles[i], &err);

		if (r == 0)
			log_notice("factory reset: the identity key at 0x%08" PRIx32 " is gone",
				   handles[i]);
		if (r == 0 || r == ERR_NOT_FOUND)
			continue;
		log_err(LOG_LEVEL_WARNING, &err, "factory reset: 0x%08" PRIx32 " was left",
			handles[i]);
		whole = false;
	}
	return whole && count < TPM_FOREIGN_MAX;
}

/* May the chip have an identity key of ours that the journal does not name? */
static bool may_have_more(const struct ask_work *ask, const struct identity_world *world,
			  const struct identity_view *view, const struct identity_journal *journal)
{
	bool had = view->mode == IDENTITY_DEGRADED || view->mode == IDENTITY_CONFLICT;

	return !ask->wish.clear_tpm && (world->provider || (had && journal->name_len == 0));
}

/* @journal tells what was being done before. */
static int plan(const struct ask_work *ask, const struct identity_view *view,
		struct identity_journal *journal, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *record = NULL;
	struct reset_plan plan = {
		.hsk_handle = ask->daemon->conf->tpm.hsk_handle,
		.clear_tpm = ask->wish.clear_tpm,
		.without_tpm = ask->wish.without_tpm,
		.now = time(NULL),
	};
	int r = state_tpm_read(ask->daemon->state.store, &record, err);

	if (r < 0 && r != ERR_UNREADABLE)
		return r;
	plan.record_lost = r < 0;
	if (record)
		plan.record = secret_slice(record);
	return reset_plan(&plan, view, journal, err);
}

/* Until the chip has been swept the journal says that something may be left in it. */
static int write_journal(struct ask_work *ask, const struct identity_world *world,
			 const struct identity_view *view, struct identity_files *files,
			 struct identity_journal *journal, struct err *err)
{
	bool partial, more;
	int r = plan(ask, view, journal, err);

	if (r < 0)
		return r;
	if (ask->put_aside && identity_journal_remove(files, err) < 0)
		log_err(LOG_LEVEL_WARNING, err, "factory reset: the journal of before");
	partial = journal->partial;
	more = may_have_more(ask, world, view, journal);
	journal->partial = partial || more;
	r = identity_journal_write(files, journal, err);
	ask->begun = r == 0;
	if (r < 0 || partial || !more || !world->provider || !sweep_chip(world->provider))
		return r;
	journal->partial = false;
	return identity_journal_write(files, journal, err);
}

/*
 * Whatever was being done ends here, and this is the way out of one that cannot be understood:
 * torn, it is written over, else put aside, but not before the reset is planned. What the persist
 * folder alone has names no key that is to go: ours are found by their password.
 */
static int read_journal(struct ask_work *ask, struct identity_files *files,
			struct identity_journal *ret_journal, struct err *err)
{
	int r = identity_journal_read(files, ret_journal, err);

	if (r == 0 && ret_journal->of_persist) {
		ret_journal->doing = IDENTITY_DOING_NOTHING;
		ret_journal->handle = 0;
	}
	if (r != ERR_DAMAGED && r != ERR_UNREADABLE)
		return r;
	log_err(LOG_LEVEL_WARNING, err, "factory reset: the journal of before");
	ask->put_aside = r == ERR_UNREADABLE;
	return 0;
}

/* The service is set up anew by it: one that is wrong would end it before anything is erased. */
static int check_conf(const struct daemon *daemon, struct err *err)
{
	struct conf *conf = NULL;
	int r = conf_load(daemon->conf_path, &conf, err);

	if (r == ERR_NOT_FOUND && daemon->conf_optional)
		return 0;
	if (r == 0)
		r = device_check(conf, err);
	conf_free(conf);
	return r < 0 ? err_wrap(err, "the configuration, which a reset reads anew") : 0;
}

static int ask_run(void *arg, struct identity *identity, const struct identity_world *world,
		   struct err *err)
{
	CLEANUP(identity_view_cleanup) struct identity_view *view = identity_view_of(identity);
	CLEANUP(identity_journal_cleanup) struct identity_journal journal = IDENTITY_JOURNAL_INIT;
	struct identity_files *files = identity_files_of(identity);
	struct ask_work *ask = arg;
	int r;

	if (!view)
		return err_set(err, ERR_STARTING, "the device's identity is being looked for");
	r = check_conf(ask->daemon, err);
	if (r == 0)
		r = read_journal(ask, files, &journal, err);
	if (r == 0)
		r = check_foreign(
			ask, world,
			(const uint32_t[]){view->on_chip ? view->handle : 0, journal.handle}, err);
	return r < 0 ? r : write_journal(ask, world, view, files, &journal, err);
}

static void ask_done(void *arg, const struct err *err)
{
	struct ask_work *ask = arg;

	if (!err)
		log_warning("a factory reset was asked for");
	ask->done(ask->op, err);
}

/* Also when nobody heard of it in time. */
static void ask_release(void *arg)
{
	struct ask_work *ask = arg;

	if (ask->begun)
		daemon_begin_anew(ask->daemon);
	free(ask);
}

/* It does not wait for a chip that may hang; only what would be lost by clearing must be known. */
static bool needs_no_chip(const struct daemon *daemon, const struct service_reset *wish)
{
	return wish->without_tpm ||
	       (!wish->clear_tpm && daemon->service->provider_status.fault != NULL);
}

int reset_ask(void *arg, const struct service_reset *wish,
	      void (*done)(void *op, const struct err *err), void *op, struct err *err)
{
	struct daemon *daemon = arg;
	struct ask_work *ask;
	int r;

	/* There is no identity then whose turns could be waited for. */
	if (daemon->reset)
		return wish->without_tpm
			       ? reset_without_tpm(daemon->reset, done, op, err)
			       : err_set(err, ERR_STARTING, "a factory reset is being carried out");
	ask = calloc(1, sizeof(*ask));
	if (!ask)
		return err_set(err, ERR_INTERNAL, "memory is short");
	*ask = (struct ask_work){.daemon = daemon, .wish = *wish, .done = done, .op = op};
	r = device_submit(daemon->device,
			  &(struct device_work){.run = ask_run,
						.done = ask_done,
						.release = ask_release,
						.arg = ask,
						.off_chip = needs_no_chip(daemon, wish)},
			  err);
	if (r < 0)
		free(ask);
	return r;
}
