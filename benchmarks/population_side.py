"""A population's side of the benchmarks: members that differ in their seeds."""

import dataclasses
import math

import machine
from jaxcnn_side import ON_GPU, jax  # sets up JAX before it is imported
from recipes import noise
from sides import Job

from jaxcnn.config.sweep import with_values
from jaxcnn.training.member import MemberRun, make_member_runs
from jaxcnn.training.member_programs import Form, MemberPrograms, choose_form
from jaxcnn.training.parallel import wait_for
from jaxcnn.training.worker import Task
from jaxcnn.training.workers import Workers


class Worker:
    """A population on noise, trained as `jaxcnn sweep` does.

    Args:
      job: the network, its config and its data.
      num_members: number of members.
      form: the numbers of a `Form`; empty for the usual one.
    """

    def __init__(self, job: Job, *, num_members: int, form: tuple[int, ...] = ()):
        dataset = noise(job.config, job.size, job.batch_size)
        configs = [
            with_values(job.config, {"seed": seed, "num_devices": 1}) for seed in range(num_members)
        ]
        runs = make_member_runs(configs, dataset)
        run, template = runs[0].run, runs[0].template
        network = run.plan.network
        devices, cores = jax.local_device_count(), machine.num_cores()
        self.form = Form(*form) if form else choose_form(network, num_members, devices, cores)
        self.about = {
            "parameters": run.num_parameters,
            "form": str(self.form),
            "platform": jax.default_backend(),
        }
        if self.form.num_processes > 1:
            self.train_step = self._train_in_processes
            self.workers = Workers(self.form.num_processes)
            program = self.workers.program_of(template)
            self.tasks = [_task(member, program) for member in runs]
            return
        self.programs = MemberPrograms(template.variation, self.form, network, 1)
        put, width = self.programs.put, self.form.width
        starts = range(0, num_members, width)
        chunks = [[*runs[start : start + width], *[runs[0]] * width][:width] for start in starts]
        self.states = [put([member.run.state for member in chunk]) for chunk in chunks]
        self.values = [put([member.values for member in chunk]) for chunk in chunks]
        numbers = jax.device_get(run.epoch_numbers(run.plan.position()))
        self.numbers = put([numbers] * width)
        self.order = put([run.train_order(0)[0]] * width)
        self.data = {n: self.programs.put_on_all(a) for n, a in run.data["train"].items()}

    def train_step(self, count: int) -> None:
        """Train each member `count` steps, chunk by chunk."""
        for index, values in enumerate(self.values):
            state, sums = self.states[index], None
            for _ in range(count):
                previous = sums
                state, sums = self.programs.step(state, values, self.data, self.numbers, self.order)
                wait_for(previous)
            jax.block_until_ready(sums)
            self.states[index] = state

    def _train_in_processes(self, count: int) -> None:
        connections = self.workers.connections
        for start in range(0, len(self.tasks), len(connections)):
            members = range(start, min(start + len(connections), len(self.tasks)))
            for connection, member in zip(connections, members, strict=False):
                connection.send(dataclasses.replace(self.tasks[member], num_steps=count))
            for connection, member in zip(connections, members, strict=False):
                state = self.workers.receive(connection).state
                self.tasks[member] = dataclasses.replace(self.tasks[member], state=state)

    def device_memory(self) -> int:
        """Return the peak memory of the GPU in bytes; 0 on a CPU."""
        return jax.devices()[0].memory_stats()["peak_bytes_in_use"] if ON_GPU else 0


def _task(member: MemberRun, program: int) -> Task:
    """Return the start of a member's first epoch."""
    run, position = member.run, member.run.plan.position()
    return Task(
        program,
        state=jax.tree.leaves(jax.device_get(run.state)),
        values=jax.device_get(member.values),
        numbers=jax.device_get(run.epoch_numbers(position)),
        order=run.train_order_on_host(0)[0],
        eval_orders={},
        position=position,
        num_steps=1,
        seconds=math.inf,
    )
