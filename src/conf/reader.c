/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Libconfuse gets the schema as integer options whose values our callback takes: it splits, we
 * decide. Its callbacks have no argument of ours, so the number of an option's default, which is
 * not used without a default, carries a pointer to a struct binding; and the boolean there, of
 * which every section has its own copy, remembers that the option was set.
 */
#include "conf/reader.h"

#include <confuse.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "conf/guard.h"
#include "conf/schema.h"
#include "conf/value.h"

/* Per `{` of the file the guard adds a few bytes. */
#define GUARDED_MAX(len) (((len) + 16) * 5)

/* Bytes of libconfuse's own text that a message repeats. */
#define DETAIL_MAX 80u
#define KNOWN_MAX  160u

/* Of the options of a section, beside its keys and its sections: a mark and the end of the array.
 */
#define EXTRA_OPTIONS 2u

struct reader;

struct binding {
	struct reader *reader;
	enum schema_section_id section;
	const struct schema_field *field; /* NULL for a mark */
	unsigned line;			  /* where the key was set, 0 = it was not */
};

struct reader {
	const char *file;
	unsigned last_line;
	struct conf *conf;
	struct conf_tenant *tenant; /* whose section is open */
	struct binding *bindings;
	size_t binding_count;
	cfg_opt_t *options; /* all arrays of options, one after another */
	size_t option_count;
	cfg_opt_t *of_section[SCHEMA_SECTION_COUNT];
	bool failed;   /* err is set */
	bool complete; /* the mark at the end was met at the top level */
	struct err *err;
};

_Static_assert(sizeof(long) == sizeof(void *), "a long carries a pointer");

static void reader_fini(struct reader *reader)
{
	free(reader->bindings);
	free(reader->options);
}

static void config_cleanup(cfg_t **cfg)
{
	if (*cfg)
		(void)cfg_free(*cfg);
}

/* --- errors --- */

/* The first error of a run is the one that is told. */
static void fail(struct reader *reader, unsigned line, const char *why)
{
	if (reader->failed)
		return;
	(void)err_set(reader->err, ERR_INVALID, "%s:%u: %s", reader->file, line, why);
	reader->failed = true;
}

/* The same for an error that is set already, but for its place. */
static void fail_here(struct reader *reader, unsigned line)
{
	(void)err_wrap(reader->err, "%s:%u", reader->file, line);
	reader->failed = true;
}

/* Only the mark stands behind the last line, so whoever met it was not done. */
static bool past_end(struct reader *reader, const cfg_t *cfg)
{
	if ((unsigned)cfg->line <= reader->last_line)
		return false;
	fail(reader, reader->last_line,
	     "the file ends inside a section, list or setting; close it with } or give its value");
	return true;
}

static struct binding *binding_of(const cfg_opt_t *option)
{
	return (struct binding *)(intptr_t)option->def.number;
}

/* "a, b, c": the keys and sections that @id knows. */
static void put_known(struct buf *buf, enum schema_section_id id)
{
	size_t count, i;
	const struct schema_field *fields = schema_fields(&count);
	const char *comma = "";

	for (i = 0; i < count; i++) {
		if (fields[i].section != id)
			continue;
		buf_printf(buf, "%s%s", comma, fields[i].key);
		comma = ", ";
	}
	for (i = SCHEMA_ROOT + 1; i < SCHEMA_SECTION_COUNT; i++)
		if (SCHEMA_SECTIONS[i].parent == id)
			buf_printf(buf, ", %s", SCHEMA_SECTIONS[i].name);
	buf_put_u8(buf, 0);
}

/* What libconfuse's messages begin with, and what they do not say. */
static const struct {
	const char *begins;
	const char *advice;
} ADVICE[] = {
	{"unexpected token", "allowed: key = value, key = {a, b}, section { }"},
	{"missing equal sign", "write key = value"},
	{"missing title", "write tenant NAME { .. }"},
	{"missing opening brace", "write section { .. }, of tenants tenant NAME { .. }"},
	{"found duplicate title", "every tenant has one section"},
	{"unexpected closing brace", "no section is open here"},
};

static const char *advice_for(const char *message)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(ADVICE); i++)
		if (strncmp(message, ADVICE[i].begins, strlen(ADVICE[i].begins)) == 0)
			return ADVICE[i].advice;
	return "see holdfast.conf(5)";
}

/* libconfuse's errors. The first option of every section is its mark, which knows the reader. */
static void on_error(cfg_t *cfg, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	const struct binding *mark = binding_of(&cfg->opts[0]);
	CLEANUP(buf_fini) struct buf known = BUF_INIT(KNOWN_MAX);
	char detail[DETAIL_MAX];
	char why[DETAIL_MAX + KNOWN_MAX + 16];

	if (past_end(mark->reader, cfg))
		return;
	(void)vsnprintf(detail, sizeof(detail), fmt, ap);
	if (strncmp(detail, "no such option", strlen("no such option")) == 0)
		put_known(&known, mark->section);
	(void)snprintf(why, sizeof(why), "%s; %s%s", detail, known.len > 0 ? "allowed: " : "",
		       known.len > 0 && buf_ok(&known) ? (const char *)known.data
						       : advice_for(detail));
	fail(mark->reader, (unsigned)cfg->line, why);
}

