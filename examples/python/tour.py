#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A key, a signature, a sealed secret and a quote, through the socket of this program's tenant."""

import base64
import http.client
import json
import os
import secrets
import socket
import sys

SOCKET = os.environ.get("HOLDFAST_SOCKET", "/run/holdfast/holdfast.sock")
KEY = "tour"


class Problem(Exception):
    """What the service refused, and what to do about it."""

    def __init__(self, document):
        super().__init__(f"{document['code']}: {document['detail']}; {document['remedy']}")
        self.code = document["code"]


class UnixConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(60)
        self.sock.connect(SOCKET)


class Holdfast:
    def __init__(self):
        self.connection = UnixConnection("localhost")

    def ask(self, method, path, body=None):
        headers = {"Content-Type": "application/json"} if body is not None else {}
        text = json.dumps(body) if body is not None else None
        self.connection.request(method, path, text, headers)
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status >= 400:
            raise Problem(json.loads(content))
        return json.loads(content) if content else None

    def make(self, path, body):
        """Creates; what an earlier run has created is as good."""
        try:
            self.ask("POST", path, body)
        except Problem as problem:
            if problem.code != "conflict":
                raise


def encode(data):
    return base64.b64encode(data).decode()


def sign(holdfast):
    holdfast.make("/v1/keys", {"name": KEY, "type": "ecc-p256"})
    print(holdfast.ask("GET", f"/v1/keys/{KEY}")["public"], end="")
    answer = holdfast.ask("POST", f"/v1/keys/{KEY}/sign", {"message": encode(b"to be signed")})
    signature = base64.b64decode(answer["signature"])
    print(f"signed: {len(signature)} bytes, protected by {answer['protection']}")


def seal(holdfast):
    secret = secrets.token_bytes(32)
    # The blob may lie anywhere: only this tenant of this device opens it.
    blob = holdfast.ask("POST", "/v1/seal", {"data": encode(secret)})["blob"]
    opened = base64.b64decode(holdfast.ask("POST", "/v1/unseal", {"blob": blob})["data"])
    print("sealed and unsealed:", "the same" if opened == secret else "not the same")
    return opened == secret


def quote(holdfast):
    # The nonce is sent by the one who checks the quote, so that it cannot be an old one.
    nonce = secrets.token_bytes(16)
    try:
        holdfast.make("/v1/aiks", {"name": KEY})
    except Problem as problem:
        if problem.code != "tpm_required":
            raise
        print("no quote: no TPM is in use")
        return
    answer = holdfast.ask("POST", f"/v1/aiks/{KEY}/quote", {"nonce": encode(nonce)})
    attest = base64.b64decode(answer["attest"])
    print(f"quoted: {len(attest)} bytes over PCRs of {', '.join(answer['pcrs'])}")
    if nonce not in attest:
        raise ValueError("the quote is not for this nonce")


def main():
    holdfast = Holdfast()
    try:
        sign(holdfast)
        same = seal(holdfast)
        quote(holdfast)
    except (Problem, OSError) as error:
        sys.exit(f"tour: {error}")
    sys.exit(0 if same else 1)


main()
