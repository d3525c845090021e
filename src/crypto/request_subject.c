/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A subject as text (RFC 4514) to a Name in DER (X.501). The text begins with the most special
 * RDN, the Name with the most general: each one is put in front of those before it.
 */

#include "crypto/request_impl.h"

#include <strings.h>

#include "base/base64.h"
#include "base/utf8.h"

#define RDNS_MAX  32u
#define PARTS_MAX 4u /* attributes of an RDN */
#define VALUE_MAX 256u
#define OID_MAX	  12u

/* What an attribute is called, its OID as it is encoded, and its bounds (RFC 5280, appendix A). */
struct attribute {
	const char *name;
	uint8_t oid[OID_MAX];
	uint8_t tag;
	uint16_t min, max; /* characters */
};

#define X520(n)                                                                                    \
	{                                                                                          \
		0x06, 0x03, 0x55, 0x04, (n)                                                        \
	}
#define RFC4519(n)                                                                                 \
	{                                                                                          \
		0x06, 0x0a, 0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, (n)              \
	}
#define PKCS9(n)                                                                                   \
	{                                                                                          \
		0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, (n)                    \
	}
#define KNOWN "CN, L, ST, O, OU, C, STREET, DC, UID, serialNumber, emailAddress"

static const struct attribute attributes[] = {
	{"CN", X520(3), DER_UTF8, 1, 64},
	{"L", X520(7), DER_UTF8, 1, 128},
	{"ST", X520(8), DER_UTF8, 1, 128},
	{"O", X520(10), DER_UTF8, 1, 64},
	{"OU", X520(11), DER_UTF8, 1, 64},
	{"C", X520(6), DER_PRINTABLE, 2, 2},
	{"STREET", X520(9), DER_UTF8, 1, 128},
	{"DC", RFC4519(25), DER_IA5, 1, 63},
	{"UID", RFC4519(1), DER_UTF8, 1, 256},
	{"serialNumber", X520(5), DER_PRINTABLE, 1, 64},
	{"emailAddress", PKCS9(1), DER_IA5, 1, 255},
};

/* The text and how far it is read. */
struct scan {
	struct slice text;
	size_t at;
};

#define END (-1)

static int peek(const struct scan *scan)
{
	return scan->at < scan->text.len ? scan->text.data[scan->at] : END;
}

static int wrong(const struct scan *scan, struct err *err, const char *what)
{
	return err_set(err, ERR_INVALID, "the subject is not as RFC 4514 has it, at byte %zu: %s",
		       scan->at + 1, what);
}

static bool is_letter(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'F' ? (uint8_t)(c - 'A' + 'a') : c;
}

static int take_type(struct scan *scan, const struct attribute **ret_attribute, struct err *err)
{
	const uint8_t *start = scan->text.data + scan->at;
	size_t len = 0, i;

	for (; is_letter(peek(scan)) || is_digit(peek(scan)); scan->at++)
		len++;
	if (len == 0 || peek(scan) != '=')
		return wrong(scan, err, "expected is an attribute, as in CN=gw-1,O=Example");
	scan->at++;
	for (i = 0; i < ARRAY_LEN(attributes); i++) {
		const char *name = attributes[i].name;

		if (strlen(name) == len && strncasecmp(name, (const char *)start, len) == 0) {
			*ret_attribute = &attributes[i];
			return 0;
		}
	}
	return err_set(err, ERR_INVALID,
		       "the subject's attribute %.*s is unknown; known are " KNOWN,
		       len > 20 ? 20 : (int)len, (const char *)start);
}

/* Behind a backslash: a special character, or a byte as two hexadecimal digits. */
static int take_escaped(struct scan *scan, struct buf *value, struct err *err)
{
	uint8_t digits[2], byte;
	int c;

	scan->at++;
	c = peek(scan);
	if (c > 0 && strchr("\"+,;<>\\ #=", c)) {
		buf_put_u8(value, (uint8_t)c);
		scan->at++;
		return 0;
	}
	if (scan->text.len - scan->at < 2)
		return wrong(scan, err, "nothing that needs it follows the backslash");
	for (size_t i = 0; i < sizeof(digits); i++)
		digits[i] = lower(scan->text.data[scan->at + i]);
	if (!hex_decode(slice_of(digits, sizeof(digits)), &byte, 1))
		return wrong(scan, err, "nothing that needs it follows the backslash");
	buf_put_u8(value, byte);
	scan->at += 2;
	return 0;
}

static int take_value(struct scan *scan, struct buf *value, struct err *err)
{
	bool ends_in_space = false;
	int c = peek(scan);
	int r = 0;

	if (c == '#')
		return wrong(scan, err, "values in hexadecimal are not taken; escape the #");
	if (c == ' ')
		return wrong(scan, err, "a space in front of a value must be escaped");
	for (; r == 0 && c != END && c != ',' && c != '+'; c = peek(scan)) {
		ends_in_space = c == ' ';
		if (c == '\\') {
			r = take_escaped(scan, value, err);
			continue;
		}
		if (c == '\0' || strchr("\";<>", c))
			return wrong(scan, err, "this character must be escaped");
		buf_put_u8(value, (uint8_t)c);
		scan->at++;
	}
	if (r == 0 && ends_in_space)
		r = wrong(scan, err, "a space behind a value must be escaped");
	return r;
}

static bool printable(uint8_t c)
{
	return is_letter(c) || is_digit(c) || (c && strchr(" '()+,-./:=?", c));
}

