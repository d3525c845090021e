/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/attest.h"

#include "base/buf.h"
#include "base/mem.h"

/* Part 2, 6.2, 6.3, 6.9: numbers of the standard. */
#define GENERATED_VALUE 0xff544347u
#define ST_CERTIFY	0x8017u
#define ST_QUOTE	0x8018u
#define ALG_RSASSA	0x0014u
#define ALG_RSAPSS	0x0016u
#define ALG_ECDSA	0x0018u

#define SELECT_MAX    4u  /* bytes of a bitmap */
#define DATA_MAX      66u /* of a TPM2B_DATA or a Name */
#define SIGNATURE_MAX 512u
#define DER_MAX	      160u

#define REMEDY_FORGED                                                                              \
	"Do not trust what it says: it was altered, is of another key, or answers another "        \
	"request."

static const struct {
	uint16_t id;
	enum hash_alg hash;
} HASHES[] = {
	{0x0004, HASH_SHA1},
	{0x000b, HASH_SHA256},
	{0x000c, HASH_SHA384},
	{0x000d, HASH_SHA512},
};

bool attest_hash_of_id(uint16_t id, enum hash_alg *ret_hash)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(HASHES); i++) {
		if (HASHES[i].id != id)
			continue;
		*ret_hash = HASHES[i].hash;
		return true;
	}
	return false;
}

/* A TPM2B: two bytes of length, and as many bytes. */
static struct slice cursor_sized(struct cursor *cursor, size_t max)
{
	size_t len = cursor_u16(cursor);

	if (len > max)
		cursor->failed = true;
	return cursor->failed ? slice_of(NULL, 0) : cursor_take(cursor, len);
}

/* --- statements --- */

static int parse_bank(struct cursor *cursor, struct attest_pcrs *pcrs, struct err *err)
{
	uint16_t id = cursor_u16(cursor);
	size_t size = cursor_u8(cursor);
	struct slice bits = cursor_take(cursor, size <= SELECT_MAX ? size : SELECT_MAX + 1);
	uint32_t mask = 0, unused;
	enum hash_alg hash;
	size_t i;

	if (cursor->failed || size > SELECT_MAX)
		return err_set(err, ERR_INVALID, "the selection of PCRs is not whole");
	if (!attest_hash_of_id(id, &hash))
		return err_set(err, ERR_NOT_SUPPORTED, "PCRs of an unknown hash (0x%04x)", id);
	for (i = 0; i < bits.len; i++)
		mask |= (uint32_t)bits.data[i] << 8 * i;
	if (mask >> ATTEST_PCR_COUNT)
		return err_set(err, ERR_NOT_SUPPORTED, "PCRs above %u", ATTEST_PCR_COUNT - 1);
	if (attest_bank(pcrs, hash, &unused))
		return err_set(err, ERR_INVALID, "a bank of PCRs stands twice");
	pcrs->banks[pcrs->count].hash = hash;
	pcrs->banks[pcrs->count].mask = mask;
	pcrs->count++;
	return 0;
}

static int parse_quote(struct cursor *cursor, struct attest_statement *statement, struct err *err)
{
	uint32_t count = cursor_u32(cursor);
	int r = 0;

	if (count > ATTEST_BANKS)
		return err_set(err, ERR_NOT_SUPPORTED, "more than %u banks of PCRs", ATTEST_BANKS);
	while (r == 0 && statement->pcrs.count < count)
		r = parse_bank(cursor, &statement->pcrs, err);
	statement->digest = cursor_sized(cursor, HASH_MAX_SIZE);
	return r;
}

static int parse_certify(struct cursor *cursor, struct attest_statement *statement, struct err *err)
{
	(void)err;
	statement->name = cursor_sized(cursor, DATA_MAX);
	statement->qualified_name = cursor_sized(cursor, DATA_MAX);
	return 0;
}

