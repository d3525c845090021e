# SPDX-License-Identifier: Apache-2.0
"""Bodies, names, parameters and headers that no operation may take, made from the document."""

import copy
import json

from recipes import cases, title
from wire import JSON, OCTETS, Request

# One of each kind of JSON value, and strings that are rarely what a member wants.
VALUES = [None, True, 7, -1, 1.5, 2**63, "", "\x00", "a b", "\u00e4", [], [None], {}, {"a": 1}]
NO_JSON = [
    b"", b"{", b"}", b"nul", b"{'a':1}", b'{"a":1,}', b"{} {}", b"\xef\xbb\xbf{}", b'{"a":"\xff\xfe"}',
    b'{"a":NaN}', b"\x00", b'{"a\\u0000b":1}',
]
NO_OBJECT = [b"[]", b"7", b'"text"', b"null", b"[{}]"]
BAD_NAMES = ["..", "%2e%2e", ".hidden", "a%20b", "a%2Fb", "a%00b", "%2", "%zz", "k%C3%A4se", "n" * 129,
             "n" * 4000, "%0a", "a%5Cb", "*"]
HUGE = 3000000  # over every limit of a JSON body
WRONG = ("invalid", "too_large", "not_supported")


class Malformed:
    def __init__(self, world, document):
        self.world, self.document = world, document
        self.count = 0

    def run(self, operations):
        before = self.lists()
        for operation, described, case in cases(operations):
            if case.tpm and not self.world.on_tpm:
                continue
            tenant = case.on(self.world)
            name = "b" if case.kind == "tenant" else f"same.{case.kind}" if case.kind else "fresh"
            good = case.request(operation, self.world, tenant, name)
            if JSON in self.document.request_media(described) and case.octets is None:
                self.bodies(operation, described, case, tenant, good)
            self.media(operation, described, case, tenant, good)
            self.parameters(operation, described, case, tenant, good)
            if "{name}" in operation:
                self.names(operation, described, case, tenant, good)
        after = self.lists()
        if before != after:
            self.world.fault("malformed requests", f"changed something: {before} are {after}")
        if self.world.b.send(Request("GET", "/v1/status")).status != 200:
            self.world.fault("malformed requests", "the service does not answer any more")

    def lists(self):
        paths = ["/v1/secrets", "/v1/keys"] + (["/v1/aiks"] if self.world.on_tpm else [])
        lists = [self.world.b.send(Request("GET", path)).json() for path in paths]
        tenants = self.world.admin.send(Request("GET", "/v1/admin/tenants")).json()
        return json.dumps([lists, tenants], sort_keys=True)

    def refuse(self, what, described, tenant, request, pointer="", codes=WRONG):
        """Sends it: a refusal with one of the codes, which names what is wrong."""
        self.count += 1
        answer = tenant.send(request)
        row = f"{what}: {request}"
        if answer.code() not in codes or answer.status >= 500:
            self.world.fault(row, f"{answer}, not {' or '.join(codes)}")
            return
        fault = self.document.answer_fault(described, answer)
        if fault:
            self.world.fault(row, f"{fault}: {answer}")
        elif pointer and not self.names_fault(answer.detail(), pointer):
            self.world.fault(row, f"does not name {pointer}: {answer.detail()}")

    @staticmethod
    def names_fault(detail, pointer):
        """By its JSON pointer, where JSON itself ends, or as what is a query parameter too."""
        return any(word in detail for word in (pointer, "line 1, column", f"{pointer[1:]}: "))

    # --- bodies ---

    def bodies(self, operation, described, case, tenant, good):
        what = title(operation, case)

        def send(body, pointer="", codes=WRONG):
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
            request = Request(good.method, good.path, body, good.headers)
            self.refuse(what, described, tenant, request, pointer, codes)

        required = described["requestBody"].get("required", False)
        for body in NO_JSON + NO_OBJECT:
            if body or required:
                send(body, codes=("invalid",))
        value = json.loads(good.body)
        send({**value, "unknown_member": 1}, "/unknown_member", ("invalid",))
        send({**value, "": 1}, codes=("invalid",))
        send(b"[" * 5000 + b"]" * 5000, codes=("invalid",))
        send(b'{"a":' * 5000 + b"1" + b"}" * 5000, codes=("invalid",))
        send({**value, "unknown_member": "x" * HUGE}, codes=("too_large",))
        for name in value:
            text = json.dumps(value)
            send(f'{{"{name}":{json.dumps(value[name])},{text[1:]}'.encode(), codes=("invalid",))
        members = self.document.members(described)
        for name, schema in members.items():
            self.member(send, value, name, schema)
        for name in self.missing(described, value):
            left = {other: value[other] for other in value if other != name}
            send(left, f"/{name}", ("invalid",))

    def missing(self, described, value):
        """The members without which it is none of the forms."""
        schema = self.document.request_media(described)[JSON]["schema"]
        for name in value:
            left = {other: value[other] for other in value if other != name}
            if self.document.fits(schema, left):
                yield name

    def member(self, send, value, name, schema):
        for wrong in VALUES:
            if not self.document.fits(schema, wrong) or self.is_semantic(schema, wrong):
                continue
            text = isinstance(wrong, str)
            send({**value, name: wrong}, f"/{name}", WRONG if text else ("invalid",))
        resolved = self.document.resolve(schema)
        if "enum" in resolved:
            send({**value, name: "nonsense"}, f"/{name}")
        if resolved.get("type") == "array":
            send({**value, name: ["no sense"]}, f"/{name}")
            send({**value, name: list(range(5000))}, f"/{name}")
        long = "A" * 300000
        if self.document.fits(schema, long):
            send({**value, name: long}, f"/{name}")
        deep = 1
        for _ in range(300):
            deep = [deep]
        send({**value, name: deep}, codes=("invalid",))

    def is_semantic(self, schema, value):
        """A text that the schema takes or not, where it is looked at by other means only."""
        return isinstance(value, str) and not self.document.fits(schema, value)

    # --- what else there is ---

    def media(self, operation, described, case, tenant, good):
        what = title(operation, case)
        media = self.document.request_media(described)
        if not media:
            request = Request(good.method, good.path, b'{"a":1}', {"Content-Type": JSON})
            self.refuse(f"{what} with a body", described, tenant, request, codes=("invalid",))
            return
        for kind in ("text/html", "application/x-www-form-urlencoded", "application/jsonx", OCTETS):
            if kind not in media and good.body is not None:
                request = Request(good.method, good.path, good.body, {"Content-Type": kind})
                self.refuse(f"{what} as {kind}", described, tenant, request, codes=("invalid",))
        headers = {**good.headers, "Content-Encoding": "gzip"}
        request = Request(good.method, good.path, good.body, headers)
        self.refuse(f"{what}, compressed", described, tenant, request, codes=("invalid",))

    def parameters(self, operation, described, case, tenant, good):
        path = good.path.partition("?")[0]
        for parameter in described["parameters"]:
            if parameter["in"] != "query":
                continue
            for text in ("nonsense%20", "0x1", "-1", "99999999999999999999", "%00", "%zz", "n" * 200):
                if not self.document.fits(parameter["schema"], text):
                    continue
                request = Request(good.method, f"{path}?{parameter['name']}={text}", good.body,
                                  good.headers)
                self.refuse(title(operation, case), described, tenant, request)

    def names(self, operation, described, case, tenant, good):
        for name in BAD_NAMES:
            request = copy.copy(good)
            request.path = case.path(operation, name)
            self.refuse(title(operation, case), described, tenant, request,
                        codes=("invalid", "not_found", "too_large"))


