/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An object.json spells the TPM's structures out in words; here they become bytes again (TPM 2.0
 * Part 2, 11 and 12). Whether they became the right ones is known at once: FAPI stores the
 * object's Name beside them. The file has no protection of its own, so all of it is doubted; what
 * gets through is still checked by the chip, which loads nothing that it did not make.
 */
#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "base/json.h"
#include "crypto/hash.h"
#include "fapi/impl.h"

#define PERSISTENT_FIRST UINT32_C(0x81000000)
#define PERSISTENT_LAST	 UINT32_C(0x81ffffff)
#define OBJECT_TYPE_KEY	 1 /* keys and sealed data; the others are NV, policies, .. */

#define ALG_RSA	      0x0001u
#define ALG_KEYEDHASH 0x0008u
#define ALG_XOR	      0x000au
#define ALG_SHA256    0x000bu
#define ALG_NULL      0x0010u
#define ALG_RSAES     0x0015u
#define ALG_ECDAA     0x001au
#define ALG_ECC	      0x0023u

#define ATTRIBUTE_RESTRICTED (UINT32_C(1) << 16)
#define ATTRIBUTE_DECRYPT    (UINT32_C(1) << 17)
#define ATTRIBUTE_SIGN	     (UINT32_C(1) << 18)

/* Part 2, 6.3 and 6.4: what can stand in the public area of a key or of sealed data. */
struct word {
	const char *text;
	uint16_t id;
};

static const struct word ALGORITHMS[] = {
	{"RSA", ALG_RSA},     {"KEYEDHASH", ALG_KEYEDHASH},
	{"ECC", ALG_ECC},     {"NULL", ALG_NULL},
	{"SHA1", 0x0004},     {"SHA256", ALG_SHA256},
	{"SHA384", 0x000c},   {"SHA512", 0x000d},
	{"SM3_256", 0x0012},  {"AES", 0x0006},
	{"SM4", 0x0013},      {"CAMELLIA", 0x0026},
	{"CTR", 0x0040},      {"OFB", 0x0041},
	{"CBC", 0x0042},      {"CFB", 0x0043},
	{"ECB", 0x0044},      {"HMAC", 0x0005},
	{"XOR", ALG_XOR},     {"RSASSA", 0x0014},
	{"RSAES", ALG_RSAES}, {"RSAPSS", 0x0016},
	{"OAEP", 0x0017},     {"ECDSA", 0x0018},
	{"ECDH", 0x0019},     {"ECDAA", ALG_ECDAA},
	{"SM2", 0x001b},      {"ECSCHNORR", 0x001c},
	{"MGF1", 0x0007},     {"KDF1_SP800_56A", 0x0020},
	{"KDF2", 0x0021},     {"KDF1_SP800_108", 0x0022},
};

static const struct word CURVES[] = {
	{"NIST_P192", 0x0001}, {"NIST_P224", 0x0002}, {"NIST_P256", 0x0003}, {"NIST_P384", 0x0004},
	{"NIST_P521", 0x0005}, {"BN_P256", 0x0010},   {"BN_P638", 0x0011},   {"SM2_P256", 0x0020},
};

static const struct word ATTRIBUTE_BITS[] = {
	{"fixedTPM", 1},     {"stClear", 2},
	{"fixedParent", 4},  {"sensitiveDataOrigin", 5},
	{"userWithAuth", 6}, {"adminWithPolicy", 7},
	{"noDA", 10},	     {"encryptedDuplication", 11},
	{"restricted", 16},  {"decrypt", 17},
	{"sign", 18},	     {"x509sign", 19},
};

/*
 * From words to bytes, failing stickily: after the first fault every call does nothing and the
 * caller asks once, at the end.
 */
struct maker {
	struct buf out;
	const char *fault; /* the member that is wrong; NULL = none yet */
};

static void maker_fini(struct maker *maker)
{
	buf_fini(&maker->out);
}

