/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Endorsement keys: the TCG's templates under the seed of the chip's maker. One that lies there
 * persistently is taken; else it is made when it is needed, which an RSA key takes long for, so
 * what is told of it is kept until the chip was reset, and in the chip it is an object like ours.
 */

#include <string.h>

#include "tpm/impl.h"
#include "tpm/rc.h"

/* TCG "Registry of Reserved TPM 2.0 Handles": endorsement keys. */
#define EK_HANDLE_FIRST 0x81010000u
#define EK_HANDLE_LAST	0x8101ffffu
#define EK_HANDLES_MAX	16u

/* In the order in which a type's are tried. */
static const struct ek_row rows[] = {
	{PKEY_RSA_2048, false, 0x01c00002}, {PKEY_ECC_P256, false, 0x01c0000a},
	{PKEY_RSA_2048, true, 0x01c00012},  {PKEY_ECC_P256, true, 0x01c00014},
	{PKEY_ECC_P384, true, 0x01c00016},  {PKEY_RSA_3072, true, 0x01c0001c},
};

static const char remedy_auth[] =
	"Give the password of the TPM's endorsement hierarchy in a file: tpm { "
	"endorsement_auth_file }.";

void eks_misplace(struct eks *eks)
{
	for (size_t i = 0; i < PKEY_TYPES; i++)
		eks->keys[i].placed = false;
}

void eks_fini(struct eks *eks)
{
	for (size_t i = 0; i < PKEY_TYPES; i++) {
		buf_fini(&eks->keys[i].certificate);
		buf_fini(&eks->keys[i].chain);
	}
	memset(eks, 0, sizeof(*eks));
}

void ek_begin(struct engine *engine)
{
	engine->eks.refused = engine->eks.unreadable = false;
	engine->eks.remark[0] = '\0';
}

bool ek_by_policy(const struct ek *ek)
{
	return !(ek->public.publicArea.objectAttributes & TPMA_OBJECT_USERWITHAUTH);
}

int ek_err(struct engine *engine, int r, struct err *err)
{
	if (r != ERR_AUTH_FAILED || !engine->eks.refused)
		return r;
	(void)err_set(err, ERR_OWNER_AUTH_REQUIRED, "%s",
		      engine->endorsement_auth
			      ? "the TPM refused the configured endorsement password"
			      : "the TPM's endorsement hierarchy has a password");
	return err_add_remedy(err, remedy_auth);
}

/* --- the key ------------------------------------------------------------------------------- */

/* With its certificate listed, else the first. */
static const struct ek_row *row_of(enum pkey_type type, const struct chip_handles *indices)
{
	const struct ek_row *first = NULL;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].type != type)
			continue;
		first = first ? first : &rows[i];
		if (chip_handles_have(indices, rows[i].certificate))
			return &rows[i];
	}
	return first;
}

/* What was told of another key is not true of this one. */
static void take(struct ek *ek, const struct ek_row *row, const TPM2B_PUBLIC *public,
		 const struct engine_name *name)
{
	if (!ek->row || ek->row != row || !name_equal(&ek->name, name)) {
		buf_fini(&ek->certificate);
		buf_fini(&ek->chain);
	}
	ek->row = row;
	ek->public = *public;
	ek->name = *name;
}

/* A primary key's qualified Name: H(handle of its hierarchy || Name) (Part 1, "Names"). */
static bool is_endorsed(const struct engine_name *name, const struct engine_name *qualified,
			const TPM2B_PUBLIC *public)
{
	uint8_t hierarchy[4], digest[HASH_MAX_SIZE];
	struct slice parts[] = {chip_handle_name(TPM2_RH_ENDORSEMENT, hierarchy), name_slice(name)};
	enum hash_alg alg = HASH_SHA256;
	struct err ignored;

	return public_hash_of_id(public->publicArea.nameAlg, &alg, &ignored) == 0 &&
	       hash_digest(alg, parts, ARRAY_LEN(parts), digest, &ignored) == 0 &&
	       qualified->len == 2 + hash_size(alg) &&
	       slice_equal(slice_of(qualified->bytes + 2, hash_size(alg)),
			   slice_of(digest, hash_size(alg)));
}

/*
 * What was read before the Name was known could be anybody's on the bus. So it is read once more,
 * where the chip vouches for the Name and for what it answers.
 */
