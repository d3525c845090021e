/* SPDX-License-Identifier: Apache-2.0 */

/* Structures of TPM 2.0 Part 2, 12.2; marshalling by libtss2-mu, which checks every bound. */

#include "tpm/public.h"

#include <string.h>
#include <tss2/tss2_mu.h>

#include "crypto/pkey_parts.h"

#define STORAGE_ATTRIBUTES                                                                         \
	(TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |        \
	 TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED |                    \
	 TPMA_OBJECT_DECRYPT)
#define SEALED_ATTRIBUTES                                                                          \
	(TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_USERWITHAUTH |               \
	 TPMA_OBJECT_NODA)
#define KEY_ATTRIBUTES	   (PUBLIC_VOUCHED | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA)
#define SIGNING_ATTRIBUTES (KEY_ATTRIBUTES | TPMA_OBJECT_SIGN_ENCRYPT)

/* One row per key type: what its public area holds. */
static const struct type_row {
	TPMI_ALG_PUBLIC algorithm;
	TPMI_ECC_CURVE curve; /* ECC */
	UINT16 bits;
} type_rows[PKEY_TYPES] = {
	[PKEY_ECC_P256] = {.algorithm = TPM2_ALG_ECC, .curve = TPM2_ECC_NIST_P256, .bits = 256},
	[PKEY_ECC_P384] = {.algorithm = TPM2_ALG_ECC, .curve = TPM2_ECC_NIST_P384, .bits = 384},
	[PKEY_RSA_2048] = {.algorithm = TPM2_ALG_RSA, .bits = 2048},
	[PKEY_RSA_3072] = {.algorithm = TPM2_ALG_RSA, .bits = 3072},
};

static const TPMI_ALG_HASH hash_ids[HASH_ALGS] = {
	[HASH_SHA1] = TPM2_ALG_SHA1,
	[HASH_SHA256] = TPM2_ALG_SHA256,
	[HASH_SHA384] = TPM2_ALG_SHA384,
	[HASH_SHA512] = TPM2_ALG_SHA512,
};

static const TPMI_ALG_ASYM_SCHEME scheme_ids[PKEY_SCHEMES] = {
	[PKEY_ECDSA] = TPM2_ALG_ECDSA,
	[PKEY_RSASSA] = TPM2_ALG_RSASSA,
	[PKEY_RSAPSS] = TPM2_ALG_RSAPSS,
};

TPMI_ALG_HASH public_hash_id(enum hash_alg alg)
{
	return hash_ids[alg];
}

TPMI_ALG_ASYM_SCHEME public_scheme_id(enum pkey_scheme scheme)
{
	return scheme_ids[scheme];
}

int public_hash_of_id(TPMI_ALG_HASH id, enum hash_alg *ret_alg, struct err *err)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(hash_ids); i++) {
		if (hash_ids[i] == id) {
			*ret_alg = (enum hash_alg)i;
			return 0;
		}
	}
	return err_set(err, ERR_NOT_SUPPORTED, "the object uses hash 0x%04x", id);
}

/* An asymmetric key of the type, without scheme; the symmetric part is the caller's. */
static int key_area(enum pkey_type type, TPM2B_PUBLIC *ret_public, struct err *err)
{
	TPMT_PUBLIC *area = &ret_public->publicArea;

	if ((unsigned)type >= PKEY_TYPES)
		return err_set(err, ERR_INVALID, "no such key type");
	memset(ret_public, 0, sizeof(*ret_public));
	area->type = type_rows[type].algorithm;
	area->nameAlg = TPM2_ALG_SHA256;
	area->parameters.asymDetail.symmetric.algorithm = TPM2_ALG_NULL;
	area->parameters.asymDetail.scheme.scheme = TPM2_ALG_NULL;
	if (area->type == TPM2_ALG_RSA) {
		area->parameters.rsaDetail.keyBits = type_rows[type].bits;
	} else {
		area->parameters.eccDetail.curveID = type_rows[type].curve;
		area->parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
	}
	return 0;
}

int public_storage(enum pkey_type type, TPM2B_PUBLIC *ret_public, struct err *err)
{
	TPMT_SYM_DEF_OBJECT *symmetric;
	int r = key_area(type, ret_public, err);

	if (r < 0)
		return r;
	symmetric = &ret_public->publicArea.parameters.asymDetail.symmetric;
	symmetric->algorithm = TPM2_ALG_AES;
	symmetric->keyBits.aes = 128;
	symmetric->mode.aes = TPM2_ALG_CFB;
	ret_public->publicArea.objectAttributes = STORAGE_ATTRIBUTES;
	return 0;
}

