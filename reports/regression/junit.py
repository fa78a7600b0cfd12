"""A report as JUnit XML: a test suite a case, a test case a finding, so that any CI system counts and lists it.

There is no standard, so what the readers really read decides (2026):

- GitLab (Unit test reports): the suite's name is ``classname`` of the test case; of a failure, an error or a skipped one it shows the text
  of the element and not ``message``; of two test cases with one name the second is dropped; ``properties`` are not read.
- Jenkins (CaseResult of its JUnit plugin): ``classname`` up to its last dot is the package; ``message`` and the text are both shown;
  ``system-out`` of a test case that passes is cut in the middle beyond 1,000 characters; ``properties`` are kept where that is asked for.
- GitHub has no reader; of the actions that people take, mikepenz/action-junit-report makes an annotation from ``message``, else from
  the first two lines of the text.

So the sentence stands in both ``message`` and text, names differ, and where the numbers come from stands in ``properties`` and, in few
words, in ``system-out`` of every test case, also of those that pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import msgspec

from reports.markup import visible
from reports.regression.effects import medians
from reports.regression.report import Answer, Item, Report

PACKAGE: Final = "imbench"
OUTCOMES: Final[Mapping[Answer, str]] = {
    "REGRESSED": "failure",
    "CHANGED": "failure",
    "HARNESS": "error",
    "NO BASELINE": "error",
    "INCONCLUSIVE": "skipped",
}
"""What a test case is by its answer; whatever is not here has passed."""
_COUNTS: Final = {"failure": "failures", "error": "errors", "skipped": "skipped"}
_SHORT: Final = ("candidate", "machine", "fingerprint", "noise", "began", "baselines")
"""Of the provenance, what stands in every test case."""


def told(report: Report) -> str:
    """All of it."""
    if not report.items:  # an empty report counts as passed
        nothing = Item(PACKAGE, "something was measured", "HARNESS", report.headline)
        report = msgspec.structs.replace(report, items=(nothing,))
    root = Element("testsuites", {"name": visible(report.headline), **_counted(report.items)})
    for case in dict.fromkeys(item.case for item in report.items):
        _suite(root, report, case, [item for item in report.items if item.case == case])
    ElementTree.indent(root, " ")
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _counted(items: Sequence[Item]) -> dict[str, str]:
    outcomes = [OUTCOMES.get(item.answer) for item in items]
    return {"tests": str(len(items)), **{counts: str(outcomes.count(outcome)) for outcome, counts in _COUNTS.items()}}


def _suite(root: Element, report: Report, case: str, items: Sequence[Item]) -> None:
    suite = SubElement(root, "testsuite", {"name": visible(case), **_counted(items)})
    played = {"played": report.cases[case]} if case in report.cases else {}
    _properties(suite, {"headline": report.headline, **report.provenance, **played})
    for item in items:
        _case(suite, report, item)


def _case(suite: Element, report: Report, item: Item) -> None:
    case = SubElement(suite, "testcase", classname=visible(f"{PACKAGE}.{item.case}"), name=visible(item.name))
    _properties(case, {"answer": item.answer, **_numbers(item)})
    if outcome := OUTCOMES.get(item.answer):
        found = SubElement(case, outcome, type=item.answer, message=visible(item.sentence))
        found.text = visible("\n".join([f"{item.answer}: {item.sentence}", *item.details]))
    provenance = "\n".join(f"{name}: {report.provenance[name]}" for name in _SHORT if name in report.provenance)
    SubElement(case, "system-out").text = visible(f"{item.answer}: {item.sentence}\n{provenance}")


def _numbers(item: Item) -> dict[str, str]:
    found = item.measured
    if found is None:
        return {}
    numbers = {name: getattr(found, name) for name in ("ratio", "low", "high", "again", "matters", "floor", "pairs_needed")}
    middles = dict(zip(("base", "candidate"), medians(found), strict=True))
    return middles | {name: f"{value:.6g}" for name, value in numbers.items() if value is not None}


def _properties(parent: Element, values: Mapping[str, str]) -> None:
    properties = SubElement(parent, "properties")
    for name, value in values.items():
        SubElement(properties, "property", name=name, value=visible(value))
