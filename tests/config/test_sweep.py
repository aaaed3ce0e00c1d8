"""The syntax of a sweep: lists, ranges, and mistakes in one line."""

import pytest

from jaxcnn.config.defaults import default_config
from jaxcnn.config.sweep import assignments, describe_values, parse_sweep, with_values
from jaxcnn.errors import UserError


def test_lists_and_ranges_have_the_types_of_their_fields():
    text = " config.optimizer.learning_rate = .001, 1e-2 ;seed=-0..2; schedule.patience=3,1;"
    fields = parse_sweep(text, default_config())
    assert fields == {
        "optimizer.learning_rate": [0.001, 0.01], "seed": [0, 1, 2], "schedule.patience": [3, 1],
    }  # fmt: skip
    assert isinstance(fields["seed"][0], int)
    assert parse_sweep("loss.l2=0..1", default_config()) == {"loss.l2": [0.0, 1.0]}


def test_members_are_the_product_and_the_last_field_varies_fastest():
    members = assignments({"optimizer.momentum": [0.5, 0.9], "seed": [0, 1]})
    assert [tuple(member.values()) for member in members] == [
        (0.5, 0),
        (0.5, 1),
        (0.9, 0),
        (0.9, 1),
    ]
    config = with_values(default_config(), members[1])
    assert (config.optimizer.momentum, config.seed) == (0.5, 1)
    assert default_config().optimizer.momentum == 0.9


def test_seeds_are_written_in_full():
    values = {"seed": 1234567, "optimizer.learning_rate": 0.003}
    assert describe_values(values) == "seed = 1234567, optimizer.learning_rate = 0.003"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no field"),
        ("seed", "'seed' must be FIELD=VALUES"),
        ("seed=", "'seed=' must be FIELD=VALUES"),
        ("optimizer.lr=1", "optimizer.lr is not a field of a run; did you mean optimizer.learning"),
        ("seed=0..2; seed=5", "seed is given twice"),
        ("seed=4..0", "seed=4..0: must rise"),
        ("seed=a,b", "seed=a,b: must be whole numbers"),
        ("optimizer.momentum=0.1,,2", "must be numbers with commas"),
        ("seed=1,1", "repeats a value"),
        ("optimizer.name=adam,sgd", "optimizer.name is no number"),
        ("optimizer.skip_bad_steps=0,1", "is no number"),
    ],
)
def test_mistakes(text, message):
    with pytest.raises(UserError, match="--sweep: ") as error:
        parse_sweep(text, default_config())
    assert message in str(error.value)


def test_too_many_members():
    with pytest.raises(UserError, match="more than 10,000 members"):
        assignments({"seed": range(200), "loss.l2": range(200)})