void public_sealed(TPM2B_PUBLIC *ret_public)
{
	TPMT_PUBLIC *area = &ret_public->publicArea;

	memset(ret_public, 0, sizeof(*ret_public));
	area->type = TPM2_ALG_KEYEDHASH;
	area->nameAlg = TPM2_ALG_SHA256;
	area->objectAttributes = SEALED_ATTRIBUTES;
	area->parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL;
}

static void mac_key(TPM2B_PUBLIC *ret_public)
{
	TPMT_PUBLIC *area = &ret_public->publicArea;
	TPMT_KEYEDHASH_SCHEME *scheme = &area->parameters.keyedHashDetail.scheme;

	memset(ret_public, 0, sizeof(*ret_public));
	area->type = TPM2_ALG_KEYEDHASH;
	area->nameAlg = TPM2_ALG_SHA256;
	area->objectAttributes = SIGNING_ATTRIBUTES;
	scheme->scheme = TPM2_ALG_HMAC;
	scheme->details.hmac.hashAlg = TPM2_ALG_SHA256;
}

int public_key(enum pkey_type type, unsigned uses, TPM2B_PUBLIC *ret_public, struct err *err)
{
	TPMA_OBJECT *attributes = &ret_public->publicArea.objectAttributes;
	int r = 0;

	if (uses == ENGINE_MAC) {
		mac_key(ret_public);
		return 0;
	}
	r = key_area(type, ret_public, err);
	if (r < 0)
		return r;
	*attributes = KEY_ATTRIBUTES;
	if (uses & ENGINE_SIGN)
		*attributes |= TPMA_OBJECT_SIGN_ENCRYPT;
	if (uses & (pkey_type_is_rsa(type) ? ENGINE_DECRYPT : ENGINE_AGREE))
		*attributes |= TPMA_OBJECT_DECRYPT;
	if (!uses || public_uses(ret_public) != uses)
		return err_set(err, ERR_INVALID, "no key of type %s can do that",
			       pkey_type_name(type));
	return 0;
}

unsigned public_uses(const TPM2B_PUBLIC *public)
{
	const TPMT_PUBLIC *area = &public->publicArea;
	const TPMT_KEYEDHASH_SCHEME *scheme = &area->parameters.keyedHashDetail.scheme;
	bool sign = (area->objectAttributes & TPMA_OBJECT_SIGN_ENCRYPT) != 0;
	bool decrypt = (area->objectAttributes & TPMA_OBJECT_DECRYPT) != 0;

	if (area->type == TPM2_ALG_KEYEDHASH)
		return sign && !decrypt && scheme->scheme == TPM2_ALG_HMAC &&
				       scheme->details.hmac.hashAlg == TPM2_ALG_SHA256
			       ? ENGINE_MAC
			       : 0;
	if (public_type(public) == PKEY_TYPES)
		return 0;
	return (sign ? ENGINE_SIGN : 0u) | (!decrypt			 ? 0u
					    : area->type == TPM2_ALG_RSA ? ENGINE_DECRYPT
									 : ENGINE_AGREE);
}

size_t public_type_size(enum pkey_type type)
{
	return type_rows[type].bits / 8;
}

int public_attesting(enum pkey_type type, enum hash_alg hash, TPM2B_PUBLIC *ret_public,
		     struct err *err)
{
	TPMT_ASYM_SCHEME *scheme = &ret_public->publicArea.parameters.asymDetail.scheme;
	int r = key_area(type, ret_public, err);

	if (r < 0)
		return r;
	scheme->scheme = pkey_type_is_rsa(type) ? TPM2_ALG_RSASSA : TPM2_ALG_ECDSA;
	scheme->details.anySig.hashAlg = hash_ids[hash];
	ret_public->publicArea.objectAttributes = SIGNING_ATTRIBUTES | TPMA_OBJECT_RESTRICTED;
	return 0;
}

/* PolicyA: TPM2_PolicySecret(TPM_RH_ENDORSEMENT). PolicyB: that, or a policy in NV (B.6). */
static const uint8_t policy_a_sha256[] = {0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8,
					  0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
					  0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64,
					  0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa};
