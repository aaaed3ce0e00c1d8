"""`--profile`: a trace of some training steps, the peak memory, and the costliest operations."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from jaxcnn.files.writing import write_json
from jaxcnn.process import group
from jaxcnn.process.memory import peak_memory
from jaxcnn.text import percent, shorten
from jaxcnn.training.plan import Plan
from jaxcnn.training.run import Feed, Run
from jaxcnn.training.timing import Clock
from jaxcnn.training.trace_costs import Cost, costliest
from jaxcnn.workdir.position import Position

_WARM_UP_STEPS = 3  # after the first call of a program, which compiles it
_NUM_OPERATIONS = 5
_WIDTH, _NAME_WIDTH = 80, 32  # columns


class Profiler:
    """Traces some training steps of a run, all in one epoch, and reports what they cost.

    The trace begins when the steps are compiled and warm, in the first epoch with enough steps
    left, or else in the last epoch. In a group, process 0 alone traces. The training computes the
    same numbers as without it.

    Args:
      num_steps: training steps to trace, at most those of an epoch; 0 for no trace.
      plan: the plan of the run.
      folder: gets the trace and `profile.json`.
      show: prints a line.
    """

    def __init__(self, num_steps: int, plan: Plan, folder: Path, show: Callable[[str], None]):
        self._plan, self._folder, self._show = plan, folder, show
        self._wanted = min(num_steps, plan.steps_per_epoch)
        self._known: set[int] = set()  # steps in a call of each compiled program
        self._warm_steps = self._traced_steps = 0
        self._started: float | None = None  # start time of the trace, or None
        self._sums: Any = None  # of the last step
        self.is_done = not (num_steps and group.is_main())

    def attach(self, run: Run) -> Run:
        """Return the run with a training that is traced; the same run if no trace is due."""
        if self._wanted:  # a program from the compile cache may have another program's names
            jax.config.update("jax_compilation_cache_include_metadata_in_key", True)
        if self.is_done:
            return run
        watched = dataclasses.replace(run, watch=self._watch, watch_program=self._keeping_sums)
        return watched.with_programs({"train_step": run.train_step, "train_steps": run.train_steps})

    def _keeping_sums(self, train: Callable) -> Callable:
        """Return a training step that keeps its last sums, for which the trace's ends wait.

        A new phase has new training steps, which compile and warm up again.
        """
        self._known.clear()
        self._warm_steps = 0

        def train_and_keep(*arguments: Any) -> Any:
            state, self._sums = train(*arguments)
            return state, self._sums

        return train_and_keep

    def _watch(self, feed: Feed, position: Position, clock: Clock) -> Feed:
        """Yield an epoch's feed, and trace the calls that use it once the trace is due.

        Args:
          feed: the arguments of each call of the devices.
          position: the position of the first call.
          clock: times the calls; it pauses while the trace is started and written.
        """
        try:
            for data, order, num_steps in feed:
                if self._is_tracing and not self._goes_on(num_steps):
                    self._finish(position, clock)
                if not self._is_tracing and self._is_time(position, num_steps):
                    self._begin(clock)
                yield data, order, num_steps
                position = position.after(num_steps)
                self._count(num_steps)
            if self._is_tracing:
                self._finish(position, clock)
        finally:
            if self._is_tracing:  # the run stops here
                self._stop_trace()

    @property
    def _is_tracing(self) -> bool:
        return self._started is not None

    def _is_time(self, position: Position, num_steps: int) -> bool:
        """Return whether the trace begins with the next call of the devices."""
        if self.is_done or num_steps not in self._known or self._warm_steps < _WARM_UP_STEPS:
            return False
        is_last_epoch = position.epoch + 1 >= self._plan.num_epochs
        return is_last_epoch or position.row + self._wanted <= self._plan.steps_per_epoch

    def _goes_on(self, num_steps: int) -> bool:
        """Return whether the trace includes the next call of the devices."""
        return self._traced_steps < self._wanted and num_steps in self._known

    def _count(self, num_steps: int) -> None:
        is_first = num_steps not in self._known
        self._known.add(num_steps)
        self._warm_steps += num_steps - is_first
        self._traced_steps += num_steps if self._is_tracing else 0

    def _begin(self, clock: Clock) -> None:
        jax.block_until_ready(self._sums)
        clock.stop()
        options = jax.profiler.ProfileOptions()
        options.python_tracer_level = 0  # calls of Python functions would hide the rest
        jax.profiler.start_trace(self._folder, create_perfetto_trace=True, profiler_options=options)
        self._started = time.perf_counter()
        clock.start()

    def _finish(self, position: Position, clock: Clock) -> None:
        """End the trace after the steps before `position`; write and print the report."""
        jax.block_until_ready(self._sums)
        clock.stop()
        memory = peak_memory(self._plan.mesh.local_devices)  # without that of the report
        seconds = self._stop_trace()
        self.is_done = True
        report = self._report(position.step, seconds, memory)
        write_json(self._folder / "profile.json", report)
        for line in report_lines(report, self._folder):
            self._show(line)
        clock.start()

    def _stop_trace(self) -> float:
        """End and write the trace; return its seconds."""
        assert self._started is not None
        seconds = time.perf_counter() - self._started
        self._started = None
        jax.profiler.stop_trace()
        return seconds

    def _report(self, last_step: int, seconds: float, memory: tuple[int, bool]) -> dict[str, Any]:
        """Return the content of `profile.json`.

        Args:
          last_step: the last traced step, 1-based.
          seconds: the time of all traced steps.
          memory: from `peak_memory`.
        """
        folder = max(self._folder.glob("plugins/profile/*"))  # named by their times
        layers = [row.name for row in self._plan.network.rows]
        costs = costliest(folder, layers, _NUM_OPERATIONS)
        peak, is_of_device = memory
        steps = self._traced_steps
        return {
            "first_step": last_step - steps + 1,
            "last_step": last_step,
            "seconds_per_step": seconds / steps,
            "trace": str(folder.relative_to(self._folder)),
            "peak_memory": peak,
            "peak_memory_of": "a device" if is_of_device else "the process",
            "operations": [_as_json(cost, steps) for cost in costs],
        }


def _as_json(cost: Cost, steps: int) -> dict[str, Any]:
    """Return an entry of `operations` in `profile.json`."""
    return {
        "name": cost.name,
        "share": cost.share,
        "seconds_per_step": cost.seconds / steps,
        "operation": cost.operation,
        "source": cost.source,
    }


def report_lines(report: dict[str, Any], folder: Path) -> list[str]:
    """Return the content of `profile.json` as lines of at most 80 columns.

    Args:
      folder: where the file is.
    """
    first, last = report["first_step"], report["last_step"]
    mebibytes = f"{report['peak_memory'] / 2**20:,.0f} MiB"
    names = [cost["name"] for cost in report["operations"]]
    width = max((len(shorten(name, _NAME_WIDTH)) for name in names), default=0)
    return [
        f"profile of steps {first} to {last}, {1000 * report['seconds_per_step']:,.1f} ms each",
        f"  peak memory   {mebibytes} of {report['peak_memory_of']}",
        "  costliest     share of the operations' time, ms a step, and the main operation",
        *(_cost_line(cost, width) for cost in report["operations"]),
        f"  trace         {folder / report['trace']}",
        "  to look at    https://ui.perfetto.dev opens its perfetto_trace.json.gz;",
        f"                or tensorboard --logdir={folder} with pip install tensorboard xprof",
    ]


def _cost_line(cost: dict[str, Any], width: int) -> str:
    source = cost["source"].rpartition("/")[2]
    operation = f"{cost['operation']}: {source}" if source else cost["operation"]
    figures = f"{percent(cost['share']):>9} {1000 * cost['seconds_per_step']:9,.2f}"
    line = f"    {shorten(cost['name'], _NAME_WIDTH):{width}}{figures}  {operation}"
    return shorten(line, _WIDTH)
