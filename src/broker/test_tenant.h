/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BROKER_TEST_TENANT_H
#define BROKER_TEST_TENANT_H

/* Tenants of a test: each with a virtual chip, limits and a shelf in memory, and commands for it.
 */

#include "broker/broker.h"

#define TENANT_SHELF_MAX BROKER_PERSISTENT_MAX

struct tenant {
	struct vchip *vchip;
	struct vchip_limits limits;
	struct command_policy policy;
	struct {
		uint32_t handle;
		struct secret *recipe;
	} shelf[TENANT_SHELF_MAX];
	size_t shelf_count;
	int shelf_fails; /* enum err_code of the shelf's next call; 0 = none */
	bool shelf_does; /* and does it all the same */
	unsigned shelf_gets;
	struct buf answer; /* the last one */
	struct err fault;  /* and what it left for the log */
};

/* @id is the first octet of its tenant's id; the rest is zeros. */
void tenant_init(struct tenant *tenant, struct broker *broker, uint8_t id);
void tenant_fini(struct tenant *tenant); /* with its virtual chip, unless that is NULL */
/* The same tenant on another broker: the service was started again. */
void tenant_move(struct tenant *tenant, struct broker *broker, uint8_t id);

struct test_auth {
	uint32_t handle;
	uint8_t attributes;
	struct slice nonce, hmac;
};

struct test_command {
	uint32_t code;
	uint32_t handles[3];
	size_t handle_count;
	struct test_auth auths[3];
	size_t auth_count;
	struct slice parameters;
};

/* Through the filter and the virtual chip; the response's code. */
uint32_t tenant_send(struct tenant *tenant, const struct test_command *command);
uint32_t tenant_send_bytes(struct tenant *tenant, struct slice bytes);

/* The number of 4 bytes at @at of the last answer. */
uint32_t tenant_u32(const struct tenant *tenant, size_t at);
#define TENANT_HANDLE(tenant) tenant_u32(tenant, 10)

/* --- commands that many tests send; each gives the response's code --- */

/* TPM_RS_PW */
#define TEST_PASSWORD(text)                                                                        \
	{                                                                                          \
		0x40000009, 1, {NULL, 0},                                                          \
		{                                                                                  \
			(const uint8_t *)(text), sizeof(text) - 1                                  \
		}                                                                                  \
	}

/* An ECC public part of these TPMA_OBJECT, as the broker reads it and guests take it. */
void tenant_put_public(struct buf *parameters, uint32_t attributes);

/* @unique makes another object of it. */
uint32_t tenant_primary(struct tenant *tenant, uint32_t attributes, const char *unique);
uint32_t tenant_child(struct tenant *tenant, uint32_t parent, const char *password);
uint32_t tenant_session(struct tenant *tenant, uint8_t type, uint32_t bind);
uint32_t tenant_use(struct tenant *tenant, uint32_t code, uint32_t handle);
uint32_t tenant_use_in(struct tenant *tenant, uint32_t handle, uint32_t session,
		       uint8_t attributes);
uint32_t tenant_flush(struct tenant *tenant, uint32_t handle);
/* *ret_context gets the TPMS_CONTEXT. */
uint32_t tenant_save(struct tenant *tenant, uint32_t handle, struct buf *ret_context);
uint32_t tenant_load(struct tenant *tenant, const struct buf *context);
uint32_t tenant_capability(struct tenant *tenant, uint32_t capability, uint32_t property,
			   uint32_t count);
uint32_t tenant_evict(struct tenant *tenant, uint32_t object, uint32_t handle);

/* With the same key in each test. */
struct broker *test_broker(struct provider *p);

#endif
