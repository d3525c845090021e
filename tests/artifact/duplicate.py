# SPDX-License-Identifier: Apache-2.0
"""Duplicates for a storage key, written from the TPM 2.0 specification alone: Part 1, 11.4.10, 16,
23 and C.6, Part 2, 12."""

import base64
import hashlib
import hmac
import os

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

# TPM 2.0 Part 2, 6.3, 6.4 and 8.3.2.
ECC, RSA, AES, KEYEDHASH, SHA256, NULL, CFB = 0x23, 0x01, 0x06, 0x08, 0x0B, 0x10, 0x43
CURVES = {3: (ec.SECP256R1, 32), 4: (ec.SECP384R1, 48)}
SOFTWARE_BITS = 1 << 6 | 1 << 10 | 1 << 16 | 1 << 17
TPM_BITS = SOFTWARE_BITS | 1 << 1 | 1 << 4 | 1 << 5


class Bad(Exception):
    """What a reader refuses."""


def require(condition, text):
    if not condition:
        raise Bad(text)


def b64(data):
    return base64.b64encode(data).decode()


def unb64(text):
    return base64.b64decode(text, validate=True)


def u16(value):
    return value.to_bytes(2, "big")


def u32(value):
    return value.to_bytes(4, "big")


def sized(data):
    return u16(len(data)) + data


def sha256(data):
    return hashlib.sha256(data).digest()


class Reader:
    def __init__(self, data):
        self.data = data

    def take(self, count):
        require(len(self.data) >= count, "a structure is cut short")
        part, self.data = self.data[:count], self.data[count:]
        return part

    def number(self, size=2):
        return int.from_bytes(self.take(size), "big")

    def sized(self):
        return self.take(self.number())

    def end(self):
        require(not self.data, "bytes behind a structure")


def kdfa(key, label, context, bits):
    """Part 1, 11.4.10.2 with HMAC-SHA-256."""
    out, i = b"", 0
    while len(out) * 8 < bits:
        i += 1
        text = u32(i) + label + b"\0" + context + u32(bits)
        out += hmac.new(key, text, "sha256").digest()
    return out[: bits // 8]


def kdfe(z, use, party_u, party_v):
    """Part 1, 11.4.10.3 with SHA-256, for 256 bits."""
    return sha256(u32(1) + z + use + b"\0" + party_u + party_v)


class Storage:
    """The public area of a storage key."""

    def __init__(self, area):
        self.area = area
        outer = Reader(area)
        inside = outer.sized()
        outer.end()
        self.name = u16(SHA256) + sha256(inside)
        r = Reader(inside)
        kind, name_alg = r.number(), r.number()
        self.attributes = r.number(4)
        r.sized()
        cipher, self.bits, mode = r.number(), r.number(), r.number()
        require((name_alg, cipher, mode) == (SHA256, AES, CFB), "not a storage key of ours")
        require(r.number() == NULL, "a storage key with a scheme")
        if kind == ECC:
            curve, self.size = CURVES[r.number()]
            require(r.number() == NULL, "a storage key with a scheme")
            self.x, y = r.sized(), r.sized()
            numbers = (int.from_bytes(self.x, "big"), int.from_bytes(y, "big"))
            self.key = ec.EllipticCurvePublicNumbers(*numbers, curve()).public_key()
        else:
            require(kind == RSA, "not a storage key of ours")
            r.number()
            exponent = r.number(4) or 65537
            self.key = rsa.RSAPublicNumbers(
                exponent, int.from_bytes(r.sized(), "big")).public_key()
        r.end()

    def fit(self):
        return self.attributes & TPM_BITS == TPM_BITS

    def make_seed(self, rand):
        """A fresh seed and the inside of its TPM2B_ENCRYPTED_SECRET."""
        if isinstance(self.key, rsa.RSAPublicKey):
            seed = rand(32)
            oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), b"DUPLICATE\0")
            return seed, self.key.encrypt(seed, oaep)
        own = ec.derive_private_key(1 + int.from_bytes(rand(self.size), "big") % (1 << 250),
                                    self.key.curve)
        numbers = own.public_key().public_numbers()
        x, y = (n.to_bytes(self.size, "big") for n in (numbers.x, numbers.y))
        z = own.exchange(ec.ECDH(), self.key)
        return kdfe(z, b"DUPLICATE", x, self.x), sized(x) + sized(y)

    def open_seed(self, private, secret):
        if isinstance(self.key, rsa.RSAPublicKey):
            oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), b"DUPLICATE\0")
            return private.decrypt(secret, oaep)
        r = Reader(secret)
        x, y = r.sized(), r.sized()
        r.end()
        require(len(x) == len(y) == self.size, "no point")
        point = ec.EllipticCurvePublicNumbers(
            int.from_bytes(x, "big"), int.from_bytes(y, "big"), self.key.curve).public_key()
        return kdfe(private.exchange(ec.ECDH(), point), b"DUPLICATE", x, self.x)

    def cipher(self, seed, name):
        key = kdfa(seed, b"STORAGE", name, self.bits)
        return Cipher(algorithms.AES(key), modes.CFB(bytes(16)))


def area_of(public, attributes):
    """TPM2B_PUBLIC of a P-256 storage key."""
    numbers = public.public_numbers()
    size = CURVES[3][1]
    inside = u16(ECC) + u16(SHA256) + u32(attributes) + u16(0) + u16(AES) + u16(128) + u16(CFB)
    inside += u16(NULL) + u16(3) + u16(NULL)
    return sized(inside + b"".join(sized(n.to_bytes(size, "big")) for n in (numbers.x, numbers.y)))


SEALED_HEAD = u16(KEYEDHASH) + u16(SHA256) + u32(1 << 6 | 1 << 10) + u16(0) + u16(NULL)


def outer_hmac(seed, sealed, name):
    return hmac.new(kdfa(seed, b"INTEGRITY", b"", 256), sealed + name, "sha256").digest()


def duplicate_make(storage, data, rand=os.urandom):
    """public, duplicate and seed of an object that holds @data."""
    salt = rand(32)
    area = SEALED_HEAD + sized(sha256(salt + data))
    name = u16(SHA256) + sha256(area)
    seed, secret = storage.make_seed(rand)
    sensitive = sized(u16(KEYEDHASH) + u16(0) + sized(salt) + sized(data))
    sealed = storage.cipher(seed, name).encryptor().update(sensitive)
    private = sized(outer_hmac(seed, sealed, name)) + sealed
    return sized(area), sized(private), sized(secret)


def duplicate_open(storage, private, public, duplicate, secret):
    """What TPM2_Import and TPM2_Unseal do."""
    r = Reader(public)
    area = r.sized()
    r.end()
    require(area[: len(SEALED_HEAD)] == SEALED_HEAD, "no sealed data")
    name = u16(SHA256) + sha256(area)
    r = Reader(secret)
    seed = storage.open_seed(private, r.sized())
    r.end()
    r = Reader(duplicate)
    inside = Reader(r.sized())
    r.end()
    given, sealed = inside.sized(), inside.data
    require(hmac.compare_digest(given, outer_hmac(seed, sealed, name)), "the HMAC does not fit")
    r = Reader(storage.cipher(seed, name).decryptor().update(sealed))
    inside = Reader(r.sized())
    r.end()
    require(inside.number() == KEYEDHASH and inside.sized() == b"", "no sealed data")
    salt, data = inside.sized(), inside.sized()
    inside.end()
    require(area[len(SEALED_HEAD):] == sized(sha256(salt + data)), "no sealed data")
    return data
