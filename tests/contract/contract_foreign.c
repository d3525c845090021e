/* SPDX-License-Identifier: Apache-2.0 */
/* What only a chip can do for other software: guests, objects that others made. */

#include "provider/guest.h"
#include "tests/contract/contract_impl.h"

#define SRK 0x81000001u

bool contract_on_chip(void)
{
	return contract_provider->ops->on_chip;
}

uint32_t contract_raw_send(struct buf *command, const struct guest_command *how,
			   struct buf *ret_answer, struct provider_guest **ret_made)
{
	struct guest_command whole = *how;
	struct err err = {0};
	struct cursor cursor;

	assert_true(buf_ok(command));
	command->data[4] = (uint8_t)(command->len >> 8);
	command->data[5] = (uint8_t)command->len;
	buf_reset(ret_answer);
	whole.bytes = buf_slice(command);
	contract_expect(provider_guest_run(contract_provider, &whole, ret_answer, ret_made, &err),
			0, &err, "a guest's command");
	cursor = cursor_of(buf_slice(ret_answer));
	(void)cursor_take(&cursor, 6);
	return cursor_u32(&cursor);
}

void contract_raw_begin(struct buf *command, uint16_t tag, uint32_t code)
{
	buf_reset(command);
	buf_put_u16(command, tag);
	buf_put_u32(command, 0);
	buf_put_u32(command, code);
}

static void guests_refused(const struct guest_command *command)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(GUEST_BYTES_MAX);
	struct guest_lockout lockout = {.max = 1};
	struct provider_guest *guest = NULL;
	struct err err = {0};
	uint32_t code = 1;

	contract_expect(provider_guest_run(contract_provider, command, &bytes, &guest, &err),
			ERR_TPM_REQUIRED, &err, "a guest's command in software");
	contract_expect(provider_guest_save(contract_provider, NULL, &bytes, &err),
			ERR_TPM_REQUIRED, &err, "saving a guest in software");
	contract_expect(provider_guest_load(contract_provider, GUEST_OBJECT, command->bytes, &code,
					    &guest, &err),
			ERR_TPM_REQUIRED, &err, "loading a guest in software");
	assert_null(guest);
	assert_int_equal(code, 1);
	assert_int_equal(bytes.len, 0);
	assert_true(provider_guest_lost(contract_provider, NULL));
	assert_int_equal(provider_guest_handle(contract_provider, NULL), 0);
	assert_int_equal(provider_guest_epoch(contract_provider), 0);
	provider_guest_lockout(contract_provider, &lockout);
	assert_int_equal(lockout.max, 0);
	provider_guest_free(contract_provider, NULL);
}

static void no_commands(void)
{
	static const uint8_t huge[GUEST_BYTES_MAX + 1] = {0x80, 1, 0, 0, 0x10, 1};
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(GUEST_BYTES_MAX);
	struct guest_command command = {.bytes = slice_of(huge, sizeof(huge))};
	struct provider_guest *none = NULL;
	struct err err = {0};

	contract_expect(provider_guest_run(contract_provider, &command, &answer, &none, &err),
			ERR_INVALID, &err, "a huge command");
	command.bytes.len = 9;
	contract_expect(provider_guest_run(contract_provider, &command, &answer, &none, &err),
			ERR_INVALID, &err, "a cut command");
	assert_null(none);
	assert_int_equal(answer.len, 0);
}

/* A sequence goes in, out by its context, and comes back a second time. */
void contract_guests(void **state)
{
	static const uint8_t start[] = {0x80, 1, 0, 0, 0, 14, 0, 0, 1, 0x86, 0, 0, 0, 0x0b};
	static const uint8_t read[] = {0x80, 1, 0, 0, 0, 14, 0, 0, 1, 0x73, 0x80, 0xff, 0, 0};
	const struct guest_command sequence = {.bytes = slice_of(start, sizeof(start)),
					       .makes = GUEST_SEQUENCE};
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(GUEST_BYTES_MAX);
	CLEANUP(buf_fini) struct buf context = BUF_INIT(GUEST_BYTES_MAX);
	struct provider_guest *guest = NULL, *again = NULL, *none = NULL;
	struct guest_command use = {.bytes = slice_of(read, sizeof(read)), .handle_count = 1};
	struct guest_lockout lockout = {.max = 0};
	struct err err = {0};
	uint32_t code = 1;

	(void)state;
	if (!contract_on_chip()) {
		guests_refused(&sequence);
		return;
	}
	no_commands();
	contract_expect(provider_guest_run(contract_provider, &sequence, &answer, &guest, &err), 0,
			&err, "a guest's command");
	assert_non_null(guest);
	assert_int_equal(answer.len, 14);
	assert_int_equal(provider_guest_handle(contract_provider, guest) >> 24, 0x80);
	contract_expect(provider_guest_save(contract_provider, guest, &context, &err), 0, &err,
			"saving a guest");
	contract_expect(provider_guest_load(contract_provider, GUEST_SEQUENCE, buf_slice(&context),
					    &code, &again, &err),
			0, &err, "loading a guest");
	assert_int_equal(code, 0);
	assert_false(provider_guest_lost(contract_provider, again));
	/* The chip's own word: a sequence has no public area. */
	use.handles[0] = again;
	buf_reset(&answer);
	contract_expect(provider_guest_run(contract_provider, &use, &answer, &none, &err), 0, &err,
			"a command that names a guest");
	assert_null(none);
	assert_memory_equal(answer.data, "\x80\x01\0\0\0\x0a\0\0\x01\x03", 10); /* SEQUENCE */
	assert_true(provider_guest_epoch(contract_provider) > 0);
	provider_guest_lockout(contract_provider, &lockout);
	assert_true(lockout.max > 0);
	provider_guest_free(contract_provider, guest);
	provider_guest_free(contract_provider, again);
}

