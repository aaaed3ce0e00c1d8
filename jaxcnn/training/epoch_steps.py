"""The steps and the evaluations of an epoch, for the slots of a population's compiled programs."""

from collections.abc import Callable, Generator, Mapping
from typing import Any

import jax
import numpy as np

from jaxcnn.training.evaluate import to_means
from jaxcnn.training.member_programs import MemberPrograms
from jaxcnn.training.parallel import wait_for
from jaxcnn.training.run import Run
from jaxcnn.training.timing import Clock
from jaxcnn.workdir.position import Position

Scores = dict[str, dict[str, float]]  # `loss` and `accuracy` by view


class EpochSteps:
    """Runs compiled programs over an epoch, and evaluates its end.

    Args:
      run: of one of the members, which all have the same data and the same plan.
      programs: the compiled programs.
      data: the arrays of the splits, on the programs' devices.
    """

    def __init__(self, run: Run, programs: MemberPrograms, data: Mapping[str, Any]):
        self._run, self.programs, self._data = run, programs, data
        self._compiled: set[Callable] = set()

    def steps(
        self, state: Any, values: Any, numbers: Any, order: Any, position: Position, clock: Clock
    ) -> Generator[tuple[Any, int]]:
        """Run the steps of an epoch from a position on; yield the state and the steps of each call.

        Args:
          state, values, numbers, order: of all slots, from `MemberPrograms.put`.
          position: of all slots.
          clock: counts the images and the time; not of calls that compile.
        """
        plan, sums = self._run.plan, None
        data = self._data[plan.views["train"].split]
        clock.start()
        try:
            for row, end in self._run.portions(position):
                program = self.programs.steps if end - row > 1 else self.programs.step
                is_new, previous = program not in self._compiled, sums
                if is_new:
                    jax.block_until_ready(previous)
                    clock.stop()
                state, sums = program(state, values, data, numbers, order)
                if is_new:
                    jax.block_until_ready(sums)
                    self._compiled.add(program)
                    clock.start()
                else:
                    clock.add(plan.count_images(row, end - row))
                    wait_for(previous)
                yield state, end - row
        finally:
            jax.block_until_ready(sums)
            clock.stop()

    def scores(self, state: Any, values: Any, orders: Mapping[str, Any]) -> list[Scores]:
        """Return the scores of each slot at the end of an epoch.

        Args:
          state, values: of all slots.
          orders: the examples of each view that is evaluated, see `Member.eval_orders`; of all
            slots, because the folds of a cross-validation have different ones.
        """
        sums = {view: self._sums(view, state, values, order) for view, order in orders.items()}
        take = self.programs.take
        return [
            {view: to_means(take(sums[view], slot)) for view in sums}
            for slot in range(self.programs.form.width)
        ]

    def _sums(self, view: str, state: Any, values: Any, order: Any) -> dict[str, np.ndarray]:
        """Return the evaluation's sums of a view."""
        programs = self.programs
        zeros = {"row": np.int32(0)} | dict.fromkeys(("loss", "correct", "count"), np.float32(0))
        sums = programs.put([zeros] * programs.form.width)
        data = self._data[self._run.plan.views[view].split]
        for _ in range(order.shape[-2]):
            previous = sums
            sums = programs.evaluate(
                sums, values, state.evaluated_params, state.batch_stats, data, order
            )
            wait_for(previous)
        return jax.device_get(sums)
