/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Two tenants on one chip, which is guests in memory. The bytes are a play: who sends which command
 * (craft.h) with what it has, what the other one has, or what nobody has; and what befalls the
 * chip. Between the broker and the guests stands a door that looks at each command: it names what
 * is the sender's own, or what is for all. Each response is a whole one, no tenant has more than
 * its limits, and when both are gone nothing of theirs is left.
 */

#include <string.h>

#include "broker/broker.h"
#include "broker/wire.h"
#include "provider/guest.h"
#include "tests/fuzz/craft.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/guests.h"

#define TENANTS	     2u
#define STEPS_MAX    60u
#define OWNED_MAX    1024u
#define HANDLES_MAX  (CRAFT_COMMON + 24u)
#define CONTEXTS_MAX 12u
#define SHELF_MAX    BROKER_PERSISTENT_MAX

#define PASSWORD    UINT32_C(0x40000009)
#define READ_PUBLIC 0x173u
#define PLATFORM    UINT32_C(0x4000000c)
#define SRK	    UINT32_C(0x81000001)

static const uint32_t RESERVED[] = {CRAFT_RESERVED_HSK, CRAFT_RESERVED_EK};

struct tenant {
	struct vchip *vchip;
	struct {
		uint32_t handle;
		struct secret *recipe;
	} shelf[SHELF_MAX];
	size_t shelf_count;
};

struct play {
	struct guests guests; /* first: the provider of the play is that of the guests */
	struct provider_ops ops;
	struct guest_ops door;
	const struct guest_ops *inner;
	struct broker *broker;
	struct tenant tenants[TENANTS];
	unsigned sender; /* whose command is at work, .. */
	uint32_t sent;	 /* .. and its code */
	struct filter_facts facts;
	struct vchip_limits limits;
	struct {
		const struct provider_guest *guest;
		unsigned owner;
	} owned[OWNED_MAX];
	size_t owned_count;
	struct craft_handle handles[HANDLES_MAX];
	size_t handle_count, next_handle;
	struct buf contexts[CONTEXTS_MAX];
	struct slice context_slices[CONTEXTS_MAX];
	unsigned context_owners[CONTEXTS_MAX];
	size_t context_count, next_context;
	bool shelf_fails;
};

static struct play *the_play; /* of whom the shelves are */

static struct play *play_of(const struct provider *p)
{
	return (struct play *)(uintptr_t)p;
}

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* --- the door --- */

static size_t find_owned(const struct play *play, const struct provider_guest *guest)
{
	size_t i = 0;

	while (i < play->owned_count && play->owned[i].guest != guest)
		i++;
	return i;
}

static void own(struct play *play, const struct provider_guest *guest)
{
	if (!guest)
		return;
	FUZZ_REQUIRE(find_owned(play, guest) == play->owned_count);
	FUZZ_REQUIRE(play->owned_count < OWNED_MAX);
	play->owned[play->owned_count].guest = guest;
	play->owned[play->owned_count++].owner = play->sender;
}

static void check_own(const struct play *play, const struct provider_guest *guest)
{
	size_t i = find_owned(play, guest);

	FUZZ_REQUIRE(i < play->owned_count);
	FUZZ_REQUIRE(play->owned[i].owner == play->sender);
}

/* What goes to the chip as it stands there. */
static void check_common(const struct play *play, uint32_t handle)
{
	uint32_t type = handle >> 24;

	FUZZ_REQUIRE(type != 0x80 && type != 0x02 && type != 0x03);
	FUZZ_REQUIRE(handle != PLATFORM);
	FUZZ_REQUIRE(handle != RESERVED[0] && handle != RESERVED[1]);
	if (type == 0x81 && !play->limits.full)
		FUZZ_REQUIRE(handle == SRK || handle >> 16 == 0x8101);
}

static void check_session(const struct play *play, const struct provider_guest *session,
			  uint32_t handle)
{
	if (!session) {
		FUZZ_REQUIRE(handle == PASSWORD);
		return;
	}
	check_own(play, session);
	FUZZ_REQUIRE(handle == play->inner->handle(&play->guests.provider, session));
}

