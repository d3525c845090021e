/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/test_unlock_fake.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "artifact/payload.h"
#include "artifact/v1.h"
#include "artifact/v1_key.h"
#include "base/file.h"
#include "docker/docker.h"
#include "loader/fault.h"
#include "tests/support/folder.h"

#define MINUTE_US 60000000u
#define POLL_US	  200u
#define ROOM	  (64u * 1024u * 1024u)

struct docker {
	int unused;
};
struct session {
	int unused;
};

struct fake fake;
static struct docker engine;
static struct session session;

/* What the timer tells next: one thing of the engine, one of the session. */
static struct {
	docker_id_fn id;
	docker_done_fn done;
	const struct docker_source *source;
	uint64_t left;
	const char *image;
	bool waits; /* the source had nothing */
	void *arg;
	int code;
	bool set;
} engine_next;
static struct {
	loader_done_fn done;
	session_bytes_fn bytes;
	void *arg;
	int code;
	bool set;
} session_next;

static struct {
	loader_done_fn done;
	void *arg;
	int code, fd;
	bool set;
} artifact_next;

static const char *const REFS[FAKE_IMAGES] = {"r.test/a:1", "r.test/b:1", "r.test/c:1"};
static const char *const LOADED[FAKE_IMAGES] = {FAKE_ID("a"), FAKE_ID("b"), FAKE_ID("c")};

/* The engine's own copy of an id. */
static const char *known(const char *id)
{
	static const char *const others[] = {FAKE_OLD, FAKE_WRONG};

	for (size_t i = 0; i < FAKE_IMAGES; i++)
		if (strcmp(id, LOADED[i]) == 0)
			return LOADED[i];
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (strcmp(id, others[i]) == 0)
			return others[i];
	fail_msg("no image is %s", id);
	return NULL;
}

static size_t index_of(const char *ref)
{
	for (size_t i = 0; i < FAKE_IMAGES; i++)
		if (strcmp(ref, REFS[i]) == 0)
			return i;
	for (size_t i = 0; i < FAKE_HEARD && fake.heard[i]; i++)
		if (strcmp(ref, fake.heard[i]) == 0)
			return FAKE_IMAGES;
	fail_msg("nobody may ask for %s", ref);
	return 0;
}

/* --- the log, and what fails --- */

static void note_state(void)
{
	struct unlock_status status;
	const char *name;

	if (!fake.unlock)
		return;
	unlock_status(fake.unlock, &status);
	name = unlock_state_name(status.state);
	if (fake.states.len > strlen(name) &&
	    memcmp(fake.states.data + fake.states.len - strlen(name) - 1, name, strlen(name)) == 0)
		return;
	buf_printf(&fake.states, "%s;", name);
}

static unsigned turns_of(const char *word)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(ROOM);
	unsigned turns = 0;

	buf_put(&text, buf_slice(&fake.log));
	buf_put_u8(&text, '\0');
	for (const char *at = (const char *)text.data; (at = strstr(at, word)) != NULL; at++)
		turns++;
	return turns;
}

/* A place where a test may want to stop. */
static void step(void)
{
	if (++fake.steps == fake.stop_at)
		loop_stop(fake.loop);
}

/* The code of the callback that is due; an error that is to come at once is returned. */
static int act(const char *word, const char *more, int *ret_code, struct err *err)
{
	note_state();
	buf_printf(&fake.log, "%s%s;", word, more);
	*ret_code = 0;
	for (size_t i = 0; i < ARRAY_LEN(fake.failures); i++) {
		const struct fake_failure *failure = &fake.failures[i];

		if (!failure->word || strncmp(word, failure->word, strlen(failure->word)) != 0 ||
		    turns_of(failure->word) != failure->turn)
			continue;
		if (failure->at_once)
			return err_set(err, failure->code, "%s fails", word);
		*ret_code = failure->code;
	}
	assert_int_equal(loop_timer_set(&fake.timer, 0, err), 0);
	step();
	return 0;
}

/* --- the engine --- */

int docker_new(struct fetch *fetch, const char *socket, struct docker **ret_docker, struct err *err)
{
	(void)fetch;
	(void)err;
	assert_string_equal(socket, "/engine");
	*ret_docker = &engine;
	return 0;
}

void docker_free(struct docker *docker)
{
	if (docker)
		engine_next.set = false;
}