/* Data sealed below the SRK by a guest's commands alone, as TPM tools do it: without a password. */
struct foreign {
	struct buf made, name; /* of its making; of the SRK */
	struct provider_loadable object;
};

static void foreign_fini(struct foreign *foreign)
{
	buf_fini(&foreign->made);
	buf_fini(&foreign->name);
}

struct slice contract_take_sized(struct cursor *cursor)
{
	const uint8_t *start = cursor->rest.data;
	uint16_t len = cursor_u16(cursor);

	(void)cursor_take(cursor, len);
	assert_false(cursor->failed);
	return slice_of(start, 2u + len);
}

static void read_name(struct foreign *foreign)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(64);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(GUEST_BYTES_MAX);
	const struct guest_command how = {.handle_count = 1};
	struct provider_guest *none = NULL;
	struct cursor cursor;
	struct slice name;

	contract_raw_begin(&command, 0x8001, 0x173);
	buf_put_u32(&command, SRK);
	assert_int_equal(contract_raw_send(&command, &how, &answer, &none), 0);
	cursor = cursor_of(buf_slice(&answer));
	(void)cursor_take(&cursor, 10);
	(void)contract_take_sized(&cursor);
	name = contract_take_sized(&cursor);
	buf_put(&foreign->name, slice_of(name.data + 2, name.len - 2));
}

static struct foreign foreign_make(const char *text)
{
	static const uint8_t no_password[] = {0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 1, 0, 0};
	static const uint8_t sealed[] = {0, 14, 0, 8, 0, 11, 0, 0, 4, 0x52, 0, 0, 0, 0x10, 0, 0};
	struct foreign foreign = {.made = BUF_INIT(GUEST_BYTES_MAX), .name = BUF_INIT(128)};
	CLEANUP(buf_fini) struct buf command = BUF_INIT(256);
	const struct guest_command how = {
		.handle_count = 1, .session_count = 1, .takes_slot = true};
	struct provider_guest *none = NULL;
	size_t len = strlen(text);
	struct cursor cursor;

	read_name(&foreign);
	contract_raw_begin(&command, 0x8002, 0x153);
	buf_put_u32(&command, SRK);
	buf_put(&command, slice_of(no_password, sizeof(no_password)));
	buf_put_u16(&command, (uint16_t)(4 + len));
	buf_put_u16(&command, 0);
	buf_put_u16(&command, (uint16_t)len);
	buf_put_str(&command, text);
	buf_put(&command, slice_of(sealed, sizeof(sealed)));
	buf_put_u16(&command, 0); /* outside info */
	buf_put_u32(&command, 0); /* PCRs */
	assert_int_equal(contract_raw_send(&command, &how, &foreign.made, &none), 0);
	cursor = cursor_of(buf_slice(&foreign.made));
	(void)cursor_take(&cursor, 14);
	foreign.object.private_part = contract_take_sized(&cursor);
	foreign.object.public_part = contract_take_sized(&cursor);
	foreign.object.parent_handle = SRK;
	foreign.object.parent_name = buf_slice(&foreign.name);
	return foreign;
}

static void expect_foreign(const struct provider_loadable *object, int wanted, const char *what)
{
	struct secret *const untouched = (struct secret *)(void *)&contract_factory;
	struct secret *plain = untouched;
	struct err err = {0};
	int r = provider_unseal_loadable(contract_provider, object, &plain, &err);

	contract_expect(r, wanted, &err, what);
	if (r < 0) {
		assert_ptr_equal(plain, untouched);
		return;
	}
	assert_true(secret_equal(secret_slice(plain), slice_str("theirs")));
	secret_free(plain);
}

static uint64_t commands(void)
{
	struct provider_status status;

	provider_status(contract_provider, &status);
	return status.commands;
}

void contract_unseal_loadable(void **state)
{
	static const uint8_t bytes[32] = {0, 11};
	struct provider_loadable object = {.parent_handle = SRK,
					   .parent_name = slice_of(bytes, 32),
					   .public_part = slice_of(bytes, 32),
					   .private_part = slice_of(bytes, 32)};
	uint64_t before;

	(void)state;
	if (!contract_on_chip()) {
		expect_foreign(&object, ERR_TPM_REQUIRED, "in software");
		return;
	}
	CLEANUP(foreign_fini) struct foreign foreign = foreign_make("theirs");

	expect_foreign(&foreign.object, 0, "what another has sealed");
	before = commands();
	expect_foreign(&foreign.object, 0, "once it is loaded");
	assert_int_equal(commands() - before, 1);
	object = foreign.object;
	object.parent_name.len--;
	expect_foreign(&object, ERR_WRONG_TPM, "below a key of another Name");
	object = foreign.object;
	object.parent_handle = 0x81000077u;
	expect_foreign(&object, ERR_WRONG_TPM, "below a key that is not there");
	object = foreign.object;
	object.private_part.len--;
	expect_foreign(&object, ERR_DAMAGED, "cut short");
	expect_foreign(&foreign.object, 0, "and the right one again");
}
