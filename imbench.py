"""The command ``imbench``: parses, dispatches, and nothing else.

Results go to stdout, progress and complaints to stderr. Exit codes: 0 valid, 1 invalid, 2 unknown, 3 the harness failed, 4 regressed,
5 inconclusive, 64 and up what sysexits(3) says, 130, 141 and 143 on signals. Whatever is heavy is imported inside the
command that needs it, so that ``--help`` is quick.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scenarios.running import exits
from scenarios.running.command import (
    ALLOW_HELP,
    OUT_HELP,
    SERVICE_TIMES_HELP,
    SET_OPTION,
    conclude,
    near,
    report_options,
    run,
    runs_root,
)

if TYPE_CHECKING:
    from model.scenario import World
    from scenarios.running.live import Driver


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="imbench")
def cli() -> None:
    """Simulation and benchmarking testbed for instant-messaging systems: one scenario, two worlds, one judge."""


cli.add_command(run)


@cli.command()
@click.argument("name")
@click.option(
    "--axis",
    "axes",
    multiple=True,
    metavar="FIELD=V,V,...",
    help="Choices of a field, or of an axis that the scenario declares (imbench list names them).",
)
@click.option("--seeds", type=click.IntRange(1, 1000), help="Replications of each point, with seeds 1 to this.")
@click.option("--preset", metavar="P", help="Policies to run with, instead of those the sweep says.")
@SET_OPTION
@click.option("--short", is_flag=True, help="The short form: fewer points and replications, of a few seconds.")
@click.option("--world", type=click.Choice(["sim", "live"]), default="sim", show_default=True, help="Where to play.")
@click.option(
    "--jobs", type=click.IntRange(1, 256), show_default="one a core", help="Processes to run in, in the simulated world."
)
@click.option("--service-times", type=click.Path(dir_okay=False, path_type=Path), help=SERVICE_TIMES_HELP)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help=OUT_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def sweep(
    name: str,
    axes: tuple[str, ...],
    seeds: int | None,
    preset: str | None,
    settings: tuple[str, ...],
    short: bool,
    world: World,
    jobs: int | None,
    service_times: Path | None,
    out: Path | None,
    as_json: bool,
) -> int:
    """Run the scenario NAME over a grid of choices.

    It is played in the simulated world or, one run after the other, in the live one. The grid is what the scenario declares, changed and
    extended by --axis. Tables and pictures are left in one folder. A sweep compares and gives no verdict: the exit code is 0 when all of
    it was run, 3 when a worker process was killed, a judge crashed or the harness failed in a live run, 130 or 143 after a
    signal.
    """
    from reports import sweeps
    from scenarios.running import sweep as sweeping

    root = runs_root(out)
    result = sweeping.swept(
        name, axes, seeds, preset, settings, short=short, jobs=jobs, root=root, service_times=service_times, world=world
    )
    pictures = sweeps.write_pictures(result.folder)
    if as_json:
        print(json.dumps(sweeping.contract(result)))
    else:
        print(sweeps.told(result.folder, shutil.get_terminal_size((120, 24)).columns))
        print("\n".join(["", *sweeping.conclusion(name, result), f"folder: {near(result.folder)}"]))
        print("\n".join(f"picture: {near(path)}" for path in pictures if path.suffix == ".svg"))
    if result.interrupted:
        return 128 + result.interrupted
    failed = result.worker_died or {"harness_invalid", "judge_crashed"} & sweeping.not_counted(result.table).keys()
    return exits.HARNESS_INVALID if failed else exits.VALID


@cli.command()
@click.argument("base")
@click.argument("candidate")
@click.option(
    "--scenario", "names", multiple=True, metavar="NAME", help="What is played; may be repeated.  [default: two, see docs/ci.md]"
)
@click.option("--preset", default="cursor", show_default=True, metavar="P", help="Policies to compare with.")
@SET_OPTION
@click.option("--full", is_flag=True, help="The scenarios' full forms, instead of the short ones.")
@click.option("--pairs", "number", type=int, default=10, show_default=True, help="Pairs of runs of each scenario.")
@click.option(
    "--noise",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of machines' noise, instead of noise beside run folders.",
)
@click.option("--secret-file", type=click.Path(path_type=Path), help="For two addresses: the file with the key of their tokens.")
@click.option("--allow-host", "allowed", multiple=True, metavar="HOST", help=ALLOW_HELP)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to make, instead of comparisons/<UTC> beside run folders.",
)
@click.option(
    "--trunk",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of a trunk's history: append the candidate's figures; imbench trunk draws them.",
)
@report_options
def compare(
    base: str,
    candidate: str,
    names: tuple[str, ...],
    preset: str,
    settings: tuple[str, ...],
    full: bool,
    number: int,
    noise: Path | None,
    secret_file: Path | None,
    allowed: tuple[str, ...],
    out: Path | None,
    trunk: Path | None,
    as_json: bool,
    **files: Path | None,
) -> int:
    """Say whether CANDIDATE is slower than BASE.

    Both are git revisions, which are built and play pairs of live runs on this machine, one after the other; or servers that run already,
    HOST:PORT[,HOST:PORT]; or folders with live runs. Comparing a build with itself measures the noise of the machine, which is kept, and
    asked for. Exit code: 0 nothing is worse, 4 something is, 5 nobody can say yet, 3 the harness failed.
    """
    from reports.regression import outputs, paired
    from reports.regression import trunk as history
    from scenarios.comparing import command as comparing
    from scenarios.running.progress import shown

    wanted = comparing.asked(
        base,
        candidate,
        names,
        preset,
        settings,
        number,
        full=full,
        noise_folder=noise,
        secret_file=secret_file,
        allowed=allowed,
    )
    if trunk is not None:
        history.check(trunk, wanted.candidate)
    with shown() as progress:
        folder, found = comparing.compared(wanted, out, progress)
    outputs.tell(paired.report(found), as_json=as_json, **files)
    if trunk is not None:
        print(f"kept: {near(history.append(trunk, found))}", file=sys.stderr)
    print(f"folder: {near(folder)}", file=sys.stderr)
    return comparing.EXIT_CODES[found.outcome]


@cli.command()
@click.argument("names", nargs=-1, metavar="[SCENARIO]...")
@click.option("--accept", metavar="REASON", help="Take over what differs as the new baseline, and keep this reason with it.")
@click.option("--baselines", type=click.Path(file_okay=False, path_type=Path), help="Their folder.  [default: reports/baselines]")
@report_options
def gate(names: tuple[str, ...], accept: str | None, baselines: Path | None, as_json: bool, **files: Path | None) -> int:
    """Hold simulated runs against their baselines.

    They are of fixed seeds, and compared exactly. Whatever differs is named: the measure, from what to what, and the first event at which
    the two traces part. Exit code: 0 all is the same or was accepted, 4 something differs, 66 a baseline is missing.
    """
    from reports.regression import exact, outputs
    from scenarios.gating import command as gating
    from scenarios.gating.baselines import FOLDER
    from scenarios.running.progress import shown

    with shown() as progress:
        result = gating.gate(names, baselines or FOLDER, progress, accept)
    outputs.tell(exact.report(result), as_json=as_json, **files)
    if accept is not None:
        print(f"accepted: {accept.strip()}", file=sys.stderr)
        return exits.VALID
    return gating.exit_code(result)


@cli.command()
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), default="trunk.html", show_default=True, help="File to write."
)
def trunk(folder: Path, out: Path) -> None:
    """Draw what comparisons came to, commit by commit.

    FOLDER is where they were kept. The page has a panel for each measure and a line for each case, and a part for each machine.
    """
    from reports.regression.trunk import write
    from scenarios.running.command import target

    print(write(folder, target(out, ".html", ".htm")))


@cli.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help=OUT_HELP)
def demo(out: Path | None) -> int:
    """Kill a gateway under load: one table, one report.

    The scenario access_restart in its short form: three designs, in both worlds, one run after the other. It takes about a minute.
    """
    from reports.html import write_report
    from reports.table import render_text, summary
    from scenarios.running import command
    from scenarios.running import demo as demonstration

    results = list(demonstration.results(out))
    folders = [result.folder for result in results if result.folder is not None]
    print(render_text(summary(folders), shutil.get_terminal_size((120, 24)).columns))
    root = command.runs_root(out)
    root.mkdir(parents=True, exist_ok=True)
    report = write_report(folders, root / "demo.html")
    print(f"\nreport: {command.near(report)}")
    if any(result.interrupted for result in results):
        print(f"interrupted: {len(results)} of {demonstration.planned()} runs, the last one partial")
        return command.exit_code(results)
    return exits.VALID if all(result.as_expected for result in results) else command.exit_code(results) or exits.INVALID


@cli.command("list")
def list_() -> None:
    """Show all scenarios with their questions.

    Of those that declare a sweep, the axes, too.
    """
    from scenarios.running import catalog

    for name in catalog.names():
        print(f"{name}\n    {catalog.load(name).question}")
        if axes := catalog.sweep(name).axes:
            print(f"    sweep over {', '.join(axis.name for axis in axes)}")


@cli.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each PATH, a line each.")
def check(paths: tuple[Path, ...], as_json: bool) -> int:
    """Judge run folders and history files.

    Each PATH is one of them. The exit code is that of the worst verdict: 1 invalid, else 3 harness_invalid, else 2 unknown, else 0 valid.
    """
    from scenarios.running import check as checking

    verdicts = []
    for path in paths:
        header, judged = checking.check(path)
        told = json.dumps(checking.contract(path, judged)) if as_json else checking.told(path, header, judged)
        print(f"{told}\n" if len(paths) > 1 and not as_json else told, flush=True)
        verdicts.append(judged.verdict)
    if len(paths) > 1 and not as_json:
        print(f"{len(paths)} histories: " + ", ".join(f"{n} {verdict}" for verdict, n in Counter(verdicts).items()))
    return exits.worst(verdicts)


@cli.command()
@click.argument("path", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("message", metavar="[MESSAGE]", required=False)
@click.option("--anomaly", metavar="KIND", help="Explain the first message with this anomaly, such as lost.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="File for the diagram, instead of explain-MESSAGE.svg."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and draw only with --out.")
def explain(path: Path, message: str | None, anomaly: str | None, out: Path | None, as_json: bool) -> None:
    """Tell the life of one message, and draw it.

    RUN is a run folder or a history file, MESSAGE is device/id, as imbench check names it. Of a KIND that is about no message, such as
    outage, the rows that prove it are told.
    """
    from model.checkers.life import Proof
    from reports import life as lives
    from scenarios.running.command import target
    from scenarios.running.explain import explained

    out = target(out, ".svg") if out else None
    found = explained(path, message, anomaly)
    drawing = "it is about no single message; no diagram"
    if not isinstance(found, Proof):
        drawing = f"diagram: {lives.draw(found, out)}" if out or not as_json else ""
    print(json.dumps(lives.plain(found)) if as_json else f"{lives.told(found)}\n")
    if drawing and (out or not as_json):
        print(drawing, file=sys.stderr if as_json else sys.stdout)


@cli.command()
@click.argument("source", metavar="SOURCE", type=click.Path(path_type=Path))
@click.argument("target", metavar="TARGET", type=click.Path(dir_okay=False, path_type=Path))
def convert(source: Path, target: Path) -> None:
    """Write a history as JSON Lines or as Parquet.

    SOURCE is a run folder or a file; TARGET is JSON Lines if it ends in .jsonl, Parquet if in .parquet.
    """
    from model.history import at_rest
    from scenarios.running import check as checking
    from scenarios.running.command import target as checked

    checked(target, ".jsonl", ".parquet")
    at_rest.write(checking.history(source), target)
    print(target)


@cli.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), default="report.html", show_default=True, help="File to write."
)
@click.option("--plots", is_flag=True, help="Also write each picture, as SVG, PNG and CSV, into plots/ of its run folder.")
def report(paths: tuple[Path, ...], out: Path, plots: bool) -> None:
    """Write one self-contained HTML report on runs.

    Each PATH is a run folder or a history file.
    """
    from reports.html import write_report
    from reports.plots import write_plots
    from scenarios.running.check import there
    from scenarios.running.command import target

    target(out, ".html", ".htm")
    files = [path for path in paths if there(path).is_file()]
    if plots and files:
        raise exits.CannotRun(f"--plots writes into run folders, and {files[0]} is a file; leave out one of them")
    print(write_report(list(paths), out))
    for folder in paths if plots else ():
        print("\n".join(str(path) for path in write_plots(folder)))


@cli.command()
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default="service_times.json",
    show_default=True,
    help="File to write.",
)
@click.option("--seconds", type=click.FloatRange(1, 60), default=5.0, show_default=True, help="Length of each of twelve loads.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def calibrate(out: Path, seconds: float, as_json: bool) -> int:
    """Measure what the server costs on this machine.

    The machine must be idle; it takes about two minutes. The simulated world reads the file with --service-times or IMBENCH_SERVICE_TIMES.
    """
    from scenarios.calibrating.command import calibrated

    print(calibrated(out, seconds, as_json))
    return exits.VALID


@cli.command()
@click.option("--calibration", type=click.Path(dir_okay=False, path_type=Path), help=SERVICE_TIMES_HELP)
@click.option("--quick", is_flag=True, help="A small part in short runs: does it work? Promises may break by chance.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to make, instead of validation/<UTC> beside run folders.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def validate(calibration: Path | None, quick: bool, out: Path | None, as_json: bool) -> int:
    """Predict live runs, play them, and compare.

    They are what the calibration has not seen. The machine must be idle; it takes about a quarter of an hour. Exit code: 0 all promises
    kept, 1 one broken or M/M/c not beaten, else 3 if the harness failed at a point, else 2 if nothing was measured.
    """
    from reports import validation
    from scenarios.validating.command import validated

    folder, results = validated(calibration, quick, out)
    paths = validation.write(folder)
    print((folder / "results.json").read_text().strip() if as_json else paths[0].read_text())
    if not as_json:
        print(f"results: {near(folder)}")
    return 128 + results.interrupted if results.interrupted else results.exit_code


@cli.command()
@click.argument("name", default="standard_mix")
@click.option("--world", type=click.Choice(["sim", "live"]), default="sim", show_default=True, help="Where to run it.")
@click.option("--preset", default="cursor", show_default=True, metavar="P", help="Policies to run with.")
@click.option(
    "--promise",
    "promises",
    multiple=True,
    metavar="[ack.]pNN=TIME",
    help="What is to be kept, such as p99=200ms (end to end) or ack.p95=50ms; may be repeated.  [default: the scenario's, else p99=200ms]",
)
@click.option(
    "--from", "from_per_s", type=click.FloatRange(1, 1e6), default=100.0, show_default=True, help="Lowest rate, messages/s."
)
@click.option(
    "--to", "to_per_s", type=click.FloatRange(1, 1e6), default=20_000.0, show_default=True, help="Highest rate, messages/s."
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0.01, 1),
    default=0.1,
    show_default=True,
    help="How far the first failure may lie above the last pass, as a share of it.",
)
@click.option("--runs", type=click.IntRange(1, 99), default=3, show_default=True, help="Most runs at one rate, an odd number.")
@click.option(
    "--seconds", type=click.FloatRange(0.5, 3600), default=5.0, show_default=True, help="Length of the load of each run."
)
@click.option(
    "--driver",
    type=click.Choice(["locust", "asyncio"]),
    default="asyncio",
    show_default=True,
    help="Who makes the live world's load.",
)
@SET_OPTION
@click.option("--service-times", type=click.Path(dir_okay=False, path_type=Path), help=SERVICE_TIMES_HELP)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to make, instead of capacity/<UTC> beside run folders.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def capacity(
    name: str,
    world: World,
    preset: str,
    promises: tuple[str, ...],
    from_per_s: float,
    to_per_s: float,
    tolerance: float,
    runs: int,
    seconds: float,
    driver: Driver,
    settings: tuple[str, ...],
    service_times: Path | None,
    out: Path | None,
    as_json: bool,
) -> int:
    """Find the highest rate at which a promise is kept.

    The scenario NAME is played without its faults. Exit code: 0 found, or kept up to --to; 1 broken at the lowest rate; 2 no answer; 3 the
    load generator or the machine gave up first.
    """
    from reports import capacity as pictures
    from scenarios.capacity import command as searching
    from scenarios.capacity.search import Plan
    from scenarios.capacity.told import told

    plan = Plan(from_per_s, to_per_s, tolerance, runs)
    asked = searching.task(name, world, preset, driver, promises, settings, plan, seconds)
    folder, result = searching.measured(asked, out, service_times)
    paths = pictures.write(folder)
    if as_json:
        print((folder / "capacity.json").read_text().strip())
    else:
        print(
            "\n".join(
                [told(result), "", f"folder: {near(folder)}", *(f"picture: {near(p)}" for p in paths if p.suffix == ".svg")]
            )
        )
    if result.interrupted:
        print("imbench: interrupted; what was decided before is told", file=sys.stderr)
    return result.exit_code


@cli.command()
@click.option("--gateways", type=click.IntRange(1, 64), help="Number of gateways.  [default: 2; with --merged 1]")
@click.option("--merged", is_flag=True, help="Run the one gateway and business in one process.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="Port of gateway-1, the others follow; 0: any."
)
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Existing folder for the database.")
@click.option("--preset", default="cursor", show_default=True, help="Policies to serve with.")
@click.option(
    "--users", type=click.IntRange(2, 1_000_000), default=200, show_default=True, help="Users to provision conversations for."
)
@click.option("--secret-file", type=click.Path(path_type=Path), help="File with the key of the tokens, in hexadecimal.")
def serve(
    gateways: int | None, merged: bool, host: str, port: int, data: Path, preset: str, users: int, secret_file: Path | None
) -> int:
    """Start the reference server.

    It prints a ready line with its ports, and stops on SIGTERM. A gateway or business node that dies is started again.
    """
    from reference_server.serve import ServeOptions
    from reference_server.serve import serve as start
    from scenarios.running.command import check_presets
    from scenarios.running.serving import server_config

    check_presets([preset])
    number = gateways or (1 if merged else 2)
    with server_config(data, preset, users, number, secret_file) as config:
        return start(ServeOptions(data=data, config=config, gateways=number, host=host, port=port, merged=merged))


@cli.command()
@click.option("--preset", default="cursor", show_default=True, help="Policies to hunt in.")
@click.option(
    "--seeds",
    type=click.IntRange(1, 10**9),
    metavar="N",
    help="Play seeds 1 to N, or N from --first on.  [default: 1000; with --seconds alone: no end]",
)
@click.option("--first", type=click.IntRange(0, 2**31 - 1), metavar="A", default=1, show_default=True, help="First seed.")
@click.option("--last", type=click.IntRange(0, 2**31 - 1), metavar="B", help="Last seed, instead of --seeds.")
@click.option(
    "--seconds",
    type=click.FloatRange(0, 10**6, min_open=True),
    metavar="S",
    help="Stop after so long at the latest: with --seeds or --last, whichever comes first.",
)
@click.option("--jobs", type=click.IntRange(1, 256), metavar="J", default=1, show_default=True, help="Processes at a time.")
@click.option("--replay", type=click.IntRange(0, 2**31 - 1), metavar="SEED", help="Play this one seed again, and tell all of it.")
@click.option("--keep", is_flag=True, help="Append what fails, shrunk, to tests/seeds.txt.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def hunt(
    preset: str,
    seeds: int | None,
    first: int,
    last: int | None,
    seconds: float | None,
    jobs: int,
    replay: int | None,
    keep: bool,
    as_json: bool,
) -> int:
    """Search for bugs in the rules by random small runs.

    Faults, timers and order are random, too, and each run is judged. A seed that fails is shrunk to a small scenario. Exit code: 1 if a
    seed fails, else 3 if a worker process was killed, else 0.
    """
    from scenarios.hunting import command as hunting
    from scenarios.running.command import check_presets

    check_presets([preset])
    if replay is not None:
        hunting.check_alone(first, last, seeds, seconds, keep)
        return hunting.replay(replay, preset, as_json)
    return hunting.hunt(preset, first, hunting.last(first, last, seeds, seconds), seconds, jobs, keep, as_json)


@cli.command()
@click.argument("name", required=False)
@click.option("--preset", default="cursor", show_default=True, help="Policies to soak.")
@click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), default=1, show_default=True, help="All luck of all legs comes from it."
)
@click.option("--hours", type=click.FloatRange(0, 10**4, min_open=True), metavar="H", help="Begin no leg after so long.")
@click.option(
    "--messages",
    type=click.IntRange(1),
    metavar="N",
    help="Begin no leg once so many are ok; with --hours, whichever comes first.",
)
@click.option(
    "--rate", type=click.FloatRange(0, 10**6, min_open=True), metavar="R", help="Sends a second, instead of the scenario's."
)
@click.option(
    "--kills-per-minute",
    type=click.FloatRange(0, 120),
    metavar="K",
    default=20.0,
    show_default=True,
    help="Kills and drains, of nodes drawn at random; fewer where no node is there to be struck.",
)
@click.option(
    "--leg",
    type=click.FloatRange(5, 3600),
    metavar="S",
    default=60.0,
    show_default=True,
    help="Seconds of load judged at a time.",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help=OUT_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def soak(
    name: str | None,
    preset: str,
    seed: int,
    hours: float | None,
    messages: int | None,
    rate: float | None,
    kills_per_minute: float,
    leg: float,
    out: Path | None,
    as_json: bool,
) -> int:
    """Send millions of messages to the live server.

    Kills and drains strike it at random, and what it did is judged leg by leg. NAME is a scenario whose people and load to take; its faults
    are left out. Without --hours and --messages it goes on until Ctrl-C, which leaves the result so far. Exit code: 0 nothing found, 1
    something found, 3 the harness failed.
    """
    from scenarios.soaking import command as soaking

    return soaking.soak(
        name,
        preset,
        seed,
        hours=hours,
        messages=messages,
        rate=rate,
        faults_per_minute=kills_per_minute,
        leg_s=leg,
        out=out,
        as_json=as_json,
    )


@cli.command()
def doctor() -> int:
    """Say what this machine can and cannot do."""
    from scenarios.running.doctor import examine

    findings = examine()
    for finding in findings:
        print(f"{finding.state:5} {finding.what:15} {finding.text}")
    return exits.UNAVAILABLE if any(finding.state == "fail" for finding in findings) else exits.VALID


def main() -> None:
    """The entry point."""
    sys.exit(conclude(lambda: cli.main(prog_name="imbench", standalone_mode=False)))


if __name__ == "__main__":
    main()
