/* SPDX-License-Identifier: Apache-2.0 */
/* The record in its two places. */
#include "identity/files_impl.h"

static const struct files_place places[] = {
	{FILES_IN_HOLDFAST, FILES_RECORD},
	{FILES_IN_CONFIG, FILES_RECORD_COPY},
};

static int judge(struct slice content, struct err *err)
{
	CLEANUP(identity_record_cleanup) struct identity_record record = IDENTITY_RECORD_INIT;

	return files_record_of_text(content, &record, err);
}

void identity_records_init(struct identity_records *records)
{
	*records = (struct identity_records){.count = 0};
	for (size_t i = 0; i < IDENTITY_RECORDS_MAX; i++)
		records->of[i] = (struct identity_record)IDENTITY_RECORD_INIT;
}

void identity_records_fini(struct identity_records *records)
{
	for (size_t i = 0; i < IDENTITY_RECORDS_MAX; i++)
		identity_record_fini(&records->of[i]);
	identity_records_init(records);
}

/* --- what the copies say --- */

/* What good copies say, the first of those that say it. */
struct saying {
	struct slice content;
	uint64_t generation;
	size_t place;
	struct identity_record record;
};

static bool comes_before(const struct saying *a, const struct saying *b)
{
	if (a->record.present != b->record.present)
		return a->record.present;
	if (a->place != b->place)
		return a->place < b->place;
	return a->generation > b->generation;
}

struct sayings {
	struct saying of[TWIN_COPIES_MAX]; /* in their order */
	size_t count;
};

static bool said_before(const struct sayings *sayings, struct slice content)
{
	for (size_t i = 0; i < sayings->count; i++)
		if (slice_equal(sayings->of[i].content, content))
			return true;
	return false;
}

static int hear(struct sayings *sayings, const struct twin_copy *copy, size_t place,
		struct err *err)
{
	struct saying saying = {.content = copy->content,
				.generation = copy->generation,
				.place = place,
				.record = IDENTITY_RECORD_INIT};
	size_t at = sayings->count;
	int r = files_record_of_text(copy->content, &saying.record, err);

	if (r < 0)
		return r;
	for (; at > 0 && comes_before(&saying, &sayings->of[at - 1]); at--)
		sayings->of[at] = sayings->of[at - 1];
	sayings->of[at] = saying;
	sayings->count++;
	return 0;
}

static bool agree(const struct identity_record *a, const struct identity_record *b)
{
	return a->enabled == b->enabled && a->present == b->present &&
	       slice_equal(slice_of(a->name, a->name_len), slice_of(b->name, b->name_len)) &&
	       slice_equal(buf_slice(&a->spki), buf_slice(&b->spki));
}

/* The sayings are the records' afterwards, also after an error. */
static int take_all(const struct files_twin *twin, struct identity_records *records,
		    struct err *err)
{
	struct sayings sayings = {.count = 0};
	bool enabled = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < twin->copies.count; i++)
		if (twin->copies.copies[i].code == 0 &&
		    !said_before(&sayings, twin->copies.copies[i].content))
			r = hear(&sayings, &twin->copies.copies[i], i / TWIN_COPIES_EACH, err);
	for (; records->count < sayings.count; records->count++) {
		struct identity_record *record = &records->of[records->count];

		*record = sayings.of[records->count].record;
		records->differ = records->differ || !agree(record, &records->of[0]);
		enabled = enabled || record->enabled;
	}
	for (size_t i = 0; i < records->count; i++)
		records->of[i].enabled = enabled;
	return r;
}

/* The copies of the first place: none is good, and of one nobody knows what it is. */
static bool first_is_unreadable(const struct files_twin *twin)
{
	bool unreadable = false;

	for (size_t i = 0; i < TWIN_COPIES_EACH; i++) {
		if (twin->copies.copies[i].code == 0)
			return false;
		unreadable = unreadable || twin->copies.copies[i].code == ERR_UNREADABLE;
	}
	return unreadable;
}

static enum identity_found found_of(int r)
{
	switch (r) {
	case ERR_NOT_FOUND:
		return IDENTITY_FOUND_NONE;
	case ERR_DAMAGED:
		return IDENTITY_FOUND_TORN;
	default:
		return IDENTITY_FOUND_UNREADABLE;
	}
}

enum identity_found identity_records_read(struct identity_files *files,
					  struct identity_records *ret_records, struct err *err)
{
	CLEANUP(files_twin_fini) struct files_twin twin = FILES_TWIN(places, judge);
	CLEANUP(identity_records_cleanup) struct identity_records records;
	int r;

	identity_records_init(&records);
	r = files_twin_load(files, &twin, FILES_LOOK, err);
	if (r == 0)
		r = take_all(&twin, &records, err);
	if (r == 0 && !records.of[0].present && first_is_unreadable(&twin))
		r = err_set(err, ERR_UNREADABLE, "%s and its copy cannot be read", FILES_RECORD);
	if (r < 0)
		return found_of(r);
	identity_records_fini(ret_records);
	*ret_records = records;
	identity_records_init(&records);
	return twin_whole(&twin.copies) ? IDENTITY_FOUND_WHOLE : IDENTITY_FOUND_MENDED;
}

enum identity_found identity_record_read(struct identity_files *files,
					 struct identity_record *ret_record, struct err *err)
{
	CLEANUP(identity_records_cleanup) struct identity_records records;
	enum identity_found found;

	identity_records_init(&records);
	found = identity_records_read(files, &records, err);
	if (found != IDENTITY_FOUND_WHOLE && found != IDENTITY_FOUND_MENDED)
		return found;
	identity_record_fini(ret_record);
	*ret_record = records.of[0];
	records.of[0] = (struct identity_record)IDENTITY_RECORD_INIT;
	return found;
}

int identity_record_write(struct identity_files *files, const struct identity_record *record,
			  struct err *err)
{
	CLEANUP(files_twin_fini) struct files_twin twin = FILES_TWIN(places, judge);
	CLEANUP(buf_fini) struct buf text = BUF_INIT(TWIN_MAX);
	int r = files_record_to_text(record, &text, err);

	if (r == 0)
		r = files_twin_load(files, &twin, FILES_MAKE, err);
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	return files_twin_write(files, &twin, buf_slice(&text), err);
}

int identity_record_remove(struct identity_files *files, struct err *err)
{
	CLEANUP(files_twin_fini) struct files_twin twin = FILES_TWIN(places, judge);

	return files_twin_remove(files, &twin, err);
}