static const uint8_t policy_b_sha256[] = {0xca, 0x3d, 0x0a, 0x99, 0xa2, 0xb9, 0x39, 0x06,
					  0xf7, 0xa3, 0x34, 0x24, 0x14, 0xef, 0xcf, 0xb3,
					  0xa3, 0x85, 0xd4, 0x4c, 0xd1, 0xfd, 0x45, 0x90,
					  0x89, 0xd1, 0x9b, 0x50, 0x71, 0xc0, 0xb7, 0xa0};
static const uint8_t policy_b_sha384[] = {
	0xb2, 0x6e, 0x7d, 0x28, 0xd1, 0x1a, 0x50, 0xbc, 0x53, 0xd8, 0x82, 0xbc,
	0xf5, 0xfd, 0x3a, 0x1a, 0x07, 0x41, 0x48, 0xbb, 0x35, 0xd3, 0xb4, 0xe4,
	0xcb, 0x1c, 0x0a, 0xd9, 0xbd, 0xe4, 0x19, 0xca, 0xcb, 0x47, 0xba, 0x09,
	0x69, 0x96, 0x46, 0x15, 0x0f, 0x9f, 0xc0, 0x00, 0xf3, 0xf8, 0x0e, 0x12};

static void endorsement_policy(TPMT_PUBLIC *area, const uint8_t *policy, size_t size)
{
	area->authPolicy.size = (UINT16)size;
	memcpy(area->authPolicy.buffer, policy, size);
}

/* In the low range what is unique is as long as the key's numbers, and zero; in the high, empty. */
static void endorsement_unique(TPMT_PUBLIC *area)
{
	if (area->type == TPM2_ALG_RSA) {
		area->unique.rsa.size = area->parameters.rsaDetail.keyBits / 8;
		return;
	}
	area->unique.ecc.x.size = 32;
	area->unique.ecc.y.size = 32;
}

int public_endorsement(enum pkey_type type, bool high, TPM2B_PUBLIC *ret_public, struct err *err)
{
	TPMT_PUBLIC *area = &ret_public->publicArea;
	bool strong = type == PKEY_ECC_P384 || type == PKEY_RSA_3072;
	int r = public_storage(type, ret_public, err);

	if (r < 0)
		return r;
	if (strong && !high)
		return err_set(err, ERR_NOT_SUPPORTED, "no such endorsement key is defined");
	area->objectAttributes &= ~(TPMA_OBJECT)(TPMA_OBJECT_NODA | TPMA_OBJECT_USERWITHAUTH);
	area->objectAttributes |= TPMA_OBJECT_ADMINWITHPOLICY;
	if (high)
		area->objectAttributes |= TPMA_OBJECT_USERWITHAUTH;
	if (!high) {
		endorsement_policy(area, policy_a_sha256, sizeof(policy_a_sha256));
		endorsement_unique(area);
	} else if (strong) {
		area->nameAlg = TPM2_ALG_SHA384;
		area->parameters.asymDetail.symmetric.keyBits.aes = 256;
		endorsement_policy(area, policy_b_sha384, sizeof(policy_b_sha384));
	} else {
		endorsement_policy(area, policy_b_sha256, sizeof(policy_b_sha256));
	}
	return 0;
}

static bool same_bytes(const TPM2B_PUBLIC *a, const TPM2B_PUBLIC *b)
{
	uint8_t bytes[2][sizeof(TPM2B_PUBLIC)];
	size_t len[2] = {0};

	return !Tss2_MU_TPM2B_PUBLIC_Marshal(a, bytes[0], sizeof(bytes[0]), &len[0]) &&
	       !Tss2_MU_TPM2B_PUBLIC_Marshal(b, bytes[1], sizeof(bytes[1]), &len[1]) &&
	       slice_equal(slice_of(bytes[0], len[0]), slice_of(bytes[1], len[1]));
}

bool public_is_by(const TPM2B_PUBLIC *public, const TPM2B_PUBLIC *template)
{
	TPM2B_PUBLIC a = *public, b = *template;

	memset(&a.publicArea.unique, 0, sizeof(a.publicArea.unique));
	memset(&b.publicArea.unique, 0, sizeof(b.publicArea.unique));
	return same_bytes(&a, &b);
}

