"""The page stands alone, holds every run, and hides neither doubt nor loss."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from model.checkers.kinds import KINDS
from model.history.run_folder import RunFolder, RunFolderError
from model.history.schema import Basis, HistoryError
from model.scenario import Scenario
from reports import figures, html, plots, results, series, table, words
from reports.plots import write_plots
from reports.results import Anomaly
from tests.reports.conftest import SENDS, MakeRun, Plan, measures, write_run


class Parsed(HTMLParser):
    """What a page refers to, its identifiers, and the cells of its first table. ``unclosed`` is empty where all tags match."""

    _VOID = frozenset({"meta", "br", "link", "img", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.identifiers: list[str] = []
        self.tags: list[str] = []
        self.rows: list[list[str]] = []
        self.unclosed: list[str] = []
        self._cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = {key: value or "" for key, value in attrs}
        self.references += [found[key] for key in ("src", "href", "xlink:href", "action", "data", "srcset") if key in found]
        self.identifiers += [found["id"]] if "id" in found else []
        if tag not in self._VOID:
            self.unclosed.append(tag)
        if tag == "tr":
            self.rows.append([])
        heads_row = tag == "th" and found.get("scope") == "row"
        if tag == "td" or heads_row:
            self.rows[-1].append("")
        self._cell = tag == "td" or heads_row or (self._cell and tag != "tr")

    def handle_startendtag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self._VOID:
            self.unclosed.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed.pop() == tag
        self._cell = self._cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.rows[-1][-1] += data


def report(tmp_path: Path, *folders: Path) -> str:
    return html.write_report(folders, tmp_path / "report.html").read_text()


@pytest.fixture(scope="module")
def all_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("runs")
    lossy = measures(owed={"lost_messages": 2, "lost_pairs": 5})
    changed: dict[str, dict[str, Any]] = {
        "naive": {"never_stored": frozenset({70, 72}), "basis": Basis.WRITE, "verdict": "invalid", "measures": lossy},
        "cursor": {},
    }
    return [
        write_run(root, Plan(preset=preset, world=world, **changes))
        for preset, changes in changed.items()
        for world in ("sim", "live")
    ]


@pytest.fixture(scope="module")
def full_page(all_runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    return report(tmp_path_factory.mktemp("page"), *all_runs)


@pytest.fixture
def one_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of anything but pictures."""
    monkeypatch.setattr(figures, "PICTURES", figures.PICTURES[-1:])


def test_the_page_asks_the_network_for_nothing(full_page: str) -> None:
    parsed = Parsed(full_page)
    assert parsed.unclosed == []
    assert [found for found in parsed.references if not found.startswith(("#", "data:image/png;base64,"))] == []
    assert not {"script", "link", "iframe", "object", "embed"} & set(parsed.tags)
    assert "@import" not in full_page
    assert re.findall(r"url\((?!#)", full_page) == []


def test_no_two_elements_share_an_identifier_and_every_reference_has_its_target(full_page: str) -> None:
    parsed = Parsed(full_page)
    assert len(set(parsed.identifiers)) == len(parsed.identifiers)
    wanted = {found[1:] for found in parsed.references if found.startswith("#")} | set(re.findall(r"url\(#([^)]+)\)", full_page))
    assert wanted
    assert wanted <= set(parsed.identifiers)


def test_it_begins_with_what_happened(full_page: str) -> None:
    [first] = re.findall(r"<h1>(.*?)</h1>", full_page)
    assert first == "gateway-1 was killed and started again under load"
    [answers] = re.findall(r'<ul class="answers">(.*?)</ul>', full_page)
    assert [re.sub("<.*?>", "", answer) for answer in answers.split("</li>")[:-1]] == [
        "naive lost 2 of 240 messages, showed nothing twice and nothing out of order, in both worlds.",
        "cursor lost nothing of 240 messages, showed nothing twice and nothing out of order, in both worlds.",
    ]


