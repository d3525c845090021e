/* SPDX-License-Identifier: Apache-2.0 */

/* Two tenants on one simulated chip with three slots, each with the stock ESYS for a client. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <tss2/tss2_esys.h>

#include "base/json.h"
#include "broker/impl.h"
#include "broker/test_tenant.h"
#include "provider/tpm/tpm.h"
#include "tests/support/chip.h"

#define NONE	 ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE
#define PASSWORD ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE
#define HSK	 0x81000101u
#define PLACE	 0x81000010u

/* --- a TCTI into the virtual chip ---------------------------------------------------------- */

struct client {
	TSS2_TCTI_CONTEXT_COMMON_V1 tcti; /* first */
	struct tenant tenant;
	ESYS_CONTEXT *esys;
};

static TSS2_RC transmit(TSS2_TCTI_CONTEXT *tcti, size_t size, const uint8_t *bytes)
{
	struct client *client = (struct client *)(void *)tcti;

	(void)tenant_send_bytes(&client->tenant, slice_of(bytes, size));
	return TSS2_RC_SUCCESS;
}

static TSS2_RC receive(TSS2_TCTI_CONTEXT *tcti, size_t *size, uint8_t *bytes, int32_t timeout)
{
	struct client *client = (struct client *)(void *)tcti;

	(void)timeout;
	*size = client->tenant.answer.len;
	if (bytes)
		memcpy(bytes, client->tenant.answer.data, *size);
	return TSS2_RC_SUCCESS;
}

static void client_init(struct client *client, struct broker *broker, uint8_t id)
{
	static const uint32_t reserved[] = {HSK};

	memset(client, 0, sizeof(*client));
	tenant_init(&client->tenant, broker, id);
	client->tenant.limits.reserved = reserved;
	client->tenant.limits.reserved_count = ARRAY_LEN(reserved);
	client->tcti.magic = 0x48464d54;
	client->tcti.version = 1;
	client->tcti.transmit = transmit;
	client->tcti.receive = receive;
	assert_int_equal(Esys_Initialize(&client->esys, (TSS2_TCTI_CONTEXT *)client, NULL), 0);
}

static void client_fini(struct client *client)
{
	Esys_Finalize(&client->esys);
	tenant_fini(&client->tenant);
}

/* --- the world ----------------------------------------------------------------------------- */

struct world {
	struct chip chip;
	struct provider *p;
	struct broker *broker;
	struct client a, b;
};

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct buf record = BUF_INIT(TPM_STATE_MAX);
	struct tpm_options options = {
		.srk_handle = 0x81000002u, .hsk_handle = HSK, .encrypt = true};
	struct secret *key = NULL;
	struct err err;

	assert_non_null(world);
	chip_new(&world->chip);
	options.tcti = world->chip.conf;
	assert_int_equal(secret_new(32, &key, &err), 0);
	assert_int_equal(
		tpm_provider_open(&options, key, slice_of(NULL, 0), &world->p, &record, &err), 0);
	assert_int_equal(tpm_provider_commit(world->p, &err), 0);
	secret_free(key);
	buf_fini(&record);
	world->broker = test_broker(world->p);
	client_init(&world->a, world->broker, 1);
	client_init(&world->b, world->broker, 2);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	client_fini(&world->a);
	client_fini(&world->b);
	broker_free(world->broker);
	provider_free(world->p);
	chip_free(&world->chip);
	free(world);
	return 0;
}

/* --- keys ---------------------------------------------------------------------------------- */

#define KEY_ATTRIBUTES                                                                             \
	(TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |        \
	 TPMA_OBJECT_USERWITHAUTH)

static const TPM2B_PUBLIC STORAGE = {
	.publicArea =
		{
			.type = TPM2_ALG_ECC,
			.nameAlg = TPM2_ALG_SHA256,
			.objectAttributes = KEY_ATTRIBUTES | TPMA_OBJECT_RESTRICTED |
					    TPMA_OBJECT_DECRYPT | TPMA_OBJECT_NODA,
			.parameters.eccDetail =
				{
					.symmetric = {TPM2_ALG_AES,
						      {.aes = 128},
						      {.aes = TPM2_ALG_CFB}},
					.scheme.scheme = TPM2_ALG_NULL,
					.curveID = TPM2_ECC_NIST_P256,
					.kdf.scheme = TPM2_ALG_NULL,
				},
		},
};

