/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Little-endian throughout, unlike everything a TPM says itself. The first event always has the old
 * form; when its data begin with SPEC_ID, all others have the new one.
 */
#include "attest/eventlog.h"

#include "base/buf.h"
#include "base/mem.h"

#define EV_NO_ACTION 3u
#define SHA1_SIZE    20u
#define ALGS_MAX     16u
#define DIGEST_MAX   128u
#define DRTM_FIRST   17u /* these begin with ones until a dynamic launch (PC Client PTP, 4.6.1) */
#define DRTM_LAST    22u

static const char spec_id[16] = "Spec ID Event03";
static const char startup_locality[16] = "StartupLocality";

struct algorithm {
	uint16_t id;
	uint16_t size; /* of its digests */
};

struct log {
	struct cursor cursor;
	size_t total;
	struct algorithm algs[ALGS_MAX];
	size_t alg_count; /* 0 = the old form */
	bool pcr0_extended;
	struct attest_pcrs *pcrs;
};

/* A digest that goes into a bank. */
struct measured {
	enum hash_alg hash;
	struct slice digest;
};

static uint32_t le(struct cursor *cursor, size_t bytes)
{
	struct slice at = cursor_take(cursor, bytes);
	uint32_t value = 0;

	while (at.len > 0)
		value = value << 8 | at.data[--at.len];
	return value;
}

static int broken(const struct log *log, struct err *err)
{
	return err_set(err, ERR_DAMAGED, "the event log is broken at byte %zu",
		       log->total - log->cursor.rest.len);
}

/* --- banks --- */

static void add_bank(struct attest_pcrs *pcrs, enum hash_alg hash)
{
	uint32_t unused;
	unsigned n;

	if (pcrs->count == ATTEST_BANKS || attest_bank(pcrs, hash, &unused))
		return;
	pcrs->banks[pcrs->count].hash = hash;
	pcrs->banks[pcrs->count].mask = (UINT32_C(1) << ATTEST_PCR_COUNT) - 1;
	for (n = DRTM_FIRST; n <= DRTM_LAST; n++)
		memset(pcrs->banks[pcrs->count].value[n], 0xff, hash_size(hash));
	pcrs->count++;
}

static int extend(struct attest_pcrs *pcrs, uint32_t pcr, const struct measured *measured,
		  struct err *err)
{
	size_t i, size = hash_size(measured->hash);

	for (i = 0; i < pcrs->count; i++) {
		uint8_t *value = pcrs->banks[i].value[pcr];
		const struct slice parts[] = {slice_of(value, size), measured->digest};

		if (pcrs->banks[i].hash == measured->hash)
			return hash_digest(measured->hash, parts, ARRAY_LEN(parts), value, err);
	}
	return 0;
}

/* The first PCR begins with the locality that started the chip (PFP, 10.4.5.3). */
static void set_locality(struct log *log, const struct eventlog_event *event)
{
	struct attest_pcrs *pcrs = log->pcrs;
	struct cursor cursor = cursor_of(event->data);
	struct slice signature = cursor_take(&cursor, sizeof(startup_locality));
	uint8_t locality = cursor_u8(&cursor);
	size_t i;

	if (event->pcr != 0 || log->pcr0_extended || !cursor_done(&cursor) ||
	    !slice_equal(signature, slice_of(startup_locality, sizeof(startup_locality))))
		return;
	for (i = 0; i < pcrs->count; i++)
		pcrs->banks[i].value[0][hash_size(pcrs->banks[i].hash) - 1] = locality;
}

/* --- events --- */

/* The data of the first event: which hashes there are (PFP, 10.4.5.1). */
static int read_spec(struct log *log, struct slice data, struct err *err)
{
	struct cursor cursor = cursor_of(data);
	enum hash_alg hash;
	uint32_t count, i;

	(void)cursor_take(&cursor, sizeof(spec_id) + 4 + 4);
	count = le(&cursor, 4);
	if (cursor.failed || count == 0 || count > ALGS_MAX)
		return err_set(err, ERR_DAMAGED, "the event log has no list of hashes");
	for (i = 0; i < count; i++) {
		struct algorithm alg = {0};
		bool known;

		alg.id = (uint16_t)le(&cursor, 2);
		alg.size = (uint16_t)le(&cursor, 2);
		known = attest_hash_of_id(alg.id, &hash);
		if (cursor.failed || alg.size == 0 || alg.size > DIGEST_MAX ||
		    (known && alg.size != hash_size(hash)))
			return err_set(err, ERR_DAMAGED,
				       "the event log's list of hashes contradicts itself");
		log->algs[i] = alg;
		if (known)
			add_bank(log->pcrs, hash);
	}
	log->alg_count = count;
	return 0;
}

static const struct algorithm *find_alg(const struct log *log, uint16_t id)
{
	size_t i;

	for (i = 0; i < log->alg_count; i++)
		if (log->algs[i].id == id)
			return &log->algs[i];
	return NULL;
}

