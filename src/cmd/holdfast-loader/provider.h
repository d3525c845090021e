/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_LOADER_PROVIDER_H
#define CMD_HOLDFAST_LOADER_PROVIDER_H

/*
 * Provider: which one the loader has, by what holdfastd says, and by SECURITY_PROVIDER. A holdfastd
 * that is not there, or has no TPM, is software with a warning; it is asked again each minute until
 * it was there. The question may wait, so it is a job, in the place of those that take long.
 */

#include "base/loop.h"
#include "conf/conf.h"
#include "front/front.h"
#include "jobs/jobs.h"

struct provider;

/* @front and @socket are borrowed, and told what is known until holdfastd has answered. */
int provider_new(struct jobs *jobs, struct front *front, const char *socket,
		 enum conf_provider wish, struct provider **ret_provider, struct err *err)
	MUST_CHECK;
/* After jobs_free(). NULL is allowed. */
void provider_free(struct provider *provider);
MEM_DEFINE_CLEANUP(provider)

/* SECURITY_PROVIDER; auto when it is not set. */
int provider_wish(enum conf_provider *ret_wish, struct err *err) MUST_CHECK;

#endif