static const TPM2B_PUBLIC SIGNING = {
	.publicArea =
		{
			.type = TPM2_ALG_ECC,
			.nameAlg = TPM2_ALG_SHA256,
			.objectAttributes = KEY_ATTRIBUTES | TPMA_OBJECT_SIGN_ENCRYPT,
			.parameters.eccDetail =
				{
					.symmetric.algorithm = TPM2_ALG_NULL,
					.scheme = {TPM2_ALG_ECDSA,
						   {.ecdsa.hashAlg = TPM2_ALG_SHA256}},
					.curveID = TPM2_ECC_NIST_P256,
					.kdf.scheme = TPM2_ALG_NULL,
				},
		},
};

static const TPM2B_PUBLIC RSA = {
	.publicArea =
		{
			.type = TPM2_ALG_RSA,
			.nameAlg = TPM2_ALG_SHA256,
			.objectAttributes =
				KEY_ATTRIBUTES | TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_NODA,
			.parameters.rsaDetail =
				{
					.symmetric.algorithm = TPM2_ALG_NULL,
					.scheme = {TPM2_ALG_RSASSA,
						   {.rsassa.hashAlg = TPM2_ALG_SHA256}},
					.keyBits = 2048,
				},
		},
};

static TPM2B_SENSITIVE_CREATE with_auth(const char *password)
{
	TPM2B_SENSITIVE_CREATE sensitive = {.size = 0};

	sensitive.sensitive.userAuth.size = (uint16_t)strlen(password);
	memcpy(sensitive.sensitive.userAuth.buffer, password, strlen(password));
	return sensitive;
}

static ESYS_TR primary(struct client *client, const TPM2B_PUBLIC *template, const char *password)
{
	TPM2B_SENSITIVE_CREATE sensitive = with_auth(password);
	TPM2B_DATA outside = {.size = 0};
	TPML_PCR_SELECTION pcrs = {.count = 0};
	ESYS_TR key;

	assert_int_equal(Esys_CreatePrimary(client->esys, ESYS_TR_RH_OWNER, PASSWORD, &sensitive,
					    template, &outside, &pcrs, &key, NULL, NULL, NULL,
					    NULL),
			 0);
	return key;
}

/* Create and Load, both in @session where that is not ESYS_TR_PASSWORD. */
static ESYS_TR child(struct client *client, ESYS_TR parent, const TPM2B_PUBLIC *template,
		     const char *password, ESYS_TR session)
{
	TPM2B_SENSITIVE_CREATE sensitive = with_auth(password);
	TPM2B_DATA outside = {.size = 0};
	TPML_PCR_SELECTION pcrs = {.count = 0};
	TPM2B_PRIVATE *private;
	TPM2B_PUBLIC *public;
	ESYS_TR key;

	assert_int_equal(Esys_Create(client->esys, parent, session, ESYS_TR_NONE, ESYS_TR_NONE,
				     &sensitive, template, &outside, &pcrs, &private, &public, NULL,
				     NULL, NULL),
			 0);
	assert_int_equal(Esys_Load(client->esys, parent, session, ESYS_TR_NONE, ESYS_TR_NONE,
				   private, public, &key),
			 0);
	Esys_Free(private);
	Esys_Free(public);
	return key;
}

static void set_auth(struct client *client, ESYS_TR key, const char *password)
{
	TPM2B_AUTH auth = {.size = (uint16_t)strlen(password)};

	memcpy(auth.buffer, password, strlen(password));
	assert_int_equal(Esys_TR_SetAuth(client->esys, key, &auth), 0);
}

static TSS2_RC sign_in(struct client *client, ESYS_TR key, ESYS_TR session)
{
	const TPMT_TK_HASHCHECK ticket = {.tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL};
	const TPMT_SIG_SCHEME scheme = {.scheme = TPM2_ALG_NULL};
	const TPM2B_DIGEST digest = {.size = 32};
	TPMT_SIGNATURE *signature = NULL;
	TSS2_RC rc = Esys_Sign(client->esys, key, session, ESYS_TR_NONE, ESYS_TR_NONE, &digest,
			       &scheme, &ticket, &signature);

	if (rc)
		return rc;
	rc = Esys_VerifySignature(client->esys, key, NONE, &digest, signature, NULL);
	Esys_Free(signature);
	return rc;
}

