#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""pytss: ESAPI with password, HMAC, salted and policy sessions, and FAPI, in one process.

usage: pytss.py [fapi]

TPM2TOOLS_TCTI says where the chip is. With "fapi" that API too, which TSS2_FAPICONF configures.
WHO is put into what is sealed, so that another's would be noticed. Prints `result` lines and their
digest, as the shell's workflows do. At no time are there more than
three objects, so that it runs on a bare chip as well.
"""

import contextlib
import hashlib
import os
import sys

sys.dont_write_bytecode = True

from tpm2_pytss import (  # noqa: E402
    ESAPI, ESYS_TR, TPM2_ALG, TPM2_CAP, TPM2_CC, TPM2_HC, TPM2_SE, TPM2B_DIGEST, TPM2B_PUBLIC,
    TPM2B_SENSITIVE_CREATE, TPMA_OBJECT, TPMA_SESSION, TPML_PCR_SELECTION, TPMS_SENSITIVE_CREATE,
    TPMT_SIG_SCHEME, TPMT_SYM_DEF, TPMT_TK_HASHCHECK, TSS2_Exception,
)

PLAIN = b"what is sealed by " + os.environ.get("WHO", "nobody").encode()
AUTH = b"sesame"
DIGEST = hashlib.sha256(b"message").digest()
PCRS = "sha256:4,7"

STORAGE = (
    TPMA_OBJECT.FIXEDTPM | TPMA_OBJECT.FIXEDPARENT | TPMA_OBJECT.SENSITIVEDATAORIGIN
    | TPMA_OBJECT.USERWITHAUTH | TPMA_OBJECT.NODA | TPMA_OBJECT.RESTRICTED | TPMA_OBJECT.DECRYPT
)
SIGNING = (
    TPMA_OBJECT.FIXEDTPM | TPMA_OBJECT.FIXEDPARENT | TPMA_OBJECT.SENSITIVEDATAORIGIN
    | TPMA_OBJECT.USERWITHAUTH | TPMA_OBJECT.NODA | TPMA_OBJECT.SIGN_ENCRYPT
)
SEALED = TPMA_OBJECT.FIXEDTPM | TPMA_OBJECT.FIXEDPARENT | TPMA_OBJECT.USERWITHAUTH | TPMA_OBJECT.NODA
BY_POLICY = TPMA_OBJECT.FIXEDTPM | TPMA_OBJECT.FIXEDPARENT | TPMA_OBJECT.NODA
CIPHER = TPMT_SYM_DEF(algorithm=TPM2_ALG.AES, keyBits={"aes": 128}, mode={"aes": TPM2_ALG.CFB})
NO_CIPHER = TPMT_SYM_DEF(algorithm=TPM2_ALG.NULL)
ENCRYPTED = TPMA_SESSION.CONTINUESESSION | TPMA_SESSION.ENCRYPT | TPMA_SESSION.DECRYPT


class Wrong(Exception):
    """A result that is not what it must be."""


def sensitive(data=b"", auth=AUTH):
    return TPM2B_SENSITIVE_CREATE(TPMS_SENSITIVE_CREATE(userAuth=auth, data=data))


def must(condition, what):
    if not condition:
        raise Wrong(what)


def refuses(call, *args, **more):
    """The code of the refusal."""
    try:
        call(*args, **more)
    except TSS2_Exception as reason:
        return reason.rc & 0xFFFF
    raise Wrong(f"{call.__name__} succeeds and must not")


class Workflow:
    """On one connection; each step leaves nothing in the chip but the primary key."""

    def __init__(self, esys):
        self.esys = esys
        self.results = []
        self.primary = None
        self.before = ()

    def result(self, text):
        self.results.append(f"result {text}")

    @contextlib.contextmanager
    def flushed(self, handle):
        try:
            yield handle
        finally:
            self.esys.flush_context(handle)

    def session(self, kind=TPM2_SE.HMAC, salt=ESYS_TR.NONE, cipher=NO_CIPHER, bind=ESYS_TR.NONE):
        return self.flushed(
            self.esys.start_auth_session(salt, bind, kind, cipher, TPM2_ALG.SHA256)
        )

    def make_primary(self, hierarchy=ESYS_TR.OWNER):
        template = TPM2B_PUBLIC.parse("ecc", objectAttributes=STORAGE)
        handle, public, *_ = self.esys.create_primary(sensitive(auth=b""), template, hierarchy)
        return handle, bytes(public.get_name())

    @contextlib.contextmanager
    def child(self, alg, attributes, data=b"", policy=b"", session=ESYS_TR.PASSWORD):
        template = TPM2B_PUBLIC.parse(alg, objectAttributes=attributes, authPolicy=policy)
        private, public, *_ = self.esys.create(
            self.primary, sensitive(data), template, session1=session
        )
        handle = self.esys.load(self.primary, private, public, session1=session)
        self.esys.tr_set_auth(handle, AUTH)
        with self.flushed(handle):
            yield handle

    # --- the steps ---

    def primaries(self):
        names = []
        for hierarchy in (ESYS_TR.OWNER, ESYS_TR.ENDORSEMENT, ESYS_TR.NULL):
            handle, name = self.make_primary(hierarchy)
            with self.flushed(handle):
                names.append(name)
        self.primary, again = self.make_primary()
        must(again == names[0], "another primary of the same template")
        must(len(set(names)) == 3, "hierarchies that are the same")
        self.name = again.hex()
        self.result("primaries")

    def sign(self):
        scheme = TPMT_SIG_SCHEME(scheme=TPM2_ALG.ECDSA)
        scheme.details.any.hashAlg = TPM2_ALG.SHA256
        ticket = TPMT_TK_HASHCHECK(tag=0x8024, hierarchy=0x40000007)
        with self.child("ecc:ecdsa-sha256", SIGNING) as key:
            signature = self.esys.sign(key, DIGEST, scheme, ticket)
            self.esys.verify_signature(key, DIGEST, signature)
            code = refuses(self.esys.verify_signature, key, b"\0" * 32, signature)
            self.result(f"signed, another digest {code:#x}")
            self.esys.tr_set_auth(key, b"wrong")
            code = refuses(self.esys.sign, key, DIGEST, scheme, ticket)
            self.result(f"wrong password {code:#x}")
            self.esys.tr_set_auth(key, AUTH)
            attest, _ = self.esys.quote(key, PCRS, b"nonce", scheme)
            must(b"nonce" in bytes(attest), "a quote without its nonce")
            self.result("quoted")

    def hmac_session(self):
        with self.session() as session:
            with self.child("keyedhash", SEALED, PLAIN, session=session) as sealed:
                for _ in range(2):
                    opened = bytes(self.esys.unseal(sealed, session1=session))
                    must(opened == PLAIN, "unsealed as something else")
                self.esys.tr_set_auth(sealed, b"wrong")
                code = refuses(self.esys.unseal, sealed, session1=session)
                self.esys.tr_set_auth(sealed, AUTH)
                opened = bytes(self.esys.unseal(sealed, session1=session))
                must(opened == PLAIN, "a session that is spent by a refusal")
        self.result(f"HMAC session, wrong password {code:#x}")

    def salted(self):
        """Salted, bound, with parameters encrypted both ways."""
        with self.session(salt=self.primary, cipher=CIPHER) as session:
            self.esys.trsess_set_attributes(session, ENCRYPTED)
            with self.child("keyedhash", SEALED, PLAIN, session=session) as sealed:
                must(bytes(self.esys.unseal(sealed, session1=session)) == PLAIN, "salted")
                must(len(bytes(self.esys.get_random(16, session1=session))) == 16, "random")
                with self.session(bind=sealed, salt=self.primary, cipher=CIPHER) as bound:
                    self.esys.trsess_set_attributes(bound, ENCRYPTED)
                    must(bytes(self.esys.unseal(sealed, session1=bound)) == PLAIN, "bound")
                must(bytes(self.esys.unseal(sealed, session1=session)) == PLAIN, "salted again")
        self.result("salted and bound sessions, parameters encrypted")

    def policies(self):
        pcrs = TPML_PCR_SELECTION.parse(PCRS)
        with self.session(TPM2_SE.TRIAL) as trial:
            self.esys.policy_pcr(trial, b"", pcrs)
            self.esys.policy_password(trial)
            policy = bytes(self.esys.policy_get_digest(trial))
        self.result(f"policy {policy.hex()}")
        with self.child("keyedhash", BY_POLICY, PLAIN, policy) as sealed:
            for salt in (ESYS_TR.NONE, self.primary):
                with self.session(TPM2_SE.POLICY, salt, CIPHER) as session:
                    self.esys.policy_pcr(session, b"", pcrs)
                    code = refuses(self.esys.unseal, sealed, session1=session)
                    self.esys.policy_password(session)
                    opened = bytes(self.esys.unseal(sealed, session1=session))
                    must(opened == PLAIN, "unsealed as something else")
            self.result(f"policy opens, half of it {code:#x}")
        self.secret()

    def secret(self):
        """The endorsement hierarchy's consent, and branches."""
        given = [b"", b"", b"", 0]
        with self.session(TPM2_SE.POLICY) as session, self.session() as password:
            for auth in (ESYS_TR.PASSWORD, password):
                self.esys.policy_secret(ESYS_TR.ENDORSEMENT, session, *given, session1=auth)
            given[1] = b"\1" * 5
            code = refuses(self.esys.policy_secret, ESYS_TR.ENDORSEMENT, session, *given)
        with self.session(TPM2_SE.POLICY) as session:
            self.esys.policy_command_code(session, TPM2_CC.Sign)
            branches = [bytes(self.esys.policy_get_digest(session)), b"\2" * 32]
            self.esys.policy_restart(session)
            self.esys.policy_command_code(session, TPM2_CC.Sign)
            self.esys.policy_or(session, [TPM2B_DIGEST(branch) for branch in branches])
            digest = bytes(self.esys.policy_get_digest(session))
        self.result(f"policies {digest.hex()}, PolicySecret with a wrong cpHash {code:#x}")

    def contexts(self):
        """A saved object is loaded as often as one likes, a saved session while it lives."""
        with self.child("keyedhash", SEALED, PLAIN) as sealed:
            saved = self.esys.context_save(sealed)
        for _ in range(2):
            with self.flushed(self.esys.context_load(saved)) as handle:
                self.esys.tr_set_auth(handle, AUTH)
                must(bytes(self.esys.unseal(handle)) == PLAIN, "a context of something else")
        session = self.esys.start_auth_session(
            ESYS_TR.NONE, ESYS_TR.NONE, TPM2_SE.HMAC, NO_CIPHER, TPM2_ALG.SHA256
        )
        context = self.esys.context_save(session)
        handle = self.esys.context_load(saved)
        with self.flushed(self.esys.context_load(context)) as session, self.flushed(handle):
            self.esys.tr_set_auth(handle, AUTH)
            must(bytes(self.esys.unseal(handle, session1=session)) == PLAIN, "a saved session")
        refuses(self.esys.context_load, context)
        self.result("contexts, and none of a session that is gone")

    def sequences(self):
        message = b"x" * 3000
        handle = self.esys.hash_sequence_start(AUTH, TPM2_ALG.SHA256)
        self.esys.tr_set_auth(handle, AUTH)
        for at in range(0, 2048, 1024):
            self.esys.sequence_update(handle, message[at : at + 1024])
            other = self.esys.hash_sequence_start(b"", TPM2_ALG.SHA256)
            self.esys.sequence_complete(other, b"another one")
        digest, _ = self.esys.sequence_complete(handle, message[2048:])
        must(bytes(digest) == hashlib.sha256(message).digest(), "a hash of something else")
        self.result(f"sequence {bytes(digest).hex()}")

    def count(self, first):
        _, data = self.esys.get_capability(TPM2_CAP.HANDLES, first, 256)
        return data.data.handles.count

    def capabilities(self):
        """What others left there may be fewer by now, where the oldest go, but not more."""
        must(self.count(TPM2_HC.TRANSIENT_FIRST) <= self.before[0], "objects are left")
        sessions = self.count(TPM2_HC.LOADED_SESSION_FIRST)
        must(sessions <= self.before[1], "sessions are left")
        with self.session():
            added = self.count(TPM2_HC.LOADED_SESSION_FIRST) - sessions
        self.result(f"nothing is left, a session more is {added} more")
        self.esys.startup(0)  # libraries send it; "initialised already" is what they understand
        _, _, values = self.esys.pcr_read(PCRS)
        self.result("registers " + " ".join(bytes(value).hex() for value in values))

    def run(self):
        self.before = (
            self.count(TPM2_HC.TRANSIENT_FIRST), self.count(TPM2_HC.LOADED_SESSION_FIRST)
        )
        self.primaries()
        try:
            self.sign()
            self.hmac_session()
            self.salted()
            self.policies()
            self.contexts()
            self.sequences()
        finally:
            self.esys.flush_context(self.primary)
        self.capabilities()
        return self.results