static const json_t *inner(struct maker *maker, const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	if (!json_is_object(value) && !maker->fault)
		maker->fault = name;
	return value;
}

static const char *text_of(struct maker *maker, const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	if (!text && !maker->fault)
		maker->fault = name;
	return text ? text : "";
}

static uint64_t number_of(struct maker *maker, const json_t *object, const char *name, uint64_t max)
{
	const json_t *value = json_object_get(object, name);
	json_int_t number = json_integer_value(value);

	if (json_is_integer(value) && number >= 0 && (uint64_t)number <= max)
		return (uint64_t)number;
	if (!maker->fault)
		maker->fault = name;
	return 0;
}

/* The id of a word; FAPI writes it without the specification's prefix, 4 in small letters where it
 * is a hash, and reads all. */
static uint16_t id_of(struct maker *maker, const json_t *object, const char *name,
		      const struct word *words, size_t count)
{
	static const char *const PREFIXES[] = {"TPM2_ALG_", "TPM2_ECC_"};
	const char *text = text_of(maker, object, name);
	size_t i;

	for (i = 0; i < ARRAY_LEN(PREFIXES); i++)
		if (strncmp(text, PREFIXES[i], strlen(PREFIXES[i])) == 0)
			text += strlen(PREFIXES[i]);
	for (i = 0; i < count; i++)
		if (strcasecmp(words[i].text, text) == 0)
			return words[i].id;
	if (!maker->fault)
		maker->fault = name;
	return 0;
}

static uint16_t put_algorithm(struct maker *maker, const json_t *object, const char *name)
{
	uint16_t id = id_of(maker, object, name, ALGORITHMS, ARRAY_LEN(ALGORITHMS));

	buf_put_u16(&maker->out, id);
	return id;
}

/* A sized structure: two bytes of length, then what the hexadecimal text says. */
static void put_hex(struct maker *maker, const json_t *object, const char *name)
{
	const char *text = text_of(maker, object, name);
	size_t len = strlen(text) / 2;
	uint8_t *bytes;

	if (maker->fault || *text == '\0') {
		buf_put_u16(&maker->out, 0);
		return;
	}
	buf_put_u16(&maker->out, (uint16_t)len);
	bytes = len <= FAPI_PART_MAX ? buf_grow(&maker->out, len) : NULL;
	if (!bytes || !hex_decode(slice_str(text), bytes, len))
		maker->fault = name;
}

/* --- the public area --- */

/* TPMA_OBJECT, Part 2, 8.3. */
static uint32_t put_attributes(struct maker *maker, const json_t *area)
{
	const json_t *object = inner(maker, area, "objectAttributes");
	uint32_t attributes = 0;
	size_t i;

	for (i = 0; i < ARRAY_LEN(ATTRIBUTE_BITS); i++)
		if (json_object_get(object, ATTRIBUTE_BITS[i].text))
			attributes |= (uint32_t)number_of(maker, object, ATTRIBUTE_BITS[i].text, 1)
				      << ATTRIBUTE_BITS[i].id;
	buf_put_u32(&maker->out, attributes);
	return attributes;
}

/* TPMT_SYM_DEF_OBJECT, Part 2, 11.1.7. */
static void put_symmetric(struct maker *maker, const json_t *parameters)
{
	const json_t *symmetric = inner(maker, parameters, "symmetric");

	if (put_algorithm(maker, symmetric, "algorithm") == ALG_NULL)
		return;
	buf_put_u16(&maker->out, (uint16_t)number_of(maker, symmetric, "keyBits", UINT16_MAX));
	(void)put_algorithm(maker, symmetric, "mode");
}

