"""The forms of a report: each says all of it, none is led astray by a name, and each is what its readers accept."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import msgspec
import pytest
from markdown_it import MarkdownIt

from model.scenario.comparison import Comparison
from model.scenario.paired_comparison import Discarded, Violated
from reports.regression import contract, exact, junit, markdown, page, paired
from reports.regression.report import Report
from tests.reports.regression.planted import (
    EVERYTHING,
    EXACT,
    IMPROVED,
    LAGGED,
    LOST,
    LOWER,
    OPEN,
    REGRESSED,
    RESTART,
    SAME,
    UNKNOWN,
    measured,
)
from tests.reports.regression.planted import paired as planted

HOSTILE = "a|b`c` <img src=http://evil/x> ![i](http://evil) **bold** @someone #12 ]]> & \x00\x1b[2J\n# heading\n- item"
PAIRED = [
    planted(REGRESSED, SAME),
    planted(LOWER),
    planted(LOST),
    planted(LAGGED, SAME),
    planted(OPEN),
    planted(UNKNOWN),
    planted(IMPROVED),
    planted(SAME, same=True),
    planted(),
    EVERYTHING,
]
REPORTS = [*map(paired.report, PAIRED), exact.report(EXACT), exact.report(Comparison(EXACT.cases[:1], "baselines", "abc"))]
IDS = [f"{place}-{report.answer}" for place, report in enumerate(REPORTS)]
every = pytest.mark.parametrize("report", REPORTS, ids=IDS)


@pytest.fixture(scope="module")
def hostile() -> Report:
    """A report in which every text from outside tries to be more than a text."""
    return paired.report(
        planted(
            msgspec.structs.replace(REGRESSED, title=HOSTILE, case=HOSTILE),
            msgspec.structs.replace(UNKNOWN, reason=HOSTILE),
            Violated(RESTART, HOSTILE, 1, 1, 1, HOSTILE),
            Discarded(HOSTILE, "base", 1, HOSTILE, False),
            noise=HOSTILE,
        )
    )


class TestJson:
    @every
    def test_it_is_the_whole_of_it_and_comes_back(self, report: Report) -> None:
        assert contract.decoded(contract.encoded(report)) == report

    @every
    def test_it_is_what_the_schema_says(self, report: Report) -> None:
        jsonschema.Draft202012Validator(json.loads(contract.SCHEMA.read_text())).validate(json.loads(contract.encoded(report)))

    def test_the_first_that_it_says_is_the_finding(self) -> None:
        assert next(iter(json.loads(contract.encoded(REPORTS[0])))) == "headline"

    def test_the_schema_refuses_what_is_none(self) -> None:
        broken = {**json.loads(contract.encoded(REPORTS[0])), "answer": "fine"}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, json.loads(contract.SCHEMA.read_text()))

    def test_the_committed_schema_is_that_of_the_types(self) -> None:
        assert contract.SCHEMA.read_text() == contract.schema(), "python -m reports.regression.contract writes it anew"


class TestMarkdown:
    @every
    def test_it_begins_with_the_answer(self, report: Report) -> None:
        assert markdown.told(report).startswith(f"**{report.answer}**: ")

    def test_each_measure_is_a_row_of_one_table(self) -> None:
        tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(markdown.told(paired.report(EVERYTHING)))
        assert sum(token.type == "table_open" for token in tokens) == 1
        assert sum(token.type == "tr_open" for token in tokens) == 1 + len(EVERYTHING.measures)

    def test_a_name_is_a_text_and_nothing_else(self, hostile: Report) -> None:
        told = markdown.told(hostile)
        tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(told)
        inline = [child for token in tokens for child in token.children or ()]
        of_ours = {"text", "strong_open", "strong_close", "softbreak"}
        assert {child.type for child in inline} <= of_ours
        assert all(HOSTILE.split("**")[1] not in child.content or child.type == "text" for child in inline)
        assert not {"heading_open", "fence", "code_block", "image"} & {token.type for token in tokens}
        assert [token.content.strip() for token in tokens if token.type == "html_block"] == [
            "<details><summary>How it was played</summary>",
            "</details>",
        ]
        assert sum(token.type == "tr_open" for token in tokens) == 3
        assert all(line.count(" | ") == 7 for line in told.splitlines() if line.startswith("| "))
        assert "\x1b" not in told
        assert "@someone" not in told
        assert "#12" not in told

    @pytest.mark.parametrize("start", ["- item", "1. item", "+ item", "# head", "> said", "--- ", "=== ", "    code"])
    def test_nor_at_the_beginning_of_a_line(self, start: str) -> None:
        tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(f"- {markdown.text(start)}")
        assert [token.type for token in tokens if token.type.endswith("_open")] in (
            ["bullet_list_open", "list_item_open", "paragraph_open"],
            ["bullet_list_open", "list_item_open"],
        )

    @pytest.mark.parametrize("name", ["an ordinary name", "ein Maß für Größe " * 8, "🐌" * 300])
    def test_it_stays_below_what_github_takes_and_says_what_is_left_out(self, name: str) -> None:
        many = [measured("p50_us", "EQUIVALENT", 1.0 + number / 1e5, title=f"{name} {number}") for number in range(500)]
        report = paired.report(planted(REGRESSED, *many))
        told = markdown.told(report)
        assert len(told) < 65_536
        assert len(told.encode()) <= markdown.LIMIT
        rows = told.count("| EQUIVALENT |")
        if rows < 500:
            assert f"{500 - rows:,} more findings, the least telling, are left out here" in told
            assert len(told.encode()) > markdown.LIMIT - 2000  # as much as fits
        assert "| **REGRESSED** | standard\\_mix cursor | CPU of gateways" in told

    def test_hundreds_of_runs_that_were_played_again_fit_too(self) -> None:
        runs = [Discarded(RESTART, "base", seed, "late " * 200, True) for seed in range(1000)]
        assert len(markdown.told(paired.report(planted(SAME, *runs))).encode()) <= markdown.LIMIT


class TestJunit:
    @every
    def test_counts_are_those_of_the_test_cases(self, report: Report) -> None:
        root = ElementTree.fromstring(junit.told(report))
        assert root.tag == "testsuites"
        assert root.get("name") == report.headline
        for one in (root, *root.findall("testsuite")):
            cases = one.findall(".//testcase")
            assert one.get("tests") == str(len(cases))
            for element, counts in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
                assert one.get(counts) == str(sum(case.find(element) is not None for case in cases)), counts

    @pytest.mark.parametrize(
        ("found", "outcome"),
        [
            ((REGRESSED,), "failure"),
            ((LOST,), "failure"),
            ((LAGGED,), "error"),
            ((), "error"),
            ((OPEN,), "skipped"),
            ((IMPROVED,), None),
            ((SAME,), None),
        ],
    )
    def test_what_an_answer_is_to_ci(self, found: Any, outcome: str | None) -> None:
        [case] = ElementTree.fromstring(junit.told(paired.report(planted(*found)))).iter("testcase")
        assert [child.tag for child in case if child.tag in ("failure", "error", "skipped")] == ([outcome] if outcome else [])

    def test_what_the_exact_gate_finds_is_to_ci(self) -> None:
        root = ElementTree.fromstring(junit.told(exact.report(EXACT)))
        assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "1")

    def test_the_sentence_stands_where_either_kind_of_reader_looks(self) -> None:
        [failure] = ElementTree.fromstring(junit.told(paired.report(planted(REGRESSED)))).iter("failure")
        assert "is 31 % more (27 to 36 %)" in failure.get("message", "")
        assert "is 31 % more (27 to 36 %)" in (failure.text or "").splitlines()[0]

    @every
    def test_where_numbers_come_from_stands_on_passing_cases_too(self, report: Report) -> None:
        for suite in ElementTree.fromstring(junit.told(report)).findall("testsuite"):
            properties = {one.get("name"): one.get("value") for one in suite.findall("properties/property")}
            assert report.provenance.items() <= properties.items()
            for case in suite.findall("testcase"):
                out = case.findtext("system-out") or ""
                assert report.provenance["candidate"] in out
                assert len(out) < 1000 or case.find("failure") is not None  # Jenkins cuts more out of a case that passes
                assert case.find("properties") is not None

    @every
    def test_no_two_test_cases_have_one_name(self, report: Report) -> None:
        cases = ElementTree.fromstring(junit.told(report)).findall(".//testcase")
        assert len({(case.get("classname"), case.get("name")) for case in cases}) == len(cases)

    def test_a_name_is_a_text_and_nothing_else(self, hostile: Report) -> None:
        root = ElementTree.fromstring(junit.told(hostile))  # it is well-formed
        assert root.findall(".//img") == []
        assert any("<img src=http://evil/x>" in case.get("name", "") for case in root.iter("testcase"))


class Outside(HTMLParser):
    """Everything on a page that would ask the network, run or be obeyed."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str | None]] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect."""
        self.tags.add(tag)
        for name, value in attrs:
            inside = (
                name.startswith("xmlns") or (value or "").startswith("#") or (value or "").startswith("data:image/png;base64,")
            )
            if (name in ("src", "href", "xlink:href", "action", "data") and not inside) or name.startswith("on"):
                self.found.append((name, value))


