#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A link or a server that is not to be trusted, between the loader and an honest one. What it does
is in a file of rules, read anew for each request, so that one proxy serves many cases:

  {"to": "127.0.0.1:PORT" | "unix:PATH",
   "rules": [{"match": PATTERN, ..what is done.., "times": N}]}

The first rule that matches "METHOD PATH" holds, for its first N requests when it has `times`; what no
rule matches passes untouched. What a rule does:

  rate N           bytes/s of the body
  delay S          seconds before the answer
  drop_bytes N     closes after N bytes of the body; drop_seconds S after so long
  stall N          nothing more comes after N bytes; it closes when the rule is gone
  drop_first N     as drop_bytes, for requests without Range only; what else the rule says is for the
                   others
  status N         answers so by itself; retry_after S with that header
  location URL     redirects there, also "self"
  lie NAME         one of LIES

  --log FILE   a line of JSON for each answer: method, path, range, status and the bytes that were sent;
               FILE.begun has a line for each request that began, since the client may have its last
               byte before there is a line about it
  --cert, --key  speaks TLS
  --raw        bytes alone, for TLS that others end; rate and drops of a rule that matches "RAW"
"""

import argparse
import json
import os
import pathlib
import re
import secrets
import select
import socket
import ssl
import threading
import time

PIECE = 64 << 10
HEAD_MAX = 64 << 10
EXTRA = 4096
POLL_S = 0.05


class Left(Exception):
    """One of the two sides closed early."""


def connect(target):
    if target.startswith("unix:"):
        link = socket.socket(socket.AF_UNIX)
        link.connect(target[5:])
        return link
    host, _, port = target.rpartition(":")
    return socket.create_connection((host, int(port)), 10)


class Head:
    """The first line and the headers of a request or an answer, in their order."""

    def __init__(self, data):
        lines = data.decode("latin-1").split("\r\n")
        self.first = lines[0]
        self.headers = [tuple(line.split(": ", 1)) for line in lines[1:] if ": " in line]

    def get(self, name):
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def drop(self, *names):
        low = [name.lower() for name in names]
        self.headers = [pair for pair in self.headers if pair[0].lower() not in low]

    def set(self, name, value):
        self.drop(name)
        self.headers.append((name, str(value)))

    def bytes(self):
        lines = [self.first] + [f"{name}: {value}" for name, value in self.headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    @property
    def status(self):
        return int(self.first.split()[1])


def read_head(link, buffered=b""):
    """The head, and what was read behind it."""
    data = buffered
    while b"\r\n\r\n" not in data:
        piece = link.recv(PIECE)
        if not piece or len(data) > HEAD_MAX:
            raise Left
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    return Head(head), rest


def range_of(answer):
    return [int(word) for word in re.findall(r"\d+", answer.get("Content-Range"))]


# --- lies: what is done to the request on its way there, and to the answer on its way back ---


def no_request(_):
    pass


def whole_request(request):
    request.drop("Range", "If-Range")


def lie_offset(answer):
    """Says that a part begins where it does not."""
    if answer.status == 206:
        first, last, total = range_of(answer)
        answer.set("Content-Range", f"bytes 0-{last - first}/{total}")


def lie_nowhere(answer):
    """A part of which nobody knows where it belongs."""
    answer.drop("Content-Range")


def shift_request(request):
    """Other bytes than those of the answer's words."""
    begin = re.fullmatch(r"bytes=(\d+)-", request.get("Range") or "")
    if begin:
        request.set("Range", f"bytes={int(begin.group(1)) - 16}-")


def lie_shift(answer):
    if answer.status == 206:
        first, last, total = range_of(answer)
        answer.set("Content-Range", f"bytes {first + 16}-{last}/{total}")
        answer.set("Content-Length", last - first - 15)


def lie_total(answer):
    """More is announced than ever comes."""
    if answer.status == 206:
        first, last, total = range_of(answer)
        answer.set("Content-Range", f"bytes {first}-{last + EXTRA}/{total + EXTRA}")
    answer.set("Content-Length", int(answer.get("Content-Length")) + EXTRA)


def lie_total_206(answer):
    """The size changes in the middle, and nothing else does."""
    if answer.status == 206:
        first, last, total = range_of(answer)
        answer.set("Content-Range", f"bytes {first}-{last}/{total + EXTRA}")


def lie_short(answer):
    answer.set("Content-Length", int(answer.get("Content-Length")) - 1000)


