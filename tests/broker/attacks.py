#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a tenant must not get by raw commands, and what it does to others while it tries.

usage: attacks.py SCENARIO SOCKET [SOCKET|WORD]..

The first socket is the attacker's (tenant a), the second that of its neighbour (tenant b). Prints
what differs and fails then.
"""

import random
import struct
import sys

sys.dont_write_bytecode = True

import attacks_bytes  # noqa: E402
import attacks_room  # noqa: E402
import raw  # noqa: E402
from raw import (  # noqa: E402
    ENDORSEMENT, LOCKOUT, NULL, OWNER, PLATFORM, SRK, Lost, Tpm, build, password, sized, u32,
)
from scene import (  # noqa: E402
    COMMAND_CODE, GUESS, GUESS_DA, INITIALIZE, INTEGRITY, LOCKED, NOT_FLUSHED, REFERENCE_H,
    REFERENCE_S, SCARCE, Room, bad_handle, complaints, expect, must,
)

# --- the dictionary attack ---


def dictionary(a, b):
    """A guesses at its own key; nothing changes for B, whose key is protected the same way."""
    one = Room(a, template=raw.SEALED_DA)
    free = a.seal(one.primary, raw.SEALED, b"free")
    two = Room(b, template=raw.SEALED_DA)
    codes = []
    for number in range(40):
        codes.append(a.unseal(one.sealed, b"wrong")[0])
        two.works(f"B after guess {number} of A")
    guesses = codes.count(GUESS_DA)
    must(codes == [GUESS_DA] * guesses + [LOCKED] * (40 - guesses),
         f"A's guesses: {[hex(code) for code in codes]}")
    must(3 <= guesses < 40, f"A's budget is {guesses} guesses")
    expect(a.unseal(one.sealed, one.auth)[0], LOCKED, "A with the right password, its budget spent")
    expect(a.unseal(free, b"wrong")[0], GUESS, "a guess that does not count")
    expect(a.unseal(free, b"free")[0], 0, "A's key without protection")
    again = a.seal(one.primary, raw.SEALED_DA, b"new")
    expect(a.unseal(again, b"new")[0], LOCKED, "another protected object of A")
    expect(b.unseal(two.sealed, b"wrong")[0], GUESS_DA, "B's own guess")
    two.works("B after its own guess")
    # Two at once, and then the budget is there no more than it was for A.
    codes = [b.unseal(two.sealed, b"wrong")[0] for _ in range(40)]
    must(set(codes) == {GUESS_DA, LOCKED}, f"B's guesses: {set(map(hex, codes))}")


def hierarchies(a, b):
    """Consent of what is not the tenant's, with right and wrong passwords; in any position."""
    room = Room(b)
    policy = a.session(raw.POLICY_SESSION)
    nothing = sized(b"") * 3 + u32(0)
    for hierarchy in (LOCKOUT, OWNER, PLATFORM):
        for guess in (b"", b"wrong"):
            rc = a.try_("PolicySecret", [hierarchy, policy], [password(guess)], nothing)
            expect(rc, (0x184, bad_handle(0)), f"PolicySecret over {hierarchy:#x}")
    expect(a.try_("PolicySecret", [ENDORSEMENT, policy], [password()], nothing), 0,
           "PolicySecret over ENDORSEMENT")
    for hierarchy in (LOCKOUT, PLATFORM):
        rc = a.try_("CreatePrimary", [hierarchy], [password()], raw.creation(raw.STORAGE))
        expect(rc, (0x184, bad_handle(0)), f"CreatePrimary in {hierarchy:#x}")
    nonce = sized(bytes(16)) + sized(b"") + bytes([0]) + struct.pack(">HH", 0x10, 0xB)
    for hierarchy in (LOCKOUT, PLATFORM, OWNER):
        rc = a.try_("StartAuthSession", [NULL, hierarchy], None, nonce)
        expect(rc, (0x284, bad_handle(1)), f"a session bound to {hierarchy:#x}")
        for name in ("Create", "Load", "Sign", "HMAC", "Quote", "Unseal", "ObjectChangeAuth"):
            rest = [hierarchy] * raw.COMMANDS[name][1]
            rc = a.try_(name, rest, [password(b"wrong")], b"")
            expect(rc, (0x184, bad_handle(0)), f"{name} with {hierarchy:#x}")
    # An index as the authority, and indices that are not the maker's certificates.
    for authority in (OWNER, PLATFORM, 0x01800001):
        rc = a.try_("NV_Read", [authority, 0x01800001], [password()], struct.pack(">HH", 8, 0))
        must(rc & 0xFFF in (0x184, bad_handle(0)), f"NV_Read by {authority:#x}: {rc:#x}")
    rc = a.try_("NV_ReadPublic", [0x01800001])
    expect(rc, (0x184, bad_handle(0)), "NV_ReadPublic of an index that is the owner's")
    room.works("B meanwhile")


