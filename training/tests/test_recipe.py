"""A recipe is read whole or refused with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from morphy_training.errors import RecipeError
from morphy_training.recipe import Recipe, dump, load, parse

RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_of_this_package_are_read_and_written_back(path: Path) -> None:
    import yaml

    recipe = load(path)
    assert parse(yaml.safe_load(dump(recipe))) == recipe


def test_an_empty_recipe_has_every_default() -> None:
    assert parse({}) == Recipe()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"tune": {"rnak": 8}}, "Unknown key tune.rnak; did you mean tune.rank?"),
        ({"pretrian": {}}, "Unknown key pretrian; did you mean pretrain?"),
        ({"seed": "one"}, "seed must be of type int, not 'one'"),
        ({"seed": True}, "seed must be of type int, not True"),
        ({"model": {"blocks": "conv"}}, "model.blocks must be a list, not 'conv'"),
        ({"model": {"blocks": ["convolution"]}}, "model.blocks: ['convolution'] is none of conv, attention"),
        ({"model": {"heads": 3}}, "model: hidden_size must divide by heads, and heads by kv_heads"),
        ({"model": 3}, "model. must be a mapping, not 3"),
        ({"pretrain": {"batch_tokens": 0}}, "pretrain.batch_tokens must be above 0"),
        ({"tune": {"warmup": 2}}, "tune.warmup is a share, from 0 to 1"),
        ({"export": {"sure_calls": 1.5}}, "export.sure_calls is a share, from 0 to 1"),
        ([], "The recipe must be a mapping, not []"),
    ],
)
def test_a_wrong_recipe_says_what_is_wrong(content: object, message: str) -> None:
    with pytest.raises(RecipeError) as error:
        parse(content)
    assert str(error.value) == message


def test_a_whole_number_does_for_a_fraction() -> None:
    assert parse({"pretrain": {"muon_lr": 1}}).pretrain.muon_lr == 1.0


def test_a_dialect_that_tells_of_no_home_is_named() -> None:
    with pytest.raises(RecipeError, match=r"dialect: 'lnes' is none of morphy, lines, .*; did you mean lines\?"):
        parse({"dialect": "lnes"})
    with pytest.raises(RecipeError, match="dialect: 'hermes' is none of"):
        parse({"dialect": "hermes"})


def test_a_file_that_is_no_text_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(RecipeError, match="is not YAML"):
        load(tmp_path / "recipe.yaml")


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot be read"):
        load(tmp_path / "none.yaml")
