# SPDX-License-Identifier: Apache-2.0
"""Scenarios of attacks.py: bytes that are no commands, and clients that misbehave."""

import random
import struct

import raw
from raw import NULL, OWNER, SESSIONS, SRK, Lost, Tpm, build, password, sized, u32
from scene import SCARCE, Room, complaints, expect, must

# --- what is malformed ---


def malformed_list(room):
    """Commands that are wrong in one way each; a chip refuses all of them."""
    good = build("Unseal", [room.sealed], [password(room.auth)])
    random_ = build("GetRandom", (), None, struct.pack(">H", 8))
    create = raw.creation(raw.SEALED, b"", b"plain")

    def area(size, auths=b""):
        body = u32(room.sealed) + u32(size) + auths
        return struct.pack(">HII", SESSIONS, 10 + len(body), 0x15E) + body

    def wrong(data, at, value):
        return data[:at] + value + data[at + len(value) :]

    one = password(room.auth)
    yield "a tag that is none", wrong(random_, 0, b"\x80\x03")
    yield "a tag of a response", wrong(random_, 0, b"\x00\xc4")
    yield "no parameters", build("GetRandom")
    yield "half of a parameter", build("GetRandom", (), None, b"\0")
    yield "a byte more", build("GetRandom", (), None, b"\0\x08\0")
    yield "no handle", build("Unseal")
    yield "half of a handle", build("ReadPublic", (), None, b"\x81\0")
    yield "no authorisation", build("Unseal", [room.sealed])
    yield "an empty area", area(0)
    yield "an area longer than the command", area(4000, one)
    yield "an area that says 4 GiB", area(0xFFFFFFFF, one)
    yield "an area shorter than what is in it", area(len(one) - 1, one)
    yield "an area of one byte", area(1, b"\0")
    yield "four authorisations", area(4 * len(one), one * 4)
    yield "an authorisation too many", area(2 * len(one), one * 2)
    yield "a nonce longer than the area", area(len(one), wrong(one, 4, b"\xff\xff"))
    yield "a password longer than the area", area(len(one), wrong(one, 7, b"\xff\xff"))
    yield "a session that is none", area(len(one), wrong(one, 0, u32(room.sealed)))
    yield "sessions for what takes none", build("FlushContext", (), [one], u32(room.sealed))
    yield "bits of an attribute that are reserved", area(len(one), wrong(one, 6, b"\x19"))
    for at, what in ((0, "what is sensitive"), (2, "the password"), (4, "the data")):
        yield f"a size of {what} beyond all", build(
            "Create", [room.primary], [password()], wrong(create, at, b"\xff\xff"))
    yield "sizes within sizes that do not fit", build(
        "Create", [room.primary], [password()], wrong(create, 0, b"\0\x03"))
    yield "a template that is cut", build("Create", [room.primary], [password()], create[:-20])
    yield "a template of nothing", build(
        "Create", [room.primary], [password()], sized(sized(b"") * 2) + sized(b"") * 2 + u32(0))
    yield "registers without end", build(
        "Create", [room.primary], [password()], create[:-4] + u32(0xFFFFFFFF))
    yield "a list of digests without end", build(
        "PolicyOR", [room.policy], None, u32(0xFFFFFFFF))
    yield "a context of 4 bytes", build("ContextLoad", (), None, b"abcd")
    yield "a capability that is none", build(
        "GetCapability", (), None, u32(0x77) + u32(0) + u32(1))
    yield "a capability that is cut", build("GetCapability", (), None, u32(1) + u32(0x80000000))
    yield "a handle of no kind", build("ReadPublic", [0x55555555])
    yield "an algorithm that is none", build(
        "HashSequenceStart", (), None, sized(b"") + b"\x77\x77")
    yield "a good one with a byte more", good[:5] + bytes([good[5] + 1]) + good[6:] + b"\0"


# Where libtpms answers another code than Part 2, 6.6 has for it: BAD_TAG, AUTHSIZE.
BY_THE_BOOK = {0x84: 0x1E, 0x95: 0x144}


def malformed(a, b, chip=""):
    """The same to a tenant's socket and to a bare chip: the codes are the chip's. On one connection,
    which goes on."""
    room, neighbour = Room(a), Room(b)
    bare = Room(Tpm(chip)) if chip else None
    room.policy = a.session(raw.POLICY_SESSION)
    if bare:
        bare.policy = bare.tpm.session(raw.POLICY_SESSION)
        theirs = [message for _, message in malformed_list(bare)]
    with a.link() as link:
        for number, (what, message) in enumerate(malformed_list(room)):
            rc = link.send(message).rc
            must(rc, f"{what}: success")
            if bare:
                wanted = bare.tpm.send(theirs[number]).rc
                expect(rc, (wanted, BY_THE_BOOK.get(wanted, wanted)), what)
            expect(link.send(build("GetRandom", (), None, b"\0\x08")).rc, 0, f"after {what}")
    room.works("A afterwards")
    neighbour.works("B afterwards")


def framed(path, message):
    """The answer's code, "closed", or "silent"."""
    with raw.Link(path, timeout=30) as link:
        link.write(message)
        try:
            return link.read().rc
        except Lost as reason:
            return "silent" if "no answer" in str(reason) else "closed"


