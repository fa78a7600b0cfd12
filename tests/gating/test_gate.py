"""The exact gate: what is the same is silent, and whatever differs is named as a person would name it, with the event where it begins."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from model.core.business import BusinessNode
from model.core.inbox import Inbox
from model.scenario.comparison import Baseline, Case, Comparison, Difference
from model.sim.service_times import PATH, load
from reports.regression import contract, exact
from reports.regression.text import told
from scenarios.gating import baselines, cases, command, compare
from scenarios.gating.play import flat, play, scenario_of
from scenarios.running.exits import CANNOT_CREATE, DAMAGED, MISSING, REGRESSED, USAGE, VALID, CannotRun
from scenarios.running.progress import Silent
from tests.cli.conftest import Command, imbench
from tests.hunt.mutants import Mutant

__all__ = ["imbench"]
RESTART = next(case for case in cases.CASES if (case.scenario, case.preset) == ("access_restart", "cursor"))


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the baseline of every case, as the code is now."""
    folder = tmp_path_factory.mktemp("baselines")
    command.gate((), folder, Silent(), accept="the first")
    return folder


def gated(folder: Path) -> Comparison:
    return command.gate(("access_restart",), folder, Silent())


class TestCommitted:
    """What stands in the repository."""

    def test_every_case_has_its_baseline_and_there_is_no_other(self) -> None:
        assert sorted(path.stem for path in baselines.FOLDER.glob("*.json")) == sorted(case.name for case in cases.CASES)
        assert sorted(path.stem for path in baselines.FOLDER.glob("*.parquet")) == sorted(case.name for case in cases.CASES)

    @pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.name)
    def test_it_was_accepted_with_a_reason_for_the_case_that_is_played(self, case: Case) -> None:
        kept = baselines.read(baselines.FOLDER, case)
        assert kept is not None
        assert kept[0].case == case
        assert all(one.reason for one in kept[0].accepted)

    @pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.name)
    def test_a_case_is_short_and_something_happens_in_it(self, case: Case) -> None:
        played = play(case, load(PATH))
        assert len(played.history) < 10_000
        assert played.measures["sends.intended"]
        assert scenario_of(case).expected.get(case.preset, played.measures["verdict"]) == played.measures["verdict"]


class TestSame:
    def test_what_was_not_changed_is_the_same(self, accepted: Path) -> None:
        result = gated(accepted)
        assert result.same
        assert command.exit_code(result) == VALID
        assert exact.report(result).headline.startswith("SAME: 3 cases are what they were, in ")

    def test_accepting_it_again_writes_nothing(self, accepted: Path) -> None:
        before = {path: path.stat().st_mtime_ns for path in accepted.iterdir()}
        command.gate(("access_restart",), accepted, Silent(), accept="nothing is new")
        assert before == {path: path.stat().st_mtime_ns for path in accepted.iterdir()}


