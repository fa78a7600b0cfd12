"""The pictures of a run, each a function of its :class:`reports.series.Series` that returns a matplotlib Figure.

Rules of the file:

- Every axis has a title with its unit; latencies are on logarithmic axes; colours are those of Okabe and Ito (Color Universal Design,
  2008), yellow and black left out because a page may be light or dark.
- Pictures that stand side by side share one :class:`Scales`, so that equal heights mean equal numbers, and have fixed margins, so that
  their axes stand at equal places (and so that nothing must be measured: fitting them took half of a report's time).
- Clouds of points are drawn as pixels inside the vector picture, everything else as vectors: a picture of a million deliveries is small.
- Text, axes and neutral lines have the one colour :data:`INK`, which a page replaces by its own text colour; words on a fault have
  :data:`ALARM`, which a page replaces by its own, too.
- Each picture can be told in a sentence, for those who cannot see it.

Nothing here touches pyplot or any state of matplotlib beyond the ``with``: figures can be made in any thread and need no closing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator
from numpy.typing import NDArray

from model.history.schema import Kind, Phase
from reports import series as views
from reports.markup import visible
from reports.series import Series

INK: Final = "#1b1f24"
ALARM: Final = "#b34700"
BLUE, VERMILLION, GREEN, ORANGE, SKY, PURPLE = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7"
CYCLE: Final = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION)
OUTCOME_STYLE: Final = {
    "ok": (GREEN, "ok within the promise"),
    "ok_late": (SKY, "ok later"),
    "unknown": (ORANGE, "unknown outcome"),
    "failed": (VERMILLION, "failed for certain"),
    "open": (PURPLE, "still open at the end"),
}
STYLE: Final[dict[str, Any]] = {
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "grid.color": "#8b949e",
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.4,
    "figure.dpi": 110,
    "svg.fonttype": "none",
}
ANSWERS: Final = (Kind.OK, Kind.FAIL, Kind.INFO)
_SIZE: Final = (6.2, 3.5)
_MARGINS_INCH: Final = {"left": 0.96, "right": 0.22, "top": 0.26, "bottom": 0.5}
_LEGEND_LINE_INCH: Final = 0.21


@dataclass(frozen=True, slots=True)
class Scales:
    """The ranges that pictures side by side have in common."""

    time_s: tuple[float, float]
    late_ms: tuple[float, float]
    """Of deliveries."""
    latency_ms: tuple[float, float]
    """Of deliveries and of answers to senders."""
    nines_max: int
    """Where "all of them" stands on an axis of nines: above whatever one of the largest number can leave out."""
    rate_per_s_max: float
    connections_max: float
    attempts_per_s_max: float

    @property
    def span_s(self) -> float:
        """How long a time axis is."""
        return self.time_s[1] - self.time_s[0]


def scales(runs: Sequence[Series]) -> Scales:
    """Ranges in which everything of all these runs can be seen."""
    late = np.concatenate([run.pairs["latency_ms"].to_numpy(np.float64) for run in runs])
    others = [np.r_[run.sends["ack_ms"], run.pairs["after_return_ms"]] for run in runs]
    largest = max([1, *(values.size for run in runs for values, _, _, _ in _curves(run))])
    begin_s, end_s = min(run.begin_s for run in runs), max(run.end_s for run in runs)
    end_s = max(end_s, begin_s + 0.1)
    width_s = bin_s(end_s - begin_s)
    rates = [float(views.outcomes_over_time(run, width_s).sum(axis=1).max()) for run in runs if len(run.sends)]
    ready = [float(views.ready_over_time(run)["all"].max()) for run in runs if len(run.ready)]
    attempts = [float(_attempts_per_s(run, width_s)[1].max(initial=0.0)) for run in runs]
    return Scales(
        time_s=(begin_s, end_s),
        late_ms=_decades(late),
        latency_ms=_decades(np.concatenate([late, *others])),
        nines_max=max(3, int(np.log10(largest)) + 1),
        rate_per_s_max=max([1.0, *rates]) * 1.08,
        connections_max=max([1.0, *ready]) * 1.08,
        attempts_per_s_max=max([1.0, *attempts]) * 1.1,
    )


def _decades(values_ms: NDArray[np.float64]) -> tuple[float, float]:
    """Powers of ten around all that is finite, at least two of them; nothing below 10 µs."""
    values = values_ms[np.isfinite(values_ms) & (values_ms > 0)]
    low, high = (float(values.min()), float(values.max())) if values.size else (1.0, 1000.0)
    low = max(0.01, float(10.0 ** np.floor(np.log10(low))))
    return low, max(100 * low, float(10.0 ** np.ceil(np.log10(high * 1.05))))


def bin_s(span_s: float) -> float:
    """A round width of bins, seconds, such that 40 to 100 of them cover the span; of a long day as many as it takes."""
    wanted = max(span_s, 0.1) / 80
    if wanted > 60:
        return float(np.ceil(wanted / 60) * 60)
    return min((0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0), key=lambda width: abs(np.log(width / wanted)))


# what all have in common ----------------------------------------------------------------------------------------------


def _figure(legend_lines: int = 1) -> Figure:
    """An empty picture with margins for titles, marks above the plot and a legend below it."""
    width, height = _SIZE[0], _SIZE[1] + _LEGEND_LINE_INCH * (legend_lines - 1)
    figure = Figure(figsize=(width, height))
    below = _MARGINS_INCH["bottom"] + _LEGEND_LINE_INCH * legend_lines
    figure.subplots_adjust(
        left=_MARGINS_INCH["left"] / width,
        right=1 - _MARGINS_INCH["right"] / width,
        top=1 - _MARGINS_INCH["top"] / height,
        bottom=below / height,
        hspace=0.18,
    )
    return figure


def _time_axis(ax: Axes, run: Series, shared: Scales, labelled: bool = True) -> None:
    """Seconds since the load began, faults shaded, the end of the load marked."""
    ax.set_xlim(*shared.time_s)
    if labelled:
        ax.set_xlabel("time of the history (s)" if run.begin_s > 0 else "time since the load began (s)")
    for fault in run.faults:
        if fault.end_s - fault.begin_s > 0.002 * shared.span_s:
            ax.axvspan(fault.begin_s, fault.end_s, color=VERMILLION, alpha=0.16, linewidth=0, zorder=0)
        else:
            ax.axvline(fault.begin_s, color=VERMILLION, alpha=0.6, linewidth=1.2, zorder=0)
    drain = run.phases.get(Phase.DRAIN)
    if drain is not None and drain < shared.time_s[1]:
        ax.axvline(drain, color=INK, alpha=0.5, linewidth=0.8, linestyle=":", zorder=0)


def _name_faults(ax: Axes, run: Series, shared: Scales) -> None:
    """What the shades mean, above the plot."""
    marks = [
        (fault.begin_s, f"{_plain(fault.node)} {_FAULT_WORDS.get(fault.kind, fault.kind.replace('_', ' '))}", ALARM)
        for fault in run.faults
    ]
    drain = run.phases.get(Phase.DRAIN)
    if drain is not None and drain < shared.time_s[1]:
        marks.append((drain, "load ends", INK))
    for at_s, text, colour in marks:
        late = at_s > shared.time_s[0] + 0.8 * shared.span_s
        ax.annotate(
            text, (at_s, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 3), textcoords="offset points",
            fontsize=9, color=colour, ha="right" if late else "left", va="bottom", annotation_clip=False,
        )  # fmt: skip


def _plain(name: str) -> str:
    """A name as matplotlib is to write it: letter by letter, with no formula in it, in letters that its font has."""
    return re.sub("[\u2400-\u2421]", "\ufffd", visible(name)).replace("$", r"\$")


_FAULT_WORDS: Final = {"kill": "killed", "cut": "cut off"}


def _latency_text(value_ms: float, _: object = None) -> str:
    if value_ms >= 1000:
        return f"{value_ms / 1000:g} s"
    return f"{value_ms:g} ms" if value_ms >= 1 else f"{value_ms * 1000:g} µs"


def _latency_axis(axis: Any) -> None:
    axis.set_major_locator(LogLocator(10.0, numticks=12))
    axis.set_major_formatter(FuncFormatter(_latency_text))


# the pictures -----------------------------------------------------------------------------------------------------------


def latency_over_time(run: Series, shared: Scales | None = None) -> Figure:
    """Every owed delivery at its intended instant: how late it was shown, and, along the top, what never came."""
    shared = shared or scales([run])
    with mpl.rc_context(STYLE):
        figure = _figure(legend_lines=2)
        ax = figure.subplots()
        low, high = shared.late_ms
        never_ms, top_ms = high * 2.2, high * 4
        ax.set_yscale("log")
        ax.set_ylim(low, top_ms)
        pairs = run.pairs
        came = np.isfinite(pairs["latency_ms"].to_numpy())
        away = pairs["away"].to_numpy()
        dot = 1.8 if len(pairs) > 3000 else 2.8
        for chosen, colour, marker, size, label in (
            (came & ~away, BLUE, "o", dot, "receiver connected"),
            (came & away, ORANGE, "^", dot + 1.2, "receiver away when sent"),
        ):
            if chosen.any():
                ax.plot(
                    pairs["t_s"][chosen], pairs["latency_ms"][chosen], marker, color=colour, markersize=size, alpha=0.5,
                    markeredgewidth=0, rasterized=True, label=label,
                )  # fmt: skip
        if (~came).any():
            lost = pairs["t_s"][~came]
            ax.plot(lost, np.full(len(lost), never_ms), "x", color=VERMILLION, markersize=4, label=_never(run), rasterized=True)
        ax.axhline(high * 1.2, color=INK, linewidth=0.6, alpha=0.5)
        _windowed(ax, run, shared)
        _latency_axis(ax.yaxis)
        ticks = (10.0 ** np.arange(np.log10(low), np.log10(high) + 0.5)).tolist()
        ax.set_yticks([*ticks, never_ms], [*map(_latency_text, ticks), "not yet" if run.history.header.truncated else "never"])
        ax.minorticks_off()
        ax.set_ylabel("end to end (logarithmic)")
        if pairs.empty:
            ax.text(0.5, 0.5, "nothing was owed to anyone", transform=ax.transAxes, ha="center")
        _time_axis(ax, run, shared)
        _name_faults(ax, run, shared)
        _legend_below(figure, ax, columns=3)
    return figure


def _never(run: Series) -> str:
    """What is to be said of what is owed and not there: a recording that ended early does not know."""
    return "not come when the recording ended" if run.history.header.truncated else "never came"


def _windowed(ax: Axes, run: Series, shared: Scales) -> None:
    """Median and 90th percentile of receivers that were connected, in windows; none where too few came to tell."""
    pairs = run.pairs[~run.pairs["away"]]
    if pairs.empty:
        return
    window_s = max(0.25, bin_s(shared.span_s))
    for q, style, label in ((0.5, "-", f"median in {window_s:g} s"), (0.9, "--", f"p90 in {window_s:g} s")):
        found = views.quantiles_over_time(pairs["t_s"].to_numpy(), pairs["latency_ms"].to_numpy(), window_s, q)
        values = found.to_numpy(np.float64)
        seen = np.where(np.isfinite(values), values, np.nan)
        if np.isfinite(seen).any():
            ax.step(found.index, seen, style, where="mid", color=INK, linewidth=1.1, label=label)


def _legend_below(figure: Figure, ax: Axes, columns: int = 5) -> None:
    handles, labels = ax.get_legend_handles_labels()
    if not handles:
        return
    legend = figure.legend(
        handles, labels, loc="lower center", ncols=columns, handlelength=1.6, columnspacing=1.2, borderpad=0, labelspacing=0.3
    )
    for handle in legend.legend_handles:  # points are small in the picture, and are to be recognised here
        if isinstance(handle, Line2D) and handle.get_marker() not in ("None", "", None):
            handle.set(markersize=5, alpha=1.0)


def latency_curves(run: Series, shared: Scales | None = None) -> Figure:
    """The share of everything owed that had arrived within a time; a curve that ends below 100 % lost the rest."""
    shared = shared or scales([run])
    with mpl.rc_context(STYLE):
        figure = _figure(legend_lines=3)
        ax = figure.subplots()
        ax.set_xscale("log")
        ax.set_xlim(shared.latency_ms[0], shared.latency_ms[1])
        for values, colour, style, label in _curves(run):
            _curve(ax, values, colour, style, label, shared)
        whole = range(1, shared.nines_max)
        shares = [f"{100 - 100 * 10.0**-nines:.{max(0, nines - 2)}f} %" for nines in whole]
        ax.set_yticks([0, np.log10(2), *whole, shared.nines_max], ["0 %", "50 %", *shares, "100 %"])
        ax.set_ylim(0, shared.nines_max * 1.03)
        _latency_axis(ax.xaxis)
        ax.set_xlabel("time since the intended send")
        ax.set_ylabel("share that had arrived")
        _legend_below(figure, ax, columns=1)
    return figure


def _curves(run: Series) -> list[tuple[NDArray[np.float64], str, str, str]]:
    away = run.pairs["away"].to_numpy()
    ack_ms = run.sends["ack_ms"].to_numpy(np.float64)
    if not run.history.rows_of(*ANSWERS).size:  # what nobody recorded is not missing
        ack_ms = ack_ms[:0]
    return [
        (ack_ms[~np.isnan(ack_ms)], GREEN, ":", "reported as sent"),
        (run.pairs["latency_ms"].to_numpy(np.float64)[~away], BLUE, "-", "receiver connected"),
        (run.pairs["after_return_ms"].to_numpy(np.float64)[away], ORANGE, "--", "receiver away, from its return"),
    ]


def _curve(ax: Axes, values: NDArray[np.float64], colour: str, style: str, label: str, shared: Scales) -> None:
    """An empirical distribution, its ordinate in nines; the label says how many, and how many are missing."""
    if not values.size:
        return
    finite = np.sort(values[np.isfinite(values)])
    never = values.size - finite.size
    share = np.arange(1, finite.size + 1) / values.size
    x = np.r_[shared.latency_ms[0], finite, shared.latency_ms[1]]
    nines = np.minimum(-np.log10(np.maximum(1 - np.r_[0.0, share, share[-1:]], 1e-12)), shared.nines_max)
    text = f"{label} (n={values.size:,}" + (f", {never:,} missing)" if never else ")")
    kept = _thinned(nines)
    ax.step(x[: nines.size][kept], nines[kept], style, where="post", color=colour, label=text)


def _thinned(nines: NDArray[np.float64]) -> NDArray[np.int64]:
    """Places of the points worth drawing: the eye sees no more than some hundreds along the ordinate."""
    step = np.floor(nines * 150).astype(np.int64)
    kept = np.flatnonzero(np.r_[True, np.diff(step) > 0])
    return np.unique(np.r_[kept, np.maximum(kept - 1, 0), nines.size - 1])


def connections_over_time(run: Series, shared: Scales | None = None) -> Figure:
    """Ready connections, stacked by gateway, and below them the attempts to connect per second."""
    shared = shared or scales([run])
    with mpl.rc_context(STYLE):
        figure = _figure()
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 1))
        _stacked_ready(top, run, shared)
        top.set_ylabel("ready connections")
        _time_axis(top, run, shared, labelled=False)
        _name_faults(top, run, shared)
        starts, rates = _attempts_per_s(run, bin_s(shared.span_s))
        if starts.size:
            bottom.step(np.r_[starts, starts[-1] + bin_s(shared.span_s)], np.r_[rates, 0.0], where="post", color=INK)
        bottom.set_ylim(0, shared.attempts_per_s_max)
        bottom.set_ylabel("attempts\nper s")
        bottom.yaxis.set_major_locator(MaxNLocator(3))
        _time_axis(bottom, run, shared)
        figure.align_ylabels()
        _legend_below(figure, top)
    return figure


def _stacked_ready(ax: Axes, run: Series, shared: Scales) -> None:
    """One band a gateway; the upper edge of them all is the number of ready connections."""
    start_s, end_s = shared.time_s
    levels = views.ready_over_time(run)
    levels = levels[
        ~pd.Series(np.floor((levels.index - start_s) * 2000 / shared.span_s)).duplicated(keep="last").to_numpy()
    ]  # what a line's width holds
    inside = (levels.index > start_s) & (levels.index <= end_s)
    at_s = np.r_[start_s, levels.index[inside], end_s]
    below = np.zeros(len(at_s) - 1)
    for place, name in enumerate(_gateways(levels)):
        before = levels[name][levels.index <= start_s]
        values = np.r_[before.iloc[-1] if len(before) else 0, levels[name][inside].to_numpy()]
        ax.stairs(below + values, at_s, baseline=below, fill=True, color=CYCLE[place % len(CYCLE)], alpha=0.8, label=_plain(name))
        below = below + values
    ax.set_ylim(0, shared.connections_max)
    ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))


def _gateways(levels: pd.DataFrame) -> list[str]:
    return [str(name) for name in levels.columns if name != "all"]


def _attempts_per_s(run: Series, width_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Beginnings of bins in seconds, from the beginning of the load, and attempts per second in each."""
    attempts_s = run.attempts_s[run.attempts_s >= run.begin_s]
    edges = np.arange(run.begin_s, run.end_s + 2 * width_s, width_s)
    counts, _ = np.histogram(attempts_s, edges)
    return edges[:-1], counts / width_s


