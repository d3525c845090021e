/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record as JSON. What stands in it may have been written by anybody who can write to the
 * machine's configuration: a checksum is no signature.
 */
#include "identity/files_impl.h"
#include "identity/files_text.h"

#include "base/json.h"
#include "crypto/certificate.h"
#include "crypto/x509.h"

static const char *const members[] = {
	"version", "enabled", "present", "generation", "since", /* always */
	"handle",  "name",    "header",	 "spki",       "chain", /* when present */
};
#define ALWAYS 5u

void identity_record_fini(struct identity_record *record)
{
	buf_fini(&record->header);
	buf_fini(&record->spki);
	buf_fini(&record->chain);
}

static int get_always(const struct json_t *json, struct identity_record *record, struct err *err)
{
	int r = json_get_bool(json, "enabled", true, &record->enabled, err);

	if (r == 0)
		r = json_get_bool(json, "present", true, &record->present, err);
	if (r == 0)
		r = json_get_u64(json, "generation", true, 0, IDENTITY_GENERATION_MAX,
				 &record->generation, err);
	if (r == 0)
		r = text_get_line(json, "since", record->since, sizeof(record->since), err);
	if (r == 0)
		r = json_only(json, members, record->present ? ARRAY_LEN(members) : ALWAYS, err);
	return r;
}

static int get_present(const struct json_t *json, struct identity_record *record, struct err *err)
{
	int r = text_get_handle(json, "handle", false, &record->handle, err);

	if (r == 0)
		r = text_get_hex(json, "name", record->name, sizeof(record->name),
				 &record->name_len, err);
	if (r == 0)
		r = json_get_bytes(json, "header", true, &record->header, err);
	if (r == 0)
		r = json_get_bytes(json, "spki", true, &record->spki, err);
	if (r == 0)
		r = json_get_bytes(json, "chain", true, &record->chain, err);
	return r;
}

static int check_chain(struct slice chain, struct slice spki, struct err *err)
{
	CLEANUP(x509_facts_cleanup) struct x509_facts facts = X509_FACTS_INIT;
	int r = x509_read(slice_of(chain.data, certificate_len(chain)), &facts, err);

	if (r == 0 && !slice_equal(buf_slice(&facts.spki), spki))
		return err_set(err, ERR_INVALID, "its certificate is not of its key");
	return r;
}

/* An identity has had a key in a TPM, with a name, a header, a public half and a certificate. */
static int check(const struct identity_record *record, struct err *err)
{
	CLEANUP(pkey_cleanup) struct pkey *public = NULL;
	struct slice chain = buf_slice(&record->chain), spki = buf_slice(&record->spki);
	int r;

	if (!record->present)
		return 0;
	if (!record->enabled || record->generation == 0 || record->name_len == 0 ||
	    record->header.len == 0 || chain.len == 0 || !text_chain_ok(chain))
		return err_set(err, ERR_INVALID, "its members do not fit together");
	r = pkey_from_spki(spki, &public, err);
	return r < 0 ? r : check_chain(chain, spki, err);
}

int files_record_of_text(struct slice text, struct identity_record *ret_record, struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	CLEANUP(identity_record_cleanup) struct identity_record record = IDENTITY_RECORD_INIT;
	int r = text_parse(text, &json, err);

	if (r < 0)
		return r;
	r = get_always(json, &record, err);
	if (r == 0 && record.present)
		r = get_present(json, &record, err);
	if (r == 0)
		r = check(&record, err);
	if (r == ERR_NOT_SUPPORTED)
		return err_set(err, ERR_UNREADABLE, "its key is of a type that is not known");
	if (r < 0)
		return text_damaged(r, err);
	identity_record_fini(ret_record);
	*ret_record = record;
	record = (struct identity_record)IDENTITY_RECORD_INIT;
	return 0;
}

int files_record_to_text(const struct identity_record *record, struct buf *ret_text,
			 struct err *err)
{
	CLEANUP(identity_record_cleanup) struct identity_record again = IDENTITY_RECORD_INIT;
	CLEANUP(buf_fini) struct buf text = BUF_INIT(TWIN_MAX);
	int r;

	buf_printf(&text, "{\"version\":%u", TEXT_VERSION);
	text_put_bool(&text, "enabled", record->enabled);
	text_put_bool(&text, "present", record->present);
	text_put_number(&text, "generation", record->generation);
	text_put_line(&text, "since", record->since);
	if (record->present) {
		text_put_number(&text, "handle", record->handle);
		text_put_hex(&text, "name", slice_of(record->name, record->name_len));
		text_put_base64(&text, "header", buf_slice(&record->header));
		text_put_base64(&text, "spki", buf_slice(&record->spki));
		text_put_base64(&text, "chain", buf_slice(&record->chain));
	}
	buf_put_str(&text, "}\n");
	if (!buf_ok(&text))
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = files_record_of_text(buf_slice(&text), &again, err);
	if (r == ERR_DAMAGED || r == ERR_UNREADABLE)
		return err_set(err, ERR_INVALID, "this is no record of an identity");
	if (r < 0)
		return r;
	buf_put(ret_text, buf_slice(&text));
	return buf_ok(ret_text) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}
