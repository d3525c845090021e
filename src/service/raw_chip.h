/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_RAW_CHIP_H
#define SERVICE_RAW_CHIP_H

/* Raw chip: a tenant's virtual chip, and who still uses it. Private to raw.c and raw_chip.c. */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "broker/broker.h"
#include "broker/filter.h"
#include "provider/provider.h"
#include "service/quota.h"

struct raw;
struct raw_chip;
struct service;
struct service_tenant;

bool raw_is_closing(const struct raw *raw);

/* The tenant's on the open chip, made when it has none; NULL when memory is short. */
struct raw_chip *raw_chip_hold(struct service *service, struct service_tenant *tenant);
void raw_chip_drop(struct service *service, struct raw_chip *chip);

struct provider *raw_chip_provider(const struct raw_chip *chip);

/* After a command of it; on the loop. */
void raw_chip_note(struct service *service, struct raw_chip *chip,
		   const struct provider_status *status);

/* One command, on the worker. */
struct raw_call {
	struct filter_view view;
	struct vchip_limits limits;
	uint64_t room; /* what it makes persistent may take so many bytes */
	struct buf answer;
	struct err fault;
	struct quota_other kept; /* what is stored now, and was not */
};
void raw_chip_run(struct raw_chip *chip, struct raw_call *call);

#endif
