/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/test_made.h"

#include <stdio.h>

#include "crypto/cms.h"

static struct device device;

int made_begin(void **state)
{
	(void)state;
	device_make(&device);
	return 0;
}

int made_end(void **state)
{
	(void)state;
	device_fini(&device);
	return 0;
}

struct made *made_new(const char *name, uint64_t serial, unsigned format)
{
	const struct release_wish wish = {
		.name = name,
		.serial = serial,
		.min_format = format,
		.plain = 100,
	};
	struct made *made = calloc(1, sizeof(*made));
	char hex[MANIFEST_DIGEST_HEX];

	assert_non_null(made);
	release_make(&made->of, &wish, &device);
	manifest_hex(made->of.manifest->payload_digest, hex);
	(void)snprintf(made->partial, sizeof(made->partial), "models/%s.partial", hex);
	(void)snprintf(made->progress, sizeof(made->progress), "models/%s.progress", hex);
	return made;
}

void made_free(struct made *made)
{
	release_fini(&made->of);
	free(made);
}

void made_wrap(struct made *made)
{
	buf_reset(&made->of.line);
	release_line(&made->of, &device, made->of.manifest->digest, &made->of.line);
}

struct resource made_resource(const struct made *made)
{
	return (struct resource){slice_str("models"), slice_str(made->of.manifest->name)};
}

int made_take(struct world *world, const struct made *made, struct err *err)
{
	const struct cache_release release = {
		.manifest = made->of.manifest,
		.whole = buf_slice(&made->of.whole),
		.line = buf_slice(&made->of.line),
	};
	const struct resource resource = made_resource(made);

	return cache_take_release(world->cache, &resource, &release, err);
}

void made_put_payload(struct world *world, const struct made *made)
{
	world_write(world, made->of.file, buf_slice(&made->of.payload));
}

void made_must_take(struct world *world, const struct made *made)
{
	struct err err = {0};

	made_put_payload(world, made);
	assert_int_equal(made_take(world, made, &err), 0);
}

bool made_is_whole(struct world *world, const struct made *made)
{
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(CMS_WHOLE_MAX), line = BUF_INIT(4096);
	CLEANUP(fd_close_cleanup) int fd = -1;
	const struct resource resource = made_resource(made);
	struct floor floor;
	struct err err = {0};
	uint64_t size;

	if (cache_manifest(world->cache, &resource, &whole, &err) < 0 ||
	    !slice_equal(buf_slice(&whole), buf_slice(&made->of.whole)))
		return false;
	assert_int_equal(cache_key(world->cache, &resource, made->of.manifest->digest, &line, &err),
			 0);
	assert_true(
		slice_equal(buf_slice(&line), slice_of(made->of.line.data, made->of.line.len - 1)));
	assert_int_equal(cache_floor(world->cache, &resource, &floor, &err), 0);
	assert_int_equal(floor_judge(&floor, made->of.manifest, CMS_ANY_TIME), FLOOR_TAKE);
	assert_int_equal(cache_payload(world->cache, &resource, made->of.manifest->payload_digest,
				       &fd, &size, &err),
			 0);
	assert_int_equal(size, made->of.payload.len);
	return true;
}