static TSS2_RC sign(struct client *client, ESYS_TR key)
{
	return sign_in(client, key, ESYS_TR_PASSWORD);
}

/* --- sessions ------------------------------------------------------------------------------ */

static const TPMT_SYM_DEF AES = {TPM2_ALG_AES, {.aes = 128}, {.aes = TPM2_ALG_CFB}};
static const TPMT_SYM_DEF NO_CIPHER = {.algorithm = TPM2_ALG_NULL};

static ESYS_TR start(struct client *client, ESYS_TR salt, ESYS_TR bind, TPM2_SE type)
{
	const TPMT_SYM_DEF *cipher = salt == ESYS_TR_NONE ? &NO_CIPHER : &AES;
	ESYS_TR session;

	assert_int_equal(Esys_StartAuthSession(client->esys, salt, bind, NONE, NULL, type, cipher,
					       TPM2_ALG_SHA256, &session),
			 0);
	return session;
}

/* --- what a stock program does ------------------------------------------------------------- */

static void workflow(struct client *client)
{
	const TPMA_SESSION both =
		TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT;
	ESYS_TR parent = primary(client, &STORAGE, "");
	ESYS_TR session = start(client, parent, ESYS_TR_NONE, TPM2_SE_HMAC);
	ESYS_TR policy = start(client, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_SE_POLICY), key;
	TPM2B_DIGEST *random;

	assert_int_equal(Esys_TRSess_SetAttributes(client->esys, session, both, 0xff), 0);
	key = child(client, parent, &SIGNING, "password", session);
	set_auth(client, key, "password");
	assert_int_equal(Esys_TRSess_SetAttributes(
				 client->esys, session,
				 TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_DECRYPT, 0xff),
			 0);
	assert_int_equal(sign_in(client, key, session), 0);
	assert_int_equal(sign(client, key), 0);
	assert_int_equal(Esys_PolicyAuthValue(client->esys, policy, NONE), 0);
	assert_int_equal(Esys_TRSess_SetAttributes(
				 client->esys, session,
				 TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_ENCRYPT, 0xff),
			 0);
	assert_int_equal(
		Esys_GetRandom(client->esys, session, ESYS_TR_NONE, ESYS_TR_NONE, 16, &random), 0);
	Esys_Free(random);
	assert_int_equal(Esys_FlushContext(client->esys, policy), 0);
	assert_int_equal(Esys_FlushContext(client->esys, session), 0);
	assert_int_equal(Esys_FlushContext(client->esys, key), 0);
	assert_int_equal(Esys_FlushContext(client->esys, parent), 0);
}

static void assert_empty(const struct client *client)
{
	struct vchip_usage usage;

	vchip_usage(client->tenant.vchip, &usage);
	assert_int_equal(usage.objects + usage.sessions, 0);
}

static void test_workflow(void **state)
{
	struct world *world = *state;

	workflow(&world->a);
	workflow(&world->b);
	assert_empty(&world->a);
	assert_empty(&world->b);
}

/* A key that only a policy opens. */
static void test_policy(void **state)
{
	struct world *world = *state;
	ESYS_TR trial = start(&world->a, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_SE_TRIAL), policy, key;
	TPM2B_PUBLIC template = SIGNING;
	TPM2B_DIGEST *digest;

	assert_int_equal(Esys_PolicyCommandCode(world->a.esys, trial, NONE, TPM2_CC_Sign), 0);
	assert_int_equal(Esys_PolicyGetDigest(world->a.esys, trial, NONE, &digest), 0);
	template.publicArea.authPolicy = *digest;
	template.publicArea.objectAttributes &= ~TPMA_OBJECT_USERWITHAUTH;
	Esys_Free(digest);
	key = primary(&world->a, &template, "");
	policy = start(&world->a, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_SE_POLICY);
	assert_int_equal(sign_in(&world->a, key, policy), 0x99d);
	assert_int_equal(Esys_PolicyCommandCode(world->a.esys, policy, NONE, TPM2_CC_Sign), 0);
	assert_int_equal(Esys_TRSess_SetAttributes(world->a.esys, policy,
						   TPMA_SESSION_CONTINUESESSION, 0xff),
			 0);
	assert_int_equal(sign_in(&world->a, key, policy), 0);
}