static int engine_act(const char *word, const char *ref, void *arg, struct err *err)
{
	char name[] = " x";
	int r;

	assert_false(engine_next.set);
	memset(&engine_next, 0, sizeof(engine_next));
	name[1] = strncmp(ref, "r.test/", 7) == 0 ? ref[7] : '+';
	engine_next.arg = arg;
	r = act(word, name, &engine_next.code, err);
	engine_next.set = r == 0;
	return r;
}

int docker_image(struct docker *docker, const char *ref, docker_id_fn done, void *arg,
		 struct err *err)
{
	int r = engine_act("look", ref, arg, err);

	assert_ptr_equal(docker, &engine);
	engine_next.id = done;
	engine_next.image = fake.now[index_of(ref)];
	return r;
}

int docker_tag(struct docker *docker, const char *id, const char *ref, docker_done_fn done,
	       void *arg, struct err *err)
{
	int r = engine_act("tag", ref, arg, err);

	(void)docker;
	if (r == 0 && engine_next.code == 0)
		fake.now[index_of(ref)] = known(id);
	engine_next.done = done;
	return r;
}

int docker_untag(struct docker *docker, const char *ref, docker_done_fn done, void *arg,
		 struct err *err)
{
	int r = engine_act("untag", ref, arg, err);
	size_t i = index_of(ref);
	const char **now = &fake.now[i < FAKE_IMAGES ? i : 0];

	(void)docker;
	engine_next.done = done;
	if (i == FAKE_IMAGES)
		return r;
	if (r == 0 && engine_next.code == 0) {
		engine_next.code = *now ? 0 : ERR_NOT_FOUND;
		*now = NULL;
	}
	return r;
}

int docker_load(struct docker *docker, uint64_t length, const struct docker_source *source,
		void *arg, struct err *err)
{
	int r;

	(void)docker;
	assert_false(engine_next.set);
	memset(&engine_next, 0, sizeof(engine_next));
	engine_next.arg = arg;
	engine_next.source = source;
	engine_next.left = length;
	r = act("load", "", &engine_next.code, err);
	engine_next.set = r == 0;
	return r;
}

void docker_load_resume(struct docker *docker)
{
	struct err err = {0};

	(void)docker;
	assert_true(engine_next.set && engine_next.waits);
	engine_next.waits = false;
	assert_int_equal(loop_timer_set(&fake.timer, 0, &err), 0);
}

static void load_end(const struct err *err)
{
	engine_next.set = false;
	if (!err || fake.loads_and_fails)
		for (size_t i = 0; i < FAKE_IMAGES; i++)
			fake.now[i] = fake.loaded[i] ? fake.loaded[i] : fake.now[i];
	for (size_t i = 0; i < FAKE_HEARD && fake.heard[i]; i++)
		engine_next.source->loaded(engine_next.arg, fake.heard[i]);
	engine_next.source->done(engine_next.arg, err);
}

/* A piece of the archive, in odd sizes. False: there is none now, or that was all of it. */
static bool load_piece(struct err *err)
{
	uint8_t bytes[70001];
	size_t len = 0;
	size_t size = engine_next.left < sizeof(bytes) ? (size_t)engine_next.left : sizeof(bytes);

	if (fake.stuck || engine_next.left == 0 ||
	    engine_next.source->more(engine_next.arg, bytes, size, &len, err) < 0)
		return false;
	assert_true(len <= size);
	engine_next.waits = len == 0;
	engine_next.left -= len;
	buf_put(&fake.got, slice_of(bytes, len));
	if (len > 0 && fake.on_first) {
		fake.on_first();
		fake.on_first = NULL;
	}
	return len > 0;
}

static void load_turn(void)
{
	struct err err = {0};

	while (load_piece(&err))
		note_state();
	if (err.code != 0)
		load_end(&err);
	else if (engine_next.left == 0)
		load_end(engine_next.code != 0 ? &(struct err){.code = engine_next.code} : NULL);
}

static void engine_turn(void)
{
	struct err err = {.code = engine_next.code};

	if (!engine_next.set || engine_next.waits)
		return;
	if (engine_next.source) {
		load_turn();
		return;
	}
	engine_next.set = false;
	if (engine_next.id) {
		if (err.code == 0 && !engine_next.image)
			err.code = ERR_NOT_FOUND;
		engine_next.id(engine_next.arg, err.code ? NULL : engine_next.image,
			       err.code ? &err : NULL);
	} else {
		engine_next.done(engine_next.arg, err.code ? &err : NULL);
	}
}