static const struct {
	uint16_t tag;
	enum attest_kind kind;
	int (*parse)(struct cursor *cursor, struct attest_statement *statement, struct err *err);
} KINDS[] = {
	{ST_QUOTE, ATTEST_QUOTE, parse_quote},
	{ST_CERTIFY, ATTEST_CERTIFY, parse_certify},
};

static int parse_attested(struct cursor *cursor, uint16_t tag, struct attest_statement *statement,
			  struct err *err)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(KINDS); i++) {
		if (KINDS[i].tag != tag)
			continue;
		statement->kind = KINDS[i].kind;
		return KINDS[i].parse(cursor, statement, err);
	}
	return err_set(err, ERR_NOT_SUPPORTED, "a statement of kind 0x%04x", tag);
}

int attest_parse(struct slice bytes, struct attest_statement *ret_statement, struct err *err)
{
	struct attest_statement statement = {0};
	struct cursor cursor = cursor_of(bytes);
	uint32_t magic = cursor_u32(&cursor);
	uint16_t tag = cursor_u16(&cursor);
	int r;

	if (cursor.failed || magic != GENERATED_VALUE)
		return err_set(err, ERR_INVALID, "no statement of a TPM");
	statement.signer = cursor_sized(&cursor, DATA_MAX);
	statement.nonce = cursor_sized(&cursor, DATA_MAX);
	statement.clock = cursor_u64(&cursor);
	statement.reset_count = cursor_u32(&cursor);
	statement.restart_count = cursor_u32(&cursor);
	statement.safe = cursor_u8(&cursor) == 1;
	statement.firmware = cursor_u64(&cursor);
	if (cursor.failed)
		return err_set(err, ERR_INVALID, "the statement is cut short");
	r = parse_attested(&cursor, tag, &statement, err);
	if (r < 0)
		return r;
	if (!cursor_done(&cursor))
		return err_set(err, ERR_INVALID, "the statement is not whole");
	*ret_statement = statement;
	return 0;
}

/* --- signatures --- */

struct signature {
	enum pkey_scheme scheme;
	enum hash_alg hash;
	struct buf bytes; /* as pkey_verify() takes them */
};

static const struct {
	uint16_t id;
	enum pkey_scheme scheme;
} SCHEMES[] = {
	{ALG_RSASSA, PKEY_RSASSA},
	{ALG_RSAPSS, PKEY_RSAPSS},
	{ALG_ECDSA, PKEY_ECDSA},
};

static int parse_scheme(uint16_t id, enum pkey_scheme *ret_scheme, struct err *err)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(SCHEMES); i++) {
		if (SCHEMES[i].id != id)
			continue;
		*ret_scheme = SCHEMES[i].scheme;
		return 0;
	}
	return err_set(err, ERR_NOT_SUPPORTED, "a signature of an unknown scheme (0x%04x)", id);
}

static int parse_signature(struct slice bytes, const struct pkey *key, struct signature *signature,
			   struct err *err)
{
	struct cursor cursor = cursor_of(bytes);
	uint16_t scheme = cursor_u16(&cursor);
	uint16_t hash = cursor_u16(&cursor);
	struct slice first = cursor_sized(&cursor, SIGNATURE_MAX);
	struct slice second = slice_of(NULL, 0);
	int r = parse_scheme(scheme, &signature->scheme, err);

	if (r < 0)
		return r;
	if (signature->scheme == PKEY_ECDSA)
		second = cursor_sized(&cursor, SIGNATURE_MAX);
	if (!cursor_done(&cursor))
		return err_set(err, ERR_INVALID, "the signature is not whole");
	if (!attest_hash_of_id(hash, &signature->hash) || signature->hash == HASH_SHA1)
		return err_set(err, ERR_NOT_SUPPORTED, "a signature by an unknown or weak hash");
	if (pkey_type_is_rsa(pkey_type(key)) == (signature->scheme == PKEY_ECDSA))
		return err_set(err, ERR_DAMAGED, "the signature is of another type of key");
	if (signature->scheme == PKEY_ECDSA)
		return pkey_ecdsa_der(pkey_type(key), first, second, &signature->bytes, err);
	buf_put(&signature->bytes, first);
	return buf_ok(&signature->bytes) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

static int verify(const struct attest_claim *claim, const struct pkey *key,
		  struct signature *signature, struct err *err)
{
	uint8_t digest[HASH_MAX_SIZE];
	int r = parse_signature(claim->signature, key, signature, err);

