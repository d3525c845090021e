/* SPDX-License-Identifier: Apache-2.0 */
/* What only a chip can do for other software: raw commands, objects that others made. */

#include "tests/contract/contract_impl.h"

#define SRK 0x81000001u

bool contract_on_chip(void)
{
	return contract_provider->ops->on_chip;
}

uint32_t contract_raw_send(struct buf *command, struct buf *ret_answer)
{
	struct err err = {0};
	struct cursor cursor;

	assert_true(buf_ok(command));
	command->data[4] = (uint8_t)(command->len >> 8);
	command->data[5] = (uint8_t)command->len;
	buf_reset(ret_answer);
	contract_expect(provider_raw(contract_provider, buf_slice(command), ret_answer, &err), 0,
			&err, "a raw command");
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

void contract_raw(void **state)
{
	static const uint8_t get_random[] = {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 16};
	static const uint8_t huge[PROVIDER_RAW_MAX + 1] = {0x80, 1};
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(PROVIDER_RAW_MAX);
	struct slice command = slice_of(get_random, sizeof(get_random));
	struct err err = {0};

	(void)state;
	buf_put_str(&answer, "before");
	if (!contract_on_chip()) {
		contract_expect(provider_raw(contract_provider, command, &answer, &err),
				ERR_TPM_REQUIRED, &err, "a raw command in software");
		contract_expect(provider_raw_end(contract_provider, &err), ERR_TPM_REQUIRED, &err,
				"the end of raw commands in software");
		assert_int_equal(answer.len, 6);
		return;
	}
	contract_expect(
		provider_raw(contract_provider, slice_of(huge, sizeof(huge)), &answer, &err),
		ERR_TOO_LARGE, &err, "a huge command");
	contract_expect(provider_raw(contract_provider, slice_of(huge, 9), &answer, &err),
			ERR_INVALID, &err, "a cut command");
	assert_int_equal(answer.len, 6);
	contract_expect(provider_raw(contract_provider, command, &answer, &err), 0, &err, "raw");
	assert_int_equal(answer.len, 6 + 28);
	assert_memory_equal(answer.data, "before\x80\x01\0\0\0\x1c\0\0\0\0\0\x10", 18);
	contract_expect(provider_raw_end(contract_provider, &err), 0, &err, "the end");
}

/* Data sealed below the SRK by raw commands alone, as TPM tools do it: without a password. */
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
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(PROVIDER_RAW_MAX);
	struct cursor cursor;
	struct slice name;

	contract_raw_begin(&command, 0x8001, 0x173);
	buf_put_u32(&command, SRK);
	assert_int_equal(contract_raw_send(&command, &answer), 0);
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
	struct foreign foreign = {.made = BUF_INIT(PROVIDER_RAW_MAX), .name = BUF_INIT(128)};
	CLEANUP(buf_fini) struct buf command = BUF_INIT(256);
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
	assert_int_equal(contract_raw_send(&command, &foreign.made), 0);
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