/* --- the session --- */

static int session_act(const char *word, void *arg, struct session_call **ret_call, struct err *err)
{
	int r;

	assert_false(session_next.set);
	memset(&session_next, 0, sizeof(session_next));
	session_next.arg = arg;
	r = act(word, "", &session_next.code, err);
	session_next.set = r == 0;
	if (r == 0)
		*ret_call = (struct session_call *)&session_next;
	return r;
}

int session_login(struct session *of, struct slice email, struct slice password,
		  loader_done_fn done, void *arg, struct session_call **ret_call, struct err *err)
{
	int r = session_act("login", arg, ret_call, err);

	assert_ptr_equal(of, &session);
	session_next.done = done;
	snprintf(fake.email, sizeof(fake.email), "%.*s", (int)email.len, email.data);
	snprintf(fake.password, sizeof(fake.password), "%.*s", (int)password.len, password.data);
	return r;
}

int session_fragment(struct session *of, session_bytes_fn done, void *arg,
		     struct session_call **ret_call, struct err *err)
{
	int r = session_act("fragment", arg, ret_call, err);

	assert_ptr_equal(of, &session);
	session_next.bytes = done;
	return r;
}

void session_leave(struct session_call *call)
{
	if (call)
		session_next.set = false;
}

static void session_turn(void)
{
	struct err err = {.code = session_next.code};

	if (!session_next.set)
		return;
	session_next.set = false;
	if (session_next.done)
		session_next.done(session_next.arg, err.code ? &err : NULL);
	else
		session_next.bytes(session_next.arg, err.code ? slice_of(NULL, 0) : fake.fragment,
				   err.code ? &err : NULL);
}

/* --- the artifact --- */

struct artifact {
	int unused;
};
static struct artifact artifact;

int artifact_new(struct loader *loader, const struct artifact_wish *wish,
		 struct artifact **ret_artifact, struct err *err)
{
	const struct resource *resource = wish->resource;
	char what[64];
	int r;

	assert_ptr_equal(loader, &fake.loader);
	assert_false(artifact_next.set);
	assert_int_equal(wish->need, ARTIFACT_IMAGES);
	snprintf(what, sizeof(what), " %.*s/%.*s", (int)resource->folder.len, resource->folder.data,
		 (int)resource->name.len, resource->name.data);
	memset(&artifact_next, 0, sizeof(artifact_next));
	r = act("artifact", what, &artifact_next.code, err);
	if (r < 0)
		return r;
	artifact_next.done = wish->done;
	artifact_next.arg = wish->arg;
	artifact_next.fd = open(fake.archive, O_RDONLY | O_CLOEXEC);
	artifact_next.set = true;
	fake.artifacts++;
	*ret_artifact = &artifact;
	return 0;
}

void artifact_free(struct artifact *of)
{
	if (!of)
		return;
	artifact_next.set = false;
	close(artifact_next.fd);
	fake.artifacts--;
}

const struct manifest *artifact_manifest(const struct artifact *of)
{
	(void)of;
	return &fake.manifest;
}

int artifact_payload(const struct artifact *of)
{
	(void)of;
	return artifact_next.fd;
}

const struct secret *artifact_key(const struct artifact *of)
{
	(void)of;
	return fake.content_key;
}

void artifact_progress(const struct artifact *of, uint64_t *ret_done, uint64_t *ret_total)
{
	(void)of;
	*ret_done = 17;
	*ret_total = 4711;
}

static void artifact_turn(void)
{
	struct err err = {.code = artifact_next.code, .text = "of the artifact"};

	if (!artifact_next.set)
		return;
	artifact_next.set = false;
	artifact_next.done(artifact_next.arg, err.code ? &err : NULL);
}

/* --- the world --- */

static void on_timer(void *arg)
{
	(void)arg;
	note_state();
	engine_turn();
	session_turn();
	artifact_turn();
	note_state();
	step();
}

static void on_note(void *arg, enum loader_note level, const char *text)
{
	(void)arg;
	assert_int_equal(level, LOADER_WARNING);
	fake.notes++;
	buf_printf(&fake.noted, "%s\n", text);
	snprintf(fake.note, sizeof(fake.note), "%s", text);
}