/* Is it of the attribute's alphabet? No control character is of any. */
static bool characters_ok(const struct attribute *attribute, struct slice value)
{
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.data[i];

		if (c < 0x20 || c == 0x7f || (attribute->tag == DER_IA5 && c > 0x7f) ||
		    (attribute->tag == DER_PRINTABLE && !printable(c)) ||
		    (attribute->max == 2 && !(c >= 'A' && c <= 'Z')))
			return false;
	}
	return true;
}

/* Characters of UTF-8; SIZE_MAX when it is none. */
static size_t count_characters(struct slice value)
{
	size_t count = 0;

	while (value.len) {
		size_t len = utf8_next(value);

		if (len == 0)
			return SIZE_MAX;
		value = slice_of(value.data + len, value.len - len);
		count++;
	}
	return count;
}

static int check_value(const struct attribute *attribute, const struct buf *value, struct err *err)
{
	size_t count = count_characters(buf_slice(value));

	if (count == SIZE_MAX)
		return err_set(err, ERR_INVALID, "the subject's %s is no UTF-8", attribute->name);
	if (!buf_ok(value) || count < attribute->min || count > attribute->max)
		return err_set(err, ERR_INVALID, "the subject's %s must have %u to %u characters",
			       attribute->name, attribute->min, attribute->max);
	if (!characters_ok(attribute, buf_slice(value)))
		return err_set(err, ERR_INVALID,
			       "the subject's %s has a character that cannot stand there",
			       attribute->name);
	return 0;
}

/* One attribute with its value, as an AttributeTypeAndValue. */
static int take_part(struct scan *scan, struct buf *ret_part, struct err *err)
{
	CLEANUP(buf_fini) struct buf value = BUF_INIT(4 * VALUE_MAX);
	CLEANUP(buf_fini) struct buf inner = BUF_INIT(4 * VALUE_MAX + 64);
	const struct attribute *attribute = NULL;
	int r = take_type(scan, &attribute, err);

	if (r == 0)
		r = take_value(scan, &value, err);
	if (r == 0)
		r = check_value(attribute, &value, err);
	if (r < 0)
		return r;
	buf_put(&inner, slice_of(attribute->oid, 2u + attribute->oid[1]));
	der_put(&inner, attribute->tag, buf_slice(&value));
	*ret_part = (struct buf)BUF_INIT(REQUEST_MAX);
	der_put(ret_part, DER_SEQUENCE, buf_slice(&inner));
	ret_part->failed = ret_part->failed || inner.failed;
	return 0;
}

static bool comes_before(const struct buf *a, const struct buf *b)
{
	size_t i = 0;

	while (i < a->len && i < b->len && a->data[i] == b->data[i])
		i++;
	return i < b->len && (i == a->len || a->data[i] < b->data[i]);
}

/* The attributes of an RDN; a SET OF is in order of its encodings (X.690, 11.6). */
struct rdn {
	struct buf parts[PARTS_MAX];
	size_t count;
};

static void rdn_fini(struct rdn *rdn)
{
	for (size_t i = 0; i < rdn->count; i++)
		buf_fini(&rdn->parts[i]);
}

static int rdn_add(struct rdn *rdn, struct scan *scan, struct err *err)
{
	struct buf part;
	size_t i;
	int r;

	if (rdn->count == PARTS_MAX)
		return wrong(scan, err, "too many attributes are joined by +");
	r = take_part(scan, &part, err);
	if (r < 0)
		return r;
	for (i = rdn->count; i > 0 && buf_ok(&part) && comes_before(&part, &rdn->parts[i - 1]); i--)
		rdn->parts[i] = rdn->parts[i - 1];
	rdn->parts[i] = part;
	rdn->count++;
	return 0;
}

/* One RDN, in front of those that are there. */
static int take_rdn(struct scan *scan, struct buf *rdns, struct err *err)
{
	CLEANUP(rdn_fini) struct rdn rdn = {.count = 0};
	CLEANUP(buf_fini) struct buf set = BUF_INIT(REQUEST_MAX);
	CLEANUP(buf_fini) struct buf before = *rdns;
	int r;

	*rdns = (struct buf)BUF_INIT(REQUEST_MAX);
	r = rdn_add(&rdn, scan, err);
	while (r == 0 && peek(scan) == '+') {
		scan->at++;
		r = rdn_add(&rdn, scan, err);
	}
	for (size_t i = 0; i < rdn.count; i++) {
		buf_put(&set, buf_slice(&rdn.parts[i]));
		set.failed = set.failed || rdn.parts[i].failed;
	}
	der_put(rdns, DER_SET, buf_slice(&set));
	buf_put(rdns, buf_slice(&before));
	rdns->failed = rdns->failed || set.failed || before.failed;
	return r;
}

int request_put_subject(struct slice text, struct buf *ret_name, struct err *err)
{
	CLEANUP(buf_fini) struct buf rdns = BUF_INIT(REQUEST_MAX);
	struct scan scan = {.text = text};
	size_t count = 0;
	int r = 0;

	while (r == 0 && text.len && (count == 0 || peek(&scan) == ',')) {
		if (count == RDNS_MAX)
			return wrong(&scan, err, "too many parts");
		scan.at += count ? 1 : 0;
		r = take_rdn(&scan, &rdns, err);
		count++;
	}
	if (r < 0)
		return r;
	der_put(ret_name, DER_SEQUENCE, buf_slice(&rdns));
	ret_name->failed = ret_name->failed || rdns.failed;
	return 0;
}
