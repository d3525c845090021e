# SPDX-License-Identifier: Apache-2.0
"""HTTP on a Unix socket, and what came back."""

import base64
import binascii
import dataclasses
import http.client
import json
import socket

JSON = "application/json"
OCTETS = "application/octet-stream"
PROBLEM = "application/problem+json"


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=150)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


@dataclasses.dataclass
class Request:
    method: str
    path: str
    body: bytes | None = None
    headers: dict = dataclasses.field(default_factory=dict)

    def __str__(self):
        body = "" if self.body is None else f" {self.body[:120]!r}"
        return f"{self.method} {self.path[:160]}{body}"


def as_json(method, path, value):
    return Request(method, path, json.dumps(value).encode(), {"Content-Type": JSON})


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def media(self):
        return self.headers.get("content-type", "").partition(";")[0].strip()

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def code(self):
        value = self.json()
        return value.get("code") if isinstance(value, dict) else None

    def detail(self):
        value = self.json()
        return value.get("detail", "") if isinstance(value, dict) else ""

    def __str__(self):
        return f"{self.status} {self.body[:300]!r}"


class Client:
    """Of one socket. The connection is kept as long as the service keeps it."""

    def __init__(self, path):
        self.path, self.connection = path, None

    def send(self, request):
        # Once more on a new connection: a kept one may have been closed meanwhile.
        kept = self.connection is not None
        try:
            return self.exchange(request)
        except (OSError, http.client.HTTPException):
            self.close()
            if not kept:
                raise
        return self.exchange(request)

    def exchange(self, request):
        if self.connection is None:
            self.connection = Connection(self.path)
        try:
            self.connection.request(request.method, request.path, request.body, request.headers)
        except BrokenPipeError:
            pass  # refused before all was sent: the answer is there
        answer = self.connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        result = Answer(answer.status, headers, answer.read())
        if answer.will_close:
            self.close()
        return result

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


def b64(data):
    return base64.b64encode(data).decode()


def decoded(value):
    """Every text in a JSON value, as it is and, where it is base64, what it stands for."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield name.encode()
            yield from decoded(member)
    elif isinstance(value, list):
        for member in value:
            yield from decoded(member)
    elif isinstance(value, str):
        yield value.encode()
        try:
            yield base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            pass
