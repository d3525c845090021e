/* SPDX-License-Identifier: Apache-2.0 */
/* Upload: both parts in their order, what becomes of failures, and leaving at any time. */
#include "loader/test_fake.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>

#include "artifact/v1.h"
#include "base/base64.h"
#include "base/spool.h"
#include "crypto/hash.h"
#include "loader/fault.h"

#define BLOB_MAX (8u * 1024u * 1024u)

static int spool_fails;
int __real_spool_read(const struct spool *spool, uint64_t at, uint8_t *ret_bytes, size_t len,
		      struct err *err);
int __wrap_spool_read(const struct spool *spool, uint64_t at, uint8_t *ret_bytes, size_t len,
		      struct err *err);

int __wrap_spool_read(const struct spool *spool, uint64_t at, uint8_t *ret_bytes, size_t len,
		      struct err *err)
{
	if (__atomic_load_n(&spool_fails, __ATOMIC_SEQ_CST))
		return err_set(err, ERR_UNREADABLE, "cannot read the data back");
	return __real_spool_read(spool, at, ret_bytes, len, err);
}

/* --- one upload, step by step --- */

static struct loader_upload *begin(struct world *world)
{
	struct loader_upload *upload = NULL;

	assert_int_equal(
		loader_upload_new(&world->loader, slice_str("net.bin"), &upload, &world->err), 0);
	return upload;
}

static void add(struct world *world, struct loader_upload *upload, struct slice bytes)
{
	world->done = 0;
	loader_upload_add(upload, bytes, world_done, world);
	assert_int_equal(world->done, 0);
	world_until_done(world);
}

static void fill(struct buf *plain, size_t size)
{
	for (size_t i = 0; i < size; i++)
		buf_put_u8(plain, (uint8_t)(i * 7 % 251));
}

static void add_all(struct world *world, struct loader_upload *upload, struct slice plain,
		    size_t step)
{
	while (plain.len > 0) {
		size_t len = plain.len < step ? plain.len : step;

		add(world, upload, slice_of(plain.data, len));
		assert_int_equal(world->code, 0);
		plain = slice_of(plain.data + len, plain.len - len);
	}
}

static void end(struct world *world, struct loader_upload *upload)
{
	world->done = 0;
	loader_upload_end(upload, slice_str("models"), world_done, world);
	assert_int_equal(world->done, 0);
}

/* Until the big part is on its way. */
static struct fake_request *end_and_wait(struct world *world, struct loader_upload *upload)
{
	end(world, upload);
	world_until_requests(world);
	return fake_last();
}

static bool is_pulled(struct world *world)
{
	(void)world;
	return fake_pull(fake_last()) || !fake_last()->open;
}

static void pull(struct world *world)
{
	world_until(world, is_pulled);
}

/* An upload of some bytes as far as the transfer of its big part. */
static struct loader_upload *on_its_way(struct world *world, size_t size)
{
	CLEANUP(buf_fini) struct buf plain = BUF_INIT(BLOB_MAX);
	struct loader_upload *upload = begin(world);

	fill(&plain, size);
	add_all(world, upload, buf_slice(&plain), LOADER_PIECE);
	assert_string_equal(end_and_wait(world, upload)->url,
			    "https://cdn.example/files/models/net.bin.big");
	return upload;
}

/* The content of the one part of a form. */
static struct slice part_of(const struct fake_request *request)
{
	const char *type = fake_header(request, "Content-Type");
	size_t tail = strlen("\r\n----\r\n") + strlen(strchr(type, '=') + 1);
	const char *head = memmem(request->body.data, request->body.len, "\r\n\r\n", 4);
	size_t at;

	assert_non_null(head);
	at = (size_t)(head + 4 - (const char *)request->body.data);
	assert_true(request->body.len >= at + tail);
	return slice_of(request->body.data + at, request->body.len - at - tail);
}

/* --- what is sent --- */

