# SPDX-License-Identifier: Apache-2.0
"""What the scenarios of attacks.py share: codes, complaints, and a tenant with some things."""

import raw

COMMAND_CODE, INITIALIZE, LOCKED = 0x143, 0x100, 0x921
REFERENCE_H, REFERENCE_S = 0x910, 0x918
HANDLE, INTEGRITY, NOT_FLUSHED, NV_SPACE = 0x8B, 0x1DF, 0x1CB, 0x14B
SCARCE = (0x901, 0x902, 0x903, 0x904, 0x905)
GUESS_DA, GUESS = 0x98E, 0x9A2

complaints = []


def expect(found, wanted, what):
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    if found not in wanted:
        complaints.append(f"{what}: {found:#x} instead of {' or '.join(map(hex, wanted))}")


def must(condition, what):
    if not condition:
        complaints.append(what)


def bad_handle(position):
    """TPM_RC_HANDLE of a handle; positions count from 0."""
    return 0x100 * (position + 1) + HANDLE


class Room:
    """A tenant with a primary key, sealed data and a session of its own."""

    def __init__(self, tpm, auth=b"sesame", template=raw.SEALED, data=b"plain"):
        self.tpm, self.auth, self.data = tpm, auth, data
        self.primary = tpm.primary()
        self.sealed = tpm.seal(self.primary, template, auth, data)

    def works(self, what):
        rc, data = self.tpm.unseal(self.sealed, self.auth)
        expect(rc, 0, what)
        must(rc or data == self.data, f"{what}: other data")
