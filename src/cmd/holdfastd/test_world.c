/* SPDX-License-Identifier: Apache-2.0 */
/* What each way in which a provider is chosen, or none, means to the identity. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cmd/holdfastd/world.h"

#define OK     IDENTITY_TPM_OK
#define ABSENT IDENTITY_TPM_ABSENT
#define FAILED IDENTITY_TPM_FAILED

static const struct {
	struct world_facts facts;
	enum identity_tpm tpm;
	bool expected;
	const char *cause;
} CASES[] = {
	/* the TPM is in use */
	{{SERVICE_READY, .on_chip = true, .present = true, .failure = ""}, OK, true, ""},
	{{SERVICE_READY, .on_chip = true, .failure = "once"}, OK, true, ""},
	{{SERVICE_READY, .on_chip = true, .fault = "tpm_failed", .failure = ""},
	 FAILED,
	 true,
	 "The TPM does not answer, or not as a TPM must."},
	/* .. and is another one: the identity's key is gone, not out of reach */
	{{SERVICE_READY, .on_chip = true, .fault = "tpm_changed", .failure = ""}, OK, true, ""},
	/* software is: for want of a TPM */
	{{SERVICE_READY, .failure = ""}, ABSENT, false, "no TPM found"},
	{{SERVICE_READY, .announced = true, .failure = ""}, ABSENT, true, "no TPM found yet"},
	{{SERVICE_READY, .waits = true, .failure = ""}, ABSENT, true, "no TPM found yet"},
	/* .. for one that does not serve; that it is gone meanwhile makes it no less */
	{{SERVICE_READY, .present = true, .failure = "it hangs"}, FAILED, true, "it hangs"},
	{{SERVICE_READY, .failure = "it hangs"}, FAILED, true, "it hangs"},
	{{SERVICE_READY, .present = true, .failure = ""}, FAILED, true, "no TPM found"},
	/* .. because somebody wants it so */
	{{SERVICE_READY, .overridden = true, .from_env = true, .present = true, .failure = ""},
	 FAILED,
	 true,
	 "overridden: SECURITY_PROVIDER=legacy"},
	{{SERVICE_READY, .overridden = true, .present = true, .failure = ""},
	 FAILED,
	 true,
	 "overridden: provider = legacy is configured"},
	{{SERVICE_READY, .overridden = true, .announced = true, .failure = ""},
	 FAILED,
	 true,
	 "overridden: provider = legacy is configured"},
	{{SERVICE_READY, .overridden = true, .failure = ""},
	 ABSENT,
	 false,
	 "overridden: provider = legacy is configured"},
	/* nothing is: a TPM is demanded, or a file is lost; neither is a reason for software */
	{{SERVICE_NONE, .failure = "a TPM is demanded"}, FAILED, true, "a TPM is demanded"},
	{{SERVICE_LOCKED, .failure = "auth.key is lost"}, FAILED, true, "auth.key is lost"},
	{{SERVICE_LOCKED, .overridden = true, .failure = "auth.key is lost"},
	 FAILED,
	 true,
	 "auth.key is lost"},
};

static void test_world(void **state)
{
	char cause[WORLD_CAUSE_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		struct identity_world world = {.now = 7};

		world_of(&CASES[i].facts, &world, cause);
		if (world.tpm != CASES[i].tpm || world.expected != CASES[i].expected ||
		    strcmp(world.cause, CASES[i].cause) != 0)
			fail_msg("row %zu: %d %d %s", i, world.tpm, world.expected, world.cause);
		assert_int_equal(world.now, 7);
	}
}

static void test_long_cause(void **state)
{
	struct world_facts facts = {.state = SERVICE_NONE};
	struct identity_world world = {.now = 0};
	char cause[WORLD_CAUSE_MAX], failure[2 * WORLD_CAUSE_MAX];

	(void)state;
	memset(failure, 'x', sizeof(failure));
	failure[sizeof(failure) - 1] = '\0';
	facts.failure = failure;
	world_of(&facts, &world, cause);
	assert_int_equal(strlen(world.cause), WORLD_CAUSE_MAX - 1);
}

/* The cause is for people: another text is no other world. */
static void test_same(void **state)
{
	struct identity_world a = {.tpm = FAILED, .cause = "x"}, b = {.tpm = FAILED, .cause = "y"};

	(void)state;
	assert_true(world_same(&a, &b));
	b.expected = true;
	assert_false(world_same(&a, &b));
	b = a;
	b.tpm = ABSENT;
	assert_false(world_same(&a, &b));
	b = a;
	b.provider = (struct provider *)&b;
	assert_false(world_same(&a, &b));
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_world),
		cmocka_unit_test(test_long_cause),
		cmocka_unit_test(test_same),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