class TestChanged:
    """Planted changes of the rules. The first line is what a person reads in a log."""

    @pytest.mark.parametrize(
        ("mutant", "line"),
        [
            (
                Mutant("loss", Inbox._place, "if message.conversation_seq > conversation.received_upto + 1:", "if False:"),
                "CHANGED: access_restart cursor: verdict: valid -> invalid, messages lost: 0 -> ",  # a watermark past a gap
            ),
            (
                Mutant(
                    "frame",
                    Inbox._acknowledge,
                    "out.append(Write(self.connection, ack))",
                    "out += 2 * [Write(self.connection, ack)]",
                ),
                "CHANGED: access_restart cursor: frames to devices: ",  # each is confirmed
            ),
            (
                Mutant("dedupe", BusinessNode._send, 'self.policies.server_dedupe == "durable"', "False"),
                "CHANGED: access_restart cursor: verdict: valid -> invalid, messages shown twice: 0 -> ",
            ),
        ],
        ids=lambda value: value.name if isinstance(value, Mutant) else "",
    )
    def test_it_is_named_in_the_first_line(self, accepted: Path, mutant: Mutant, line: str) -> None:
        with mutant.made():
            result = gated(accepted)
        assert exact.report(result).headline.startswith(line)
        assert command.exit_code(result) == REGRESSED

    def test_the_event_at_which_traces_part_is_told_from_both_sides(self, accepted: Path) -> None:
        with Mutant("loss", Inbox._place, "if message.conversation_seq > conversation.received_upto + 1:", "if False:").made():
            result = gated(accepted)
        cursor = next(one for one in result.cases if one.case.preset == "cursor")
        assert cursor.parting is not None
        kept = baselines.read(accepted, RESTART)
        assert kept is not None
        with Mutant("loss", Inbox._place, "if message.conversation_seq > conversation.received_upto + 1:", "if False:").made():
            other = play(RESTART, load(PATH)).history
        k = cursor.parting.row
        assert (kept[1].t_us[:k] == other.t_us[:k]).all()
        assert (kept[1].kind[:k] == other.kind[:k]).all()
        assert cursor.parting.base != cursor.parting.candidate
        assert f"  the traces part at event {k:,}:" in told(exact.report(result))

    def test_a_change_of_what_goes_in_is_not_blamed_on_the_rules(self, accepted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        dearer = msgspec.structs.replace(load(PATH), gateway_write_us=99.0)
        monkeypatch.setattr(command, "load", lambda path: dearer)
        line = exact.report(gated(accepted)).headline
        assert "what goes in was changed: service_times.gateway_write_us: " in line
        assert " -> 99" in line

    def test_what_is_better_differs_too(self) -> None:
        found = compare.differences({"owed.lost_pairs": 12}, {"owed.lost_pairs": 0})
        assert list(found) == [Difference("owed.lost_pairs", 12, 0)]

    def test_a_measure_that_came_or_went_differs(self) -> None:
        found = list(
            compare.differences({"gone": 0, "kept": 1}, {"came": "x", "kept": 1, "a field that is new and not used": None})
        )
        assert found == [Difference("came", None, "x"), Difference("gone", 0, None)]


class TestAccepting:
    def test_reasons_are_kept_one_after_the_other(self, tmp_path: Path) -> None:
        command.gate(("standard_mix",), tmp_path, Silent(), accept="the first")
        with Mutant(
            "frame", Inbox._acknowledge, "out.append(Write(self.connection, ack))", "out += 2 * [Write(self.connection, ack)]"
        ).made():
            command.gate(("standard_mix",), tmp_path, Silent(), accept=" acks are said twice ")
        kept = baselines.read(tmp_path, next(case for case in cases.CASES if case.scenario == "standard_mix"))
        assert kept is not None
        assert [one.reason for one in kept[0].accepted] == ["the first", "acks are said twice"]

    def test_without_a_reason_nothing_is_taken_over(self, tmp_path: Path) -> None:
        with pytest.raises(CannotRun, match="needs a reason"):
            command.gate((), tmp_path, Silent(), accept="  ")
        assert not list(tmp_path.iterdir())

    def test_a_folder_that_cannot_be_written_leaves_what_was_there(self, tmp_path: Path) -> None:
        (tmp_path / "baselines").write_text("a file")
        with pytest.raises(CannotRun, match="cannot be written"):
            command.gate(("standard_mix",), tmp_path / "baselines", Silent(), accept="why not")
        assert (tmp_path / "baselines").read_text() == "a file"


class TestMissing:
    def test_a_missing_baseline_is_never_green(self, tmp_path: Path) -> None:
        result = gated(tmp_path)
        assert {one.answer for one in result.cases} == {"no_baseline"}
        assert command.exit_code(result) == MISSING
        assert exact.report(result).headline.startswith(
            "NO BASELINE: access_restart cursor: it has never been accepted; imbench gate --accept"
        )

    @pytest.mark.parametrize(
        ("text", "why"), [(b"{", "cannot be read"), (b'{"version": 99}', "is of version 99, and this imbench reads 1")]
    )
    def test_one_that_cannot_be_read_is_refused_in_a_line(self, accepted: Path, tmp_path: Path, text: bytes, why: str) -> None:
        for path in accepted.iterdir():
            (tmp_path / path.name).write_bytes(path.read_bytes())
        (tmp_path / f"{RESTART.name}.json").write_bytes(text)
        with pytest.raises(CannotRun, match=why) as refused:
            gated(tmp_path)
        assert refused.value.status == DAMAGED

    def test_an_unknown_scenario_is_answered_with_the_nearest(self) -> None:
        with pytest.raises(CannotRun, match="did you mean 'access_restart'"):
            command.chosen(["acess_restart"])


class TestWords:
    @pytest.mark.parametrize(
        ("difference", "text"),
        [
            (Difference("roles.links.frames_down", 1200, 1320), "frames to devices: 1,200 -> 1,320 (+10.0 %)"),
            (Difference("anomalies.lost", None, 3), "violations of kind lost: none -> 3"),
            (Difference("latency.end_to_end_live.p99_us", 2181.0, 1090.5), "end to end p99_us: 2,181 -> 1,090.5 (-50.0 %)"),
            (Difference("verdict", "valid", "invalid"), "verdict: valid -> invalid"),
            (Difference("availability.all.at_least", False, True), "availability.all.at_least: False -> True"),
        ],
    )
    def test_a_difference_in_a_line(self, difference: Difference, text: str) -> None:
        assert exact.difference(difference) == text


def test_long_lists_stand_there_by_their_digest() -> None:
    assert flat({"a": {"b": [1, 2]}, "table": list(range(17)), "curve": [1]}).keys() == {"a.b.0", "a.b.1", "table"}
    assert flat({"table": list(range(17))}) != flat({"table": list(range(1, 18))})


def test_the_command_says_so_and_ends_so(imbench: Command, tmp_path: Path) -> None:
    answer = imbench("gate", "standard_mix", "--baselines", tmp_path)
    assert (answer.status, answer.out.splitlines()[0][:11]) == (MISSING, "NO BASELINE")
    assert imbench("gate", "standard_mix", "--baselines", tmp_path, "--accept", "the first").status == VALID
    assert imbench("gate", "standard_mix", "--baselines", tmp_path).out.startswith("SAME: 1 case")
    kept = msgspec.json.decode(next(tmp_path.glob("*.json")).read_bytes(), type=Baseline)
    assert kept.accepted[0].reason == "the first"


class TestForms:
    """The forms of the report, beside the text."""

    def test_each_is_written_where_it_was_asked_for(self, imbench: Command, tmp_path: Path) -> None:
        places = {"--markdown": tmp_path / "gate.md", "--junit": tmp_path / "gate.xml", "--html": tmp_path / "gate.html"}
        asked = [word for option, path in places.items() for word in (option, path)]
        answer = imbench("gate", "standard_mix", "--baselines", tmp_path / "none", *asked, "--json")
        assert answer.status == MISSING
        assert contract.decoded(answer.out).answer == "NO BASELINE"
        assert places["--markdown"].read_text().startswith("**NO BASELINE**: standard")
        assert ElementTree.parse(places["--junit"]).getroot().get("errors") == "1"
        assert "NO BASELINE" in places["--html"].read_text()

    @pytest.mark.parametrize(
        ("option", "file", "why", "status"),
        [
            ("--html", "no/such/page.html", "there is no such folder to write into", CANNOT_CREATE),
            ("--junit", "gate.json", "would be no xml file by its name", USAGE),
        ],
    )
    def test_a_place_that_cannot_be_is_told_before_anything_is_played(
        self, imbench: Command, tmp_path: Path, option: str, file: str, why: str, status: int
    ) -> None:
        answer = imbench("gate", "--baselines", tmp_path / "none", option, tmp_path / file)
        assert (answer.status, answer.out) == (status, "")
        assert why in answer.err
        assert not list(tmp_path.iterdir())