def esapi(tcti):
    """Everything once, on a connection of its own; the results and the primary's name."""
    with ESAPI(tcti) as esys:
        workflow = Workflow(esys)
        results = workflow.run()
        return results, workflow.name


def fapi():
    number = os.getpid()
    key, sealed = f"/HS/SRK/pykey{number}", f"/HS/SRK/pysealed{number}"
    from tpm2_pytss import FAPI  # not everywhere there

    with FAPI() as api:
        try:
            api.create_key(key, type_="noda,sign", auth_value="")
            signature, public, _ = api.sign(key, DIGEST)
            api.verify_signature(key, DIGEST, signature)
            must("PUBLIC KEY" in str(public), "no public key")
            api.create_seal(sealed, PLAIN, type_="noda", auth_value="")
            must(api.unseal(sealed) == PLAIN, "FAPI unseals something else")
            must(len(api.get_random(20)) == 20, "FAPI's random")
        finally:
            for path in (key, sealed):
                with contextlib.suppress(TSS2_Exception):
                    api.delete(path)
    return ["result FAPI signs, verifies, seals, unseals"]


def main():
    try:
        results, name = esapi(os.environ["TPM2TOOLS_TCTI"])
        if sys.argv[1:] == ["fapi"]:
            results += fapi()
    except Wrong as reason:
        sys.exit(f"FAILED: {reason}")
    print(f"chip owner primary {name}")
    print("\n".join(results))
    digest = hashlib.sha256("".join(line + "\n" for line in results).encode()).hexdigest()
    print(f"digest {digest}")


if __name__ == "__main__":
    main()