static void check_sent(const struct play *play, const struct guest_command *command)
{
	struct cursor cursor = cursor_of(command->bytes), area = {{NULL, 0}, false};
	uint16_t tag = cursor_u16(&cursor);
	uint32_t code;
	size_t i;

	FUZZ_REQUIRE(tag == 0x8001 || tag == 0x8002);
	FUZZ_REQUIRE(cursor_u32(&cursor) == command->bytes.len);
	FUZZ_REQUIRE(command->bytes.len <= WIRE_MAX);
	code = cursor_u32(&cursor);
	FUZZ_REQUIRE(command_handle_count(commands_by_code(code)) == command->handle_count);
	/* The broker itself looks at what lies in the chip. */
	if (code == READ_PUBLIC && play->sent != READ_PUBLIC && !command->handles[0])
		return;
	for (i = 0; i < command->handle_count; i++) {
		uint32_t handle = cursor_u32(&cursor);

		if (command->handles[i])
			check_own(play, command->handles[i]);
		else
			check_common(play, handle);
	}
	if (tag == 0x8002)
		area = cursor_of(cursor_take(&cursor, cursor_u32(&cursor)));
	for (i = 0; i < command->session_count; i++) {
		check_session(play, command->sessions[i], cursor_u32(&area));
		(void)cursor_take(&area, cursor_u16(&area));
		(void)cursor_u8(&area);
		(void)cursor_take(&area, cursor_u16(&area));
	}
	FUZZ_REQUIRE(!cursor.failed && cursor_done(&area));
}

static int run(struct provider *p, const struct guest_command *command, struct buf *ret_answer,
	       struct provider_guest **ret_made, struct err *err)
{
	struct play *play = play_of(p);
	int r;

	check_sent(play, command);
	r = play->inner->run(p, command, ret_answer, ret_made, err);
	if (r == 0)
		own(play, *ret_made);
	return r;
}

static int save(struct provider *p, struct provider_guest *guest, struct buf *ret_context,
		struct err *err)
{
	check_own(play_of(p), guest);
	return play_of(p)->inner->save(p, guest, ret_context, err);
}

static int load(struct provider *p, enum guest_kind kind, struct slice context, uint32_t *ret_rc,
		struct provider_guest **ret_guest, struct err *err)
{
	struct play *play = play_of(p);
	int r = play->inner->load(p, kind, context, ret_rc, ret_guest, err);

	FUZZ_REQUIRE(kind == GUEST_OBJECT || kind == GUEST_SEQUENCE);
	if (r == 0 && *ret_rc == 0)
		own(play, *ret_guest);
	return r;
}

static void give_up(struct provider *p, struct provider_guest *guest)
{
	struct play *play = play_of(p);
	size_t i = find_owned(play, guest);

	FUZZ_REQUIRE(i < play->owned_count);
	play->owned[i] = play->owned[--play->owned_count];
	play->inner->free(p, guest);
}

/* --- a shelf --- */

static int shelf_fault(const struct tenant *tenant, struct err *err)
{
	FUZZ_REQUIRE(tenant == &the_play->tenants[the_play->sender]);
	return the_play->shelf_fails ? err_set(err, ERR_DISK_FULL, "as the play wants it") : 0;
}

static size_t shelf_find(const struct tenant *tenant, uint32_t handle)
{
	size_t i = 0;

	while (i < tenant->shelf_count && tenant->shelf[i].handle != handle)
		i++;
	return i;
}

