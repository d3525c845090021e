/* SPDX-License-Identifier: Apache-2.0 */
#include "service/pcrs.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "service/key.h"
#include "service/routes.h"

#define USUAL_MASK 0xffu

/* --- selection --- */

/* Chips have banks of SHA-1 too, which hash_of_name() does not name. */
static bool bank_of_name(const char *name, enum hash_alg *ret_hash)
{
	size_t i;

	for (i = 0; i < HASH_ALGS; i++)
		if (strcmp(name, hash_name((enum hash_alg)i)) == 0) {
			*ret_hash = (enum hash_alg)i;
			return true;
		}
	return false;
}

static int read_bank(const char *bank, const json_t *list, uint32_t *ret_mask, struct err *err)
{
	uint32_t mask = 0;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) == 0)
		return err_set(err, ERR_INVALID, "/pcrs/%s: must be an array of numbers, not empty",
			       bank);
	for (i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);
		json_int_t pcr = json_integer_value(item);

		if (!json_is_integer(item) || pcr < 0 || pcr >= (json_int_t)PCR_COUNT)
			return err_set(err, ERR_INVALID,
				       "/pcrs/%s/%zu: must be a whole number from 0 to %u", bank, i,
				       PCR_COUNT - 1);
		if (mask & UINT32_C(1) << pcr)
			return err_set(err, ERR_INVALID, "/pcrs/%s/%zu: stands there twice", bank,
				       i);
		mask |= UINT32_C(1) << pcr;
	}
	*ret_mask = mask;
	return 0;
}

int pcrs_read(const struct json_t *body, struct pcr_selection *ret_pcrs, struct err *err)
{
	json_t *pcrs = json_object_get(body, "pcrs");
	struct pcr_selection selection = {.count = 0};
	const char *name;
	json_t *list;
	int r;

	if (!pcrs)
		return 0;
	if (!json_is_object(pcrs) || json_object_size(pcrs) == 0 ||
	    json_object_size(pcrs) > PCR_BANKS)
		return err_set(err, ERR_INVALID, "/pcrs: must be an object of 1 to %u banks",
			       PCR_BANKS);
	json_object_foreach(pcrs, name, list)
	{
		enum hash_alg hash;
		uint32_t mask = 0;

		if (!bank_of_name(name, &hash))
			return err_set(err, ERR_INVALID,
				       "/pcrs: banks are sha1, sha256, sha384 and sha512");
		r = read_bank(hash_name(hash), list, &mask, err);
		if (r < 0)
			return r;
		selection.banks[selection.count].hash = hash;
		selection.banks[selection.count++].mask = mask;
	}
	*ret_pcrs = selection;
	return 0;
}

void pcrs_usual(const struct pcr_selection *banks, struct pcr_selection *ret_pcrs)
{
	size_t i, chosen = 0;

	for (i = 0; i < banks->count; i++)
		if (banks->banks[i].hash == HASH_SHA256)
			chosen = i;
	*ret_pcrs = (struct pcr_selection){.count = banks->count > 0};
	ret_pcrs->banks[0] = banks->banks[chosen];
	ret_pcrs->banks[0].mask &= USUAL_MASK;
}

/* --- values --- */

static json_t *bank_json(const struct pcr_values *values, size_t bank)
{
	size_t size = hash_size(values->selection.banks[bank].hash);
	json_t *json = json_object();
	char pcr[8];
	unsigned i;

	for (i = 0; json && i < PCR_COUNT; i++) {
		if (!(values->selection.banks[bank].mask & UINT32_C(1) << i))
			continue;
		(void)snprintf(pcr, sizeof(pcr), "%u", i);
		if (json_object_set_new(
			    json, pcr, key_hex_json(slice_of(values->digest[bank][i], size))) < 0) {
			json_free(json);
			json = NULL;
		}
	}
	return json;
}

struct json_t *pcrs_json(const struct pcr_values *values)
{
	json_t *json = json_object();
	size_t i;

	for (i = 0; json && i < values->selection.count; i++)
		if (json_object_set_new(json, hash_name(values->selection.banks[i].hash),
					bank_json(values, i)) < 0) {
			json_free(json);
			json = NULL;
		}
	return json;
}

/* --- the route --- */

struct pcrs_op {
	struct op op;
	struct pcr_values values;
};

static int read_all(void *arg, struct err *err)
{
	struct pcrs_op *pcrs = arg;
	struct provider *p = op_provider_enter(&pcrs->op);
	struct pcr_selection banks;
	int r;

	r = provider_pcr_banks(p, &banks, err);
	if (r == 0)
		r = provider_pcrs(p, &banks, &pcrs->values, err);
	return op_provider_leave(&pcrs->op, r);
}

static int prepare(struct op *op, struct err *err)
{
	op_step(op, op_provider_place(op), read_all);
	return op_needs_chip(op, err);
}

static void answer(struct op *op)
{
	op_answer_json(op, 200,
		       json_pack("{s:o, s:s}", "banks", pcrs_json(&((struct pcrs_op *)op)->values),
				 "protection", op->provider->ops->protection));
}

static const struct op_kind PCRS = {
	.operation = METRICS_PCRS,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct pcrs_op),
	.prepare = prepare,
	.answer = answer,
};

void service_pcrs(struct http_request *request, void *app)
{
	op_run(app, request, &PCRS);
}