	if (r == 0)
		r = hash_digest(signature->hash, &claim->attest, 1, digest, err);
	if (r < 0)
		return r;
	return pkey_verify(key, signature->scheme, signature->hash,
			   slice_of(digest, hash_size(signature->hash)),
			   buf_slice(&signature->bytes), err);
}

int attest_check(const struct attest_claim *claim, const struct pkey *key,
		 struct attest_statement *ret_statement, enum hash_alg *ret_hash, struct err *err)
{
	struct signature signature = {.bytes = BUF_INIT(SIGNATURE_MAX + DER_MAX)};
	struct attest_statement statement;
	int r = verify(claim, key, &signature, err);

	buf_fini(&signature.bytes);
	if (r == ERR_DAMAGED)
		return err_add_remedy(err, REMEDY_FORGED);
	if (r == 0)
		r = attest_parse(claim->attest, &statement, err);
	if (r < 0)
		return r;
	if (claim->nonce && !slice_equal(*claim->nonce, statement.nonce)) {
		(void)err_set(err, ERR_DAMAGED, "the statement answers another nonce");
		return err_add_remedy(err, REMEDY_FORGED);
	}
	*ret_statement = statement;
	if (ret_hash)
		*ret_hash = signature.hash;
	return 0;
}

/* --- PCRs --- */

static int other_pcrs(struct err *err)
{
	return err_set(err, ERR_DAMAGED, "the values are of other PCRs than the quote's");
}

/* The values in the order in which the chip hashes them (Part 3, TPM2_Quote). */
static int digest_of(const struct attest_statement *quote, enum hash_alg hash,
		     const struct attest_pcrs *values, uint8_t *ret_digest, struct err *err)
{
	struct slice parts[ATTEST_BANKS * ATTEST_PCR_COUNT];
	const uint8_t(*value)[HASH_MAX_SIZE];
	size_t i, count = 0;
	uint32_t mask = 0;
	unsigned n;

	/* Nor may they be of more banks: what was not quoted is nobody's word. */
	for (i = 0; i < values->count; i++) {
		if (!attest_bank(&quote->pcrs, values->banks[i].hash, &mask))
			mask = 0;
		if (values->banks[i].mask != mask)
			return other_pcrs(err);
	}
	for (i = 0; i < quote->pcrs.count; i++) {
		uint32_t wanted = quote->pcrs.banks[i].mask;

		value = attest_bank(values, quote->pcrs.banks[i].hash, &mask);
		if (wanted && (!value || mask != wanted))
			return other_pcrs(err);
		for (n = 0; n < ATTEST_PCR_COUNT; n++)
			if (wanted & UINT32_C(1) << n)
				parts[count++] =
					slice_of(value[n], hash_size(quote->pcrs.banks[i].hash));
	}
	return hash_digest(hash, parts, count, ret_digest, err);
}

int attest_check_pcrs(const struct attest_statement *quote, enum hash_alg hash,
		      const struct attest_pcrs *values, struct err *err)
{
	uint8_t digest[HASH_MAX_SIZE];
	int r;

	if (quote->kind != ATTEST_QUOTE)
		return err_set(err, ERR_INVALID, "the statement is no quote");
	r = digest_of(quote, hash, values, digest, err);
	if (r == 0 && !slice_equal(slice_of(digest, hash_size(hash)), quote->digest))
		r = err_set(err, ERR_DAMAGED, "the values are not those that were quoted");
	return r == ERR_DAMAGED ? err_add_remedy(err, REMEDY_FORGED) : r;
}
