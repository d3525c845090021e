#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The loader's counterpart once more, written from docs/ARTIFACT.md and docs/LOADER.md alone: what
loads from holdfast-origin must load from here, and the other way round. Takes the same words as
holdfast-origin. Encryption is the openssl command's.

  --log FILE       one line of JSON for each answer, with what was asked and the bytes that went out
  --token-seconds  how long a token is good
"""

import argparse
import base64
import email.parser
import email.policy
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import re
import secrets
import subprocess
import threading
import time

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}")
DIGEST = re.compile(r"[0-9a-f]{64}")
V2 = (".manifest", ".payload", ".keys")
RANGE = re.compile(r"bytes=(\d+)-(\d*)")
BODY_MAX = 64 << 20
PIECE = 1 << 20


class Refusal(Exception):
    def __init__(self, status, **body):
        super().__init__(status)
        self.status = status
        self.body = json.dumps(body).encode() if body else b""


def b64(data):
    return base64.b64encode(data).decode()


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sha384_text(text):
    return b64(hashlib.sha384(text.encode()).digest())


def seal(text, plain):
    """The blob under the key of one of the formulas' texts."""
    iv = secrets.token_bytes(16)
    key = hashlib.sha256(text.encode()).hexdigest()
    argv = ["openssl", "enc", "-aes-256-cbc", "-K", key, "-iv", iv.hex()]
    return iv + subprocess.run(argv, input=plain, stdout=subprocess.PIPE, check=True).stdout


