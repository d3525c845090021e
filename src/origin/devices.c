/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots in one array, each in the chain of its digest and, by age, in the list of its kind. Digests
 * are of secrets drawn here, so that neither a chain nor the time that a search takes can be chosen
 * by anybody.
 */

#include "origin/devices.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "origin/device_file.h"

#define CHAINS	8192u
#define NOTHING UINT32_MAX
#define ROOMS	1024u /* open sessions are counted by user; beyond so many users some share */

enum kind { OPEN, CONFIRMED, KINDS };

static const struct {
	uint32_t max;
	uint64_t us;
} KIND[KINDS] = {
	[OPEN] = {DEVICES_OPEN_MAX, (uint64_t)DEVICES_OPEN_S * 1000000u},
	[CONFIRMED] = {DEVICES_MAX - DEVICES_OPEN_MAX, (uint64_t)DEVICES_S * 1000000u},
};

struct session {
	uint8_t digest[DEVICE_DIGEST];
	uint8_t name[WRAP_NAME_SIZE];
	uint8_t ek_name[WRAP_NAME_SIZE];
	bool has_ek;
	unsigned user; /* who asked for it */
	enum kind kind;
	uint64_t until_us;
	uint8_t *area;
	size_t area_len;
	uint32_t next_in_chain; /* also of the free ones */
	uint32_t older, newer;
};

/* Of one kind all last the same, so the oldest is the first to be over. */
struct list {
	uint32_t oldest, newest, count;
};

struct devices {
	struct list lists[KINDS];
	uint32_t rooms[ROOMS]; /* open ones of their users */
	uint32_t chains[CHAINS];
	uint32_t free;
	struct session sessions[DEVICES_MAX];
};

int device_digest(struct slice text, uint8_t ret_digest[DEVICE_DIGEST], struct err *err)
{
	return hash_digest(HASH_SHA256, &text, 1, ret_digest, err);
}

int devices_new(struct devices **ret_devices, struct err *err)
{
	struct devices *devices = calloc(1, sizeof(*devices));

	if (!devices)
		return err_set(err, ERR_INTERNAL, "memory is short");
	for (size_t i = 0; i < KINDS; i++)
		devices->lists[i] = (struct list){.oldest = NOTHING, .newest = NOTHING};
	for (uint32_t i = 0; i < CHAINS; i++)
		devices->chains[i] = NOTHING;
	for (uint32_t i = 0; i < DEVICES_MAX; i++)
		devices->sessions[i].next_in_chain = i + 1 < DEVICES_MAX ? i + 1 : NOTHING;
	*ret_devices = devices;
	return 0;
}

void devices_free(struct devices *devices)
{
	for (size_t i = 0; devices && i < DEVICES_MAX; i++)
		free(devices->sessions[i].area);
	free(devices);
}

/* --- places --- */

static uint32_t *chain_of(struct devices *devices, const uint8_t digest[DEVICE_DIGEST])
{
	return &devices->chains[((unsigned)digest[0] << 8 | digest[1]) % CHAINS];
}

static uint32_t find(struct devices *devices, const uint8_t digest[DEVICE_DIGEST])
{
	uint32_t at = *chain_of(devices, digest);

	while (at != NOTHING && !secret_equal(slice_of(devices->sessions[at].digest, DEVICE_DIGEST),
					      slice_of(digest, DEVICE_DIGEST)))
		at = devices->sessions[at].next_in_chain;
	return at;
}

static uint32_t *room_of(struct devices *devices, const struct session *session)
{
	return &devices->rooms[session->user % ROOMS];
}

static void list_add(struct devices *devices, enum kind kind, uint32_t at)
{
	struct session *session = &devices->sessions[at];
	struct list *list = &devices->lists[kind];

	session->kind = kind;
	session->older = list->newest;
	session->newer = NOTHING;
	if (list->newest == NOTHING)
		list->oldest = at;
	else
		devices->sessions[list->newest].newer = at;
	list->newest = at;
	list->count++;
	if (kind == OPEN)
		(*room_of(devices, session))++;
}

static void list_remove(struct devices *devices, uint32_t at)
{
	struct session *session = &devices->sessions[at];
	struct list *list = &devices->lists[session->kind];

	if (session->older == NOTHING)
		list->oldest = session->newer;
	else
		devices->sessions[session->older].newer = session->newer;
	if (session->newer == NOTHING)
		list->newest = session->older;
	else
		devices->sessions[session->newer].older = session->older;
	list->count--;
	if (session->kind == OPEN)
		(*room_of(devices, session))--;
}

static void end(struct devices *devices, uint32_t at)
{
	struct session *session = &devices->sessions[at];
	uint32_t *link = chain_of(devices, session->digest);

	while (*link != at)
		link = &devices->sessions[*link].next_in_chain;
	*link = session->next_in_chain;
	list_remove(devices, at);
	free(session->area);
	*session = (struct session){.next_in_chain = devices->free};
	devices->free = at;
}

/* --- who goes --- */

