"""The published figures, and the recipes that they belong to."""

from pathlib import Path

import pytest

from jaxcnn.config.defaults import to_dict
from jaxcnn.config.files import config_variants
from jaxcnn.config.older_recipes import NAMES
from jaxcnn.config.publications import FIGURES, PUBLICATIONS
from jaxcnn.config.published import publication_of, published_figures, recipe_digest

ROOT = Path(__file__).parents[2]
VARIANTS = config_variants(ROOT / "configs")
CONFIGS = {name: make() for name, make in VARIANTS.items()}
OLDER_KEYS = [("classic-networks", "lenet:cifar10", "classic"), ("SGD", "mlp:model2", "sgd")]


def test_each_publication_s_config_names_its_figures():
    declared = {n: c.published for n, c in CONFIGS.items() if c.published.by in PUBLICATIONS}
    assert {name: published.name for name, published in declared.items()} == {n: n for n in FIGURES}
    for name, published in declared.items():
        assert FIGURES[name].by == published.by
        assert published.accuracy == (FIGURES[name].accuracy or 0)


def test_figures_are_consistent():
    for name, figures in FIGURES.items():
        shares = (figures.accuracy, figures.best, *figures.classes.values())
        assert all(0 < share < 1 for share in shares if share is not None), name
        if figures.accuracy and figures.best:
            assert figures.best >= figures.accuracy, name
        if figures.seconds:
            assert figures.seconds[0] <= figures.seconds[1], name
        if figures.best_epoch:
            assert figures.best_epoch <= CONFIGS[name].num_epochs, name


def test_the_config_files_tell_the_same_figures():
    """They were typed at another time."""
    for name, figures in FIGURES.items():
        text = (ROOT / "configs" / f"{name.partition(':')[0]}.py").read_text()
        for share in (figures.accuracy, figures.best):
            if share and figures.by != "sgd":
                assert f"{100 * share:.2f}" in text, name


def test_a_run_of_older_code_finds_its_publication():
    """It does not name the recipe, or declares nothing at all."""
    for digest, name in NAMES.items():
        assert recipe_digest(CONFIGS[name]) == digest, f"{name} is not the recipe of older runs"
    undeclared = to_dict(CONFIGS["resnet50:cifar100"])
    del undeclared["published"]
    figures = published_figures(undeclared, {})
    assert figures is FIGURES["resnet50:cifar100"] and figures.classes["road"] == 0.81
    assert published_figures(undeclared | {"num_epochs": 3}, {}) is None
    assert published_figures(undeclared, {"changes": [{}]}) is None


@pytest.mark.parametrize(("older", "name", "key"), OLDER_KEYS)
def test_an_older_key_is_read(older, name, key):
    config = to_dict(CONFIGS[name])
    del config["published"]["name"]
    config["published"]["by"] = older
    assert publication_of(config, {}) == key
    assert published_figures(config, {}) is FIGURES[name]


def test_the_split_of_a_tfds_dataset_is_of_its_recipe():
    config = CONFIGS["lenet:cifar10"].copy_and_resolve_references()
    digests = {}
    for name in ("tfds:beans", "cifar10"):
        for split in ("content", "shuffle", "train[:80%],train[80%:]", "train[:9%],train[90%:]"):
            config.dataset.update(name=name, split=split)
            digests.setdefault(name, []).append(recipe_digest(to_dict(config)))
    content, shuffle, *parts = digests["tfds:beans"]
    assert content == shuffle and len({content, *parts}) == 3
    assert len(set(digests["cifar10"])) == 1


def test_the_older_name_of_the_selected_classes_is_the_same_recipe():
    config = CONFIGS["lenet:cifar100"].copy_and_resolve_references()
    digests = []
    for name in ("classic", "classic-networks"):
        config.dataset.classes = (name,)
        digests.append(recipe_digest(to_dict(config)))
    assert len(set(digests)) == 1
