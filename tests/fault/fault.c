/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Seeded faults: for each seed a script of operations while memory, disk and chip fail, then the
 * comparison with what was acknowledged (script.c).
 *
 *   fault [FIRST [COUNT]]     seeds FIRST.. (1), COUNT of them (150)
 *   FAULT_LOG=FILE            gets a line for each fault of the chip
 *
 * Ends with one line of figures; or, when a seed fails, with the seed and what it was doing. The
 * seed alone repeats it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "tests/fault/inject.h"
#include "tests/fault/script.h"
#include "tests/fault/world.h"

#define SEEDS		150u
#define LEAK_EVERY	100u
#define OPERATIONS_SOFT 40u
#define OPERATIONS_CHIP 16u

/* Present in programs that are built with AddressSanitizer. */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));
void __sanitizer_set_death_callback(void (*call)(void)) __attribute__((weak));

static struct {
	uint64_t first, count, seed;
	struct script script;
	struct world world;
	struct chip chip;
	uint64_t operations;
	char folder[64]; /* of all seeds; "" = not made */
} run;

static void tell_seed(void)
{
	script_calm(&run.script);
	fprintf(stderr, "fault: seed %llu failed at operation %u, %s, on %s\n",
		(unsigned long long)run.seed, run.script.operations,
		run.script.doing ? run.script.doing : "-", run.world.tpm ? "the TPM" : "software");
}

static void run_seed(uint64_t seed)
{
	unsigned descriptors;
	long secrets;

	run.seed = seed;
	inject_begin(seed);
	world_begin(&run.world, seed, &run.chip, run.folder);
	if (run.world.tpm && seed % 4 == 0)
		world_evict(&run.chip, 0x81000101u);
	descriptors = world_descriptors();
	secrets = inject_secrets();
	script_begin(&run.script, &run.world);
	script_run(&run.script, run.world.tpm ? OPERATIONS_CHIP : OPERATIONS_SOFT);
	script_verify(&run.script);
	run.operations += run.script.operations;
	run.script.doing = "cleaning up";
	script_end(&run.script);
	world_end(&run.world);
	assert_int_equal(inject_secrets(), secrets);
	assert_int_equal(world_descriptors(), descriptors);
}

static void check_leaks(uint64_t first, uint64_t last)
{
	if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
		fail_msg("memory leaked in one of the seeds %llu to %llu",
			 (unsigned long long)first, (unsigned long long)last);
}

static void test_seeds(void **state)
{
	uint64_t seed, checked = run.first, end = run.first + run.count;

	(void)state;
	for (seed = run.first; seed < end; seed++) {
		run_seed(seed);
		if (seed + 1 - checked < LEAK_EVERY && seed + 1 < end)
			continue;
		check_leaks(checked, seed);
		checked = seed + 1;
	}
}

/* In memory, where there is such a place: fsync is ours to fail, not the disk's to take time. */
static int setup(void **state)
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");

	(void)state;
	(void)snprintf(run.folder, sizeof(run.folder), "%s/holdfast-fault.XXXXXX",
		       base ? base : "/tmp");
	if (!mkdtemp(run.folder))
		return -1;
	chip_new(&run.chip);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	chip_free(&run.chip);
	return rmdir(run.folder);
}

static bool parse_number(const char *text, uint64_t *ret_number)
{
	char *end = NULL;
	unsigned long long number = strtoull(text, &end, 10);

	if (end == text || *end || number > UINT32_MAX)
		return false;
	*ret_number = number;
	return true;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_seeds)};

	run.first = 1;
	run.count = argc > 1 ? 1 : SEEDS;
	if (argc > 3 || (argc > 1 && !parse_number(argv[1], &run.first)) ||
	    (argc > 2 && !parse_number(argv[2], &run.count))) {
		fprintf(stderr, "usage: fault [FIRST [COUNT]]\n");
		return 2;
	}
	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	world_load_tcti();
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(tell_seed);
	if (cmocka_run_group_tests_name("fault", tests, setup, teardown) != 0) {
		tell_seed();
		world_end(&run.world);
		(void)rmdir(run.folder);
		_exit(1); /* an assertion leaves its memory behind: no leak of ours */
	}
	printf("fault: %llu seeds, %llu operations, %llu faults injected, nothing lost\n",
	       (unsigned long long)run.count, (unsigned long long)run.operations,
	       (unsigned long long)(inject_count() + world_chip_faults()));
	return 0;
}
