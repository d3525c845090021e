/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both directions of a duplicate. The order inside is the chip's: keys from the seed, encryption,
 * then the HMAC over ciphertext and Name (Part 1, 23.3.2.3).
 */

#include "wrap/duplicate.h"

#include "crypto/cipher.h"
#include "wrap/impl.h"
#include "wrap/seed.h"

#define SEALED_ATTRIBUTES (OBJECT_USER_WITH_AUTH | OBJECT_NO_DA)
#define OBFUSCATION	  NAME_DIGEST /* seedValue: salts the digest in the public area */

/* The sizes before what TPM2B_SENSITIVE has (Part 2, 12.3): size, type, three sizes inside. */
#define SENSITIVE_FRAME (5u * 2u + OBFUSCATION)
#define HMAC_FRAME	(2u + NAME_DIGEST)
#define SENSITIVE_MAX	(SENSITIVE_FRAME + DUPLICATE_DATA_MAX)

static const uint8_t zero_iv[16];

void duplicate_made_fini(struct duplicate_made *made)
{
	buf_fini(&made->public_area);
	buf_fini(&made->private_area);
	buf_fini(&made->seed);
}

struct duplicate duplicate_of(const struct duplicate_made *made)
{
	return (struct duplicate){
		.public_area = buf_slice(&made->public_area),
		.private_area = buf_slice(&made->private_area),
		.seed = buf_slice(&made->seed),
	};
}

static int damaged(struct err *err)
{
	return err_set(err, ERR_DAMAGED, "made for another storage key, or changed");
}

/* --- the outer wrapper --------------------------------------------------------------------- */

/* In place; and back. */
static int sensitive_cipher(const struct duplicate_wrapper *wrapper, bool encrypt, uint8_t *data,
			    size_t len, struct err *err)
{
	const struct hash_kdfa kdf = {
		.alg = HASH_SHA256,
		.key = wrapper->seed,
		.label = "STORAGE",
		.context_u = wrapper->name,
		.bits = wrapper->key_bits,
	};
	uint8_t key[CIPHER_KEY256];
	int r;

	if (kdf.bits != 128 && kdf.bits != 256)
		return err_set(err, ERR_INTERNAL, "a parent has AES with 128 or 256 bits");
	r = hash_kdfa(&kdf, key, err);
	if (r == 0)
		r = cipher_cfb(slice_of(key, kdf.bits / 8), zero_iv, encrypt, data, len, err);
	wipe(key, sizeof(key));
	return r;
}

static int outer_hmac(const struct duplicate_wrapper *wrapper, struct slice sealed,
		      uint8_t ret_hmac[NAME_DIGEST], struct err *err)
{
	const struct hash_kdfa kdf = {
		.alg = HASH_SHA256,
		.key = wrapper->seed,
		.label = "INTEGRITY",
		.bits = NAME_DIGEST * 8,
	};
	const struct slice parts[] = {sealed, wrapper->name};
	uint8_t key[NAME_DIGEST];
	int r = hash_kdfa(&kdf, key, err);

	if (r == 0)
		r = hash_hmac(HASH_SHA256, slice_of(key, sizeof(key)), parts, ARRAY_LEN(parts),
			      ret_hmac, err);
	wipe(key, sizeof(key));
	return r;
}

int duplicate_wrap(const struct duplicate_wrapper *wrapper, uint8_t *sensitive, size_t len,
		   struct buf *ret_private, struct err *err)
{
	uint8_t hmac[NAME_DIGEST];
	int r = sensitive_cipher(wrapper, true, sensitive, len, err);

	if (r == 0)
		r = outer_hmac(wrapper, slice_of(sensitive, len), hmac, err);
	if (r < 0)
		return r;
	buf_put_u16(ret_private, NAME_DIGEST);
	buf_put(ret_private, slice_of(hmac, sizeof(hmac)));
	buf_put(ret_private, slice_of(sensitive, len));
	return buf_ok(ret_private) ? 0 : err_set(err, ERR_INTERNAL, "a sealed key does not fit");
}

/* --- making -------------------------------------------------------------------------------- */

/* TPMT_PUBLIC of sealed data (Part 2, 12.2.4) but for what is unique. */
static void put_public_head(struct buf *area)
{
	buf_put_u16(area, ALG_KEYEDHASH);
	buf_put_u16(area, ALG_SHA256);
	buf_put_u32(area, SEALED_ATTRIBUTES);
	buf_put_u16(area, 0); /* no policy */
	buf_put_u16(area, ALG_NULL);
	buf_put_u16(area, NAME_DIGEST);
}

static void put_sized(struct buf *buf, struct slice bytes)
{
	buf_put_u16(buf, (uint16_t)bytes.len);
	buf_put(buf, bytes);
}