static void upload_of(struct world *world, size_t size, size_t step)
{
	CLEANUP(buf_fini) struct buf plain = BUF_INIT(BLOB_MAX);
	struct loader_upload *upload = begin(world);
	struct fake_request *big;

	fill(&plain, size);
	add_all(world, upload, buf_slice(&plain), step);
	big = end_and_wait(world, upload);
	assert_int_equal(big->method, FETCH_PUT);
	assert_string_equal(big->url, "https://cdn.example/files/models/net.bin.big");
	pull(world);
	assert_int_equal(big->body_length, big->body.len);
	/* Nobody hears of the release before all of it is there. */
	assert_ptr_equal(fake_last(), big);
	assert_int_equal(world->done, 0);
	fake_answer(big, 201, "");
	assert_int_equal(fake_last()->method, FETCH_POST);
	assert_string_equal(fake_last()->url, "https://api.example/resources/models");
	assert_string_equal(fake_last()->bearer, "T1");
	world_check_opens(world, part_of(fake_last()), buf_slice(&big->body), buf_slice(&plain));
	assert_int_equal(world->done, 0);
	fake_answer(fake_last(), 200, "");
	assert_int_equal(world->done, 1);
	assert_int_equal(world->code, 0);
	loader_upload_leave(upload);
}

static void every_size_is_cut_and_opens_again(void **state)
{
	static const size_t sizes[] = {
		0,
		1,
		15,
		16,
		17,
		10207,
		10208,
		10223,
		10224,
		10239,
		10240,
		10241,
		65536,
		70000,
		65535,
		LOADER_PIECE - 1,
		LOADER_PIECE,
		LOADER_PIECE + 1,
		3 * LOADER_PIECE + 5,
	};
	struct world *world = *state;

	world_login(world);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		upload_of(world, sizes[i], LOADER_PIECE);
	assert_int_equal(world->loader.upload_count, 0);
}

static void pieces_may_be_of_any_size(void **state)
{
	static const size_t steps[] = {1, 16, 1000, 10240};
	struct world *world = *state;

	world_login(world);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		upload_of(world, steps[i] == 1 ? 300 : 20000, steps[i]);
}

static void empty_pieces_add_nothing(void **state)
{
	struct world *world = *state;
	struct loader_upload *upload;

	world_login(world);
	upload = begin(world);
	add(world, upload, slice_of(NULL, 0));
	assert_int_equal(world->code, 0);
	add(world, upload, slice_str("x"));
	add(world, upload, slice_of(NULL, 0));
	end_and_wait(world, upload);
	pull(world);
	fake_answer(fake_last(), 200, "");
	assert_int_equal(part_of(fake_last()).len + fake.requests[fake.count - 2].body.len, 32);
	fake_answer(fake_last(), 200, "");
	assert_int_equal(world->code, 0);
	loader_upload_leave(upload);
}

static void s3_gets_the_digest_of_the_big_part(void **state)
{
	CLEANUP(secret_cleanup) struct secret *secret = NULL;
	CLEANUP(buf_fini) struct buf hex = BUF_INIT(65);
	struct world *world = *state;
	struct loader_upload *upload;
	uint8_t digest[HASH_MAX_SIZE];
	struct slice body;

	assert_int_equal(secret_copy(slice_str("WRITE"), &secret, &world->err), 0);
	world->config.cdn_url = NULL;
	world->config.s3_endpoint = "https://s3.example";
	world->config.writer_key = "WKEY";
	world->config.writer_secret = secret;
	world_login(world);
	upload = begin(world);
	add(world, upload, slice_str("model"));
	end_and_wait(world, upload);
	assert_string_equal(fake_last()->url, "https://s3.example/models/net.bin.big");
	assert_string_equal(fake_last()->bearer, "");
	pull(world);
	body = buf_slice(&fake_last()->body);
	assert_int_equal(hash_digest(HASH_SHA256, &body, 1, digest, &world->err), 0);
	hex_encode(&hex, slice_of(digest, 32));
	buf_put_u8(&hex, '\0');
	assert_string_equal(fake_header(fake_last(), "x-amz-content-sha256"), (char *)hex.data);
	fake_answer(fake_last(), 403, "");
	assert_int_equal(world->code, FAULT_UPSTREAM);
	loader_upload_leave(upload);
}