int public_name(const TPM2B_PUBLIC *public, struct engine_name *ret_name, struct err *err)
{
	uint8_t bytes[sizeof(TPMT_PUBLIC)];
	struct slice part;
	enum hash_alg alg = HASH_SHA256;
	size_t len = 0;
	int r;

	r = public_hash_of_id(public->publicArea.nameAlg, &alg, err);
	if (r < 0)
		return r;
	if (Tss2_MU_TPMT_PUBLIC_Marshal(&public->publicArea, bytes, sizeof(bytes), &len))
		return err_set(err, ERR_DAMAGED, "a public area does not hold together");
	part = slice_of(bytes, len);
	r = hash_digest(alg, &part, 1, ret_name->bytes + 2, err);
	if (r < 0)
		return r;
	ret_name->bytes[0] = (uint8_t)(public->publicArea.nameAlg >> 8);
	ret_name->bytes[1] = (uint8_t) public->publicArea.nameAlg;
	ret_name->len = 2 + hash_size(alg);
	return 0;
}

enum pkey_type public_type(const TPM2B_PUBLIC *public)
{
	const TPMT_PUBLIC *area = &public->publicArea;
	size_t i;

	for (i = 0; i < PKEY_TYPES; i++) {
		const struct type_row *row = &type_rows[i];

		if (row->algorithm != area->type)
			continue;
		if (area->type == TPM2_ALG_ECC ? row->curve == area->parameters.eccDetail.curveID
					       : row->bits == area->parameters.rsaDetail.keyBits)
			break;
	}
	return (enum pkey_type)i;
}

static int type_unknown(struct err *err)
{
	return err_set(err, ERR_NOT_SUPPORTED, "a key of a type that is not served");
}

const char *public_unfit_srk(const TPM2B_PUBLIC *public)
{
	static const struct {
		TPMA_OBJECT bit;
		const char *text;
	} wanted[] = {
		{TPMA_OBJECT_RESTRICTED, "not restricted"},
		{TPMA_OBJECT_DECRYPT, "not a storage key"},
		{TPMA_OBJECT_FIXEDTPM, "not fixed to the TPM"},
		{TPMA_OBJECT_FIXEDPARENT, "not fixed to its parent"},
		{TPMA_OBJECT_SENSITIVEDATAORIGIN, "made from outside data"},
		{TPMA_OBJECT_USERWITHAUTH, "not usable with a password"},
		{TPMA_OBJECT_NODA, "subject to dictionary-attack lockout"},
	};
	const TPMT_PUBLIC *area = &public->publicArea;
	size_t i;

	if (public_type(public) == PKEY_TYPES)
		return "of a type that is not served";
	for (i = 0; i < ARRAY_LEN(wanted); i++)
		if (!(area->objectAttributes & wanted[i].bit))
			return wanted[i].text;
	if (area->objectAttributes & TPMA_OBJECT_SIGN_ENCRYPT)
		return "a signing key";
	if (area->nameAlg != TPM2_ALG_SHA256)
		return "named by a hash other than SHA-256";
	return NULL;
}

int public_to_pkey(const TPM2B_PUBLIC *public, struct pkey **ret_pkey, struct err *err)
{
	const TPMT_PUBLIC *area = &public->publicArea;
	enum pkey_type type = public_type(public);

	if (type == PKEY_TYPES)
		return type_unknown(err);
	if (area->type == TPM2_ALG_RSA)
		return pkey_from_rsa(slice_of(area->unique.rsa.buffer, area->unique.rsa.size),
				     area->parameters.rsaDetail.exponent, ret_pkey, err);
	return pkey_from_ecc(type, slice_of(area->unique.ecc.x.buffer, area->unique.ecc.x.size),
			     slice_of(area->unique.ecc.y.buffer, area->unique.ecc.y.size), ret_pkey,
			     err);
}

void public_point(const struct pkey_point *point, TPMS_ECC_POINT *ret_point)
{
	ret_point->x.size = ret_point->y.size = (UINT16)point->size;
	memcpy(ret_point->x.buffer, point->x, point->size);
	memcpy(ret_point->y.buffer, point->y, point->size);
}

