/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The dice are thrown when a command comes. A fault is one of three: an answer that is given in
 * the chip's place, a connection that breaks before or after the chip did its work, or a chip's
 * answer that is changed on its way. Dice and death outlive a connection, since who lost one opens
 * the next at once.
 */

#include "tests/fault/fault_tcti.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tctildr.h>

#include "tests/fault/prng.h"
#include "tpm/test_be32.h"

#define BUFFER	    4096u
#define HEADER	    10u
#define DELAY_MAX   5000u /* microseconds */
#define DEATH_MAX   4u	  /* commands */
#define PATH_SIZE   128u
#define HANDLES_MAX 64u

#define EXPORT __attribute__((visibility("default")))

enum what {
	PASS,	    /* no fault, or a late one */
	ANSWER,	    /* with a code, and the chip hears nothing */
	BREAK,	    /* before the chip hears it */
	DIE,	    /* the same, and for some commands more */
	BREAK_LATE, /* the chip did it, the answer is lost */
	CHANGE,	    /* the chip did it, the answer is changed */
};

struct answer {
	uint8_t bytes[BUFFER];
	size_t len;
};

static void change_handle(struct prng *dice, struct answer *answer);
static void change_random(struct prng *dice, struct answer *answer);
static void change_cut(struct prng *dice, struct answer *answer);
static void change_long(struct prng *dice, struct answer *answer);
static void change_tag(struct prng *dice, struct answer *answer);
static void change_size(struct prng *dice, struct answer *answer);
static void change_body(struct prng *dice, struct answer *answer);
static void change_bit(struct prng *dice, struct answer *answer);
static void change_replay(struct prng *dice, struct answer *answer);

