/* SPDX-License-Identifier: Apache-2.0 */
/* Forms in slices of several lengths, and ranges in the place of their types. */
#include "base/buf.h"
#include "tests/fuzz/seeds.h"

void seeds_form(void)
{
	static const char END[] = "\r\n--B--\r\n";
	static const char *const types[] = {
		"multipart/form-data; boundary=B",
		"multipart/form-data;charset=utf-8;boundary=\"B\"",
		"multipart/form-data; boundary=\"B",
		"multipart/form-data; bound=B; x",
		"bytes=1-2",
		"bytes=-5",
		"bytes=9-",
		"bytes=99999999999999999999-",
		"bytes=1-2,3-4",
	};
	static const char *const forms[] = {
		"--B\r\nContent-Disposition: form-data; name=a\r\n\r\nx",
		"--B\r\nContent-Disposition: form-data; name=\"a b\"; filename=\"f\\\"\"\r\n"
		"Content-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\r\n--C\r",
		"words\r\n--B\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--B\r\n"
		"Content-Disposition: form-data; name=b\r\n\r\n",
		"--B\r\nContent-Transfer-Encoding: base64\r\n\r\nx",
		"--B\r\nContent-Disposition: attachment; name=a\r\n\r\nx",
		"--B\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\nx",
		"--B\r\nContent-Disposition: form-data\r\n\r\nx",
		"--B\r\nX: y\r\n\r\nx",
		"--B\r\nX\r\n\r\nx",
		"--B x",
	};
	size_t type, form;

	for (type = 0; type < sizeof(types) / sizeof(types[0]); type++)
		for (form = 0; form < sizeof(forms) / sizeof(forms[0]); form++) {
			CLEANUP(buf_fini) struct buf seed = BUF_INIT(4096);

			buf_put_u8(&seed, (uint8_t)(type * 5 + form));
			buf_put_str(&seed, types[type]);
			buf_put_u8(&seed, 0);
			buf_put_str(&seed, forms[form]);
			buf_put_str(&seed, END);
			put_seed(buf_slice(&seed));
		}
}