int public_unmarshal(struct slice bytes, TPM2B_PUBLIC *ret_public, struct err *err)
{
	TPM2B_PUBLIC public = {0};
	size_t offset = 0;

	if (Tss2_MU_TPM2B_PUBLIC_Unmarshal(bytes.data, bytes.len, &offset, &public) ||
	    offset != bytes.len)
		return err_set(err, ERR_DAMAGED, "a public area is damaged");
	*ret_public = public;
	return 0;
}

int private_unmarshal(struct slice bytes, TPM2B_PRIVATE *ret_private, struct err *err)
{
	TPM2B_PRIVATE private = {0};
	size_t offset = 0;

	if (Tss2_MU_TPM2B_PRIVATE_Unmarshal(bytes.data, bytes.len, &offset, &private) ||
	    offset != bytes.len)
		return err_set(err, ERR_DAMAGED, "a private area is damaged");
	*ret_private = private;
	return 0;
}

static int put_marshalled(TSS2_RC rc, const uint8_t *bytes, size_t len, struct buf *ret_bytes,
			  struct err *err)
{
	if (!rc)
		buf_put(ret_bytes, slice_of(bytes, len));
	if (rc || !buf_ok(ret_bytes))
		return err_set(err, ERR_INTERNAL, "an object does not fit its buffer");
	return 0;
}

int public_marshal(const TPM2B_PUBLIC *public, struct buf *ret_bytes, struct err *err)
{
	uint8_t bytes[sizeof(TPM2B_PUBLIC)];
	size_t len = 0;
	TSS2_RC rc = Tss2_MU_TPM2B_PUBLIC_Marshal(public, bytes, sizeof(bytes), &len);

	return put_marshalled(rc, bytes, len, ret_bytes, err);
}

int private_marshal(const TPM2B_PRIVATE *private, struct buf *ret_bytes, struct err *err)
{
	uint8_t bytes[sizeof(TPM2B_PRIVATE)];
	size_t len = 0;
	TSS2_RC rc = Tss2_MU_TPM2B_PRIVATE_Marshal(private, bytes, sizeof(bytes), &len);

	return put_marshalled(rc, bytes, len, ret_bytes, err);
}

int public_signature(enum pkey_type type, const TPMT_SIGNATURE *signature,
		     struct buf *ret_signature, struct err *err)
{
	const TPM2B_ECC_PARAMETER *r = &signature->signature.ecdsa.signatureR;
	const TPM2B_ECC_PARAMETER *s = &signature->signature.ecdsa.signatureS;
	const TPM2B_PUBLIC_KEY_RSA *rsa = &signature->signature.rsassa.sig;

	switch (signature->sigAlg) {
	case TPM2_ALG_ECDSA:
		return pkey_ecdsa_der(type, slice_of(r->buffer, r->size),
				      slice_of(s->buffer, s->size), ret_signature, err);
	case TPM2_ALG_RSAPSS:
		rsa = &signature->signature.rsapss.sig;
		__attribute__((fallthrough));
	case TPM2_ALG_RSASSA:
		buf_put(ret_signature, slice_of(rsa->buffer, rsa->size));
		if (!buf_ok(ret_signature))
			return err_set(err, ERR_INTERNAL, "a signature does not fit its buffer");
		return 0;
	default:
		return err_set(err, ERR_TPM_FAILED, "the TPM answered with another signature");
	}
}

int engine_public_parse(struct slice bytes, struct engine_public *ret_public, struct err *err)
{
	CLEANUP(pkey_cleanup) struct pkey *key = NULL;
	struct engine_public parsed = {0};
	TPM2B_PUBLIC public;
	TPMA_OBJECT attributes;
	int r;

	r = public_unmarshal(bytes, &public, err);
	if (r < 0)
		return r;
	parsed.type = public_type(&public);
	parsed.uses = public_uses(&public);
	if (parsed.type == PKEY_TYPES && parsed.uses != ENGINE_MAC)
		return type_unknown(err);
	r = public_name(&public, &parsed.name, err);
	if (r == 0 && parsed.uses != ENGINE_MAC)
		r = public_to_pkey(&public, &key, err);
	if (r < 0)
		return r;
	attributes = public.publicArea.objectAttributes;
	parsed.restricted = (attributes & TPMA_OBJECT_RESTRICTED) != 0;
	parsed.user_with_auth = (attributes & TPMA_OBJECT_USERWITHAUTH) != 0;
	parsed.key = TAKE(key);
	*ret_public = parsed;
	return 0;
}
