"""What a person gets wrong is answered in one line on stderr that says what to do, with the right exit code, before anything runs."""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec
import pytest

from model.history.machine import Machine, this_machine
from model.sim.service_times import Standard, load
from scenarios.running.exits import CANNOT_CREATE, DAMAGED, MISSING, UNAVAILABLE, USAGE
from tests.cli.conftest import Answer, Command
from tests.corpus.files import FOLDER

RUN = ("run", "access_restart")
PARTITION = '{"fault":"partition","node":"gateway-1","at_s":1,"heal_s":2}'
SWEEP = ("sweep", "access_restart", "--short")
PLANTED = FOLDER / "03_lost_for_one_of_five.jsonl"


def assert_one_line(answer: Answer, status: int, *words: str) -> None:
    assert answer.status == status
    assert answer.out == ""
    assert answer.err.count("\n") == 1
    assert answer.err.startswith("imbench")
    for word in words:
        assert word in answer.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "acces_restart"), ("no scenario is called 'acces_restart'", "did you mean 'access_restart'", "imbench list")),
        ((*RUN, "--preset", "curser"), ("no preset is called 'curser'", "did you mean 'cursor'", "naive, timer, cursor")),
        ((*RUN, "--preset", "cursor", "--preset", "x"), ("no preset is called 'x'",)),
        ((*RUN, "--world", "sym"), ("'sym' is not one of 'sim', 'live', 'both'",)),
        ((*RUN, "--set", "gatways=3"), ("no field 'gatways'", "did you mean 'gateways'")),
        ((*RUN, "--set", "workload.rate=3"), ("no field 'rate'", "did you mean 'rate_per_s'", "payload_bytes")),
        ((*RUN, "--set", "faults.0.when_s=3"), ("no field 'when_s'", "at_s")),
        ((*RUN, "--set", "faults.7.at_s=3"), ("no field '7'",)),
        (("run", "standard_mix", "--set", "faults.0.back_s=3"), ("no '0' to change, for the list is empty", "as JSON")),
        (
            (*RUN, "--set", 'faults=[{"fault":"ack_lost"}]'),
            ("(an ack_lost needs node, at_s",),
        ),
        ((*RUN, "--set", "gateways.first=3"), ("nothing called 'first'",)),
        ((*RUN, "--set", "population.users=many"), ("Expected int, got str", "population.users")),
        ((*RUN, "--set", "population.users=2.5"), ("Expected int, got float", "population.users")),
        ((*RUN, "--set", "contract.quiet_us=null"), ("Expected int, got null", "contract.quiet_us")),
        (
            (*RUN, "--set", 'faults=[{"fault":"flood","node":"business"}]'),
            ("flood", "faults: kill, drain, deaf", "rolling_restart"),
        ),
        ((*RUN, "--set", "expected.cursor=splendid"), ("splendid",)),
        (
            (*RUN, "--set", "policies.ack_basis=none"),
            ("preset cursor", "send=until_definite waits for an answer", "policies.send"),
        ),
        ((*SWEEP, "--axis", "policies.ack_basis=none,received"), ("preset cursor", "send=until_definite", "policies.ack_basis")),
        ((*RUN, "--set", "contract.fails.lots=true"), ("contract.fails names 'lots'", "docs/judges.md")),
        ((*RUN, "--set", "contract.window_us=0"), ("contract.window_us is 0", "at least 1")),
        ((*RUN, "--set", "contract.retention_messages=0"), ("contract.retention_messages is 0",)),
        (
            (*RUN, "--set", 'contract.latency=[{"of":"speed","quantile":0.5,"at_most_us":1}]'),
            ("contract.latency is of 'speed'", "ack or end_to_end"),
        ),
        ((*RUN, "--set", 'workload.arrivals={"shape":"wave"}'), ("wave", "shapes: poisson, bursts, ramp")),
        ((*RUN, "--set", 'workload.arrivals={"shape":"spike","from_s":5}'), ("workload.arrivals", "to_s")),
        (
            (*RUN, "--set", 'workload.arrivals={"shape":"spike","from_s":5,"to_s":3}'),
            ("workload.arrivals.to_s is 3", "after from_s"),
        ),
        (
            (*RUN, "--set", 'workload.arrivals={"shape":"replay","path":"absent.csv"}'),
            ("absent.csv", "cannot be read", "give a trace"),
        ),
        ((*RUN, "--set", "workload.payload_bytes=tweets"), ("workload.payload_bytes is 'tweets'", "presets are sms_english")),
        ((*RUN, "--set", "workload.payload_bytes=99999"), ("workload.payload_bytes is 99999", "1 to 16384 bytes")),
        ((*RUN, "--set", 'workload.payload_bytes={"spread":"normal"}'), ("normal", "spreads: lognormal, table")),
        ((*RUN, "--set", "population.group_size=1"), ("population.group_size is 1", "2 to 1000000 members")),
        ((*RUN, "--set", 'workload.personas=[["chatty",0.4]]'), ("workload.personas", "add up to 0.4")),
        ((*RUN, "--set", 'workload.personas=[["loud",1]]'), ("workload.personas.0.0 is 'loud'", "presets are regular")),
        ((*RUN, "--set", "gateways"), ("field=value",)),
        ((*RUN, "--set", "gateways=0"), ("gateways is 0", "1 to 64")),
        (
            (*RUN, "--set", "gateways=3", "--set", "cores=2", "--set", "gateways=2"),
            ("--set gateways=2: gateways is set twice; leave one of them out",),
        ),
        ((*SWEEP, "--axis", "cores=1,2", "--set", "gateways=3", "--set", "gateways=3"), ("gateways is set twice",)),
        (("capacity", "--set", "gateways=3", "--set", "gateways=2"), ("gateways is set twice",)),
        ((*RUN, "--set", "population.group_size=500"), ("group_size is 500, more than all 200 users", "groups_per_user to 0")),
        ((*RUN, "--set", "network.tail=weibull"), ("'weibull' for network.tail (choices: exponential, lognormal)",)),
        ((*RUN, "--set", 'clocks={"nosuch":1}'), ("field nosuch for clocks (fields here: rate_ppm, offset_us, steps)",)),
        ((*RUN, "--set", 'clocks={"rate_pm":1}'), ("; did you mean 'rate_ppm'? (fields here:",)),
        ((*RUN, "--set", "duration_s=nan"), ("nan is no number", "give a finite one")),
        ((*RUN, "--set", "duration_s=-Infinity"), ("-Infinity is no number",)),
        ((*RUN, "--set", "faults.0.node=gateway-9"), ("'gateway-9'; nodes are gateway-1, gateway-2, business",)),
        ((*RUN, "--seed", "abc"), ("'--seed': 'abc' is not a whole number; see",)),
        (("capacity", "--seconds", "long"), ("'--seconds': 'long' is not a number; see",)),
        ((*RUN, "--set", "cores=0"), ("cores is 0; give 1 to 256",)),
        ((*RUN, "--set", "cores=-1"), ("cores is -1; give 1 to 256",)),
        ((*RUN, "--set", "cores=100000"), ("cores is 100000; give 1 to 256",)),
        ((*RUN, "--set", "timers.ack_timeout_max_us=500000"), ("timers.ack_timeout_max_us is 500000", "at least 1000000")),
        (
            (*RUN, "--set", "timers.ack_timeout_us=1", "--set", "timers.ack_timeout_max_us=1"),
            ("timers.ack_timeout_max_us is 1", "at least 1000,"),
        ),
        ((*RUN, "--set", "merged=true"), ("merged is one process, which has one gateway", "gateways=1", "not 2")),
        ((*RUN, "--set", "merged=true", "--set", "gateways=1", "--set", "cores=2"), ("one core; leave cores out, not 2",)),
        (
            (*RUN, "--set", "merged=true", "--set", "gateways=1", "--set", f"faults=[{PARTITION}]"),
            ("faults.0 is a partition", "nothing between them"),
        ),
        ((*RUN, "--set", "policies.drain=gently"), ("policies.drain is 'gently'", "at_once, spread, redirect")),
        ((*RUN, "--set", "population.users=-5"), ("population.users is -5",)),
        ((*RUN, "--set", "timers.heartbeat_us=0"), ("timers.heartbeat_us is 0",)),
        ((*RUN, "--set", "faults.0.node=gateway-3"), ("faults.0.node is 'gateway-3'", "gateway-1, gateway-2, business")),
        ((*RUN, "--set", "faults.0.back_s=1"), ("faults.0.back_s is 1", "after at_s")),
        (
            (*RUN, "--set", 'faults=[{"fault":"blackhole","node":"business","at_s":1,"heal_s":2}]'),
            ("faults.0.node is 'business'", "nodes are gateway-1, gateway-2"),
        ),
        (
            (*RUN, "--set", 'faults=[{"fault":"rolling_restart","nodes":["gatway-1"],"at_s":1,"down_s":2,"every_s":3}]'),
            ("faults.0.nodes.0 is 'gatway-1'", "did you mean 'gateway-1'"),
        ),
        ((*RUN, "--set", 'faults=[{"fault":"roam","node":"gateway-1","at_s":1,"share":0}]'), ("faults.0.share is 0",)),
        (
            (
                *RUN,
                "--set",
                'faults=[{"fault":"pause","node":"gatway-1","at_s":70,"heal_s":3},{"fault":"cut","node":"x","at_s":-1}]',
            ),
            (
                "faults.0.node is 'gatway-1'",
                "; faults.0.at_s is 70",
                "; faults.0.heal_s is 3",
                "; faults.1.node is 'x'",
                "; faults.1.at_s",
            ),
        ),
        (
            (*RUN, "--set", "duration_s=-1", "--set", "gateways=0"),
            ("played: gateways is 0; give 1 to 64; duration_s is -1; give",),
        ),
        (
            (*RUN, "--set", 'faults=[{"fault":"roam"}]'),
            ("field node for faults[0] (a roam needs node, at_s and may have share)",),
        ),
        ((*RUN, "--set", "faults=[" + ",".join(['{"fault":"cut","node":"x","at_s":-1}'] * 9) + "]"), ("; and 10 more",)),
        ((*RUN, "--set", "network=6g"), ("network is '6g'", "presets are", "4g")),
        ((*RUN, "--set", "network.delay_us=-1"), ("network.delay_us is -1",)),
        ((*RUN, "--set", "network.delay_us=1e99"), ("network.delay_us is 1e+99", "a day")),
        ((*RUN, "--set", "network.loss=1"), ("network.loss is 1", "0 to 0.5")),
        ((*RUN, "--set", 'network=[["4g",0.6],["3g",0.6]]'), ("network's shares add up to 1.2",)),
        ((*RUN, "--set", "clocks.rate_ppm=-3"), ("clocks.rate_ppm is -3",)),
        ((*RUN, "--set", "disk.stall_share=2"), ("disk.stall_share is 2", "0 to 1")),
        ((*RUN, "--seed", "-1"), ("--seed",)),
        ((*RUN, "--set", "policies.bakoff=fixed"), ("policies names 'bakoff'", "did you mean 'backoff'")),
        ((*RUN, "--set", "policies.admission=queue"), ("policies.admission is 'queue'", "open, token_bucket, bounded_queue")),
        ((*RUN, "--set", "login.account_us=-1"), ("login.account_us is -1",)),
        ((*RUN, "--set", "connection_life_s=-1"), ("connection_life_s is -1",)),
        ((*RUN, "--set", "timers.logins_max=0"), ("timers.logins_max is 0", "at least 1")),
        (("sweep", "access_restart"), ("access_restart declares no sweep", "--axis")),
        (
            ("run", "mosquitto_restart", "--world", "live", "--preset", "qos1", "--generators", "2"),
            ("--preset qos1", "leave --generators and --workers out"),
        ),
        ((*RUN, "--set", "network={loss: 0.1}"), ("--set network={loss: 0.1}", "the value is no JSON")),
        ((*RUN, "--set", "workload.burst=0"), ("workload.burst is 0", "at least 1")),
        ((*SWEEP, "--axis", "network.los=0,0.1"), ("--axis network.los=0", "no field 'los'", "did you mean 'loss'")),
        ((*SWEEP, "--axis", "network.loss=0,2"), ("network.loss is 2",)),
        ((*SWEEP, "--axis", "gateways=1,2", "--set", "gateways=3"), ("--set gateways=3", "the axis 'gateways' varies that")),
        (
            (*SWEEP, "--axis", "network.loss=0,0.1", "--axis", "network=4g,lan"),
            ("--axis network.loss and --axis network", "leave one"),
        ),
        ((*SWEEP, "--axis", "network=4g,3g", "--set", "network.loss=0.3"), ("the axis 'network' varies that",)),
        ((*SWEEP, "--axis", "population.users=8,9", "--set", 'population={"users":50}'), ("the axis 'population.users' varies",)),
        ((*SWEEP, "--axis", "network.loss"), ("--axis network.loss", "field=value,value")),
        ((*SWEEP, "--axis", "network.loss=0,,1"), ("field=value,value",)),
        ((*SWEEP, "--axis", "network.loss=0,0"), ("stands there twice",)),
        ((*SWEEP, "--axis", "policies.backoff=fixed,ful_jitter"), ("did you mean 'full_jitter'",)),
        (
            ("sweep", "reconnect_storm", "--axis", "backoff=fixed"),
            ("did you mean 'policies.backoff'", "axes declared: size, policies.backoff"),
        ),
        ((*SWEEP, "--axis", "seed=1,2"), ("--axis seed: there is no such field", "axes declared: none")),
        (("sweep", "reconnect_storm", "--axis", "admission=open,bukket"), ("no choice 'bukket'", "did you mean 'bucket'")),
        ((*SWEEP, "--axis", "gateways=1,2", "--preset", "curser"), ("did you mean 'cursor'",)),
        ((*SWEEP, "--axis", "gateways=1,2", "--jobs", "0"), ("--jobs",)),
        ((*SWEEP, "--axis", "population.users=" + ",".join(map(str, range(2, 10_004)))), ("10002 points", "10000")),
        ((*RUN, "--fast"), ("No such option '--fast'", "imbench run --help")),
        (("run",), ("Missing argument 'NAME'",)),
        (("rnu",), ("No such command 'rnu'",)),
        (("report",), ("Missing argument",)),
    ],
)
def test_a_wrong_command_line_is_explained(imbench: Command, arguments: list[str], words: list[str]) -> None:
    assert_one_line(imbench(*arguments), USAGE, *words)