static const struct kind {
	const char *name;
	enum what what;
	uint32_t code;
	void (*change)(struct prng *dice, struct answer *answer);
} kinds[] = {
	{.name = "delay", .what = PASS},
	{.name = "retry", .what = ANSWER, .code = 0x922},
	{.name = "yielded", .what = ANSWER, .code = 0x908},
	{.name = "testing", .what = ANSWER, .code = 0x90a},
	{.name = "nv_rate", .what = ANSWER, .code = 0x920},
	{.name = "object_memory", .what = ANSWER, .code = 0x902},
	{.name = "session_memory", .what = ANSWER, .code = 0x903},
	{.name = "memory", .what = ANSWER, .code = 0x904},
	{.name = "lockout", .what = ANSWER, .code = 0x921},
	{.name = "failure", .what = ANSWER, .code = 0x101},
	{.name = "break", .what = BREAK},
	{.name = "die", .what = DIE},
	{.name = "drop", .what = BREAK_LATE},
	{.name = "random", .what = CHANGE, .change = change_random},
	{.name = "cut", .what = CHANGE, .change = change_cut},
	{.name = "long", .what = CHANGE, .change = change_long},
	{.name = "tag", .what = CHANGE, .change = change_tag},
	{.name = "size", .what = CHANGE, .change = change_size},
	{.name = "body", .what = CHANGE, .change = change_body},
	{.name = "bit", .what = CHANGE, .change = change_bit},
	{.name = "replay", .what = CHANGE, .change = change_replay},
	{.name = "handle", .what = CHANGE, .change = change_handle},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct options {
	unsigned seed, rate;
	unsigned manager;
	uint32_t kinds; /* a bit for each */
	char control[PATH_SIZE], log[PATH_SIZE];
};

struct fault {
	TSS2_TCTI_CONTEXT_COMMON_V2 tcti;
	TSS2_TCTI_CONTEXT *child;
	struct options options;
	uint32_t code;		 /* of the command in flight */
	const struct kind *kind; /* of the command in flight; NULL = none */
	bool answered;		 /* the answer is here */
	struct answer answer;
};

/* What outlives a connection. One at a time, as a chip has. */
static struct {
	bool begun;
	unsigned seed;
	struct prng dice;
	unsigned dead; /* commands that it stays dead for */
	struct answer last;
	struct fault_control control;
} life = {.control = {.rate = -1}};

const TSS2_TCTI_INFO *Tss2_Tcti_Info(void);

EXPORT struct fault_control *fault_tcti_control(void)
{
	return &life.control;
}

static struct fault *fault_of(TSS2_TCTI_CONTEXT *tcti)
{
	return (struct fault *)(void *)tcti;
}

/* --- answers ------------------------------------------------------------------------------- */

static void answer_code(struct answer *answer, uint32_t code)
{
	answer->bytes[0] = 0x80;
	answer->bytes[1] = 0x01;
	put_u32(answer->bytes + 2, HEADER);
	put_u32(answer->bytes + 6, code);
	answer->len = HEADER;
}

static void fill(struct prng *dice, uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(prng_next(dice) >> 56);
}

static void change_random(struct prng *dice, struct answer *answer)
{
	answer->len = prng_below(dice, 2) ? prng_below(dice, 64) : prng_below(dice, BUFFER + 1);
	fill(dice, answer->bytes, answer->len);
}

/* Half of the time the header knows of it. */
static void change_cut(struct prng *dice, struct answer *answer)
{
	if (answer->len)
		answer->len = prng_below(dice, (unsigned)answer->len);
	if (answer->len >= HEADER && prng_below(dice, 2))
		put_u32(answer->bytes + 2, (uint32_t)answer->len);
}

/* As long as the buffer, or longer than any. */
static void change_long(struct prng *dice, struct answer *answer)
{
	if (answer->len < HEADER)
		return;
	if (prng_below(dice, 2)) {
		put_u32(answer->bytes + 2, 0x40000000u);
		return;
	}
	fill(dice, answer->bytes + answer->len, BUFFER - answer->len);
	answer->len = BUFFER;
	put_u32(answer->bytes + 2, BUFFER);
}

static void change_tag(struct prng *dice, struct answer *answer)
{
	static const uint8_t tags[][2] = {{0x80, 0x01}, {0x80, 0x02}, {0x00, 0xc4}, {0, 0}};
	const uint8_t *tag = tags[prng_below(dice, 4)];

	answer->bytes[0] = tag[0];
	answer->bytes[1] = tag[1];
}

/* A size somewhere in the body: the one of the parameters, or the first of a TPM2B. */
static void change_size(struct prng *dice, struct answer *answer)
{
	if (answer->len <= HEADER + 6)
		put_u32(answer->bytes + 2, prng_below(dice, 64));
	else
		fill(dice, answer->bytes + HEADER + prng_below(dice, 5), 2);
}

/* A head that no chip could write better, and what follows is anything. */
static void change_body(struct prng *dice, struct answer *answer)
{
	answer->len = HEADER + prng_below(dice, prng_below(dice, 2) ? 128 : BUFFER - HEADER);
	answer->bytes[0] = 0x80;
	answer->bytes[1] = prng_below(dice, 2) ? 0x01 : 0x02;
	put_u32(answer->bytes + 2, (uint32_t)answer->len);
	put_u32(answer->bytes + 6, 0);
	fill(dice, answer->bytes + HEADER, answer->len - HEADER);
	/* Sizes are mostly small numbers: let some of them be plausible. */
	for (size_t i = HEADER; i + 1 < answer->len && i < HEADER + 32; i += 2)
		if (prng_below(dice, 2))
			answer->bytes[i] = 0;
}

static void change_bit(struct prng *dice, struct answer *answer)
{
	unsigned at;

	if (answer->len <= HEADER)
		return;
	at = HEADER + prng_below(dice, (unsigned)answer->len - HEADER);
	answer->bytes[at] ^= (uint8_t)(1u << prng_below(dice, 8));
}

/* The number of what was made or loaded, where an answer begins with one. */
static void change_handle(struct prng *dice, struct answer *answer)
{
	if (answer->len < HEADER + 4)
		return;
	if (prng_below(dice, 2))
		fill(dice, answer->bytes + HEADER, 4);
	else
		answer->bytes[HEADER + prng_below(dice, 4)] ^= (uint8_t)(1u << prng_below(dice, 8));
}

static void change_replay(struct prng *dice, struct answer *answer)
{
	(void)dice;
	if (life.last.len)
		*answer = life.last;
}

/* --- the dice ------------------------------------------------------------------------------ */

static unsigned rate_now(const struct options *options)
{
	unsigned rate = options->rate;
	FILE *file;

	if (life.control.rate >= 0)
		return (unsigned)life.control.rate;
	file = options->control[0] ? fopen(options->control, "re") : NULL;
	if (!file)
		return rate;
	if (fscanf(file, "%u", &rate) != 1)
		rate = options->rate;
	fclose(file);
	return rate;
}

static void tell(const struct options *options, const char *name, uint32_t code)
{
	FILE *file;

	life.control.injected++;
	file = options->log[0] ? fopen(options->log, "ae") : NULL;
	if (!file)
		return;
	fprintf(file, "seed %u, command %llu, code 0x%03x: %s\n", life.seed,
		(unsigned long long)life.control.commands, code, name);
	fclose(file);
}

static const struct kind *throw_kind(uint32_t allowed)
{
	unsigned nth = 0, i;

	nth = prng_below(&life.dice, (unsigned)__builtin_popcount(allowed));
	for (i = 0; i < KINDS; i++)
		if (allowed & 1u << i && nth-- == 0)
			return &kinds[i];
	return NULL;
}

static void pause_us(unsigned us)
{
	struct timespec left = {.tv_nsec = (long)us * 1000};

	nanosleep(&left, NULL);
}

/* --- the face ------------------------------------------------------------------------------ */

static TSS2_RC fault_transmit(TSS2_TCTI_CONTEXT *tcti, size_t size, uint8_t const *command)
{
	struct fault *fault = fault_of(tcti);
	unsigned rate = rate_now(&fault->options);

	fault->answered = false;
	fault->kind = NULL;
	fault->code = get_u32(command + 6);
	life.control.commands++;
	if (rate && life.dead) {
		life.dead--;
		tell(&fault->options, "dead", fault->code);
		return TSS2_TCTI_RC_IO_ERROR;
	}
	life.dead = 0;
	if (fault->options.kinds && prng_hit(&life.dice, rate))
		fault->kind = throw_kind(fault->options.kinds);
	if (!fault->kind)
		return Tss2_Tcti_Transmit(fault->child, size, command);
	tell(&fault->options, fault->kind->name, fault->code);
	switch (fault->kind->what) {
	case PASS:
		pause_us(prng_below(&life.dice, DELAY_MAX));
		return Tss2_Tcti_Transmit(fault->child, size, command);
	case ANSWER:
		answer_code(&fault->answer, fault->kind->code);
		fault->answered = true;
		return TSS2_RC_SUCCESS;
	case DIE:
		life.dead = prng_below(&life.dice, DEATH_MAX + 1);
		return TSS2_TCTI_RC_IO_ERROR;
	case BREAK:
		return TSS2_TCTI_RC_IO_ERROR;
	default:
		return Tss2_Tcti_Transmit(fault->child, size, command);
	}
}

/* Part 3: CreatePrimary, Load, ContextLoad, LoadExternal, StartAuthSession, CreateLoaded. */
static bool has_handle(uint32_t code)
{
	static const uint32_t codes[] = {0x131, 0x157, 0x161, 0x167, 0x176, 0x191};
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i] == code)
			return true;
	return false;
}

