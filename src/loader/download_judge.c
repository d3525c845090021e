/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the head of an answer for a big part is worth. A validator is kept only if it is one:
 * strong, and short and plain enough to be sent back in If-Range (RFC 9110, 8.8 and 13.1.5).
 */
#include "loader/download_impl.h"

static void keep_text(const char *text, char *ret_text, size_t size)
{
	size_t len = strlen(text);

	ret_text[0] = '\0';
	if (len < size && cache_is_plain(text))
		memcpy(ret_text, text, len + 1);
}

static void keep_etag(const char *text, char *ret_text, size_t size)
{
	size_t len = strlen(text);

	ret_text[0] = '\0';
	if (len >= 2 && text[0] == '"' && text[len - 1] == '"')
		keep_text(text, ret_text, size);
}

static bool differ(const char *a, const char *b)
{
	return a[0] != '\0' && b[0] != '\0' && strcmp(a, b) != 0;
}

bool download_validator(const struct cache_want *want)
{
	return want->etag[0] != '\0' || want->modified[0] != '\0';
}

/*
 * A server may pass over If-Range: what it sends belongs to what is there only if it says so. With
 * a signature it is enough that it does not say otherwise, since that finds out. What is called by
 * its digest is the same everywhere, whatever each server calls it.
 */
static bool is_same(const struct download_asked *asked, const struct cache_want *comes)
{
	const struct cache_want *want = asked->want;

	if (asked->total > 0)
		return comes->total == want->total;
	if (comes->total != want->total || differ(comes->etag, want->etag) ||
	    differ(comes->modified, want->modified))
		return false;
	if (asked->is_signed)
		return true;
	if (want->etag[0])
		return comes->etag[0] != '\0';
	return want->modified[0] && comes->modified[0];
}

static enum download_verdict judge_rest(const struct download_asked *asked,
					const struct fetch_head *head,
					const struct cache_want *comes)
{
	if (asked->have == 0 || head->first != asked->have)
		return DOWNLOAD_LIE;
	return is_same(asked, comes) ? DOWNLOAD_TAKE : DOWNLOAD_ANEW;
}

static enum download_verdict judge_whole(const struct download_asked *asked,
					 const struct fetch_head *head)
{
	if (asked->have > 0)
		return DOWNLOAD_ANEW;
	return head->length_known ? DOWNLOAD_TAKE : DOWNLOAD_LIE;
}

static enum download_verdict judge_status(unsigned status, uint64_t have)
{
	switch (status) {
	case 404:
	case 410:
		return DOWNLOAD_GONE;
	case 401:
	case 403:
		return DOWNLOAD_FORBIDDEN;
	case 416:
		return have > 0 ? DOWNLOAD_ANEW : DOWNLOAD_LIE;
	default:
		return DOWNLOAD_AGAIN;
	}
}

enum download_verdict download_judge(const struct download_asked *asked,
				     const struct fetch_head *head, struct cache_want *ret_want)
{
	struct cache_want comes = {.total = head->status == 206 ? head->total : head->length};
	enum download_verdict verdict;

	memcpy(comes.small, asked->want->small, V1_DIGEST);
	keep_etag(head->etag, comes.etag, sizeof(comes.etag));
	if (head->modified_strong)
		keep_text(head->modified, comes.modified, sizeof(comes.modified));
	if (head->status == 206)
		verdict = judge_rest(asked, head, &comes);
	else if (head->status == 200)
		verdict = judge_whole(asked, head);
	else
		verdict = judge_status(head->status, asked->have);
	if (verdict == DOWNLOAD_TAKE && asked->total > 0 && comes.total != asked->total)
		verdict = DOWNLOAD_LIE;
	if (verdict == DOWNLOAD_TAKE && comes.total > asked->max)
		verdict = DOWNLOAD_TOO_LARGE;
	/* What is there is kept under what it was called first. */
	if (verdict == DOWNLOAD_TAKE)
		*ret_want = asked->have > 0 ? *asked->want : comes;
	return verdict;
}
