/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a device under suspicion sends: the first byte says whether it is a statement or an event
 * log. Parsed slices lie within the input; a log's PCRs are all of each bank.
 */

#include "attest/eventlog.h"
#include "tests/fuzz/fuzz.h"

static void within(struct slice part, const uint8_t *data, size_t size)
{
	FUZZ_REQUIRE(part.len == 0 || (part.data >= data && part.data + part.len <= data + size));
}

static void statement(const uint8_t *data, size_t size)
{
	struct attest_statement said;
	struct err err = {0};
	size_t i;
	int r = attest_parse(slice_of(data, size), &said, &err);

	if (r < 0) {
		FUZZ_REQUIRE(r == err.code && err.text[0]);
		return;
	}
	within(said.signer, data, size);
	within(said.nonce, data, size);
	within(said.digest, data, size);
	within(said.name, data, size);
	within(said.qualified_name, data, size);
	FUZZ_REQUIRE(said.pcrs.count <= ATTEST_BANKS);
	for (i = 0; i < said.pcrs.count; i++)
		FUZZ_REQUIRE(said.pcrs.banks[i].mask >> ATTEST_PCR_COUNT == 0);
}

struct walk {
	const uint8_t *data;
	size_t size;
	size_t offset; /* of the event before */
	bool any;
};

static int see(void *arg, const struct eventlog_event *event, struct err *err)
{
	struct walk *walk = arg;

	(void)err;
	within(event->data, walk->data, walk->size);
	FUZZ_REQUIRE(!event->extends || event->pcr < ATTEST_PCR_COUNT);
	FUZZ_REQUIRE(!walk->any || event->offset > walk->offset);
	walk->offset = event->offset;
	walk->any = true;
	return 0;
}

static void event_log(const uint8_t *data, size_t size)
{
	struct walk walk = {.data = data, .size = size};
	struct attest_pcrs pcrs;
	struct err err = {0};
	uint32_t unexplained = 1;
	int r = eventlog_replay(slice_of(data, size), see, &walk, &pcrs, &err);

	if (r < 0) {
		FUZZ_REQUIRE(r == err.code && err.text[0]);
		return;
	}
	FUZZ_REQUIRE(pcrs.count > 0 && pcrs.count <= ATTEST_BANKS);
	FUZZ_REQUIRE(eventlog_compare(&pcrs, &pcrs, pcrs.banks[0].hash, &unexplained, &err) == 0);
	FUZZ_REQUIRE(unexplained == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] & 1)
		statement(data + 1, size - 1);
	else
		event_log(data + 1, size - 1);
	return 0;
}
