"""A report on history files: any file that can be judged has a page, which claims nothing its rows do not tell."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from model.checkers import judge
from model.checkers.amounts import NOTHING
from model.history import at_rest
from reports import figures, html, results
from tests.checkers.planting import Planting
from tests.corpus.files import FOLDER
from tests.docs.test_foreign import block
from tests.judged import random_history
from tests.reports.conftest import MakeRun
from tests.reports.test_html import Parsed

DOCS = Path(__file__).parents[2] / "docs"
LOST = FOLDER / "04_one_loss_and_one_duplicate.jsonl"
OUTAGE = FOLDER / "29_one_gateway_dead.jsonl"


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """The log of docs/foreign.md, converted by its program."""
    (tmp_path / "chat.log").write_text(block("jsonl"))
    subprocess.run([sys.executable, "-c", block("python")], cwd=tmp_path, check=True)
    return tmp_path / "chat.jsonl"


def page_of(*paths: Path) -> str:
    """The page on some files; its tags match, its pictures are well-formed, and no control character is in it."""
    page = html.page(results.load_all(paths))
    parsed = Parsed(page)
    assert parsed.unclosed == []
    assert len(set(parsed.identifiers)) == len(parsed.identifiers)
    assert {found[1:] for found in parsed.references if found.startswith("#")} <= set(parsed.identifiers)
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f]", page)
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(svg)
    return page


class Reader(HTMLParser):
    """The texts of a page, without its marks."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def text_of(page: str) -> str:
    """What a person reads."""
    reader = Reader()
    reader.feed(page)
    return " ".join(" ".join(reader.texts).split())


def test_a_file_is_judged_as_it_is_loaded() -> None:
    run, judged = results.load(LOST), judge(at_rest.read(LOST))
    assert (run.is_file, run.verdict, run.reasons) == (True, "invalid", judged.notes)
    assert {a.kind for a in run.anomalies if a.fails} == {"lost", "dup_app"}
    assert run.measure("owed", "lost_messages") == 1
    assert run.manifest.scenario == run.manifest.preset == "04_one_loss_and_one_duplicate"


def test_its_page_has_the_verdict_the_proof_the_lives_and_the_gaps() -> None:
    page = page_of(LOST)
    text = text_of(page)
    for words in (
        "lost 1 of 2 messages, showed 1 twice and nothing out of order.",
        "c never showed a/y, ok at 2.020 s, sent at 2.000 s",
        "All of its rows: imbench explain",
        "What could not be computed",
        "unread_wrong: no unread rows",
        "Not drawn: Connections: no ready or connecting rows.",
        "world planted",
    ):
        assert words in text, words
    assert "<h1>The history 04_one_loss_and_one_duplicate.jsonl: invalid</h1>" in page
    assert page.index("The lives of witnesses") < page.index(figures.PICTURES[0].title)


def test_nothing_is_told_that_only_a_run_folder_knows() -> None:
    text = text_of(page_of(LOST))
    for words in ("reproduce with", "imbench run", "Machine", "digest", "seed 0", "under load", "expected"):
        assert words not in text, words
    assert f"imbench check {LOST}" in text


def test_the_text_of_a_preset_is_for_our_own_worlds(tmp_path: Path) -> None:
    history = at_rest.read(LOST)
    for world, told in (("mine", False), ("sim", True)):
        header = msgspec.structs.replace(history.header, world=world, preset="cursor")
        path = tmp_path / f"{world}.jsonl"
        lines = LOST.read_text().splitlines(keepends=True)
        path.write_text(msgspec.json.encode(header).decode() + "\n" + "".join(lines[1:]))
        assert ("The reference design" in page_of(path)) == told


def test_a_foreign_log_has_a_page_without_what_it_does_not_tell(foreign: Path) -> None:
    page = page_of(foreign)
    text = text_of(page)
    assert "chat lost 1 of 3 messages, showed 1 twice and nothing out of order, as far as can be told without positions." in text
    assert "Not drawn: What senders were told: no ok, fail or info rows." in text
    cells = dict(
        zip(("world", "verdict", "sent", "ok", "unknown", "lost", "twice", "order"), Parsed(page).rows[1][1:], strict=False)
    )
    assert cells["ok"] == cells["unknown"] == cells["order"] == NOTHING
    assert (cells["sent"], cells["lost"]) == ("3", "1")
    assert "receiver connected (n=6, 1 missing)" in text
    assert "receiver away" not in text