/* --- contexts ------------------------------------------------------------------------------ */

static void save_and_load(struct world *world, ESYS_TR *handle)
{
	TPMS_CONTEXT *context;
	ESYS_TR foreign;

	assert_int_equal(Esys_ContextSave(world->a.esys, *handle, &context), 0);
	assert_int_equal(Esys_ContextLoad(world->b.esys, context, &foreign), 0x1df);
	assert_int_equal(Esys_ContextLoad(world->a.esys, context, handle), 0);
	Esys_Free(context);
}

static void test_contexts(void **state)
{
	struct world *world = *state;
	ESYS_TR ecc = primary(&world->a, &SIGNING, ""), rsa = primary(&world->a, &RSA, "");
	ESYS_TR session = start(&world->a, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_SE_HMAC), sequence;
	const TPM2B_MAX_BUFFER data = {.size = 3, .buffer = "abc"};
	TPM2B_DIGEST *whole, *parts;
	TPM2B_AUTH no_auth = {.size = 0};

	save_and_load(world, &ecc);
	save_and_load(world, &rsa);
	assert_int_equal(Esys_TRSess_SetAttributes(world->a.esys, session,
						   TPMA_SESSION_CONTINUESESSION, 0xff),
			 0);
	save_and_load(world, &session);
	assert_int_equal(sign_in(&world->a, ecc, session), 0);
	save_and_load(world, &session);
	assert_int_equal(sign_in(&world->a, rsa, session), 0);
	assert_int_equal(Esys_Hash(world->a.esys, NONE, &data, TPM2_ALG_SHA256, ESYS_TR_RH_NULL,
				   &whole, NULL),
			 0);
	assert_int_equal(
		Esys_HashSequenceStart(world->a.esys, NONE, &no_auth, TPM2_ALG_SHA256, &sequence),
		0);
	assert_int_equal(Esys_SequenceUpdate(world->a.esys, sequence, PASSWORD,
					     &(TPM2B_MAX_BUFFER){.size = 1, .buffer = "a"}),
			 0);
	save_and_load(world, &sequence);
	assert_int_equal(Esys_SequenceComplete(world->a.esys, sequence, PASSWORD,
					       &(TPM2B_MAX_BUFFER){.size = 2, .buffer = "bc"},
					       ESYS_TR_RH_NULL, &parts, NULL),
			 0);
	assert_memory_equal(whole->buffer, parts->buffer, 32);
	Esys_Free(whole);
	Esys_Free(parts);
}

/* --- persistent objects -------------------------------------------------------------------- */

static void power_cycle(struct world *world)
{
	chip_power_cut(&world->chip);
	chip_power_on(&world->chip);
}

static ESYS_TR at_place(struct client *client, uint32_t handle)
{
	ESYS_TR key;

	assert_int_equal(Esys_TR_FromTPMPublic(client->esys, handle, NONE, &key), 0);
	return key;
}

static void test_persistent(void **state)
{
	struct world *world = *state;
	struct client *client = &world->a;
	ESYS_TR parent = primary(client, &STORAGE, "of the parent"), plain, kept, foreign;
	ESYS_TR key = child(client, parent, &SIGNING, "of the key", ESYS_TR_PASSWORD);
	TPM2B_NAME *before, *after;

	plain = start(client, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_SE_HMAC);
	assert_int_equal(Esys_TR_GetName(client->esys, key, &before), 0);
	assert_int_equal(
		Esys_EvictControl(client->esys, ESYS_TR_RH_OWNER, key, PASSWORD, PLACE, &kept), 0);
	assert_int_equal(Esys_EvictControl(client->esys, ESYS_TR_RH_OWNER, parent, plain,
					   ESYS_TR_NONE, ESYS_TR_NONE, PLACE + 1, &kept),
			 0); /* ESYS has checked our HMAC */
	power_cycle(world);
	assert_int_equal(Esys_TR_FromTPMPublic(world->b.esys, PLACE, NONE, &foreign), 0x18b);
	kept = at_place(client, PLACE);
	assert_int_equal(Esys_TR_GetName(client->esys, kept, &after), 0);
	assert_int_equal(before->size, after->size);
	assert_memory_equal(before->name, after->name, before->size);
	set_auth(client, kept, "of the key");
	assert_int_equal(sign(client, kept), 0);
	parent = at_place(client, PLACE + 1);
	set_auth(client, parent, "of the parent");
	assert_int_equal(sign(client, child(client, parent, &SIGNING, "", ESYS_TR_PASSWORD)), 0);
	assert_int_equal(
		Esys_EvictControl(client->esys, ESYS_TR_RH_OWNER, kept, PASSWORD, PLACE, &key), 0);
	assert_int_equal(Esys_TR_FromTPMPublic(client->esys, PLACE, NONE, &key), 0x18b);
	Esys_Free(before);
	Esys_Free(after);
}

