"""Our percentiles on Locust's web page: a tab of its own, fed beside Locust's statistics, which are rounded to two digits.

Locust's page renders what it is told of in ``extended_tabs`` and ``extended_tables`` from ``extended_stats`` in its answers (Locust's
documentation, "Extending Locust", "Extending Web UI"). Of workers, each report to the master carries what was counted since the last.
"""

from __future__ import annotations

import json
from typing import Any

from loadgen.histograms import PERCENTILES, Histogram, Histograms

KEY = "imbench"
COLUMNS = (
    ("name", "Name"),
    ("samples", "# samples"),
    ("failed", "# failed"),
    *((f"p{q * 100:g}".replace(".", "_"), f"p{q * 100:g} (ms)") for q in PERCENTILES),
    ("largest", "Max (ms)"),
)
NONE = "too few"
"""Where fewer than ten samples lie beyond a quantile, or there are none."""


def rows(histograms: Histograms) -> list[dict[str, str]]:
    """The table, a row a name."""
    return [_row(name, histogram) for name, histogram in sorted(histograms.by_name.items())]


def _row(name: str, histogram: Histogram) -> dict[str, str]:
    quantiles = [_milliseconds(histogram.quantile(q)) for q in PERCENTILES]
    largest = _milliseconds(histogram.largest if histogram.total else None)
    cells = (name, f"{histogram.total:,}", f"{histogram.failed:,}", *quantiles, largest)
    return dict(zip((key for key, _ in COLUMNS), cells, strict=True))


def _milliseconds(value_us: int | None) -> str:
    """With three significant digits, as many as are known."""
    if value_us is None:
        return NONE
    value = value_us / 1000
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def extend(web_ui: Any, histograms: Histograms) -> None:
    """Add the tab to a web page, Locust's ``WebUI``."""
    structure = [{"key": key, "title": title} for key, title in COLUMNS]
    web_ui.template_args["extended_tabs"] = [{"title": "Latencies from the intended time", "key": KEY}]
    web_ui.template_args["extended_tables"] = [{"key": KEY, "structure": structure}]

    def with_ours(response: Any) -> Any:
        if response.is_json and isinstance(told := response.get_json(), dict) and "stats" in told:
            table = {"key": KEY, "data": rows(histograms)}
            response.set_data(json.dumps({**told, "extended_stats": [table]}))
        return response

    web_ui.app.after_request(with_ours)
