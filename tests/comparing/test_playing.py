"""One run of a side: what is taken from it, and what a build that is not what it seems comes to."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.history.machine import Machine
from model.scenario.paired_comparison import Side
from scenarios.comparing import builds, playing
from scenarios.comparing import command as comparing
from scenarios.comparing.builds import Build
from scenarios.comparing.noise import Noise
from scenarios.comparing.playing import Case, Player, taken
from scenarios.running import catalog, settings
from scenarios.running.exits import SOFTWARE, UNAVAILABLE, USAGE, CannotRun
from scenarios.running.progress import Silent
from scenarios.running.run import Judged, run

HERE = Machine()
SMALL = settings.apply(catalog.short("standard_mix"), ["population.users=10", "duration_s=0.5", "workload.rate_per_s=40"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = run(SMALL, "sim", "cursor", 1, tmp_path_factory.mktemp("runs"), Silent()).folder
    assert found is not None
    return found


def anomaly(kind: str, fails: bool = True) -> dict[str, Any]:
    return {"kind": kind, "fails": fails, "count": 2, "witnesses": [{"text": f"a {kind}"}]}


def judged(monkeypatch: pytest.MonkeyPatch, *kinds: str) -> None:
    found = Judged("invalid", [anomaly(kind) for kind in kinds], {"recovery": {"time_us": 5}}, ())
    monkeypatch.setattr(playing, "judge_safely", lambda history: found)


class TestTaken:
    def test_what_is_proven_against_the_product_comes_before_the_harness(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        judged(monkeypatch, "lost", "generator_lag")
        found = taken(folder)
        assert found.failing == {"lost": (2, "a lost")}
        assert not found.nothing  # or the run is played again, and the loss with it forgotten
        assert not found.figures

    @pytest.mark.parametrize(("kind", "unclear"), [("generator_lag", False), ("truncated", True), ("drain_incomplete", True)])
    def test_whose_doing_it_is_that_a_run_says_nothing(
        self, kind: str, unclear: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        judged(monkeypatch, kind)
        found = taken(folder)
        assert (found.nothing, found.unclear, found.figures) == (f"{kind}: a {kind}", unclear, {})


class TestPlayer:
    @pytest.mark.parametrize("says", ["print('{')", "print('{}')", "print('[1]')", "print('null')"])
    def test_a_build_that_answers_in_another_way_is_refused_in_a_line(self, says: str, tmp_path: Path) -> None:
        (tmp_path / "imbench.py").write_text(f"import sys\n{says}\nsys.exit(2)\n")
        player = Player(Build(tmp_path, sys.executable), tmp_path / "runs", tmp_path / "log")
        with pytest.raises(CannotRun, match="cannot play standard_mix cursor") as refused:
            player.play(Case("standard_mix"), 1)
        assert refused.value.status == SOFTWARE  # and no verdict's code

    def test_a_run_that_never_ends_says_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        goes_on = "print('up', flush=True)\ntime.sleep(60)"
        (tmp_path / "imbench.py").write_text(
            f"import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n{goes_on}"
        )
        monkeypatch.setattr(playing, "_last_line", lambda started: started.line(30) and "")
        assert Player(Build(tmp_path, sys.executable), tmp_path / "runs", tmp_path / "log").play(Case("standard_mix"), 1) is None

    def test_a_side_that_never_plays_is_given_up_with_its_last_words(self, tmp_path: Path) -> None:
        player = Player(Build(tmp_path, sys.executable), tmp_path / "candidate", tmp_path / "log")
        (tmp_path / "imbench.py").write_text(
            "import sys\nprint('imbench: the server did not start: no bracket', file=sys.stderr)\nsys.exit(69)\n"
        )
        assert [player.play(Case("standard_mix"), seed) for seed in range(playing.IN_VAIN_MAX - 1)] == [None] * 2
        with pytest.raises(
            CannotRun, match="the candidate does not play standard_mix cursor: the server did not start"
        ) as refused:
            player.play(Case("standard_mix"), 3)
        assert refused.value.status == UNAVAILABLE

    def test_a_run_that_left_nothing_says_what_it_ended_with(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A candidate that does not start is found in the report, and not in a log of a job that is gone."""

        def play(player: Player, case: Case, seed: int) -> None:
            player.logs.write_text(
                "imbench: the server did not start: SyntaxError: '(' was never closed (log: runs/server.log)\n"
            )

        monkeypatch.setattr(Player, "play", play)
        monkeypatch.setattr(builds, "built", lambda *_: Build(tmp_path, sys.executable))
        side, case = Side("x", "revision", "x subject", "x"), Case("standard_mix")
        wanted = comparing.Asked(side, side, (case,), {case.name: SMALL.digest()}, 9, HERE, Noise(HERE), tmp_path)
        found = comparing._players(wanted, tmp_path, tmp_path, Silent())("candidate", case, 1)
        assert found.unclear
        assert found.nothing.startswith(
            "the run left nothing: the server did not start: SyntaxError: '(' was never closed (log: "
        )
        assert found.nothing.endswith("candidate.log)")
        (tmp_path / "logs" / "candidate.log").unlink()
        assert not Player(Build(tmp_path, sys.executable), tmp_path, tmp_path / "logs" / "candidate.log").last_words()

    def test_a_build_with_another_form_of_the_scenario_is_refused(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its load would pass for a change of its speed."""
        monkeypatch.setattr(Player, "play", lambda self, case, seed: folder)
        monkeypatch.setattr(builds, "built", lambda *_: Build(tmp_path, sys.executable))
        side = Side("x", "revision", "x subject", "x")
        case = Case("standard_mix")
        wanted = comparing.Asked(
            side,
            side,
            (case,),
            {case.name: SMALL.digest()},
            9,
            HERE,
            Noise(HERE),
            tmp_path,
        )
        assert not comparing._players(wanted, tmp_path, tmp_path, Silent())("base", case, 1).nothing
        other = replace(wanted, digests={case.name: "another"})
        (tmp_path / "logs").rmdir()
        with pytest.raises(
            CannotRun, match=r"'x' .* plays another form of standard_mix cursor than this checkout does"
        ) as refused:
            comparing._players(other, tmp_path, tmp_path, Silent())("base", case, 1)
        assert refused.value.status == USAGE