def test_the_example_of_the_schema_has_a_page(tmp_path: Path) -> None:
    (example,) = [b for b in re.findall(r"^```jsonl\n(.*?)^```$", (DOCS / "history.md").read_text(), re.M | re.S) if "lunch" in b]
    (tmp_path / "lunch.jsonl").write_text(example)
    page = page_of(tmp_path / "lunch.jsonl")
    assert "None was found." in page
    assert "Not drawn" not in page


def test_parquet_and_lines_make_the_same_page_but_for_their_names(tmp_path: Path) -> None:
    at_rest.write(at_rest.read(OUTAGE), tmp_path / "one.parquet")
    at_rest.write(at_rest.read(OUTAGE), tmp_path / "one.jsonl")
    pages = [text_of(page_of(tmp_path / f"one.{form}")) for form in ("parquet", "jsonl")]
    assert pages[0].replace("one.parquet", "one.jsonl") == pages[1]


def test_files_stand_beside_run_folders(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "PICTURES", figures.PICTURES[-1:])
    text = text_of(page_of(make_run(), LOST, OUTAGE))
    assert "imbench run access_restart --world sim" in text
    assert f"imbench check {OUTAGE}" in text


def test_a_file_that_is_given_twice_is_there_once(tmp_path: Path) -> None:
    (tmp_path / "again.jsonl").symlink_to(LOST)
    assert len(results.load_all([LOST, LOST, tmp_path / "again.jsonl"])) == 1


def test_two_files_of_one_name_do_not_share_their_links(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "h.jsonl").write_text(LOST.read_text())
    page_of(tmp_path / "a" / "h.jsonl", tmp_path / "b" / "h.jsonl")


def test_names_cannot_break_the_page(tmp_path: Path) -> None:
    p = Planting("a b c", {"<q>\x01&": "a b c"})
    p.connects("a b c", at=0, node="$\\frac{<n>}$\x1b")
    p.message("x", "a", at=1, pos=1, group="<q>\x01&")
    p.send("y", "a", at=2, ok=2.1, pos=2, group="<q>\x01&")
    at_rest.write(p.history(), tmp_path / "h.jsonl")
    page = page_of(tmp_path / "h.jsonl")
    assert "&lt;q&gt;␁&amp;" in page
    assert "$\\frac{&lt;n&gt;}$␛" in page
    assert "<q>" not in page


def test_every_kind_that_was_found_is_explained_once() -> None:
    parsed = Parsed(page_of(LOST, OUTAGE))
    kinds = [name for name in parsed.identifiers if name.startswith("kind-")]
    assert set(kinds) == {"kind-lost", "kind-dup_app", "kind-redelivery", "kind-outage"} & set(kinds)
    assert len(kinds) >= 3


def test_times_of_a_wall_clock_make_no_longer_page(tmp_path: Path) -> None:
    lines = LOST.read_text().splitlines()
    moved = [re.sub(r'"t_us":(\d+)', lambda found: f'"t_us":{int(found[1]) + 1_760_000_000_000_000}', line) for line in lines]
    (tmp_path / "wall.jsonl").write_text("\n".join(moved) + "\n")
    assert len(page_of(tmp_path / "wall.jsonl")) < 1.5 * len(page_of(LOST))


@pytest.mark.parametrize("first", range(0, 20, 5))
def test_random_histories_have_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int) -> None:
    monkeypatch.setattr(at_rest, "impossible", lambda *_: None)  # some of them have rows that no client can have recorded
    for seed in range(first, first + 5):
        at_rest.write(random_history.history(seed), tmp_path / f"{seed}.jsonl")
        page_of(tmp_path / f"{seed}.jsonl")


def test_a_history_of_nothing_has_a_page(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text('{"schema":"imbench-history","version":2,"world":"mine"}\n')
    assert "Not drawn" in page_of(tmp_path / "empty.jsonl")