static void end_old(struct devices *devices, uint64_t now_us)
{
	for (size_t i = 0; i < KINDS; i++) {
		struct list *list = &devices->lists[i];

		while (list->count > 0 && devices->sessions[list->oldest].until_us <= now_us)
			end(devices, list->oldest);
	}
}

/* Of open ones it is the oldest of who has most of them: who floods has flooded himself. */
static uint32_t find_open_to_end(struct devices *devices)
{
	uint32_t at = devices->lists[OPEN].oldest, most = 0;

	for (size_t i = 0; i < ROOMS; i++)
		most = devices->rooms[i] > most ? devices->rooms[i] : most;
	while (*room_of(devices, &devices->sessions[at]) != most)
		at = devices->sessions[at].newer;
	return at;
}

/* A place for one more of the kind. */
static void make_room(struct devices *devices, enum kind kind)
{
	const struct list *list = &devices->lists[kind];

	if (list->count == KIND[kind].max)
		end(devices, kind == OPEN ? find_open_to_end(devices) : list->oldest);
}

static bool is_of(const struct session *session, const struct device *device)
{
	return device_names_equal(session->name, device->name) ||
	       (session->has_ek && device->has_ek &&
		device_names_equal(session->ek_name, device->ek_name));
}

/* Leaves room for one more that this user asks for. What others have asked for stays: anybody may
 * do that with the public halves of any device. */
static void end_open_of(struct devices *devices, const struct device *device)
{
	uint32_t at = devices->lists[OPEN].newest;
	unsigned count = 0;

	while (at != NOTHING) {
		const struct session *session = &devices->sessions[at];
		uint32_t older = session->older;

		if (session->user == device->user && is_of(session, device) &&
		    ++count >= DEVICES_EACH)
			end(devices, at);
		at = older;
	}
}

/* Beyond DEVICES_EACH of this storage key, from the newest on. */
static void end_confirmed_of(struct devices *devices, const uint8_t name[WRAP_NAME_SIZE])
{
	uint32_t at = devices->lists[CONFIRMED].newest;
	unsigned count = 0;

	while (at != NOTHING) {
		uint32_t older = devices->sessions[at].older;

		if (device_names_equal(devices->sessions[at].name, name) && ++count > DEVICES_EACH)
			end(devices, at);
		at = older;
	}
}

/* --- sessions --- */

int devices_begin(struct devices *devices, const struct device *device,
		  const uint8_t digest[DEVICE_DIGEST], uint64_t now_us, struct err *err)
{
	uint8_t *area = malloc(device->area_len + 1);
	uint32_t *chain = chain_of(devices, digest);
	struct session *session;
	uint32_t at;

	if (!area)
		return err_set(err, ERR_INTERNAL, "memory is short");
	end_old(devices, now_us);
	end_open_of(devices, device);
	make_room(devices, OPEN);
	at = devices->free;
	session = &devices->sessions[at];
	devices->free = session->next_in_chain;
	memcpy(area, device->area, device->area_len);
	*session = (struct session){
		.has_ek = device->has_ek,
		.user = device->user,
		.until_us = now_us + KIND[OPEN].us,
		.area = area,
		.area_len = device->area_len,
		.next_in_chain = *chain,
	};
	memcpy(session->digest, digest, DEVICE_DIGEST);
	memcpy(session->name, device->name, WRAP_NAME_SIZE);
	memcpy(session->ek_name, device->ek_name, WRAP_NAME_SIZE);
	*chain = at;
	list_add(devices, OPEN, at);
	return 0;
}

bool devices_find(struct devices *devices, const uint8_t digest[DEVICE_DIGEST], uint64_t now_us,
		  struct device *ret_device)
{
	const struct session *session;
	uint32_t at;

	end_old(devices, now_us);
	at = find(devices, digest);
	if (at == NOTHING)
		return false;
	session = &devices->sessions[at];
	*ret_device = (struct device){
		.user = session->user, .has_ek = session->has_ek, .area_len = session->area_len};
	memcpy(ret_device->name, session->name, WRAP_NAME_SIZE);
	memcpy(ret_device->ek_name, session->ek_name, WRAP_NAME_SIZE);
	if (session->area_len > 0)
		memcpy(ret_device->area, session->area, session->area_len);
	return true;
}

void devices_confirm(struct devices *devices, const uint8_t digest[DEVICE_DIGEST], uint64_t now_us)
{
	uint32_t at = find(devices, digest);
	struct session *session = at == NOTHING ? NULL : &devices->sessions[at];

	if (!session || session->kind == CONFIRMED)
		return;
	make_room(devices, CONFIRMED);
	list_remove(devices, at);
	free(session->area);
	session->area = NULL;
	session->area_len = 0;
	session->until_us = now_us + KIND[CONFIRMED].us;
	list_add(devices, CONFIRMED, at);
	end_confirmed_of(devices, session->name);
}

void devices_end(struct devices *devices, const uint8_t digest[DEVICE_DIGEST])
{
	uint32_t at = find(devices, digest);

	if (at != NOTHING)
		end(devices, at);
}