static int shelf_put(void *arg, uint32_t handle, const struct secret *recipe, struct err *err)
{
	struct tenant *tenant = arg;
	int r = shelf_fault(tenant, err);

	if (r < 0)
		return r;
	FUZZ_REQUIRE(tenant->shelf_count < SHELF_MAX);
	FUZZ_REQUIRE(handle >> 24 == 0x81 && handle < 0x81800000);
	FUZZ_REQUIRE(handle != RESERVED[0] && handle != RESERVED[1]);
	FUZZ_REQUIRE(secret_size(recipe) <= BROKER_RECIPE_MAX);
	FUZZ_REQUIRE(shelf_find(tenant, handle) == tenant->shelf_count);
	r = secret_copy(secret_slice(recipe), &tenant->shelf[tenant->shelf_count].recipe, err);
	if (r == 0)
		tenant->shelf[tenant->shelf_count++].handle = handle;
	return r;
}

static int shelf_get(void *arg, uint32_t handle, struct secret **ret_recipe, struct err *err)
{
	const struct tenant *tenant = arg;
	size_t i = shelf_find(tenant, handle);
	int r = shelf_fault(tenant, err);

	if (r < 0)
		return r;
	if (i == tenant->shelf_count)
		return err_set(err, ERR_NOT_FOUND, "nothing there");
	return secret_copy(secret_slice(tenant->shelf[i].recipe), ret_recipe, err);
}

static int shelf_remove(void *arg, uint32_t handle, struct err *err)
{
	struct tenant *tenant = arg;
	size_t i = shelf_find(tenant, handle);
	int r = shelf_fault(tenant, err);

	if (r < 0)
		return r;
	FUZZ_REQUIRE(i < tenant->shelf_count);
	secret_free(tenant->shelf[i].recipe);
	tenant->shelf[i] = tenant->shelf[--tenant->shelf_count];
	return 0;
}

static int shelf_list(void *arg, uint32_t ret_handles[BROKER_PERSISTENT_MAX], size_t *ret_count,
		      struct err *err)
{
	const struct tenant *tenant = arg;
	int r = shelf_fault(tenant, err);
	size_t i;

	if (r < 0)
		return r;
	for (i = 0; i < tenant->shelf_count; i++)
		ret_handles[i] = tenant->shelf[i].handle;
	*ret_count = tenant->shelf_count;
	return 0;
}

/* --- what was seen, to be named again --- */

static void note_handle(struct play *play, uint32_t handle, unsigned kind)
{
	size_t at = play->handle_count;

	if (at < HANDLES_MAX)
		play->handle_count++;
	else
		at = CRAFT_COMMON + play->next_handle++ % (HANDLES_MAX - CRAFT_COMMON);
	play->handles[at] = (struct craft_handle){handle, kind};
}

static void note_context(struct play *play, struct slice context)
{
	size_t at = play->context_count;

	if (at < CONTEXTS_MAX)
		play->context_count++;
	else
		at = play->next_context++ % CONTEXTS_MAX;
	buf_fini(&play->contexts[at]);
	play->contexts[at] = (struct buf)BUF_INIT(WIRE_MAX);
	buf_put(&play->contexts[at], context);
	play->context_slices[at] = buf_slice(&play->contexts[at]);
	play->context_owners[at] = play->sender;
}

static unsigned kind_of(uint32_t handle)
{
	return handle >> 24 == 0x80   ? HANDLE_TRANSIENT
	       : handle >> 24 == 0x02 ? HANDLE_HMAC
				      : HANDLE_POLICY;
}

/* A context as another tenant saved it. */
static void check_not_foreign(const struct play *play, struct slice context)
{
	bool own_one = false, foreign = false;
	size_t i;

	for (i = 0; i < play->context_count; i++)
		if (slice_equal(context, play->context_slices[i])) {
			own_one = own_one || play->context_owners[i] == play->sender;
			foreign = foreign || play->context_owners[i] != play->sender;
		}
	FUZZ_REQUIRE(own_one || !foreign);
}