/* What lies under the shared SRK; and what the machine has is not for tenants. */
static void test_below_the_srk(void **state)
{
	struct world *world = *state;
	ESYS_TR srk = at_place(&world->a, 0x81000001), key, ours;

	key = child(&world->a, srk, &SIGNING, "", ESYS_TR_PASSWORD);
	assert_int_equal(
		Esys_EvictControl(world->a.esys, ESYS_TR_RH_OWNER, key, PASSWORD, PLACE, &key), 0);
	power_cycle(world);
	assert_int_equal(sign(&world->a, at_place(&world->a, PLACE)), 0);
	assert_int_equal(Esys_TR_FromTPMPublic(world->a.esys, HSK, NONE, &ours), 0x18b);
}

/* --- tenants against each other ------------------------------------------------------------ */

static void test_guesses(void **state)
{
	struct world *world = *state;
	ESYS_TR mine = primary(&world->a, &SIGNING, "right");
	ESYS_TR theirs = primary(&world->b, &SIGNING, "right");
	unsigned i, told = 0;

	set_auth(&world->a, mine, "wrong");
	set_auth(&world->b, theirs, "right");
	for (i = 0; i < 6; i++) {
		TSS2_RC rc = sign(&world->a, mine);

		told += rc == 0x98e;
		assert_true(rc == 0x98e || (rc == TPM2_RC_LOCKOUT && told > 0));
		assert_int_equal(sign(&world->b, theirs), 0);
	}
	assert_in_range(told, 1, 2);
	set_auth(&world->a, mine, "right");
	assert_int_equal(sign(&world->a, mine), TPM2_RC_LOCKOUT);
	workflow(&world->b);
}

#define OBJECTS	 40u
#define SESSIONS 70u

static void test_many_objects(void **state)
{
	struct world *world = *state;
	ESYS_TR mine[OBJECTS], theirs[OBJECTS];
	char password[8] = "key ";
	unsigned i;

	for (i = 0; i < OBJECTS; i++) {
		password[4] = (char)('A' + i);
		mine[i] = primary(&world->a, &SIGNING, password);
		theirs[i] = primary(&world->b, &SIGNING, password);
		set_auth(&world->a, mine[i], password);
		set_auth(&world->b, theirs[i], password);
	}
	for (i = 0; i < OBJECTS; i++) {
		assert_int_equal(sign(&world->a, mine[i]), 0);
		assert_int_equal(sign(&world->b, theirs[OBJECTS - 1 - i]), 0);
	}
}

/* A chip has 64 of them, some of them ours: older ones go, the newest are there. */
static void test_many_sessions(void **state)
{
	struct world *world = *state;
	ESYS_TR session[SESSIONS], key, theirs, other;
	struct vchip_usage usage;
	unsigned i;

	world->a.tenant.limits.sessions_max = SESSIONS;
	other = primary(&world->b, &SIGNING, "");
	theirs = start(&world->b, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_SE_HMAC);
	key = primary(&world->a, &RSA, "");
	for (i = 0; i < SESSIONS; i++)
		session[i] = start(&world->a, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_SE_HMAC);
	vchip_usage(world->a.tenant.vchip, &usage);
	assert_in_range(usage.sessions, 50, 63);
	for (i = 0; i < 50; i++)
		assert_int_equal(sign_in(&world->a, key, session[SESSIONS - 1 - i]), 0);
	assert_int_equal(sign_in(&world->b, other, theirs), 0);
	/* Its number is another one's by now, which its nonce does not fit. */
	assert_int_equal(sign_in(&world->a, key, session[0]), 0x9a2);
}

