/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ASN.1 of the header as a template, which OpenSSL's coder walks; then the checks that a
 * template cannot express. Policies are kept as ANY: whether one stands there is all we ask.
 */

#include "crypto/keyfile.h"

#include <openssl/asn1.h>
#include <openssl/asn1t.h>
#include <openssl/bio.h>
#include <openssl/objects.h>
#include <openssl/pem.h>

#include "crypto/ossl.h"

#define TSS2_LABEL "TSS2 PRIVATE KEY"

struct tpm_key {
	ASN1_OBJECT *type;
	ASN1_BOOLEAN empty_auth; /* -1 when absent */
	ASN1_TYPE *policy;
	ASN1_OCTET_STRING *secret;
	ASN1_TYPE *auth_policy;
	ASN1_UTF8STRING *description;
	ASN1_BOOLEAN rsa_parent;
	ASN1_INTEGER *parent;
	ASN1_OCTET_STRING *pubkey;
	ASN1_OCTET_STRING *privkey;
};

/* clang-format off */
ASN1_SEQUENCE(TPM_KEY) = {
	ASN1_SIMPLE(struct tpm_key, type, ASN1_OBJECT),
	ASN1_EXP_OPT(struct tpm_key, empty_auth, ASN1_BOOLEAN, 0),
	ASN1_EXP_OPT(struct tpm_key, policy, ASN1_ANY, 1),
	ASN1_EXP_OPT(struct tpm_key, secret, ASN1_OCTET_STRING, 2),
	ASN1_EXP_OPT(struct tpm_key, auth_policy, ASN1_ANY, 3),
	ASN1_EXP_OPT(struct tpm_key, description, ASN1_UTF8STRING, 4),
	ASN1_EXP_OPT(struct tpm_key, rsa_parent, ASN1_BOOLEAN, 5),
	ASN1_SIMPLE(struct tpm_key, parent, ASN1_INTEGER),
	ASN1_SIMPLE(struct tpm_key, pubkey, ASN1_OCTET_STRING),
	ASN1_SIMPLE(struct tpm_key, privkey, ASN1_OCTET_STRING),
} static_ASN1_SEQUENCE_END_name(struct tpm_key, TPM_KEY)
	/* clang-format on */

	static const char *const type_oids[] = {
		[KEYFILE_LOADABLE] = "2.23.133.10.1.3",
		[KEYFILE_SEALED] = "2.23.133.10.1.5",
};

/* Owner, null, endorsement, platform (TPM 2.0 Part 2, 7.4). */
static const uint32_t hierarchies[] = {0x40000001, 0x40000007, 0x4000000b, 0x4000000c};

static void tpm_key_cleanup(struct tpm_key **key)
{
	ASN1_item_free((ASN1_VALUE *)*key, ASN1_ITEM_rptr(TPM_KEY));
}

static void bio_cleanup(BIO **bio)
{
	BIO_free(*bio);
}

void keyfile_fini(struct keyfile *keyfile)
{
	buf_fini(&keyfile->pubkey);
	buf_fini(&keyfile->privkey);
}

static bool parent_known(uint64_t parent)
{
	for (size_t i = 0; i < ARRAY_LEN(hierarchies); i++)
		if (parent == hierarchies[i])
			return true;
	return parent >= 0x81000000 && parent <= 0x81ffffff;
}

/* A TPM2B: its size and exactly so many bytes, at least one. */
static bool part_whole(struct slice part)
{
	struct cursor cursor = cursor_of(part);
	uint16_t size = cursor_u16(&cursor);

	(void)cursor_take(&cursor, size);
	return part.len <= KEYFILE_PART_MAX && size > 0 && cursor_done(&cursor);
}

static struct slice octets(const ASN1_OCTET_STRING *string)
{
	return slice_of(ASN1_STRING_get0_data(string), (size_t)ASN1_STRING_length(string));
}

static int read_type(const struct tpm_key *key, struct keyfile *file, struct err *err)
{
	char oid[64] = "";

	OBJ_obj2txt(oid, sizeof(oid), key->type, 1);
	for (unsigned i = 0; i < ARRAY_LEN(type_oids); i++) {
		if (strcmp(oid, type_oids[i]) == 0) {
			file->type = (enum keyfile_type)i;
			return 0;
		}
	}
	return err_set(err, ERR_NOT_SUPPORTED,
		       "the TSS2 file is of a kind other than loadable key and sealed data");
}

