"""Turnout's benchmark: what a request through the gateway costs, beside nginx and LiteLLM on the same machine.

Needs Linux. nginx and LiteLLM are measured where they are installed; everything stays on 127.0.0.1. Prints Markdown.
Exit status: 0 measured (whatever the targets say), 1 a server or an answer failed, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import install_size
import machine
from phases import PHASES, SETTLE_SECONDS, Ids, Phase, measure, scaled
from processes import MachineTime, others_share
from report import markdown
from results import Results
from servers import HERE, BenchmarkFailed, Recipe, Server, Upstream, environ, read_recipes

IDLE_SECONDS = 1.0
"""After the first answer, before memory at rest is read."""
START_TIMEOUT = 120.0


class Interrupted(Exception):
    """A signal or the time limit: everything is taken down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be measured."""

    recipes: tuple[Recipe, ...]
    phases: tuple[Phase, ...]
    rounds: int
    starts: int
    scale: float
    folder: Path
    """Holds the servers' own folders."""
    phase_timeout: float

    def phase_for(self, phase: Phase, recipe: Recipe | None) -> Phase:
        """The phase with a server's own number of requests."""
        count = recipe.counts.get(phase.name, phase.count) if recipe else phase.count
        return scaled(phase, count, self.scale)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measure_starts(plan: Plan, upstream: Upstream, results: Results) -> None:
    """Each server by itself: in a fresh folder, and again in the one that the first start left."""
    for number in range(plan.starts):
        for recipe in plan.recipes:
            _say(f"start {number + 1} of {plan.starts}: {recipe.name}")
            folder = plan.folder / f"start-{recipe.name}-{number}"
            for name in ("start_fresh", "start"):
                with Server(recipe, folder, upstream.port) as server:
                    wall = server.wait_for_answer(START_TIMEOUT)
                    figures = {f"{name}_wall": wall, f"{name}_cpu": server.cpu_seconds()}
                    if name == "start":
                        time.sleep(IDLE_SECONDS)
                        memory = server.memory()
                        figures |= {"idle_memory": memory.pss, "idle_rss": memory.rss}
                    results.add(recipe.name, figures)
            shutil.rmtree(folder)


def measure_rounds(plan: Plan, upstream: Upstream, results: Results, ids: Ids) -> None:
    """All servers up; in every round each phase goes to each server in turn, in an order that rotates."""
    with contextlib.ExitStack() as stack:
        servers: list[Server | None] = [None]
        for recipe in plan.recipes:
            server = stack.enter_context(Server(recipe, plan.folder / recipe.name, upstream.port))
            server.wait_for_answer(START_TIMEOUT)
            servers.append(server)
        for number in range(-1, plan.rounds):
            _say(f"round {number + 1} of {plan.rounds}" if number >= 0 else "warming up")
            for phase in plan.phases:
                turn = number % len(servers)
                for server in (*servers[turn:], *servers[:turn]):
                    load = plan.phase_for(phase, server.recipe if server else None)
                    if number < 0:
                        load = scaled(load, load.count, 0.25)
                    port = server.port if server else upstream.port
                    figures = measure(load, server, port, ids, plan.phase_timeout)
                    if number >= 0:
                        results.add(server.recipe.name if server else "direct", figures)
            if number >= 0:
                for server in filter(None, servers):
                    memory = server.memory()
                    results.add(server.recipe.name, {"load_memory": memory.pss, "load_rss": memory.rss})


def measure_micro(results: Results, *, quick: bool) -> None:
    """Turnout's parts without a network, in a process of their own."""
    _say("parts")
    command = [sys.executable, str(HERE / "micro.py"), "--json", *(["--quick"] if quick else [])]
    done = subprocess.run(command, capture_output=True, text=True, env=environ({}), timeout=300)
    if done.returncode:
        raise BenchmarkFailed(f"micro.py failed: {done.stderr[-2000:]}")
    for name, values in json.loads(done.stdout).items():
        for value in values:
            results.add("parts", {name: value})


