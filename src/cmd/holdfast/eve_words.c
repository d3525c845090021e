/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "cmd/holdfast/eve.h"

static const struct word {
	uint32_t id;
	const char *name; /* as tpm2-tools write it */
	const char *ours;
	const char *advice;
} TYPES[] =
	{
		{0x0001, "rsa", "rsa-2048", NULL},
		{0x0023, "ecc", "ecc-p256", NULL},
},
  HASHES[] = {
	  {0x0004, "sha1", "sha1", NULL},
	  {0x000b, "sha256", "sha256", "Give -g 0xB, or -g sha256."},
	  {0x000c, "sha384", "sha384", "Give -g 0xC, or -g sha384."},
	  {0x000d, "sha512", "sha512", "Give -g 0xD, or -g sha512."},
};

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

bool eve_read_number(const char *text, uint32_t *ret_value)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *digits = hex ? text + 2 : text;
	unsigned base = hex ? 16 : 10;
	uint64_t value = 0;

	if (digits[0] == '\0')
		return false;
	for (; *digits; digits++) {
		unsigned digit = (unsigned)digit_of(*digits);

		value = value * base + digit;
		if (digit >= base || value > UINT32_MAX)
			return false;
	}
	*ret_value = (uint32_t)value;
	return true;
}

static const char *find(const struct word *words, size_t count, const char *text)
{
	uint32_t id = 0;
	bool is_number = eve_read_number(text, &id);
	size_t i;

	for (i = 0; i < count; i++)
		if (is_number ? words[i].id == id : strcmp(words[i].name, text) == 0)
			return words[i].ours;
	return NULL;
}

const char *eve_type(const char *text)
{
	return find(TYPES, ARRAY_LEN(TYPES), text);
}

const char *eve_hash(const char *text)
{
	return find(HASHES, ARRAY_LEN(HASHES), text);
}

const char *eve_hash_advice(const char *hash)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(HASHES); i++)
		if (strcmp(HASHES[i].ours, hash) == 0)
			return HASHES[i].advice;
	return NULL;
}
