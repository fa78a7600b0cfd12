"""docs/history.md describes the schema as it is, and its example works."""

from __future__ import annotations

import inspect
import json
import re
import runpy
from enum import IntEnum
from pathlib import Path

import msgspec
import pytest

from model.checkers import judge
from model.history.at_rest import COLUMNS, read
from model.history.schema import Basis, Contract, FaultKind, Header, Kind, LatencyPromise, Phase, Via

TEXT = (Path(__file__).parents[2] / "docs" / "history.md").read_text()


def section(title: str) -> str:
    """The text under a heading of any level, up to the next one of that level."""
    begin = re.search(rf"^(#+) {re.escape(title)}$", TEXT, re.MULTILINE)
    assert begin, title
    end = re.search(rf"^#{{1,{len(begin[1])}}} ", TEXT[begin.end() :], re.MULTILINE)
    return TEXT[begin.end() :][: end.start() if end else None]


def table(text: str) -> list[list[str]]:
    """The cells of a text's table rows, headings and rules left out."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return [
        row for at, row in enumerate(rows) if not row[0].startswith("---") and not (rows[at + 1 :] and rows[at + 1][0] == "---")
    ]


def fields_in_code() -> dict[str, list[str]]:
    """The fields of each kind, from the comments beside them in schema.py."""
    fields: dict[str, list[str]] = {}
    for name, comment in re.findall(r"^    ([A-Z_]+) = \d+  # (.*)$", inspect.getsource(Kind), re.MULTILINE):
        if like := re.match(r"as ([A-Z_]+)", comment):
            fields[name.lower()] = fields[like[1].lower()]
            continue
        inside = re.match(r"\[(.*?)\]", comment)
        assert inside, name
        parts = re.findall(r"(?:^|, )([a-z_]+)(: unused)?(?=[:,]|$)", inside[1])
        fields[name.lower()] = [field for field, unused in parts if not unused]
    return fields


def test_every_kind_is_described_with_exactly_the_fields_it_uses() -> None:
    described = {row[0].strip("`"): row[1].split(", ") for row in table(section("Kinds of rows")) if len(row) == 3}
    assert described == fields_in_code()
    assert set(described) == {kind.name.lower() for kind in Kind}


def test_every_column_is_described_in_its_order_at_rest() -> None:
    assert [row[0].strip("`") for row in table(section("Columns"))] == list(COLUMNS)


@pytest.mark.parametrize(
    ("type_", "title"), [(Via, "Columns"), (Basis, "Columns"), (FaultKind, "Kinds of faults"), (Phase, "Phases")]
)
def test_every_name_of_a_text_column_is_described(type_: type[IntEnum], title: str) -> None:
    assert {member.name.lower() for member in type_ if member} <= set(re.findall(r"`([a-z_]+)`", section(title)))


def test_phases_stand_in_their_order() -> None:
    assert [row[0].strip("`") for row in table(section("Phases")) if len(row) == 2] == [phase.name.lower() for phase in Phase]


@pytest.mark.parametrize(("title", "value"), [("Contract", Contract()), ("Header", Header(world=""))])
def test_every_field_is_described_with_its_default(title: str, value: msgspec.Struct) -> None:
    described = {row[0].strip("`"): row[1].strip("`") for row in table(section(title))}
    defaults = json.loads(msgspec.json.encode(value))
    assert list(described) == list(defaults)
    for name, default in described.items():
        if name not in ("world", "contract"):
            assert json.loads(default) == defaults[name], name


def test_the_fields_of_a_latency_promise_are_described() -> None:
    assert set(LatencyPromise.__struct_fields__) <= set(re.findall(r"`([a-z_]+)`", section("Contract")))


def block(title: str, language: str) -> str:
    """The one block of a language in a section."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", section(title), re.MULTILINE | re.DOTALL)
    return str(found)


def test_the_example_program_writes_what_the_json_lines_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "example.py").write_text(block("As Parquet", "python"))
    runpy.run_path(str(tmp_path / "example.py"))
    (tmp_path / "lunch.jsonl").write_text(block("As JSON Lines", "jsonl"))
    history = read(tmp_path / "lunch.jsonl")
    assert history.equals(read(tmp_path / "history.parquet"))
    assert history.header == Header(world="my-server", contract=Contract(promise_us=500_000))
    assert len(history) == 23


def test_the_example_is_judged_as_the_page_says_and_so_are_its_changes(tmp_path: Path) -> None:
    lines = block("As JSON Lines", "jsonl").splitlines(keepends=True)
    (at,) = [at for at, line in enumerate(lines) if '"deliver"' in line and '"device": "ben-phone"' in line]
    changed = {
        "whole": (lines, "valid", []),
        "deleted": ([*lines[:at], *lines[at + 1 :]], "invalid", ["lost", "vacuous"]),
        "twice": ([*lines[: at + 1], *lines[at:]], "invalid", ["dup_app"]),
        "other": (
            [*lines[:at], lines[at].replace('"content_hash": 77', '"content_hash": 78'), *lines[at + 1 :]],
            "invalid",
            ["corrupt"],
        ),
        "cut": ([*lines[:-1], lines[-1][:20]], "unknown", ["truncated"]),
    }
    for name, (text, verdict, kinds) in changed.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(text))
        judgement = judge(read(tmp_path / f"{name}.jsonl"))
        assert judgement.verdict == verdict, name
        assert [anomaly.kind for anomaly in judgement.anomalies if anomaly.fails] == kinds, name


def test_the_number_of_the_version_is_the_page_s() -> None:
    assert TEXT.startswith(f"# The history: schema version {Header(world='').version}\n")
