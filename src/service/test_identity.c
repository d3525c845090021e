/* SPDX-License-Identifier: Apache-2.0 */
#include "service/test_identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/x509.h"

/* Of the key in the chip, which others have for certificates only. */
static struct pkey *chip_pair;

void certify(struct identity_view *view, int64_t not_before, int64_t not_after)
{
	CLEANUP(buf_fini) struct buf info = BUF_INIT(X509_MAX);
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(256);
	const struct x509_spec spec = {
		.subject = slice_str("CN=gw-1"),
		.spki = buf_slice(&view->spki),
		.serial = {[X509_SERIAL_MAX - 1] = 0x2a},
		.not_before = not_before,
		.not_after = not_after,
		.scheme = PKEY_ECDSA,
		.hash = HASH_SHA256,
	};
	uint8_t digest[HASH_MAX_SIZE];
	struct slice part;
	struct err err;

	buf_reset(&view->chain);
	assert_int_equal(x509_info(&spec, &info, &err), 0);
	part = buf_slice(&info);
	assert_int_equal(hash_digest(HASH_SHA256, &part, 1, digest, &err), 0);
	assert_int_equal(pkey_sign(view->on_chip ? chip_pair : view->soft, PKEY_ECDSA, HASH_SHA256,
				   slice_of(digest, 32), &signature, &err),
			 0);
	assert_int_equal(x509_finish(part, PKEY_ECDSA, HASH_SHA256, buf_slice(&signature),
				     &view->chain, &err),
			 0);
}

static void give_key(struct identity_view *view, bool on_chip)
{
	static const uint8_t NAME[34] = {0, 0x0b, 0xaa};
	struct pkey **key = on_chip ? &chip_pair : &view->soft;
	struct err err;

	view->type = PKEY_ECC_P256;
	view->on_chip = on_chip;
	view->generation = 1;
	if (!*key)
		assert_int_equal(pkey_generate(view->type, key, &err), 0);
	assert_int_equal(pkey_to_spki(*key, &view->spki, &err), 0);
	certify(view, 1000, 4102444800);
	if (!on_chip)
		return;
	view->handle = IDENTITY_HANDLE;
	memcpy(view->name, NAME, sizeof(NAME));
	view->name_len = sizeof(NAME);
	buf_put_str(&view->header, "header");
}

struct identity_view *view_of(enum identity_mode mode)
{
	struct identity_view *view = calloc(1, sizeof(*view));

	assert_non_null(view);
	view->users = 1;
	view->mode = mode;
	view->header = (struct buf)BUF_INIT(IDENTITY_HEADER_MAX);
	view->spki = (struct buf)BUF_INIT(1024);
	view->chain = view->pending = (struct buf)BUF_INIT(IDENTITY_CHAIN_MAX);
	(void)snprintf(view->since, sizeof(view->since), "2026-01-17T14:25:01Z");
	(void)snprintf(view->reason, sizeof(view->reason), "a test");
	if (mode == IDENTITY_SOFTWARE)
		give_key(view, false);
	else if (mode != IDENTITY_UNPROVISIONED && mode != IDENTITY_RESETTING)
		give_key(view, true);
	return view;
}

void use_view(struct fixture *fixture, enum identity_mode mode)
{
	service_set_identity(fixture->service, view_of(mode));
}