static bool is_quiet(void)
{
	bool engine_rests = !engine_next.set || engine_next.waits || fake.stuck;

	return engine_rests && !session_next.set && !artifact_next.set &&
	       jobs_count(fake.jobs) == 0;
}

/* Looks now and then; what is due at once came in between. */
static void on_poll(void *arg)
{
	struct err err = {0};

	(void)arg;
	note_state();
	fake.quiet = is_quiet() ? fake.quiet + 1 : 0;
	if (fake.quiet >= 3)
		loop_stop(fake.loop);
	else if (clock_monotonic_us() > fake.late)
		fail_msg("not quiet after a minute: %.*s", (int)fake.log.len, fake.log.data);
	else
		assert_int_equal(loop_timer_set(&fake.poll, POLL_US, &err), 0);
}

void fake_run_quiet(void)
{
	struct err err = {0};

	fake.quiet = 0;
	fake.late = clock_monotonic_us() + MINUTE_US;
	assert_int_equal(loop_timer_set(&fake.poll, POLL_US, &err), 0);
	assert_int_equal(loop_run(fake.loop, &err), 0);
	loop_timer_clear(&fake.poll);
}

int fake_setup(void **state)
{
	struct err err = {0};

	(void)state;
	memset(&fake, 0, sizeof(fake));
	memset(&engine_next, 0, sizeof(engine_next));
	memset(&session_next, 0, sizeof(session_next));
	memset(&artifact_next, 0, sizeof(artifact_next));
	fake.got.max = fake.noted.max = fake.log.max = fake.states.max = ROOM;
	fake.fragment = slice_str("a fragment of a key");
	snprintf(fake.folder, sizeof(fake.folder), "/tmp/hd-unlock-XXXXXX");
	assert_non_null(mkdtemp(fake.folder));
	snprintf(fake.archive, sizeof(fake.archive), "%s/images.enc", fake.folder);
	snprintf(fake.sig, sizeof(fake.sig), "%s.sig", fake.archive);
	assert_int_equal(loop_new(&fake.loop, &err), 0);
	assert_int_equal(jobs_new(fake.loop, &fake.jobs, &err), 0);
	loop_timer_init(&fake.timer, fake.loop, on_timer, NULL);
	loop_timer_init(&fake.poll, fake.loop, on_poll, NULL);
	fake.config = (struct loader_config){.images_path = fake.archive,
					     .docker_socket = "/engine",
					     .images = fake.images,
					     .note = on_note};
	fake.loader =
		(struct loader){.jobs = fake.jobs, .session = &session, .config = &fake.config};
	return 0;
}

int fake_teardown(void **state)
{
	(void)state;
	unlock_free(TAKE(fake.unlock));
	assert_int_equal(fake.artifacts, 0);
	secret_free(fake.content_key);
	assert_true(jobs_free(fake.jobs, MINUTE_US));
	loop_timer_clear(&fake.timer);
	loop_timer_clear(&fake.poll);
	loop_free(fake.loop);
	buf_fini(&fake.got);
	buf_fini(&fake.log);
	buf_fini(&fake.states);
	buf_fini(&fake.noted);
	return folder_remove_all(fake.folder);
}

void fake_unlock(size_t images, bool with_ids)
{
	struct err err = {0};

	for (size_t i = 0; i < images; i++) {
		fake.images[i] =
			(struct loader_image){.ref = REFS[i], .id = with_ids ? LOADED[i] : NULL};
		fake.loaded[i] = LOADED[i];
	}
	fake.config.image_count = images;
	assert_int_equal(unlock_new(&fake.loader, &fake.unlock, &err), 0);
}

void fake_write(const char *path, struct slice bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes.data, bytes.len), bytes.len);
	close(fd);
}

static void put_plain(struct buf *bytes, size_t plain)
{
	for (size_t i = 0; i < plain; i++)
		buf_put_u8(bytes, (uint8_t)(i * 7 % 251));
	assert_true(buf_ok(bytes));
}