static TSS2_RC take_vouched(struct engine *engine, struct ek *ek, const struct ek_row *row,
			    const struct root *found)
{
	struct engine_name name, qualified;
	TPM2B_PUBLIC public;
	TSS2_RC rc = chip_read_qualified(engine, found, &public, &qualified);

	/* There is no password that could be wrong, so it is another key. */
	if (rc)
		return rc_is_refusal(rc) ? TSS2_SYS_RC_MALFORMED_RESPONSE : rc;
	if (public_name(&public, &name, &engine->line.fault) < 0 ||
	    !name_equal(&name, &found->name))
		return TSS2_SYS_RC_MALFORMED_RESPONSE;
	if (!is_endorsed(&name, &qualified, &public))
		return TSS2_RC_SUCCESS;
	take(ek, row, &public, &name);
	ek->handle = found->handle;
	return TSS2_RC_SUCCESS;
}

static TSS2_RC look_at(struct engine *engine, struct ek *ek, const struct ek_row *row,
		       uint32_t handle)
{
	struct root found = {.handle = handle};
	TPM2B_PUBLIC public, template;
	struct err *fault = &engine->line.fault;
	TSS2_RC rc = chip_read_public(engine, handle, &public);

	if (rc)
		return rc_base(rc) == TPM2_RC_HANDLE && !rc_is_layer(rc) ? TSS2_RC_SUCCESS : rc;
	if (public_endorsement(row->type, row->high, &template, fault) < 0)
		return COMMAND_OURS;
	if (!public_is_by(&public, &template) || public_name(&public, &found.name, fault) < 0)
		return TSS2_RC_SUCCESS;
	return take_vouched(engine, ek, row, &found);
}

/* Where it lies persistently, if anywhere. */
static TSS2_RC place(struct engine *engine, struct ek *ek, const struct ek_row *row)
{
	struct chip_handles handles = {0};
	TSS2_RC rc;

	if (ek->placed && ek->row == row)
		return TSS2_RC_SUCCESS;
	ek->handle = 0;
	rc = resident_room(engine, 1, 0);
	if (!rc)
		rc = chip_handles(engine, EK_HANDLE_FIRST, &handles);
	for (size_t i = 0; i < handles.count && i < EK_HANDLES_MAX && !rc && !ek->handle; i++)
		if (handles.handle[i] >= EK_HANDLE_FIRST && handles.handle[i] <= EK_HANDLE_LAST)
			rc = look_at(engine, ek, row, handles.handle[i]);
	ek->placed = !rc;
	return rc;
}

/* The Name's digest is as good an id as any other hash. */
static const uint8_t *id_of(const struct ek *ek)
{
	return ek->name.bytes + 2;
}

static TSS2_RC make(struct engine *engine, struct ek *ek, const struct ek_row *row)
{
	TPM2B_PUBLIC template, public = {0};
	const struct chip_primary primary = {
		.hierarchy = TPM2_RH_ENDORSEMENT,
		.auth = engine_auth(engine->endorsement_auth),
		.template = &template,
	};
	struct root made;
	struct slot *slot;
	TSS2_RC rc = resident_room(engine, 1, 1);

	if (rc)
		return rc;
	if (public_endorsement(row->type, row->high, &template, &engine->line.fault) < 0)
		return COMMAND_OURS;
	rc = chip_create_primary(engine, &primary, &made, &public);
	engine->eks.refused = rc_is_refusal(rc);
	if (rc)
		return rc;
	if (!public_is_by(&public, &template))
		return TSS2_SYS_RC_MALFORMED_RESPONSE;
	take(ek, row, &public, &made.name);
	slot = slots_put(&engine->slots, id_of(ek), made.handle, &made.name);
	slot->type = PKEY_TYPES;
	slot->loads = SLOTS_SAVE_LOADS; /* to make it again is dearer than any context */
	return TSS2_RC_SUCCESS;
}

/* Its public part is known then. */
static TSS2_RC know(struct engine *engine, struct ek *ek, const struct ek_row *row)
{
	TSS2_RC rc = place(engine, ek, row);

	if (rc || ek->row == row)
		return rc;
	rc = make(engine, ek, row);
	ek->placed = !rc;
	return rc;
}

TSS2_RC ek_resident(struct engine *engine, enum pkey_type type, struct root *ret_root)
{
	struct ek *ek = &engine->eks.keys[type];
	struct slot *slot = NULL;
	TSS2_RC rc = know(engine, ek, ek->row);

	if (rc)
		return rc;
	if (ek->handle) {
		*ret_root = (struct root){.handle = ek->handle, .name = ek->name};
		return resident_room(engine, 1, 0);
	}
	rc = resident_again(engine, id_of(ek), &slot);
	if (!rc && !slot) {
		rc = make(engine, ek, ek->row);
		if (!rc)
			rc = resident_again(engine, id_of(ek), &slot);
	}
	if (!rc)
		*ret_root = (struct root){.handle = slot->handle, .name = slot->name};
	return rc;
}

