/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns are queued here and not in the jobs, since two of these might run at once in the pool. A
 * settling that is wanted goes before the orders that wait: they act on what it finds.
 */
#include "cmd/holdfastd/device.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "cmd/holdfastd/choice.h"
#include "cmd/holdfastd/machine.h"
#include "cmd/holdfastd/world.h"
#include "crypto/request.h"
#include "provider/tpm/tpm.h"
#include "service/op.h"

#define SECOND_US  1000000u
#define TURN_S	   60u /* since it was asked for: it waits, too */
#define ORDERS_MAX 4u  /* that wait */
#define PAUSE_S	   10u
#define PAUSES_MAX 6u /* doublings: ten minutes at most */

struct turn {
	struct device *device;
	struct turn *next;
	struct device_work work;
	struct identity_world world;
	char cause[WORLD_CAUSE_MAX];
	/* In use when the turn began, also where it had failed and the world has none; or NULL. */
	struct provider *chip;
	uint64_t deadline_us;
	struct loop_timer late; /* while it waits */
	/* What came of it, whole when the step has ended. */
	_Atomic bool ended;
	struct identity_view *view;
	struct provider_status status;
};

struct device {
	struct daemon *daemon;
	struct identity *identity;
	char boot_id[MACHINE_BOOT_ID_MAX];
	struct turn *working;
	struct turn *waiting; /* in the order of their turns */
	bool stopped;
	bool wanted;   /* to be settled */
	bool promises; /* the step's alone: worth another settling */

	/* Of the last settling; what an order has left counts, too. */
	struct identity_world settled_in;
	bool settled;
	bool retry;
	bool failed;
	enum identity_mode mode;
	struct loop_timer again;
	bool again_is_set;
	unsigned pauses;
	uint64_t missed_us; /* when the key was missed last, and looked for; 0 = never */
	/* What the log was told last. */
	enum identity_mode told_mode;
	char told_reason[IDENTITY_REASON_MAX];
	char told_alarm[IDENTITY_REASON_MAX];
};

static void go_on(struct device *device);
static void look_again(void *arg);
static void schedule(struct device *device);
static int settle_run(void *arg, struct identity *identity, const struct identity_world *world,
		      struct err *err);

/* --- what is so --- */

static bool in_use(const struct daemon *daemon)
{
	return daemon->service->state == SERVICE_READY && daemon->provider &&
	       daemon->provider->ops->on_chip;
}

static void world_now(const struct device *device, struct identity_world *ret_world,
		      char ret_cause[static WORLD_CAUSE_MAX])
{
	const struct daemon *daemon = device->daemon;
	const struct service *service = daemon->service;
	const struct world_facts facts = {
		.state = service->state,
		.on_chip = in_use(daemon),
		.fault = service->provider_status.fault,
		.overridden = daemon->wish == SELECT_LEGACY,
		.from_env = daemon->wish_from_env,
		.present = tpm_device_present(daemon->conf->tpm.tcti),
		.announced = machine_announces_tpm(),
		.waits = machine_waits(daemon->conf),
		.failure = service->state == SERVICE_READY ? choice_failure(daemon->choice)
							   : service->reason,
	};

	*ret_world = (struct identity_world){.boot_id = device->boot_id, .now = time(NULL)};
	world_of(&facts, ret_world, ret_cause);
	if (ret_world->tpm == IDENTITY_TPM_OK)
		ret_world->provider = daemon->provider;
}

/* --- what comes of a turn --- */

/* The choice has warned of it already: the TPM is not the provider. */
static bool was_warned(const struct turn *turn, const struct identity_view *view)
{
	const char *cause = turn->cause;

	return turn->world.tpm != IDENTITY_TPM_OK && !turn->chip && cause[0] != '\0' &&
	       view->mode != IDENTITY_CONFLICT &&
	       (view->alarm[0] == '\0' || strstr(view->alarm, cause));
}

