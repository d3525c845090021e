/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_ORIGIN_LINES_H
#define CMD_HOLDFAST_ORIGIN_LINES_H

/* Lines of a file that people write: empty ones, and those that begin with #, are passed over. */

#include <stdbool.h>

#include "base/slice.h"

/* Takes the next line off @text, without its end; @number, 0 before the first, is its own. */
static inline bool lines_next(struct slice *text, unsigned *number, struct slice *ret_line)
{
	while (text->len > 0) {
		struct slice line = slice_of(text->data, 0);
		size_t step;

		while (line.len < text->len && line.data[line.len] != '\n')
			line.len++;
		step = line.len + (line.len < text->len);
		*text = slice_of(text->data + step, text->len - step);
		++*number;
		if (line.len > 0 && line.data[0] != '#') {
			*ret_line = line;
			return true;
		}
	}
	return false;
}

#endif