/* All schemes, for signing, encryption and key derivation: Part 2, 11.1.20 to 11.2.3. */
static void put_scheme(struct maker *maker, const json_t *parameters, const char *name)
{
	const json_t *scheme = inner(maker, parameters, name);
	uint16_t id = put_algorithm(maker, scheme, "scheme");
	const json_t *details;

	if (maker->fault || id == ALG_NULL || id == ALG_RSAES)
		return;
	details = inner(maker, scheme, "details");
	(void)put_algorithm(maker, details, "hashAlg");
	if (id == ALG_ECDAA)
		buf_put_u16(&maker->out, (uint16_t)number_of(maker, details, "count", UINT16_MAX));
	if (id == ALG_XOR)
		(void)put_algorithm(maker, details, "kdf");
}

static void put_keyedhash(struct maker *maker, const json_t *area)
{
	put_scheme(maker, inner(maker, area, "parameters"), "scheme");
	put_hex(maker, area, "unique");
}

static void put_rsa(struct maker *maker, const json_t *area)
{
	const json_t *parameters = inner(maker, area, "parameters");

	put_symmetric(maker, parameters);
	put_scheme(maker, parameters, "scheme");
	buf_put_u16(&maker->out, (uint16_t)number_of(maker, parameters, "keyBits", UINT16_MAX));
	buf_put_u32(&maker->out, (uint32_t)number_of(maker, parameters, "exponent", UINT32_MAX));
	put_hex(maker, area, "unique");
}

static void put_ecc(struct maker *maker, const json_t *area)
{
	const json_t *parameters = inner(maker, area, "parameters");
	const json_t *point = inner(maker, area, "unique");

	put_symmetric(maker, parameters);
	put_scheme(maker, parameters, "scheme");
	buf_put_u16(&maker->out, id_of(maker, parameters, "curveID", CURVES, ARRAY_LEN(CURVES)));
	put_scheme(maker, parameters, "kdf");
	put_hex(maker, point, "x");
	put_hex(maker, point, "y");
}

/* TPMT_PUBLIC, Part 2, 12.2.4. */
static void put_area(struct maker *maker, const json_t *area, struct fapi_record *record)
{
	static const struct {
		uint16_t type;
		void (*put)(struct maker *maker, const json_t *area);
	} TYPES[] = {
		{ALG_KEYEDHASH, put_keyedhash},
		{ALG_RSA, put_rsa},
		{ALG_ECC, put_ecc},
	};
	uint16_t type = put_algorithm(maker, area, "type");
	uint32_t attributes;
	size_t i;

	if (put_algorithm(maker, area, "nameAlg") != ALG_SHA256 && !maker->fault)
		maker->fault = "nameAlg";
	attributes = put_attributes(maker, area);
	put_hex(maker, area, "authPolicy");
	for (i = 0; i < ARRAY_LEN(TYPES) && TYPES[i].type != type; i++)
		;
	if (i < ARRAY_LEN(TYPES))
		TYPES[i].put(maker, area);
	else if (!maker->fault)
		maker->fault = "type";
	/* As TPM2_Unseal wants it (Part 3); with one of these it is a key for HMAC or XOR. */
	record->sealed =
		type == ALG_KEYEDHASH && (attributes & (ATTRIBUTE_SIGN | ATTRIBUTE_DECRYPT)) == 0;
	record->storage = type != ALG_KEYEDHASH && (attributes & ATTRIBUTE_RESTRICTED) &&
			  (attributes & ATTRIBUTE_DECRYPT);
	record->with_policy = text_of(maker, area, "authPolicy")[0] != '\0';
}

static int made(const struct maker *maker, struct err *err)
{
	if (maker->fault)
		return err_set(err, ERR_DAMAGED, "a FAPI object's %s is wrong", maker->fault);
	if (!buf_ok(&maker->out))
		return err_set(err, ERR_DAMAGED, "a FAPI object is larger than a TPM's");
	return 0;
}

/* Part 1, 16: the Name is the algorithm and the digest of the area. */
static int set_name(struct slice area, struct fapi_record *record, struct err *err)
{
	record->name[0] = ALG_SHA256 >> 8;
	record->name[1] = ALG_SHA256 & 0xff;
	record->name_len = 2 + hash_size(HASH_SHA256);
	return hash_digest(HASH_SHA256, &area, 1, record->name + 2, err);
}

