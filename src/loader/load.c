/* SPDX-License-Identifier: Apache-2.0 */
/*
 * F2 and the reading of artifacts: which form a name has, and the pieces of either. What is asked
 * for by F2 is of version 1, unless the floor of its name has risen (pool), or the configuration
 * has another order. Then a failure of version 2 never ends in version 1, but where the newest is
 * asked for: there a manifest that leaves version 1 alone may be none for this device.
 */
#include "loader/load_impl.h"

#include <stdio.h>

#include "crypto/cms.h"
#include "loader/fault.h"

#define PLAIN_ROOM (LOADER_PIECE + V1_GROWTH)

static void load_free(struct loader_load *load)
{
	artifact_free(load->artifact);
	payload_open_free(load->payload);
	blob_check_free(load->check);
	v1_open_free(load->open);
	fd_close_cleanup(&load->big);
	secret_free(load->key);
	cache_free(load->cache);
	buf_fini(&load->small);
	buf_fini(&load->sig);
	buf_fini(&load->plain);
	free(load);
}

void load_finish(struct loader_load *load, const struct err *err)
{
	loader_done_fn ready = TAKE(load->ready);

	ready(load->arg, err);
}

void load_note(const struct loader_load *load, enum loader_note level, const char *text)
{
	char line[1024];

	if (!load->config->note)
		return;
	(void)snprintf(line, sizeof(line), "%s/%s: %s", load->folder, load->name, text);
	load->config->note(load->config->note_arg, level, line);
}

void load_note_fault(const struct loader_load *load, const struct err *err)
{
	if (err->code == ERR_INTERNAL || err->code == ERR_UNREADABLE || err->code == ERR_DISK_FULL)
		load_note(load, LOADER_WARNING, err->text);
}

void load_run(struct loader_load *load, task_step_fn step,
	      void (*next_fn)(struct loader_load *load))
{
	struct err err;

	load->next_fn = next_fn;
	if (task_run(&load->task, step, &err) < 0) {
		load_note_fault(load, &err);
		load_finish(load, &err);
	}
}

/* --- the form --- */

void load_begin(struct loader_load *load, const struct load_source *source)
{
	struct err err;

	load->source = source;
	if (source->begin(load, &err) < 0)
		load_finish(load, &err);
}

static int read_floor(void *arg, struct err *err)
{
	struct loader_load *load = arg;

	return cache_floor(load->cache, &load->resource, &load->floor, err);
}

static void choose(struct loader_load *load)
{
	bool free_to = floor_allows_v1(&load->floor);

	load->or_v1 = free_to && load->config->load_form == LOADER_NEWEST;
	load_begin(load, free_to && load->config->load_form == LOADER_V1 ? &load_v1 : &load_v2);
}

/* --- pieces --- */

static void piece_done(struct loader_load *load, const struct err *err)
{
	loader_piece_fn piece = TAKE(load->piece);

	piece(load->arg, err ? slice_of(NULL, 0) : buf_slice(&load->plain), err);
}

static void given(struct loader_load *load)
{
	piece_done(load, NULL);
}

static void step_ended(void *arg, const struct err *err)
{
	struct loader_load *load = arg;

	if (load->loader && err)
		load_note_fault(load, err);
	if (!load->loader)
		load_free(load);
	else if (!err)
		load->next_fn(load);
	else if (load->piece)
		piece_done(load, err);
	else
		load_finish(load, err);
}

static void on_soon(void *arg)
{
	struct loader_load *load = arg;

	piece_done(load, load->late.code ? &load->late : NULL);
}

/* --- from outside --- */

static int load_new(struct loader *loader, const struct resource *resource,
		    struct loader_load **ret_load, struct err *err)
{
	struct loader_load *load;

