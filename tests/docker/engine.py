#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Docker's engine: the calls that the loader makes, and no others, on a Unix socket.

    engine.py SOCKET HOWS

It is strict: what the real one would let pass with a shrug is refused here. Images live in memory.
What it was asked is written to standard output, one line each, and `ready` when it listens.
HOWS is a file of words, read anew for each request, that say how it misbehaves:
    error-in-stream   a load is answered 200, with an error behind some progress; nothing is loaded
    error-after-load  the same, but all was loaded before
    refuse            a load is answered 500 once all of it is there
    refuse-early      a load is answered 500 before any of it was read
    wrong-id          every image of a load gets another id
    missing-tag       the last tag of a load is left out
    close-early       the connection is closed in the middle of a load
    close-late        it is closed behind the last byte of a load, in place of an answer
    no-json           a load is answered 200 with what is no JSON
    huge-answer       a load is answered 200 with an object without end
    slow              a load is read in small pieces with pauses
    keep-tags         no tag can be put or removed
    silent            connections are taken and never answered
    huge-inspect      an image's description does not end
    inspect-no-id     an image's description has no id
"""

import argparse
import hashlib
import http.server
import json
import os
import re
import signal
import socketserver
import sys
import tarfile
import tempfile
import threading
import time
import urllib.parse

HOWS = re.findall(r"^    ([a-z-]+) {2,}", __doc__, re.M)
VERSION = "/v1.40"
ID = re.compile(r"sha256:[0-9a-f]{64}\Z")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
PIECE = 65536


class Refusal(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Engine:
    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()
        self.images = set()
        self.tags = {}

    @property
    def hows(self):
        with open(self.path, encoding="ascii") as file:
            hows = set(file.read().split())
        if hows - set(HOWS):
            raise Refusal(500, f"no way to misbehave: {hows - set(HOWS)}")
        return hows

    def inspect(self, name):
        with self.lock:
            image = name if name in self.images else self.tags.get(name)
            if image is None:
                raise Refusal(404, f"No such image: {name}")
            tags = sorted(tag for tag, named in self.tags.items() if named == image)
        return {"Id": image, "RepoTags": tags, "RepoDigests": [], "Os": "linux", "Architecture": "amd64"}

    def tag(self, image, repo, tag):
        if "keep-tags" in self.hows:
            raise Refusal(500, "tags stay as they are")
        if ":" in repo.rsplit("/", 1)[-1] or not TAG.match(tag):
            raise Refusal(400, "invalid reference format")
        with self.lock:
            if image not in self.images:
                raise Refusal(404, f"No such image: {image}")
            self.tags[f"{repo}:{tag}"] = image

    def untag(self, name):
        if "keep-tags" in self.hows:
            raise Refusal(500, "tags stay as they are")
        with self.lock:
            if name not in self.tags:
                raise Refusal(404, f"No such image: {name}")
            image = self.tags.pop(name)
            answer = [{"Untagged": name}]
            if image not in self.tags.values():
                self.images.discard(image)
                answer.append({"Deleted": image})
        return answer

    def load(self, file):
        """Takes an archive as `docker save` writes it; names the tags that it has put."""
        try:
            loaded = read_archive(file)
        except (tarfile.TarError, KeyError, TypeError, ValueError, OSError) as error:
            raise Refusal(500, f"invalid archive: {error}") from error
        if "missing-tag" in self.hows:
            loaded = loaded[:-1]
        if "wrong-id" in self.hows:
            loaded = [("sha256:" + hashlib.sha256(image.encode()).hexdigest(), tag) for image, tag in loaded]
        with self.lock:
            for image, tag in loaded:
                self.images.add(image)
                self.tags[tag] = image
        return [tag for _, tag in loaded]


def read_archive(file):
    loaded = []
    with tarfile.open(fileobj=file, mode="r:") as tar:
        for entry in json.load(tar.extractfile("manifest.json")):
            config = tar.extractfile(entry["Config"]).read()
            digests = json.loads(config)["rootfs"]["diff_ids"]
            if len(digests) != len(entry["Layers"]):
                raise ValueError("not as many layers as digests")
            for name, digest in zip(entry["Layers"], digests):
                if "sha256:" + hashlib.sha256(tar.extractfile(name).read()).hexdigest() != digest:
                    raise ValueError(f"layer {name} is not {digest}")
            image = "sha256:" + hashlib.sha256(config).hexdigest()
            loaded += [(image, tag) for tag in entry["RepoTags"]]
    # Nothing may stand behind it but zeros, as tar pads.
    file.seek(0, os.SEEK_END)
    if file.tell() % 512 != 0:
        raise ValueError("not whole blocks")
    return loaded


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    engine = None

    def address_string(self):
        return "client"

    def log_message(self, *_):
        pass

    def note(self, text):
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def answer(self, status, body=None):
        data = b"" if body is None else json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def run(self, method):
        self.note(f"{method} {self.path}")
        if "silent" in self.engine.hows:
            time.sleep(3600)
        try:
            self.route(method)
        except Refusal as refusal:
            # What is left of a body that nobody reads would be the next request.
            self.close_connection = True
            self.answer(refusal.status, {"message": str(refusal)})

    def do_GET(self):
        self.run("GET")

    def do_POST(self):
        self.run("POST")

    def do_DELETE(self):
        self.run("DELETE")

    def route(self, method):
        path, _, query = self.path.partition("?")
        query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
        if not path.startswith(VERSION + "/images/"):
            raise Refusal(404, "page not found")
        path = path[len(VERSION + "/images/") :]
        if method == "POST" and path == "load":
            return self.load(query)
        # Names come escaped, so that a slash is never part of one.
        words = [urllib.parse.unquote(word, errors="strict") for word in path.split("/")]
        if method == "GET" and len(words) == 2 and words[1] == "json" and not query:
            return self.inspect(words[0])
        if method == "POST" and len(words) == 2 and words[1] == "tag" and sorted(query) == ["repo", "tag"]:
            if not ID.match(words[0]):
                raise Refusal(400, "an id is wanted")
            self.engine.tag(words[0], query["repo"], query["tag"])
            return self.answer(201)
        if method == "DELETE" and len(words) == 1 and query == {"noprune": "true"}:
            return self.answer(200, self.engine.untag(words[0]))
        raise Refusal(404, "page not found")

    def inspect(self, name):
        answer = self.engine.inspect(name)
        if "huge-inspect" in self.engine.hows:
            answer["Comment"] = "x" * (8 << 20)
        if "inspect-no-id" in self.engine.hows:
            answer["Id"] = 7
        self.answer(200, answer)

    # --- the load ---

    def load(self, query):
        hows = self.engine.hows
        if set(query) - {"quiet"}:
            raise Refusal(400, "unknown parameter")
        if self.headers.get_all("Content-Type") != ["application/x-tar"]:
            raise Refusal(400, "Content-Type must be application/x-tar")
        if self.headers.get("Transfer-Encoding") or not (self.headers.get("Content-Length") or "").isdigit():
            raise Refusal(411, "Content-Length is wanted")
        length = int(self.headers["Content-Length"])
        if "refuse-early" in hows:
            raise Refusal(500, "no space left on device")
        with tempfile.TemporaryFile() as file:
            if not self.receive(file, length):
                self.close_connection = True
                return
            self.finish_load(file)

    def receive(self, file, length):
        """All of the body; False when the connection ended, or shall end."""
        hows = self.engine.hows
        left = length
        while left > 0:
            piece = self.rfile.read(min(left, 4096 if "slow" in hows else PIECE))
            if not piece:
                self.note(f"cut {length - left} of {length}")
                return False
            file.write(piece)
            left -= len(piece)
            if "slow" in hows:
                time.sleep(0.002)
            if "close-early" in hows and left < length / 2:
                return False
        self.note(f"received {length}")
        file.seek(0)
        return "close-late" not in hows

    def finish_load(self, file):
        hows = self.engine.hows
        if "refuse" in hows:
            raise Refusal(500, "the archive is not to my taste")
        tags = [] if "error-in-stream" in hows else self.engine.load(file)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if "no-json" in hows:
            self.chunk(b"Loaded it.\n")
        if "huge-answer" in hows:
            self.chunk(b'{"stream":"')
            for _ in range(64):
                self.chunk(b"x" * PIECE)
        self.chunk(b'{"status":"Loading layer","progressDetail":{"current":1,"total":2},"progress":"[=>')
        self.chunk(b' ]","id":"a"}\r\n')
        if "error-in-stream" in hows or "error-after-load" in hows:
            message = "failed to register layer: no space left on device"
            self.chunk(json.dumps({"errorDetail": {"message": message}, "error": message}).encode())
        else:
            for tag in tags:
                self.chunk(json.dumps({"stream": f"Loaded image: {tag}\n"}).encode() + b"\r\n")
        self.chunk(b"")

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that has gone is none of our concern."""


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("socket")
    parser.add_argument("hows")
    arguments = parser.parse_args()
    Handler.engine = Engine(arguments.hows)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    with Server(arguments.socket, Handler) as server:
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
