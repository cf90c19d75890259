"""The Kubernetes manifests: the output of kustomize is valid for Kubernetes,
matches the programs, and is consistent in itself."""

import copy
import re
import shutil
import subprocess

import pytest
import yaml

from cluster import BUILD, ROOT
from kubernetes import BUILDS, FOLDER, build, containers, find, needs_npm, pods, strict_faults, templates

pytestmark = needs_npm
CLUSTERS = [b for b in BUILDS if b != "prepare"]
PROGRAMS = ("frontend", "spool-broker", "delivery-worker")
VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}


@pytest.fixture(params=BUILDS)
def built(request):
    return build(request.param)


@pytest.fixture(params=CLUSTERS)
def objects(request):
    return build(request.param)


def arguments(objects):
    """(program, its arguments, its container) of each container with our image that runs one of our programs."""
    for _, pod in pods(objects):
        for container in containers(pod):
            if container["image"].startswith("stagepost:") and "args" in container:
                program, *args = container["args"]
                yield program, args, container


def bytes_of(text):
    number, unit = re.fullmatch(r"(\d+)(\w*)", text).groups()
    return int(number) * {"mb": 1 << 20, "gb": 1 << 30, "Mi": 1 << 20, "Gi": 1 << 30}[unit]


# ---- what Kubernetes knows ----

def test_every_file_is_part_of_something():
    for folder in {p.parent for p in FOLDER.rglob("kustomization.yaml")}:
        listed = yaml.safe_load((folder / "kustomization.yaml").read_text())
        files = {f.split("=")[-1] for g in listed.get("configMapGenerator", []) for f in g["files"]}
        files |= set(listed.get("resources", [])) | {"kustomization.yaml"}
        assert {p.name for p in folder.iterdir() if p.is_file()} - {"adapter-values.yaml"} <= files, folder
    assert {str(p.parent.relative_to(FOLDER)) for p in FOLDER.rglob("kustomization.yaml")} == {
        *BUILDS, "components/load-scaling", "components/monitoring", "components/outside-redis"}


def test_all_fields_are_known(built):
    assert strict_faults(built) == []


def test_a_field_that_is_misspelt_is_found():
    """At every depth, and for the objects of the Prometheus operator."""
    objects = copy.deepcopy(build("overlays/highly-available"))
    frontend = find(objects, "Deployment", "frontend")[0]["spec"]["template"]["spec"]
    frontend["terminationGraceSeconds"] = 1
    frontend["containers"][0]["lifecycle"]["prestop"] = {}
    frontend["containers"][0]["imagePullPolicy"] = "Sometimes"
    find(objects, "ServiceMonitor")[0]["spec"]["endpoints"][0]["intervall"] = "15s"
    del find(objects, "PrometheusRule")[0]["spec"]["groups"][0]["name"]
    where = [line.split(": ", 1)[1].split(" ")[0] for line in strict_faults(objects)]
    assert sorted(where) == ["/spec/endpoints/0/intervall", "/spec/groups/0", "/spec/template/spec/containers/0/imagePullPolicy",
                             "/spec/template/spec/containers/0/lifecycle/prestop", "/spec/template/spec/terminationGraceSeconds"]


@pytest.mark.parametrize("name", ["load-scaling", "monitoring", "outside-redis"])
def test_a_component_goes_with_the_base(name, tmp_path):
    shutil.copytree(FOLDER, tmp_path / "k8s")
    (tmp_path / "k8s" / "own").mkdir()
    (tmp_path / "k8s" / "own" / "kustomization.yaml").write_text(f"resources: [../base]\ncomponents: [../components/{name}]\n")
    assert strict_faults(build("own", tmp_path / "k8s")) == []


def blocks(page):
    """The indented blocks of a page of docs/, each as it would be typed."""
    block = []
    for line in [*(ROOT / "docs" / page).read_text().split("\n"), "end"]:
        if line.startswith("    ") or (not line and block):
            block.append(line[4:])
        elif block:
            yield "\n".join(block)
            block = []


