"""What a report says, in words: the first line as a person would say it, every finding in a sentence, the most telling first."""

from __future__ import annotations

import msgspec
import pytest

from model.scenario.comparison import Case, CaseResult, Comparison, Difference
from model.scenario.paired_comparison import PairedComparison, PlayedCase
from reports.regression import exact, paired
from reports.regression.effects import amount
from reports.regression.text import told
from tests.reports.regression.planted import (
    EVERYTHING,
    EXACT,
    IMPROVED,
    LAGGED,
    LOST,
    LOWER,
    OPEN,
    REGISTERED_TWICE,
    REGRESSED,
    REPLACED,
    RESTART,
    SAME,
    SLOWER,
    UNKNOWN,
    measured,
)
from tests.reports.regression.planted import paired as planted

MIX = "standard_mix cursor"


class TestHeadline:
    @pytest.mark.parametrize(
        ("comparison", "line"),
        [
            (
                planted(REGRESSED, SAME),
                f"REGRESSED: {MIX}: CPU of gateways per delivered message is 31 % more (27 to 36 %), again 30 % on fresh processes; "
                "5 % matter, noise 3 %",
            ),
            (
                planted(SLOWER),
                f"REGRESSED: {MIX}: p99 end to end is 18 % longer (14 to 23 %), again 16 % on fresh processes; 10 % matter, noise 6 %",
            ),
            (
                planted(LOWER, OPEN),
                f"REGRESSED: {MIX}: goodput is 20 % lower (17 to 23 %), again 19 % on fresh processes; 4.8 % matter, noise 2.9 %; "
                "1 inconclusive",
            ),
            (
                planted(REGRESSED, LOST),
                f"REGRESSED: {RESTART}: 3 deliveries lost (kind lost, seed 4), none in the base; 1 more regressed",
            ),
            (
                planted(REGISTERED_TWICE),
                f"REGRESSED: {RESTART}: 5 anomalies of kind seq_conflict (two messages at one position, seed 2, in 3 runs), "
                "none in the base",
            ),
            (
                planted(OPEN, SAME),
                f"INCONCLUSIVE: {MIX}: p99 end to end is not known to within 25 %: about 41 pairs would show it, and 20 are the most: "
                "it takes longer runs or a quieter machine; so far 4 % longer (10 % shorter to 30 % longer); a change of 40 % would "
                "have been seen",
            ),
            (
                planted(
                    measured(
                        "cpu_gateway_us", "INCONCLUSIVE", 1.46, low=1.19, high=1.54, floor=1.15, detectable=1.9, pairs_needed=56
                    )
                ),
                f"INCONCLUSIVE: {MIX}: CPU of gateways per delivered message looks 46 % more (19 to 54 %), which is not proven among "
                "so many measures: more pairs would tell; a change of 90 % would have been seen; 5 % matter, noise 15 %",
            ),
            (
                planted(
                    measured(
                        "goodput_per_s", "INCONCLUSIVE", 0.8, low=0.7, high=0.9, floor=1.08, detectable=None, pairs_needed=12
                    )
                ),
                f"INCONCLUSIVE: {MIX}: goodput looks 25 % higher (11 to 43 %), which is not proven among so many measures: more pairs "
                "would tell; 4.8 % matter, noise 7.4 %",
            ),
            (
                planted(measured("p50_us", "INCONCLUSIVE", 1.04, low=0.98, high=1.1, detectable=None, pairs_needed=14)),
                f"INCONCLUSIVE: {MIX}: p50 end to end is not known to within 5 %: about 14 pairs would show it; "
                "so far 4 % longer (2 % shorter to 10 % longer)",
            ),
            (
                planted(measured("p50_us", "INCONCLUSIVE", 1.2, again=0.99, low=None, high=None, detectable=None)),
                f"INCONCLUSIVE: {MIX}: p50 end to end is not known to within 5 %: so far 20 % longer (too few pairs for an interval); "
                "suspected, but 1 % shorter on fresh processes",
            ),
            (
                planted(UNKNOWN),
                f"INCONCLUSIVE: {MIX}: p99 end to end could not be compared: fewer than 100 deliveries in a run",
            ),
            (planted(IMPROVED, SAME), f"IMPROVED: {MIX}: memory of gateways is 20 % less (17 to 22 %); 5 % matter, noise 3 %"),
            (planted(SAME), "EQUIVALENT: 1 measure of 1 case is the same to within what matters (5 %)"),
            (
                planted(SAME, measured("p99_us", "EQUIVALENT", matters=1.25, case=RESTART)),
                "EQUIVALENT: 2 measures of 2 cases are the same to within what matters (5 to 25 %)",
            ),
            (
                planted(SAME, LAGGED),
                f"HARNESS: {MIX}: a run of the candidate (seed 3) says nothing of it, and its pair is missing: "
                "the load generator was late by 1.2 s",
            ),
            (planted(), "HARNESS: nothing was measured"),
            (
                planted(SAME, msgspec.structs.replace(LAGGED, replaced=True, unclear=True)),
                f"HARNESS: {MIX}: 1 run of the candidate and 0 of the base said nothing, which may be the candidate's own doing: "
                "the load generator was late by 1.2 s (seed 3)",
            ),
            (
                planted(SAME, cases=(PlayedCase("standard_mix", "cursor", (), 8), PlayedCase("access_restart", "cursor", (), 8))),
                f"HARNESS: {RESTART}: no measure has figures of both sides",
            ),
            (
                planted(SAME, msgspec.structs.replace(LOST, count=30, runs=10, base=3)),
                f"REGRESSED: {RESTART}: 30 deliveries lost (kind lost, seed 4, in 10 runs), 3 in the base",
            ),
            (planted(SAME, REPLACED), "EQUIVALENT: 1 measure of 1 case is the same to within what matters (5 %)"),
            (
                planted(SAME, same=True),
                "EQUIVALENT: 1 measure of 1 case is the same to within what matters (5 %); both sides are one build: "
                "this is the noise of the machine",
            ),
        ],
    )
    def test_of_pairs(self, comparison: PairedComparison, line: str) -> None:
        assert paired.report(comparison).headline == line

    def test_a_regression_between_two_runs_of_one_build_is_called_what_it_is(self) -> None:
        assert paired.report(planted(REGRESSED, same=True)).headline.endswith("both sides are one build: this is a false alarm")

    @pytest.mark.parametrize(
        ("cases", "line"),
        [
            (
                EXACT.cases,
                "CHANGED: access_restart cursor: frames to devices: 3,565 -> 4,780 (+34.1 %), and 21 more; 1 case without a baseline",
            ),
            (EXACT.cases[:1], "SAME: 1 case is what it was, in 190 measures and every event"),
            (EXACT.cases[2:], "NO BASELINE: standard_mix cursor: it has never been accepted"),
            (
                (CaseResult(Case("reconnect_storm"), "changed", compared=9, trace_differs=True),),
                "CHANGED: reconnect_storm cursor: all measures are the same, and the order of events is not",
            ),
        ],
    )
    def test_of_the_exact_gate(self, cases: tuple[CaseResult, ...], line: str) -> None:
        assert exact.report(Comparison(cases, "reports/baselines", "")).headline == line