def outcomes_over_time(run: Series, shared: Scales | None = None) -> Figure:
    """Sends per second by what became of them, stacked, at their intended instants."""
    shared = shared or scales([run])
    with mpl.rc_context(STYLE):
        figure = _figure(legend_lines=2)
        ax = figure.subplots()
        width = bin_s(shared.span_s)
        rates = views.outcomes_over_time(run, width)
        edges = np.r_[rates.index, rates.index[-1] + width] if len(rates) else np.array([0.0, width])
        below = np.zeros(len(edges) - 1)
        for name, (colour, label) in OUTCOME_STYLE.items():
            values = rates[name].to_numpy(np.float64) if len(rates) else np.zeros(1)
            if values.any():
                total = round(values.sum() * width)
                ax.stairs(
                    below + values, edges, baseline=below, fill=True, color=colour, alpha=0.85, label=f"{label} ({total:,})"
                )
                below = below + values
        ax.set_ylim(0, shared.rate_per_s_max)
        ax.set_ylabel("intended sends (1/s)")
        _time_axis(ax, run, shared)
        _name_faults(ax, run, shared)
        _legend_below(figure, ax, columns=3)
    return figure


# all of them --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Picture:
    """One kind of picture, and the table it is drawn from."""

    name: str
    title: str
    caption: str
    draw: Callable[[Series, Scales | None], Figure]
    frame: Callable[[Series], pd.DataFrame]
    tell: Callable[[Series], str]
    """What is to be seen, in words."""
    lacks: Callable[[Series], str]
    """Which rows a history lacks that has nothing to draw; "" where there is something."""


