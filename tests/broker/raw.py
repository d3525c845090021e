# SPDX-License-Identifier: Apache-2.0
"""A client that speaks raw TPM 2.0 commands on a Unix socket, without any library between, so that
it can send what no library would. Each command is a connection of its own, as the stock TCTI does
it, unless a connection is kept."""

import contextlib
import os
import socket
import struct

NO_SESSIONS, SESSIONS = 0x8001, 0x8002
OWNER, NULL, LOCKOUT, ENDORSEMENT, PLATFORM = 0x40000001, 0x40000007, 0x4000000A, 0x4000000B, 0x4000000C
PASSWORD = 0x40000009
TRANSIENT_FIRST, PERSISTENT_FIRST = 0x80000000, 0x81000000
HMAC_FIRST, POLICY_FIRST = 0x02000000, 0x03000000
SRK = 0x81000001
HMAC_SESSION, POLICY_SESSION, TRIAL_SESSION = 0, 1, 3
CAP_HANDLES, CAP_PROPERTIES = 1, 6
MAX = 4096

# Every command of TPM 2.0 Part 2, 6.5.2, revision 1.59, with how many handles it has and how many
# of them want an authorisation.
COMMANDS = {
    "NV_UndefineSpaceSpecial": (0x11F, 2, 2), "EvictControl": (0x120, 2, 1),
    "HierarchyControl": (0x121, 1, 1), "NV_UndefineSpace": (0x122, 2, 1),
    "ChangeEPS": (0x124, 1, 1), "ChangePPS": (0x125, 1, 1), "Clear": (0x126, 1, 1),
    "ClearControl": (0x127, 1, 1), "ClockSet": (0x128, 1, 1),
    "HierarchyChangeAuth": (0x129, 1, 1), "NV_DefineSpace": (0x12A, 1, 1),
    "PCR_Allocate": (0x12B, 1, 1), "PCR_SetAuthPolicy": (0x12C, 1, 1),
    "PP_Commands": (0x12D, 1, 1), "SetPrimaryPolicy": (0x12E, 1, 1),
    "FieldUpgradeStart": (0x12F, 2, 1), "ClockRateAdjust": (0x130, 1, 1),
    "CreatePrimary": (0x131, 1, 1), "NV_GlobalWriteLock": (0x132, 1, 1),
    "GetCommandAuditDigest": (0x133, 2, 2), "NV_Increment": (0x134, 2, 1),
    "NV_SetBits": (0x135, 2, 1), "NV_Extend": (0x136, 2, 1), "NV_Write": (0x137, 2, 1),
    "NV_WriteLock": (0x138, 2, 1), "DictionaryAttackLockReset": (0x139, 1, 1),
    "DictionaryAttackParameters": (0x13A, 1, 1), "NV_ChangeAuth": (0x13B, 1, 1),
    "PCR_Event": (0x13C, 1, 1), "PCR_Reset": (0x13D, 1, 1), "SequenceComplete": (0x13E, 1, 1),
    "SetAlgorithmSet": (0x13F, 1, 1), "SetCommandCodeAuditStatus": (0x140, 1, 1),
    "FieldUpgradeData": (0x141, 0, 0), "IncrementalSelfTest": (0x142, 0, 0),
    "SelfTest": (0x143, 0, 0), "Startup": (0x144, 0, 0), "Shutdown": (0x145, 0, 0),
    "StirRandom": (0x146, 0, 0), "ActivateCredential": (0x147, 2, 2), "Certify": (0x148, 2, 2),
    "PolicyNV": (0x149, 3, 1), "CertifyCreation": (0x14A, 2, 1), "Duplicate": (0x14B, 2, 1),
    "GetTime": (0x14C, 2, 2), "GetSessionAuditDigest": (0x14D, 3, 2), "NV_Read": (0x14E, 2, 1),
    "NV_ReadLock": (0x14F, 2, 1), "ObjectChangeAuth": (0x150, 2, 1), "PolicySecret": (0x151, 2, 1),
    "Rewrap": (0x152, 2, 1), "Create": (0x153, 1, 1), "ECDH_ZGen": (0x154, 1, 1),
    "HMAC": (0x155, 1, 1), "Import": (0x156, 1, 1), "Load": (0x157, 1, 1), "Quote": (0x158, 1, 1),
    "RSA_Decrypt": (0x159, 1, 1), "HMAC_Start": (0x15B, 1, 1), "SequenceUpdate": (0x15C, 1, 1),
    "Sign": (0x15D, 1, 1), "Unseal": (0x15E, 1, 1), "PolicySigned": (0x160, 2, 0),
    "ContextLoad": (0x161, 0, 0), "ContextSave": (0x162, 1, 0), "ECDH_KeyGen": (0x163, 1, 0),
    "EncryptDecrypt": (0x164, 1, 1), "FlushContext": (0x165, 0, 0), "LoadExternal": (0x167, 0, 0),
    "MakeCredential": (0x168, 1, 0), "NV_ReadPublic": (0x169, 1, 0),
    "PolicyAuthorize": (0x16A, 1, 0), "PolicyAuthValue": (0x16B, 1, 0),
    "PolicyCommandCode": (0x16C, 1, 0), "PolicyCounterTimer": (0x16D, 1, 0),
    "PolicyCpHash": (0x16E, 1, 0), "PolicyLocality": (0x16F, 1, 0), "PolicyNameHash": (0x170, 1, 0),
    "PolicyOR": (0x171, 1, 0), "PolicyTicket": (0x172, 1, 0), "ReadPublic": (0x173, 1, 0),
    "RSA_Encrypt": (0x174, 1, 0), "StartAuthSession": (0x176, 2, 0),
    "VerifySignature": (0x177, 1, 0), "ECC_Parameters": (0x178, 0, 0),
    "FirmwareRead": (0x179, 0, 0), "GetCapability": (0x17A, 0, 0), "GetRandom": (0x17B, 0, 0),
    "GetTestResult": (0x17C, 0, 0), "Hash": (0x17D, 0, 0), "PCR_Read": (0x17E, 0, 0),
    "PolicyPCR": (0x17F, 1, 0), "PolicyRestart": (0x180, 1, 0), "ReadClock": (0x181, 0, 0),
    "PCR_Extend": (0x182, 1, 1), "PCR_SetAuthValue": (0x183, 1, 1), "NV_Certify": (0x184, 3, 2),
    "EventSequenceComplete": (0x185, 2, 2), "HashSequenceStart": (0x186, 0, 0),
    "PolicyPhysicalPresence": (0x187, 1, 0), "PolicyDuplicationSelect": (0x188, 1, 0),
    "PolicyGetDigest": (0x189, 1, 0), "TestParms": (0x18A, 0, 0), "Commit": (0x18B, 1, 1),
    "PolicyPassword": (0x18C, 1, 0), "ZGen_2Phase": (0x18D, 1, 1), "EC_Ephemeral": (0x18E, 0, 0),
    "PolicyNvWritten": (0x18F, 1, 0), "PolicyTemplate": (0x190, 1, 0),
    "CreateLoaded": (0x191, 1, 1), "PolicyAuthorizeNV": (0x192, 3, 1),
    "EncryptDecrypt2": (0x193, 1, 1), "AC_GetCapability": (0x194, 1, 0), "AC_Send": (0x195, 3, 2),
    "Policy_AC_SendSelect": (0x196, 1, 0), "CertifyX509": (0x197, 2, 2),
    "ACT_SetTimeout": (0x198, 1, 1), "ECC_Encrypt": (0x199, 1, 0), "ECC_Decrypt": (0x19A, 1, 1),
    "Vendor_TCG_Test": (0x20000000, 0, 0),
}