def test_overlays_of_the_documentation_are_right(tmp_path):
    """A custom overlay, with a name, a registry, certificates for further names."""
    shutil.copytree(FOLDER, tmp_path / "stagepost" / "k8s")
    own = next(yaml.safe_load(b) for b in blocks("kubernetes.md") if "my-cluster/kustomization.yaml" in b)
    own["patches"] += next(yaml.safe_load(b) for b in blocks("certificates.md") if b.startswith("- target"))
    (tmp_path / "my-cluster").mkdir()
    (tmp_path / "my-cluster" / "kustomization.yaml").write_text(yaml.safe_dump(own))
    objects = build("my-cluster", tmp_path)
    assert strict_faults(objects) == []
    frontend = dict(pods(objects))["frontend"]["containers"][0]
    assert frontend["image"].startswith("registry.example.com/stagepost:")
    assert "STAGEPOST_TLS_DIR" in [e["name"] for e in frontend["env"]]
    for name in {p["name"] for p in find(objects, "Deployment", "frontend")[0]["spec"]["template"]["spec"]["volumes"]}:
        assert name in {"blobs", "tls", "tls-more"}


def test_secrets_of_the_example_are_those_that_are_used():
    secrets = {(s["metadata"]["name"], key) for s in yaml.safe_load_all((FOLDER / "secrets.example.yaml").read_text())
               for key in s["stringData"]}
    used = {(e["valueFrom"]["secretKeyRef"]["name"], e["valueFrom"]["secretKeyRef"]["key"])
            for _, pod in pods(build("base")) for c in containers(pod) for e in c.get("env", [])
            if "secretKeyRef" in e.get("valueFrom", {})}
    assert secrets == used


# ---- what the programs know ----

def test_options_exist(objects):
    seen = set()
    for program, args, _ in arguments(objects):
        seen.add(program)
        if program in PROGRAMS:
            text = subprocess.run([BUILD / program, "--help"], capture_output=True, text=True, check=True).stdout
            assert [a for a in args if a.startswith("--") and f"{a} " not in text] == [], program
    assert seen == {*PROGRAMS, "stagepost", "check-blobs"}


def test_the_tools_commands_exist(objects):
    text = subprocess.run([BUILD / "stagepost", "--help"], capture_output=True, text=True, check=True).stdout
    for program, args, _ in arguments(objects):
        if program == "stagepost":
            usage = re.search(rf"^       {args[0]}( .*)?$", text, re.M)
            assert usage, f"stagepost has no command {args[0]}"
            assert all(a in usage.group(0) for a in args if a.startswith("--"))


def test_variables_are_read(objects):
    folders = [ROOT / f for f in ("lib", "ctl", *PROGRAMS)]
    sources = "\n".join(p.read_text() for folder in folders for p in folder.rglob("*.c"))
    known = set(re.findall(r'"(STAGEPOST_\w+)"', sources))
    names = {name for config in find(objects, "ConfigMap", "stagepost") for name in config["data"]}
    for _, pod in pods(objects):
        for container in containers(pod):
            if container["image"].startswith("stagepost:"):
                own = {e["name"] for e in container.get("env", [])}
                # The others exist for the container's own command line.
                names |= {n for n in own if f"$({n})" not in " ".join(container["args"])}
    assert {"STAGEPOST_REDIS", "STAGEPOST_TRUST_ANCHOR", "STAGEPOST_METRICS_LISTEN"} <= names
    assert names <= known, names - known


def test_the_image_is_that_of_the_programs(built):
    """One version everywhere; no tag that moves; never fetched if it is present already."""
    version = re.search(r'"(.+)"', (ROOT / "lib/base/version.h").read_text().split("STAGEPOST_VERSION")[1]).group(1)
    for name, pod in pods(built):
        for container in containers(pod):
            assert container["imagePullPolicy"] == "IfNotPresent", name
            image = container["image"]
            assert image == f"stagepost:{version}" or re.fullmatch(r"redis:\d+\.\d+-\w+", image), image
    for page in ("deploy/Dockerfile", "docs/kubernetes.md"):
        assert set(re.findall(r"stagepost:(\d[\d.]*\d)", (ROOT / page).read_text())) == {version}, page