def commands_in(page: str) -> list[str]:
    """The commands that make the runs again, as they are copied."""
    return [re.sub("<.*?>", "", code) for code in re.findall(r"<code>(imbench run .*?)</code>", page)]


@pytest.mark.usefixtures("one_picture")
def test_forms_of_a_scenario_have_parts_of_their_own(tmp_path: Path, make_run: MakeRun) -> None:
    short = make_run()
    kept = RunFolder.open(short)
    kept.write_json("scenario.json", msgspec.to_builtins(Scenario("access_restart", "What?").short()))
    kept.write_manifest(msgspec.structs.replace(kept.manifest(), scenario_digest="5407"))
    page = report(tmp_path, make_run(), short)
    parsed = Parsed(page)
    assert page.count("<h1>") == 2
    assert len(set(parsed.identifiers)) == len(parsed.identifiers)
    assert page.count("(short form)") == 1
    commands = commands_in(page)
    assert [command.endswith(" --short") for command in commands] == [False, True]


def test_the_table_is_that_of_the_verdicts(full_page: str, all_runs: list[Path]) -> None:
    rows = Parsed(full_page).rows[1:5]
    wanted = [[column.text(row).replace("\n", ",") for column in table.COLUMNS] for row in table.summary(all_runs)]
    assert rows == [
        [f"{row[0]} {row[1]}", *row[1:]] for row in wanted
    ]  # where it is narrow, the first column is preset and world
    assert [row[1:3] for row in rows] == [["sim", "invalid"], ["live", "invalid"], ["sim", "valid"], ["live", "valid"]]
    assert rows[0][4:8] == [str(SENDS), str(SENDS), "0", "2"]


def test_every_run_has_every_picture(full_page: str) -> None:
    for preset in ("naive", "cursor"):
        for world in ("sim", "live"):
            for picture in figures.PICTURES:
                assert f'aria-label="{picture.title}: access_restart {preset} {world} seed 1: ' in full_page
    assert full_page.count("<svg") == 4 * len(figures.PICTURES)


@pytest.mark.usefixtures("one_picture")
def test_anomalies_come_with_a_count_a_meaning_and_at_most_five_witnesses(tmp_path: Path, make_run: MakeRun) -> None:
    witnesses = [
        {"text": f"d1/c1:{n} never came at d<2>", "rows": [n], "message": f"d1/c1:{n}", "device": "d<2>"} for n in range(8)
    ]
    anomalies = (
        {"kind": "late", "count": 3, "fails": False},
        {"kind": "lost", "count": 1234, "messages": 900, "fails": True, "witnesses": witnesses},
    )
    page = report(tmp_path, make_run(anomalies=anomalies, verdict="invalid"))
    assert "lost</a></b> × 1,234 in 900 messages" in page
    assert KINDS["lost"].meaning in page
    assert page.index(">lost</a>") < page.index(">late</a>")
    assert page.count("never came at d&lt;2&gt;") == html.WITNESSES_MAX
    assert "and 1,229 more" in page
    assert "fails the run" in page


@pytest.mark.usefixtures("one_picture")
def test_a_kind_it_has_never_heard_of_is_shown_all_the_same(tmp_path: Path, make_run: MakeRun) -> None:
    page = report(tmp_path, make_run(anomalies=({"kind": "brand_new", "count": 1, "fails": True, "witnesses": ["row 7"]},)))
    assert "<b>brand_new</b> × 1" in page
    assert "row 7" in page


@pytest.mark.usefixtures("one_picture")
def test_doubt_is_shown(tmp_path: Path, make_run: MakeRun) -> None:
    page = report(tmp_path, make_run(verdict="unknown", reasons=("truncated: 12 s of 30 s",), complete=False, truncated=True))
    assert '<td class="verdict-unknown"><span class="badge">unknown</span></td>' in page
    assert "truncated: 12 s of 30 s" in page
    assert "the run did not come to its end" in page
    assert "Only the salvaged part of this run is shown" in page