# --- what is another tenant's ---


def position_of(name, position, handle, own):
    """Handles of a command with @handle in that position and @own in the others."""
    handles = [own] * raw.COMMANDS[name][1]
    handles[position] = handle
    return handles


def foreign_objects(a, own, theirs):
    """B's transient handles are none of A's; where the same number is, it is A's own object."""
    cases = (
        ("ReadPublic", 0), ("Unseal", 0), ("Sign", 0), ("Create", 0), ("Load", 0), ("Quote", 0),
        ("ContextSave", 0), ("Certify", 0), ("Certify", 1), ("ActivateCredential", 0),
        ("ActivateCredential", 1), ("ObjectChangeAuth", 0), ("ObjectChangeAuth", 1),
        ("StartAuthSession", 0), ("StartAuthSession", 1), ("RSA_Decrypt", 0),
        ("SequenceUpdate", 0), ("MakeCredential", 0), ("VerifySignature", 0),
    )
    for handle in theirs:
        for name, position in cases:
            auths = [password() for _ in range(raw.COMMANDS[name][2])] or None
            rc = a.try_(name, position_of(name, position, handle, own.primary), auths)
            expect(rc, REFERENCE_H + position, f"{name} with B's object in position {position}")
        expect(a.try_("FlushContext", (), None, u32(handle)), NOT_FLUSHED, "B's object flushed")


def foreign_sessions(a, own, session, policy):
    rc = a.send(build("Unseal", [own.sealed], [password(session=session)])).rc
    expect(rc, REFERENCE_S, "B's session as the first authorisation")
    auths = [password(own.auth), password(session=session, attributes=0x41)]
    expect(a.send(build("Unseal", [own.sealed], auths)).rc, REFERENCE_S + 1, "B's as the second")
    auths.insert(1, password(session=a.session(), attributes=0x81))
    expect(a.send(build("Unseal", [own.sealed], auths)).rc, REFERENCE_S + 2, "B's as the third")
    rc = a.send(build("GetRandom", (), [password(session=session, attributes=0x81)],
                      struct.pack(">H", 8))).rc
    expect(rc, REFERENCE_S, "B's session as an audit session")
    for name in ("PolicyRestart", "PolicyGetDigest", "PolicyPassword", "PolicyAuthValue"):
        expect(a.try_(name, [policy]), REFERENCE_H, f"{name} on B's session")
    rc = a.try_("PolicySecret", [own.sealed, policy], [password(own.auth)],
                sized(b"") * 3 + u32(0))
    expect(rc, REFERENCE_H + 1, "PolicySecret for B's session")
    for handle in (session, policy):
        expect(a.try_("ContextSave", [handle]), REFERENCE_H, "B's session saved")
        expect(a.try_("FlushContext", (), None, u32(handle)), NOT_FLUSHED, "B's session flushed")


def changed(context, dice):
    """The context with one thing changed."""
    data = bytearray(context)
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(data)


def contexts(a, b):
    dice = random.Random(5)
    one, two = Room(a), Room(b, data=b"what is B's alone")
    session = b.session()
    saved = {"object": b.save(two.sealed), "session": b.save(session)}
    for name, context in saved.items():
        expect(a.try_("ContextLoad", (), None, context), INTEGRITY, f"B's saved {name}")
        for _ in range(200):
            broken = changed(context, dice)
            for tpm in (a, b):
                rc = tpm.try_("ContextLoad", (), None, broken)
                must(rc and rc not in SCARCE, f"a changed context of B's {name}: {rc:#x}")
    # Parts of the one in the other.
    mine = a.save(one.sealed)
    for cut in (4, 8, 12, 16, 18, 40, 80):
        for mixed in (mine[:cut] + saved["object"][cut:], saved["object"][:cut] + mine[cut:]):
            if mixed in (mine, saved["object"]):
                continue
            rc = a.try_("ContextLoad", (), None, mixed)
            must(rc and rc not in SCARCE, f"a mixed context: {rc:#x}")
    for size in (0, 1, 15, 16, 18, len(mine) - 1):
        must(a.try_("ContextLoad", (), None, mine[:size]), f"a context of {size} bytes")
    must(a.try_("ContextLoad", (), None, mine + b"\0"), "a context with one byte more")
    b.flush(two.sealed)
    two.sealed = b.restore(saved["object"])
    two.works("B's context")
    b.flush(b.restore(saved["session"]))
    one.works("A's object")