/* --- what is told of it -------------------------------------------------------------------- */

static TSS2_RC look(struct engine *engine, enum pkey_type type, const struct chip_handles *indices)
{
	struct ek *ek = &engine->eks.keys[type];
	TSS2_RC rc = know(engine, ek, row_of(type, indices));

	if (rc || ek->certificate.len)
		return rc;
	return ek_certify(engine, ek, indices);
}

static TSS2_RC choose_certified(struct engine *engine, const struct chip_handles *indices)
{
	static const enum pkey_type order[] = {PKEY_ECC_P256, PKEY_RSA_2048, PKEY_ECC_P384};
	TSS2_RC rc = TSS2_RC_SUCCESS;

	for (size_t i = 0; i < ARRAY_LEN(order) && !rc && !engine->eks.has_first; i++) {
		if (chip_handles_have(indices, row_of(order[i], indices)->certificate))
			rc = look(engine, order[i], indices);
		if (rc || !engine->eks.keys[order[i]].certificate.len)
			continue;
		engine->eks.first = order[i];
		engine->eks.has_first = true;
	}
	return rc;
}

/* What a chip says of a kind of key that it does not have (Part 3, "TPM2_CreatePrimary"). */
static bool is_lacking(TSS2_RC rc)
{
	struct err err;

	return rc != COMMAND_OURS && !rc_is_layer(rc) && !rc_is_stale(rc) &&
	       rc_err(&err, rc, "") == ERR_NOT_SUPPORTED;
}

static TSS2_RC choose_any(struct engine *engine, const struct chip_handles *indices)
{
	static const enum pkey_type order[] = {PKEY_ECC_P256, PKEY_RSA_2048, PKEY_ECC_P384,
					       PKEY_RSA_3072};
	TSS2_RC rc = TSS2_RC_SUCCESS;

	for (size_t i = 0; i < ARRAY_LEN(order) && !engine->eks.has_first; i++) {
		rc = look(engine, order[i], indices);
		if (rc && !is_lacking(rc))
			return rc;
		engine->eks.first = order[i];
		engine->eks.has_first = !rc;
	}
	return rc;
}

/* All that is asked for stands in the engine then. */
static TSS2_RC learn(struct engine *engine, enum pkey_type type, enum pkey_type *ret_type)
{
	struct eks *eks = &engine->eks;
	struct chip_handles indices = {0};
	TSS2_RC rc;

	if (type == PKEY_TYPES && eks->has_first)
		type = eks->first;
	*ret_type = type;
	if (type != PKEY_TYPES && eks->keys[type].placed && eks->keys[type].certificate.len)
		return TSS2_RC_SUCCESS;
	rc = chip_handles(engine, NV_EK_FIRST, &indices);
	if (rc)
		return rc;
	if (type != PKEY_TYPES)
		return look(engine, type, &indices);
	rc = choose_certified(engine, &indices);
	if (!rc)
		rc = choose_any(engine, &indices);
	*ret_type = eks->first;
	return rc;
}

TSS2_RC ek_choose(struct engine *engine, enum pkey_type type, enum pkey_type *ret_type)
{
	if (type == PKEY_TYPES && engine->eks.has_first)
		type = engine->eks.first;
	if (type != PKEY_TYPES && engine->eks.keys[type].row) {
		*ret_type = type;
		return TSS2_RC_SUCCESS;
	}
	return learn(engine, type, ret_type);
}

struct op_ek {
	enum pkey_type type;
	enum pkey_type chosen;
};

static TSS2_RC run_ek(struct engine *engine, void *arg)
{
	struct op_ek *op = arg;

	return learn(engine, op->type, &op->chosen);
}

int engine_ek(struct engine *engine, enum pkey_type type, struct engine_ek *ret_ek, struct err *err)
{
	struct op_ek asked = {.type = type};
	const struct engine_op op = {
		.what = "looking for the endorsement key", .run = run_ek, .arg = &asked};
	const struct ek *ek;
	int r;

	ek_begin(engine);
	r = ek_err(engine, engine_do(engine, &op, err), err);

	if (r < 0)
		return r;
	ek = &engine->eks.keys[asked.chosen];
	r = public_marshal(&ek->public, ret_ek->public, err);
	if (r < 0)
		return r;
	ret_ek->type = asked.chosen;
	ret_ek->handle = ek->handle;
	ret_ek->name = ek->name;
	ret_ek->certificate = buf_slice(&ek->certificate);
	ret_ek->chain = buf_slice(&ek->chain);
	return 0;
}

const char *engine_ek_remark(const struct engine *engine)
{
	return engine->eks.remark;
}