def test_the_image_has_every_library():
    dockerfile = (ROOT / "deploy/Dockerfile").read_text()
    packages = set(dockerfile.split("--no-install-recommends", 1)[1].split("&&")[0].replace("\\", " ").split())
    needed = {line.split("[")[1].rstrip("]") for program in (*PROGRAMS, "stagepost")
              for line in subprocess.run(["readelf", "-d", BUILD / program], capture_output=True, text=True,
                                         check=True).stdout.splitlines() if "(NEEDED)" in line}
    ours = sorted(library for library in needed if not library.startswith(("libc.", "libm.", "ld-linux", "libasan", "libubsan", "libtsan")))
    found = subprocess.run(["dpkg", "-S", *(f"*/{library}" for library in ours)], capture_output=True, text=True).stdout
    has = {line.rsplit("/", 1)[1] for line in found.splitlines() if line.split(":")[0] in packages}
    assert set(ours) - has == set()


def test_the_image_is_built_from_what_docker_is_shown(tmp_path):
    """.dockerignore does not leave out anything that the build needs."""
    left_out = [line for line in (ROOT / ".dockerignore").read_text().split("\n") if line and line[0] != "#"]
    flags = [f"--exclude=./{line}" for line in left_out if "*" not in line]
    subprocess.run(f"tar -C '{ROOT}' {' '.join(flags)} -cf - . | tar -C '{tmp_path}' -xf -", shell=True, check=True)
    assert not (tmp_path / "build").exists() and not (tmp_path / "tests").exists()
    for folder in ("lib", "ctl", "proto", "deploy", *PROGRAMS):
        assert [p.relative_to(ROOT) for p in sorted((ROOT / folder).rglob("*")) if "__pycache__" not in str(p)] == \
            [p.relative_to(tmp_path) for p in sorted((tmp_path / folder).rglob("*")) if "__pycache__" not in str(p)]
    plan = subprocess.run(["make", "-n", "all"], cwd=tmp_path, capture_output=True, text=True)
    assert plan.returncode == 0, plan.stderr
    assert all(f"build/{program}" in plan.stdout for program in PROGRAMS)


# ---- how pods come and go ----

def test_grace_fits(objects):
    """The pod's wait before SIGTERM and the program's grace time after it end before the kill."""
    for name, pod in pods(objects):
        container = pod["containers"][0]
        if name not in PROGRAMS:
            continue
        args = container["args"]
        grace = int(args[args.index("--grace") + 1])
        waits = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["sleep", "0"])
        assert waits[0] == "sleep"
        assert int(waits[1]) + grace < pod["terminationGracePeriodSeconds"], name
        # Clients reach frontends through a service, whose endpoints are removed first.
        assert (int(waits[1]) >= 10) == (name == "frontend"), name


def test_who_is_scaled_names_no_number(objects):
    scaled = {h["spec"]["scaleTargetRef"]["name"]: h["spec"] for h in find(objects, "HorizontalPodAutoscaler")}
    for deployment in find(objects, "Deployment"):
        assert ("replicas" in deployment["spec"]) != (deployment["metadata"]["name"] in scaled)
    for spec in scaled.values():
        assert "cpu" in [m["resource"]["name"] for m in spec["metrics"] if m["type"] == "Resource"]
        assert spec["minReplicas"] >= 2
    assert set(scaled) in ({"frontend", "delivery-worker"}, set())


def test_the_adapter_has_what_scaling_asks_for():
    rules = yaml.safe_load((FOLDER / "components/load-scaling/adapter-values.yaml").read_text())["rules"]
    asked = {"Pods": set(), "External": set()}
    for scaler in find(build("overlays/highly-available"), "HorizontalPodAutoscaler"):
        for metric in scaler["spec"]["metrics"]:
            if metric["type"] != "Resource":
                asked[metric["type"]].add(metric[metric["type"].lower()]["metric"]["name"])
    assert asked == {"Pods": {r["name"]["as"] for r in rules["custom"]}, "External": {r["name"]["as"] for r in rules["external"]}}
    table = (ROOT / "lib/service/metrics_table.h").read_text()
    for rule in [*rules["custom"], *rules["external"]]:
        name = re.match(r"stagepost_(\w+)", rule["seriesQuery"]).group(1)
        assert f'"{name}"' in table and f"stagepost_{name}{{" in rule["metricsQuery"]