/* --- what is refused --- */

static void too_much_is_refused_at_once(void **state)
{
	CLEANUP(buf_fini) struct buf plain = BUF_INIT(BLOB_MAX);
	struct world *world = *state;
	struct loader_upload *upload;

	world->config.resource_max = 1000;
	world_login(world);
	fill(&plain, 1001);
	upload_of(world, 1000, 999);
	upload = begin(world);
	add(world, upload, slice_of(plain.data, 1000));
	assert_int_equal(world->code, 0);
	/* Whatever is asked of it then, that is what it says, and nothing is sent. */
	for (unsigned i = 0; i < 2; i++) {
		add(world, upload, slice_of(plain.data, 1));
		assert_int_equal(world->code, ERR_TOO_LARGE);
	}
	end(world, upload);
	world_until_done(world);
	assert_int_equal(world->code, ERR_TOO_LARGE);
	assert_int_equal(fake_count(".big"), 1);
	loader_upload_leave(upload);
	upload = begin(world);
	add(world, upload, slice_of(plain.data, 1001));
	assert_int_equal(world->code, ERR_TOO_LARGE);
	loader_upload_leave(upload);
}

static void what_cannot_be_is_refused_before_anything_comes(void **state)
{
	static const char *const bad[] = {"", ".x", "../x", "a/b", "net.bin.small", "net.bin.big"};
	struct world *world = *state;
	struct loader_upload *uploads[LOADER_UPLOADS + 1];

	world_session(world);
	assert_int_equal(
		loader_upload_new(&world->loader, slice_str("net.bin"), uploads, &world->err),
		FAULT_NOT_LOGGED_IN);
	session_free(TAKE(world->session));
	secret_free(TAKE(world->loader.key));
	world_login(world);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(
			loader_upload_new(&world->loader, slice_str(bad[i]), uploads, &world->err),
			ERR_INVALID);
	for (size_t i = 0; i < LOADER_UPLOADS; i++)
		uploads[i] = begin(world);
	assert_int_equal(loader_upload_new(&world->loader, slice_str("net.bin"),
					   &uploads[LOADER_UPLOADS], &world->err),
			 FAULT_BUSY);
	/* Out of the middle, the last, the first. */
	loader_upload_leave(uploads[1]);
	uploads[1] = begin(world);
	uploads_end(&world->loader);
	assert_int_equal(world->loader.upload_count, 0);
	assert_null(world->loader.uploads);
}

static void without_a_key_for_writing_nothing_comes(void **state)
{
	struct world *world = *state;
	struct loader_upload *upload;

	world->config.cdn_url = NULL;
	world->config.s3_endpoint = "https://s3.example";
	world_login(world);
	assert_int_equal(
		loader_upload_new(&world->loader, slice_str("net.bin"), &upload, &world->err),
		ERR_NOT_SUPPORTED);
}

static void a_bad_folder_ends_it(void **state)
{
	static const char *const bad[] = {"", "..", "a/b", ".hidden"};
	struct world *world = *state;

	world_login(world);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct loader_upload *upload = begin(world);

		add(world, upload, slice_str("model"));
		world->done = 0;
		loader_upload_end(upload, slice_str(bad[i]), world_done, world);
		assert_int_equal(world->done, 0);
		world_until_done(world);
		assert_int_equal(world->code, ERR_INVALID);
		loader_upload_leave(upload);
	}
	assert_int_equal(fake.count, 1);
}

