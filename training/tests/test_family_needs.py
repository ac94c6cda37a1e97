"""What a recipe needs, by count: held against published sizes, against a measured run, against what is obvious."""

from __future__ import annotations

from pathlib import Path

import pytest
import toy
from torch.profiler import ProfilerActivity, profile

from morphy_training import cli
from morphy_training.errors import BaseModelError, RecipeError
from morphy_training.family import base, sft, tiny
from morphy_training.family.needs import needs
from morphy_training.recipe import Recipe, load, parse
from morphy_training.runs import Folder

RECIPES = Path(__file__).parents[1] / "recipes"

SIZES = {
    "function-calling-mistral": 7_241_732_096,
    "functionary": 7_241_732_096,
    "gemma-3-270m": 268_098_176,
    "lfm2-350m": 354_483_968,
    "morphyllm": 7_248_023_552,
    "phigment6": 2_779_683_840,
    "qwen3-0.6b": 596_049_920,
}
"""Weights of the models that the recipes begin with, as their makers tell them."""


@pytest.mark.parametrize("name", SIZES)
def test_a_shape_makes_the_published_model(name: str) -> None:
    assert base.outline(base.shape(load(RECIPES / f"{name}.yaml"))).num_parameters() == SIZES[name]


def test_seven_billion_with_rank_256_and_embeddings() -> None:
    counted = needs(load(RECIPES / "home-llm.yaml"))
    # Of each of 32 layers 256 x (in + out) of seven matrices, and two tables of 32,002 rows.
    trained = 32 * 256 * (2 * 8192 + 2 * 5120 + 3 * 18432) + 2 * 32002 * 4096
    assert counted.trained == trained
    kinds = {part.name: part.each for part in counted.parts}
    assert kinds["weights that stay as they are"] == 2 * 7_241_748_480
    assert kinds["their optimiser (adamw_torch)"] == 8 * trained
    assert counted.smallest == 40
    shared = needs(load(RECIPES / "home-llm.yaml"), 8)
    assert shared.trained == trained
    assert shared.parts[3].each == trained
    assert shared.each < counted.each / 2
    assert counted.hours(1e6, 50) == pytest.approx(8 * shared.hours(1e6, 50))


def test_embeddings_that_are_tied_are_trained_once() -> None:
    # Of each of 28 layers 64 x (in + out) of seven matrices, and one table.
    layers = 28 * 64 * (1024 + 2048 + 2 * (1024 + 1024) + 2048 + 1024 + 3 * (1024 + 3072))
    assert needs(load(RECIPES / "qwen3-0.6b.yaml")).trained == layers + 151936 * 1024


def test_all_weights_take_sixteen_bytes_each() -> None:
    parts = needs(load(RECIPES / "functionary.yaml"), 8).parts
    assert sum(part.whole for part in parts[:4]) == 16 * 7_241_732_096


def test_four_bits_fit_into_the_card_that_the_recipe_is_for() -> None:
    assert needs(load(RECIPES / "home-llm-24gb.yaml")).each < 22e9


def toy_recipe(folder: Path, **sft_settings: object) -> Recipe:
    """A Mistral of three million weights, and two steps on homes."""
    model = tiny.make("mistral", folder / "model", layers=4, hidden_size=256, intermediate_size=768)
    settings = {"batch": 1, "steps": 2, "evaluations": 1, "held_out": 0.2, "length": 768, **sft_settings}
    content = {"architecture": "mistral", "dialect": "lines", "base": {"model": str(model)}, "sft": settings}
    return parse({**content, "data": [{"source": "home", "format": "home", "count": 5}]})


@pytest.mark.parametrize(
    "settings",
    [
        {"rank": 64, "dropout": 0.05, "embeddings": True, "add_tokens": ["chatml"]},
        {"method": "full", "add_tokens": ["chatml"]},
    ],
    ids=["lora", "full"],
)
def test_what_is_counted_is_what_a_run_takes(settings: dict[str, object], tmp_path: Path) -> None:
    recipe = toy_recipe(tmp_path, **settings)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        sft.tune(recipe, Folder(tmp_path / "run"), toy.stream, stop_after=2)
    assert profiler.profiler is not None
    events = [one for one in profiler.profiler.kineto_results.events() if one.name() == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda one: one.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    counted = sum(part.each for part in needs(recipe).parts if "assumed" not in part.name)
    assert 0.8 < counted / most < 1.25


def test_a_base_of_another_size_is_refused(tmp_path: Path) -> None:
    recipe = toy_recipe(tmp_path)
    told = parse({"architecture": "mistral", "shape": {"hidden_size": 64, "num_hidden_layers": 2}, **_rest(recipe)})
    with pytest.raises(BaseModelError, match=r"has 3 million weights, and the recipe's shape comes to"):
        base.check_shape(told, base.load_config(told))
    wrong = parse({"architecture": "mistral", "shape": {"hidden_size": "wide"}, **_rest(recipe)})
    with pytest.raises(RecipeError, match="shape does not make a model of the architecture mistral"):
        base.shape(wrong)


def _rest(recipe: Recipe) -> dict[str, object]:
    assert recipe.base is not None
    entry = {"source": "home", "format": "home", "count": 12}
    return {"dialect": "lines", "base": {"model": recipe.base.model}, "data": [entry], "sft": {}}


def test_the_command_tells_the_arithmetic(capsys: pytest.CaptureFixture[str]) -> None:
    names = [str(RECIPES / f"{name}.yaml") for name in ("gemma-3-270m", "phigment6")]
    assert cli.main(["needs", *names, "--gpus", "2"]) == 0
    told = capsys.readouterr().out
    assert "268 million weights" in told
    assert "on each of 2" in told
    assert told.splitlines()[-1].startswith("| phigment6 | none | ")
    assert cli.main(["needs", str(RECIPES / "smoke.yaml")]) == 1
    assert "pretrain --estimate" in capsys.readouterr().err