static int read_fields(const struct tpm_key *key, struct keyfile *file, struct err *err)
{
	struct slice pub = octets(key->pubkey), priv = octets(key->privkey);
	uint64_t parent = 0;

	if (key->policy)
		return err_set(err, ERR_NOT_SUPPORTED, "TSS2 keys with a policy are not supported");
	if (key->secret)
		return err_set(err, ERR_NOT_SUPPORTED, "importable TSS2 keys are not supported");
	if (ASN1_INTEGER_get_uint64(&parent, key->parent) != 1 || !parent_known(parent))
		return ossl_fail(
			err, ERR_INVALID,
			"the parent in the TSS2 file is no persistent handle or hierarchy");
	if (!part_whole(pub) || !part_whole(priv))
		return err_set(err, ERR_INVALID, "the TSS2 file holds no whole TPM key");
	file->empty_auth = key->empty_auth > 0;
	file->parent = (uint32_t)parent;
	file->pubkey.max = KEYFILE_PART_MAX;
	file->privkey.max = KEYFILE_PART_MAX;
	buf_put(&file->pubkey, pub);
	buf_put(&file->privkey, priv);
	if (!buf_ok(&file->pubkey) || !buf_ok(&file->privkey))
		return err_set(err, ERR_INTERNAL, "out of memory");
	return 0;
}

int keyfile_read(struct slice pem, struct keyfile *ret_keyfile, struct err *err)
{
	CLEANUP(ossl_bytes_cleanup) struct ossl_bytes der = {0};
	CLEANUP(tpm_key_cleanup) struct tpm_key *key = NULL;
	CLEANUP(keyfile_cleanup) struct keyfile file = {0};
	const uint8_t *at;
	int r;

	/* OpenSSL takes a label with blanks behind it for the same; nobody else does. */
	if (pem.len > KEYFILE_PEM_MAX || !keyfile_is_tss2(pem) ||
	    !ossl_pem_find(pem, TSS2_LABEL, &der))
		return err_set(err, ERR_INVALID, "the text holds no " TSS2_LABEL " in PEM");
	at = der.data;
	key = (struct tpm_key *)ASN1_item_d2i(NULL, &at, (long)der.len, ASN1_ITEM_rptr(TPM_KEY));
	if (!key)
		return ossl_fail(err, ERR_INVALID, "the " TSS2_LABEL " is not readable");
	if (at != der.data + der.len)
		return err_set(err, ERR_INVALID, "bytes are left over behind the TSS2 key");
	r = read_type(key, &file, err);
	if (r == 0)
		r = read_fields(key, &file, err);
	if (r < 0)
		return r;
	*ret_keyfile = file;
	file = (struct keyfile){0};
	return 0;
}

static bool fill(struct tpm_key *key, const struct keyfile *file)
{
	key->type = OBJ_txt2obj(type_oids[file->type], 1);
	/* Written even when false: tpm2-openssl takes an absent one for true. */
	key->empty_auth = file->empty_auth ? 0xff : 0;
	return key->type && ASN1_INTEGER_set_uint64(key->parent, file->parent) == 1 &&
	       ASN1_OCTET_STRING_set(key->pubkey, file->pubkey.data, (int)file->pubkey.len) == 1 &&
	       ASN1_OCTET_STRING_set(key->privkey, file->privkey.data, (int)file->privkey.len) == 1;
}

int keyfile_write(const struct keyfile *keyfile, struct buf *ret_pem, struct err *err)
{
	CLEANUP(tpm_key_cleanup) struct tpm_key *key = NULL;
	CLEANUP(ossl_bytes_cleanup) struct ossl_bytes der = {0};
	CLEANUP(bio_cleanup) BIO *bio = NULL;
	int len;

	if (!part_whole(buf_slice(&keyfile->pubkey)) || !part_whole(buf_slice(&keyfile->privkey)) ||
	    !parent_known(keyfile->parent))
		return err_set(err, ERR_INVALID, "not a whole TPM key");
	key = (struct tpm_key *)ASN1_item_new(ASN1_ITEM_rptr(TPM_KEY));
	if (!key || !fill(key, keyfile))
		return ossl_fail(err, ERR_INTERNAL, "the TSS2 key cannot be encoded");
	len = ASN1_item_i2d((const ASN1_VALUE *)key, &der.data, ASN1_ITEM_rptr(TPM_KEY));
	bio = BIO_new(BIO_s_mem());
	if (len <= 0 || !bio)
		return ossl_fail(err, ERR_INTERNAL, "the TSS2 key cannot be encoded");
	der.len = (size_t)len;
	if (PEM_write_bio(bio, TSS2_LABEL, "", der.data, len) <= 0)
		return ossl_fail(err, ERR_INTERNAL, "the TSS2 key cannot be encoded");
	ossl_bio_take(bio, ret_pem);
	if (!buf_ok(ret_pem))
		return err_set(err, ERR_INTERNAL, "no room for a TSS2 key");
	return 0;
}

bool keyfile_is_tss2(struct slice pem)
{
	static const char begin[] = "-----BEGIN " TSS2_LABEL "-----";

	return pem.len > 0 && memmem(pem.data, pem.len, begin, sizeof(begin) - 1) != NULL;
}
