# SPDX-License-Identifier: Apache-2.0
"""Scenarios of attacks.py: quotas, and lists of what there is."""

import hashlib
import random
import struct
import threading

import raw
from raw import NULL, OWNER, SRK, build, password, sized, u32
from scene import REFERENCE_H, Room, expect, must

def sessions(a, b, quota="16"):
    """Seventy, and B has its own."""
    room = Room(b)
    codes, got = set(), []
    nonce = sized(bytes(16)) + sized(b"") + b"\0" + struct.pack(">HH", 0x10, 0xB)
    for _ in range(70):
        answer = a.send(build("StartAuthSession", [NULL, NULL], None, nonce))
        codes.add(answer.rc)
        if not answer.rc:
            got.append(answer.handle())
        theirs = b.session()
        room.works("B between A's sessions")
        b.flush(theirs)
    must(codes <= {0, 0x903, 0x905}, f"codes of sessions: {set(map(hex, codes))}")
    alive = a.handles(raw.HMAC_FIRST) + a.handles(0x03000000)
    must(len(set(alive)) <= int(quota), f"{len(set(alive))} sessions with a quota of {quota}")
    must(len(got) >= int(quota), f"only {len(got)} sessions with a quota of {quota}")
    mine = [b.session() for _ in range(int(quota))]
    for handle in mine:
        b.flush(handle)
    a.flush_all()
    must(a.session(), "A after flushing")


def objects(a, b, quota="64"):
    """Forty are all there; beyond the quota the oldest go."""
    room = Room(b)
    primary = a.primary()
    parts = a.create(primary, raw.SEALED, b"", b"one of many")
    made = [a.load(primary, parts) for _ in range(40)]
    for handle in made:
        rc, data = a.unseal(handle)
        must((rc, data) == (0, b"one of many"), f"object {handle:#x} of 40: {rc:#x}")
    saved = a.save(made[0])
    many = []
    for number in range(2 * int(quota)):
        many.append(a.load(primary, parts))
        expect(a.try_("ReadPublic", [primary]), 0, "what is used all the time")
        if number % 20 == 0:
            room.works("B between A's objects")
    codes = [a.unseal(handle)[0] for handle in made + many]
    must(set(codes) == {0, REFERENCE_H}, f"codes of objects: {set(map(hex, codes))}")
    must(codes[-20:] == [0] * 20, "the newest went")
    listed = a.handles(raw.TRANSIENT_FIRST)
    must(len(listed) <= int(quota), f"{len(listed)} objects with a quota of {quota}")
    rc, data = a.unseal(a.restore(saved))
    must((rc, data) == (0, b"one of many"), f"a saved one: {rc:#x}")
    # Every command that makes an object counts.
    for _ in range(int(quota)):
        a.call("HashSequenceStart", (), None, sized(b"") + struct.pack(">H", 0xB))
        a.call("LoadExternal", (), None, sized(b"") + sized(parts[1]) + u32(NULL))
        a.restore(saved)
    listed = a.handles(raw.TRANSIENT_FIRST)
    must(len(listed) <= int(quota), f"{len(listed)} objects of all kinds with a quota of {quota}")
    room.works("B afterwards")


def lists(a, b):
    """Handle lists have what is the tenant's, by pages of any size."""
    one, two = Room(a), Room(b)
    mine, theirs = a.session(), b.session(raw.POLICY_SESSION)
    a.flush(one.sealed)
    for page in (1, 2, 64, 1000):
        must(a.handles(raw.TRANSIENT_FIRST, page) == [one.primary], f"A's objects by {page}")
        must(sorted(b.handles(raw.TRANSIENT_FIRST, page)) == sorted([two.primary, two.sealed]),
             f"B's objects by {page}")
        must(a.handles(raw.HMAC_FIRST, page) == [mine], f"A's sessions by {page}")
        found = b.handles(raw.HMAC_FIRST, page)
        must(found == [theirs] or [h & 0xFFFFFF for h in found] == [theirs & 0xFFFFFF],
             f"B's sessions by {page}: {[hex(h) for h in found]}")
    must(a.handles(raw.POLICY_FIRST) in ([], [mine]), "A's saved sessions")
    must(SRK in a.handles(raw.PERSISTENT_FIRST), "the SRK is not listed")


def starve(a, *others):
    """Many tenants with as many sessions as they get leave some to the next one, and theirs live."""
    nonce = sized(bytes(16)) + sized(b"") + b"\0" + struct.pack(">HH", 0x10, 0xB)
    start = build("StartAuthSession", [NULL, NULL], None, nonce)
    got = {}
    for tenant in others:
        answers = [tenant.send(start) for _ in range(20)]
        got[tenant] = [answer.handle() for answer in answers if not answer.rc]
        must({answer.rc for answer in answers} <= {0, 0x903, 0x905}, f"codes of {tenant.path}")
    room = Room(a)
    for _ in range(4):
        session = a.session()
        expect(a.try_("GetRandom", (), [password(session=session, attributes=0x81)], b"\0\x08"),
               (0, 0x9A2, 0x98E), "a session of the one who comes last")
        a.flush(session)
    room.works("the one who comes last")
    for tenant in others:
        alive = tenant.handles(raw.HMAC_FIRST) + tenant.handles(raw.POLICY_FIRST)
        must(alive, f"{tenant.path} has no session left")
        for handle in set(alive):
            tenant.flush(handle)


