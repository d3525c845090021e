/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seals its argument, opens the blob again, and says who protects it.
 *   cc seal.c $(pkg-config --cflags --libs libholdfast) -o seal
 */
#include <stdio.h>
#include <string.h>

#include <holdfast/client.h>

static int report(const struct hf *hf)
{
	fprintf(stderr, "%s: %s\n  try: %s\n", hf_code_name(hf_error_code(hf)), hf_error_text(hf),
		hf_error_remedy(hf));
	return 1;
}

static int seal_and_open(struct hf *hf, const char *text)
{
	void *blob, *plain;
	size_t blob_len, plain_len;
	int r;

	if (hf_seal(hf, text, strlen(text), &blob, &blob_len) < 0)
		return report(hf);
	printf("%zu bytes sealed into %zu, protection: %s\n", strlen(text), blob_len,
	       hf_protection(hf));
	r = hf_unseal(hf, blob, blob_len, &plain, &plain_len);
	hf_free(blob);
	if (r < 0)
		return report(hf);
	printf("opened again: %.*s\n", (int)plain_len, (const char *)plain);
	hf_free(plain);
	return 0;
}

int main(int argc, char **argv)
{
	struct hf *hf;
	int r;

	if (hf_open(NULL, &hf) < 0)
		return 1;
	r = seal_and_open(hf, argc > 1 ? argv[1] : "an example");
	hf_close(hf);
	return r;
}