/* --- what the file says --- */

int reader_tenant_init(struct conf_tenant *tenant, const char *name, struct err *err)
{
	int r;

	r = conf_tenant_name(name, err);
	if (r < 0)
		return r;
	tenant->name = strdup(name);
	if (!tenant->name)
		return err_set(err, ERR_INTERNAL, "memory is short");
	return value_defaults(tenant, true, strcmp(name, "host") == 0, err);
}

void reader_tenant_fini(struct conf_tenant *tenant)
{
	value_clear_all(tenant, true);
	free(tenant->name);
	*tenant = (struct conf_tenant){0};
}

/* The array is made at its full size with the first tenant and never moves. */
static int add_tenant(struct reader *reader, const char *name)
{
	struct conf *conf = reader->conf;
	struct err *err = reader->err;

	if (conf->tenant_count >= READER_TENANTS_MAX)
		return err_set(err, ERR_INVALID, "too many tenants; allowed: %u",
			       READER_TENANTS_MAX);
	if (!conf->tenants)
		conf->tenants = calloc(READER_TENANTS_MAX, sizeof(*conf->tenants));
	if (!conf->tenants)
		return err_set(err, ERR_INTERNAL, "memory is short");
	reader->tenant = &conf->tenants[conf->tenant_count++];
	return reader_tenant_init(reader->tenant, name, err);
}

/* True when @option was set before in this section. */
static bool set_again(cfg_opt_t *option)
{
	bool again = option->def.boolean == cfg_true;

	option->def.boolean = cfg_true;
	return again;
}

/* The mark that begins a section. */
static int on_section(cfg_t *cfg, cfg_opt_t *option, const char *value, void *result)
{
	const struct binding *binding = binding_of(option);
	struct reader *reader = binding->reader;
	const struct schema_section *section = &SCHEMA_SECTIONS[binding->section];
	int r = 0;

	(void)value;
	if (past_end(reader, cfg))
		return -1;
	if (section->titled)
		r = add_tenant(reader, cfg_title(cfg));
	else if (set_again(option))
		r = err_set(reader->err, ERR_INVALID,
			    "section %s stands twice in the file; allowed: once", section->name);
	if (r < 0) {
		fail_here(reader, (unsigned)cfg->line);
		return -1;
	}
	reader->conf->sections |= UINT32_C(1) << binding->section;
	*(long *)result = 0;
	return 0;
}

/* The mark behind the last line; one that the file wrote itself cannot pass the guard. */
static int on_end(cfg_t *cfg, cfg_opt_t *option, const char *value, void *result)
{
	(void)cfg;
	(void)value;
	binding_of(option)->reader->complete = true;
	*(long *)result = 0;
	return 0;
}

static int set_twice(const struct schema_field *field, struct err *err)
{
	return err_set(err, ERR_INVALID, "%s stands twice in its section; allowed: once",
		       field->key);
}

/* One entry of a list; the guard has put its mark before the first. */
static int take_entry(const struct binding *binding, cfg_opt_t *option, void *base,
		      const char *text)
{
	const struct schema_field *field = binding->field;
	struct err *err = binding->reader->err;
	bool first = cfg_opt_size(option) == 1;

	if (strcmp(text, GUARD_MARK_LIST) != 0) {
		if (!first)
			return value_store(field, base, text, err);
		return err_set(err, ERR_INVALID, "%s is a list; write %s = {\"a\", \"b\"}",
			       field->key, field->key);
	}
	if (set_again(option))
		return set_twice(field, err);
	value_clear(field, base);
	return 0;
}

static int take(const struct binding *binding, cfg_opt_t *option, const char *text)
{
	struct reader *reader = binding->reader;
	const struct schema_field *field = binding->field;
	bool of_tenant = field->section == SCHEMA_TENANT;
	void *base = of_tenant ? (void *)reader->tenant : (void *)reader->conf;
	int r;

	if (schema_is_list(field))
		return take_entry(binding, option, base, text);
	if (set_again(option))
		return set_twice(field, reader->err);
	r = value_store(field, base, text, reader->err);
	if (r < 0)
		return r;
	return of_tenant ? conf_tenant_check(reader->tenant, reader->err) : 0;
}

static int on_value(cfg_t *cfg, cfg_opt_t *option, const char *value, void *result)
{
	struct binding *binding = binding_of(option);

	if (past_end(binding->reader, cfg))
		return -1;
	if (take(binding, option, value) < 0) {
		fail_here(binding->reader, (unsigned)cfg->line);
		return -1;
	}
	binding->line = (unsigned)cfg->line;
	*(long *)result = 0;
	return 0;
}

/* --- the schema for libconfuse --- */

