/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the parts of a loader together, and passes on what is theirs to do. */
#include "loader/impl.h"

#include "artifact/v1_key.h"

/* One after the other; those behind use those before. */
static int make_parts(struct loader *loader, struct err *err)
{
	const struct loader_config *config = loader->config;
	int r = v1_key_resource(&config->salts, &loader->key, err);

	if (r == 0)
		r = cache_open(config->cache_dir, &loader->cache, err);
	if (r == 0)
		r = session_new(loader->jobs, loader->fetch, config, &loader->session, err);
	if (r == 0)
		r = downloads_new(loader->jobs, loader->fetch, loader->session, loader->cache,
				  config, &loader->downloads, err);
	if (r == 0)
		r = unlock_new(loader, &loader->unlock, err);
	return r;
}

int loader_new(struct jobs *jobs, struct fetch *fetch, const struct loader_config *config,
	       struct loader **ret_loader, struct err *err)
{
	CLEANUP(loader_cleanup) struct loader *loader = calloc(1, sizeof(*loader));
	int r;

	if (!loader)
		return err_set(err, ERR_INTERNAL, "memory is short");
	loader->jobs = jobs;
	loader->fetch = fetch;
	loader->config = config;
	r = make_parts(loader, err);
	if (r == 0)
		*ret_loader = TAKE(loader);
	return r;
}

void loader_free(struct loader *loader)
{
	if (!loader)
		return;
	uploads_end(loader);
	loads_end(loader);
	unlock_free(loader->unlock);
	downloads_free(loader->downloads);
	session_free(loader->session);
	cache_free(loader->cache);
	secret_free(loader->key);
	free(loader);
}

/* A login is a session's call, an unlock is unlock's; only the names differ. */
int loader_login(struct loader *loader, struct slice email, struct slice password,
		 loader_done_fn done, void *arg, struct loader_login **ret_login, struct err *err)
{
	struct session_call *call;
	int r = session_login(loader->session, email, password, done, arg, &call, err);

	if (r == 0)
		*ret_login = (struct loader_login *)call;
	return r;
}

void loader_login_leave(struct loader_login *login)
{
	session_leave((struct session_call *)login);
}

bool loader_logged_in(const struct loader *loader)
{
	return session_active(loader->session);
}

int loader_unlock(struct loader *loader, struct slice email, struct slice password,
		  loader_unlock_fn done, void *arg, struct loader_unlock **ret_unlock,
		  struct err *err)
{
	struct unlock_call *call;
	int r = unlock_begin(loader->unlock, email, password, done, arg, &call, err);

	if (r == 0)
		*ret_unlock = (struct loader_unlock *)call;
	return r;
}

int loader_images(struct loader *loader, const struct resource *resource, loader_unlock_fn done,
		  void *arg, struct loader_unlock **ret_unlock, struct err *err)
{
	struct unlock_call *call;
	int r = unlock_images(loader->unlock, resource, done, arg, &call, err);

	if (r == 0)
		*ret_unlock = (struct loader_unlock *)call;
	return r;
}

void loader_unlock_leave(struct loader_unlock *unlock)
{
	unlock_leave((struct unlock_call *)unlock);
}

void loader_unlock_status(const struct loader *loader, struct unlock_status *ret_status)
{
	unlock_status(loader->unlock, ret_status);
}

void loader_progress(const struct loader *loader, download_visit_fn visit, void *arg)
{
	downloads_progress(loader->downloads, visit, arg);
}

int loader_cancel(struct loader *loader, const struct resource *resource, struct err *err)
{
	return downloads_cancel(loader->downloads, resource, err);
}