static void a_piece_that_is_too_large_is_told_later(void **state)
{
	CLEANUP(buf_fini) struct buf plain = BUF_INIT(BLOB_MAX);
	struct world *world = *state;
	struct loader_upload *upload;

	world_login(world);
	fill(&plain, LOADER_PIECE + 1);
	upload = begin(world);
	add(world, upload, buf_slice(&plain));
	assert_int_equal(world->code, ERR_INTERNAL);
	loader_upload_leave(upload);
}

static void a_full_disk_is_told_as_such(void **state)
{
	CLEANUP(buf_fini) struct buf plain = BUF_INIT(BLOB_MAX);
	struct world *world = *state;
	struct loader_upload *upload;
	struct rlimit old, small;

	world_login(world);
	fill(&plain, LOADER_PIECE);
	upload = begin(world);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){.rlim_cur = 65536, .rlim_max = old.rlim_max};
	assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	add(world, upload, buf_slice(&plain));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(world->code, ERR_DISK_FULL);
	loader_upload_leave(upload);
}

/* --- what fails on the way --- */

static void without_the_big_part_there_is_no_small_one(void **state)
{
	static const struct {
		enum fetch_end end;
		unsigned status;
	} rows[] = {
		{FETCH_DONE, 401}, {FETCH_DONE, 403},  {FETCH_DONE, 404}, {FETCH_DONE, 413},
		{FETCH_DONE, 302}, {FETCH_DONE, 500},  {FETCH_DONE, 507}, {FETCH_UNREACHABLE, 0},
		{FETCH_BROKEN, 0}, {FETCH_REFUSED, 0},
	};
	struct world *world = *state;

	world_login(world);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct loader_upload *upload = on_its_way(world, 1000);
		size_t count = fake.count;

		/* Some say so before they have all of it. */
		if (i % 2 == 0)
			pull(world);
		if (rows[i].end == FETCH_DONE)
			fake_answer(fake_last(), rows[i].status, "");
		else
			fake_end(fake_last(), rows[i].end);
		assert_int_equal(world->done, 1);
		assert_int_equal(world->code, FAULT_UPSTREAM);
		assert_int_equal(fake.count, count);
		loader_upload_leave(upload);
	}
	assert_int_equal(fake_count("/resources/models"), 0);
}

static void a_small_part_that_is_refused_is_told(void **state)
{
	static const struct {
		unsigned status;
		int code;
	} rows[] = {{404, ERR_NOT_FOUND}, {401, FAULT_NOT_LOGGED_IN}};
	struct world *world = *state;

	world_login(world);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct loader_upload *upload = on_its_way(world, 1000);

		pull(world);
		fake_answer(fake_last(), 200, "");
		fake_answer(fake_last(), rows[i].status, "");
		if (rows[i].status == 401) /* to the login, too */
			fake_answer(fake_last(), 401, "");
		assert_int_equal(world->done, 1);
		assert_int_equal(world->code, rows[i].code);
		/* Half a release is no secret. */
		assert_non_null(strstr(world->told.text, "upload again"));
		assert_non_null(strstr(world->note, "models/net.bin: "));
		world->note[0] = '\0';
		loader_upload_leave(upload);
	}
	assert_int_equal(fake.pauses, 0);
}

/* The same bytes each time, and not for ever. */
static void a_small_part_that_fails_is_repeated(void **state)
{
	struct world *world = *state;
	struct loader_upload *upload;
	struct fake_request *first;

	world_login(world);
	for (unsigned fails = 1; fails <= 4; fails++) {
		world->done = 0;
		fake.pauses = 0;
		upload = on_its_way(world, 1000);
		pull(world);
		fake_answer(fake_last(), 200, "");
		first = fake_last();
		for (unsigned i = 0; i < fails; i++) {
			assert_int_equal(world->done, 0);
			assert_true(slice_equal(part_of(fake_last()), part_of(first)));
			fake_answer(fake_last(), 500, "");
			if (i < 3)
				world_until_requests(world);
		}
		if (fails < 4)
			fake_answer(fake_last(), 200, "");
		assert_int_equal(world->done, 1);
		assert_int_equal(world->code, fails < 4 ? 0 : FAULT_UPSTREAM);
		assert_int_equal(fake.pauses, fails < 4 ? fails : 3);
		assert_int_equal(world->notes, fails < 4 ? 0 : 1);
		loader_upload_leave(upload);
	}
}

