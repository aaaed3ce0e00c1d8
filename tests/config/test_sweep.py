"""The syntax of a sweep: lists, ranges, and mistakes in one line."""

import pytest

from jaxcnn.config.defaults import default_config
from jaxcnn.config.sweep import (
    Range,
    assignments,
    describe_values,
    parse_search,
    parse_sweep,
    with_values,
)
from jaxcnn.errors import UserError


def test_lists_and_ranges_have_the_types_of_their_fields():
    text = " config.optimizer.learning_rate = .001, 1e-2 ;seed=-0..2; schedule.patience=3,1;"
    fields = parse_sweep(text, default_config())
    assert fields == {
        "optimizer.learning_rate": [0.001, 0.01], "seed": [0, 1, 2], "schedule.patience": [3, 1],
    }  # fmt: skip
    assert isinstance(fields["seed"][0], int)
    assert parse_sweep("loss.l2=0..1", default_config()) == {"loss.l2": [0.0, 1.0]}


def test_names_and_truth_values():
    text = "optimizer.name = adam, momentum; optimizer.skip_bad_steps=true,False"
    fields = parse_sweep(text, default_config())
    assert fields == {
        "optimizer.name": ["adam", "momentum"], "optimizer.skip_bad_steps": [True, False],
    }  # fmt: skip
    values = {"optimizer.name": "adam", "optimizer.skip_bad_steps": True, "seed": 1}
    assert describe_values(values) == (
        "optimizer.name = adam, optimizer.skip_bad_steps = True, seed = 1"
    )


def test_a_search_takes_intervals_as_well():
    text = (
        "optimizer.learning_rate=log(1e-4,.1); optimizer.momentum = uniform( .5, .99 );"
        "schedule.patience=uniform(1,5); loss.label_smoothing=0,.1; seed=0..4; loss.l2=0..2"
    )
    fields = parse_search(text, default_config())
    assert fields == {
        "optimizer.learning_rate": Range(1e-4, 0.1, "log"),
        "optimizer.momentum": Range(0.5, 0.99),
        "schedule.patience": Range(1, 5),
        "loss.label_smoothing": [0.0, 0.1],
        "seed": Range(0, 4, is_whole=True),
        "loss.l2": Range(0.0, 2.0, is_whole=True),
    }
    assert isinstance(fields["schedule.patience"].low, int)
    described = "; ".join(f"{n}={v}" for n, v in fields.items() if isinstance(v, Range))
    again = parse_search(described, default_config())
    assert again == {n: v for n, v in fields.items() if isinstance(v, Range)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optimizer.learning_rate=log(0,1)", "must begin above 0"),
        ("optimizer.learning_rate=uniform(1,1)", "must rise from the first number"),
        ("optimizer.learning_rate=uniform(0,inf)", "must rise from the first number"),
        ("optimizer.learning_rate=normal(0,1)", "must be numbers with commas"),
        ("optimizer.learning_rate=log(1,2,3)", "must be numbers with commas"),
        ("schedule.patience=uniform(.5,2)", "must be whole numbers"),
        ("phases=1,2", "phases is a list"),
    ],
)
def test_mistakes_in_a_search(text, message):
    with pytest.raises(UserError, match="--search: ") as error:
        parse_search(text, default_config())
    assert message in str(error.value)


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
        ("phases=1,2", "phases is a list"),
        ("optimizer.skip_bad_steps=0,1", "must be true, false, or both"),
        ("optimizer.learning_rate=log(1e-3,.1)", "a sweep trains every value"),
        ("optimizer.momentum=uniform(.5,.9)", "optimizer.momentum=uniform(0.5,0.9): a sweep"),
    ],
)
def test_mistakes(text, message):
    with pytest.raises(UserError, match="--sweep: ") as error:
        parse_sweep(text, default_config())
    assert message in str(error.value)


def test_too_many_members():
    with pytest.raises(UserError, match="more than 10,000 members"):
        assignments({"seed": range(200), "loss.l2": range(200)})
