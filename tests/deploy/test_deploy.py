"""What an operator copies: the container file, the service units and the proxy's configuration hold their promises."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from rollbook.cli import app
from rollbook.server.configuration import SETTINGS, Setting
from rollbook.server.operation import serving

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = ("rollbook-serve.service", "rollbook-worker.service")
COMMANDS = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}


def _statements(text: str) -> list[tuple[str, str]]:
    """(instruction, its argument) of a container file, lines that go on joined."""
    joined = re.sub(r"\\\n", " ", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    return [(line.split(None, 1)[0], " ".join(line.split()[1:])) for line in joined.splitlines() if line.strip()]


def program(name: str, package: str) -> str:
    """Where a program of the machine is. Without it a test skips, and where helpers are required it fails."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        missing = pytest.fail if os.environ.get("ROLLBOOK_REQUIRE") else pytest.skip
        missing(f"there is no {name}: apt-get install {package}")
    return found


@pytest.fixture
def statements() -> list[tuple[str, str]]:
    return _statements((DEPLOY / "Containerfile").read_text())


def test_every_instruction_of_the_container_file_exists(statements: list[tuple[str, str]]) -> None:
    known = {
        "FROM",
        "WORKDIR",
        "COPY",
        "RUN",
        "ENV",
        "USER",
        "EXPOSE",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "ENTRYPOINT",
        "CMD",
    }
    assert {name for name, _ in statements} <= known
    assert statements[0][0] == "FROM"


