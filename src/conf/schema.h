/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_SCHEMA_H
#define CONF_SCHEMA_H

/*
 * Schema: the sections and keys of holdfast.conf(5) as constant tables, inside this room only. A
 * new key is a member in conf.h, a row here, and a line in the manual page and the example file
 * (the tests compare them).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A child stands after its parent. */
enum schema_section_id {
	SCHEMA_ROOT,
	SCHEMA_TPM,
	SCHEMA_PATHS,
	SCHEMA_DEVICE,
	SCHEMA_FAPI,
	SCHEMA_TENANT,
	SCHEMA_TPM2,
	SCHEMA_TPM2_ABRMD,
	SCHEMA_TPM2_PKCS11,
	SCHEMA_TPM2_TCTI,
	SCHEMA_TPM2_FAPI,
	SCHEMA_SECTION_COUNT,
};

struct schema_section {
	const char *name;
	enum schema_section_id parent; /* of the root: itself */
	bool titled;		       /* `name TITLE { .. }`, any number of times */
	bool unused;		       /* accepted, but without effect in this version */
};

extern const struct schema_section SCHEMA_SECTIONS[SCHEMA_SECTION_COUNT];

enum schema_kind {
	SCHEMA_TEXT,	 /* char * */
	SCHEMA_BOOL,	 /* bool */
	SCHEMA_TRISTATE, /* int: 0, 1, or -1 when unset */
	SCHEMA_UINT,	 /* unsigned */
	SCHEMA_U64,	 /* uint64_t */
	SCHEMA_HANDLE,	 /* uint32_t, a persistent handle of a TPM; no two may be equal */
	SCHEMA_ENUM,	 /* an enum, by its word */
	SCHEMA_LIST,	 /* struct conf_list */
	SCHEMA_SET,	 /* uint32_t, the bits of a list of words */
};

/* Ends with a row whose word is NULL. */
struct schema_word {
	const char *word;
	uint32_t value;
};

/* What a text, or an entry of a list, must look like. */
struct schema_rule {
	bool (*check)(const char *text);
	const char *allowed; /* for the message */
};

struct schema_field {
	enum schema_section_id section;
	const char *key;
	enum schema_kind kind;
	size_t offset;	      /* in struct conf, or of a tenant's key in struct conf_tenant */
	const char *def;      /* as it would be written, entries with commas; NULL = unset */
	const char *host_def; /* the default of tenant `host` where it is another */
	uint64_t min;	      /* of a number, inclusive */
	uint64_t max;
	bool zero; /* 0 is allowed beside the range */
	const struct schema_word *words;
	const struct schema_rule *rule;
};

/* The table: *ret_count rows, constant. */
const struct schema_field *schema_fields(size_t *ret_count);

bool schema_is_list(const struct schema_field *field);

extern const struct schema_word SCHEMA_PROVIDERS[];

/* 1-63 of [a-z0-9-]. */
extern const struct schema_rule SCHEMA_TENANT_NAME;

#endif