FIXED_TPM, FIXED_PARENT, ORIGIN, USER = 0x2, 0x10, 0x20, 0x40
NODA, RESTRICTED, DECRYPT, SIGN = 0x400, 0x10000, 0x20000, 0x40000
FIXED = FIXED_TPM | FIXED_PARENT | USER


def sized(data):
    return struct.pack(">H", len(data)) + data


def u32(value):
    return struct.pack(">I", value)


def public(attributes, policy=b"", kind="sealed"):
    """A template: of sealed data, of a P-256 key that signs, or of a P-256 storage key."""
    tails = {
        "sealed": (0x0008, ">HH", (0x0010, 0)),
        "sign": (0x0023, ">HHHHHHH", (0x0010, 0x0018, 0x000B, 0x0003, 0x0010, 0, 0)),
        "storage": (0x0023, ">HHHHHHHH", (0x0006, 128, 0x0043, 0x0010, 0x0003, 0x0010, 0, 0)),
        "rsa": (0x0001, ">HHHIH", (0x0010, 0x0010, 2048, 0, 0)),
    }
    alg, form, values = tails[kind]
    return struct.pack(">HHI", alg, 0x000B, attributes) + sized(policy) + struct.pack(form, *values)


STORAGE = public(FIXED | ORIGIN | NODA | RESTRICTED | DECRYPT, kind="storage")
SIGNING = public(FIXED | ORIGIN | NODA | SIGN, kind="sign")
SEALED = public(FIXED | NODA)
SEALED_DA = public(FIXED)
RSA = public(FIXED | ORIGIN | NODA | DECRYPT | SIGN, kind="rsa")


def creation(template, auth=b"", data=b""):
    """The parameters of Create and CreatePrimary."""
    return sized(sized(auth) + sized(data)) + sized(template) + sized(b"") + u32(0)


def password(value=b"", session=PASSWORD, attributes=1):
    """One authorisation."""
    return u32(session) + sized(b"") + bytes([attributes]) + sized(value)


def build(name, handles=(), auths=None, params=b""):
    """A whole command; @auths is a list of authorisations, or None for none at all."""
    code = COMMANDS[name][0] if isinstance(name, str) else name
    body = b"".join(map(u32, handles))
    if auths is not None:
        area = b"".join(auths)
        body += u32(len(area)) + area
    tag = NO_SESSIONS if auths is None else SESSIONS
    return struct.pack(">HII", tag, 10 + len(body) + len(params), code) + body + params


class Refused(Exception):
    """The chip, or who stands for it, answered with a code."""

    def __init__(self, what, rc):
        super().__init__(f"{what}: {rc:#x}")
        self.rc = rc