def lie_long(answer):
    answer.set("Content-Length", int(answer.get("Content-Length")) + EXTRA)


def lie_etag(answer):
    answer.set("ETag", f'"{secrets.token_hex(8)}"')


def lie_endless(answer):
    answer.drop("Content-Length", "ETag", "Last-Modified", "Accept-Ranges")
    answer.set("Transfer-Encoding", "chunked")


def lie_nothing_known(answer):
    """No length, no ETag: HTTP of long ago, ended by closing."""
    answer.drop("Content-Length", "ETag", "Last-Modified", "Accept-Ranges")


def careless_request(request):
    """A part is given whatever it is a part of."""
    request.drop("If-Range")


def lie_bare(answer):
    """Nothing tells one release from another."""
    answer.drop("ETag", "Last-Modified")


def lie_blind(answer):
    """Nor does it for a part, though it did for the whole."""
    if answer.status == 206:
        lie_bare(answer)


def lie_young(answer):
    """A change within the same second would not show (RFC 9110, 8.8.2.2)."""
    answer.drop("ETag")
    answer.set("Date", "Tue, 02 Jan 2024 10:00:00 GMT")
    answer.set("Last-Modified", "Tue, 02 Jan 2024 10:00:00 GMT")


LIES = {
    "bare": (careless_request, lie_bare),
    "blind": (careless_request, lie_blind),
    "young": (careless_request, lie_young),
    "whole": (whole_request, no_request),
    "offset": (no_request, lie_offset),
    "nowhere": (no_request, lie_nowhere),
    "shift": (shift_request, lie_shift),
    "total": (no_request, lie_total),
    "total206": (no_request, lie_total_206),
    "short": (no_request, lie_short),
    "long": (no_request, lie_long),
    "etag": (whole_request, lie_etag),
    "etag206": (no_request, lie_etag),
    "endless": (whole_request, lie_endless),
    "unknown": (whole_request, lie_nothing_known),
    "none": (no_request, no_request),
}


class Rules:
    def __init__(self, path):
        self.path = path
        self.used = {}
        self.lock = threading.Lock()

    def find(self, what):
        """Where it goes, and the rule that holds."""
        with self.lock:
            rules = json.loads(self.path.read_text())
            for rule in rules.get("rules", []):
                if not re.search(rule["match"], what):
                    continue
                key = json.dumps(rule)
                self.used[key] = self.used.get(key, 0) + 1
                if self.used[key] <= rule.get("times", 1 << 30):
                    return rules["to"], rule
            return rules["to"], {}

    def has(self, rule):
        return rule in json.loads(self.path.read_text()).get("rules", [])


