#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An S3 server that is not ours: OpenStack Swift with its s3api, all of it in this one process and its
objects in memory. It checks signatures, dates and regions as S3 does.

  s3.py FOLDER --region R --key KEY=SECRET.. --bucket NAME..    then prints `listening on HOST:PORT`

An access key is ACCOUNT:USER. Each may do everything in its account; buckets are made for the first.
"""

import eventlet

eventlet.monkey_patch()

# pylint: disable=wrong-import-position
import argparse  # noqa: E402
import http.client  # noqa: E402
import pathlib  # noqa: E402
import sys  # noqa: E402

from eventlet import wsgi  # noqa: E402
from swift.account import server as account_server  # noqa: E402
from swift.common import ring, storage_policy, utils  # noqa: E402
from swift.common.middleware import catch_errors, gatekeeper, listing_formats, tempauth  # noqa: E402
from swift.common.middleware.s3api import s3api  # noqa: E402
from swift.container import server as container_server  # noqa: E402
from swift.obj import mem_server  # noqa: E402
from swift.proxy import server as proxy_server  # noqa: E402


class Cache:
    """What memcached would keep, here for the process's life. Nothing of it ever expires."""

    def __init__(self):
        self.kept = {}

    def get(self, key, **_):
        return self.kept.get(key)

    def set(self, key, value, **_):
        self.kept[key] = value

    def incr(self, key, delta=1, **_):
        self.kept[key] = self.kept.get(key, 0) + delta
        return self.kept[key]

    def delete(self, key, **_):
        self.kept.pop(key, None)


def listen():
    return eventlet.listen(("127.0.0.1", 0), backlog=64)


def serve(listener, app):
    eventlet.spawn(wsgi.server, listener, app, log_output=False, log=open("/dev/null", "w"))


def write_ring(folder, name, port):
    """One device, one copy."""
    builder = ring.RingBuilder(1, 1, 0)
    builder.add_dev({"id": 0, "region": 1, "zone": 1, "weight": 1.0, "ip": "127.0.0.1", "port": port,
                     "device": "d", "meta": "", "replication_ip": "127.0.0.1", "replication_port": port})
    builder.rebalance()
    builder.get_ring().save(str(folder / f"{name}.ring.gz"))


def backends(folder, conf):
    apps = {
        "account": account_server.app_factory, "container": container_server.app_factory,
        "object": mem_server.app_factory,
    }
    for name, factory in apps.items():
        listener = listen()
        write_ring(folder, name, listener.getsockname()[1])
        serve(listener, factory(conf))


def front(conf, region, keys):
    cache = Cache()
    app = proxy_server.app_factory(conf, account_autocreate="true")
    users = {"user_" + key.replace(":", "_"): f"{secret} .admin" for key, secret in keys}
    app = tempauth.filter_factory(conf, **users)(app)
    # Without the file it does not look there for what stands around it.
    alone = {name: value for name, value in conf.items() if name != "__file__"}
    app = s3api.filter_factory(alone, location=region, auth_pipeline_check="false")(app)
    app = listing_formats.filter_factory(conf)(app)
    app = gatekeeper.filter_factory(conf)(app)
    app = catch_errors.filter_factory(conf)(app)

    def with_cache(env, start_response):
        env["swift.cache"] = cache
        return app(env, start_response)

    return with_cache


def make_bucket(port, key, secret, name):
    """By Swift's own interface, with a token."""
    link = http.client.HTTPConnection("127.0.0.1", port)
    link.request("GET", "/auth/v1.0", headers={"X-Auth-User": key, "X-Auth-Key": secret})
    answer = link.getresponse()
    answer.read()
    token = answer.getheader("X-Auth-Token")
    account = key.split(":")[0]
    link.request("PUT", f"/v1/AUTH_{account}/{name}", headers={"X-Auth-Token": token})
    answer = link.getresponse()
    if answer.status not in (201, 202):
        sys.exit(f"no bucket {name}: {answer.status} {answer.read()[:200]}")
    link.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--key", action="append", default=[])
    parser.add_argument("--bucket", action="append", default=[])
    options = parser.parse_args()
    keys = [key.split("=", 1) for key in options.key]
    (options.folder / "devices/d").mkdir(parents=True)
    utils.HASH_PATH_SUFFIX = b"made up"
    utils.validate_hash_conf = lambda: None
    (options.folder / "conf").write_text("[DEFAULT]\n")
    conf = {
        "swift_dir": str(options.folder), "devices": str(options.folder / "devices"),
        "mount_check": "false", "log_level": "CRITICAL", "log_address": "/nowhere",
        "__file__": str(options.folder / "conf"), "__name__": "proxy-server",
    }
    backends(options.folder, conf)
    storage_policy.reload_storage_policies()
    listener = listen()
    port = listener.getsockname()[1]
    serve(listener, front(conf, options.region, keys))
    for name in options.bucket:
        eventlet.tpool.execute(make_bucket, port, *keys[0], name)
    print(f"listening on 127.0.0.1:{port}", flush=True)
    while True:
        eventlet.sleep(3600)


main()
