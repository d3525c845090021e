/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFASTD_DEVICE_H
#define CMD_HOLDFASTD_DEVICE_H

/*
 * Device: the daemon's hold on the device's identity. Whatever is done with it is a turn: a step of
 * its own, one after the other, where the provider's calls are made. It is settled when the choice
 * of a provider is made or changes, and again with growing pauses while that promises anything;
 * after every turn the service gets the view that came of it. Loop only, but for the steps.
 */

#include "base/err.h"
#include "base/mem.h"
#include "cmd/holdfastd/daemon.h"
#include "identity/identity.h"

struct device;

/* Checks what the configuration alone cannot: the subject. ERR_INVALID. */
int device_check(const struct conf *conf, struct err *err) MUST_CHECK;

/* Where it lies, by the configuration; borrows that. */
struct identity_places device_places(const struct conf *conf);

/* @daemon has its loop, jobs, service and conf; the choice comes later. Nothing is read yet. */
int device_new(struct daemon *daemon, struct device **ret_device, struct err *err) MUST_CHECK;
void device_free(struct device *device);

/* A provider was taken into use or given up, or none can be; also when it is the same again. */
void device_changed(struct device *device);

/* What the provider in use said of itself (service->provider_status.fault) is another thing now. */
void device_fault_changed(struct device *device);

/* The key was missed where it was settled to be: looks again soon, however often this is told. */
void device_missed(struct device *device);

/* service_admin.device; @arg is the device. */
int device_order(void *arg, const struct identity_order *order,
		 void (*done)(void *op, struct slice pem, const struct err *err), void *op,
		 struct err *err) MUST_CHECK;

/* A turn. */
struct device_work {
	/* The step. @world is as it was when the turn began; its provider may be NULL. */
	int (*run)(void *arg, struct identity *identity, const struct identity_world *world,
		   struct err *err);
	/* Once, as of a job: after a deadline the step may still run. May be NULL. */
	void (*done)(void *arg, const struct err *err);
	/* Once, when nothing of it runs any more. Also when the device ends before its turn. */
	void (*release)(void *arg);
	void *arg;
	bool off_chip; /* the step needs no provider, and does not wait for one */
};
/*
 * On failure neither done() nor release() is called. ERR_STARTING while a provider is chosen,
 * ERR_TPM_BUSY: too many wait. Its deadline, in a minute, is also one for its beginning.
 */
int device_submit(struct device *device, const struct device_work *work, struct err *err)
	MUST_CHECK;

/* Begins no turn any more; who waits for one is told so. NULL is allowed. */
void device_stop(struct device *device);

#endif
