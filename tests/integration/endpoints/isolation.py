# SPDX-License-Identifier: Apache-2.0
"""B, with objects of A's names, tries everything on what A has and on what both have."""

from recipes import cases, title
from wire import Request, as_json
from world import WORDS, Missing


def judged(world, what, described, document, answer, expected):
    """Notes what is wrong with an answer; true when it is one of the expected statuses."""
    if answer.status not in expected:
        world.fault(what, f"{answer}, not {' or '.join(map(str, expected))}")
        return False
    fault = document.answer_fault(described, answer)
    if fault:
        world.fault(what, f"{fault}: {answer}")
    return True


def refused(world, what, described, document, answer, codes):
    if answer.code() not in codes:
        world.fault(what, f"{answer}, not {' or '.join(codes)}")
        return
    fault = document.answer_fault(described, answer)
    if fault:
        world.fault(what, f"{fault}: {answer}")


class Isolation:
    def __init__(self, world, document):
        self.world, self.document = world, document

    def ask(self, case, operation, name, tenant=None):
        tenant = tenant or self.world.b
        answer = tenant.send(case.request(operation, self.world, tenant, name))
        if tenant is self.world.b:
            leak = self.world.leak(answer)
            if leak:
                self.world.fault(title(operation, case), f"tells B {leak}: {answer}")
        return answer

    def run(self, operations):
        late = []
        for operation, described, case in cases(operations):
            if case.right in ("host", "admin"):
                continue
            if case.removes:
                late.append((operation, described, case))
                continue
            self.one(operation, described, case)
        for operation, described, case in late:
            self.remove(operation, described, case)
        self.world.check_intact()

    def one(self, operation, described, case):
        what = title(operation, case)
        try:
            if case.tpm and not self.world.on_tpm:
                self.without_tpm(what, operation, described, case)
            elif case.lists:
                self.listed(what, operation, described, case)
            elif case.creates:
                self.created(what, operation, described, case)
            else:
                self.used(what, operation, described, case)
        except (Missing, KeyError, RuntimeError) as reason:
            self.world.fault(what, f"{type(reason).__name__} {reason}")

    def without_tpm(self, what, operation, described, case):
        answer = self.ask(case, operation, "same.aik")
        if operation.startswith("POST") or not case.kind and not case.lists:
            refused(self.world, what, described, self.document, answer, ("tpm_required",))
        elif answer.status != 200:  # lists and names of what there cannot be may be asked for
            refused(self.world, what, described, self.document, answer,
                    ("tpm_required", "not_found"))

    def used(self, what, operation, described, case):
        """Its own by this name; A's is not there."""
        if case.kind:
            answer = self.ask(case, operation, f"only-a.{case.kind}")
            refused(self.world, f"{what} of A's only", described, self.document, answer, ("not_found",))
        for member, kind in case.refers.items():
            self.refer(what, operation, described, case, member, f"only-a.{kind}")
        name = f"same.{case.kind}"
        answer = self.ask(case, operation, name)
        if answer.code() in case.absent:
            refused(self.world, what, described, self.document, answer, case.absent)
        elif judged(self.world, what, described, self.document, answer, case.status) and case.own:
            fault = case.own(self.world, self.world.b, name, answer)
            if fault:
                self.world.fault(what, f"the answer to B {fault}: {answer}")
        if case.stolen:
            self.steal(what, operation, described, case, name)

    def refer(self, what, operation, described, case, member, name):
        request = case.request(operation, self.world, self.world.b, f"same.{case.kind}")
        body = {**case.body(self.world, self.world.b, name), member: name}
        answer = self.world.b.send(as_json(request.method, request.path, body))
        refused(self.world, f"{what} with {member} of A's only", described, self.document, answer,
                ("not_found",))

    def steal(self, what, operation, described, case, name):
        """With what was made for A, and then by A, for whom it is good."""
        body = case.stolen(self.world)
        request = case.request(operation, self.world, self.world.b, name)
        if not isinstance(body, bytes):
            request = as_json(request.method, request.path, body)
        request.body = body if isinstance(body, bytes) else request.body
        answer = self.world.b.send(request)
        refused(self.world, f"{what} with A's", described, self.document, answer, case.refusal)
        leak = self.world.leak(answer)
        if leak:
            self.world.fault(what, f"tells B {leak}: {answer}")
        answer = self.world.a.send(request)
        if answer.status == 200 and case.own:
            fault = case.own(self.world, self.world.a, name, answer)
            if fault:
                self.world.fault(what, f"the answer to A {fault}: {answer}")
        elif answer.status != 200:
            self.world.fault(f"{what} with A's by A", str(answer))

    def listed(self, what, operation, described, case):
        answer = self.ask(case, operation, "")
        if not judged(self.world, what, described, self.document, answer, case.status):
            return
        # The one member that is a list: secrets, keys, aiks.
        entries = next(value for value in answer.json().values() if isinstance(value, list))
        names = [entry["name"] for entry in entries]
        if names != self.world.b.names(case.lists):
            self.world.fault(what, f"B is told of {names}, and has {self.world.b.names(case.lists)}")

    def created(self, what, operation, described, case):
        """A's names are free for B, and what it makes under them is another's."""
        name = f"only-a.{case.creates}"
        answer = self.ask(case, operation, name)
        if not judged(self.world, what, described, self.document, answer, case.status):
            return
        path = operation.partition(" ")[2].replace("/{name}", "")
        answer = self.world.b.send(Request("DELETE", f"{path}/{name}"))
        if answer.status != 204:
            self.world.fault(what, f"what B made cannot be deleted: {answer}")

    def remove(self, operation, described, case):
        what = title(operation, case)
        if case.tpm and not self.world.on_tpm:
            self.without_tpm(what, operation, described, case)
            return
        kinds = [case.kind] if case.kind != "sign" else [
            kind for kind in self.world.kinds() if kind not in ("secret", "aik")]
        for kind in kinds:
            answer = self.ask(case, operation, f"only-a.{kind}")
            refused(self.world, f"{what} of A's only", described, self.document, answer,
                    ("not_found",))
            answer = self.ask(case, operation, f"same.{kind}")
            judged(self.world, what, described, self.document, answer, case.status)
            answer = self.ask(case, operation, f"same.{kind}")
            refused(self.world, f"{what} again", described, self.document, answer, ("not_found",))


