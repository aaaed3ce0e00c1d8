"""The compiled steps of a run: one training step, several in one call, and one of evaluation."""

import functools
from collections.abc import Callable

from jaxcnn.training import parallel
from jaxcnn.training.device_defaults import evaluation_options
from jaxcnn.training.plan import Plan
from jaxcnn.training.recipe import Recipe
from jaxcnn.training.step import make_eval_step, make_train_step, repeat


def make_programs(plan: Plan, recipe: Recipe) -> dict[str, Callable]:
    """Return `train_step`, `train_steps` and `eval_step` of a run; each compiles when called."""
    train_step = make_train_step(recipe)
    training = functools.partial(
        parallel.parallelize,
        mesh=plan.mesh,
        backend=plan.config.parallel,
        in_axes=(None, plan.data_axis, None, 0),
        donate=True,
    )
    return {
        "train_step": training(train_step),
        "train_steps": training(repeat(train_step, plan.steps_per_dispatch)),
        "eval_step": compile_evaluation(recipe, plan),
    }


def compile_evaluation(recipe: Recipe, plan: Plan) -> Callable:
    """Return the evaluation step of a recipe, for all devices of a plan; see `make_eval_step`."""
    return parallel.parallelize(
        make_eval_step(recipe),
        mesh=plan.mesh,
        backend="shard_map",
        in_axes=(0, None, None, plan.data_axis, 0),
        out_axis=0,
        compiler_options=evaluation_options(plan.network),
    )