def strangers(a, b):
    own, two = Room(a), Room(b)
    session, policy = b.session(), b.session(raw.POLICY_SESSION)
    # So many that their numbers cannot all be A's.
    more = [b.seal(two.primary) for _ in range(4)]
    theirs = [handle for handle in more if handle not in a.handles(raw.TRANSIENT_FIRST)]
    must(theirs, "no handle of B that is none of A's")
    foreign_objects(a, own, theirs[:2])
    foreign_sessions(a, own, session, policy)
    two.works("B's object")
    expect(b.try_("PolicyGetDigest", [policy]), 0, "B's session")
    # The same number is everybody's own object.
    for handle in set(a.handles(raw.TRANSIENT_FIRST)) & set(b.handles(raw.TRANSIENT_FIRST)):
        a.flush(handle)
    two.works("B's object whose number A flushed")


def persistent(a, b):
    place, free = 0x81000042, 0x81000043
    own, two = Room(a), Room(b)
    b.evict(two.sealed, place)
    rc, data = b.unseal(place, two.auth)
    must((rc, data) == (0, two.data), f"B's persistent object: {rc:#x}")
    must(place in b.handles(raw.PERSISTENT_FIRST), "B's list lacks its persistent object")
    must(place not in a.handles(raw.PERSISTENT_FIRST), "A's list has B's persistent object")
    expect(a.try_("ReadPublic", [place]), bad_handle(0), "ReadPublic of B's")
    expect(a.unseal(place, two.auth)[0], bad_handle(0), "Unseal of B's")
    rc = a.try_("Certify", [own.sealed, place], [password(own.auth), password()])
    expect(rc, bad_handle(1), "Certify by B's")
    rc = a.try_("EvictControl", [OWNER, place], [password()], u32(place))
    expect(rc, bad_handle(1), "B's persistent object evicted")
    # The same place is another object for A.
    a.evict(own.primary, place)
    expect(a.try_("ReadPublic", [place]), 0, "A's own at the same place")
    expect(a.unseal(place)[0], (0x18A, 0x12F, 0x182, 0x185, 0x9A2, 0x184), "A's own is no sealed data")
    rc, data = b.unseal(place, two.auth)
    must((rc, data) == (0, two.data), f"B's after A put one there: {rc:#x}")
    rc = a.try_("EvictControl", [OWNER, own.sealed], [password()], u32(place))
    expect(rc, 0x14C, "a place that is taken")
    for tpm in (a, b):
        tpm.evict(place, place)
        expect(tpm.try_("ReadPublic", [place]), bad_handle(0), "what was evicted")
    # What is everybody's, or ours, nobody may remove or replace.
    rc = a.try_("EvictControl", [OWNER, SRK], [password()], u32(SRK))
    must(rc, "the SRK was evicted")
    for where in (SRK, 0x81800000, 0x817FFFFF + 1, 0x01C00002, 0x80000000):
        rc = a.try_("EvictControl", [OWNER, own.sealed], [password()], u32(where))
        must(rc and rc not in SCARCE, f"something was put at {where:#x}: {rc:#x}")
    expect(a.try_("ReadPublic", [SRK]), 0, "the SRK")
    for hierarchy in (PLATFORM, LOCKOUT, ENDORSEMENT, NULL):
        rc = a.try_("EvictControl", [hierarchy, own.sealed], [password()], u32(free))
        must(rc and rc not in SCARCE, f"EvictControl by {hierarchy:#x}: {rc:#x}")