static void note_success(struct play *play, const struct filter_view *view, struct slice answer)
{
	const char *name = view->command->name;
	const unsigned makes = MAKES_OBJECT | MAKES_SEQUENCE | MAKES_SESSION;
	struct slice rest = slice_of(answer.data + WIRE_HEADER, answer.len - WIRE_HEADER);

	if (!strcmp(name, "ContextLoad"))
		check_not_foreign(play, view->parameters);
	if (view->command->effects & makes || !strcmp(name, "ContextLoad")) {
		FUZZ_REQUIRE(rest.len >= 4);
		note_handle(play, get_u32(rest.data), kind_of(get_u32(rest.data)));
	}
	if (!strcmp(name, "ContextSave"))
		note_context(play, rest);
	if (!strcmp(name, "EvictControl"))
		note_handle(play, get_u32(view->parameters.data), HANDLE_PERSISTENT);
}

/* --- the play --- */

static void check_response(struct slice answer)
{
	uint16_t tag;

	FUZZ_REQUIRE(answer.len >= WIRE_HEADER && answer.len <= WIRE_MAX);
	FUZZ_REQUIRE(get_u32(answer.data + 2) == answer.len);
	tag = (uint16_t)(answer.data[0] << 8 | answer.data[1]);
	FUZZ_REQUIRE(tag == 0x8001 || tag == 0x8002);
	if (get_u32(answer.data + 6) != 0)
		FUZZ_REQUIRE(answer.len == WIRE_HEADER && tag == 0x8001);
}

static void check_usage(const struct play *play)
{
	struct vchip_usage usage;
	unsigned i, held = 0;

	for (i = 0; i < TENANTS; i++) {
		vchip_usage(play->tenants[i].vchip, &usage);
		FUZZ_REQUIRE(usage.objects <= play->limits.objects_max);
		FUZZ_REQUIRE(usage.sessions <= play->limits.sessions_max);
		FUZZ_REQUIRE(usage.persistent <= BROKER_PERSISTENT_MAX);
		held += usage.objects + usage.sessions + usage.persistent;
	}
	FUZZ_REQUIRE(play->guests.alive <= held);
	FUZZ_REQUIRE(play->guests.alive == play->owned_count);
}

static void send_command(struct play *play, struct cursor *choices)
{
	const struct craft_palette palette = {play->handles, play->handle_count,
					      play->context_slices, play->context_count};
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(2 * WIRE_MAX), answer = BUF_INIT(WIRE_MAX);
	struct tenant *tenant = &play->tenants[play->sender];
	struct filter_view view;
	struct err fault = {0};

	(void)craft_command(choices, &palette, &bytes);
	if (!buf_ok(&bytes) || wire_command_size(buf_slice(&bytes)) != bytes.len)
		return;
	if (filter_judge(&play->facts, buf_slice(&bytes), &view, &answer) != FILTER_PASS)
		return;
	play->sent = view.command->code;
	vchip_run(tenant->vchip, &view, &play->limits, &answer, &fault);
	check_response(buf_slice(&answer));
	if (get_u32(answer.data + 6) == 0)
		note_success(play, &view, buf_slice(&answer));
}

static void begin(struct play *play, unsigned i)
{
	const struct broker_shelf shelf = {shelf_put, shelf_get, shelf_remove, shelf_list,
					   &play->tenants[i]};
	uint8_t id[BROKER_TENANT_ID_SIZE] = {(uint8_t)(i + 1)};
	struct err err;

	if (vchip_new(play->broker, id, &shelf, &play->tenants[i].vchip, &err) < 0)
		exit(2);
}

static void lose_one(struct play *play, uint8_t choice)
{
	if (play->owned_count > 0)
		guests_lose(&play->guests, (struct provider_guest *)(uintptr_t)play
						   ->owned[choice % play->owned_count]
						   .guest);
}

