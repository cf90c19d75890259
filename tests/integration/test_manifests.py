"""The Kubernetes manifests agree with the programs and with each other."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from cluster import BUILD, ROOT

FOLDER = ROOT / "k8s"
DOCUMENTS = [(path.name, document) for path in sorted(FOLDER.glob("*.yaml"))
             for document in yaml.safe_load_all(path.read_text())]


def workloads():
    return [(name, d) for name, d in DOCUMENTS if d["kind"] in ("Deployment", "StatefulSet")]


def of_programs():
    return [(name, d["spec"]["template"]["spec"]) for name, d in workloads() if d["metadata"]["name"] != "redis"]


def test_every_file_is_listed():
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    files = {p.name for p in FOLDER.glob("*.yaml")} - {"kustomization.yaml", "secrets.example.yaml"}
    assert set(listed) == files


@pytest.mark.parametrize("name,pod", of_programs())
def test_options_exist(name, pod):
    container = pod["containers"][0]
    program, *args = container["args"]
    text = subprocess.run([BUILD / program, "--help"], capture_output=True, text=True, check=True).stdout
    for arg in args:
        if arg.startswith("--"):
            assert f"{arg} " in text, arg
    environment = [e["name"] for e in container["env"]]
    config = next(d for _, d in DOCUMENTS if d["kind"] == "ConfigMap")
    known = set(re.findall(r"STAGEPOST_\w+", text)) | {"STAGEPOST_CLUSTER_KEY", "STAGEPOST_LOG"}
    for variable in [*environment, *config["data"]]:
        assert variable in known or variable.startswith("POD_"), variable


@pytest.mark.parametrize("name,pod", of_programs())
def test_grace_fits(name, pod):
    args = pod["containers"][0]["args"]
    assert int(args[args.index("--grace") + 1]) < pod["terminationGracePeriodSeconds"]


def test_references_resolve():
    names = {(d["kind"], d["metadata"]["name"]) for _, d in DOCUMENTS if "metadata" in d}
    secrets = {"cluster-key", "mail-tls"}
    for _, pod in of_programs():
        for volume in pod["volumes"]:
            if "persistentVolumeClaim" in volume:
                assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in names
            else:
                assert volume["secret"]["secretName"] in secrets
        container = pod["containers"][0]
        assert {m["name"] for m in container["volumeMounts"]} <= {v["name"] for v in pod["volumes"]}
        for source in container["envFrom"]:
            assert ("ConfigMap", source["configMapRef"]["name"]) in names


def test_services_find_their_ports():
    ports = {d["spec"]["template"]["metadata"]["labels"]["app"]:
             {p["name"]: p["containerPort"] for p in d["spec"]["template"]["spec"]["containers"][0]["ports"]}
             for _, d in workloads()}
    for _, d in DOCUMENTS:
        if d["kind"] != "Service":
            continue
        for port in d["spec"]["ports"]:
            target = ports[d["spec"]["selector"]["app"]]
            assert port.get("targetPort", port["name"]) in target
            if d["metadata"]["name"] == "mail":
                assert target[port["name"]] == port["port"] + 10000


def test_redis_promises_what_a_250_needs():
    redis = next(d for _, d in workloads() if d["metadata"]["name"] == "redis")
    args = " ".join(redis["spec"]["template"]["spec"]["containers"][0]["args"])
    assert "--appendonly yes" in args and "--appendfsync always" in args and "noeviction" in args
