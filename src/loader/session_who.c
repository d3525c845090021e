/* SPDX-License-Identifier: Apache-2.0 */
/* Who is logged in, and what a configuration must have so that somebody can. */
#include "loader/session_impl.h"

/* --- who --- */

int who_new(struct slice email, struct slice password, struct who **ret_who, struct err *err)
{
	CLEANUP(who_cleanup) struct who *who = calloc(1, sizeof(*who));
	int r;

	if (!who)
		return err_set(err, ERR_INTERNAL, "memory is short");
	who->holds = 1;
	r = secret_copy(email, &who->email, err);
	if (r == 0)
		r = secret_copy(password, &who->password, err);
	if (r == 0)
		*ret_who = TAKE(who);
	return r;
}

struct who *who_hold(struct who *who)
{
	who->holds++;
	return who;
}

void who_free(struct who *who)
{
	if (!who || --who->holds > 0)
		return;
	secret_free(who->email);
	secret_free(who->password);
	secret_free(who->token);
	secret_free(who->key);
	secret_free(who->device);
	cdn_fini(&who->cdn);
	wipe(who, sizeof(*who));
	free(who);
}

int session_token_set(struct session *session, struct who *who, struct slice token, struct err *err)
{
	struct secret *copy;
	int r = secret_copy(token, &copy, err);

	if (r < 0)
		return r;
	secret_free(who->token);
	who->token = copy;
	who->number = ++session->numbers;
	return 0;
}

/* --- the configuration --- */

/* Salts that the formula lacks are told now, and not at somebody's login. */
static int check_salts(const struct loader_config *config, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	const struct v1_user anybody = {
		.email = slice_str("-"),
		.password = slice_str("-"),
		.fingerprint = config->fingerprint.len > 0 ? config->fingerprint : slice_str("-"),
	};

	return v1_key_user(config->formula, &config->salts, &anybody, &key, err);
}

static int check_urls(const struct loader_config *config, struct err *err)
{
	const struct {
		const char *url;
		const char *what;
	} urls[] = {
		{config->api_url, "api_url"},
		{config->cdn_url, "cdn_url"},
		{config->s3_endpoint, "s3 endpoint"},
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(urls); i++)
		if (urls[i].url && fetch_check_url(urls[i].url, config->dev, err) < 0)
			r = err_wrap(err, "%s", urls[i].what);
	return r;
}

int session_check(const struct loader_config *config, struct err *err)
{
	int r = check_urls(config, err);

	return r < 0 ? r : check_salts(config, err);
}