static cfg_opt_t *add_option(struct reader *reader, const char *name, cfg_callback_t callback,
			     struct binding binding)
{
	struct binding *kept = &reader->bindings[reader->binding_count++];
	cfg_opt_t *option = &reader->options[reader->option_count++];

	*kept = binding;
	kept->reader = reader;
	*option = (cfg_opt_t){
		.name = name,
		.type = CFGT_INT,
		.flags = CFGF_NODEFAULT,
		.parsecb = callback,
		.def = {.number = (long)(intptr_t)kept},
	};
	return option;
}

static void add_fields(struct reader *reader, enum schema_section_id id)
{
	size_t count, i;
	const struct schema_field *fields = schema_fields(&count);
	cfg_opt_t *option;

	for (i = 0; i < count; i++) {
		if (fields[i].section != id)
			continue;
		option = add_option(reader, fields[i].key, on_value,
				    (struct binding){.section = id, .field = &fields[i]});
		if (schema_is_list(&fields[i]))
			option->flags |= CFGF_LIST;
	}
}

static void add_sections(struct reader *reader, enum schema_section_id parent)
{
	unsigned id;

	for (id = SCHEMA_ROOT + 1; id < SCHEMA_SECTION_COUNT; id++) {
		if (SCHEMA_SECTIONS[id].parent != parent)
			continue;
		reader->options[reader->option_count++] = (cfg_opt_t){
			.name = SCHEMA_SECTIONS[id].name,
			.type = CFGT_SEC,
			.flags = SCHEMA_SECTIONS[id].titled
					 ? CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES
					 : CFGF_NONE,
			.subopts = reader->of_section[id],
		};
	}
}

/* From the last section to the root, so that every section finds its children made. The zeroed
 * option behind the last one of a section ends its array. */
static int build_options(struct reader *reader)
{
	size_t count;
	unsigned id;

	(void)schema_fields(&count);
	count += SCHEMA_SECTION_COUNT * (EXTRA_OPTIONS + 1);
	reader->bindings = calloc(count, sizeof(*reader->bindings));
	reader->options = calloc(count, sizeof(*reader->options));
	if (!reader->bindings || !reader->options)
		return err_set(reader->err, ERR_INTERNAL, "memory is short");
	for (id = SCHEMA_SECTION_COUNT; id-- > 0;) {
		reader->of_section[id] = &reader->options[reader->option_count];
		(void)add_option(reader, id == SCHEMA_ROOT ? GUARD_MARK_END : GUARD_MARK_SECTION,
				 id == SCHEMA_ROOT ? on_end : on_section,
				 (struct binding){.section = id});
		add_fields(reader, id);
		add_sections(reader, id);
		reader->option_count++;
	}
	return 0;
}

/* --- the run --- */

/* Two of our keys cannot lie at one handle of the chip. */
static int check_handles(struct reader *reader)
{
	const struct binding *handles[8];
	uint32_t values[ARRAY_LEN(handles)];
	size_t count = 0;
	size_t i, j;
	unsigned line;

	for (i = 0; i < reader->binding_count && count < ARRAY_LEN(handles); i++) {
		const struct binding *binding = &reader->bindings[i];

		if (!binding->field || binding->field->kind != SCHEMA_HANDLE)
			continue;
		memcpy(&values[count], (const char *)reader->conf + binding->field->offset,
		       sizeof(values[count]));
		handles[count] = binding;
		for (j = 0; j < count; j++) {
			if (values[j] != values[count] || values[count] == 0)
				continue;
			line = handles[j]->line > binding->line ? handles[j]->line : binding->line;
			return err_set(reader->err, ERR_INVALID,
				       "%s:%u: %s and %s are both 0x%x; allowed: different handles",
				       reader->file, line, handles[j]->field->key,
				       binding->field->key, values[count]);
		}
		count++;
	}
	return 0;
}

static int parse(struct reader *reader, const char *text)
{
	CLEANUP(config_cleanup) cfg_t *cfg = NULL;
	int r;

	cfg = cfg_init(reader->of_section[SCHEMA_ROOT], CFGF_NONE);
	if (!cfg)
		return err_set(reader->err, ERR_INTERNAL, "memory is short");
	(void)cfg_set_error_function(cfg, on_error);
	r = cfg_parse_buf(cfg, text);
	if (r != CFG_SUCCESS || !reader->complete)
		fail(reader, (unsigned)cfg->line, "this cannot be read; see holdfast.conf(5)");
	return reader->failed ? reader->err->code : 0;
}

int reader_run(struct slice text, const char *file, struct conf *conf, struct err *err)
{
	CLEANUP(reader_fini) struct reader reader = {.file = file, .conf = conf, .err = err};
	CLEANUP(buf_fini) struct buf guarded = BUF_INIT(GUARDED_MAX(text.len));
	int r;

	r = guard_text(text, file, &guarded, &reader.last_line, err);
	if (r < 0)
		return r;
	r = build_options(&reader);
	if (r < 0)
		return r;
	r = parse(&reader, (const char *)guarded.data);
	if (r < 0)
		return r;
	return check_handles(&reader);
}
