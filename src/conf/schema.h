/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_SCHEMA_H
#define CONF_SCHEMA_H

/*
 * Schema: the sections and keys of a configuration as constant tables, inside this room only; one
 * reader serves all of them. A new key is a member in the struct, a row in the table, and a line in
 * the manual page and the example file (the tests compare them).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The root is section 0 of every schema, and a child stands after its parent. */
#define SCHEMA_SECTIONS_MAX 32u

/* Of holdfast.conf(5). */
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

/* Of holdfast-loader.conf(5). */
enum schema_loader_section_id {
	SCHEMA_LOADER_ROOT = SCHEMA_ROOT,
	SCHEMA_LOADER_S3,
	SCHEMA_LOADER_LEGACY,
	SCHEMA_LOADER_SECTION_COUNT,
};

struct schema_section {
	const char *name;
	unsigned parent; /* of the root: itself */
	bool titled;	 /* `name TITLE { .. }`, any number of times; at the top level */
};

enum schema_kind {
	SCHEMA_TEXT,	 /* char * */
	SCHEMA_SECRET,	 /* struct secret *; no message repeats it */
	SCHEMA_BOOL,	 /* bool, as true and false or as the words for 1 and 0 */
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
	unsigned section;
	const char *key;
	enum schema_kind kind;
	size_t offset;	      /* in the struct of the schema, or in that of a titled section */
	const char *def;      /* as it would be written, entries with commas; NULL = unset */
	const char *host_def; /* the default of tenant `host` where it is another */
	uint64_t min;	      /* of a number, inclusive */
	uint64_t max;
	bool zero; /* 0 is allowed beside the range */
	const struct schema_word *words;
	const struct schema_rule *rule;
};

struct schema {
	const struct schema_section *sections;
	unsigned section_count;
	const struct schema_field *fields;
	size_t field_count;
	const char *manual; /* where it is described, for messages */
	bool secret;	    /* what stands in the file is not repeated in messages */
};

extern const struct schema SCHEMA_HOLDFAST; /* struct conf, and struct conf_tenant */
extern const struct schema SCHEMA_LOADER;   /* struct conf_loader */
extern const struct schema SCHEMA_SALTS;    /* struct conf_salts */

/* Does the key stand in a titled section? */
bool schema_is_titled(const struct schema *schema, const struct schema_field *field);
bool schema_is_list(const struct schema_field *field);

extern const struct schema_word SCHEMA_PROVIDERS[];

/* 1-63 of [a-z0-9-]. */
extern const struct schema_rule SCHEMA_TENANT_NAME;

#endif
