/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/test_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct pkey *keys[PKEY_TYPES];

int keys_make(void **state)
{
	struct err err = {0};

	(void)state;
	for (unsigned i = 0; i < PKEY_TYPES; i++)
		if (pkey_generate((enum pkey_type)i, &keys[i], &err) < 0)
			return -1;
	return 0;
}

int keys_free(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PKEY_TYPES; i++)
		pkey_free(keys[i]);
	pkey_free(NULL);
	return 0;
}

void spki_of(const struct pkey *pkey, struct buf *ret_der)
{
	struct err err = {0};

	assert_int_equal(pkey_to_spki(pkey, ret_der, &err), 0);
}