class Outlet:
    """The way back to the client: as slow and as brittle as the rule wants."""

    def __init__(self, link, rules, rule, begun):
        self.link = link
        self.rules = rules
        self.rule = rule
        self.begun = begun
        self.paced = time.monotonic()
        self.sent = 0
        self.left = rule.get("drop_bytes", 1 << 62)
        self.piece = min(PIECE, max(1024, rule.get("rate", PIECE * 20) // 20))

    def send(self, data):
        for at in range(0, len(data), self.piece):
            self.send_piece(data[at : at + self.piece])

    def send_piece(self, piece):
        if self.sent >= self.rule.get("stall", 1 << 62):
            self.stall()
            raise Left
        piece = piece[: self.left - self.sent]
        self.link.sendall(piece)
        self.sent += len(piece)
        if self.sent >= self.left:
            raise Left
        if time.monotonic() - self.begun > self.rule.get("drop_seconds", 1 << 30):
            raise Left
        if "rate" in self.rule:
            ahead = self.paced + self.sent / self.rule["rate"] - time.monotonic()
            time.sleep(max(0, ahead))


    def stall(self):
        """Until the client has enough of it, or the rule is gone."""
        while self.rules.has(self.rule) and not select.select([self.link], [], [], POLL_S)[0]:
            pass


class Proxy:
    def __init__(self, options):
        self.rules = Rules(options.rules)
        self.log = options.log
        self.lock = threading.Lock()
        self.raw = options.raw
        self.tls = None
        if options.cert:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(options.cert, options.key)

    def begins(self):
        if self.log:
            with self.lock, open(f"{self.log}.begun", "a", encoding="utf-8") as begun:
                begun.write("1\n")

    def tell(self, **line):
        if self.log:
            with self.lock, open(self.log, "a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")

    def serve(self, link):
        try:
            if self.tls:
                link = self.tls.wrap_socket(link, server_side=True)
            if self.raw:
                self.pump(link)
            else:
                self.exchange(link)
        except (OSError, Left):
            pass
        finally:
            # A close alone waits for whoever reads from it.
            hang_up(link)
            link.close()

    # --- bytes alone ---

    def pump(self, link):
        target, rule = self.rules.find("RAW")
        with connect(target) as below:
            threading.Thread(target=copy, args=(link, below), daemon=True).start()
            outlet = Outlet(link, self.rules, rule, time.monotonic())
            try:
                while piece := below.recv(PIECE):
                    outlet.send(piece)
            finally:
                self.tell(method="RAW", sent=outlet.sent)
                hang_up(below)

    # --- HTTP, one request for each connection ---

    def exchange(self, link):
        request, rest = read_head(link)
        method, path, _ = request.first.split(" ", 2)
        target, rule = self.rules.find(f"{method} {path}")
        if "drop_first" in rule and not request.get("Range"):
            rule = {"drop_bytes": rule["drop_first"], **{k: rule[k] for k in ["rate"] if k in rule}}
        seen = {"method": method, "path": path, "range": request.get("Range"),
                "authorization": request.get("Authorization") is not None,
                "s3": request.get("x-amz-date") is not None}
        outlet = Outlet(link, self.rules, rule, time.monotonic())
        status = 0
        self.begins()
        try:
            time.sleep(rule.get("delay", 0))
            if "status" in rule or "location" in rule:
                status = self.own_answer(link, rule, request, path)
            else:
                status = self.relay(link, rest, request, target, rule, outlet)
        finally:
            self.tell(**seen, status=status or self.status_seen(outlet), sent=outlet.sent)

    @staticmethod
    def status_seen(outlet):
        return getattr(outlet, "status", 0)

    def own_answer(self, link, rule, request, path):
        status = rule.get("status", 302)
        lines = [f"HTTP/1.1 {status} So", "Content-Length: 0", "Connection: close"]
        if "retry_after" in rule:
            lines.append(f"Retry-After: {rule['retry_after']}")
        if "location" in rule:
            scheme = "https" if self.tls else "http"
            here = f"{scheme}://{request.get('Host')}{path}"
            lines.append(f"Location: {here if rule['location'] == 'self' else rule['location']}")
        link.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return status

    def relay(self, link, rest, request, target, rule, outlet):
        change_request, change_answer = LIES[rule.get("lie", "none")]
        change_request(request)
        request.set("Connection", "close")
        with connect(target) as below:
            below.sendall(request.bytes() + rest)
            threading.Thread(target=copy, args=(link, below), daemon=True).start()
            try:
                answer, rest = read_head(below)
                while answer.status < 200:
                    link.sendall(answer.bytes())
                    answer, rest = read_head(below, rest)
                if answer.status in (200, 206):
                    change_answer(answer)
                answer.set("Connection", "close")
                outlet.status = answer.status
                link.sendall(answer.bytes())
                send_body(below, rest, answer, rule, outlet)
            finally:
                hang_up(below)
        return answer.status


def send_body(below, rest, answer, rule, outlet):
    if rule.get("lie") == "endless":
        chunk = b"%x\r\n%s\r\n" % (PIECE, os.urandom(PIECE))
        while True:
            outlet.send(chunk)
    limit = 1 << 62
    if rule.get("lie") == "short":
        limit = int(answer.get("Content-Length"))
    while rest or (rest := below.recv(PIECE)):
        rest = rest[: limit - outlet.sent]
        if not rest:
            break
        outlet.send(rest)
        rest = b""
    if rule.get("lie") == "long":
        outlet.send(bytes(EXTRA))


def copy(source, sink):
    """What the client sends, for as long as the answer is not whole."""
    try:
        while piece := source.recv(PIECE):
            sink.sendall(piece)
    except (OSError, ValueError):
        pass


def hang_up(link):
    try:
        link.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rules", type=pathlib.Path, required=True)
    parser.add_argument("--log", type=pathlib.Path)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--raw", action="store_true")
    proxy = Proxy(parser.parse_args())
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        print(f"listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
        while True:
            link, _ = listener.accept()
            threading.Thread(target=proxy.serve, args=(link,), daemon=True).start()


main()