static void befall(struct play *play, uint8_t what, struct cursor *choices)
{
	static const uint32_t codes[] = {0x902, 0x903, 0x905, 0x901, 0x98e,
					 0x922, 0x921, 0x101, 0x1d5};
	static const int faults[] = {ERR_TPM_FAILED, ERR_TPM_CHANGED, ERR_TIMEOUT};

	switch (what % 8) {
	case 0:
		guests_reset(&play->guests);
		break;
	case 1:
		lose_one(play, cursor_u8(choices));
		break;
	case 2:
		play->guests.fails = faults[cursor_u8(choices) % ARRAY_LEN(faults)];
		break;
	case 3:
		play->guests.answer = codes[cursor_u8(choices) % ARRAY_LEN(codes)];
		break;
	case 4:
		play->guests.lockout.counter = cursor_u8(choices) % 4u;
		break;
	case 5:
		play->shelf_fails = !play->shelf_fails;
		break;
	case 6: /* the service starts again: the shelf is what stays */
		vchip_free(play->tenants[play->sender].vchip);
		begin(play, play->sender);
		break;
	default:
		play->guests.seed = cursor_u8(choices) & 1;
		break;
	}
}

static void step(struct play *play, struct cursor *choices)
{
	uint8_t choice = cursor_u8(choices);

	play->sender = choice & 1;
	if (choice < 0xe0)
		send_command(play, choices);
	else
		befall(play, choice >> 1, choices);
	check_usage(play);
}

static void play_init(struct play *play, struct cursor *choices)
{
	static const enum command_set sets[] = {SET_STANDARD, SET_STANDARD, SET_PROVISION,
						SET_FULL};
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	uint8_t choice = cursor_u8(choices), more = cursor_u8(choices);
	unsigned i;
	struct err err;

	memset(play, 0, sizeof(*play));
	guests_init(&play->guests);
	play->ops = *play->guests.provider.ops;
	play->inner = play->ops.guests;
	play->door = *play->inner;
	play->door.run = run;
	play->door.save = save;
	play->door.load = load;
	play->door.free = give_up;
	play->ops.guests = &play->door;
	play->guests.provider.ops = &play->ops;
	play->guests.persistent[0] = SRK;
	play->guests.persistent[1] = RESERVED[0];
	play->guests.persistent[2] = 0x81010001;
	play->guests.nv[0] = 0x01c00002;
	play->guests.lockout = (struct guest_lockout){
		.max = choice & 8 ? 3 : 32, .interval = 600, .may_reset = choice & 16};
	play->guests.sessions_max = choice & 32 ? 3 : 0;
	play->facts = (struct filter_facts){
		.policy = {.set = sets[choice & 3]}, .reserved = RESERVED, .reserved_count = 2};
	play->limits = (struct vchip_limits){.objects_max = more & 7,
					     .sessions_max = more >> 3 & 7,
					     .full = play->facts.policy.set == SET_FULL,
					     .reserved = RESERVED,
					     .reserved_count = 2,
					     .deadline_us = UINT64_MAX};
	memcpy(play->handles, CRAFT_HANDLES, sizeof(CRAFT_HANDLES));
	play->handle_count = CRAFT_COMMON;
	if (secret_new(BROKER_KEY_SIZE, &key, &err) < 0)
		exit(2);
	memset(secret_data(key), 'k', BROKER_KEY_SIZE);
	if (broker_new(&play->guests.provider, key, &play->broker, &err) < 0)
		exit(2);
	for (i = 0; i < TENANTS; i++)
		begin(play, i);
}

static void play_fini(struct play *play)
{
	unsigned i;
	size_t j;

	for (i = 0; i < TENANTS; i++)
		vchip_free(play->tenants[i].vchip);
	FUZZ_REQUIRE(play->guests.alive == 0);
	broker_free(play->broker);
	for (i = 0; i < TENANTS; i++)
		for (j = 0; j < play->tenants[i].shelf_count; j++)
			secret_free(play->tenants[i].shelf[j].recipe);
	for (j = 0; j < CONTEXTS_MAX; j++)
		buf_fini(&play->contexts[j]);
	guests_fini(&play->guests);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct play play;
	struct cursor choices = cursor_of(slice_of(data, size));
	unsigned i;

	the_play = &play;
	play_init(&play, &choices);
	for (i = 0; i < STEPS_MAX && choices.rest.len > 0; i++)
		step(&play, &choices);
	play_fini(&play);
	return 0;
}