	if (loader->load_count >= LOADER_LOADS) {
		(void)err_set(err, FAULT_BUSY, "too many loads are at work");
		err->retry_after = 1;
		return err->code;
	}
	load = calloc(1, sizeof(*load));
	if (!load)
		return err_set(err, ERR_INTERNAL, "memory is short");
	load->loader = loader;
	load->config = loader->config;
	load->cache = cache_hold(loader->cache);
	load->big = -1;
	load->small = (struct buf)BUF_INIT(V1_SMALL_MAX);
	load->sig = (struct buf)BUF_INIT(CMS_MAX);
	load->plain = (struct buf)BUF_INIT(PLAIN_ROOM);
	memcpy(load->folder, resource->folder.data, resource->folder.len);
	memcpy(load->name, resource->name.data, resource->name.len);
	load->resource = (struct resource){slice_str(load->folder), slice_str(load->name)};
	task_init(&load->task, loader->jobs, step_ended, load);
	load->task.priority = JOB_NORMAL;
	loop_timer_init(&load->soon, jobs_loop(loader->jobs), on_soon, load);
	*ret_load = load;
	return 0;
}

static void link_in(struct loader_load *load, loader_done_fn ready, void *arg)
{
	struct loader *loader = load->loader;

	load->ready = ready;
	load->arg = arg;
	load->before = &loader->loads;
	load->next = loader->loads;
	if (load->next)
		load->next->before = &load->next;
	loader->loads = load;
	loader->load_count++;
}

/* A name that no artifact can have was never seen as one. */
static int begin_bytes(struct loader_load *load, struct err *err)
{
	int r = resource_check_artifact(&load->resource, err);

	if (r < 0 && load->config->load_form == LOADER_V2)
		return r;
	load->only_bytes = true;
	load->source = r < 0 ? &load_v1 : NULL;
	load->next_fn = choose;
	return r < 0 ? load->source->begin(load, err) : task_run(&load->task, read_floor, err);
}

int loader_load(struct loader *loader, const struct resource *resource, loader_done_fn ready,
		void *arg, struct loader_load **ret_load, struct err *err)
{
	struct loader_load *load = NULL;
	int r = resource_check(resource, err);

	if (r == 0)
		r = load_new(loader, resource, &load, err);
	if (r < 0)
		return r;
	r = begin_bytes(load, err);
	if (r < 0) {
		load_free(load);
		return r;
	}
	link_in(load, ready, arg);
	*ret_load = load;
	return 0;
}

int loader_artifact(struct loader *loader, const struct resource *resource, loader_done_fn ready,
		    void *arg, struct loader_load **ret_load, struct err *err)
{
	struct loader_load *load = NULL;
	int r = resource_check_artifact(resource, err);

	if (r == 0)
		r = load_new(loader, resource, &load, err);
	if (r < 0)
		return r;
	load->source = &load_v2;
	r = load->source->begin(load, err);
	if (r < 0) {
		load_free(load);
		return r;
	}
	link_in(load, ready, arg);
	*ret_load = load;
	return 0;
}

uint64_t loader_load_size(const struct loader_load *load)
{
	return load->source->size(load);
}

const struct manifest *loader_load_manifest(const struct loader_load *load)
{
	return load->artifact ? artifact_manifest(load->artifact) : NULL;
}

int loader_load_seek(struct loader_load *load, uint64_t from, struct err *err)
{
	return load->source->seek(load, from, err);
}

/* The whole of a small one lies there already; behind the end there is nothing. */
void loader_load_read(struct loader_load *load, loader_piece_fn piece, void *arg)
{
	struct err ignored;

	load->piece = piece;
	load->arg = arg;
	load->late.code = 0;
	if (load->end && load->told)
		buf_reset(&load->plain);
	load->told = true;
	load->next_fn = given;
	if (!load->end && task_run(&load->task, load->source->give, &load->late) == 0)
		return;
	/* A timer of a loop that has had one cannot fail. */
	(void)!loop_timer_set(&load->soon, 0, &ignored);
}

void loader_load_leave(struct loader_load *load)
{
	if (!load)
		return;
	session_leave(load->call);
	downloads_leave(load->wait);
	fetch_cancel(load->transfer);
	loop_timer_clear(&load->soon);
	*load->before = load->next;
	if (load->next)
		load->next->before = load->before;
	load->loader->load_count--;
	load->loader = NULL;
	task_cancel(&load->task);
	if (!task_busy(&load->task))
		load_free(load);
}

void loads_end(struct loader *loader)
{
	while (loader->loads)
		loader_load_leave(loader->loads);
}
