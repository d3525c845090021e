/* SPDX-License-Identifier: Apache-2.0 */
/* The small JSON texts of the cache. Whoever can write there can write these: nothing is guessed.
 */
#include "loader/cache_impl.h"

#include <inttypes.h>

#include "base/base64.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

#define VERSION	      1u
#define SIZE_MAX_BLOB (V1_PLAIN_MAX + 2 * V1_BLOCK)
#define FORMAT_MAX    2u

static int damaged(struct err *err)
{
	return err->code == ERR_INTERNAL ? err->code : (err->code = ERR_DAMAGED);
}

static int get_digest(const struct json_t *json, const char *name, uint8_t ret_digest[V1_DIGEST],
		      struct err *err)
{
	const char *text = NULL;
	int r = json_get_string(json, name, true, &text, err);

	if (r < 0)
		return r;
	if (strlen(text) != 2 * (size_t)V1_DIGEST ||
	    !hex_decode(slice_str(text), ret_digest, V1_DIGEST))
		return err_set(err, ERR_INVALID, "/%s: not a digest", name);
	return 0;
}

bool cache_is_plain(const char *text)
{
	for (; *text; text++)
		if (*text < 0x20 || *text > 0x7e)
			return false;
	return true;
}

static int get_text(const struct json_t *json, const char *name, char *ret_text, size_t size,
		    struct err *err)
{
	const char *text = NULL;
	int r = json_get_string(json, name, true, &text, err);

	if (r < 0)
		return r;
	if (strlen(text) >= size || !cache_is_plain(text))
		return err_set(err, ERR_INVALID, "/%s: not such a text", name);
	memcpy(ret_text, text, strlen(text) + 1);
	return 0;
}

static int open_text(struct slice text, const char *const *names, size_t count,
		     struct json_t **ret_json, struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	uint64_t version;
	int r = json_parse(text, &json, err);

	if (r == 0)
		r = json_only(json, names, count, err);
	if (r == 0)
		r = json_get_u64(json, "version", true, VERSION, VERSION, &version, err);
	if (r == 0)
		*ret_json = TAKE(json);
	return r;
}

int cache_text_pin(struct slice text, struct cache_seen *ret_seen, struct err *err)
{
	static const char *const NAMES[] = {"version", "small", "size", "sha256", "signed"};
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	struct cache_seen seen = {.known = true};
	struct v1_pin *pin = &seen.pin;
	int r = open_text(text, NAMES, ARRAY_LEN(NAMES), &json, err);

	if (r == 0)
		r = get_digest(json, "small", pin->small, err);
	if (r == 0)
		r = json_get_u64(json, "size", true, V1_BLOB_MIN, SIZE_MAX_BLOB, &pin->seen.size,
				 err);
	if (r == 0)
		r = get_digest(json, "sha256", pin->seen.digest, err);
	if (r == 0)
		r = json_get_bool(json, "signed", true, &seen.signed_once, err);
	if (r < 0)
		return damaged(err);
	*ret_seen = seen;
	return 0;
}

static int read_state(const struct json_t *json, struct cache_state *state, struct err *err)
{
	struct cache_want *want = &state->want;
	int r = get_digest(json, "small", want->small, err);

	if (r == 0)
		r = json_get_u64(json, "total", true, 0, CACHE_TOTAL_MAX, &want->total, err);
	if (r == 0)
		r = json_get_u64(json, "synced", true, 0, want->total, &state->synced, err);
	if (r == 0)
		r = get_text(json, "etag", want->etag, sizeof(want->etag), err);
	if (r == 0)
		r = get_text(json, "modified", want->modified, sizeof(want->modified), err);
	return r < 0 ? r : get_text(json, "boot", state->boot, sizeof(state->boot), err);
}

int cache_text_state(struct slice text, struct cache_state *ret_state, struct err *err)
{
	static const char *const NAMES[] = {"version", "small",	   "total", "synced",
					    "etag",    "modified", "boot"};
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	struct cache_state state = {.synced = 0};
	int r = open_text(text, NAMES, ARRAY_LEN(NAMES), &json, err);

	if (r == 0)
		r = read_state(json, &state, err);
	if (r < 0)
		return damaged(err);
	*ret_state = state;
	return 0;
}