static void tell_log(struct device *device, const struct identity_view *view, bool warned)
{
	const char *mode = identity_mode_name(view->mode);
	bool alarms = view->mode == IDENTITY_DEGRADED || view->mode == IDENTITY_CONFLICT;

	if (view->mode != device->told_mode || strcmp(view->reason, device->told_reason) != 0) {
		if (alarms && !warned)
			log_warning("device identity %s: %s", mode, view->reason);
		else
			log_notice("device identity %s: %s", mode, view->reason);
	}
	if (view->alarm[0] != '\0' && strcmp(view->alarm, device->told_alarm) != 0) {
		if (warned)
			log_notice("device identity: %s", view->alarm);
		else
			log_warning("device identity: %s", view->alarm);
	}
	device->told_mode = view->mode;
	(void)snprintf(device->told_reason, sizeof(device->told_reason), "%s", view->reason);
	(void)snprintf(device->told_alarm, sizeof(device->told_alarm), "%s", view->alarm);
}

/* Nobody reads it now but us, as no turn is at work. It may be the view of before. */
static void add_alarm(struct identity_view *view, const char *alarm)
{
	size_t len = strlen(view->alarm);

	if (alarm[0] == '\0' || strstr(view->alarm, alarm))
		return;
	(void)snprintf(view->alarm + len, sizeof(view->alarm) - len, "%s%s", len > 0 ? "; " : "",
		       alarm);
}

/* Before anybody may use the key that lies there. */
static bool reserve(struct service *service, uint32_t handle)
{
	struct err err;

	if (handle == 0 || service_reserve_raw(service, handle, &err) == 0)
		return true;
	log_err(LOG_LEVEL_WARNING, &err, "the handle of the device's identity");
	return false;
}

/* A key that tenants could reach by raw commands is not used. */
static void reserve_keys(struct service *service, struct identity_view *view)
{
	if (view->on_chip && !reserve(service, view->handle) && view->mode == IDENTITY_ENABLED) {
		view->mode = IDENTITY_DEGRADED;
		(void)snprintf(view->reason, sizeof(view->reason),
			       "the handle 0x%08" PRIx32
			       " of its key cannot be kept from raw commands",
			       view->handle);
	}
	if (!reserve(service, view->pending_handle))
		add_alarm(view, "the key that waits cannot be kept from raw commands: take the "
				"migration back");
}

static void publish(struct turn *turn)
{
	struct device *device = turn->device;
	struct daemon *daemon = device->daemon;
	struct identity_view *view = TAKE(turn->view);

	if (turn->chip && turn->chip == daemon->service->provider)
		daemon->service->provider_status = turn->status;
	if (!view)
		return;
	add_alarm(view, daemon->erased);
	reserve_keys(daemon->service, view);
	device->mode = view->mode;
	tell_log(device, view, was_warned(turn, view));
	service_set_identity(daemon->service, view);
}

/* --- turns --- */

static int refuse_stopping(struct err *err)
{
	return err_set(err, ERR_STARTING, "the service is stopping");
}

/*
 * Its last use has failed, and without another one nobody would know that it serves again. What
 * lies there does not matter.
 */
static void try_chip(struct turn *turn)
{
	const struct conf_device *conf = &turn->device->daemon->conf->device;
	CLEANUP(key_result_cleanup) struct key_result there = KEY_RESULT_INIT;
	struct err ignored;

	(void)!provider_resident(turn->chip, conf->handle, &there, &ignored);
	provider_status(turn->chip, &turn->status);
	world_of(&(struct world_facts){.state = SERVICE_READY,
				       .on_chip = true,
				       .fault = turn->status.fault,
				       .failure = ""},
		 &turn->world, turn->cause);
	if (turn->world.tpm == IDENTITY_TPM_OK)
		turn->world.provider = turn->chip;
}

static int turn_run(void *arg, struct err *err)
{
	struct turn *turn = arg;
	struct provider *p = turn->chip;
	int r;

	if (p)
		p->deadline_us = turn->deadline_us;
	if (p && !turn->world.provider)
		try_chip(turn);
	r = turn->work.run(turn->work.arg, turn->device->identity, &turn->world, err);
	turn->view = identity_view_of(turn->device->identity);
	if (p)
		provider_status(p, &turn->status);
	turn->ended = true;
	return r;
}