def test_a_trace_that_the_seed_s_population_does_not_fit_is_explained_and_leaves_no_run_folder(
    imbench: Command, tmp_path: Path
) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("t_s,user,conversation\n1,1,100000\n")
    replay = f'workload.arrivals={{"shape":"replay","path":"{path}"}}'
    assert_one_line(
        imbench(*RUN, "--set", replay, "--out", tmp_path / "runs"), USAGE, "user 1 is in no conversation 100000", "the seed"
    )
    swept = imbench(*SWEEP, "--set", replay, "--axis", "gateways=1,2", "--out", tmp_path / "sweeps")
    assert swept.status == USAGE
    assert "conversation 100000" in swept.err.splitlines()[-1]
    assert "Traceback" not in swept.err
    path.write_text("t_s,user\n1,201\n")
    assert_one_line(imbench(*RUN, "--set", replay), USAGE, "user 201 is not in the population", "population.users")
    assert not (tmp_path / "runs").exists()


def test_a_refused_command_line_leaves_no_run_folder(imbench: Command, tmp_path: Path) -> None:
    imbench(*RUN, "--set", "gateways=0", "--out", tmp_path / "runs")
    imbench(*SWEEP, "--axis", "gateways=1,0", "--out", tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("command", ["check", "report"])
def test_a_sweep_is_not_judged(imbench: Command, tmp_path: Path, command: str) -> None:
    (tmp_path / "sweep.json").write_text("{}")
    assert_one_line(imbench(command, tmp_path), MISSING, "is no run folder", "a sweep compares and is not judged")


@pytest.mark.parametrize("command", ["check", "report"])
def test_what_is_not_there_cannot_be_read(imbench: Command, tmp_path: Path, command: str) -> None:
    assert_one_line(imbench(command, tmp_path / "absent"), MISSING, str(tmp_path / "absent"))


def test_a_folder_that_is_no_run_folder_is_refused(imbench: Command, tmp_path: Path) -> None:
    assert_one_line(imbench("check", tmp_path), MISSING, str(tmp_path), "imbench run")


def test_a_damaged_history_is_refused(imbench: Command, tmp_path: Path) -> None:
    path = tmp_path / "history.parquet"
    path.write_bytes(b"PAR1 and nothing else")
    assert_one_line(imbench("check", path), DAMAGED, str(path), "no whole Parquet file")


def test_a_run_folder_cannot_be_made_below_a_file(imbench: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert_one_line(imbench(*RUN, "--short", "--out", tmp_path / "file" / "runs"), CANNOT_CREATE, "--out", "IMBENCH_RUNS")


def test_a_sweep_cannot_be_made_below_a_file(imbench: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert_one_line(imbench(*SWEEP, "--axis", "gateways=1,2", "--out", tmp_path / "file" / "runs"), CANNOT_CREATE, "--out")


@pytest.mark.parametrize("folder", ["file", "absent"])
def test_a_report_is_written_into_a_folder_that_is_there(imbench: Command, tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / folder / "report.html"
    assert_one_line(imbench("report", PLANTED, "--out", out), CANNOT_CREATE, str(out.parent), "no such folder")
    assert {path.name for path in tmp_path.iterdir()} == {"file"}


@pytest.mark.parametrize("name", ["report.pdf", "report", "report.svg"])
def test_a_report_is_a_page(imbench: Command, tmp_path: Path, name: str) -> None:
    assert_one_line(imbench("report", PLANTED, "--out", tmp_path / name), USAGE, name, "ends in .html or .htm")


def test_plots_need_run_folders(imbench: Command, tmp_path: Path) -> None:
    answer = imbench("report", PLANTED, "--out", tmp_path / "report.html", "--plots")
    assert_one_line(answer, USAGE, "--plots", str(PLANTED))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["check", "report", "convert", "explain"])
def test_every_command_says_the_same_of_a_folder_that_holds_histories(imbench: Command, tmp_path: Path, command: str) -> None:
    more: dict[str, list[object]] = {
        "convert": [tmp_path / "h.jsonl"],
        "explain": ["a/x"],
        "report": ["--out", tmp_path / "r.html"],
        "check": [],
    }
    assert_one_line(imbench(command, PLANTED.parent, *more[command]), MISSING, "is no run folder", "history files in it, such as")


class TestServiceTimes:
    def test_another_format_is_refused(self, imbench: Command, tmp_path: Path) -> None:
        (tmp_path / "old.json").write_text('{"gateway_turn_us": 60.1}')
        answer = imbench(*RUN, "--short", "--service-times", tmp_path / "old.json", "--out", tmp_path / "runs")
        assert_one_line(answer, DAMAGED, "old.json", "is a calibration of format 1", "imbench calibrate")
        assert not (tmp_path / "runs").exists()

    def test_what_is_no_calibration_is_not_called_one(self, imbench: Command, tmp_path: Path) -> None:
        (tmp_path / "other.json").write_text("{}")
        answer = imbench(*RUN, "--short", "--service-times", tmp_path / "other.json", "--out", tmp_path / "runs")
        assert_one_line(answer, DAMAGED, "other.json: is no calibration", "imbench calibrate")

    def test_a_distribution_out_of_order_is_refused(self, imbench: Command, tmp_path: Path) -> None:
        first, *others = load().storage_sync_us
        turned = msgspec.structs.replace(load(), storage_sync_us=(first[::-1], *others))
        (tmp_path / "turned.json").write_bytes(msgspec.json.encode(turned))
        answer = imbench(*RUN, "--short", "--service-times", tmp_path / "turned.json", "--out", tmp_path / "runs")
        assert_one_line(answer, DAMAGED, "storage_sync_us is not in ascending order")

    def test_what_is_not_there_is_named_wherever_it_was_asked_for(
        self, imbench: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("IMBENCH_SERVICE_TIMES", str(tmp_path / "absent.json"))
        assert_one_line(imbench(*RUN, "--short", "--out", tmp_path / "runs"), MISSING, "absent.json", "cannot be read")
        assert_one_line(imbench("validate", "--out", tmp_path / "v"), MISSING, "absent.json", "cannot be read")
        assert not (tmp_path / "v").exists()

    def test_one_of_another_machine_is_used_and_warned_about_in_one_line(self, imbench: Command, tmp_path: Path) -> None:
        times = load()
        elsewhere = msgspec.structs.replace(times.provenance, machine=Machine(cpu="a Cray", cores=1, python="2.7"))
        path = tmp_path / "theirs.json"
        path.write_bytes(msgspec.json.encode(msgspec.structs.replace(times, provenance=elsewhere)))
        answer = imbench(*RUN, "--short", "--service-times", path, "--out", tmp_path / "runs")
        warnings = [line for line in answer.err.splitlines() if "warning" in line]
        assert answer.status == 0
        assert len(warnings) == 1
        assert "theirs.json: was measured on another machine (CPU a Cray, not " in warnings[0]
        (found,) = (tmp_path / "runs").glob("*/*/metrics.json")
        assert '"a Cray"' in found.read_text()

    def test_a_calibration_is_a_json_file_in_a_folder_that_is_there(self, imbench: Command, tmp_path: Path) -> None:
        assert_one_line(imbench("calibrate", "--out", tmp_path / "times.toml"), USAGE, "times.toml", "ends in .json")
        assert_one_line(imbench("calibrate", "--out", tmp_path / "absent" / "t.json"), CANNOT_CREATE, "no such folder")
        assert_one_line(imbench("calibrate", "--seconds", "0.9"), USAGE, "--seconds", "imbench calibrate --help")

    def test_a_validation_needs_a_calibration_with_two_loads_and_a_folder_of_its_own(
        self, imbench: Command, tmp_path: Path
    ) -> None:
        plain, whole = tmp_path / "plain.json", tmp_path / "whole.json"
        here = msgspec.structs.replace(load().provenance, machine=this_machine())
        times = msgspec.structs.replace(load(), standard=(), provenance=here)
        plain.write_bytes(msgspec.json.encode(times))
        assert_one_line(imbench("validate", "--calibration", plain, "--out", tmp_path / "v"), USAGE, "two loads")
        load_point = Standard(1_000.0, 2_500.0, 0.3, 1_500.0, 1_400.0, 2_000.0, 2_500.0)
        whole.write_bytes(msgspec.json.encode(msgspec.structs.replace(times, standard=(load_point, load_point))))
        assert_one_line(imbench("validate", "--calibration", whole, "--out", tmp_path), CANNOT_CREATE, "is not empty", "--out")


class TestServe:
    def test_needs_an_existing_data_folder(self, imbench: Command, tmp_path: Path) -> None:
        answer = imbench("serve", "--data", tmp_path / "absent")
        assert_one_line(answer, MISSING, f"{tmp_path / 'absent'}: there is no such folder", "mkdir -p")

    def test_a_port_in_use_is_named(self, imbench: Command, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            answer = imbench("serve", "--data", tmp_path, "--gateways", 1, "--port", port)
        assert_one_line(answer, UNAVAILABLE, str(port), "--port")

    def test_ports_end_at_65535(self, imbench: Command, tmp_path: Path) -> None:
        assert_one_line(imbench("serve", "--data", tmp_path, "--port", 65535), USAGE, "65535")

    def test_an_unknown_preset_is_named(self, imbench: Command, tmp_path: Path) -> None:
        assert_one_line(imbench("serve", "--data", tmp_path, "--preset", "curser"), USAGE, "did you mean 'cursor'")

    def test_a_missing_secret_file_is_named(self, imbench: Command, tmp_path: Path) -> None:
        answer = imbench("serve", "--data", tmp_path, "--secret-file", tmp_path / "absent")
        assert_one_line(answer, MISSING, f"{tmp_path / 'absent'}", "openssl rand -hex 32")

    @pytest.mark.parametrize("secret", ["short", "abcd", "not hexadecimal, though it is long enough"])
    def test_a_weak_secret_is_refused_and_not_repeated(self, imbench: Command, tmp_path: Path, secret: str) -> None:
        path = tmp_path / "secret"
        path.write_text(secret)
        answer = imbench("serve", "--data", tmp_path, "--secret-file", path)
        assert_one_line(answer, DAMAGED, str(path))
        assert secret not in answer.err.replace(str(path), "")


def test_an_empty_command_line_shows_the_help(imbench: Command) -> None:
    answer = imbench()
    assert "Usage: imbench" in answer.err + answer.out


def test_runs_need_a_place_outside_a_checkout(imbench: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IMBENCH_RUNS", raising=False)
    monkeypatch.setattr("scenarios.running.run.ROOT", Path(tmp_path))
    assert_one_line(imbench(*RUN, "--short"), USAGE, "--out", "IMBENCH_RUNS")


def test_a_history_whose_contract_cannot_be_judged_by_is_refused(imbench: Command, tmp_path: Path) -> None:
    (tmp_path / "h.jsonl").write_text('{"world":"mine","contract":{"fails":{"lots":true}}}\n')
    assert_one_line(imbench("check", tmp_path / "h.jsonl"), DAMAGED, "h.jsonl", "contract.fails names 'lots'")
