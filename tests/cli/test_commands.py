"""What commands print, and how they end: the contract with programs that call them."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from model.history.run_folder import RunFolder
from scenarios.running import catalog
from scenarios.running.exits import IO_ERROR, MISSING, VALID
from tests.cli.conftest import Answer, Command
from tests.corpus.files import FOLDER
from tests.sim.times import PINNED

PLANTED = FOLDER / "04_one_loss_and_one_duplicate.jsonl"
ROOT = Path(__file__).resolve().parent.parent.parent
SMALL = ("population.users=10", "workload.rate_per_s=20", "duration_s=2", "warm_up_s=0.5")


def changed(*settings: str) -> tuple[str, ...]:
    """Options for a small run with these changes as well; of two of one field the later one, for a command line takes one."""
    fields = dict(setting.split("=", 1) for setting in (*SMALL, *settings))
    return tuple(word for field, value in fields.items() for word in ("--set", f"{field}={value}"))


def short(*settings: str) -> tuple[str, ...]:
    """A small short run without faults, with these changes."""
    return ("run", "access_restart", "--short", *changed("faults=[]", *settings))


TINY, CALM = changed(), short()
CONTRACT = ["scenario", "world", "preset", "seed", "verdict", "expected", "scenario_digest", "trace_digest", "folder", "measures"]


def test_list_shows_every_scenario_with_its_question(imbench: Command) -> None:
    answer = imbench("list")
    assert answer.status == VALID
    assert "access_restart\n    A gateway is killed under load" in answer.out
    assert "\n    sweep over size, policies.backoff, admission\n" in answer.out
    assert answer.out.count("sweep over") == sum(bool(catalog.sweep(name).axes) for name in catalog.names())


def test_validate_has_the_same_exit_codes_in_its_help_as_on_its_page(imbench: Command) -> None:
    for text in (imbench("validate", "--help").out, (ROOT / "docs" / "calibration.md").read_text()):
        (codes,) = re.findall(r"Exit code: (.*?)(?:\n\n|\n[A-Z])", text, re.DOTALL)
        assert sorted(re.findall(r"\b[0-9]\b", codes)) == ["0", "1", "2", "3"]
        assert "M/M/c not beaten" in " ".join(codes.split())


def test_the_help_says_what_every_command_does_in_a_line(imbench: Command) -> None:
    assert "..." not in imbench("--help").out.partition("Commands:")[2]


def test_a_run_beside_the_server_that_was_asked_about_says_so(imbench: Command, tmp_path: Path) -> None:
    head = imbench("run", "mosquitto_restart", "--short", "--out", tmp_path).out.splitlines()[0]
    assert ": valid (expected), of the reference server; the one asked about is played live: --world live --preset qos0 (" in head
    assert "reference server" not in imbench(*CALM, "--out", tmp_path).out


def test_doctor_speaks_of_what_runs_need(imbench: Command) -> None:
    answer = imbench("doctor")
    assert answer.status == VALID
    for what in ("python", "packages", "cores", "descriptors", "sqlite", "loopback", "CPU by thread"):
        assert what in answer.out


class TestRun:
    def test_json_is_one_object_a_run_with_exactly_the_agreed_fields(self, imbench: Command, tmp_path: Path) -> None:
        answer = imbench(*CALM, "--seed", 3, "--preset", "cursor", "--preset", "naive", "--json", "--out", tmp_path)
        runs = [json.loads(line) for line in answer.out.splitlines()]
        assert [list(run) for run in runs] == [CONTRACT, CONTRACT]
        assert [(run["scenario"], run["world"], run["preset"], run["seed"]) for run in runs] == [
            ("access_restart", "sim", "cursor", 3),
            ("access_restart", "sim", "naive", 3),
        ]
        assert [run["expected"] for run in runs] == ["valid", "invalid"]
        assert all(run["trace_digest"] for run in runs)
        assert len({run["scenario_digest"] for run in runs}) == 1

    def test_its_folder_holds_the_same_verdict_and_can_be_judged_again(self, imbench: Command, tmp_path: Path) -> None:
        run = json.loads(imbench(*CALM, "--json", "--out", tmp_path).out)
        folder = RunFolder.open(Path(run["folder"]))
        assert folder.read_json("verdict.json")["verdict"] == run["verdict"] == "valid"
        measures = folder.read_json("verdict.json")["measures"]
        assert measures.pop("series")["t_s"]  # a long list, of which no program on the command line has any use
        assert measures == run["measures"]
        assert folder.manifest().complete
        for path in (folder.path, folder.path / "history.parquet"):
            answer = imbench("check", path, "--json")
            assert answer.status == VALID
            assert json.loads(answer.out)["verdict"] == "valid"

    def test_settings_reach_the_run_and_its_digest(self, imbench: Command, tmp_path: Path) -> None:
        plain = json.loads(imbench(*CALM, "--json", "--out", tmp_path).out)
        other = json.loads(imbench(*short("workload.rate_per_s=25"), "--json", "--out", tmp_path).out)
        assert other["scenario_digest"] != plain["scenario_digest"]
        assert RunFolder.open(Path(other["folder"])).read_json("scenario.json")["workload"]["rate_per_s"] == 25

    def test_without_json_a_person_reads_verdict_and_folder(self, imbench: Command, tmp_path: Path) -> None:
        answer = imbench(*CALM, "--out", tmp_path)
        first, counts, delays, last = answer.out.splitlines()
        assert first == "access_restart cursor sim seed 1: valid (expected)"
        assert counts.endswith(" messages: 0 lost, 0 shown twice, 0 out of order")
        assert delays.startswith("  end to end: p50 ")
        assert str(tmp_path) in last

    def test_the_lines_for_a_person_say_what_the_verdict_holds(self, imbench: Command, tmp_path: Path) -> None:
        kill = 'faults=[{"fault":"kill","node":"gateway-1","at_s":0.7,"back_s":1.2}]'
        answer = imbench(*short(kill, "duration_s=6", "population.group_size=8"), "--preset", "naive", "--out", tmp_path)
        _, counts, delays, fault, folder = answer.out.splitlines()
        measures = RunFolder.open(Path(folder.strip())).read_json("verdict.json")["measures"]
        live, (killed,) = measures["latency"]["end_to_end_live"], measures["recovery"]["faults"]
        lost, late = measures["owed"]["lost_messages"], measures["order"]["out_of_order"]
        assert lost > 0
        assert counts == f"  {measures['sends']['intended']} messages: {lost} lost, 0 shown twice, {late} out of order"
        assert f"p50 {live['p50_us']:.0f} µs" in delays
        assert f"max {live['max_us'] / 1e3:.3g} ms" in delays  # too few deliveries for a p99
        assert killed["reconnection"]["n"] > 1
        assert (
            f"recovered {killed['time_us'] / 1e6:.2f} s after it began, {killed['reconnection']['n']} connections lost" in fault
        )
        assert fault.startswith("  kill of gateway-1: ")

    def test_progress_goes_to_stderr_as_plain_lines(self, imbench: Command, tmp_path: Path) -> None:
        answer = imbench(*CALM, "--json", "--out", tmp_path)
        assert answer.err == "access_restart cursor sim seed 1\n"

    def test_what_the_world_lacks_is_skipped_and_never_passes(self, imbench: Command, tmp_path: Path) -> None:
        answer = imbench(*CALM, "--set", "network=satellite_geo", "--world", "live", "--json", "--out", tmp_path)
        run = json.loads(answer.out)
        assert answer.status == 2
        assert (run["verdict"], run["folder"]) == ("skipped", None)
        assert "the live world has no network but the loopback" in answer.err


class TestCheck:
    def test_json_has_a_verdict_and_anomalies_with_exactly_the_agreed_fields(self, imbench: Command, tmp_path: Path) -> None:
        kill = 'faults=[{"fault":"kill","node":"gateway-1","at_s":0.7,"back_s":1.2}]'
        run = json.loads(imbench(*short(kill), "--preset", "naive", "--json", "--out", tmp_path).out)
        answer = imbench("check", run["folder"], "--json")
        judged = json.loads(answer.out)
        assert answer.status == 1
        assert list(judged) == ["path", "verdict", "reasons", "anomalies", "not_computed"]
        assert judged["path"] == run["folder"]
        assert judged["verdict"] == "invalid"
        agreed = {"kind", "count", "messages", "fails", "witnesses", "implied_by"}
        assert {frozenset(anomaly) for anomaly in judged["anomalies"]} == {frozenset(agreed)}
        losses = [anomaly for anomaly in judged["anomalies"] if anomaly["kind"] in ("lost", "lost_stored")]
        assert losses
        assert all(anomaly["fails"] and anomaly["count"] > 0 and anomaly["witnesses"] for anomaly in losses)


def test_a_scenario_script_is_the_same_as_the_command(imbench: Command, tmp_path: Path) -> None:
    asked = subprocess.run([sys.executable, "scenarios/access_restart.py", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert asked.stdout.startswith("Usage: access_restart.py [OPTIONS]\n")  # no name, which the file has
    command = [sys.executable, "scenarios/access_restart.py", *CALM[2:], "--json", "--out", str(tmp_path)]
    script = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    expected = json.loads(imbench(*CALM, "--json", "--out", tmp_path).out)
    found = json.loads(script.stdout)
    del expected["folder"], found["folder"]
    assert found == expected
    assert script.returncode == VALID


def test_a_full_disk_is_one_line_and_leaves_what_was_written(tmp_path: Path) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    command = [sys.executable, "-m", "imbench", *CALM, "--json", "--out", str(tmp_path)]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100, preexec_fn=small_files)
    complaint = run.stderr.splitlines()[-1]
    assert run.returncode == IO_ERROR
    assert run.stdout == ""
    assert "history.parquet" in complaint
    assert "Traceback" not in run.stderr
    (partial,) = (tmp_path / "access_restart").iterdir()
    assert partial.name.endswith(".partial")
    assert not RunFolder.open(partial).manifest().complete


@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize("arguments", [("list",), ("check", PLANTED, PLANTED), ("--help",)])
def test_a_reader_that_goes_away_ends_it_like_the_signal(arguments: tuple[object, ...], buffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = ended_with(arguments, writing, buffered)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize("arguments", [("list",), ("check", PLANTED)])
def test_output_onto_a_full_disk_is_told_as_such(arguments: tuple[object, ...], buffered: str) -> None:
    with open("/dev/full", "w") as full:
        ended = ended_with(arguments, full.fileno(), buffered)
    assert ended.returncode == IO_ERROR
    assert ended.stderr == "imbench: standard output: no space left; write it where there is room\n"


def ended_with(arguments: tuple[object, ...], output: int, unbuffered: str) -> subprocess.CompletedProcess[str]:
    """The command, writing to a file that is open."""
    command = [sys.executable, "-m", "imbench", *map(str, arguments)]
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    return subprocess.run(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.PIPE, text=True, timeout=60)


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("check", "--help"), ("serve", "--help")])
def test_help_needs_nothing_heavy(arguments: list[str]) -> None:
    heavy = ("numpy", "pandas", "pyarrow", "simpy", "matplotlib", "scipy", "locust", "msgspec", "rich")
    program = f"import sys, imbench\nsys.argv = ['imbench', *{arguments!r}]\ntry: imbench.main()\nexcept SystemExit: pass\n"
    program += f"print('loaded:', [name for name in {heavy!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert "Usage: imbench" in found.stdout
    assert found.stdout.endswith("loaded: []\n")


class TestSweep:
    GRID = (
        "sweep",
        "access_restart",
        "--short",
        *TINY,
        "--set",
        "faults=[]",
        "--axis",
        "gateways=1,2",
        "--seeds",
        2,
        "--jobs",
        1,
    )

    def test_a_person_reads_a_line_for_each_point_and_where_the_tables_are(self, imbench: Command, tmp_path: Path) -> None:
        answer = imbench(*self.GRID, "--out", tmp_path)
        assert answer.status == VALID
        (folder,) = (tmp_path / "access_restart").iterdir()
        assert f"folder: {folder}" in answer.out
        lines = answer.out.splitlines()
        below = next(i for i, line in enumerate(lines) if line.startswith("───")) + 1
        assert [line.split()[0] for line in lines[below : below + 2]] == ["1", "2"]
        assert max(map(len, lines[: lines.index(f"folder: {folder}")])) <= 120
        assert answer.err == "sweep access_restart, 4 runs\n"

    @pytest.mark.parametrize(("how", "jobs"), [("environment", 1), ("option", 1), ("option", 2)])
    def test_it_is_simulated_with_the_service_times_that_are_asked_for(
        self, imbench: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, jobs: int
    ) -> None:
        def swept(times: Path, root: Path) -> Answer:
            if jobs == 1:  # processes of a pool keep the environment they were started with, and later tests use them again
                monkeypatch.setenv("IMBENCH_SERVICE_TIMES", str(times if how == "environment" else tmp_path / "ignored.json"))
            option = ("--service-times", times) if how == "option" else ()
            return imbench(*self.GRID[:-1], jobs, "--seeds", 4, *option, "--out", root, "--json")

        slow = tmp_path / "slow.json"
        slow.write_bytes(msgspec.json.encode(msgspec.structs.replace(PINNED, business_send_us=50_000.0)))
        answer = swept(slow, tmp_path)
        cpu_s = [row["mean"] for row in json.loads(answer.out)["summary"] if row["measure"] == "business_cpu_s"]
        assert min(cpu_s) > 0.05
        (folder,) = (tmp_path / "access_restart").iterdir()
        assert json.loads((folder / "sweep.json").read_text())["service_times"]["command"] == PINNED.provenance.command
        refused = swept(tmp_path / "none.json", tmp_path / "refused")
        assert refused.status == MISSING
        assert "none.json: cannot be read" in refused.err
        assert not (tmp_path / "refused").exists()

    def test_json_is_one_object(self, imbench: Command, tmp_path: Path) -> None:
        found = json.loads(imbench(*self.GRID, "--out", tmp_path, "--json").out)
        assert list(found) == ["folder", "runs", "not_counted", "interrupted", "summary"]
        assert (found["runs"], found["interrupted"]) == (4, False)
        assert {row["measure"] for row in found["summary"]} >= {"lost", "end_to_end_p99_ms", "business_cpu_s"}
        assert all(row["mean"] is None or row["n"] == 2 for row in found["summary"])

    def test_a_study_draws_its_pictures(self, imbench: Command, tmp_path: Path) -> None:
        study = ("sweep", "polling_or_push", "--short", "--axis", "workload.rate_per_s=1", "--seeds", 2, "--jobs", 1)
        answer = imbench(*study, "--out", tmp_path)
        assert "1 messages a second: fewest bytes poll every 60 s" in answer.out
        (folder,) = (tmp_path / "polling_or_push").iterdir()
        assert {path.name for path in folder.glob("*.svg")} == {"delay_s.svg", "kib_per_h.svg", "awake_share.svg"}

    def test_a_script_of_a_study_is_its_sweep(self, tmp_path: Path) -> None:
        script = [sys.executable, str(ROOT / "scenarios" / "polling_or_push.py"), "--short", "--axis", "way=none at all"]
        done = subprocess.run(
            script, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, cwd=tmp_path, check=False
        )
        assert (done.returncode, done.stdout) == (64, "")
        assert "there is no choice 'none at all'" in done.stderr