class Rights:
    """Every operation without its right, and with nothing but its right."""

    def __init__(self, world, document):
        self.world, self.document = world, document

    def run(self, operations):
        for operation, described, case in cases(operations):
            what = title(operation, case)
            words = [word for word in case.right.split() if word in WORDS]
            for word in words:
                self.refuse(what, operation, described, case, self.world.tenant(f"no-{word}"))
            if words or not case.right:
                self.permit(what, operation, case, "-".join(["only", *words]))
                self.refuse_admin(what, operation, described, case)
            if case.right in ("host", "admin"):
                self.refuse(what, operation, described, case, self.world.a)
            if case.right == "admin":
                self.refuse(what, operation, described, case, self.world.host)

    def refuse(self, what, operation, described, case, tenant):
        """Before anything is looked up: also where there is no such object."""
        answer = tenant.send(case.request(operation, self.world, tenant, "absent"))
        refused(self.world, f"{what} as {tenant.name}", described, self.document, answer,
                ("forbidden",))

    def refuse_admin(self, what, operation, described, case):
        if operation not in ("GET /v1/status", "GET /v1/device", "GET /metrics"):
            self.refuse(what, operation, described, case, self.world.admin)

    def permit(self, what, operation, case, name):
        tenant = self.world.tenant(name)
        answer = tenant.send(case.request(operation, self.world, tenant, "absent"))
        if answer.code() == "forbidden" or answer.status >= 500 and answer.code() != "tpm_required":
            self.world.fault(f"{what} as {tenant.name}", str(answer))


class Administration:
    """What is not for containers, asked by whom it is for: the answers are the document's."""

    def __init__(self, world, document):
        self.world, self.document = world, document

    def run(self, operations):
        names = []
        for operation, described, case in cases(operations):
            if case.right not in ("host", "admin") or not case.safe:
                continue
            name = {"": "", "tenant": "b"}.get(case.kind or case.creates, "b")
            if case.creates == "tenant":
                name = "extra"
                names.append(name)
            if case.removes:
                self.remove(operation, described, case)
                continue
            self.ask(title(operation, case), operation, described, case, name)

    def ask(self, what, operation, described, case, name):
        tenant = case.on(self.world)
        answer = tenant.send(case.request(operation, self.world, tenant, name))
        if answer.code() in case.absent or case.tpm and answer.code() == "tpm_required":
            fault = self.document.answer_fault(described, answer)
            if fault:
                self.world.fault(what, fault)
            return
        judged(self.world, what, described, self.document, answer, case.status)

    def remove(self, operation, described, case):
        """One that the administrator made goes with all it has; one of the configuration stays."""
        what = title(operation, case)
        admin = self.world.admin
        made = admin.send(as_json("POST", "/v1/admin/tenants", {"name": "gone", "operations": ["seal"]}))
        if made.status != 201:
            self.world.fault(what, f"cannot add a tenant: {made}")
            return
        gone = self.world.tenant("gone")
        gone.call("PUT", "/v1/secrets/s", {"data": "YQ=="})
        answer = admin.send(case.request(operation, self.world, admin, "gone"))
        judged(self.world, what, described, self.document, answer, case.status)
        if gone.client.path.exists():
            self.world.fault(what, "the socket is still there")
        admin.send(as_json("POST", "/v1/admin/tenants", {"name": "gone", "operations": ["seal"]}))
        answer = self.world.tenant("gone").send(Request("GET", "/v1/secrets/s"))
        refused(self.world, f"{what}: the next of the name", described, self.document, answer,
                ("not_found",))
        for name, codes in (("a", ("conflict",)), ("host", ("forbidden", "conflict")),
                            ("nobody", ("not_found",))):
            answer = admin.send(case.request(operation, self.world, admin, name))
            refused(self.world, f"{what} of {name}", described, self.document, answer, codes)
        self.world.check_intact()


