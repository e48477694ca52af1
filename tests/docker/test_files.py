"""The container files are valid, agree with each other, and give the server no more rights than it needs."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

DOCKER = Path(__file__).parents[2] / "docker"


def tool(name, *words):
    """What a tool of this environment, or of the system, says of our files; it must leave with 0."""
    beside = Path(sys.executable).parent / name
    found = beside if beside.exists() else shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed")
    env = {**os.environ, "ORTHANC_PASSWORD": "x"}
    done = subprocess.run([found, *words], capture_output=True, text=True, timeout=60, check=False, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def objects():
    """The objects for Kubernetes by kind."""
    text = (DOCKER / "kubernetes/scanside.yml").read_text()
    return {each["kind"]: each for each in yaml.safe_load_all(text)}


def test_the_linter_has_nothing_to_say_of_the_dockerfile():
    assert tool("hadolint", str(DOCKER / "Dockerfile")) == ""


def test_the_compose_file_is_valid():
    tool("docker-compose", "-f", str(DOCKER / "compose.yml"), "config", "-q")


def test_the_manifests_are_valid():
    tool("kubernetes-validate", str(DOCKER / "kubernetes/scanside.yml"))


def test_no_container_has_more_rights_than_it_needs():
    pod = objects()["Deployment"]["spec"]["template"]["spec"]
    rights = pod["containers"][0]["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert rights["readOnlyRootFilesystem"]
    assert not rights["allowPrivilegeEscalation"]
    assert rights["capabilities"] == {"drop": ["ALL"]}
    service = yaml.safe_load((DOCKER / "compose.yml").read_text())["services"]["scanside"]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["user"] == "10001:10001"
    stages = (DOCKER / "Dockerfile").read_text().split("FROM ")
    assert "USER 10001:10001" in next(each for each in stages if each.startswith("root AS user"))


def test_every_port_of_compose_is_on_loopback_unless_the_site_says_otherwise():
    services = yaml.safe_load((DOCKER / "compose.yml").read_text())["services"].values()
    ports = [each for service in services for each in service.get("ports", ())]
    assert ports
    assert all(each.startswith(("127.0.0.1:", "${SCANSIDE_BIND:-127.0.0.1}:")) for each in ports)


def test_a_drain_has_longer_than_the_servers_own_deadline():
    from server.settings import Settings

    grace = Settings().grace
    assert objects()["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > grace + 10
    service = yaml.safe_load((DOCKER / "compose.yml").read_text())["services"]["scanside"]
    assert int(service["stop_grace_period"].removesuffix("s")) > grace + 10


def test_the_systemd_unit_is_valid_and_lets_scans_finish(tmp_path):
    from server.settings import Settings

    text = (DOCKER / "scanside.service").read_text()
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert int(seconds) > Settings().grace + 10
    assert "ExecStartPre=/opt/scanside/.venv/bin/scanside config check" in text
    unit = tmp_path / "scanside.service"
    here = text.replace("/opt/scanside/.venv/bin/scanside", "/bin/true").replace("User=scanside", "User=root")
    unit.write_text(here)
    tool("systemd-analyze", "verify", str(unit))


def test_probes_ask_for_paths_that_the_server_has():
    container = objects()["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    paths = {
        container[each]["httpGet"]["path"] for each in ("livenessProbe", "readinessProbe", "startupProbe")
    }
    assert paths == {"/livez", "/readyz"}
    served = (DOCKER.parent / "server/status/http.py").read_text()
    assert all(f'"{each}"' in served for each in (*paths, "/metrics"))


def test_the_dashboard_asks_for_metrics_that_there_are():
    dashboard = json.loads((DOCKER / "grafana/scanside.json").read_text())
    asked = " ".join(each["expr"] for panel in dashboard["panels"] for each in panel["targets"])
    known = set(re.findall(r"`(scanside_\w+)`", (DOCKER.parent / "docs/deploy.md").read_text()))
    assert set(re.findall(r"scanside_\w+", asked)) <= known
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_the_settings_of_compose_can_be_read():
    from server.settings import read_settings

    (archive,) = read_settings({}, DOCKER / "scanside.toml").archives
    assert (archive.host, archive.port) == ("orthanc", 4242)


def test_the_image_has_every_extra_that_serving_on_a_processor_may_need():
    project = tomllib.loads((DOCKER.parent / "pyproject.toml").read_text())["project"]
    (listed,) = re.findall(
        r"pip install -c constraints.txt \"\.\[(.*)\]\"", (DOCKER / "Dockerfile").read_text()
    )
    assert set(listed.split(",")) == set(project["optional-dependencies"]) - {"engine", "train"}


def test_everything_that_the_image_installs_is_of_the_lock():
    lines = (DOCKER / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    installs = [each for each in lines if "/opt/scanside/bin/pip install" in each]
    assert len(installs) == 3
    assert all("/opt/scanside/bin/pip install -c constraints.txt" in each for each in installs)