class Tokens:
    def __init__(self, seconds):
        self.key = secrets.token_bytes(32)
        self.seconds = seconds

    def sign(self, text):
        return b64url(hmac.new(self.key, text.encode(), hashlib.sha256).digest())

    def make(self, user):
        claims = {
            "nameid": "1", "unique_name": user, "role": "Operator",
            "exp": int(time.time()) + self.seconds,
        }
        parts = [b64url(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
        text = ".".join(parts)
        return f"{text}.{self.sign(text)}"

    def user_of(self, header):
        """Whose token an Authorization header has; 401 when it is none that is good."""
        text, _, mac = (header or "").removeprefix("Bearer ").rpartition(".")
        if not text or not hmac.compare_digest(mac, self.sign(text)):
            raise Refusal(401)
        claims = text.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        if claims["exp"] <= time.time():
            raise Refusal(401)
        return claims["unique_name"]


class Site:
    def __init__(self, options):
        self.root = options.root
        self.hardware = options.formula == "v1-hw"
        self.tokens = Tokens(options.token_seconds)
        lines = options.users.read_text().splitlines()
        self.users = dict(line.split(":", 1) for line in lines if line and line[0] != "#")
        found = re.findall(r'^\s*(\w+)\s*=\s*"([^"]*)"', options.salts.read_text(), re.M)
        self.salts = dict(found)
        self.log = options.log
        self.lock = threading.Lock()
        self.trust = options.ek_anchors, options.eks
        self.known = None

    def devices(self):
        """At the first that comes: who has no artifacts of version 2 needs no bindings of the TSS."""
        with self.lock:
            if not self.known:
                from devices import Devices
                self.known = Devices(self.root, *self.trust)
            return self.known

    def tell(self, line):
        if self.log:
            with self.lock, open(self.log, "a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")

    def file(self, *parts):
        for part in parts:
            if not NAME.fullmatch(part) or part == "devices":
                raise Refusal(400)
        path = self.root.joinpath(*parts)
        if not path.is_file():
            raise Refusal(404)
        return path

    def store(self, folder, name, content):
        if not NAME.fullmatch(folder) or not NAME.fullmatch(name) or folder == "devices":
            raise Refusal(400)
        self.root.joinpath(folder).mkdir(exist_ok=True)
        temporary = self.root / folder / f".{name}.{secrets.token_hex(4)}"
        temporary.write_bytes(content)
        temporary.rename(self.root / folder / name)

    def user_text(self, user, hardware):
        middle = f"{hardware}-" if self.hardware else ""
        return sha384_text(f"{user}-{self.users[user]}-{middle}{self.salts['api']}")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "counterpart"
    site = None

    def log_message(self, *_):
        pass

    # --- what each path does; returns bytes of the answer, or has answered ---

    def login(self):
        wish = self.json_body()
        known = self.site.users.get(wish["email"])
        if known is None:
            raise Refusal(409, ErrorCode=10, Message="no such email")
        if known != wish["password"]:
            raise Refusal(409, ErrorCode=30, Message="wrong password")
        return json.dumps({"token": self.site.tokens.make(wish["email"])}).encode()

    def get_resource(self, *folder):
        user = self.user()
        wish = self.json_body()
        if wish["password"] != self.site.users[user]:
            raise Refusal(409, ErrorCode=30)
        if wish["fileName"].endswith(V2):
            raise Refusal(400)
        plain = self.site.file(*folder, wish["fileName"]).read_bytes()
        return seal(self.site.user_text(user, wish.get("hardware", "")), plain)

    def check_resource(self):
        self.user()
        self.json_body()
        return b"{}"

    def put_resource(self, folder):
        self.user()
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + self.body())
        for part in form.iter_parts():
            if part.get_param("name", header="content-disposition") == "data":
                if part.get_filename().endswith(V2):
                    raise Refusal(400)
                self.site.store(folder, part.get_filename(), part.get_payload(decode=True))
                return b"{}"
        raise Refusal(400)

    def list_resources(self, folder):
        self.user()
        if not NAME.fullmatch(folder) or folder == "devices":
            raise Refusal(400)
        names = [path.name for path in (self.site.root / folder).glob("*")]
        return json.dumps(sorted(name for name in names if not name.endswith(V2))).encode()

    def fragment(self):
        self.user()
        return self.site.file("key-fragment").read_bytes()

    def cdn(self, folder, name):
        payload = name.endswith(".payload") and self.command != "PUT"
        if not name.endswith((".big", ".sig")) and not payload:
            raise Refusal(404)
        if self.command == "PUT":
            self.user()
            self.site.store(folder, name, self.body())
            return b""
        with open(self.site.file(folder, name), "rb") as file:
            self.send_part(file)
        return None

    # --- version 2 ---

    def manifest(self, folder, name):
        self.user()
        if name.endswith(V2):
            raise Refusal(400)
        return self.site.file(folder, f"{name}.manifest").read_bytes()

    def device_session(self):
        self.user()
        wish = self.json_body()
        devices = self.site.devices()
        try:
            answer = devices.session(wish)
        except ValueError as error:
            raise Refusal(400, detail=str(error)) from None
        if "code" in answer:
            raise Refusal(403, **answer)
        return json.dumps(answer).encode()

    def device_key(self, folder, _name, manifest):
        self.user()
        if not DIGEST.fullmatch(manifest):
            raise Refusal(400)
        device = self.site.devices().whose(self.headers["Holdfast-Device"])
        if not device:
            raise Refusal(428, code="device_session", detail="no such session")
        for line in self.site.file(folder, f"{manifest}.keys").read_text().splitlines():
            if line.startswith(f'{{"storage_key":"{device}"'):
                return line.encode()
        raise Refusal(404, code="no_device_key", detail="none for this device")

    def health(self):
        return b'{"status":"healthy"}'

    ROUTES = [
        ("POST", r"/login", login),
        ("POST", r"/resources/get/([^/]+)", get_resource),
        ("POST", r"/resources/get/?", get_resource),
        ("POST", r"/resources/check", check_resource),
        ("POST", r"/resources/([^/]+)", put_resource),
        ("GET", r"/resources/list/([^/]+)", list_resources),
        ("GET", r"/binary-split/key-fragment", fragment),
        ("GET|HEAD|PUT", r"/cdn/([^/]+)/([^/]+)", cdn),
        ("GET", r"/v2/artifacts/([^/]+)/([^/]+)/manifest", manifest),
        ("POST", r"/v2/devices/session", device_session),
        ("GET", r"/v2/artifacts/([^/]+)/([^/]+)/key\?manifest=([^&]*)", device_key),
        ("GET", r"/health", health),
    ]

    # --- requests ---

    def user(self):
        return self.site.tokens.user_of(self.headers["Authorization"])

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self.chunks()
        size = int(self.headers.get("Content-Length", 0))
        if size > BODY_MAX:
            raise Refusal(413)
        return self.rfile.read(size)

    def chunks(self):
        whole = b""
        while size := int(self.rfile.readline(32).split(b";")[0], 16):
            whole += self.rfile.read(size)
            self.rfile.readline(8)
            if len(whole) > BODY_MAX:
                raise Refusal(413)
        self.rfile.readline(8)
        return whole

    def json_body(self):
        try:
            return json.loads(self.body())
        except ValueError:
            raise Refusal(400) from None

    def handle_method(self):
        self.sent = 0
        try:
            answer = self.answer()
            if answer is not None:
                self.send_whole(200, answer)
        except Refusal as refusal:
            # What is left of a body that nobody read would be taken for the next request.
            self.close_connection = True
            self.send_whole(refusal.status, refusal.body)
        except (KeyError, TypeError):
            self.close_connection = True
            self.send_whole(400, b"{}")
        except OSError:
            self.close_connection = True
            self.status = 0
        self.site.tell({
            "method": self.command, "path": self.path, "status": self.status, "sent": self.sent,
            "range": self.headers["Range"], "if_range": self.headers["If-Range"],
            "authorization": self.headers["Authorization"] is not None,
        })

    def answer(self):
        for methods, path, function in self.ROUTES:
            match = re.fullmatch(path, self.path)
            if match and re.fullmatch(methods, self.command):
                return function(self, *match.groups())
        raise Refusal(404)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_method

    # --- answers ---

    def send_whole(self, status, content):
        self.status = status
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", "application/octet-stream")
        self.end_headers()
        self.wfile.write(content)
        self.sent = len(content)

    def part_wanted(self, size, etag):
        wanted = RANGE.fullmatch(self.headers.get("Range", ""))
        if not wanted or self.headers.get("If-Range", etag) != etag:
            return None
        first = int(wanted.group(1))
        last = min(int(wanted.group(2) or size - 1), size - 1)
        if first > last:
            raise Refusal(416)
        return first, last

    def send_part(self, file):
        stat = os.fstat(file.fileno())
        etag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'
        part = self.part_wanted(stat.st_size, etag)
        first, last = part or (0, stat.st_size - 1)
        self.status = 206 if part else 200
        self.send_response(self.status)
        if part:
            self.send_header("Content-Range", f"bytes {first}-{last}/{stat.st_size}")
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", etag)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.flush()
        try:
            while first <= last:
                gone = os.sendfile(self.connection.fileno(), file.fileno(), first,
                                   min(PIECE, last - first + 1))
                if gone == 0:
                    break
                first += gone
                self.sent += gone
        except OSError:
            self.close_connection = True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--users", type=pathlib.Path, required=True)
    parser.add_argument("--salts", type=pathlib.Path, required=True)
    parser.add_argument("--formula", choices=["v1-hw", "v1-nohw"], default="v1-hw")
    parser.add_argument("--log", type=pathlib.Path)
    parser.add_argument("--token-seconds", type=int, default=4 * 3600)
    parser.add_argument("--ek-anchors", type=pathlib.Path)
    parser.add_argument("--eks", type=pathlib.Path)
    options = parser.parse_args()
    host, _, port = options.listen.rpartition(":")
    Handler.site = Site(options)
    http.server.ThreadingHTTPServer.request_queue_size = 128
    with http.server.ThreadingHTTPServer((host, int(port)), Handler) as server:
        server.daemon_threads = True
        print(f"listening on {host}:{server.server_address[1]}", flush=True)
        server.serve_forever()


main()
