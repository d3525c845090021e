#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What deploy/kubernetes says, for those that cannot have a cluster.

kubernetes.py json FILE..          all objects, as a JSON array
kubernetes.py pod FILE.. FOLDER    the Pods of DaemonSets, the Pods and ConfigMaps, with the node's paths
                                   below FOLDER and a TPM's socket in FOLDER/chip in the place of devices
"""

import json
import sys

import yaml


def objects(files):
    for name in files:
        with open(name, encoding="utf-8") as file:
            yield from (one for one in yaml.safe_load_all(file) if one)


def settle(spec, folder):
    for container in spec["containers"]:
        container["imagePullPolicy"] = "Never"
        container.get("resources", {}).get("limits", {}).pop("squat.ai/tpm", None)
        # In the place of which it has the emulator.
        if container["name"] == "holdfastd":
            container["volumeMounts"].append({"name": "chip", "mountPath": "/run/swtpm"})
            spec["volumes"].append({"name": "chip", "hostPath": {"path": folder + "/chip"}})
    for volume in spec["volumes"]:
        path = volume.get("hostPath", {})
        if path and volume["name"] != "chip":
            path["path"] = folder + path["path"]
    return spec


def pod(one, folder):
    if one["kind"] == "DaemonSet":
        template = one["spec"]["template"]
        return {
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": one["metadata"]["name"], **template["metadata"]},
            "spec": settle(template["spec"], folder),
        }
    if one["kind"] == "Pod":
        return {**one, "spec": settle(one["spec"], folder)}
    if one["kind"] == "ConfigMap":
        data = {
            name: 'tpm { tcti = "swtpm:path=/run/swtpm/tpm.sock" }\n' + text
            for name, text in one["data"].items()
        }
        return {**one, "data": data}
    return None


def main():
    words = sys.argv[2:]
    if sys.argv[1] == "json":
        json.dump(list(objects(words)), sys.stdout)
        return
    pods = [pod(one, words[-1]) for one in objects(words[:-1])]
    yaml.safe_dump_all([one for one in pods if one], sys.stdout)


main()
