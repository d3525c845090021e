/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Raw commands of tenants. The first byte chooses the set, the rest is what a client sends. What
 * passes has a header that fits its size, and names no handle that the widest set forbids; what
 * does not pass has a whole response, which is what a TPM would have said.
 */

#include <string.h>

#include "broker/filter.h"
#include "broker/wire.h"
#include "tests/fuzz/fuzz.h"

#define RESERVED UINT32_C(0x81000101)
#define PLATFORM UINT32_C(0x4000000c)

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void check_response(struct slice response)
{
	FUZZ_REQUIRE(response.len >= WIRE_HEADER && response.len <= WIRE_MAX);
	FUZZ_REQUIRE(get_u32(response.data + 2) == response.len);
	FUZZ_REQUIRE(response.data[0] == 0x80 && response.data[1] == 0x01);
}

static void check_passed(struct slice command)
{
	uint16_t tag = (uint16_t)(command.data[0] << 8 | command.data[1]);

	FUZZ_REQUIRE(tag == 0x8001 || tag == 0x8002);
	FUZZ_REQUIRE(get_u32(command.data + 2) == command.len);
	if (tag == 0x8002 && command.len >= 14) {
		FUZZ_REQUIRE(get_u32(command.data + 10) != RESERVED);
		FUZZ_REQUIRE(get_u32(command.data + 10) != PLATFORM);
	}
}

static void check_command(unsigned choice, struct slice received)
{
	static const uint32_t reserved[] = {RESERVED};
	const struct filter_facts facts = {.set = (enum filter_set)(choice & 3),
					   .srk_absent = choice & 4,
					   .reserved = reserved,
					   .reserved_count = 1};
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(WIRE_MAX);
	size_t size = wire_command_size(received);

	if (size == 0 || size == WIRE_BAD || size > received.len)
		return;
	FUZZ_REQUIRE(size >= WIRE_HEADER && size <= WIRE_MAX);
	if (filter_judge(&facts, slice_of(received.data, size), &answer) == FILTER_PASS) {
		FUZZ_REQUIRE(facts.set != FILTER_NONE && answer.len == 0);
		check_passed(slice_of(received.data, size));
	} else {
		check_response(buf_slice(&answer));
	}
}

/* Every message is consumed, or more is waited for; nothing turns without progress. */
static void check_control(struct slice received)
{
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(1u << 20);

	while (received.len) {
		size_t used = wire_control(received, &answer);

		FUZZ_REQUIRE(used <= received.len);
		if (used == 0)
			return;
		received = slice_of(received.data + used, received.len - used);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	check_command(data[0], slice_of(data + 1, size - 1));
	check_control(slice_of(data + 1, size - 1));
	return 0;
}
