/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every request must have. A browser sends Origin with whatever a page makes it send that
 * could do harm, and the Host that the page's own address had: a name that an attacker made lead
 * here is not in the list. So no page drives the loader, also where no token is asked for.
 */
#include <string.h>
#include <strings.h>

#include "front/impl.h"
#include "loader/fault.h"

#define BEARER "Bearer "

static bool is_listed(const struct front_config *config, const char *host)
{
	size_t i;

	for (i = 0; i < config->host_count; i++)
		if (strcasecmp(host, config->hosts[i]) == 0)
			return true;
	return false;
}

static bool has_token(const struct secret *token, const char *value)
{
	size_t len = strlen(BEARER);

	return value && strncasecmp(value, BEARER, len) == 0 &&
	       secret_equal(slice_str(value + len), secret_slice(token));
}

int front_greet(void *app, void *peer, const struct http_request *request, struct err *err)
{
	const struct front_config *config = &((const struct front *)app)->config;
	const char *host = http_request_header(request, "Host");

	(void)peer;
	if (!host || !is_listed(config, host))
		return err_set(err, ERR_FORBIDDEN,
			       "the header Host names none of the loader's hosts");
	if (http_request_header(request, "Origin"))
		return err_set(err, ERR_FORBIDDEN, "web pages may not use the loader");
	if (config->token &&
	    !has_token(config->token, http_request_header(request, "Authorization")))
		return err_set(err, FAULT_CREDENTIALS, "the loader's token is missing or wrong");
	return 0;
}
