"""`make install`, which files it puts where, and completion for bash."""

import os
import re
import shutil
import subprocess

import pytest

from cluster import BUILD, ROOT, Cluster

PROGRAMS = ["stagepost", "frontend", "spool-broker", "delivery-worker"]


def install(destination, *variables):
    subprocess.run(["make", "-C", ROOT, "install", f"BUILD={os.path.relpath(BUILD, ROOT)}", f"DESTDIR={destination}", *variables], check=True,
                   capture_output=True, timeout=300)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    destination = tmp_path_factory.mktemp("installed")
    install(destination, "PREFIX=/usr")
    return destination


def test_where_everything_is(installed):
    for name in PROGRAMS:
        path = installed / "usr/lib/stagepost" / name
        assert path.stat().st_mode & 0o777 == 0o755
        version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
        assert re.fullmatch(rf"{name} \(Stagepost\) \d+\.\d+\.\d+\n", version)
    tool = installed / "usr/bin/stagepost"
    assert tool.is_symlink() and subprocess.run([tool, "--version"], capture_output=True).returncode == 0
    pages = {p.name for p in (installed / "usr/share/doc/stagepost").iterdir()}
    assert {"README.md", "LICENSE", "operations.md", "backup.md", "settings.md"} <= pages
    assert (installed / "usr/share/bash-completion/completions/stagepost").is_file()
    assert (installed / "usr/lib/sysusers.d/stagepost.conf").is_file()
    # The administrator's changes are kept.
    conf = installed / "etc/stagepost/stagepost.conf"
    assert conf.stat().st_mode & 0o777 == 0o640
    conf.write_text("STAGEPOST_REDIS=redis://192.0.2.1\n")
    install(installed, "PREFIX=/usr")
    assert conf.read_text() == "STAGEPOST_REDIS=redis://192.0.2.1\n"


def test_another_prefix(tmp_path):
    install(tmp_path, "PREFIX=/opt/mail")
    assert (tmp_path / "opt/mail/bin/stagepost").exists() and (tmp_path / "opt/mail/etc/stagepost/stagepost.conf").exists()
    unit = (tmp_path / "opt/mail/lib/systemd/system/stagepost-frontend.service").read_text()
    assert "ExecStart=/opt/mail/lib/stagepost/frontend " in unit and "=/opt/mail/etc/stagepost/stagepost.conf" in unit


def test_a_cluster_of_it(installed):
    """`stagepost up` finds the others, called by its link."""
    with Cluster(frontends=1, build=installed / "usr/bin") as cluster:
        user = cluster.add_user("alice@one.test")
        cluster.deliver("s@else.test", user, "Subject: x\r\n\r\nx\r\n")
        cluster.wait_mail(user)
        for name in ("frontend-0", "spool-broker-0", "delivery-worker-0"):
            assert os.readlink(f"/proc/{cluster.pid(name)}/exe").startswith(str(installed))


def units(installed):
    return sorted((installed / "usr/lib/systemd/system").iterdir())


def test_units_name_what_there_is(installed):
    """Programs, options, variables of the configuration."""
    known = set()
    for unit in units(installed):
        text = unit.read_text()
        assert "@" not in re.sub(r"%H", "", text), unit
        for command in re.findall(r"^ExecStart=(.*)$", text, re.M):
            program, *args = command.split()
            path = installed / program.lstrip("/")
            assert path.exists()
            help = subprocess.run([path, *(["backup"] if "backup" in args else []), "--help"], capture_output=True,
                                  text=True, check=True).stdout
            for option in (a for a in args if a.startswith("--")):
                assert option in help, option
        for path in re.findall(r"^(?:EnvironmentFile|Documentation)=(?:file:)?(.*)$", text, re.M):
            assert (installed / path.lstrip("/")).exists()
    for name in PROGRAMS[1:]:
        help = subprocess.run([installed / "usr/lib/stagepost" / name, "--help"], capture_output=True, text=True).stdout
        known |= set(re.findall(r"STAGEPOST_\w+", help))
    named = set(re.findall(r"^#?(STAGEPOST_\w+)=", (ROOT / "deploy/systemd/stagepost.conf").read_text(), re.M))
    assert named - known <= {"STAGEPOST_CLUSTER_KEY", "STAGEPOST_SECRET_KEY"} and len(named) > 6


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_units_are_understood(installed, tmp_path):
    """Checked by systemd itself; the paths are those of this installation."""
    for unit in units(installed):
        text = unit.read_text().replace("/usr/lib/stagepost/", f"{installed}/usr/lib/stagepost/")
        text = text.replace("/usr/bin/stagepost", f"{installed}/usr/bin/stagepost")
        (tmp_path / unit.name).write_text(re.sub(r"^Documentation=.*\n", "", text, flags=re.M))
    said = subprocess.run(["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))],
                          capture_output=True, text=True, env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"})
    complaints = [line for line in said.stderr.splitlines() if "stagepost" in line and "redis-server" not in line]
    assert not complaints, complaints


def complete(line):
    """The completions offered at the end of the line."""
    words = line.split(" ")
    script = (f'source {ROOT}/deploy/stagepost.bash-completion; compopt() {{ :; }}; '
              f'COMP_WORDS=({" ".join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}; '
              '_stagepost; printf "%s\\n" "${COMPREPLY[@]}"')
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60,
                            env={**os.environ, "PATH": f"{BUILD}:{os.environ['PATH']}"})
    assert not result.stderr, result.stderr
    return result.stdout.split()


def test_completion():
    help = subprocess.run([BUILD / "stagepost", "--help"], capture_output=True, text=True).stdout
    rows = re.findall(r"^ {7}([a-z].*)$", help.split("COMMANDS")[1].split("OPTIONS")[0], re.M)
    assert set(complete("stagepost ")) == {row.split()[0] for row in rows}
    assert complete("stagepost back") == ["backup"]
    assert {"--keep", "--check", "--at", "--dir", "--json"} <= set(complete("stagepost backup --"))
    assert {"--replace", "--despite-damage"} <= set(complete("stagepost restore --"))
    assert set(complete("stagepost domain ")) >= {"add", "delete", "dkim", "list", "set", "show"}
    assert complete("stagepost queue sum") == ["summary"]
    assert "--older-than" in complete("stagepost queue list --o")
    assert "smtp-in.banner" in complete("stagepost settings get smtp-in.b")
    assert complete("stagepost settings set smtp-in.bann") == ["smtp-in.banner="]
    assert "smtp-in" in complete("stagepost settings list smtp")