def reserved(a):
    """Every persistent handle of the chip, given as words, but the SRK and the EKs."""
    own = Room(a)
    for word in sys.argv[3:]:
        handle = int(word, 16)
        if handle == SRK or handle >> 16 == 0x8101:
            continue
        expect(a.try_("ReadPublic", [handle]), bad_handle(0), f"ReadPublic of {handle:#x}")
        must(a.try_("Create", [handle], [password()], raw.creation(raw.SEALED)), f"{handle:#x} used")
        must(a.try_("EvictControl", [OWNER, handle], [password()], u32(handle)), "it was evicted")
        must(handle not in a.handles(raw.PERSISTENT_FIRST), f"{handle:#x} is listed")
    own.works("A's object")


# --- commands ---

READ_ONLY = {
    "ECC_Parameters", "GetCapability", "GetRandom", "NV_ReadPublic", "PCR_Read", "ReadClock",
    "ReadPublic", "TestParms",
}
STANDARD = READ_ONLY | {
    "Create", "CreateLoaded", "CreatePrimary", "Load", "LoadExternal", "Import", "ObjectChangeAuth",
    "FlushContext", "ContextSave", "ContextLoad", "Sign", "VerifySignature", "RSA_Encrypt",
    "RSA_Decrypt", "ECDH_KeyGen", "ECDH_ZGen", "EncryptDecrypt", "EncryptDecrypt2", "Hash", "HMAC",
    "HMAC_Start", "HashSequenceStart", "SequenceUpdate", "SequenceComplete", "Unseal", "Certify",
    "Quote", "MakeCredential", "ActivateCredential", "StartAuthSession", "StirRandom", "NV_Read",
    "EvictControl", "PolicySigned", "PolicySecret", "PolicyTicket", "PolicyOR", "PolicyPCR",
    "PolicyLocality", "PolicyNV", "PolicyCounterTimer", "PolicyCommandCode",
    "PolicyPhysicalPresence", "PolicyCpHash", "PolicyNameHash", "PolicyDuplicationSelect",
    "PolicyAuthorize", "PolicyAuthValue", "PolicyPassword", "PolicyGetDigest", "PolicyNvWritten",
    "PolicyTemplate", "PolicyAuthorizeNV", "PolicyRestart", "Policy_AC_SendSelect",
}
LOCAL = {"Startup", "Shutdown"}
# What nobody but the host may do, whatever its set; and what changes the chip for all.
NEVER = {
    "Clear", "ClearControl", "HierarchyControl", "HierarchyChangeAuth", "SetPrimaryPolicy",
    "ChangeEPS", "ChangePPS", "DictionaryAttackLockReset", "DictionaryAttackParameters",
}
SETS = {"read-only": READ_ONLY, "standard": STANDARD}
USUAL = {
    "Clear": LOCKOUT, "DictionaryAttackLockReset": LOCKOUT, "DictionaryAttackParameters": LOCKOUT,
    "PCR_Extend": 16, "PCR_Reset": 16, "PCR_Event": 16, "ChangeEPS": PLATFORM,
    "ChangePPS": PLATFORM, "NV_Write": OWNER, "NV_DefineSpace": OWNER,
}


def code_of(tpm, name):
    """Of the command as one would send it, with handles, authorisations and some parameters."""
    _, handles, auths = raw.COMMANDS[name]
    area = [password() for _ in range(auths)] or None
    return tpm.try_(name, [USUAL.get(name, OWNER)] * handles, area, bytes(8))


def denied(a, b, word="standard", more="", less=""):
    """Every command that there is: those of the set reach the parser, the others do not. @more and
    @less are names, joined by commas, that the tenant may beside it and may not."""
    allowed = (SETS[word] | LOCAL | set(filter(None, more.split(",")))) - set(less.split(","))
    room = Room(b)
    for name in raw.COMMANDS:
        codes = {a.send(build(name)).rc, code_of(a, name)}
        if name in allowed:
            must(COMMAND_CODE not in codes, f"{name} is refused")
        else:
            must(codes == {COMMAND_CODE}, f"{name}: {set(map(hex, codes))}")
    for code in (0, 0x11E, 0x123, 0x15A, 0x19B, 0x1FF, 0xFFFF, 0x20000001, 0x10000131, 0xFFFFFFFF):
        expect(a.send(build(code)).rc, COMMAND_CODE, f"a command {code:#x} that there is not")
    room.works("B meanwhile")