def _latency_frame(run: Series) -> pd.DataFrame:
    names = run.history.names
    frame = run.pairs[["t_s", "away", "latency_ms", "after_return_ms", "copies"]].copy()
    frame.insert(0, "device", np.array([*names.devices, ""], object)[run.pairs["device"]])
    frame.insert(0, "message", np.array([*names.client_message_ids, ""], object)[run.pairs["message"]])
    frame.insert(0, "sender", np.array([*names.devices, ""], object)[run.history.message_sender[run.pairs["message"]]])
    return frame


def _curves_frame(run: Series) -> pd.DataFrame:
    parts = [pd.DataFrame({"curve": label, "latency_ms": np.sort(values)}) for values, _, _, label in _curves(run)]
    frame = pd.concat(parts, ignore_index=True)
    frame["share"] = frame.groupby("curve").cumcount().add(1) / frame.groupby("curve")["curve"].transform("size")
    return frame


def _outcomes_frame(run: Series) -> pd.DataFrame:
    return views.outcomes_over_time(run, bin_s(run.end_s - run.begin_s)).reset_index()


def _tell_latency(run: Series) -> str:
    away, never = run.pairs["away"], np.isinf(run.pairs["latency_ms"])
    return f"{(~away).sum():,} deliveries to connected receivers, {away.sum():,} to receivers that were away, {never.sum():,} {_never(run)}"


