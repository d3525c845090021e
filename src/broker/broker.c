/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual chips come and go on other threads than the one that uses them: a new one waits on a
 * stack that takes no lock until the worker gathers it.
 */
#include "broker/broker.h"

#include "broker/impl.h"
#include "crypto/cipher.h"

int broker_new(struct provider *p, const struct secret *key, struct broker **ret_broker,
	       struct err *err)
{
	struct broker *broker;
	uint64_t generation;
	int r;

	if (secret_size(key) != BROKER_KEY_SIZE)
		return err_set(err, ERR_INVALID, "the broker's key is not of %u bytes",
			       BROKER_KEY_SIZE);
	r = cipher_random((uint8_t *)&generation, sizeof(generation), err);
	if (r < 0)
		return r;
	broker = calloc(1, sizeof(*broker));
	if (!broker)
		return err_set(err, ERR_INTERNAL, "no memory for the broker");
	broker->p = p;
	broker->generation = generation;
	atomic_init(&broker->fresh, NULL);
	r = secret_copy(secret_slice(key), &broker->key, err);
	if (r < 0) {
		free(broker);
		return r;
	}
	*ret_broker = broker;
	return 0;
}

void broker_gather(struct broker *broker)
{
	struct vchip *fresh = atomic_exchange(&broker->fresh, NULL);

	while (fresh) {
		struct vchip *next = fresh->next;

		fresh->next = broker->first;
		broker->first = fresh;
		fresh = next;
	}
}

void broker_free(struct broker *broker)
{
	if (!broker)
		return;
	broker_gather(broker);
	while (broker->first)
		vchip_free(broker->first);
	constants_drop(&broker->constants);
	secret_free(broker->key);
	free(broker);
}

int vchip_new(struct broker *broker, const uint8_t id[BROKER_TENANT_ID_SIZE],
	      const struct broker_shelf *shelf, struct vchip **ret_vchip, struct err *err)
{
	struct vchip *vchip = calloc(1, sizeof(*vchip));

	if (!vchip)
		return err_set(err, ERR_INTERNAL, "no memory for a virtual chip");
	vchip->broker = broker;
	memcpy(vchip->id, id, sizeof(vchip->id));
	if (shelf) {
		vchip->shelf = *shelf;
		vchip->has_shelf = true;
	}
	vchip->next = atomic_load(&broker->fresh);
	while (!atomic_compare_exchange_weak(&broker->fresh, &vchip->next, vchip))
		; /* another one came first: next is that one now */
	*ret_vchip = vchip;
	return 0;
}

void vchip_clear(struct vchip *vchip)
{
	size_t i;

	while (vchip->first)
		handles_drop(vchip, vchip->first);
	for (i = 0; i < vchip->kept_count; i++)
		kept_unload(vchip->broker, &vchip->kept[i]);
}

void vchip_free(struct vchip *vchip)
{
	struct vchip **at;

	if (!vchip)
		return;
	broker_gather(vchip->broker);
	at = &vchip->broker->first;
	while (*at && *at != vchip)
		at = &(*at)->next;
	if (*at)
		*at = vchip->next;
	vchip_clear(vchip);
	free(vchip);
}

void vchip_usage(const struct vchip *vchip, struct vchip_usage *ret_usage)
{
	*ret_usage = (struct vchip_usage){
		.objects = vchip->objects,
		.sessions = vchip->sessions,
		.persistent = (unsigned)vchip->kept_count,
	};
}
