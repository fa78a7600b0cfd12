"""Pictures on disk: each of :data:`reports.figures.PICTURES` as SVG, PNG and CSV in a run folder, and as SVG text for a page.

The CSV beside a picture is what it is drawn from. The same run gives the same files: no dates, and identifiers inside an SVG are
derived from the picture's own name, so that many of them can stand in one page. There, text has the page's colour and font, and what
would be too dark on a dark ground, the darkest colour of the cycle and the words on faults, is the page's ``--blue`` and ``--alarm``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO, StringIO
from pathlib import Path
from typing import Final

import matplotlib as mpl
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from model.history.run_folder import RunFolderError
from reports import series
from reports.figures import ALARM, BLUE, INK, PICTURES
from reports.results import load

_FONTS: Final = "system-ui, sans-serif"
_IDENTIFIER: Final = re.compile(r'\bid="([^"]+)"')
_PATH: Final = re.compile(r' d="([^"]*)"')
_REFERENCE: Final = re.compile(r'(?:url\(#|href="#)([^")]+)')


def write_plots(folder: Path) -> list[Path]:
    """Write ``plots/<picture>.svg``, ``.png`` and ``.csv`` into a run folder, in place of earlier ones. Returns their paths.

    Raises :class:`model.history.schema.HistoryError`, one line, where ``folder`` is no run folder, its history cannot be read, or the
    disk does not take the files.
    """
    run = series.of(load(folder).history)
    with _plots(folder / "plots"):
        (folder / "plots").mkdir(exist_ok=True)
    return [
        path
        for picture in PICTURES
        for path in write_figure(picture.draw(run, None), folder / "plots", picture.name, picture.frame(run))
    ]


def write_figure(figure: Figure, folder: Path, name: str, table: pd.DataFrame) -> list[Path]:
    """Write a figure as ``<name>.svg`` and ``.png`` and what it is drawn from as ``.csv``. Returns the three paths."""
    svg, png, csv = (folder / f"{name}.{ending}" for ending in ("svg", "png", "csv"))
    with _plots(folder):
        svg.write_bytes(_svg(figure, name).encode())
        png.write_bytes(_png(figure))
        table.to_csv(csv, index=False)
    return [svg, png, csv]


@contextmanager
def _plots(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        text = f"{error.filename or folder}: {error.strerror}: plots cannot be written; free space"
        raise RunFolderError(text, "disk") from error


def inline_svg(figure: Figure, name: str) -> str:
    """A figure as an ``<svg>`` element for a page: the page's text colour and font, no identifiers that two figures could share.

    ``name`` must be different for each figure of the page.
    """
    text = _svg(figure, name)
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    used = set(_REFERENCE.findall(text))
    text = _IDENTIFIER.sub(lambda found: found.group(0) if found.group(1) in used else "", text)
    text = _PATH.sub(lambda found: f' d="{_short(found.group(1))}"', text)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"|(<svg[^>]*?) height="[^"]*"', r"\1\2", text, count=1)
    text = text.replace(INK, "currentColor").replace(BLUE.lower(), "var(--blue)").replace(ALARM, "var(--alarm)")
    return re.sub(r"'DejaVu Sans'(, [^;\"]*)?", _FONTS, text).strip()


def _short(path: str) -> str:
    """The same path to a hundredth of a point, in half the bytes."""
    return re.sub(r"(\.\d\d)\d+", r"\1", " ".join(path.split()))


def _svg(figure: Figure, name: str) -> str:
    out = StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None}, dpi=130)
    return out.getvalue()


def _png(figure: Figure) -> bytes:
    out = BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(out, format="png", dpi=150, facecolor="white", metadata={"Software": None})
    return out.getvalue()