class Lost(Exception):
    """There was no whole answer."""


class Answer:
    def __init__(self, data):
        if len(data) < 10:
            raise Lost(f"an answer of {len(data)} bytes")
        self.data = data
        self.tag, size, self.rc = struct.unpack(">HII", data[:10])
        if size != len(data):
            raise Lost(f"an answer of {len(data)} bytes that says {size}")
        if self.rc and size != 10:
            raise Lost(f"a refusal of {size} bytes")
        self.body = data[10:]

    def parameters(self, handles=0):
        body = self.body[4 * handles :]
        if self.tag == SESSIONS:
            size = struct.unpack(">I", body[:4])[0]
            body = body[4 : 4 + size]
        return body

    def handle(self):
        return struct.unpack(">I", self.body[:4])[0]


def take(data):
    """A sized buffer and what follows it."""
    size = struct.unpack(">H", data[:2])[0]
    if len(data) < 2 + size:
        raise Lost("a buffer that is cut off")
    return data[2 : 2 + size], data[2 + size :]


def read_exactly(link, size):
    data = b""
    while len(data) < size:
        piece = link.recv(size - len(data))
        if not piece:
            raise Lost(f"the connection ended after {len(data)} of {size} bytes")
        data += piece
    return data


class Link:
    """One kept connection."""

    def __init__(self, path, timeout=60):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(path)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.socket.close()

    def write(self, data):
        self.socket.sendall(data)

    def read(self):
        try:
            head = read_exactly(self.socket, 10)
            size = struct.unpack(">I", head[2:6])[0]
            if not 10 <= size <= MAX:
                raise Lost(f"an answer that says {size} bytes")
            return Answer(head + read_exactly(self.socket, size - 10))
        except (socket.timeout, ConnectionError) as reason:
            raise Lost(f"no answer: {reason}") from reason

    def send(self, message):
        self.write(message)
        return self.read()


class Tpm:
    """What a tenant sees at its socket, or a chip."""

    def __init__(self, path):
        self.path = path

    def link(self, **options):
        return Link(self.path, **options)

    def send(self, message):
        with self.link() as link:
            return link.send(message)

    def try_(self, name, handles=(), auths=None, params=b""):
        """The code."""
        return self.send(build(name, handles, auths, params)).rc

    def call(self, name, handles=(), auths=None, params=b""):
        answer = self.send(build(name, handles, auths, params))
        if answer.rc:
            raise Refused(f"{name} at {self.path}", answer.rc)
        return answer

    # --- what the scenarios are made of ---

    def primary(self, hierarchy=OWNER, template=STORAGE, auth=b""):
        return self.call(
            "CreatePrimary", [hierarchy], [password()], creation(template, auth)
        ).handle()

    def create(self, parent, template=SEALED, auth=b"", data=b"plain"):
        """The private and the public part."""
        answer = self.call("Create", [parent], [password()], creation(template, auth, data))
        private, rest = take(answer.parameters())
        return private, take(rest)[0]

    def load(self, parent, parts):
        return self.call(
            "Load", [parent], [password()], sized(parts[0]) + sized(parts[1])
        ).handle()

    def seal(self, parent, template=SEALED, auth=b"", data=b"plain"):
        return self.load(parent, self.create(parent, template, auth, data))

    def unseal(self, handle, auth=b""):
        """The code and the data."""
        answer = self.send(build("Unseal", [handle], [password(auth)]))
        return answer.rc, b"" if answer.rc else take(answer.parameters())[0]

    def session(self, kind=HMAC_SESSION):
        params = sized(os.urandom(16)) + sized(b"") + bytes([kind]) + struct.pack(">HH", 0x10, 0xB)
        return self.call("StartAuthSession", [NULL, NULL], None, params).handle()

    def save(self, handle):
        return self.call("ContextSave", [handle]).parameters()

    def restore(self, context):
        return self.call("ContextLoad", (), None, context).handle()

    def flush(self, handle):
        self.call("FlushContext", (), None, u32(handle))

    def random(self, count=8):
        return take(self.call("GetRandom", (), None, struct.pack(">H", count)).parameters())[0]

    def evict(self, handle, place):
        self.call("EvictControl", [OWNER, handle], [password()], u32(place))

    def handles(self, first, page=64):
        """All that GetCapability lists from @first on, asked for page by page."""
        found, more, at = [], 1, first
        while more:
            data = self.call("GetCapability", (), None, u32(CAP_HANDLES) + u32(at) + u32(page))
            more, _, count = struct.unpack(">BII", data.parameters()[:9])
            listed = struct.unpack(f">{count}I", data.parameters()[9 : 9 + 4 * count])
            if more and not listed:
                raise Lost("a list that says there is more and ends")
            found += listed
            at = found[-1] + 1 if found else at
        return found

    def flush_all(self):
        for first in (TRANSIENT_FIRST, HMAC_FIRST, POLICY_FIRST):
            for handle in self.handles(first):
                if handle >> 24 in (0x80, 0x02, 0x03):
                    with contextlib.suppress(Refused):
                        self.flush(handle)