def test_the_answer_of_a_report_is_that_of_its_comparison() -> None:
    for found in ((REGRESSED, OPEN), (LOST,), (LAGGED, SAME), (), (OPEN, IMPROVED), (IMPROVED,), (SAME,)):
        comparison = planted(*found)
        report = paired.report(comparison)
        assert report.answer == comparison.outcome
        assert report.headline.startswith(f"{report.answer}: ")


def test_findings_are_told_the_most_telling_first() -> None:
    report = paired.report(planted(SAME, IMPROVED, OPEN, SLOWER, REGRESSED, LAGGED, LOST))
    assert [item.name for item in report.items] == [
        "no lost",
        "CPU of gateways per delivered message",  # five times what matters
        "p99 end to end",  # not twice
        "pair 1 of those that are missing",
        "p99 end to end",
        "memory of gateways",
        "p50 end to end",
    ]


def test_every_measure_is_an_item_and_every_replaced_run_a_note() -> None:
    report = paired.report(EVERYTHING)
    assert {item.measured.measure for item in report.items if item.measured} == {one.measure for one in EVERYTHING.measures}
    assert report.notes == (f"{MIX}: a run of the base (seed 2) was played again: a fault did not fire",)


class TestText:
    def test_it_begins_with_the_finding_and_names_both_sides(self) -> None:
        lines = told(paired.report(EVERYTHING)).splitlines()
        assert lines[0] == paired.report(EVERYTHING).headline
        assert "base       1a2b3c4 The log is the truth (1a2b3c4d5e6f)" in lines
        assert f"{MIX}: 8 pairs, and 6 more on fresh processes; population.users=40" in lines

    def test_what_is_as_it_should_be_is_one_line(self) -> None:
        lines = told(exact.report(EXACT)).splitlines()
        assert lines[-1] == "  SAME          190 measures and every event are what they were"
        assert "      and 10 more measures" in lines

    def test_a_name_cannot_command_the_terminal(self) -> None:
        hostile = msgspec.structs.replace(REGRESSED, title="CPU\x1b[2J\nall is well")
        assert "\x1b" not in told(paired.report(planted(hostile)))
        assert told(paired.report(planted(hostile))).splitlines()[0].startswith("REGRESSED: ")
        assert "\nall is well" not in told(paired.report(planted(hostile)))


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (12.13, "us", "12.1 µs"),
        (18_400.0, "us", "18.4 ms"),
        (812.0, "B", "812 B"),
        (61.2e6, "B", "61.2 MB"),
        (1213.4, "1/s", "1,213/s"),
        (0.5, "", "0.5"),
    ],
)
def test_a_figure_has_its_unit(value: float, unit: str, text: str) -> None:
    assert amount(value, unit) == text


@pytest.mark.parametrize(
    ("base", "candidate", "text"),
    [
        (1_027_370.0, 1_027_510.0, "x: 1,027,370 -> 1,027,510 (less than 0.1 %)"),
        (243_811.5, 240_000.0, "x: 243,811.5 -> 240,000 (-1.6 %)"),
        (0.928, 0.931, "x: 0.928 -> 0.931 (+0.3 %)"),
        (True, False, "x: True -> False"),
        (None, 3, "x: none -> 3"),
    ],
)
def test_a_difference_has_figures_that_can_be_read(base: float | None, candidate: float, text: str) -> None:
    assert exact.difference(Difference("x", base, candidate)) == text
