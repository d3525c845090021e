/* SPDX-License-Identifier: Apache-2.0 */
/* A table of what may be wrong; the exit code tells whether something is. */
#include <jansson.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cmd/holdfast/doctor.h"
#include "cmd/holdfast/findings.h"
#include "cmd/holdfast/speed.h"
#include "cmd/holdfast/verb.h"

#define TEXT_MAX (64u * 1024u)

static int print_text(const struct cli *cli, const struct findings *findings,
		      const struct speed *speed)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(TEXT_MAX);

	findings_put(&out, findings);
	if (speed) {
		buf_put_u8(&out, '\n');
		speed_put(&out, speed);
	}
	return cli_print(cli, &out);
}

static int print_object(const struct cli *cli, const struct findings *findings,
			const struct speed *speed)
{
	json_t *object = findings_json(findings);

	if (object)
		(void)json_object_set_new(object, "speed", speed ? speed_json(speed) : json_null());
	return cli_print_object(cli, object);
}

static int examine(const struct cli *cli, bool wants_speed)
{
	CLEANUP(doctor_facts_fini) struct doctor_facts facts;
	struct findings findings;
	struct speed speed;
	bool fast;
	struct err err;
	int r;

	doctor_look(cli->hf, &facts);
	doctor_judge(&facts, &findings);
	/* There is nothing to measure where nothing works. */
	fast = wants_speed && facts.status && facts.random_call.code == 0;
	if (fast && speed_measure(cli->hf, doctor_on_chip(&facts), &speed, &err) < 0)
		return cli_fail(cli, &err);
	r = cli->json ? print_object(cli, &findings, fast ? &speed : NULL)
		      : print_text(cli, &findings, fast ? &speed : NULL);
	return r == CLI_DONE && findings_fail(&findings) ? CLI_FAILED : r;
}

int verb_doctor(struct cli *cli, struct opt_words words)
{
	bool wants_speed = false;
	const struct opt opts[] = {
		{.kind = OPT_FLAG,
		 .name = "speed",
		 .help = "measure the chip too: makes keys, uses them, deletes them",
		 .flag = &wants_speed},
	};
	int r;

	r = cli_parse(cli, opts, ARRAY_LEN(opts), words);
	return r >= 0 ? r : examine(cli, wants_speed);
}