/* A floor is written when a release was taken, which has a serial, or version 1 came to its end. */
int cache_text_floor(struct slice text, struct floor *ret_floor, struct err *err)
{
	static const char *const NAMES[] = {"version", "min_format", "serial", "manifest"};
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	struct floor floor = {.serial = 0};
	uint64_t format = 0;
	int r = open_text(text, NAMES, ARRAY_LEN(NAMES), &json, err);

	if (r == 0)
		r = json_get_u64(json, "min_format", true, 1, FORMAT_MAX, &format, err);
	if (r == 0)
		r = json_get_u64(json, "serial", true, format > 1 ? 0 : 1, MANIFEST_SERIAL_MAX,
				 &floor.serial, err);
	if (r == 0)
		r = get_digest(json, "manifest", floor.digest, err);
	if (r < 0)
		return damaged(err);
	floor.min_format = (unsigned)format;
	*ret_floor = floor;
	return 0;
}

static int put_done(struct buf *text, const struct buf *written, struct err *err)
{
	buf_put(text, buf_slice(written));
	return buf_ok(written) && buf_ok(text) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

int cache_text_put_pin(const struct cache_seen *seen, struct buf *ret_text, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(CACHE_TEXT_MAX);

	buf_printf(&text, "{\"version\":%u,\"small\":\"", VERSION);
	hex_encode(&text, slice_of(seen->pin.small, V1_DIGEST));
	buf_printf(&text, "\",\"size\":%" PRIu64 ",\"sha256\":\"", seen->pin.seen.size);
	hex_encode(&text, slice_of(seen->pin.seen.digest, V1_DIGEST));
	buf_printf(&text, "\",\"signed\":%s}\n", seen->signed_once ? "true" : "false");
	return put_done(ret_text, &text, err);
}

int cache_text_put_floor(const struct floor *floor, struct buf *ret_text, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(CACHE_TEXT_MAX);

	buf_printf(&text, "{\"version\":%u,\"min_format\":%u,\"serial\":%" PRIu64, VERSION,
		   floor->min_format, floor->serial);
	buf_put_str(&text, ",\"manifest\":\"");
	hex_encode(&text, slice_of(floor->digest, MANIFEST_DIGEST));
	buf_put_str(&text, "\"}\n");
	return put_done(ret_text, &text, err);
}

int cache_text_put_state(const struct cache_state *state, struct buf *ret_text, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(CACHE_TEXT_MAX);
	const struct cache_want *want = &state->want;

	if (!cache_is_plain(want->etag) || !cache_is_plain(want->modified) ||
	    !cache_is_plain(state->boot))
		return err_set(err, ERR_INVALID, "the server's validator is none");
	buf_printf(&text, "{\"version\":%u,\"small\":\"", VERSION);
	hex_encode(&text, slice_of(want->small, V1_DIGEST));
	buf_printf(&text, "\",\"total\":%" PRIu64 ",\"synced\":%" PRIu64 ",\"etag\":", want->total,
		   state->synced);
	json_put_string(&text, want->etag);
	buf_put_str(&text, ",\"modified\":");
	json_put_string(&text, want->modified);
	buf_put_str(&text, ",\"boot\":");
	json_put_string(&text, state->boot);
	buf_put_str(&text, "}\n");
	return put_done(ret_text, &text, err);
}

void cache_boot(char ret_boot[CACHE_BOOT_MAX])
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(CACHE_BOOT_MAX);
	CLEANUP(fd_close_cleanup) int dir = -1;
	struct err ignored;

	ret_boot[0] = '\0';
	if (file_open_dir(-1, "/proc/sys/kernel/random", false, 0, &dir, &ignored) < 0 ||
	    file_read(dir, "boot_id", &text, &ignored) < 0 || text.len != CACHE_BOOT_MAX)
		return;
	memcpy(ret_boot, text.data, CACHE_BOOT_MAX - 1);
	ret_boot[CACHE_BOOT_MAX - 1] = '\0';
}