static int put_public(struct slice obfuscation, struct slice data, struct buf *ret_area,
		      uint8_t ret_name[WRAP_NAME_SIZE], struct err *err)
{
	CLEANUP(buf_fini) struct buf area = BUF_INIT(DUPLICATE_PART_MAX);
	const struct slice parts[] = {obfuscation, data};
	uint8_t unique[NAME_DIGEST];
	int r = hash_digest(HASH_SHA256, parts, ARRAY_LEN(parts), unique, err);

	if (r < 0)
		return r;
	put_public_head(&area);
	buf_put(&area, slice_of(unique, sizeof(unique)));
	put_sized(ret_area, buf_slice(&area));
	return public_area_name(buf_slice(&area), ret_name, err);
}

static void put_sensitive(struct slice obfuscation, struct slice data, struct buf *ret_sensitive)
{
	buf_put_u16(ret_sensitive, (uint16_t)(SENSITIVE_FRAME - 2 + data.len));
	buf_put_u16(ret_sensitive, ALG_KEYEDHASH);
	buf_put_u16(ret_sensitive, 0); /* no password */
	put_sized(ret_sensitive, obfuscation);
	put_sized(ret_sensitive, data);
}

static int put_private(const struct duplicate_wrapper *wrapper, struct buf *sensitive,
		       struct buf *ret_private, struct err *err)
{
	CLEANUP(buf_fini) struct buf inside = BUF_INIT(DUPLICATE_PART_MAX);
	int r = buf_ok(sensitive)
			? duplicate_wrap(wrapper, sensitive->data, sensitive->len, &inside, err)
			: err_set(err, ERR_INTERNAL, "out of memory");

	if (r == 0)
		put_sized(ret_private, buf_slice(&inside));
	return r;
}

static int put_seed(const struct wrap_public *parent, uint8_t ret_seed[SEED_SIZE],
		    struct buf *ret_sealed, struct err *err)
{
	CLEANUP(buf_fini) struct buf sealed = BUF_INIT(DUPLICATE_PART_MAX - 2);
	const struct seed_holder holder = {.key = parent->key, .x = parent->x, .use = "DUPLICATE"};
	int r = seed_make(&holder, ret_seed, &sealed, err);

	if (r == 0)
		put_sized(ret_sealed, buf_slice(&sealed));
	return r;
}

int duplicate_make(const struct wrap_public *parent, const struct secret *data,
		   struct duplicate_made *ret_made, struct err *err)
{
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	CLEANUP(buf_fini) struct buf sensitive = BUF_INIT(SENSITIVE_MAX);
	uint8_t name[WRAP_NAME_SIZE], obfuscation[OBFUSCATION], seed[SEED_SIZE] = {0};
	const struct slice salt = slice_of(obfuscation, sizeof(obfuscation));
	const struct duplicate_wrapper wrapper = {.seed = slice_of(seed, sizeof(seed)),
						  .name = slice_of(name, sizeof(name)),
						  .key_bits = parent->key_bits};
	int r = cipher_random(obfuscation, sizeof(obfuscation), err);

	if (r == 0 && (secret_size(data) == 0 || secret_size(data) > DUPLICATE_DATA_MAX))
		r = err_set(err, ERR_INVALID, "1 to %u bytes can be sealed", DUPLICATE_DATA_MAX);
	if (r == 0)
		r = put_public(salt, secret_slice(data), &made.public_area, name, err);
	if (r == 0)
		r = put_seed(parent, seed, &made.seed, err);
	if (r == 0) {
		put_sensitive(salt, secret_slice(data), &sensitive);
		r = put_private(&wrapper, &sensitive, &made.private_area, err);
	}
	wipe(seed, sizeof(seed));
	wipe(obfuscation, sizeof(obfuscation));
	if (r < 0)
		return r;
	if (!buf_ok(&made.public_area) || !buf_ok(&made.private_area) || !buf_ok(&made.seed))
		return err_set(err, ERR_INTERNAL, "out of memory");
	duplicate_made_fini(ret_made);
	*ret_made = made;
	made = (struct duplicate_made)DUPLICATE_MADE_INIT;
	return 0;
}

/* --- opening ------------------------------------------------------------------------------- */

/* The parts without their frames. */
struct parts {
	struct slice area;   /* TPMT_PUBLIC */
	struct slice unique; /* its end */
	struct slice hmac;
	struct slice sealed; /* TPM2B_SENSITIVE, encrypted */
	struct slice seed;
};

static bool split_public(struct slice bytes, struct slice head, struct parts *parts)
{
	if (!sized_whole(bytes, &parts->area) || parts->area.len != head.len + NAME_DIGEST)
		return false;
	parts->unique = slice_of(parts->area.data + head.len, NAME_DIGEST);
	return slice_equal(slice_of(parts->area.data, head.len), head);
}

