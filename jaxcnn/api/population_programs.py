"""The form in which a population trains, its processes, and its compiled programs."""

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import jax

from jaxcnn.errors import UserError
from jaxcnn.training.member import Member, Template
from jaxcnn.training.member_programs import Form, MemberPrograms, choose_form
from jaxcnn.training.population import Population
from jaxcnn.training.run import Run
from jaxcnn.training.worker_population import WorkerPopulation
from jaxcnn.training.workers import Workers, usable_cores

MOST_PROGRAMS = 16  # that are kept in memory


def fit_form(runs: Sequence[Run], num_devices: int, num_started: int = 0) -> Form:
    """Return the form in which the members of a population are trained.

    Members of several programs train together in processes alone.

    Args:
      runs: of the members.
      num_devices: devices over which the members are spread; 0 for all.
      num_started: processes of the trainer.

    Raises:
      UserError: there are not so many devices.
    """
    available = jax.local_device_count()
    if num_devices > available:
        raise UserError(f"config.num_devices = {num_devices}: there are only {available} devices")
    num_cores = usable_cores(runs, num_started)
    if num_devices:
        num_cores = min(num_cores, num_devices)
    network = runs[0].plan.network
    return choose_form(network, len(runs), num_devices or available, num_cores)


class Trainer:
    """Trains populations; keeps processes, and the compiled programs of each living template."""

    def __init__(self):
        self._programs: WeakKeyDictionary[Template, dict[Form, MemberPrograms]] = (
            WeakKeyDictionary()
        )
        self._workers: Workers | None = None

    @property
    def num_processes(self) -> int:
        """The processes that have started."""
        return len(self._workers.connections) if self._workers else 0

    def population(
        self, members: Sequence[Member | None], form: Form
    ) -> Population | WorkerPopulation:
        """Return a population of members; None for one that has ended, whose slot stays.

        Args:
          members: of one template, or of several if the form has several processes.
          form: of their training.
        """
        templates = [member.template for member in members if member]
        if form.num_processes > 1:
            return WorkerPopulation(members, self._at_least(form.num_processes, templates))
        template, plan = templates[0], templates[0].run.plan
        programs = self._programs.setdefault(template, {})
        if form not in programs:
            programs[form] = MemberPrograms(
                template.variation, form, plan.network, plan.steps_per_dispatch
            )
        return Population(members, programs[form])

    def _at_least(self, num_processes: int, templates: Sequence[Template]) -> Workers:
        """Return so many processes, or those of an earlier population if they were more.

        Processes never forget a program, so those that know many are replaced.
        """
        if self._workers:
            known = self._workers.templates
            are_too_many = len(known) >= MOST_PROGRAMS and not set(templates) <= set(known)
            if are_too_many or len(self._workers.connections) < num_processes:
                self.close()
        if not self._workers:
            self._workers = Workers(num_processes)
        return self._workers

    def close(self) -> None:
        """End the processes."""
        if self._workers:
            self._workers.close()
        self._workers = None


def describe_size(run: Run, num_together: int, num_members: int) -> str:
    """Return the bytes that members take, as text.

    Args:
      run: of a member.
      num_together: members that are in memory together.
      num_members: all members, whose checkpoints are on disk.
    """
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(run.state))
    keep = run.plan.config.checkpoint
    on_disk = size * (keep.keep_latest + keep.keep_best) * num_members
    return (
        f"state in memory {_mebibytes(size * num_together)}; checkpoints on disk up to "
        f"{_mebibytes(on_disk)}"
    )


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
