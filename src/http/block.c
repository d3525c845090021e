/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for large bodies and answers, kept for the next one while there is much to do. What comes
 * fresh from the kernel costs a page fault for each 4 KiB, and on its way through malloc() it is
 * filled twice; together that was more than reading the body. A block is wiped as far as it was
 * used when it is given back. What is kept is freed when nobody gave one back for a while.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/secret.h"
#include "http/impl.h"

#define KEEP_US 1000000u

struct http_block {
	struct http *http;
	struct http_block *next; /* of the spare ones */
	size_t len;		 /* bytes in use, or 0 */
	uint8_t data[];
};

#define MAPPED (sizeof(struct http_block) + HTTP_BLOCK_SIZE)

struct http_block *http_block_take(struct http *http)
{
	struct http_block *block = http->spares;

	if (block) {
		http->spares = block->next;
		http->spare_count--;
		return block;
	}
	block = mmap(NULL, MAPPED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (block == MAP_FAILED)
		return NULL;
	block->http = http;
	return block;
}

uint8_t *http_block_data(struct http_block *block)
{
	return block->data;
}

struct http_block *http_block_of(uint8_t *data)
{
	return (void *)(data - offsetof(struct http_block, data));
}

void http_block_use(struct http_block *block, size_t len)
{
	block->len = len;
}

void http_block_give(struct http_block *block)
{
	struct http *http = block->http;
	struct err ignored;

	wipe(block->data, block->len);
	block->len = 0;
	if (http->spare_count == HTTP_BLOCKS_SPARE ||
	    loop_timer_set(&http->spares_old, KEEP_US, &ignored) < 0) {
		(void)munmap(block, MAPPED);
		return;
	}
	block->next = http->spares;
	http->spares = block;
	http->spare_count++;
}

void http_blocks_free(void *arg)
{
	struct http *http = arg;

	loop_timer_clear(&http->spares_old);
	while (http->spares) {
		struct http_block *block = http->spares;

		http->spares = block->next;
		(void)munmap(block, MAPPED);
	}
	http->spare_count = 0;
}

/* --- bodies --- */

void http_body_make_room(struct http_request *request)
{
	struct buf *body = &request->body;
	size_t announced = request->announced;
	struct http_block *block;

	if (request->block || announced < HTTP_BLOCK_MIN || announced >= HTTP_BLOCK_SIZE)
		return;
	block = http_block_take(request->conn->http);
	if (!block)
		return;
	memcpy(block->data, body->data, body->len);
	wipe(body->data, body->cap);
	free(body->data);
	body->data = block->data;
	body->cap = HTTP_BLOCK_SIZE - 1;
	request->block = block;
}

void http_body_free(struct http_request *request)
{
	struct http_block *block = TAKE(request->block);

	if (!block) {
		buf_fini(&request->body);
		return;
	}
	block->len = request->body.len;
	http_block_give(block);
	request->body = (struct buf)BUF_INIT(request->body.max);
}
