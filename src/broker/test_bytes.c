/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <tss2/tss2_tpm2_types.h>

#include "broker/test_fixture.h"
#include "broker/wire.h"
#include "tests/support/chip.h"

/* --- bad bytes --- */

static void test_headers(void **state)
{
	static const struct {
		const char *what;
		uint8_t bytes[14];
		size_t len;
		uint32_t expected;
	} cases[] = {
		{"nothing", {0}, 0, 0x142},
		{"half a header", {0x80, 1, 0, 0, 0, 9, 0, 0, 1}, 9, 0x142},
		{"good", {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 1}, 12, PASSES},
		{"size too small", {0x80, 1, 0, 0, 0, 11, 0, 0, 1, 0x7b, 0, 1}, 12, 0x142},
		{"size too large", {0x80, 1, 0, 0, 0, 13, 0, 0, 1, 0x7b, 0, 1}, 12, 0x142},
		{"tag of TPM 1.2", {0, 0xc1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 1}, 12, 0x01e},
		{"tag of a response", {0, 0xc4, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 1}, 12, 0x01e},
		{"another tag", {0x80, 3, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 1}, 12, 0x01e},
		{"no handle", {0x80, 1, 0, 0, 0, 10, 0, 0, 1, 0x73}, 10, 0x19a},
		{"half a handle", {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x73, 0x80, 0}, 12, 0x19a},
	};
	struct filter_facts facts = facts_of(SET_PROVISION);
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		uint32_t rc = judge(&facts, slice_of(cases[i].bytes, cases[i].len));

		if (rc != cases[i].expected)
			fail_msg("%s: 0x%x", cases[i].what, rc);
	}
}

/* In memory of exactly its size, so that a sanitizer sees every byte that is read behind it. */
static uint32_t judge_exact(const struct filter_facts *facts, struct slice command)
{
	CLEANUP(mem_free_cleanup) uint8_t *copy = malloc(command.len > 0 ? command.len : 1);

	assert_non_null(copy);
	memcpy(copy, command.data, command.len);
	return judge(facts, slice_of(copy, command.len));
}

/* Cut anywhere: never with the old size; with the right size only behind the last handle. */
static void test_truncated(void **state)
{
	size_t i, len;

	(void)state;
	for (i = 0; i < ARRAY_LEN(SAMPLES); i++) {
		CLEANUP(buf_fini) struct buf bytes = BUF_INIT(WIRE_MAX);
		struct filter_facts facts = facts_of(SAMPLES[i].from);
		struct draft draft = draft_of(&SAMPLES[i]);

		write_command(&draft, &bytes);
		for (len = 0; len < bytes.len; len++)
			assert_int_equal(judge_exact(&facts, slice_of(bytes.data, len)),
					 TPM2_RC_COMMAND_SIZE);
		for (len = WIRE_HEADER; len < bytes.len; len++) {
			write_u32(bytes.data + 2, (uint32_t)len);
			assert_int_not_equal(judge_exact(&facts, slice_of(bytes.data, len)),
					     PASSES);
		}
	}
}

static uint32_t next_random(uint32_t *random)
{
	*random = *random * 1664525u + 1013904223u;
	return *random >> 8;
}

static void test_random_bytes(void **state)
{
	struct filter_facts facts = facts_of(SET_FULL);
	uint32_t random = 7;
	unsigned round, passed = 0;

	(void)state;
	for (round = 0; round < 100000; round++) {
		const struct sample *sample = &SAMPLES[next_random(&random) % ARRAY_LEN(SAMPLES)];
		struct draft draft = draft_of(sample);
		CLEANUP(buf_fini) struct buf bytes = BUF_INIT(WIRE_MAX);
		unsigned changes = next_random(&random) % 4;

		draft.session_count = next_random(&random) % 4;
		draft.sessions[0] = next_random(&random) % 2 ? 0x02000000 : TPM2_RS_PW;
		write_command(&draft, &bytes);
		bytes.len -= next_random(&random) % 8 == 0 ? next_random(&random) % bytes.len : 0;
		if (bytes.len >= 6)
			write_u32(bytes.data + 2, (uint32_t)bytes.len);
		while (changes-- > 0 && bytes.len > 0)
			bytes.data[next_random(&random) % bytes.len] =
				(uint8_t)next_random(&random);
		if (judge_exact(&facts, buf_slice(&bytes)) != PASSES)
			continue;
		passed++;
		assert_int_equal(wire_command_size(buf_slice(&bytes)), bytes.len);
	}
	assert_in_range(passed, 1000, 90000);
}

/* --- what a chip says of the table --- */

