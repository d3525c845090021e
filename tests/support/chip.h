/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_CHIP_H
#define SUPPORT_CHIP_H

/*
 * A TPM of a test's own: swtpm in a fresh folder. Killing it is a power cut, starting it again
 * power-on with the same state. Every function fails the test when it cannot do its job.
 */

#include <sys/types.h>

struct chip {
	char dir[64];
	char conf[96]; /* for Tss2_TctiLdr */
	pid_t pid;     /* 0 = no power */
};

void chip_new(struct chip *chip); /* a new chip, running */
/*
 * The same as its maker would sell it: with endorsement keys, RSA of so many bits and P-384, their
 * certificates in NV, and the PCR bank sha256 alone. The issuer's are CHIP_ISSUER and CHIP_ROOT in
 * its folder.
 */
void chip_new_made(struct chip *chip, const char *rsa_bits);
#define CHIP_ISSUER "issuercert.pem"
#define CHIP_ROOT   "swtpm-localca-rootca-cert.pem"
void chip_power_on(struct chip *chip);
void chip_power_cut(struct chip *chip);
void chip_replace(struct chip *chip); /* another chip at the same address, running */
void chip_free(struct chip *chip);

#endif