# ---- references between objects ----

def test_references_resolve(built):
    base = build("base")
    names = {(o["kind"], o["metadata"]["name"]) for o in [*built, *base]}
    secrets, maps = {"cluster-key", "mail-tls", "redis"}, {"redis-ca"}
    for name, pod in pods(built):
        volumes = {v["name"]: v for v in pod["volumes"]}
        claims = {c["metadata"]["name"] for o in find(built, "StatefulSet", name) for c in o["spec"]["volumeClaimTemplates"]}
        for volume in volumes.values():
            if "persistentVolumeClaim" in volume:
                assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in names
            elif "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in names or volume["configMap"]["name"] in maps
            else:
                assert volume["secret"]["secretName"] in secrets
        for container in containers(pod):
            assert {m["name"] for m in container["volumeMounts"]} <= {*volumes, *claims}
            for source in container.get("envFrom", []):
                assert ("ConfigMap", source["configMapRef"]["name"]) in names


def test_services_and_policies_find_their_ports(objects):
    """A named port of a service or a policy exists in each pod that it selects; and it selects some."""
    made = [(t["metadata"]["labels"], {p["name"]: p["containerPort"] for c in t["spec"]["containers"]
                                       for p in c.get("ports", [])}) for _, t in templates(objects)]

    def selected(labels):
        return [ports for own, ports in made if labels.items() <= own.items()]

    for service in find(objects, "Service"):
        found = selected(service["spec"]["selector"])
        assert found, service["metadata"]["name"]
        for port in service["spec"]["ports"]:
            assert all(port.get("targetPort", port["name"]) in ports for ports in found)
            if service["metadata"]["name"] == "mail":
                assert found[0][port["name"]] == port["port"] + 10000
    for policy in find(objects, "NetworkPolicy"):
        selector = policy["spec"]["podSelector"]
        for rule in policy["spec"].get("ingress", []):
            apps = [e["values"] for e in selector.get("matchExpressions", [])] or [[selector["matchLabels"]["app"]]]
            for app in apps[0]:
                assert all(p["port"] in ports for p in rule["ports"] for ports in selected({"app": app})), app


def test_pods_are_restricted(built):
    """Pod Security, level "restricted": all of it, for all pods except the Job that changes the owner of a volume."""
    for name, pod in pods(built):
        if name == "blobs-owner":
            continue
        around = pod["securityContext"]
        assert around["runAsNonRoot"] is True and around["runAsUser"] > 0, name
        assert around["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), name
        assert pod["automountServiceAccountToken"] is False, name
        for volume in pod["volumes"]:
            assert volume.keys() - {"name"} <= VOLUMES, volume
        for container in containers(pod):
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False and own["readOnlyRootFilesystem"] is True, name
            assert own["capabilities"] == {"drop": ["ALL"]}, name
            assert not {"privileged", "runAsUser", "runAsNonRoot", "procMount"} & own.keys(), name
            assert not [p for p in container.get("ports", []) if "hostPort" in p], name
            assert container["resources"]["limits"]["memory"], name
    for namespace in find(built, "Namespace"):
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_redis_has_room_to_copy(objects):
    """Rewriting the append-only file needs memory in addition to that of the data."""
    for redis in find(objects, "StatefulSet", "redis"):
        container = redis["spec"]["template"]["spec"]["containers"][0]
        most = bytes_of(next(e["value"] for e in container["env"] if e["name"] == "REDIS_MAXMEMORY"))
        assert most <= 0.66 * bytes_of(container["resources"]["limits"]["memory"])


def test_no_redis_beside_an_outside_one():
    objects = build("overlays/highly-available")
    assert not [o for o in objects if o["metadata"]["name"] == "redis" or o["kind"] == "StatefulSet"]
    assert all({"name": "STAGEPOST_REDIS_CA", "value": "/etc/stagepost/redis/ca.crt"} in pod["containers"][0]["env"]
               for _, pod in pods(objects))