static bool split_private(struct slice bytes, struct parts *parts)
{
	struct slice inside = {0};
	struct cursor cursor;
	uint16_t size;

	if (!sized_whole(bytes, &inside))
		return false;
	cursor = cursor_of(inside);
	size = cursor_u16(&cursor);
	parts->hmac = cursor_take(&cursor, NAME_DIGEST);
	parts->sealed = cursor.rest;
	return !cursor.failed && size == NAME_DIGEST && parts->sealed.len > SENSITIVE_FRAME &&
	       parts->sealed.len <= SENSITIVE_MAX;
}

/*
 * One RSA block, or a point as TPMS_ECC_POINT with both halves whole. A chip takes bytes behind
 * the point, so nobody else looks.
 */
static bool seed_has_form(struct slice seed)
{
	static const size_t BLOCKS[] = {256, 384};
	struct cursor cursor = cursor_of(seed);
	struct slice x, y;

	for (size_t i = 0; i < ARRAY_LEN(BLOCKS); i++)
		if (seed.len == BLOCKS[i])
			return true;
	x = cursor_take(&cursor, cursor_u16(&cursor));
	y = cursor_take(&cursor, cursor_u16(&cursor));
	return cursor_done(&cursor) && x.len == y.len && (x.len == 32 || x.len == 48);
}

static int split(const struct duplicate *duplicate, struct parts *ret_parts, struct err *err)
{
	CLEANUP(buf_fini) struct buf head = BUF_INIT(64);
	struct parts parts = {0};

	put_public_head(&head);
	if (!buf_ok(&head))
		return err_set(err, ERR_INTERNAL, "memory is short");
	if (duplicate->seed.len > DUPLICATE_PART_MAX ||
	    !split_public(duplicate->public_area, buf_slice(&head), &parts) ||
	    !split_private(duplicate->private_area, &parts) ||
	    !sized_whole(duplicate->seed, &parts.seed) || !seed_has_form(parts.seed))
		return err_set(err, ERR_DAMAGED, "this is no data sealed for a storage key");
	*ret_parts = parts;
	return 0;
}

int duplicate_check(const struct duplicate *duplicate, struct err *err)
{
	struct parts parts;

	return split(duplicate, &parts, err);
}

/* The reverse of put_sensitive(); and the data are those of the public area. */
static int take_data(struct slice sensitive, struct slice unique, struct secret **ret_data,
		     struct err *err)
{
	struct cursor cursor = cursor_of(sensitive);
	uint8_t digest[NAME_DIGEST];
	struct slice salted[2];
	bool framed = cursor_u16(&cursor) == sensitive.len - 2 &&
		      cursor_u16(&cursor) == ALG_KEYEDHASH && cursor_u16(&cursor) == 0 &&
		      cursor_u16(&cursor) == OBFUSCATION;
	int r;

	salted[0] = cursor_take(&cursor, OBFUSCATION);
	salted[1] = cursor_take(&cursor, cursor_u16(&cursor));
	if (!framed || !cursor_done(&cursor))
		return damaged(err);
	r = hash_digest(HASH_SHA256, salted, ARRAY_LEN(salted), digest, err);
	if (r < 0)
		return r;
	if (!secret_equal(slice_of(digest, sizeof(digest)), unique))
		return damaged(err);
	return secret_copy(salted[1], ret_data, err);
}

static int unwrap(const struct duplicate_wrapper *wrapper, const struct parts *parts,
		  struct secret **ret_data, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	uint8_t hmac[NAME_DIGEST];
	int r = outer_hmac(wrapper, parts->sealed, hmac, err);

	if (r < 0)
		return r;
	if (!secret_equal(slice_of(hmac, sizeof(hmac)), parts->hmac))
		return damaged(err);
	r = secret_copy(parts->sealed, &plain, err);
	if (r == 0)
		r = sensitive_cipher(wrapper, false, secret_data(plain), secret_size(plain), err);
	return r < 0 ? r : take_data(secret_slice(plain), parts->unique, ret_data, err);
}

int duplicate_open(const struct pkey *own, const struct wrap_public *parent,
		   const struct duplicate *duplicate, struct secret **ret_data, struct err *err)
{
	const struct seed_holder holder = {.key = own, .x = parent->x, .use = "DUPLICATE"};
	uint8_t seed[SEED_SIZE] = {0}, name[WRAP_NAME_SIZE];
	const struct duplicate_wrapper wrapper = {.seed = slice_of(seed, sizeof(seed)),
						  .name = slice_of(name, sizeof(name)),
						  .key_bits = parent->key_bits};
	struct parts parts;
	int r = split(duplicate, &parts, err);

	if (r == 0)
		r = public_area_name(parts.area, name, err);
	if (r == 0) {
		r = seed_open(&holder, parts.seed, seed, err);
		if (r < 0 && r != ERR_INTERNAL)
			r = damaged(err);
	}
	if (r == 0)
		r = unwrap(&wrapper, &parts, ret_data, err);
	wipe(seed, sizeof(seed));
	return r;
}
