# SPDX-License-Identifier: Apache-2.0
"""What other programs say of keys and signatures: openssl and tpm2-tools."""

import functools
import json
import pathlib
import subprocess
import tempfile

HERE = tempfile.TemporaryDirectory(prefix="hd-endpoints-", dir="/tmp")
FOLDER = pathlib.Path(HERE.name)
OAEP = ["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256"]


def keep(name, content):
    path = FOLDER / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def run(*argv, fine=True):
    done = subprocess.run([str(word) for word in argv], capture_output=True, check=False)
    if fine and done.returncode:
        raise RuntimeError(f"{argv}: {done.stderr.decode(errors='replace')[:300]}")
    return done


def verifies(public, message, signature, digest="sha256"):
    done = run("openssl", "dgst", f"-{digest}", "-verify", keep("public", public), "-signature",
               keep("signature", signature), keep("message", message), fine=False)
    return done.returncode == 0


@functools.cache
def key_pair(curve="P-256"):
    """A private key that is nobody's, as PEM, and its public half."""
    private = run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt",
                  f"ec_paramgen_curve:{curve}").stdout
    path = keep(f"pair-{curve}", private)
    return private.decode(), run("openssl", "pkey", "-in", path, "-pubout").stdout.decode()


def derived(private, public):
    return run("openssl", "pkeyutl", "-derive", "-inkey", keep("private", private), "-peerkey",
               keep("public", public)).stdout


def encrypted(public, plain):
    return run("openssl", "pkeyutl", "-encrypt", "-pubin", "-inkey", keep("public", public), "-in",
               keep("plain", plain), *OAEP).stdout


def request_key(pem):
    """The public key of a certificate request that is signed by it; "" when it is not."""
    path = keep("request", pem)
    # Each on its own: what the first says of the signature is on either output, by the release.
    if run("openssl", "req", "-in", path, "-verify", "-noout", fine=False).returncode:
        return ""
    return run("openssl", "req", "-in", path, "-noout", "-pubkey").stdout.decode()


def credential(ek_public, name, secret):
    """What tpm2_makecredential makes for a key of this Name."""
    out = FOLDER / "credential"
    out.unlink(missing_ok=True)
    run("tpm2_makecredential", "-Q", "-T", "none", "-e", keep("ek", ek_public), "-s",
        keep("secret", secret), "-n", name, "-o", out)
    return out.read_bytes()


def wrapped(storage_public, data):
    """What pytss seals for a storage key, as a request."""
    run(pathlib.Path(__file__).parents[2] / "support/wrap.py", keep("storage", storage_public),
        keep("data", data), FOLDER)
    return json.loads((FOLDER / "key.json").read_text())