static void turn_done(void *arg, const struct err *err)
{
	struct turn *turn = arg;

	if (turn->ended)
		publish(turn);
	if (turn->work.done)
		turn->work.done(turn->work.arg, err);
}

static void turn_free(struct turn *turn)
{
	turn->work.release(turn->work.arg);
	identity_view_free(turn->view);
	free(turn);
}

/* What it was settled in, and whether that may change by itself. */
static void note_end(const struct turn *turn)
{
	struct device *device = turn->device;

	if (!turn->ended)
		return;
	if (turn->work.run != settle_run) {
		device->retry = device->retry || device->mode == IDENTITY_DEGRADED;
		return;
	}
	device->settled_in = turn->world;
	device->settled_in.cause = NULL; /* it ends with the turn */
	device->retry = device->promises;
}

static void turn_release(void *arg)
{
	struct turn *turn = arg;
	struct device *device = turn->device;

	if (turn->ended)
		publish(turn);
	service_drop(device->daemon->service, turn->chip);
	note_end(turn);
	turn_free(turn);
	device->working = NULL;
	schedule(device);
	go_on(device);
}

static void turn_refuse(struct turn *turn, const struct err *err)
{
	loop_timer_clear(&turn->late);
	if (turn->work.done)
		turn->work.done(turn->work.arg, err);
	turn_free(turn);
}

static void turn_late(void *arg)
{
	struct turn *turn = arg;
	struct turn **at = &turn->device->waiting;
	struct err err;

	while (*at != turn)
		at = &(*at)->next;
	*at = turn->next;
	(void)err_set(&err, ERR_TIMEOUT,
		      "what was asked of the identity before is still at work; nothing was done");
	turn_refuse(turn, &err);
}

static int turn_start(struct turn *turn, struct err *err)
{
	struct device *device = turn->device;
	struct service *service = device->daemon->service;
	struct job *job;
	int r;

	world_now(device, &turn->world, turn->cause);
	turn->chip = NULL;
	if (turn->work.off_chip)
		turn->world.provider = NULL;
	else if (in_use(device->daemon))
		turn->chip = device->daemon->provider;
	loop_timer_clear(&turn->late);
	r = service_submit(service,
			   &(struct job_plan){
				   .steps = {{turn->chip ? JOB_WORKER : JOB_POOL, turn_run}},
				   .count = 1,
				   .done = turn_done,
				   .release = turn_release,
				   .arg = turn,
				   .lane = TENANT_NUMBER_ADMIN,
				   .deadline_us = turn->deadline_us,
			   },
			   &job, err);
	if (r < 0)
		return r;
	(void)service_hold(service, turn->chip);
	device->working = turn;
	return 0;
}

static struct turn *turn_new(struct device *device, const struct device_work *work)
{
	struct turn *turn = calloc(1, sizeof(*turn));

	if (!turn)
		return NULL;
	turn->device = device;
	turn->work = *work;
	turn->deadline_us = clock_monotonic_us() + TURN_S * SECOND_US;
	loop_timer_init(&turn->late, device->daemon->loop, turn_late, turn);
	return turn;
}

/* --- settling --- */

static int settle_run(void *arg, struct identity *identity, const struct identity_world *world,
		      struct err *err)
{
	return identity_settle(identity, world, &((struct device *)arg)->promises, err);
}

static void settle_done(void *arg, const struct err *err)
{
	struct device *device = arg;

	device->failed = err != NULL;
	if (err)
		log_err(LOG_LEVEL_WARNING, err, "device identity");
}

/* Does another settling promise anything? A TPM that failed while it ran may serve again. */
static bool may_change(const struct device *device)
{
	const struct daemon *daemon = device->daemon;

	if (device->failed || device->retry)
		return true;
	return in_use(daemon)
		       ? daemon->service->provider_status.fault != NULL
		       : choice_fell_back(daemon->choice) && device->mode == IDENTITY_DEGRADED;
}