static void ask_chip(const struct chip *chip, const struct buf *command, struct buf *ret_answer)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	CLEANUP(fd_close_cleanup) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint8_t *room;
	ssize_t n;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", chip->dir);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(write(fd, command->data, command->len), command->len);
	buf_reset(ret_answer);
	while (wire_command_size(buf_slice(ret_answer)) == 0) {
		room = buf_grow(ret_answer, 1024);
		assert_non_null(room);
		n = read(fd, room, 1024);
		assert_true(n > 0);
		ret_answer->len -= 1024 - (size_t)n;
	}
}

/* TPMA_CC of one command (TPM 2.0 Part 2, 8.9). */
static uint32_t attributes_of(const struct chip *chip, uint32_t code)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(WIRE_MAX);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(WIRE_MAX);
	struct cursor cursor;

	buf_put_u16(&command, TPM2_ST_NO_SESSIONS);
	buf_put_u32(&command, 22);
	buf_put_u32(&command, TPM2_CC_GetCapability);
	buf_put_u32(&command, TPM2_CAP_COMMANDS);
	buf_put_u32(&command, code);
	buf_put_u32(&command, 1);
	ask_chip(chip, &command, &answer);
	cursor = cursor_of(buf_slice(&answer));
	(void)cursor_take(&cursor, WIRE_HEADER + 1);
	assert_int_equal(cursor_u32(&cursor), TPM2_CAP_COMMANDS);
	if (cursor_u32(&cursor) == 0)
		return 0;
	return cursor_u32(&cursor);
}

static uint32_t chip_says(const struct chip *chip, const struct draft *draft)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(WIRE_MAX);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(WIRE_MAX);
	struct cursor cursor;

	write_command(draft, &command);
	ask_chip(chip, &command, &answer);
	cursor = cursor_of(buf_slice(&answer));
	(void)cursor_take(&cursor, 6);
	return cursor_u32(&cursor);
}

static void test_as_the_chip_says(void **state)
{
	struct chip chip;
	size_t i, known = 0;

	(void)state;
	chip_new(&chip);
	for (i = 0; i < ARRAY_LEN(SAMPLES); i++) {
		uint32_t attributes = attributes_of(&chip, SAMPLES[i].code);
		struct draft draft = draft_of(&SAMPLES[i]);

		if ((attributes & TPMA_CC_COMMANDINDEX_MASK) != SAMPLES[i].code)
			continue; /* it has none such, and tells of the next one */
		known++;
		if ((attributes & TPMA_CC_CHANDLES_MASK) >> TPMA_CC_CHANDLES_SHIFT !=
		    handle_count(&SAMPLES[i]))
			fail_msg("command 0x%x has another number of handles", SAMPLES[i].code);
		/* With handles the chip would stop at those, before it looks at sessions. */
		draft.session_count = 1;
		if (handle_count(&SAMPLES[i]) == 0 &&
		    (chip_says(&chip, &draft) == TPM2_RC_AUTH_CONTEXT) != SAMPLES[i].no_sessions)
			fail_msg("command 0x%x and sessions", SAMPLES[i].code);
	}
	assert_true(known > 90);
	chip_free(&chip);
}

/* Of the whole table: how many handles, whether one is made, whether a transient object ends. */
static void test_table_as_the_chip_says(void **state)
{
	struct chip chip;
	size_t i, count, known = 0;
	const struct command *commands = commands_all(&count);

	(void)state;
	chip_new(&chip);
	for (i = 0; i < count; i++) {
		uint32_t attributes = attributes_of(&chip, commands[i].code);
		unsigned effects = commands[i].effects;
		bool makes = effects & (MAKES_OBJECT | MAKES_SEQUENCE | MAKES_SESSION) ||
			     commands[i].code == TPM2_CC_ContextLoad;
		bool ends = effects & ENDS_SEQUENCE;

		if ((attributes & TPMA_CC_COMMANDINDEX_MASK) != commands[i].code ||
		    commands[i].set == SET_NEVER)
			continue;
		known++;
		if ((attributes & TPMA_CC_CHANDLES_MASK) >> TPMA_CC_CHANDLES_SHIFT !=
			    command_handle_count(&commands[i]) ||
		    !(attributes & TPMA_CC_RHANDLE) == makes ||
		    !(attributes & TPMA_CC_FLUSHED) == ends)
			fail_msg("%s: attributes 0x%x", commands[i].name, attributes);
	}
	assert_true(known > 90);
	chip_free(&chip);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_random_bytes),
		cmocka_unit_test(test_as_the_chip_says),
		cmocka_unit_test(test_table_as_the_chip_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