@pytest.mark.usefixtures("one_picture")
def test_withheld_and_infinite_quantiles_are_shown_as_such(tmp_path: Path, make_run: MakeRun) -> None:
    latency = {"n": 90, "infinite": 9, "p50_us": 2_000, "p99_us": ">run", "max_us": ">run"}
    reconnect = {"n": 5, "p90_us": None, "max_us": 700_000}
    page = report(tmp_path, make_run(measures=measures(latency={"end_to_end_live": latency}, reconnect=reconnect)))
    cells = Parsed(page).rows[1]
    assert "> run" in cells
    assert "max 700 ms" in cells


@pytest.mark.usefixtures("one_picture")
def test_a_run_without_a_readable_history_is_in_the_report_and_says_so(tmp_path: Path, make_run: MakeRun) -> None:
    folder = make_run()
    (folder / "history.parquet").write_bytes(b"PAR1")
    page = report(tmp_path, folder, make_run(preset="naive"))
    assert "Its history cannot be read" in page
    assert page.count("<svg") == 1


@pytest.mark.usefixtures("one_picture")
def test_where_it_comes_from_and_how_to_do_it_again(tmp_path: Path, make_run: MakeRun) -> None:
    page = report(tmp_path, make_run(world="live", seed=3))
    for text in ("5ce9a210d16e57ab", "c0ffee12", "Example CPU", "2 cores", "Python 3.11.9", "simpy 4.1.1", "promise 1.00 s"):
        assert text in page
    assert "imbench run access_restart --world live --preset cursor --seed 3" in commands_in(page)


@pytest.mark.usefixtures("one_picture")
def test_texts_of_a_run_are_escaped(tmp_path: Path, make_run: MakeRun) -> None:
    page = report(tmp_path, make_run())
    assert "&lt;when&gt;" in page
    assert "<when>" not in page


def test_a_wrong_folder_is_one_clear_line_and_no_report(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="there is no such folder") as error:
        report(tmp_path, tmp_path / "nowhere")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.usefixtures("one_picture")
def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path: Path, make_run: MakeRun) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="choose another path"):
        html.write_report([make_run()], tmp_path / "file" / "report.html")


def test_an_anomaly_of_devices_is_not_counted_in_messages() -> None:
    outage = Anomaly("outage", 2, 1, True, (), None, None)
    assert words.in_messages(outage) == ""
    assert words.in_messages(Anomaly("lost", 2, 1, True, (), None, None)) == " in 1 message"


def test_coordinates_are_short_and_texts_are_not(make_run: MakeRun) -> None:
    run = series.of(results.load(make_run()).history)
    figure = figures.latency_curves(run, replace(figures.scales([run]), nines_max=6))
    text = plots.inline_svg(figure, "curves")
    assert not re.search(r' d="[^"]*\.\d\d\d', text)
    assert ">99.999 %<" in text


def test_plots_lie_in_the_run_folder_with_their_numbers(make_run: MakeRun) -> None:
    folder = make_run(never_shown=frozenset({8}))
    names = {path.name for path in write_plots(folder)}
    assert names == {f"{picture.name}.{form}" for picture in figures.PICTURES for form in ("svg", "png", "csv")}
    assert names == {path.name for path in (folder / "plots").iterdir()}
    lines = (folder / "plots" / "latency_over_time.csv").read_text().splitlines()
    assert len(lines) == 1 + 420
    assert sum(",inf" in line for line in lines) == 1


def test_the_same_run_gives_the_same_plots(make_run: MakeRun) -> None:
    folder = make_run()
    first = [path.read_bytes() for path in write_plots(folder)]
    assert [path.read_bytes() for path in write_plots(folder)] == first


def test_plots_of_a_folder_that_is_no_run_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="no run folder"):
        write_plots(tmp_path)
