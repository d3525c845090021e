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
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "conf/guard.h"
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
	unsigned section;
	const struct schema_field *field; /* NULL for a mark */
	unsigned line;			  /* where the key was set, 0 = it was not */
};

struct reader {
	const char *file;
	unsigned last_line;
	const struct reader_target *target;
	const struct schema *schema; /* the target's */
	void *titled;		     /* the section that is open */
	struct binding *bindings;
	size_t binding_count;
	cfg_opt_t *options; /* all arrays of options, one after another */
	size_t option_count;
	cfg_opt_t *of_section[SCHEMA_SECTIONS_MAX];
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
static void put_known(struct buf *buf, const struct schema *schema, unsigned id)
{
	const char *comma = "";
	unsigned child;
	size_t i;

	for (i = 0; i < schema->field_count; i++) {
		if (schema->fields[i].section != id)
			continue;
		buf_printf(buf, "%s%s", comma, schema->fields[i].key);
		comma = ", ";
	}
	for (child = SCHEMA_ROOT + 1; child < schema->section_count; child++)
		if (schema->sections[child].parent == id)
			buf_printf(buf, ", %s", schema->sections[child].name);
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
	return NULL;
}

/* libconfuse's errors. The first option of every section is its mark, which knows the reader. */
static void on_error(cfg_t *cfg, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	const struct binding *mark = binding_of(&cfg->opts[0]);
	const struct schema *schema = mark->reader->schema;
	CLEANUP(buf_fini) struct buf known = BUF_INIT(KNOWN_MAX);
	char detail[DETAIL_MAX];
	char why[DETAIL_MAX + KNOWN_MAX + 16];
	const char *advice;

	if (past_end(mark->reader, cfg))
		return;
	(void)vsnprintf(detail, sizeof(detail), fmt, ap);
	advice = advice_for(detail);
	if (strncmp(detail, "no such option", strlen("no such option")) == 0)
		put_known(&known, schema, mark->section);
	if (known.len > 0 && buf_ok(&known))
		(void)snprintf(why, sizeof(why), "%s; allowed: %s",
			       schema->secret ? "no such key" : detail, (const char *)known.data);
	else
		(void)snprintf(why, sizeof(why), "%s; %s%s",
			       schema->secret ? "this cannot be read" : detail,
			       advice ? "" : "see ", advice ? advice : schema->manual);
	wipe(detail, sizeof(detail));
	fail(mark->reader, (unsigned)cfg->line, why);
}

/* --- what the file says --- */

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
	const struct schema_section *section = &reader->schema->sections[binding->section];
	int r = 0;

	(void)value;
	if (past_end(reader, cfg))
		return -1;
	if (section->titled)
		r = reader->target->begin(reader->target->base, cfg_title(cfg), &reader->titled,
					  reader->err);
	else if (set_again(option))
		r = err_set(reader->err, ERR_INVALID,
			    "section %s stands twice in the file; allowed: once", section->name);
	if (r < 0) {
		fail_here(reader, (unsigned)cfg->line);
		return -1;
	}
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
	bool titled = schema_is_titled(reader->schema, field);
	void *base = titled ? reader->titled : reader->target->base;
	int r;

	if (schema_is_list(field))
		return take_entry(binding, option, base, text);
	if (set_again(option))
		return set_twice(field, reader->err);
	r = value_store(field, base, text, reader->err);
	if (r < 0)
		return r;
	return titled ? reader->target->check(base, reader->err) : 0;
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

static void add_fields(struct reader *reader, unsigned id)
{
	const struct schema_field *fields = reader->schema->fields;
	cfg_opt_t *option;
	size_t i;

	for (i = 0; i < reader->schema->field_count; i++) {
		if (fields[i].section != id)
			continue;
		option = add_option(reader, fields[i].key, on_value,
				    (struct binding){.section = id, .field = &fields[i]});
		if (schema_is_list(&fields[i]))
			option->flags |= CFGF_LIST;
	}
}

static void add_sections(struct reader *reader, unsigned parent)
{
	const struct schema_section *sections = reader->schema->sections;
	unsigned id;

	for (id = SCHEMA_ROOT + 1; id < reader->schema->section_count; id++) {
		if (sections[id].parent != parent)
			continue;
		reader->options[reader->option_count++] = (cfg_opt_t){
			.name = sections[id].name,
			.type = CFGT_SEC,
			.flags = sections[id].titled ? CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES
						     : CFGF_NONE,
			.subopts = reader->of_section[id],
		};
	}
}

/* From the last section to the root, so that every section finds its children made. The zeroed
 * option behind the last one of a section ends its array. */
static int build_options(struct reader *reader)
{
	size_t count = reader->schema->field_count;
	unsigned id;

	count += reader->schema->section_count * (EXTRA_OPTIONS + 1);
	reader->bindings = calloc(count, sizeof(*reader->bindings));
	reader->options = calloc(count, sizeof(*reader->options));
	if (!reader->bindings || !reader->options)
		return err_set(reader->err, ERR_INTERNAL, "memory is short");
	for (id = reader->schema->section_count; id-- > 0;) {
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
		memcpy(&values[count], (const char *)reader->target->base + binding->field->offset,
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
	char why[64];
	int r;

	cfg = cfg_init(reader->of_section[SCHEMA_ROOT], CFGF_NONE);
	if (!cfg)
		return err_set(reader->err, ERR_INTERNAL, "memory is short");
	(void)cfg_set_error_function(cfg, on_error);
	r = cfg_parse_buf(cfg, text);
	if (r != CFG_SUCCESS || !reader->complete) {
		(void)snprintf(why, sizeof(why), "this cannot be read; see %s",
			       reader->schema->manual);
		fail(reader, (unsigned)cfg->line, why);
	}
	return reader->failed ? reader->err->code : 0;
}

static int run(const struct reader_target *target, struct slice text, const char *file,
	       struct err *err)
{
	CLEANUP(reader_fini)
	struct reader reader = {
		.file = file, .target = target, .schema = target->schema, .err = err};
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

/* The parser is one for the whole process, and a reload may be at it. */
int reader_run(const struct reader_target *target, struct slice text, const char *file,
	       struct err *err)
{
	static atomic_flag at_work = ATOMIC_FLAG_INIT;
	int r;

	if (atomic_flag_test_and_set(&at_work))
		return err_set(err, ERR_CONFLICT, "the configuration is being read just now");
	r = run(target, text, file, err);
	atomic_flag_clear(&at_work);
	return r;
}
