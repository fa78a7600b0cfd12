"""``--server`` and addresses to compare: what cannot be played there is one line, before anything is sent or recorded."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from scenarios.running.exits import DAMAGED, MISSING, UNAVAILABLE, USAGE
from scenarios.running.generators import ALLOW_VARIABLE
from scenarios.running.serving import SECRET_VARIABLE
from tests.cli.conftest import Command
from tests.cli.test_bad_input import assert_one_line

TWO = "127.0.0.1:1,127.0.0.1:2"
RUN = ("run", "standard_mix", "--short", "--world", "live")


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (SECRET_VARIABLE, ALLOW_VARIABLE):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("ab" * 32)
    return path


@pytest.fixture
def deaf() -> str:
    """Where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"127.0.0.1:{port}"


class TestRun:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (("--server", ","), ("no address was given",)),
            (("--server", "127.0.0.1"), ("'127.0.0.1' is not host:port",)),
            (("--server", "127.0.0.1:70000,127.0.0.1:2"), ("'127.0.0.1:70000' is not host:port",)),
            (("--server", "192.0.2.1:1,127.0.0.1:2"), ("192.0.2.1 is not loopback", "--allow-host 192.0.2.1")),
            (("--server", "127.0.0.1:1"), ("names 1 gateways, the scenario has 2", "--set gateways=1")),
            (("--server", TWO, "--set", "population.group_size=4"), ("pairs and groups of five",)),
            (("--server", TWO, "--set", "policies.backoff=fixed"), ("the scenario changes some",)),
            (("--server", TWO, "--generators", 2), ("one process of this host",)),
            (("--server", TWO, "--workers", 2), ("one process of this host",)),
            (("--server", TWO, "--preset", "qos1"), ("--preset qos1", "leave one of them out")),
            (("--server", TWO, "--world", "both"), ("--server is of the live world",)),
            (("--allow-host", "192.0.2.1"), ("name it with --server",)),
        ],
    )
    def test_what_cannot_be_played_there_is_refused(
        self, imbench: Command, secret: Path, tmp_path: Path, options: tuple[str, ...], words: tuple[str, ...]
    ) -> None:
        answer = imbench(*RUN, "--secret-file", secret, "--out", tmp_path / "runs", *options)
        assert answer.status == USAGE
        assert answer.out == ""
        for word in words:
            assert word in answer.err.splitlines()[-1]
        assert not list(tmp_path.glob("runs/*/*"))

    def test_nobody_may_strike_it(self, imbench: Command, secret: Path, tmp_path: Path) -> None:
        answer = imbench("run", "access_restart", "--world", "live", "--server", TWO, "--secret-file", secret, "--out", tmp_path)
        assert_one_line(answer, USAGE, "access_restart cannot be played", "nobody here may strike it", "--set faults=[]")

    def test_tokens_need_a_secret(self, imbench: Command, tmp_path: Path) -> None:
        assert_one_line(imbench(*RUN, "--server", TWO), USAGE, "no secret", "--secret-file", SECRET_VARIABLE)
        assert_one_line(imbench(*RUN, "--server", TWO, "--secret-file", tmp_path / "absent"), MISSING, "absent")
        (tmp_path / "words").write_text("no number")
        assert_one_line(imbench(*RUN, "--server", TWO, "--secret-file", tmp_path / "words"), DAMAGED, "words")

    def test_a_host_that_was_named_is_not_refused_for_being_one(
        self, imbench: Command, secret: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        where = ("--server", "192.0.2.1:1", "--secret-file", secret)
        assert "names 1 gateways" in imbench(*RUN, *where, "--allow-host", "192.0.2.1").err
        monkeypatch.setenv(ALLOW_VARIABLE, "192.0.2.1")
        assert "names 1 gateways" in imbench(*RUN, *where).err

    def test_where_nobody_listens_nothing_is_recorded(self, imbench: Command, secret: Path, deaf: str, tmp_path: Path) -> None:
        runs = tmp_path / "runs"
        answer = imbench(*RUN, "--server", f"{deaf},{deaf}", "--secret-file", secret, "--out", runs)
        assert answer.status == UNAVAILABLE
        assert f"{deaf}: no server answers there as preset cursor does (Connection refused)" in answer.err.splitlines()[-1]
        assert not list(runs.glob("*"))


class TestCompare:
    def test_a_secret_is_needed_and_only_there(self, imbench: Command, secret: Path) -> None:
        assert_one_line(imbench("compare", TWO, TWO), USAGE, "name its file with --secret-file")
        assert_one_line(imbench("compare", "tests", "docs", "--secret-file", secret), USAGE, "give two addresses")

    def test_a_scenario_with_faults_is_refused(self, imbench: Command, secret: Path, tmp_path: Path) -> None:
        command = ("compare", TWO, TWO, "--secret-file", secret, "--noise", tmp_path)
        assert_one_line(imbench(*command, "--scenario", "access_restart"), USAGE, "access_restart cannot be played", "strike")

    def test_by_default_what_has_no_faults_is_played(self, imbench: Command, secret: Path, deaf: str, tmp_path: Path) -> None:
        command = ("compare", f"{deaf},{deaf}", f"{deaf},{deaf}", "--secret-file", secret, "--noise", tmp_path)
        assert_one_line(imbench(*command), UNAVAILABLE, deaf, "Connection refused")

    def test_the_noise_of_one_server_is_asked_for_first(self, imbench: Command, secret: Path, tmp_path: Path) -> None:
        command = ("compare", TWO, "127.0.0.1:3,127.0.0.1:4", "--secret-file", secret, "--noise", tmp_path)
        assert_one_line(imbench(*command), MISSING, "is not known for standard_mix cursor", f"imbench compare {TWO} {TWO}")
