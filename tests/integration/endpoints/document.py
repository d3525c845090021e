# SPDX-License-Identifier: Apache-2.0
"""docs/API.yaml as tests see it: the operations, and whether an answer is one that it allows."""

import copy
import pathlib
import re

import jsonschema
import yaml

from wire import PROBLEM

ROOT = pathlib.Path(__file__).resolve().parents[3]
METHODS = ("get", "post", "put", "delete", "patch", "head", "options")
ERROR_ROW = re.compile(r"^\| `(\w+)` \| (\d{3}) \|", re.M)


def close_answers(schema):
    """So that a member which is not documented is found: JSON Schema alone lets it pass."""
    if isinstance(schema, dict):
        if "properties" in schema and "additionalProperties" not in schema:
            schema["additionalProperties"] = False
        for member in schema.values():
            close_answers(member)
    elif isinstance(schema, list):
        for member in schema:
            close_answers(member)


class Document:
    def __init__(self):
        self.api = yaml.safe_load((ROOT / "docs/API.yaml").read_text())
        self.components = self.api["components"]
        self.closed = copy.deepcopy(self.components)
        close_answers(self.closed["schemas"])
        errors = (ROOT / "docs/ERRORS.md").read_text()
        self.statuses = {code: int(status) for code, status in ERROR_ROW.findall(errors)}

    def resolve(self, node):
        while isinstance(node, dict) and "$ref" in node:
            target = self.api
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            rest = {name: value for name, value in node.items() if name != "$ref"}
            node = {**target, **rest} if isinstance(target, dict) else target
        return node

    def operations(self):
        """"METHOD path" of each, and what the document says of it."""
        found = {}
        for path, item in self.api["paths"].items():
            for method in METHODS:
                if method in item:
                    found[f"{method.upper()} {path}"] = {
                        **item[method],
                        "parameters": [
                            self.resolve(one)
                            for one in item.get("parameters", []) + item[method].get("parameters", [])
                        ],
                    }
        return found

    def methods(self, path):
        return {method.upper() for method in METHODS if method in self.api["paths"][path]}

    def request_media(self, operation):
        return self.resolve(operation.get("requestBody", {})).get("content", {})

    def members(self, operation):
        """The members that a JSON body may have, of all its forms, by name."""
        schema = self.resolve(self.request_media(operation)["application/json"]["schema"])
        found = {}
        for form in [schema] + schema.get("oneOf", []) + schema.get("anyOf", []):
            found.update(self.resolve(form).get("properties", {}))
        return found

    def fits(self, schema, value, closed=False):
        """Why @value is no instance of @schema; "" when it is one."""
        components = self.closed if closed else self.components
        validator = jsonschema.Draft202012Validator({**schema, "components": components})
        error = next(validator.iter_errors(value), None)
        return f"{error.json_path}: {error.message[:200]}" if error else ""

    # --- answers ---

    def answer_fault(self, operation, answer):
        """What is wrong with an answer to this operation; "" when the document allows it."""
        responses = operation["responses"]
        if answer.status >= 300:
            return self.problem_fault(answer)
        if str(answer.status) not in responses:
            return f"status {answer.status} is not documented"
        content = self.resolve(responses[str(answer.status)]).get("content", {})
        if not content:
            return "has a body and is documented to have none" if answer.body else ""
        if answer.media not in content:
            return f"{answer.media} is not documented"
        if answer.media != "application/json":
            return ""
        schema = copy.deepcopy(content[answer.media]["schema"])
        close_answers(schema)
        return self.fits(schema, answer.json(), closed=True)

    def problem_fault(self, answer):
        if answer.media != PROBLEM:
            return f"{answer.status} with {answer.media or 'nothing'}, not a problem document"
        problem = answer.json()
        fault = self.fits({"$ref": "#/components/schemas/Problem"}, problem, closed=True)
        if fault:
            return fault
        if problem["status"] != answer.status:
            return f"the document says {problem['status']}"
        if answer.status != 405 and self.statuses[problem["code"]] != answer.status:
            return f"{problem['code']} with status {answer.status}"
        if problem["type"] != f"urn:holdfast:error:{problem['code']}":
            return f"type {problem['type']}"
        empty = [name for name in ("title", "detail", "remedy") if not problem[name].strip()]
        return f"empty: {', '.join(empty)}" if empty else ""