def frames(a, b):
    """Sizes that are no command's."""
    room = Room(b)
    for size in (0, 1, 6, 9, 4097, 5000, 65536, 0x7FFFFFFF, 0xFFFFFFFF):
        message = struct.pack(">HII", raw.NO_SESSIONS, size, 0x17B) + b"\0\x08"
        # One that is too long is sent whole, where that is possible.
        message += bytes(max(0, min(size, 70000) - len(message)))
        try:
            found = framed(a.path, message)
            must(found in (0x142, "closed"), f"a size of {size}: {found}")
        except (BrokenPipeError, ConnectionError):
            pass
        must(len(a.random()) == 8, f"after a size of {size}")
    whole = build("Hash", (), None, sized(bytes(1024)) + struct.pack(">HI", 0xB, NULL))
    with a.link() as link:
        for piece in (whole[:1], whole[1:9], whole[9:10], whole[10:700], whole[700:]):
            link.write(piece)
        expect(link.read().rc, 0, "a command in pieces")
        # Two at once are one that is too long, as a chip takes them, or two.
        link.write(build("GetRandom", (), None, b"\0\x08") * 2)
        expect(link.read().rc, (0, 0x142), "two at once")
    room.works("B meanwhile")


def mutate(message, dice):
    data = bytearray(message)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        at = dice.randrange(10, len(data)) if len(data) > 10 and dice.random() < 0.8 else dice.choice((0, 1, 8, 9))
        kind = dice.random()
        if kind < 0.5:
            data[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, data[at] ^ (1 << dice.randrange(8))))
        elif kind < 0.75:
            del data[at : at + dice.randrange(1, 5)]
        else:
            data[at:at] = dice.randbytes(dice.randrange(1, 5))
        if len(data) < 10:
            data += bytes(10 - len(data))
    struct.pack_into(">I", data, 2, len(data))
    return bytes(data)


def mutations(a, b, count="1500", seed="1"):
    """Good commands with something changed: each has an answer, and none says that the chip is full."""
    dice = random.Random(int(seed))
    room = Room(b)
    own = Room(a)
    policy = a.session(raw.POLICY_SESSION)
    digest = bytes(32)
    seeds = [
        build("Create", [own.primary], [password()], raw.creation(raw.SEALED, b"x", b"y")),
        build("CreatePrimary", [OWNER], [password()], raw.creation(raw.STORAGE)),
        build("CreateLoaded", [own.primary], [password()],
              sized(sized(b"") * 2) + sized(raw.SIGNING)),
        build("Unseal", [own.sealed], [password(own.auth)]),
        build("LoadExternal", (), None, sized(b"") + sized(raw.SIGNING) + u32(NULL)),
        build("PolicyOR", [policy], None, u32(2) + sized(digest) * 2),
        build("PolicySecret", [own.sealed, policy], [password(own.auth)], sized(b"") * 3 + u32(0)),
        build("StartAuthSession", [NULL, NULL], None,
              sized(digest) + sized(b"") + b"\0" + struct.pack(">HH", 0x10, 0xB)),
        build("ContextSave", [own.primary]), build("ContextLoad", (), None, a.save(own.sealed)),
        build("FlushContext", (), None, u32(own.primary + 0x100)),
        build("EvictControl", [OWNER, own.sealed], [password()], u32(0x81000050)),
        build("HashSequenceStart", (), None, sized(b"") + struct.pack(">H", 0xB)),
        build("GetCapability", (), None, u32(1) + u32(0x80000000) + u32(10)),
        build("ReadPublic", [SRK]), build("PCR_Read", (), None, u32(1) + b"\0\x0b\3\xff\0\0"),
    ]
    for number in range(int(count)):
        message = mutate(dice.choice(seeds), dice)
        try:
            rc = a.send(message).rc
        except Lost as reason:
            complaints.append(f"mutation {number} of seed {seed}, {message.hex()}: {reason}")
            break
        must(rc not in SCARCE[:2] + (SCARCE[3],), f"mutation {number}, {message.hex()}: {rc:#x}")
        if number % 100 == 99:
            room.works(f"B after mutation {number}")
            a.flush_all()
            own = Room(a)
            policy = a.session(raw.POLICY_SESSION)
    a.flush_all()
    Room(a).works("A afterwards")


# --- clients that misbehave ---


def drip(a, b):
    """A connection that sends a byte now and then is ended, and holds up nobody."""
    room = Room(b)
    whole = build("Hash", (), None, sized(bytes(1024)) + struct.pack(">HI", 0xB, NULL))
    with raw.Link(a.path, timeout=0.5) as link:
        for number, byte in enumerate(whole[:300]):
            room.works("B while A drips")
            must(len(a.random()) == 8, "A's other connection")
            try:
                link.write(bytes([byte]))
                if not link.socket.recv(1):
                    return
                complaints.append("an answer to what is no whole command")
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionError):
                return
    complaints.append(f"after {number} drops the connection still lives")


def dies(a, b):
    """A client goes in mid command, and before its answer."""
    room = Room(b)
    own = Room(a)
    slow = build("CreatePrimary", [OWNER], [password()], raw.creation(raw.RSA))
    quick = build("Create", [own.primary], [password()], raw.creation(raw.SEALED))
    for number in range(20):
        for message in (slow, quick, build("StartAuthSession", [NULL, NULL], None, sized(bytes(16))
                        + sized(b"") + b"\0" + struct.pack(">HH", 0x10, 0xB))):
            with a.link() as link:
                link.write(message)
            with a.link() as link:
                link.write(message[: 1 + number * 3])
        room.works(f"B after A died {number} times")
    own.works("A's object")
    # What nobody was told of has not been kept for ever: there is room for as much as before.
    a.flush_all()
    own = Room(a)
    for _ in range(8):
        a.session()
    own.works("A's new object")


def crowd(a, b):
    """Many connections of one tenant."""
    room = Room(b)
    links = []
    try:
        for _ in range(200):
            links.append(raw.Link(a.path))
    except OSError:
        pass
    room.works("B while A is connected 200 times")
    for link in links:
        link.socket.close()
    must(len(a.random()) == 8, "A afterwards")
