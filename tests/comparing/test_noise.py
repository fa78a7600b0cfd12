"""The noise of machines: kept by machine and case, and what a floor is."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from model.analysis.noise import floor, simulated, tallied
from model.analysis.regressions import Gated
from model.history.machine import Machine
from scenarios.comparing import noise
from scenarios.running.exits import DAMAGED, CannotRun

HERE, THERE = Machine("this CPU", 2, python="3.11.7"), Machine("that CPU", 2, python="3.11.7")
CASE = noise.key("standard_mix cursor", "ab12")


class TestKept:
    def test_what_was_added_is_found_again_with_what_was_there(self, tmp_path: Path) -> None:
        noise.add(tmp_path / "noise", HERE, {CASE: [{"rows": 0.1}, {"rows": -0.2}]})
        noise.add(tmp_path / "noise", HERE, {CASE: [{"cpu_gateway_us": 0.3}]})
        found = noise.read(tmp_path / "noise", HERE)
        assert noise.ratios(found, CASE, "rows") == [0.1, -0.2]
        assert noise.ratios(found, CASE, "cpu_gateway_us") == [0.3]
        assert noise.ratios(found, "another case", "rows") == []

    def test_what_another_comparison_added_meanwhile_stays(self, tmp_path: Path) -> None:
        noise.read(tmp_path, HERE)  # as one does that plays for ten minutes from now on
        noise.add(tmp_path, HERE, {CASE: [{"rows": 0.1}]})
        noise.add(tmp_path, HERE, {CASE: [{"rows": 0.2}]})
        assert noise.ratios(noise.read(tmp_path, HERE), CASE, "rows") == [0.1, 0.2]

    def test_the_newest_are_kept(self, tmp_path: Path) -> None:
        noise.add(tmp_path, HERE, {CASE: [{"rows": float(n)} for n in range(noise.KEPT + 5)]})
        assert noise.ratios(noise.read(tmp_path, HERE), CASE, "rows")[0] == 5.0

    def test_the_noise_of_another_machine_is_none(self, tmp_path: Path) -> None:
        noise.add(tmp_path, HERE, {CASE: [{"rows": 0.1}]})
        assert noise.read(tmp_path, THERE).cases == {}

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("{", "cannot be read"),
            ('{"version": 9}', "is of version 9, and this imbench reads 1"),
            ('{"version": 1, "machine": {"cpu": "that CPU"}}', "is the noise of another machine"),
        ],
    )
    def test_a_file_that_cannot_be_used_is_refused_in_a_line(self, tmp_path: Path, text: str, why: str) -> None:
        noise.where(tmp_path, HERE).write_text(text)
        with pytest.raises(CannotRun, match=why) as refused:
            noise.read(tmp_path, HERE)
        assert refused.value.status == DAMAGED


class TestFloor:
    def test_of_nothing_there_is_none(self) -> None:
        assert floor([], 10, np.random.default_rng(1)) == 0.0

    def test_one_size_of_noise_is_its_own_floor(self) -> None:
        assert floor([0.1, -0.1], 9, np.random.default_rng(1)) == pytest.approx(0.1)

    def test_more_pairs_lower_it(self) -> None:
        ratios = list(np.random.default_rng(1).normal(0, 0.1, 2_000))
        few, many = (floor(ratios, pairs, np.random.default_rng(1)) for pairs in (5, 20))
        assert many < 0.7 * few
        median_of_many = 1.96 * 0.1 * math.sqrt(math.pi / 2 / 20)  # of the median of normal values
        assert many == pytest.approx(median_of_many, rel=0.1)


NOISE = {name: list(np.random.default_rng(seed).normal(0, 0.04, 40)) for seed, name in enumerate(("cpu", "p99", "memory"))}
GATES = {name: Gated(math.log(1.05)) for name in NOISE}


class TestSimulated:
    def shares(self, worse: dict[str, float], measure: str | None = None) -> dict[str, float]:
        luck = np.random.default_rng(5)
        found = tallied((simulated(NOISE, GATES, 10, luck, worse) for _ in range(200)), measure)
        return {answer: count / 200 for answer, count in found.items()}

    def test_of_equal_builds_hardly_any_report_has_an_alarm(self) -> None:
        assert self.shares({}).get("REGRESSED", 0) <= 0.05

    def test_what_is_a_third_worse_is_called_so(self) -> None:
        assert self.shares({"cpu": math.log(1.3)}, "cpu")["REGRESSED"] >= 0.95

    def test_the_gravest_answer_is_that_of_the_report(self) -> None:
        assert self.shares({"cpu": math.log(1.3)})["REGRESSED"] >= 0.95
