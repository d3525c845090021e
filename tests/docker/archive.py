#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a small archive of images, as `docker save` does, always the same for the same words.

    archive.py FILE SALT TAG..     one image with these tags; SALT makes it another; prints its id
    archive.py FILE --each SALT TAG..     an image for each tag; prints an id for each
    --pad BYTES    its layer is so much larger
"""

import argparse
import hashlib
import io
import json
import tarfile


def add(tar, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = 0o644
    tar.addfile(info, io.BytesIO(data))


def make_layer(salt, pad):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        add(tar, "hello", f"an image of tests, {salt}\n".encode())
        if pad:
            add(tar, "pad", bytes(i * 7 % 251 for i in range(251)) * (pad // 251 + 1))
    return out.getvalue()


def make_config(layer):
    return json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {},
            "history": [{"created": "1970-01-01T00:00:00Z"}],
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
        }
    ).encode()


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("file")
    parser.add_argument("salt")
    parser.add_argument("tags", nargs="+")
    parser.add_argument("--each", action="store_true")
    parser.add_argument("--pad", type=int, default=0)
    arguments = parser.parse_args()
    sets = [[tag] for tag in arguments.tags] if arguments.each else [arguments.tags]
    manifest = []
    with tarfile.open(arguments.file, "w", format=tarfile.USTAR_FORMAT) as tar:
        for number, tags in enumerate(sets):
            layer = make_layer(f"{arguments.salt} {number}", arguments.pad)
            config = make_config(layer)
            image = hashlib.sha256(config).hexdigest()
            add(tar, f"{image}.json", config)
            add(tar, f"{image}/layer.tar", layer)
            manifest.append({"Config": f"{image}.json", "RepoTags": tags, "Layers": [f"{image}/layer.tar"]})
            print("sha256:" + image)
        add(tar, "manifest.json", json.dumps(manifest).encode())


if __name__ == "__main__":
    main()
