/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast/expiry.h"

#include <string.h>
#include <time.h>

#include "artifact/manifest.h"
#include "base/mem.h"

#define DIGITS_MAX 10u

static const struct {
	char letter;
	int64_t seconds;
} UNITS[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};

/* Digits alone; how many are there, 0 where they are none or too many. */
static size_t read_digits(const char *text, int64_t *ret_value)
{
	size_t len = strspn(text, "0123456789");
	int64_t value = 0;

	if (len > DIGITS_MAX)
		return 0;
	for (size_t i = 0; i < len; i++)
		value = 10 * value + (text[i] - '0');
	*ret_value = value;
	return len;
}

static bool read_duration(const char *text, int64_t now, int64_t *ret_at)
{
	int64_t count = 0;
	size_t len = read_digits(text, &count);

	if (len == 0 || text[len] == '\0' || text[len + 1] != '\0')
		return false;
	for (size_t i = 0; i < ARRAY_LEN(UNITS); i++)
		if (UNITS[i].letter == text[len]) {
			*ret_at = now + count * UNITS[i].seconds;
			return true;
		}
	return false;
}

static bool read_day(const char *text, int64_t *ret_at)
{
	static const char FORM[] = "0000-00-00";
	int64_t year = 0, month = 0, day = 0;
	struct tm tm = {0}, again;
	time_t at;

	if (strlen(text) != strlen(FORM) || read_digits(text, &year) != 4 || text[4] != '-' ||
	    read_digits(text + 5, &month) != 2 || text[7] != '-' ||
	    read_digits(text + 8, &day) != 2)
		return false;
	tm.tm_year = (int)year - 1900;
	tm.tm_mon = (int)month - 1;
	tm.tm_mday = (int)day;
	again = tm;
	at = timegm(&again);
	/* There is no 31st of June. */
	if (again.tm_mon != tm.tm_mon || again.tm_mday != tm.tm_mday)
		return false;
	*ret_at = (int64_t)at;
	return true;
}

int expiry_parse(const char *text, int64_t now, int64_t *ret_at, struct err *err)
{
	int64_t at = 0;

	if (!read_duration(text, now, &at) && !read_day(text, &at))
		return err_set(err, ERR_INVALID,
			       "--expires: not YYYY-MM-DD, nor a number with s, m, h, d or w");
	if (at <= now || at > (int64_t)MANIFEST_SERIAL_MAX)
		return err_set(err, ERR_INVALID, "--expires: that is no time to come");
	*ret_at = at;
	return 0;
}