static void pause_before_next(struct device *device)
{
	unsigned doublings = device->pauses < PAUSES_MAX ? device->pauses : PAUSES_MAX;
	struct err err;

	device->pauses++;
	device->again_is_set = true;
	if (loop_timer_set(&device->again, ((uint64_t)PAUSE_S * SECOND_US) << doublings, &err) < 0)
		log_err(LOG_LEVEL_ERROR, &err, "cannot look after the device's identity again");
}

static void settle_release(void *arg)
{
	((struct device *)arg)->settled = true;
}

/* After every turn, and when a fault came. What waits already is not put off. */
static void schedule(struct device *device)
{
	if (device->settled && !device->stopped && !device->wanted && !device->again_is_set &&
	    may_change(device))
		pause_before_next(device);
}

static bool settle_now(struct device *device)
{
	const struct device_work work = {
		.run = settle_run, .done = settle_done, .release = settle_release, .arg = device};
	struct turn *turn = turn_new(device, &work);
	struct err err;

	device->wanted = false;
	device->promises = false;
	device->again_is_set = false;
	loop_timer_clear(&device->again);
	if (turn && turn_start(turn, &err) == 0)
		return true;
	free(turn);
	pause_before_next(device);
	return false;
}

/* While a provider is being chosen nobody knows what is so. */
static void go_on(struct device *device)
{
	struct turn *turn;
	struct err err;

	if (device->stopped || device->working ||
	    device->daemon->service->state == SERVICE_DECIDING)
		return;
	if (device->wanted && settle_now(device))
		return;
	while (!device->working && (turn = device->waiting)) {
		device->waiting = turn->next;
		if (turn_start(turn, &err) < 0)
			turn_refuse(turn, &err);
	}
}

/* Where the next one waits; NULL: there are enough. */
static struct turn **end_of_queue(struct device *device)
{
	struct turn **at = &device->waiting;
	unsigned count = 0;

	for (; *at && count < ORDERS_MAX; count++)
		at = &(*at)->next;
	return count < ORDERS_MAX ? at : NULL;
}

int device_submit(struct device *device, const struct device_work *work, struct err *err)
{
	struct turn **at = end_of_queue(device);
	struct turn *turn;
	int r;

	if (device->stopped)
		return refuse_stopping(err);
	if (device->daemon->service->state == SERVICE_DECIDING) {
		(void)err_set(err, ERR_STARTING, "%s", device->daemon->service->reason);
		err->retry_after = 1;
		return err->code;
	}
	if (!at)
		return err_set(err, ERR_TPM_BUSY,
			       "%u orders for the identity of the device wait already", ORDERS_MAX);
	turn = turn_new(device, work);
	if (!turn)
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = loop_timer_set(&turn->late, TURN_S * SECOND_US, err);
	if (r < 0) {
		free(turn);
		return r;
	}
	*at = turn;
	go_on(device);
	return 0;
}

static void settle(struct device *device)
{
	device->wanted = true;
	go_on(device);
}

void device_changed(struct device *device)
{
	struct identity_world world;
	char cause[WORLD_CAUSE_MAX];

	if (device->stopped || device->daemon->service->state == SERVICE_DECIDING)
		return;
	world_now(device, &world, cause);
	if (device->settled && !in_use(device->daemon) && world_same(&world, &device->settled_in))
		return;
	device->pauses = 0;
	settle(device);
}

/*
 * That the chip in use failed is told of the identity at once (service/device.c), and whoever signs
 * tries it again: it is settled later, should that last. Another chip, and one that is back, are
 * news.
 */
void device_fault_changed(struct device *device)
{
	const char *fault = device->daemon->service->provider_status.fault;
	struct identity_world world;
	char cause[WORLD_CAUSE_MAX];

	if (device->stopped || !device->settled ||
	    device->daemon->service->state == SERVICE_DECIDING)
		return;
	device->pauses = 0;
	world_now(device, &world, cause);
	if (fault && world.tpm != IDENTITY_TPM_OK)
		schedule(device);
	else if (fault || !world_same(&world, &device->settled_in))
		settle(device);
}

