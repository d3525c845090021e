/* SPDX-License-Identifier: Apache-2.0 */
/* What an identity keeps on disk, as its own writers write it. */
#include "tests/fuzz/seeds.h"

#include "base/base64.h"
#include "identity/files_impl.h"
#include "tests/fuzz/fuzz.h"

/* Of that key, signed by itself: its private half is 1, which is nobody's secret. */
static const char CERTIFICATE[] =
	"MIH+MIGmAgEBMAoGCCqGSM49BAMCMAwxCjAIBgNVBAMMAWEwHhcNMjYxMTIyMTUyMzE1WhcNMzYx"
	"MTE5MTUyMzE1WjAMMQowCAYDVQQDDAFhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEs"
	"Qkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R"
	"9TAKBggqhkjOPQQDAgNHADBEAiAHwmu6YYJrueDrDlVbx4ewtZPLyqeoDvmcku4G3jjsHQIgF6Il"
	"PTSdUvXgF5boL+GxEJ8cUXad7odEGoEcp8E+6tU=";

/* Every kind of journal, and a record with an identity and without; the key is P-256's base point.
 */
void seeds_identity(void)
{
	static const uint8_t spki[] = {
		0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
		0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
		0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5,
		0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4,
		0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a,
		0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33,
		0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5};
	struct identity_record record = IDENTITY_RECORD_INIT;
	struct identity_journal journal = IDENTITY_JOURNAL_INIT;
	struct err err;
	uint8_t chain[sizeof(CERTIFICATE)];
	size_t len;
	unsigned i;

	record.generation = 3;
	record.handle = journal.handle = journal.hsk_handle = 0x81000100;
	record.name_len = journal.name_len = journal.hsk_name_len = 34;
	buf_put_str(&record.header, "header");
	buf_put(&record.spki, slice_of(spki, sizeof(spki)));
	FUZZ_REQUIRE(base64_decode(slice_str(CERTIFICATE), chain, &len));
	buf_put(&record.chain, slice_of(chain, len));
	buf_put(&journal.chain, buf_slice(&record.chain));
	buf_put(&journal.cross, buf_slice(&record.chain));
	buf_put_str(&journal.object, "object");
	for (i = 0; i < 6; i++) {
		CLEANUP(buf_fini) struct buf text = BUF_INIT(TWIN_MAX);

		record.enabled = record.present = i == 0;
		journal.doing = (enum identity_doing)(i - 1);
		FUZZ_REQUIRE((i < 2 ? files_record_to_text(&record, &text, &err)
				    : files_journal_to_text(&journal, &text, &err)) == 0);
		put_seed(buf_slice(&text));
	}
	put_seed(slice_str("{\"version\":2}"));
	identity_record_fini(&record);
	identity_journal_fini(&journal);
}