/* Handles are in no HMAC: lies about them are a kind of their own. */
static void change(const struct fault *fault, struct answer *answer)
{
	bool of_handle = fault->kind->change == change_handle;
	bool has = has_handle(fault->code);
	uint8_t handle[4];

	if (of_handle && !has)
		return;
	if (has && fault->kind->change == change_replay)
		return;
	memcpy(handle, answer->bytes + HEADER, sizeof(handle));
	fault->kind->change(&life.dice, answer);
	if (has && !of_handle && answer->len >= HEADER + sizeof(handle))
		memcpy(answer->bytes + HEADER, handle, sizeof(handle));
}

static TSS2_RC fetch(struct fault *fault)
{
	struct answer *answer = &fault->answer;
	size_t len = sizeof(answer->bytes);
	struct answer truth;
	TSS2_RC rc;

	rc = Tss2_Tcti_Receive(fault->child, &len, answer->bytes, TSS2_TCTI_TIMEOUT_BLOCK);
	if (rc)
		return rc;
	answer->len = len;
	truth = *answer;
	if (fault->kind && fault->kind->what == CHANGE)
		change(fault, answer);
	life.last = truth;
	fault->answered = true;
	return fault->kind && fault->kind->what == BREAK_LATE ? TSS2_TCTI_RC_IO_ERROR
							      : TSS2_RC_SUCCESS;
}

static TSS2_RC fault_receive(TSS2_TCTI_CONTEXT *tcti, size_t *size, uint8_t *response,
			     int32_t timeout)
{
	struct fault *fault = fault_of(tcti);
	TSS2_RC rc;

	(void)timeout;
	if (!fault->answered) {
		rc = fetch(fault);
		if (rc)
			return rc;
	}
	if (response && *size < fault->answer.len)
		return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
	*size = fault->answer.len;
	if (response)
		memcpy(response, fault->answer.bytes, fault->answer.len);
	return TSS2_RC_SUCCESS;
}

/* --- the manager --------------------------------------------------------------------------- */

static void run(struct fault *fault, const uint8_t *command, size_t len, struct answer *ret_answer)
{
	ret_answer->len = sizeof(ret_answer->bytes);
	if (Tss2_Tcti_Transmit(fault->child, len, command) ||
	    Tss2_Tcti_Receive(fault->child, &ret_answer->len, ret_answer->bytes,
			      TSS2_TCTI_TIMEOUT_BLOCK))
		ret_answer->len = 0;
}