def _tell_curves(run: Series) -> str:
    return "; ".join(f"{label}: {_shares(values)}" for values, _, _, label in _curves(run) if values.size)


def _shares(values: NDArray[np.float64]) -> str:
    found = [(share, np.quantile(values, share, method="inverted_cdf")) for share in (0.5, 0.9, 0.99)]
    return (
        ", ".join(
            f"{share * 100:g} % within {_latency_text(float(f'{value:.3g}'))}" for share, value in found if np.isfinite(value)
        )
        or "none"
    )


def _tell_connections(run: Series) -> str:
    levels = views.ready_over_time(run)["all"]
    loaded = levels[levels.index >= run.begin_s]
    least = f", {loaded.min():,} at the least under load" if len(loaded) else ""
    return f"{levels.max() if len(levels) else 0:,} ready at the most{least}; {(run.attempts_s >= run.begin_s).sum():,} attempts under load"


def _tell_outcomes(run: Series) -> str:
    counts = run.sends["outcome"].value_counts()
    return ", ".join(f"{counts[name]:,} {label}" for name, (_, label) in OUTCOME_STYLE.items() if name in counts) or "no sends"


_NOTHING_OWED: Final = "no message is known to have been owed to anyone"

PICTURES: Final[tuple[Picture, ...]] = (
    Picture(
        "latency_over_time",
        "How late messages were shown",
        "Each dot is one message at one receiver, at the instant its sender meant to send it; crosses along the top never came. "
        "Lines: receivers that were connected. The shaded span is the fault. Logarithmic axis.",
        latency_over_time,
        _latency_frame,
        _tell_latency,
        lambda run: _NOTHING_OWED * run.pairs.empty,
    ),
    Picture(
        "latency_curves",
        "What share arrived within which time",
        "Higher and further left is better. A curve that ends below 100 % lost the rest. Both axes are logarithmic: each step up from "
        "90 % leaves out ten times fewer.",
        latency_curves,
        _curves_frame,
        _tell_curves,
        lambda run: _NOTHING_OWED * run.pairs.empty,
    ),
    Picture(
        "connections_over_time",
        "Connections",
        "Devices with a ready session, stacked by the gateway they are connected to, and how often devices tried to connect.",
        connections_over_time,
        lambda run: views.ready_over_time(run).reset_index(),
        _tell_connections,
        lambda run: "no ready or connecting rows" * (run.ready.empty and not run.attempts_s.size),
    ),
    Picture(
        "outcomes_over_time",
        "What senders were told",
        "Sends by the instant they were meant for, and by what the client told its user in the end.",
        outcomes_over_time,
        _outcomes_frame,
        _tell_outcomes,
        lambda run: "no ok, fail or info rows" * (not run.history.rows_of(*ANSWERS).size),
    ),
)
