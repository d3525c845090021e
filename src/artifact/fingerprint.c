/* SPDX-License-Identifier: Apache-2.0 */
/* Pure: who reads /proc and sysfs hands over what stood there. */

#include "artifact/fingerprint.h"

#include "base/mem.h"
#include "base/utf8.h"

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice trimmed(struct slice text)
{
	while (text.len > 0 && is_blank(text.data[text.len - 1]))
		text.len--;
	while (text.len > 0 && is_blank(text.data[0]))
		text = slice_of(text.data + 1, text.len - 1);
	return text;
}

/* One line of text. */
static bool is_text(struct slice text)
{
	size_t len = text.len ? 1 : 0;

	while (text.len > 0 && len > 0) {
		len = utf8_next(text);
		if (text.data[0] < ' ' || text.data[0] == 0x7f)
			len = 0;
		text = slice_of(text.data + len, text.len - len);
	}
	return len > 0;
}

int fingerprint_put(const struct fingerprint *fingerprint, struct buf *ret_text, struct err *err)
{
	const struct {
		const char *label;
		struct slice bytes;
	} fields[] = {
		{"CPU: ", fingerprint->cpu},
		{". GPU: ", fingerprint->gpu},
		{". Memory: ", fingerprint->memory},
		{". DriveSerial: ", fingerprint->serial},
	};
	CLEANUP(buf_fini) struct buf text = BUF_INIT(FINGERPRINT_MAX);

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		struct slice bytes = trimmed(fields[i].bytes);

		if (bytes.len > FINGERPRINT_FIELD_MAX || !is_text(bytes))
			return err_set(err, ERR_INVALID, "field %zu of the fingerprint is no text",
				       i + 1);
		buf_put_str(&text, fields[i].label);
		buf_put(&text, bytes);
	}
	buf_put(ret_text, buf_slice(&text));
	return buf_ok(&text) && buf_ok(ret_text) ? 0
						 : err_set(err, ERR_INTERNAL, "memory is short");
}

int fingerprint_pinned(struct slice file, struct slice *ret_text, struct err *err)
{
	if (file.len > 0 && file.data[file.len - 1] == '\n')
		file.len--;
	if (file.len > 0 && file.data[file.len - 1] == '\r')
		file.len--;
	if (file.len > FINGERPRINT_MAX || !is_text(file))
		return err_set(err, ERR_INVALID, "a pinned fingerprint is one line of text");
	*ret_text = file;
	return 0;
}

/* The value behind "label<blanks>:" on the first line that has one; empty when there is none. */
static struct slice value_of(struct slice text, const char *label)
{
	const size_t len = strlen(label);

	while (text.len > 0) {
		const uint8_t *end = memchr(text.data, '\n', text.len);
		struct slice line = slice_of(text.data, end ? (size_t)(end - text.data) : text.len);
		const uint8_t *colon = memchr(line.data, ':', line.len);
		size_t before = colon ? (size_t)(colon - line.data) : 0;

		if (colon &&
		    slice_equal(trimmed(slice_of(line.data, before)), slice_of(label, len)))
			return trimmed(slice_of(colon + 1, line.len - before - 1));
		text = slice_of(text.data + line.len + (end ? 1 : 0),
				text.len - line.len - (end ? 1 : 0));
	}
	return text;
}

/* MIDR parts of Arm Ltd. (implementer 0x41), by the names that lscpu prints. */
static const struct {
	const char *part;
	const char *name;
} arm_parts[] = {
	{"0xd03", "Cortex-A53"},  {"0xd04", "Cortex-A35"},  {"0xd05", "Cortex-A55"},
	{"0xd07", "Cortex-A57"},  {"0xd08", "Cortex-A72"},  {"0xd09", "Cortex-A73"},
	{"0xd0a", "Cortex-A75"},  {"0xd0b", "Cortex-A76"},  {"0xd0c", "Neoverse-N1"},
	{"0xd40", "Neoverse-V1"}, {"0xd41", "Cortex-A78"},  {"0xd42", "Cortex-A78AE"},
	{"0xd49", "Neoverse-N2"}, {"0xd4f", "Neoverse-V2"},
};

int fingerprint_cpu(struct slice text, struct slice *ret_cpu, struct err *err)
{
	struct slice name = value_of(text, "model name");
	struct slice maker = value_of(text, "CPU implementer"), part = value_of(text, "CPU part");
	bool is_arm = slice_equal(maker, slice_str("0x41"));

	for (size_t i = 0; name.len == 0 && is_arm && i < ARRAY_LEN(arm_parts); i++)
		if (slice_equal(part, slice_str(arm_parts[i].part)))
			name = slice_str(arm_parts[i].name);
	if (name.len == 0)
		return err_set(err, ERR_NOT_FOUND, "the processor does not tell its name");
	*ret_cpu = name;
	return 0;
}

int fingerprint_memory(struct slice text, struct slice *ret_memory, struct err *err)
{
	struct slice value = value_of(text, "MemTotal");
	size_t digits = 0;

	while (digits < value.len && value.data[digits] >= '0' && value.data[digits] <= '9')
		digits++;
	if (digits == 0 || !slice_equal(trimmed(slice_of(value.data + digits, value.len - digits)),
					slice_str("kB")))
		return err_set(err, ERR_NOT_FOUND, "the size of the memory is not told");
	*ret_memory = slice_of(value.data, digits);
	return 0;
}