static void what_cannot_be_read_back_stops_the_transfer(void **state)
{
	struct world *world = *state;
	struct loader_upload *upload;

	world_login(world);
	upload = on_its_way(world, 2 * LOADER_PIECE);
	__atomic_store_n(&spool_fails, 1, __ATOMIC_SEQ_CST);
	pull(world);
	__atomic_store_n(&spool_fails, 0, __ATOMIC_SEQ_CST);
	assert_int_equal(world->done, 1);
	assert_int_equal(world->code, ERR_UNREADABLE);
	loader_upload_leave(upload);
}

static void a_transfer_that_cannot_start_is_told(void **state)
{
	struct world *world = *state;
	struct loader_upload *upload;

	world_login(world);
	upload = begin(world);
	add(world, upload, slice_str("model"));
	fake.refuse = 1;
	end(world, upload);
	world_until_done(world);
	assert_int_equal(world->code, ERR_INTERNAL);
	loader_upload_leave(upload);
}

/* --- a CDN that is the API's --- */

static void own_cdn(struct world *world)
{
	world->config.api_url = "https://cdn.example";
	world_login(world);
}

static void a_token_that_has_run_out_is_exchanged(void **state)
{
	CLEANUP(buf_fini) struct buf plain = BUF_INIT(BLOB_MAX);
	struct world *world = *state;
	struct loader_upload *upload;
	struct fake_request *big;
	bool early;

	own_cdn(world);
	for (unsigned i = 0; i < 2; i++) {
		early = i > 0;
		upload = on_its_way(world, 3 * LOADER_PIECE);
		assert_string_not_equal(fake_last()->bearer, "");
		/* Early: while a piece is being read. */
		if (early)
			assert_false(fake_pull(fake_last()));
		else
			pull(world);
		fake_answer(fake_last(), 401, "");
		assert_string_equal(fake_last()->url, "https://cdn.example/login");
		fake_answer(fake_last(), 200, "{\"token\":\"T2\"}");
		big = fake_last();
		assert_int_equal(big->method, FETCH_PUT);
		assert_string_equal(big->bearer, "T2");
		pull(world);
		assert_int_equal(big->body.len, big->body_length);
		fake_answer(big, 200, "");
		buf_reset(&plain);
		fill(&plain, 3 * LOADER_PIECE);
		world_check_opens(world, part_of(fake_last()), buf_slice(&big->body),
				  buf_slice(&plain));
		fake_answer(fake_last(), 200, "");
		assert_int_equal(world->done, 1);
		assert_int_equal(world->code, 0);
		loader_upload_leave(upload);
	}
}

static void a_token_is_exchanged_once(void **state)
{
	struct world *world = *state;
	struct loader_upload *upload;

	own_cdn(world);
	upload = on_its_way(world, 1000);
	fake_answer(fake_last(), 401, "");
	fake_answer(fake_last(), 200, "{\"token\":\"T2\"}");
	fake_answer(fake_last(), 401, "");
	assert_int_equal(world->done, 1);
	assert_int_equal(world->code, FAULT_UPSTREAM);
	loader_upload_leave(upload);
	/* Or not at all. */
	upload = on_its_way(world, 1000);
	fake_answer(fake_last(), 403, "");
	fake_answer(fake_last(), 401, "");
	assert_int_equal(world->done, 1);
	assert_int_equal(world->code, FAULT_NOT_LOGGED_IN);
	assert_false(session_active(world->session));
	loader_upload_leave(upload);
}