def constants(a, b):
    """What a chip answers the same every time; who calls counts what reached it."""
    del b
    aes = struct.pack(">HHHH", 0x25, 0x06, 128, 0x43)
    for _ in range(20):
        for capability, first in ((6, 0x100), (0, 0), (2, 0x11F), (8, 0)):
            params = u32(capability) + u32(first) + u32(127)
            must(len(a.call("GetCapability", (), None, params).data) > 20, f"{capability}")
        a.call("TestParms", (), None, aes)
        a.call("ECC_Parameters", (), None, struct.pack(">H", 3))
        a.call("ReadPublic", [SRK])


def interleaved(a, b):
    """More sequences and sessions than a chip has room for, of two tenants, a step of each in turn:
    every one goes on where it was."""
    made = []
    for number in range(20):
        tpm = (a, b)[number % 2]
        handle = tpm.call("HashSequenceStart", (), None, sized(b"") + struct.pack(">H", 0xB)).handle()
        made.append((tpm, handle, tpm.session(raw.POLICY_SESSION), bytes([number]) * 100))
    for step in range(5):
        for tpm, handle, session, piece in made:
            tpm.call("SequenceUpdate", [handle], [password()], sized(piece))
            tpm.call("PolicyCommandCode" if not step else "PolicyGetDigest", [session], None,
                     u32(0x15D) if not step else b"")
    digests = set()
    for tpm, handle, session, piece in made:
        answer = tpm.call("SequenceComplete", [handle], [password()], sized(piece) + u32(NULL))
        must(raw.take(answer.parameters())[0] == hashlib.sha256(piece * 6).digest(), "another hash")
        digests.add(tpm.call("PolicyGetDigest", [session]).parameters())
        tpm.flush(session)
    must(len(digests) == 1, "sessions with different policies")


def gap(a, b):
    """A session that rests while others are saved more often than a chip counts."""
    resting = b.session(raw.POLICY_SESSION)
    b.call("PolicyCommandCode", [resting], None, u32(0x15D))
    before = b.call("PolicyGetDigest", [resting]).parameters()
    saved = b.session(raw.POLICY_SESSION)
    context = b.save(saved)
    busy = [a.session(raw.POLICY_SESSION) for _ in range(5)]
    with a.link() as link:
        commands = [build("PolicyGetDigest", [session]) for session in busy]
        for number in range(66000):
            rc = link.send(commands[number % len(commands)]).rc
            if rc:
                expect(rc, 0, f"use {number} of a session")
                return
    must(b.call("PolicyGetDigest", [resting]).parameters() == before, "B's session is another")
    must(b.restore(context) == saved, "B's saved session is another")


def races(a, b):
    """Eight connections of A that use, save, restore and flush the same things at once."""
    room, own = Room(b), Room(a)
    policy, codes, lost = a.session(raw.POLICY_SESSION), set(), []
    parts = a.create(own.primary)
    context = a.save(own.sealed)

    def client(number):
        dice = random.Random(number)
        menu = (
            lambda: build("Unseal", [own.sealed], [password(own.auth)]),
            lambda: build("Load", [own.primary], [password()], sized(parts[0]) + sized(parts[1])),
            lambda: build("ContextLoad", (), None, context),
            lambda: build("ContextSave", [own.sealed]),
            lambda: build("PolicyGetDigest", [policy]), lambda: build("ContextSave", [policy]),
            lambda: build("FlushContext", (), None, u32(own.primary + dice.randrange(2, 80))),
            lambda: build("EvictControl", [OWNER, own.sealed], [password()], u32(0x81000052)),
            lambda: build("EvictControl", [OWNER, 0x81000052], [password()], u32(0x81000052)),
            lambda: build("Unseal", [0x81000052], [password(own.auth)]),
        )
        for _ in range(150):
            try:
                codes.add(a.send(dice.choice(menu)()).rc)
            except (raw.Lost, OSError) as reason:
                lost.append(str(reason))

    clients = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in clients:
        thread.start()
    while any(thread.is_alive() for thread in clients):
        room.works("B meanwhile")
    must(not lost, f"no answer: {lost[:1]}")
    must(not codes & {0x901, 0x902, 0x903, 0x904, 0x101}, f"codes: {set(map(hex, codes))}")
    a.flush_all()
    Room(a).works("A afterwards")