@contextlib.contextmanager
def _interruptible(seconds: int) -> Generator[None]:
    """Turns signals and the end of the time into an exception, so that every `with` takes its server down."""

    def stop(number: int, _: object) -> None:
        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
            signal.signal(each, signal.SIG_IGN)
        late = f"not done after {seconds} s, see --time-limit"
        raise Interrupted(late if number == signal.SIGALRM else f"stopped by {signal.Signals(number).name}")

    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
        signal.signal(each, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, help="rounds of all loads (5)")
    parser.add_argument("--starts", type=int, help="starts of each server (3)")
    parser.add_argument("--scale", type=float, help="share of the usual number of requests (1)")
    parser.add_argument("--quick", action="store_true", help="a look: one round, one start, a tenth of the requests")
    parser.add_argument("--only", default="", help="servers, comma-separated: turnout,turnout_unmetered,nginx,litellm")
    parser.add_argument("--phases", default="", help=f"loads, comma-separated: {','.join(p.name for p in PHASES)}")
    parser.add_argument("--litellm", metavar="PATH", help="the litellm command, where it is not on PATH")
    parser.add_argument("--install", action="store_true", help="install the core afresh to weigh it (asks the index)")
    parser.add_argument("--no-parts", action="store_true", help="leave the table of parts out")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every measurement there")
    parser.add_argument("--dir", metavar="FOLDER", type=Path, help="where servers keep their data (the system's /tmp)")
    parser.add_argument("--phase-timeout", type=float, default=120.0, help="seconds for one load (120)")
    parser.add_argument("--time-limit", type=int, default=1800, help="seconds for everything (1800)")
    return parser.parse_args()


def _words(text: str) -> set[str]:
    return {word.strip() for word in text.split(",") if word.strip()}


def _plan(options: argparse.Namespace, folder: Path) -> tuple[Plan, list[str]]:
    recipes, missing = read_recipes(options.litellm)
    wanted = _words(options.only)
    chosen = tuple(recipe for recipe in recipes if not wanted or recipe.name in wanted)
    if unknown := wanted - {recipe.name for recipe in chosen}:
        raise BenchmarkFailed(f"not installed or not known: {', '.join(sorted(unknown))}")
    names = _words(options.phases) or {phase.name for phase in PHASES}
    if unknown := names - {phase.name for phase in PHASES}:
        raise BenchmarkFailed(f"no such load: {', '.join(sorted(unknown))}")
    plan = Plan(
        recipes=chosen,
        phases=tuple(phase for phase in PHASES if phase.name in names),
        rounds=options.rounds or (1 if options.quick else 5),
        starts=(1 if options.quick else 3) if options.starts is None else options.starts,
        scale=options.scale or (0.1 if options.quick else 1.0),
        folder=folder,
        phase_timeout=options.phase_timeout,
    )
    return plan, [name for name in missing if not wanted]


def _run(options: argparse.Namespace, folder: Path) -> None:
    plan, missing = _plan(options, folder)
    about = machine.describe() | {"load average before": machine.load_average()}
    about |= {f"version of {recipe.name}": recipe.version() for recipe in plan.recipes}
    if missing:
        about["not installed here"] = ", ".join(missing)
    about["servers' data on"] = machine.file_system(folder)
    results, ids = Results(), Ids()
    before = MachineTime.read()
    with Upstream() as upstream:
        measure_starts(plan, upstream, results)
        measure_rounds(plan, upstream, results, ids)
    if not options.no_parts:
        measure_micro(results, quick=options.quick)
    about["other programs used"] = f"{others_share(before, MachineTime.read()):.1%} of the CPUs meanwhile"
    about["load average after"] = machine.load_average()
    size = install_size.of_a_fresh_environment(folder) if options.install else install_size.of_this_environment()
    results.add("turnout", size.figures())
    about["install size from"] = size.how
    results.subtract_direct()
    results.subtract_unmetered()
    about["rounds"] = f"{plan.rounds}, starts {plan.starts}, {plan.scale:g} of the usual number of requests"
    about["settle"] = f"{SETTLE_SECONDS} s between the last answer and the reading of CPU clocks"
    about["command"] = shlex.join(["python", "benchmarks/run.py", *sys.argv[1:]])
    print(markdown(results, about, plan.phases))
    if options.json:
        options.json.write_text(json.dumps({"about": about, "samples": results.samples}, indent=1) + "\n")


def main() -> int:
    """Runs; the exit status."""
    options = _options()
    folder: Path | None = None
    try:
        with _interruptible(options.time_limit):
            if options.dir is not None:
                Path(options.dir).mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix="turnout-bench-", dir=options.dir))
            _run(options, folder)
    except BenchmarkFailed as error:
        _say(f"error: {error}")
        return 1
    except Interrupted as error:
        _say(f"error: {error}")
        return 130
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