/*
 * The world is the same, so nothing else would look. Each signature tells it until the identity is
 * settled anew; where that finds the key after all, those that follow must not settle it at will.
 */
void device_missed(struct device *device)
{
	uint64_t now = clock_monotonic_us();

	if (device->stopped || device->wanted ||
	    (device->missed_us != 0 && now - device->missed_us < PAUSE_S * SECOND_US))
		return;
	device->missed_us = now;
	log_warning("the key of the device's identity is not where it was: looking again");
	settle(device);
}

static void look_again(void *arg)
{
	struct device *device = arg;
	struct identity_world world;
	char cause[WORLD_CAUSE_MAX];

	device->again_is_set = false;
	choice_seek(device->daemon->choice);
	if (device->daemon->service->state == SERVICE_DECIDING)
		return;
	world_now(device, &world, cause);
	if (device->failed || device->retry || !world_same(&world, &device->settled_in))
		settle(device);
	else
		schedule(device);
}

/* --- life --- */

int device_check(const struct conf *conf, struct err *err)
{
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);
	CLEANUP(buf_fini) struct buf info = BUF_INIT(REQUEST_MAX);
	CLEANUP(pkey_cleanup) struct pkey *pkey = NULL;
	int r;

	if (conf->device.subject[0] == '\0')
		return 0;
	r = pkey_generate(PKEY_ECC_P256, &pkey, err);
	if (r == 0)
		r = pkey_to_spki(pkey, &spki, err);
	if (r == 0)
		r = request_info(&(struct request){.subject = slice_str(conf->device.subject),
						   .spki = buf_slice(&spki)},
				 &info, err);
	return r < 0 ? err_wrap(err, "device { subject }") : 0;
}

struct identity_places device_places(const struct conf *conf)
{
	return (struct identity_places){
		.config = conf->device.config_dir,
		.persist = conf->device.persist_dir,
		.run = conf->run_dir,
		.state = conf->state_dir,
	};
}

int device_new(struct daemon *daemon, struct device **ret_device, struct err *err)
{
	static const enum identity_policy POLICIES[] = {
		[CONF_DEVICE_PREFER] = IDENTITY_PREFER,
		[CONF_DEVICE_REQUIRE] = IDENTITY_REQUIRE,
		[CONF_DEVICE_OFF] = IDENTITY_OFF,
	};
	const struct conf_device *conf = &daemon->conf->device;
	const struct identity_options options = {
		.places = device_places(daemon->conf),
		.tpm = POLICIES[conf->tpm],
		.handle = conf->handle,
		.provision = conf->provision == CONF_PROVISION_AUTO,
		.ask = conf->restore == CONF_RESTORE_ASK,
		.subject = conf->subject,
		.days = conf->days,
	};
	struct device *device = calloc(1, sizeof(*device));
	int r;

	if (!device)
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = identity_new(&options, &device->identity, err);
	if (r < 0) {
		free(device);
		return err_wrap(err, "device identity");
	}
	device->daemon = daemon;
	device->told_mode = IDENTITY_MODES;
	machine_boot_id(device->boot_id);
	loop_timer_init(&device->again, daemon->loop, look_again, device);
	*ret_device = device;
	return 0;
}

void device_stop(struct device *device)
{
	struct turn *turn;
	struct err err;

	if (!device || device->stopped)
		return;
	device->stopped = true;
	loop_timer_clear(&device->again);
	(void)refuse_stopping(&err);
	/* The one at work ends by itself, or is cancelled with all other jobs. */
	while ((turn = device->waiting)) {
		device->waiting = turn->next;
		turn_refuse(turn, &err);
	}
}

void device_free(struct device *device)
{
	if (!device)
		return;
	device_stop(device);
	identity_free(device->identity);
	free(device);
}