static TSS2_RC derive(struct client *client, const TPM2B_PUBLIC *template, ESYS_TR session)
{
	TPM2B_SENSITIVE_CREATE sensitive = with_auth("mine");
	TPM2B_DATA outside = {.size = 0};
	TPML_PCR_SELECTION pcrs = {.count = 0};
	ESYS_TR key;

	return Esys_CreatePrimary(client->esys, ESYS_TR_RH_OWNER, session, ESYS_TR_NONE,
				  ESYS_TR_NONE, &sensitive, template, &outside, &pcrs, &key, NULL,
				  NULL, NULL, NULL);
}

/* As whoever sets up the machine does, past every tenant. */
static void persist(struct world *world, uint32_t object, uint32_t handle)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(64), answer = BUF_INIT(ASK_MAX);
	struct guest_command command = {.handle_count = 2, .session_count = 1};
	struct provider_guest *made = NULL;
	struct err err;

	buf_put_u16(&bytes, TPM2_ST_SESSIONS);
	buf_put_u32(&bytes, WIRE_HEADER + 8 + 4 + 9 + 4);
	buf_put_u32(&bytes, TPM2_CC_EvictControl);
	buf_put_u32(&bytes, TPM2_RH_OWNER);
	buf_put_u32(&bytes, object);
	buf_put_u32(&bytes, 9);
	buf_put_u32(&bytes, TPM2_RS_PW);
	buf_put_u16(&bytes, 0);
	buf_put_u8(&bytes, TPMA_SESSION_CONTINUESESSION);
	buf_put_u16(&bytes, 0);
	buf_put_u32(&bytes, handle);
	command.bytes = buf_slice(&bytes);
	command.handles[1] = handles_find(world->a.tenant.vchip, object)->guest;
	assert_int_equal(provider_guest_run(world->p, &command, &answer, &made, &err), 0);
	assert_int_equal(response_code(buf_slice(&answer)), 0);
}

/* A persistent key that a tenant may not reach is not to be had by its template either. */
static void test_templates(void **state)
{
	const TPMA_SESSION both =
		TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT;
	struct world *world = *state;
	ESYS_TR key = primary(&world->a, &SIGNING, "theirs"), session;
	TPM2_HANDLE handle;

	assert_int_equal(derive(&world->b, &SIGNING, ESYS_TR_PASSWORD), 0);
	assert_int_equal(Esys_TR_GetTpmHandle(world->a.esys, key, &handle), 0);
	persist(world, handle, 0x81000040);
	assert_int_equal(derive(&world->b, &SIGNING, ESYS_TR_PASSWORD), 0x2c4);
	session = start(&world->b, primary(&world->b, &STORAGE, ""), ESYS_TR_NONE, TPM2_SE_HMAC);
	assert_int_equal(Esys_TRSess_SetAttributes(world->b.esys, session, both, 0xff), 0);
	assert_int_equal(derive(&world->b, &SIGNING, session), 0x2c4);
	assert_int_equal(derive(&world->b, &RSA, ESYS_TR_PASSWORD), 0);
}

/* The chip goes under their feet: codes of a chip, and everything works again. */
static void test_reset(void **state)
{
	struct world *world = *state;
	ESYS_TR key = primary(&world->a, &SIGNING, "");
	TPMS_CONTEXT *context;
	ESYS_TR loaded;

	assert_int_equal(Esys_ContextSave(world->a.esys, key, &context), 0);
	power_cycle(world);
	loaded = primary(&world->b, &SIGNING, ""); /* the first that meets the new chip */
	assert_int_equal(sign(&world->b, loaded), 0);
	assert_int_equal(Esys_FlushContext(world->b.esys, loaded), 0);
	assert_int_equal(sign(&world->a, key), 0x910);
	assert_int_equal(Esys_ContextLoad(world->a.esys, context, &loaded), 0x1df);
	workflow(&world->a);
	workflow(&world->b);
	Esys_Free(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		CASE(test_workflow),	 CASE(test_policy),	   CASE(test_contexts),
		CASE(test_persistent),	 CASE(test_below_the_srk), CASE(test_guesses),
		CASE(test_many_objects), CASE(test_many_sessions), CASE(test_reset),
		CASE(test_templates),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
