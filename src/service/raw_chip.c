/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual chips, their making and their end. All but their inside is the loop's; the inside is the
 * worker's, so they are freed there, and all that are left with the chip that they are part of.
 */
#include "service/raw_chip.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/loop.h"
#include "broker/wire.h"
#include "crypto/cipher.h"
#include "service/op.h"
#include "service/raw.h"

#define RC_MEMORY 0x904u /* TPM 2.0 Part 2, 6.6.3 */

#define AGAIN_US 100000u

/* A chip that is open. */
struct raw {
	struct service *service;
	struct provider *p;
	struct broker *broker;
	struct raw_chip *chips;
	size_t users; /* commands at work, and virtual chips on their way out */
	bool closing;
	bool freeing;		 /* a job does, .. */
	struct loop_timer again; /* .. once there is memory for one */
	void (*then)(void *arg);
	void *arg;
	bool noted;
	struct provider_status status;
};

struct raw_chip {
	struct raw *raw;
	struct raw_chip *next;
	struct service_tenant *tenant; /* NULL = it was forgotten */
	unsigned users;		       /* commands at work */
	bool ending;		       /* a job does */
	/* The worker's, but for what is set before the first command. */
	bool keeps; /* persistent objects; else it may not */
	struct keystore_tenant owner;
	struct keystore_shelf kept;
	struct vchip *vchip;
	struct raw_call *call; /* at work */
};

/* --- the worker: a tenant's persistent objects --- */

static int put(void *arg, uint32_t handle, const struct secret *recipe, struct err *err)
{
	struct raw_chip *chip = arg;
	struct quota_other *kept = &chip->call->kept;

	if (!chip->keeps)
		return err_set(err, ERR_NOT_SUPPORTED, "the helper keeps no objects of its own");
	kept->failed =
		keystore_shelf_put(&chip->kept, handle, recipe, chip->call->room, &kept->put, err);
	kept->changed = kept->failed == 0;
	return kept->failed;
}

static int get(void *arg, uint32_t handle, struct secret **ret_recipe, struct err *err)
{
	const struct raw_chip *chip = arg;

	if (!chip->keeps)
		return err_set(err, ERR_NOT_FOUND, "the helper has no objects of its own");
	return keystore_shelf_get(&chip->kept, handle, ret_recipe, err);
}

static int take(void *arg, uint32_t handle, struct err *err)
{
	struct raw_chip *chip = arg;
	struct quota_other *kept = &chip->call->kept;

	if (!chip->keeps)
		return err_set(err, ERR_NOT_FOUND, "the helper has no objects of its own");
	kept->failed = keystore_shelf_remove(&chip->kept, handle, &kept->taken, err);
	kept->changed = kept->failed == 0;
	return kept->failed;
}

static int list(void *arg, uint32_t ret_handles[BROKER_PERSISTENT_MAX], size_t *ret_count,
		struct err *err)
{
	const struct raw_chip *chip = arg;

	if (chip->keeps)
		return keystore_shelf_list(&chip->kept, BROKER_PERSISTENT_MAX, ret_handles,
					   ret_count, err);
	*ret_count = 0;
	return 0;
}

static int make_vchip(struct raw_chip *chip, struct err *err)
{
	const struct broker_shelf shelf = {
		.put = put, .get = get, .remove = take, .list = list, .arg = chip};

	return chip->vchip
		       ? 0
		       : vchip_new(chip->raw->broker, chip->owner.id, &shelf, &chip->vchip, err);
}

void raw_chip_run(struct raw_chip *chip, struct raw_call *call)
{
	if (make_vchip(chip, &call->fault) < 0) {
		wire_refuse(&call->answer, RC_MEMORY);
		return;
	}
	chip->call = call;
	vchip_run(chip->vchip, &call->view, &call->limits, &call->answer, &call->fault);
	chip->call = NULL;
}

/* --- a virtual chip's life --- */

static void chip_unlink(struct raw_chip *chip)
{
	struct raw_chip **at = &chip->raw->chips;

	while (*at != chip)
		at = &(*at)->next;
	*at = chip->next;
}

static void settle(struct raw *raw);

static void drop(struct raw *raw)
{
	struct service *service = raw->service;
	struct provider *p = raw->p;

	raw->users--;
	settle(raw);
	service_drop(service, p);
}

static void ignore_end(void *arg, const struct err *err)
{
	(void)arg;
	(void)err; /* a stop; the release looks */
}

static int free_vchip(void *arg, struct err *err)
{
	struct raw_chip *chip = arg;

	(void)err;
	vchip_free(TAKE(chip->vchip));
	return 0;
}

/* One that no step has freed goes with the chip. */
static void chip_released(void *arg)
{
	struct raw_chip *chip = arg;
	struct raw *raw = chip->raw;

	chip->ending = false;
	if (!chip->vchip) {
		chip_unlink(chip);
		free(chip);
	}
	drop(raw);
}

/* Nobody uses it any more; one of a chip that closes goes with that. For want of memory it may stay
 * until a chip is wanted again. */
static void chip_end(struct raw_chip *chip)
{
	struct raw *raw = chip->raw;
	struct job *job;
	struct err err;

	if (raw->closing)
		return;
	raw->users++;
	chip->ending = true;
	(void)service_hold(raw->service, raw->p);
	if (service_submit(raw->service,
			   &(struct job_plan){.steps = {{JOB_WORKER, free_vchip}},
					      .count = 1,
					      .done = ignore_end,
					      .release = chip_released,
					      .arg = chip},
			   &job, &err) < 0)
		chip_released(chip);
}