/* The digests of an event of the new form. */
static int read_digests(struct log *log, bool extends, struct measured ret_measured[ALGS_MAX],
			size_t *ret_count, struct err *err)
{
	uint32_t i, seen = 0, count = le(&log->cursor, 4);

	*ret_count = 0;
	/* One without a digest for some bank is in none of that bank's PCRs, whatever it says. */
	if (log->cursor.failed || count > log->alg_count || (extends && count != log->alg_count))
		return broken(log, err);
	for (i = 0; i < count; i++) {
		uint16_t id = (uint16_t)le(&log->cursor, 2);
		const struct algorithm *alg = find_alg(log, id);
		struct measured *measured = &ret_measured[*ret_count];

		if (!alg || seen & UINT32_C(1) << (alg - log->algs))
			return broken(log, err);
		seen |= UINT32_C(1) << (alg - log->algs);
		measured->digest = cursor_take(&log->cursor, alg->size);
		if (attest_hash_of_id(id, &measured->hash))
			(*ret_count)++;
	}
	return log->cursor.failed ? broken(log, err) : 0;
}

static int read_event(struct log *log, struct eventlog_event *ret_event,
		      struct measured ret_measured[ALGS_MAX], size_t *ret_count, struct err *err)
{
	struct eventlog_event event = {.offset = log->total - log->cursor.rest.len};
	int r = 0;

	event.pcr = le(&log->cursor, 4);
	event.type = le(&log->cursor, 4);
	event.extends = event.type != EV_NO_ACTION;
	if (log->alg_count > 0) {
		r = read_digests(log, event.extends, ret_measured, ret_count, err);
	} else {
		ret_measured[0] = (struct measured){.hash = HASH_SHA1,
						    .digest = cursor_take(&log->cursor, SHA1_SIZE)};
		*ret_count = 1;
	}
	if (r < 0)
		return r;
	event.data = cursor_take(&log->cursor, le(&log->cursor, 4));
	if (log->cursor.failed || (event.extends && event.pcr >= ATTEST_PCR_COUNT))
		return broken(log, err);
	*ret_event = event;
	return 0;
}

static int take_event(struct log *log, eventlog_fn visit, void *arg, struct err *err)
{
	struct measured measured[ALGS_MAX];
	struct eventlog_event event;
	size_t i, count;
	int r = read_event(log, &event, measured, &count, err);

	if (r < 0)
		return r;
	for (i = 0; r == 0 && event.extends && i < count; i++)
		r = extend(log->pcrs, event.pcr, &measured[i], err);
	if (!event.extends)
		set_locality(log, &event);
	else if (event.pcr == 0)
		log->pcr0_extended = true;
	if (r == 0 && visit)
		r = visit(arg, &event, err);
	return r;
}

/* Looks at the first event without taking it: it may be one of the old form like all others. */
static int begin(struct log *log, struct err *err)
{
	const struct cursor start = log->cursor;
	struct measured unused[ALGS_MAX];
	struct eventlog_event event;
	size_t count;
	int r = read_event(log, &event, unused, &count, err);

	if (r < 0)
		return r;
	if (event.type == EV_NO_ACTION && event.data.len >= sizeof(spec_id) &&
	    slice_equal(slice_of(event.data.data, sizeof(spec_id)),
			slice_of(spec_id, sizeof(spec_id))))
		return read_spec(log, event.data, err);
	log->cursor = start;
	add_bank(log->pcrs, HASH_SHA1);
	return 0;
}

int eventlog_replay(struct slice bytes, eventlog_fn visit, void *arg, struct attest_pcrs *ret_pcrs,
		    struct err *err)
{
	struct attest_pcrs pcrs = {0};
	struct log log = {.cursor = cursor_of(bytes), .total = bytes.len, .pcrs = &pcrs};
	int r;

	if (bytes.len > EVENTLOG_MAX)
		return err_set(err, ERR_TOO_LARGE, "an event log has at most %u bytes",
			       EVENTLOG_MAX);
	r = begin(&log, err);
	if (r == 0 && pcrs.count == 0)
		r = err_set(err, ERR_NOT_SUPPORTED, "no hash of the event log is known");
	while (r == 0 && log.cursor.rest.len > 0)
		r = take_event(&log, visit, arg, err);
	if (r != 0)
		return r;
	*ret_pcrs = pcrs;
	return 0;
}

int eventlog_compare(const struct attest_pcrs *replayed, const struct attest_pcrs *values,
		     enum hash_alg hash, uint32_t *ret_unexplained, struct err *err)
{
	uint32_t wanted = 0, unused, unexplained = 0;
	const uint8_t(*have)[HASH_MAX_SIZE] = attest_bank(replayed, hash, &unused);
	const uint8_t(*want)[HASH_MAX_SIZE] = attest_bank(values, hash, &wanted);
	unsigned n;

	if (!have || !want)
		return err_set(err, ERR_NOT_SUPPORTED, "no %s in the event log or among the PCRs",
			       hash_name(hash));
	for (n = 0; n < ATTEST_PCR_COUNT; n++)
		if (wanted & UINT32_C(1) << n && !slice_equal(slice_of(have[n], hash_size(hash)),
							      slice_of(want[n], hash_size(hash))))
			unexplained |= UINT32_C(1) << n;
	*ret_unexplained = unexplained;
	return 0;
}