class Strays:
    """Paths and methods that there are none of, and headers that are too large."""

    METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")

    def __init__(self, world, document):
        self.world, self.document = world, document

    def run(self, operations):
        for path in self.document.api["paths"]:
            case = next(case for operation, _, case in cases(operations)
                        if operation.partition(" ")[2] == path)
            tenant = case.on(self.world)
            full = path.replace("{name}", "same.sign")
            self.methods(path, full, tenant)
            self.headers(full, tenant, operations, path)
            for stray in (f"{full}/x", f"{full}/", full[:-1] + "Z", f"/{full}", full.upper(),
                          f"{full}%00", full.replace("/v1", "/v2")):
                if stray != full:
                    self.stray(stray, tenant)

    def problem(self, what, answer, statuses):
        fault = "" if answer.status in statuses else f"not {' or '.join(map(str, statuses))}"
        fault = fault or self.document.problem_fault(answer)
        if fault:
            self.world.fault(what, f"{fault}: {answer}")

    def methods(self, path, full, tenant):
        there = self.document.methods(path)
        for method in self.METHODS:
            if method in there:
                continue
            answer = tenant.send(Request(method, full))
            self.problem(f"{method} {path}", answer, (405,) if method != "PATCH" else (405, 501))
            told = {word.strip() for word in answer.headers.get("allow", "").split(",")}
            if answer.status == 405 and told - {"HEAD", "OPTIONS"} != there:
                self.world.fault(f"{method} {path}", f"Allow is {told}, not {there}")

    def stray(self, path, tenant):
        answer = tenant.send(Request("GET", path))
        # A last part that names an object is a name, if a strange one.
        self.problem(f"GET {path}", answer, (400, 404, 405))

    def headers(self, full, tenant, operations, path):
        method = sorted(self.document.methods(path))[0]
        body, kind = (b"{}", {"Content-Type": JSON}) if method in ("POST", "PUT") else (None, {})
        for size in (9000, 20000):
            request = Request(method, full, body, {**kind, "X-Long": "a" * size})
            self.problem(f"{method} {path}, header of {size}", tenant.send(request), (413,))
        request = Request(method, f"{full}?x={'a' * 9000}", body, kind)
        self.problem(f"{method} {path}, long query", tenant.send(request), (413, 414))