def full(a, b):
    """All but hierarchies and the lockout; not what is ours or another's."""
    room = Room(b)
    for name in NEVER:
        expect(code_of(a, name), COMMAND_CODE, f"{name} with the set full")
    index = 0x01500042
    attributes = 0x00040004 | 0x2000000  # AUTHWRITE, AUTHREAD, NO_DA
    template = struct.pack(">IHI", index, 0xB, attributes) + sized(b"") + struct.pack(">H", 8)
    rc = a.try_("NV_DefineSpace", [OWNER], [password()], sized(b"") + sized(template))
    expect(rc, 0, "NV_DefineSpace with the set full")
    rc = a.try_("NV_Write", [index, index], [password()], sized(b"12345678") + bytes(2))
    expect(rc, 0, "NV_Write")
    rc = a.try_("NV_Read", [index, index], [password()], struct.pack(">HH", 8, 0))
    expect(rc, 0, "NV_Read")
    expect(a.try_("NV_UndefineSpace", [OWNER, index], [password()]), 0, "NV_UndefineSpace")
    rc = a.try_("PCR_Extend", [16], [password()], u32(1) + struct.pack(">H", 0xB) + bytes(32))
    expect(rc, 0, "PCR_Extend")
    theirs = [h for h in b.handles(raw.TRANSIENT_FIRST) if h not in a.handles(raw.TRANSIENT_FIRST)]
    for handle in theirs:
        expect(a.try_("ReadPublic", [handle]), REFERENCE_H, "B's object, with the set full")
    for hierarchy in (LOCKOUT, PLATFORM):
        policy = a.session(raw.POLICY_SESSION)
        rc = a.try_("PolicySecret", [hierarchy, policy], [password(b"wrong")],
                    sized(b"") * 3 + u32(0))
        must(rc and rc not in SCARCE, f"PolicySecret over {hierarchy:#x}: {rc:#x}")
        a.flush(policy)
    room.works("B meanwhile")


def answered(a, b):
    """Startup and Shutdown never reach the chip, whose objects live on."""
    one, two = Room(a), Room(b)
    session = b.session()
    for kind in (0, 1):
        expect(a.try_("Startup", (), None, struct.pack(">H", kind)), INITIALIZE, "Startup")
        expect(a.try_("Shutdown", (), None, struct.pack(">H", kind)), 0, "Shutdown")
    one.works("A")
    two.works("B")
    b.flush(session)


def pcrs(a, b):
    """A tenant reads the registers and changes none."""
    def values():
        selection = u32(1) + struct.pack(">HB", 0xB, 3) + b"\0\0\1"
        return a.call("PCR_Read", (), None, selection).parameters()[4:]

    before = values()
    digest = u32(1) + struct.pack(">H", 0xB) + b"\1" * 32
    for register in (0, 7, 16, 23):
        for name, params in (
            ("PCR_Extend", digest), ("PCR_Event", sized(b"event")), ("PCR_Reset", b""),
        ):
            expect(a.try_(name, [register], [password()], params), COMMAND_CODE, name)
        sequence = a.call("HashSequenceStart", (), None, sized(b"") + struct.pack(">H", 0x10)).handle()
        rc = a.try_("EventSequenceComplete", [register, sequence], [password()] * 2, sized(b""))
        expect(rc, COMMAND_CODE, "EventSequenceComplete")
        a.flush(sequence)
    must(values() == before, "a register changed")
    del b


def nothing(a):
    """A tenant without raw commands: no socket, or nothing but refusals."""
    try:
        codes = {a.send(build(name)).rc for name in raw.COMMANDS}
    except (FileNotFoundError, ConnectionError, Lost):
        return
    must(codes == {COMMAND_CODE}, f"codes: {set(map(hex, codes))}")


def scenario(name):
    for place in (globals(), vars(attacks_bytes), vars(attacks_room)):
        if name in place:
            return place[name]
    sys.exit(f"no scenario {name}")


def main():
    name, paths = sys.argv[1], sys.argv[2:]
    if name in ("nothing", "reserved"):
        scenario(name)(Tpm(paths[0]))
    elif name == "starve":
        scenario(name)(*map(Tpm, paths))
    else:
        scenario(name)(Tpm(paths[0]), Tpm(paths[1]), *paths[2:])
    for complaint in complaints[:40]:
        print(complaint)
    sys.exit(bool(complaints))


if __name__ == "__main__":
    main()
