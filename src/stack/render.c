/* SPDX-License-Identifier: Apache-2.0 */
/* One row for each part: when it is there, and what it says. */
#include "stack/render.h"

#include <string.h>

#include "base/base64.h"
#include "conf/rule.h"
#include "crypto/hash.h"
#include "stack/render_impl.h"

#define HASH_SIZE   32u
#define PROFILE_DIR "/etc/tpm2-tss/fapi-profiles"

typedef bool (*wanted_fn)(const struct conf *conf);

static bool always(const struct conf *conf)
{
	return conf->tpm2.enable;
}

static bool with_rules(const struct conf *conf)
{
	return conf->tpm2.apply_udev_rules;
}

static bool with_abrmd(const struct conf *conf)
{
	return conf->tpm2.abrmd_enable;
}

static bool with_pkcs11(const struct conf *conf)
{
	return conf->tpm2.pkcs11_enable;
}

static bool with_environment(const struct conf *conf)
{
	return conf->tpm2.tcti_environment_enable;
}

static bool by_own_socket(const struct conf_tpm2 *tpm2)
{
	return tpm2->tcti_environment_enable && strcmp(tpm2->tcti_interface, "holdfast") == 0;
}

/* Is it written out as FAPI's own way? */
static bool by_written_socket(const struct conf *conf)
{
	CLEANUP(buf_fini) struct buf own = BUF_INIT(STACK_CONTENT_MAX);

	render_own_tcti(conf, &own);
	return buf_ok(&own) && slice_equal(buf_slice(&own), slice_str(conf->tpm2.fapi.tcti));
}

static bool is_profile_dir(const char *path)
{
	size_t len = strlen(path);

	while (len > 0 && path[len - 1] == '/')
		len--;
	return slice_equal(slice_of(path, len), slice_of(PROFILE_DIR, strlen(PROFILE_DIR)));
}

/*
 * Where FAPI comes to the chip by way of the service it must take the service's SRK for its own,
 * and with the packages' profiles it would not: they make one without noda.
 */
static bool with_profiles(const struct conf *conf)
{
	const struct conf_tpm2 *tpm2 = &conf->tpm2;

	return (tpm2->abrmd_enable || by_own_socket(tpm2) || by_written_socket(conf)) &&
	       is_profile_dir(tpm2->fapi.profile_dir);
}

static const struct row {
	wanted_fn wanted;
	void (*text)(const struct conf *conf, struct buf *out);
	const char *link; /* the target of a link, which has no text */
} ROWS[STACK_PARTS] = {
	[STACK_UDEV_RULES] = {with_rules, render_udev_rules, NULL},
	[STACK_UDEV_TRIGGER] = {with_rules, NULL, NULL}, /* from the rules' text */
	[STACK_UDEV_WANTED] = {with_rules, NULL, "../holdfast-tpm2-udev.service"},
	[STACK_SYSUSERS] = {always, render_sysusers, NULL},
	[STACK_TMPFILES] = {always, render_tmpfiles, NULL},
	[STACK_ABRMD_UNIT] = {with_abrmd, render_abrmd_unit, NULL},
	[STACK_ABRMD_WANTED] = {with_abrmd, NULL, "../tpm2-abrmd.service"},
	[STACK_ABRMD_BUS] = {with_abrmd, render_abrmd_bus, NULL},
	[STACK_PKCS11_MODULE] = {with_pkcs11, render_pkcs11_module, NULL},
	[STACK_PROFILE] = {with_environment, render_profile, NULL},
	[STACK_ENVIRONMENT] = {with_environment, render_environment, NULL},
	[STACK_FAPI_CONFIG] = {always, render_fapi_config, NULL},
	[STACK_FAPI_ECC] = {with_profiles, render_fapi_ecc, NULL},
	[STACK_FAPI_RSA] = {with_profiles, render_fapi_rsa, NULL},
};

/* --- names --- */

const char *render_user(const struct conf_tpm2 *tpm2)
{
	if (tpm2->tss_user)
		return tpm2->tss_user;
	return tpm2->abrmd_enable ? "tss" : "root";
}

const char *render_abrmd_user(const struct conf_tpm2 *tpm2)
{
	const char *user = render_user(tpm2);

	return user[0] == '\0' || strcmp(user, "root") == 0 ? "tss" : user;
}

const char *render_abrmd_group(const struct conf_tpm2 *tpm2)
{
	return tpm2->tss_group[0] == '\0' ? "tss" : tpm2->tss_group;
}

/* --- the tree --- */

static int put_trigger(const struct stack_tree *tree, struct buf *out, struct err *err)
{
	const struct stack_entry *rules = stack_find(tree, STACK_UDEV_RULES);
	CLEANUP(buf_fini) struct buf text = BUF_INIT(2 * HASH_SIZE + 1);
	const struct slice content = buf_slice(&rules->content);
	uint8_t digest[HASH_SIZE];
	int r = hash_digest(HASH_SHA256, &content, 1, digest, err);

	if (r < 0)
		return r;
	hex_encode(&text, slice_of(digest, sizeof(digest)));
	buf_put_u8(&text, '\0');
	if (!buf_ok(&text))
		return err_set(err, ERR_INTERNAL, "memory is short");
	render_udev_trigger((const char *)text.data, out);
	return 0;
}

/* Nothing to say is no entry. */
static int add_part(const struct conf *conf, enum stack_part part, struct stack_tree *tree,
		    struct err *err)
{
	const struct row *row = &ROWS[part];
	struct stack_entry *entry = &tree->entries[tree->count];
	int r = 0;

	*entry = (struct stack_entry){
		.part = part, .is_link = row->link, .content = BUF_INIT(STACK_CONTENT_MAX)};
	if (row->link)
		buf_put_str(&entry->content, row->link);
	else if (row->text)
		row->text(conf, &entry->content);
	else
		r = put_trigger(tree, &entry->content, err);
	if (r == 0 && !buf_ok(&entry->content))
		r = err_set(err, ERR_INTERNAL, "memory is short");
	if (r < 0 || entry->content.len == 0)
		buf_fini(&entry->content);
	else
		tree->count++;
	return r;
}

/* What is written of it goes into a unit file, and a comma would end it in a TCTI. */
static int check_run_dir(const struct conf *conf, struct err *err)
{
	if ((!conf->tpm2.abrmd_enable && !by_own_socket(&conf->tpm2)) ||
	    rule_is_plain_path(conf->run_dir))
		return 0;
	return err_set(err, ERR_INVALID, "paths { run } cannot be written into a TCTI; allowed: %s",
		       RULE_PLAIN_PATH.allowed);
}

int stack_render(const struct conf *conf, struct stack_tree *ret_tree, struct err *err)
{
	struct stack_tree tree = {.count = 0};
	unsigned part;
	int r = 0;

	if (conf->tpm2.enable)
		r = check_run_dir(conf, err);
	for (part = 0; r == 0 && conf->tpm2.enable && part < STACK_PARTS; part++)
		if (ROWS[part].wanted(conf))
			r = add_part(conf, (enum stack_part)part, &tree, err);
	if (r < 0)
		stack_tree_fini(&tree);
	else
		*ret_tree = tree;
	return r;
}

void stack_tree_fini(struct stack_tree *tree)
{
	size_t i;

	for (i = 0; i < tree->count; i++)
		buf_fini(&tree->entries[i].content);
	tree->count = 0;
}

const struct stack_entry *stack_find(const struct stack_tree *tree, enum stack_part part)
{
	size_t i;

	for (i = 0; i < tree->count; i++)
		if (tree->entries[i].part == part)
			return &tree->entries[i];
	return NULL;
}