/* GetCapability of the handles from @first on, then FlushContext of each. */
static void flush(struct fault *fault, uint32_t first)
{
	uint8_t list[] = {0x80, 0x01, 0, 0, 0, 22, 0, 0, 0x01, 0x7a, 0,
			  0,	0,    1, 0, 0, 0,  0, 0, 0,    0,    HANDLES_MAX};
	uint8_t one[] = {0x80, 0x01, 0, 0, 0, 14, 0, 0, 0x01, 0x65, 0, 0, 0, 0};
	struct answer handles, ignored;
	uint32_t count, i;

	put_u32(list + 14, first);
	run(fault, list, sizeof(list), &handles);
	if (handles.len < 19 || get_u32(handles.bytes + 6))
		return;
	count = get_u32(handles.bytes + 15);
	for (i = 0; i < count && 19 + 4 * i + 4 <= handles.len; i++) {
		memcpy(one + 10, handles.bytes + 19 + 4 * i, 4);
		run(fault, one, sizeof(one), &ignored);
	}
}

static void fault_finalize(TSS2_TCTI_CONTEXT *tcti)
{
	struct fault *fault = fault_of(tcti);

	if (fault->options.manager) {
		flush(fault, 0x80000000u);
		flush(fault, 0x02000000u);
	}
	Tss2_TctiLdr_Finalize(&fault->child);
}

/* --- the conf ------------------------------------------------------------------------------ */

static uint32_t parse_kinds(char *names)
{
	uint32_t set = 0;
	char *rest = NULL, *name;
	size_t i;

	for (name = strtok_r(names, "+", &rest); name; name = strtok_r(NULL, "+", &rest)) {
		for (i = 0; i < KINDS && strcmp(kinds[i].name, name) != 0; i++)
			continue;
		if (i == KINDS)
			return 0;
		set |= 1u << i;
	}
	return set;
}

static bool parse_option(struct options *options, char *text)
{
	char *value = strchr(text, '=');

	if (!value)
		return false;
	*value++ = '\0';
	if (!strcmp(text, "seed"))
		return sscanf(value, "%u", &options->seed) == 1;
	if (!strcmp(text, "rate"))
		return sscanf(value, "%u", &options->rate) == 1;
	if (!strcmp(text, "manager"))
		return sscanf(value, "%u", &options->manager) == 1;
	if (!strcmp(text, "kinds"))
		return (options->kinds = parse_kinds(value)) != 0;
	if (!strcmp(text, "control"))
		return snprintf(options->control, PATH_SIZE, "%s", value) < (int)PATH_SIZE;
	if (!strcmp(text, "log"))
		return snprintf(options->log, PATH_SIZE, "%s", value) < (int)PATH_SIZE;
	return false;
}

/* What stands before the first colon; *ret_child is what follows it. */
static bool parse(const char *conf, struct options *ret_options, const char **ret_child)
{
	struct options options = {.kinds = (1u << KINDS) - 1};
	const char *colon = conf ? strchr(conf, ':') : NULL;
	char text[512], *rest = NULL, *one;

	if (!colon || (size_t)(colon - conf) >= sizeof(text))
		return false;
	memcpy(text, conf, (size_t)(colon - conf));
	text[colon - conf] = '\0';
	for (one = strtok_r(text, ",", &rest); one; one = strtok_r(NULL, ",", &rest))
		if (!parse_option(&options, one))
			return false;
	*ret_options = options;
	*ret_child = colon + 1;
	return true;
}

static TSS2_RC fault_init(TSS2_TCTI_CONTEXT *tcti, size_t *size, const char *conf)
{
	struct fault *fault = fault_of(tcti);
	const char *child;

	if (!tcti) {
		*size = sizeof(*fault);
		return TSS2_RC_SUCCESS;
	}
	memset(fault, 0, sizeof(*fault));
	if (!parse(conf, &fault->options, &child))
		return TSS2_TCTI_RC_BAD_VALUE;
	if (!life.begun || life.seed != fault->options.seed) {
		life.begun = true;
		life.seed = fault->options.seed;
		life.dice = prng_of(life.seed, 0x7463);
		life.dead = 0;
		life.last.len = 0;
	}
	if (life.dead && rate_now(&fault->options)) {
		life.dead--;
		tell(&fault->options, "dead", 0);
		return TSS2_TCTI_RC_IO_ERROR;
	}
	fault->tcti.v1.magic = 0x6661756c74;
	fault->tcti.v1.version = 2;
	fault->tcti.v1.transmit = fault_transmit;
	fault->tcti.v1.receive = fault_receive;
	fault->tcti.v1.finalize = fault_finalize;
	return Tss2_TctiLdr_Initialize(child, &fault->child);
}

static const TSS2_TCTI_INFO info = {
	.version = 2,
	.name = "fault",
	.description = "makes a chip misbehave by a seed, for a test",
	.config_help = "seed=N,rate=P,kinds=A+B,manager=1,control=FILE,log=FILE:CHILD",
	.init = fault_init,
};

EXPORT const TSS2_TCTI_INFO *Tss2_Tcti_Info(void)
{
	return &info;
}