/* Of two, the second finds the new token there already. */
static void two_uploads_exchange_once(void **state)
{
	struct world *world = *state;
	struct loader_upload *a, *b;
	struct fake_request *first, *second;

	own_cdn(world);
	a = on_its_way(world, 1000);
	first = fake_last();
	b = on_its_way(world, 1000);
	second = fake_last();
	fake_answer(first, 401, "");
	fake_answer(fake_last(), 200, "{\"token\":\"T2\"}");
	fake_answer(second, 401, "");
	assert_int_equal(fake_count("/login"), 2);
	assert_int_equal(fake_last()->method, FETCH_PUT);
	assert_string_equal(fake_last()->bearer, "T2");
	loader_upload_leave(a);
	loader_upload_leave(b);
}

/* --- leaving --- */

static size_t open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	(void)closedir(dir);
	return count;
}

enum stage {
	NEW,
	ADDING,
	ADDED,
	FAILING,
	ENDING,
	SENDING,
	READING,
	RENEWING,
	SMALL,
	PAUSING,
	OVER,
	STAGES,
};

static struct loader_upload *up_to(struct world *world, enum stage stage)
{
	struct loader_upload *upload;

	if (stage < SENDING) {
		upload = begin(world);
		if (stage == ADDED || stage == ENDING)
			add(world, upload, slice_str("model"));
		world->done = 0;
		if (stage == ADDING)
			loader_upload_add(upload, slice_str("model"), world_done, world);
		if (stage == FAILING)
			loader_upload_end(upload, slice_str(".."), world_done, world);
		if (stage == ENDING)
			end(world, upload);
		return upload;
	}
	upload = on_its_way(world, 2 * LOADER_PIECE);
	if (stage == READING)
		assert_false(fake_pull(fake_last()));
	if (stage == RENEWING)
		fake_answer(fake_last(), 401, "");
	if (stage < SMALL)
		return upload;
	pull(world);
	fake_answer(fake_last(), 200, "");
	if (stage == PAUSING)
		fake_answer(fake_last(), 500, "");
	if (stage == OVER)
		fake_answer(fake_last(), 404, "");
	return upload;
}

static void who_leaves_hears_nothing_and_leaves_nothing(void **state)
{
	struct world *world = *state;
	struct loader_upload *upload;
	size_t files;

	own_cdn(world);
	loader_upload_leave(NULL);
	files = open_files();
	for (enum stage stage = NEW; stage < STAGES; stage++) {
		upload = up_to(world, stage);
		world->done = 0;
		loader_upload_leave(upload);
		/* What is told to the API, or asked of it for all, goes on. */
		assert_int_equal(fake_last()->open,
				 stage == RENEWING || stage == SMALL || stage == PAUSING);
		if (stage == RENEWING)
			fake_answer(fake_last(), 200, "{\"token\":\"T3\"}");
		if (stage == SMALL || stage == PAUSING)
			fake_answer(fake_last(), 200, "");
		world_settle(world);
		assert_int_equal(world->done, 0);
		assert_int_equal(open_files(), files);
	}
	assert_int_equal(world->loader.upload_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_size_is_cut_and_opens_again),
		TEST(pieces_may_be_of_any_size),
		TEST(empty_pieces_add_nothing),
		TEST(s3_gets_the_digest_of_the_big_part),
		TEST(too_much_is_refused_at_once),
		TEST(what_cannot_be_is_refused_before_anything_comes),
		TEST(without_a_key_for_writing_nothing_comes),
		TEST(a_bad_folder_ends_it),
		TEST(a_piece_that_is_too_large_is_told_later),
		TEST(a_full_disk_is_told_as_such),
		TEST(without_the_big_part_there_is_no_small_one),
		TEST(a_small_part_that_is_refused_is_told),
		TEST(a_small_part_that_fails_is_repeated),
		TEST(what_cannot_be_read_back_stops_the_transfer),
		TEST(a_transfer_that_cannot_start_is_told),
		TEST(a_token_that_has_run_out_is_exchanged),
		TEST(a_token_is_exchanged_once),
		TEST(two_uploads_exchange_once),
		TEST(who_leaves_hears_nothing_and_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