static int read_public(const json_t *json, struct fapi_record *record, struct err *err)
{
	CLEANUP(maker_fini) struct maker maker = {.out = BUF_INIT(sizeof(record->public_part) - 2)};
	struct slice area;
	int r;

	put_area(&maker, inner(&maker, inner(&maker, json, "public"), "publicArea"), record);
	r = made(&maker, err);
	if (r < 0)
		return r;
	area = buf_slice(&maker.out);
	record->public_part[0] = (uint8_t)(area.len >> 8);
	record->public_part[1] = (uint8_t)area.len;
	memcpy(record->public_part + 2, area.data, area.len);
	record->public_len = 2 + area.len;
	return set_name(area, record, err);
}

/* --- the rest of the record --- */

static int check_name(const json_t *json, const struct fapi_record *record, struct err *err)
{
	CLEANUP(maker_fini) struct maker maker = {.out = BUF_INIT(2 + sizeof(record->name))};
	struct slice name;
	int r;

	put_hex(&maker, json, "name");
	r = made(&maker, err);
	if (r < 0)
		return r;
	name = buf_slice(&maker.out);
	if (!slice_equal(slice_of(name.data + 2, name.len - 2),
			 slice_of(record->name, record->name_len)))
		return err_set(err, ERR_DAMAGED, "a FAPI object's Name is not that of its content");
	return 0;
}

static int read_private(const json_t *json, struct fapi_record *record, struct err *err)
{
	CLEANUP(maker_fini) struct maker maker = {.out = BUF_INIT(sizeof(record->private_part))};
	struct slice part;
	int r;

	if (!json_object_get(json, "private"))
		return 0;
	put_hex(&maker, json, "private");
	r = made(&maker, err);
	if (r < 0)
		return r;
	part = buf_slice(&maker.out);
	if (part.len > 2) {
		memcpy(record->private_part, part.data, part.len);
		record->private_len = part.len;
	}
	return 0;
}

static int read_flags(const json_t *json, struct fapi_record *record, struct err *err)
{
	CLEANUP(maker_fini) struct maker maker = {.fault = NULL};
	const char *with_auth;

	if (number_of(&maker, json, "objectType", UINT16_MAX) != OBJECT_TYPE_KEY && !maker.fault)
		maker.fault = "objectType";
	record->persistent_handle =
		(uint32_t)number_of(&maker, json, "persistent_handle", PERSISTENT_LAST);
	if (record->persistent_handle != 0 && record->persistent_handle < PERSISTENT_FIRST)
		maker.fault = "persistent_handle";
	with_auth = text_of(&maker, json, "with_auth");
	record->with_auth = strcmp(with_auth, "YES") == 0;
	if (!record->with_auth && strcmp(with_auth, "NO") != 0)
		maker.fault = "with_auth";
	return made(&maker, err);
}

int fapi_object_parse(struct slice json, struct fapi_record *ret_record, struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *object = NULL;
	struct fapi_record record = {.persistent_handle = 0};
	int r;

	if (json.len == 0)
		return err_set(err, ERR_DAMAGED, "a FAPI object is empty");
	if (json.len > FAPI_OBJECT_JSON_MAX)
		return err_set(err, ERR_DAMAGED, "a FAPI object is too large");
	r = json_parse(json, &object, err);
	if (r == ERR_INVALID) {
		err->code = ERR_DAMAGED;
		return err_wrap(err, "a FAPI object");
	}
	if (r == 0)
		r = read_flags(object, &record, err);
	if (r == 0)
		r = read_public(object, &record, err);
	if (r == 0)
		r = check_name(object, &record, err);
	if (r == 0)
		r = read_private(object, &record, err);
	if (r < 0)
		return r;
	*ret_record = record;
	return 0;
}
