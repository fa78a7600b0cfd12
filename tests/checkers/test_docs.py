"""docs/judges.md says what the code does: a section for every kind, with a history that raises it and what is said of that."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from model.checkers import KINDS, judge
from model.history import at_rest
from tests.corpus import files

PAGE = (Path(__file__).parents[2] / "docs" / "judges.md").read_text()
SECTIONS = re.findall(
    r"^### `(\w+)`\n\n(.+)\n\n- \*Smallest history\*: \[`(\w+)`\]\(\.\./tests/corpus/histories/(\w+)\.jsonl\)\n"
    r'- \*Told as\*: "(.+)"\n- \*Usual causes\*: .+$',
    PAGE,
    re.MULTILINE,
)


def test_every_kind_has_one_section() -> None:
    assert sorted(kind for kind, *_ in SECTIONS) == sorted(KINDS)


@pytest.mark.parametrize(("kind", "definition", "name", "linked", "told"), SECTIONS, ids=[kind for kind, *_ in SECTIONS])
def test_a_section_quotes_what_the_judges_say(kind: str, definition: str, name: str, linked: str, told: str) -> None:
    assert name == linked
    judgement = judge(at_rest.read(files.FOLDER / f"{name}.jsonl"))
    found = [anomaly for anomaly in judgement.anomalies if anomaly.kind == kind]
    assert told == found[0].witnesses[0].text
    soft = "Counted only" in definition or "Fails only" in definition or "always implied" in definition
    assert soft == (not KINDS[kind].fails or kind == "gap")


def test_settled_places_name_histories_of_the_corpus() -> None:
    named = re.findall(r"`(\w+)`", "".join(line.rpartition("| ")[2] for line in _table("## Settled places")))
    named += re.findall(r"`(near_\w+|\d\d\w*)`", PAGE)
    assert named
    assert set(named) <= set(files.ENTRIES)


def _table(heading: str) -> list[str]:
    rows = [line.rstrip(" |") for line in PAGE.partition(heading)[2].splitlines() if line.startswith("| ")]
    return rows[1:]
