#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Signs the same requests by sigv4.c and by botocore, and compares.

usage: sigv4.py SIGV4_TOOL
"""

import datetime
import hashlib
import itertools
import subprocess
import sys
from unittest import mock
from urllib.parse import quote

from botocore import auth, awsrequest, credentials

NAMES = [
    "a", "models/net.big", "with space", "plus+and%percent", "ä€𝄞", "a//b", "./a/../b", "trailing/",
    "~tilde-._", "!*'()", "a=b&c=d", "semi;colon,comma", "quote\"back\\slash", "{[<|>]}^`", "@:$#?",
    "\x01\x7f", "x" * 900,
]
HOSTS = ["s3.example.net", "127.0.0.1:9000", "Bucket.S3.EU-west-1.example.com:8443", "[::1]:9000"]
TIMES = [0, 1369353600, 1700000000, 4102444799]
WHO = [("us-east-1", "AKIDEXAMPLE", "wJalr/XUtnFEMI+K7MDENG"), ("x", "k", "s")]
BODIES = [None, b"", b"bytes \x00\xff"]


def cases():
    paths = ["/", *("/" + quote(name, safe="/~") for name in NAMES)]
    for who, body, method in itertools.product(WHO, BODIES, ["GET", "PUT"]):
        for number, path in enumerate(paths):
            yield who, method, HOSTS[number % 4], path, body, TIMES[number % 3 + (number % 7 == 0)]


def by_botocore(case):
    (region, access, key), method, host, path, body, when = case
    request = awsrequest.AWSRequest(method=method, url=f"https://{host}{path}", data=body or b"")
    request.context["client_config"] = mock.Mock(s3={"payload_signing_enabled": body is not None})
    # What it would make of the URL is in lower case and lacks the scheme's own port.
    request.headers["Host"] = host.lower()
    who = credentials.Credentials(access, key)
    signer = auth.S3SigV4Auth(who, "s3", region)
    with mock.patch("botocore.auth.datetime") as clock:
        clock.datetime.utcnow.return_value = datetime.datetime.utcfromtimestamp(when)
        signer.add_auth(request)
    headers = request.headers
    return "\t".join([headers["X-Amz-Date"], headers["X-Amz-Content-SHA256"], headers["Authorization"]])


def line_of(case):
    who, method, host, path, body, when = case
    digest = "-" if body is None else hashlib.sha256(body).hexdigest()
    return "\t".join([*who, method, host, path, digest, str(when)])


def main():
    every = list(cases())
    text = "".join(line_of(case) + "\n" for case in every)
    done = subprocess.run([sys.argv[1]], input=text, stdout=subprocess.PIPE, encoding="utf-8", check=True)
    ours = done.stdout.splitlines()
    differing = 0
    for case, line in zip(every, ours, strict=True):
        theirs = by_botocore(case)
        if line != theirs:
            differing += 1
            print(f"{line_of(case)}\n  ours   {line}\n  theirs {theirs}")
    print(f"{len(every)} requests, {differing} differ")
    sys.exit(1 if differing else 0)


main()