def test_everything_that_the_wheel_is_made_of_is_copied(statements: list[tuple[str, str]]) -> None:
    """Where a file is missing that the wheel is to contain, nothing is built at all."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = [*wheel["packages"], *wheel["force-include"]]
    copied = [it for name, argument in statements if name == "COPY" for it in argument.split()[:-1]]
    assert needed
    assert [it for it in needed if not any(f"{it}/".startswith(f"{there}/") for there in copied)] == []


def test_both_stages_begin_with_the_same_named_version(statements: list[tuple[str, str]]) -> None:
    images = [argument.split()[0] for name, argument in statements if name == "FROM"]
    assert len(images) == 2
    assert len(set(images)) == 1
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+-slim-\w+", images[0])


def test_it_runs_as_somebody_who_is_not_root_and_does_not_own_the_program(statements: list[tuple[str, str]]) -> None:
    names = [name for name, _ in statements]
    users = [argument for name, argument in statements if name == "USER"]
    assert users == ["10001:10001"]
    assert not any("--chown" in argument or "chmod" in argument for _, argument in statements)
    # Nothing is installed or copied once it runs as that user.
    assert not {"RUN", "COPY"} & set(names[names.index("USER") :])


def test_nothing_needs_to_be_written_but_in_tmp(statements: list[tuple[str, str]]) -> None:
    environment = next(argument for name, argument in statements if name == "ENV")
    assert "PYTHONDONTWRITEBYTECODE=1" in environment
    assert [argument for name, argument in statements if name == "WORKDIR"][-1] == "/tmp"  # noqa: S108
    assert "VOLUME" not in {name for name, _ in statements}


def test_what_is_installed_is_constrained_and_leaves_no_caches(statements: list[tuple[str, str]]) -> None:
    runs = " ".join(argument for name, argument in statements if name == "RUN")
    assert "--constraint constraints.txt" in runs
    assert "--no-cache-dir" in runs
    assert "--no-install-recommends" in runs
    assert "rm -rf /var/lib/apt/lists/*" in runs


def test_no_secret_is_in_the_image_and_only_what_is_needed_is_sent_to_build_it(
    statements: list[tuple[str, str]],
) -> None:
    secret = {it.name for it in SETTINGS if "KEY" in it.name or "SECRET" in it.name} | {"DATABASE_URL"}
    text = (DEPLOY / "Containerfile").read_text()
    assert not [name for name in secret if f"{name}=" in text]
    assert "ADD" not in {name for name, _ in statements}
    ignored = (ROOT / ".containerignore").read_text().splitlines()
    assert ignored[0] == "*"
    for name, argument in statements:
        if name == "COPY" and "--from" not in argument:
            assert all(f"!{source}" in ignored for source in argument.split()[:-1])


def test_it_starts_a_command_that_there_is_and_stops_as_the_server_expects(statements: list[tuple[str, str]]) -> None:
    found = dict(statements)
    assert found["ENTRYPOINT"] == '["rollbook"]'
    assert found["CMD"].startswith('["serve"')
    assert found["STOPSIGNAL"] == "SIGTERM"
    assert "/healthz" in found["HEALTHCHECK"]
    assert {"serve", "worker"} <= COMMANDS


@pytest.mark.parametrize("unit", UNITS)
def test_units_are_understood_by_systemd(unit: str, tmp_path: Path) -> None:
    analyze = program("systemd-analyze", "systemd")
    # The program lies elsewhere on this machine; everything else is looked at as it stands.
    text = (DEPLOY / unit).read_text().replace("/opt/rollbook/bin/rollbook", "/bin/true")
    (tmp_path / unit).write_text(text)
    verified = subprocess.run(
        [analyze, "verify", str(tmp_path / unit)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS)
def test_units_are_shut_off_from_the_rest_of_the_machine(unit: str) -> None:
    lines = (DEPLOY / unit).read_text().splitlines()
    for wanted in (
        "User=rollbook", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict", "ProtectHome=yes",
        "PrivateTmp=yes", "PrivateDevices=yes", "UMask=0077", "EnvironmentFile=/etc/rollbook/rollbook.env",
    ):  # fmt: skip
        assert wanted in lines
    [begins] = [line for line in lines if line.startswith("ExecStart=")]
    assert begins.split()[1] in COMMANDS
    # Secrets are in no unit: everybody can read those.
    assert not re.search(r"_KEY|_SECRET|PASSWORD|DATABASE_URL", "\n".join(lines))


@pytest.mark.parametrize("unit", UNITS)
def test_units_are_shut_off_by_systemds_own_measure(unit: str) -> None:
    """From 0 (shut off) to 10 (open): at most 2.0."""
    analyze = program("systemd-analyze", "systemd")
    said = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=20", str(DEPLOY / unit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said.returncode == 0, said.stdout[-300:]


def test_units_give_as_much_time_to_end_as_the_programs_take() -> None:
    for unit, needed in (("rollbook-serve.service", serving.END_SECONDS), ("rollbook-worker.service", 120)):
        [seconds] = re.findall(r"^TimeoutStopSec=(\d+)$", (DEPLOY / unit).read_text(), re.MULTILINE)
        assert int(seconds) > needed


def test_the_proxy_replaces_what_clients_claim_and_lets_through_what_the_server_takes() -> None:
    text = (DEPLOY / "nginx.conf").read_text()
    assert text.count("{") == text.count("}")
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in text
    assert "$proxy_add_x_forwarded_for" not in text
    assert "proxy_set_header X-Forwarded-Proto $scheme;" in text
    most = next(it for it in SETTINGS if it.name == "ROLLBOOK_BODY_MIB_MAX")
    assert f"client_max_body_size {most.default}m;" in text
    # Addresses carry ids of learners.
    assert "access_log off;" in text
    assert re.search(r"location ~ \^/\(metrics\|readyz\|healthz\)\$ \{\s+return 404;", text)


def test_nginx_understands_the_proxys_configuration(tmp_path: Path) -> None:
    nginx = program("nginx", "nginx")
    lines = (DEPLOY / "nginx.conf").read_text()
    without_tls = re.sub(r"^\s*ssl_certificate.*$", "", lines, flags=re.MULTILINE).replace("443 ssl", "8443")
    (tmp_path / "nginx.conf").write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\n{without_tls}\n}}\n")
    tested = subprocess.run(
        [nginx, "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "syntax is ok" in tested.stderr, tested.stderr


def test_what_is_missing_is_a_failure_where_helpers_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    for required, outcome in (("1", pytest.fail.Exception), ("", pytest.skip.Exception)):
        monkeypatch.setenv("ROLLBOOK_REQUIRE", required)
        with pytest.raises(outcome, match="there is no such-program: apt-get install it"):
            program("such-program", "it")


def test_the_check_from_nothing_installs_what_is_asked_here() -> None:
    script, asked = (ROOT / ".ci" / "run").read_text(), Path(__file__).read_text()
    packages = set(re.findall(r' = program\("[a-z-]+", "([a-z]+)"\)$', asked, re.MULTILINE))
    assert packages == {"nginx", "systemd"}
    for it in packages:
        assert f'needed="$needed {it}"' in script


def test_the_check_from_nothing_and_the_makefile_have_no_mistakes_that_the_shell_can_see() -> None:
    subprocess.run(["/bin/bash", "-n", str(ROOT / ".ci" / "run")], check=True, timeout=60)
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda it: it.name)
def test_every_setting_stands_in_the_table_as_it_is(setting: Setting) -> None:
    rows = (ROOT / "docs" / "server" / "settings.md").read_text().splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows if row.startswith("| `")]
    found = {row[0].strip("`"): row for row in cells}
    row = found[setting.name]
    default = setting.default
    assert row[1] == (f"`{default}`" if default else "")
    assert row[2] == setting.help
    assert set(found) == {it.name for it in SETTINGS}