static void name_images(size_t images)
{
	struct manifest *manifest = &fake.manifest;

	manifest->image_count = images;
	for (size_t i = 0; i < images; i++) {
		snprintf(manifest->images[i].ref, MANIFEST_REF_MAX, "%s", REFS[i]);
		snprintf(manifest->images[i].id, MANIFEST_ID_MAX, "%s", LOADED[i]);
		fake.loaded[i] = LOADED[i];
	}
}

void fake_artifact(size_t plain, size_t images)
{
	CLEANUP(payload_seal_cleanup) struct payload_seal *seal = NULL;
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(ROOM), payload = BUF_INIT(ROOM);
	const struct payload_release release = {{slice_str("images"), slice_str("app")}, 3};
	struct manifest *manifest = &fake.manifest;
	struct err err = {0};

	*manifest = (struct manifest){.folder = "images",
				      .name = "app",
				      .type = MANIFEST_IMAGES_ARCHIVE,
				      .serial = release.serial,
				      .min_format = 2,
				      .plain_size = plain,
				      .payload_size = payload_size(plain)};
	name_images(images);
	put_plain(&bytes, plain);
	secret_free(TAKE(fake.content_key));
	assert_int_equal(
		secret_copy(slice_str("content key: 32 bytes of a text."), &fake.content_key, &err),
		0);
	assert_int_equal(payload_seal_new(fake.content_key, &release, plain, &seal, &err), 0);
	assert_int_equal(payload_seal_add(seal, buf_slice(&bytes), &payload, &err), 0);
	assert_int_equal(payload_seal_end(seal, &payload, manifest->payload_digest, &err), 0);
	assert_int_equal(payload.len, manifest->payload_size);
	fake_write(fake.archive, buf_slice(&payload));
	fake.config.images_path = NULL;
	fake.config.images_artifact = release.resource;
}

/* Of one IV, always the same: under another key one of 256 blobs has a padding by luck. */
void fake_archive(size_t plain)
{
	static const struct v1_state first = {.done = V1_BLOCK, .last = "one IV for all.."};
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	CLEANUP(v1_seal_cleanup) struct v1_seal *seal = NULL;
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(ROOM), blob = BUF_INIT(ROOM);
	struct err err = {0};
	uint64_t at;

	put_plain(&bytes, plain);
	assert_int_equal(v1_key_archive(fake.fragment, &key, &err), 0);
	assert_int_equal(v1_seal_resume(key, &first, &seal, &at, &err), 0);
	assert_int_equal(at, 0);
	buf_put(&blob, slice_of(first.last, V1_BLOCK));
	assert_int_equal(v1_seal_add(seal, buf_slice(&bytes), &blob, &err), 0);
	assert_int_equal(v1_seal_end(seal, &blob, &err), 0);
	fake_write(fake.archive, buf_slice(&blob));
}

static void on_told(void *arg, enum unlock_state told, const struct err *err)
{
	assert_ptr_equal(arg, &fake);
	fake.told++;
	fake.state = told;
	fake.code = err ? err->code : 0;
}

int fake_begin(struct unlock_call **ret_call)
{
	return unlock_begin(fake.unlock, slice_str("a@b.c"), slice_str("pw"), on_told, &fake,
			    ret_call, &fake.err);
}

int fake_begin_artifact(struct unlock_call **ret_call)
{
	const struct resource resource = {slice_str("images"), slice_str("app")};

	return unlock_images(fake.unlock, &resource, on_told, &fake, ret_call, &fake.err);
}

static void ask_by(int (*begin)(struct unlock_call **ret_call))
{
	struct unlock_call *call;

	assert_int_equal(begin(&call), 0);
	assert_int_equal(fake.told, 0);
	fake_run_quiet();
	assert_int_equal(fake.told, 1);
	fake.told = 0;
}

void fake_ask(void)
{
	ask_by(fake_begin);
}

void fake_ask_artifact(void)
{
	ask_by(fake_begin_artifact);
}

struct unlock_status fake_status(void)
{
	struct unlock_status now;

	unlock_status(fake.unlock, &now);
	return now;
}

void fake_assert_text(const struct buf *text, const char *wanted)
{
	if (!slice_equal(buf_slice(text), slice_str(wanted)))
		fail_msg("%.*s, not %s", (int)text->len, text->data, wanted);
}

void fake_assert_error(int code)
{
	const struct unlock_status now = fake_status();

	assert_int_equal(now.state, UNLOCK_ERROR);
	assert_int_equal(now.err.code, code);
}