/* The helper's is nobody's: what it saves is of no use to another one. */
static int own(struct raw_chip *chip, const struct service_tenant *tenant, struct err *err)
{
	chip->keeps = tenant->tenant.number != TENANT_NUMBER_FAPI;
	if (!chip->keeps)
		return cipher_random(chip->owner.id, sizeof(chip->owner.id), err);
	chip->owner = tenant->owner;
	chip->kept = (struct keystore_shelf){
		.store = chip->raw->service->store, .p = chip->raw->p, .tenant = &chip->owner};
	return 0;
}

static struct raw_chip *chip_new(struct raw *raw, struct service_tenant *tenant)
{
	CLEANUP(mem_free_cleanup) struct raw_chip *chip = calloc(1, sizeof(*chip));
	struct err err;

	if (!chip)
		return NULL;
	chip->raw = raw;
	chip->tenant = tenant;
	if (own(chip, tenant, &err) < 0)
		return NULL;
	chip->next = raw->chips;
	raw->chips = chip;
	tenant->chip = chip;
	return TAKE(chip);
}

/* One whose end could not begin. One at a time: who comes next ends the next. */
static void end_left(struct raw *raw)
{
	struct raw_chip *chip = raw->chips;

	while (chip && (chip->tenant || chip->users > 0 || chip->ending))
		chip = chip->next;
	if (chip)
		chip_end(chip);
}

struct raw_chip *raw_chip_hold(struct service *service, struct service_tenant *tenant)
{
	struct raw *raw = service->raw.open;
	struct raw_chip *chip = tenant->chip ? tenant->chip : chip_new(raw, tenant);

	end_left(raw);
	if (!chip)
		return NULL;
	chip->users++;
	raw->users++;
	(void)service_hold(service, raw->p);
	return chip;
}

void raw_chip_drop(struct service *service, struct raw_chip *chip)
{
	struct raw *raw = chip->raw;

	(void)service;
	if (--chip->users == 0 && !chip->tenant)
		chip_end(chip);
	drop(raw);
}

void raw_forget(struct service *service, struct service_tenant *tenant)
{
	struct raw_chip *chip = TAKE(tenant->chip);

	(void)service;
	if (!chip)
		return;
	chip->tenant = NULL;
	if (chip->users == 0)
		chip_end(chip);
}

struct provider *raw_chip_provider(const struct raw_chip *chip)
{
	return chip->raw->p;
}

void raw_chip_note(struct service *service, struct raw_chip *chip,
		   const struct provider_status *status)
{
	chip->raw->status = *status;
	chip->raw->noted = true;
	if (service->provider == chip->raw->p)
		service_note_status(service, status);
}

bool raw_status(const struct service *service, struct provider_status *ret_status)
{
	const struct raw *raw = service->raw.open;

	if (!raw || !raw->noted)
		return false;
	*ret_status = raw->status;
	return true;
}

/* --- an open chip --- */

bool raw_is_closing(const struct raw *raw)
{
	return raw->closing;
}

/* A timer that was set once can be set again without memory. */
static void try_again(void *arg)
{
	settle(arg);
}

int raw_open(struct service *service, struct provider *p, struct err *err)
{
	CLEANUP(mem_free_cleanup) struct raw *raw = NULL;
	int r;

	if (!service->raw.key || !p->ops->on_chip || service->raw.open || !service->jobs)
		return 0;
	raw = calloc(1, sizeof(*raw));
	if (!raw)
		return err_set(err, ERR_INTERNAL, "memory is short");
	raw->service = service;
	raw->p = p;
	loop_timer_init(&raw->again, jobs_loop(service->jobs), try_again, raw);
	r = broker_new(p, service->raw.key, &raw->broker, err);
	if (r < 0)
		return r;
	service->raw.open = TAKE(raw);
	return 0;
}

/* Its inside is freed, or never will be. */
static void raw_free(struct raw *raw)
{
	loop_timer_clear(&raw->again);
	while (raw->chips) {
		struct raw_chip *chip = raw->chips;

		raw->chips = chip->next;
		if (chip->tenant)
			chip->tenant->chip = NULL;
		free(chip);
	}
	raw->service->raw.open = NULL;
	free(raw);
}

static int free_broker(void *arg, struct err *err)
{
	struct raw *raw = arg;

	(void)err;
	broker_free(TAKE(raw->broker));
	return 0;
}

/* One that no step has freed waits for raw_sweep(). */
static void broker_released(void *arg)
{
	struct raw *raw = arg;
	void (*then)(void *arg) = raw->then;
	void *then_arg = raw->arg;

	if (raw->broker)
		return;
	raw_free(raw);
	then(then_arg);
}

static void settle(struct raw *raw)
{
	struct job *job;
	struct err err;

	if (!raw->closing || raw->freeing || raw->users > 0 || !raw->service->jobs)
		return;
	raw->freeing = service_submit(raw->service,
				      &(struct job_plan){.steps = {{JOB_WORKER, free_broker}},
							 .count = 1,
							 .done = ignore_end,
							 .release = broker_released,
							 .arg = raw},
				      &job, &err) == 0;
	if (!raw->freeing && loop_timer_set(&raw->again, AGAIN_US, &err) < 0)
		log_err(LOG_LEVEL_ERROR, &err, "the TPM stays closed to raw commands");
}

void raw_close(struct service *service, void (*then)(void *arg), void *arg)
{
	struct raw *raw = service->raw.open;

	if (!raw) {
		then(arg);
		return;
	}
	raw->closing = true;
	raw->then = then;
	raw->arg = arg;
	settle(raw);
}

void raw_sweep(struct service *service)
{
	struct raw *raw = service->raw.open;

	if (!raw)
		return;
	raw->p->deadline_us = 1; /* long past: nothing waits for the chip */
	broker_free(raw->broker);
	raw_free(raw);
}