def outside(text: str) -> Outside:
    """What of a page is not its own."""
    parser = Outside()
    parser.feed(text)
    return parser


class TestPage:
    @every
    def test_it_asks_the_network_for_nothing_and_runs_nothing(self, report: Report) -> None:
        told = page.told(report)
        assert outside(told).found == []
        assert not {"script", "link", "iframe", "object", "img"} & outside(told).tags
        assert not re.search(r"url\((?!#)|@import", told)

    @every
    def test_its_title_is_the_finding(self, report: Report) -> None:
        title = re.search("<title>(.*)</title>", page.told(report))
        assert title is not None
        assert title[1].startswith(report.answer)

    def test_a_case_with_ratios_has_a_picture_that_can_be_told(self) -> None:
        told = page.told(paired.report(EVERYTHING))
        assert told.count("<svg ") == 1
        assert 'aria-label="standard_mix cursor: CPU of gateways per delivered message is 31 % more' in told
        assert page.told(paired.report(planted(UNKNOWN))).count("<svg ") == 0
        assert page.told(exact.report(EXACT)).count("<svg ") == 1

    def test_more_measures_than_a_picture_holds_stand_in_the_table(self) -> None:
        many = [measured("p50_us", "EQUIVALENT", title=f"number {number}") for number in range(40)]
        told = page.told(paired.report(planted(*many)))
        assert "10 more stand in the table" in told
        assert all(f"<td>number {number}</td>" in told for number in range(40))

    def test_a_name_is_a_text_and_nothing_else(self, hostile: Report) -> None:
        told = page.told(hostile)
        assert "img" not in outside(told).tags
        assert outside(told).found == []
        assert "&lt;img src=http://evil/x&gt;" in told
        assert "\x1b" not in told


@every
def test_the_same_report_gives_the_same_bytes(report: Report, tmp_path: Path) -> None:
    for form in (markdown, junit, page):
        assert form.told(report) == form.told(report)
