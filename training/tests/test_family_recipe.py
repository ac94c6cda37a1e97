"""Recipes with a base model or a blend: read whole, or refused with a reason, before anything else happens."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from morphy_training import cli
from morphy_training.errors import RecipeError
from morphy_training.family import sft, smoke
from morphy_training.recipe import dump, load, parse
from morphy_training.runs import Folder

RECIPES = Path(__file__).parents[1] / "recipes"

BASE: dict[str, Any] = {
    "architecture": "mistral",
    "base": {"model": "owner/name"},
    "data": [{"source": "home", "format": "home", "count": 3}],
    "sft": {"rank": 8},
}

SLERP: dict[str, Any] = {
    "slices": [{"sources": [{"model": "a/one", "layer_range": [0, 32]}, {"model": "b/two", "layer_range": [0, 32]}]}],
    "merge_method": "slerp",
    "base_model": "a/one",
    "parameters": {"t": [{"filter": "self_attn", "value": [0, 0.5, 1]}, {"value": 0.5}]},
    "dtype": "float16",
}


def changed(**sections: Any) -> dict[str, Any]:
    """The recipe with other values in its sections, or without those that are None."""
    content = copy.deepcopy(BASE)
    for name, values in sections.items():
        if values is None:
            del content[name]
        elif name == "data":
            content["data"][0] |= values
        elif isinstance(values, dict):
            content[name] = content.get(name, {}) | values
        else:
            content[name] = values
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (changed(base={"qantise": "nf4"}), "Unknown key base.qantise; did you mean base.quantise?"),
        (changed(base={"quantise": "nf5"}), "base.quantise: 'nf5' is none of none, nf4; did you mean nf4?"),
        (changed(data={"formt": "home"}), "Unknown key data[0].formt; did you mean data[0].format?"),
        (changed(data={"count": 0}), "data: the generator never ends, so the source home needs a count"),
        (changed(data={"source": "x.jsonl"}), "data: the source home has the format home, and nothing else has"),
        (changed(data={"weight": 0}), "data: weight must be above 0, and count not below"),
        (changed(sft={"batch": 5, "micro_batch": 2}), "sft: batch must divide by micro_batch"),
        (changed(sft={"rank": 0}), "sft.rank must be above 0"),
        (changed(sft={"batch": 0}), "sft.batch must be above 0"),
        (changed(sft={"dropout": 5}), "sft.dropout is a share, from 0 to 1"),
        (changed(sft={"steps": -1}), "sft: steps and weight_decay must not be below 0"),
        (changed(sft={"held_out": 1}), "sft.held_out is a share of the data, above 0 and below 1"),
        (changed(sft={"add_tokens": "chatml"}), "sft.add_tokens must be a list, not 'chatml'"),
        (changed(sft=None), "base, data and sft belong together: a recipe has all three or none"),
        (changed(architecture=None), "A recipe with base or blend names its architecture, such as mistral"),
        (changed(blend=SLERP), "A recipe has base or blend, not both"),
        (
            changed(pretrain={"tokens": 1}),
            "pretrain belongs to a model trained from nothing, not beside base or blend",
        ),
        (
            changed(base={"quantise": "nf4"}, sft={"method": "full"}),
            "base.quantise: only adapters can be trained on a quantised model (sft.method: lora)",
        ),
        (
            changed(dialect="hermes"),
            (
                "dialect: hermes tells of no homes, as data has them; morphy, lines, homeassistant_json, "
                "homeassistant_json_v3, homeassistant_json_v3_1b do"
            ),
        ),
        (
            changed(export={"quantisations": ["F16", "Q4_KM"]}),
            (
                "export.quantisations: 'Q4_KM' is none of F32, F16, BF16, Q8_0, Q6_K, Q5_K_M, Q4_K_M, Q3_K_L; "
                "did you mean Q4_K_M?"
            ),
        ),
        (
            changed(export={"quantisations": ["F16", "Q8_0"], "bundle": "Q4_K_M"}),
            "export.bundle: 'Q4_K_M' is none of F16, Q8_0; did you mean Q8_0?",
        ),
        (
            {"architecture": "phi", "blend": 7},
            "blend must be mergekit's YAML, the path of a file of it, or a list of either",
        ),
    ],
)
def test_a_wrong_recipe_says_what_is_wrong(content: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as error:
        parse(content)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{scheduler: cosin}", "sft.scheduler: 'cosin' is none of .* did you mean cosine?"),
        ("{scheduler: cosine_with_min_lr}", "sft.scheduler: cosine_with_min_lr cannot be used here"),
        ("{optimiser: adamw_torhc}", "sft.optimiser: 'adamw_torhc' is none of .* did you mean adamw_torch?"),
    ],
)
def test_names_that_transformers_does_not_know_are_refused_before_the_base_is_looked_for(
    name: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=message):
        sft.tune(parse(changed(sft=yaml.safe_load(name))), Folder(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", [BASE, {"architecture": "phi", "blend": SLERP}, {}])
def test_a_recipe_is_written_back(content: dict[str, Any]) -> None:
    recipe = parse(content)
    assert parse(yaml.safe_load(dump(recipe))) == recipe


def test_home_llm_is_what_was_published() -> None:
    recipe = load(RECIPES / "home-llm.yaml")
    assert recipe.sft is not None
    assert (recipe.sft.rank, recipe.sft.alpha, recipe.sft.embeddings, recipe.sft.checkpointing) == (
        256,
        512,
        True,
        True,
    )
    assert {"Q3_K_L", "Q4_K_M", "Q5_K_M", "Q6_K", "F16"} == set(recipe.export.quantisations)
    assert [entry.format for entry in recipe.data] == ["home", "messages"]


def test_functionary_is_what_was_published() -> None:
    part = load(RECIPES / "functionary.yaml").sft
    assert part is not None
    assert (part.method, part.batch, part.lr, part.epochs, part.length) == ("full", 64, 2e-5, 2, 4096)
    assert (part.weight_decay, part.warmup) == (0.3, 0.03)


@pytest.mark.parametrize("name", ["morphyllm", "function-calling-mistral"])
def test_qlora_is_nf4_on_all_linear_layers_and_the_best_checkpoint_is_kept(name: str) -> None:
    recipe = load(RECIPES / f"{name}.yaml")
    assert recipe.base is not None
    assert recipe.sft is not None
    assert (recipe.base.quantise, recipe.sft.targets, recipe.sft.embeddings) == ("nf4", "all-linear", False)
    assert (recipe.sft.held_out, recipe.sft.keep_best) == (0.02, True)
    assert recipe.sft.evaluations > 1


def test_the_recipe_for_24_gb_differs_only_in_what_saves_memory() -> None:
    whole, small = (load(RECIPES / f"{name}.yaml") for name in ("home-llm", "home-llm-24gb"))
    assert whole.base is not None
    assert whole.sft is not None
    base = dataclasses.replace(whole.base, quantise="nf4")
    sft = dataclasses.replace(whole.sft, optimiser="paged_adamw_8bit", micro_batch=1)
    assert small == dataclasses.replace(whole, base=base, sft=sft)


@pytest.mark.parametrize(
    ("command", "content", "message"),
    [
        ("pretrain", BASE, "its base model is there already"),
        ("tune", {"architecture": "phi", "blend": SLERP}, "it blends models and trains none"),
        ("blend", BASE, "it has no section blend"),
    ],
)
def test_a_step_that_a_recipe_has_not_is_refused(
    command: str, content: dict[str, Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(content))
    assert cli.main([command, "--recipe", str(recipe), "--run", str(tmp_path / "run")]) == 1
    assert message in capsys.readouterr().err


def test_smoke_shrinks_sizes_and_nothing_else(tmp_path: Path) -> None:
    recipe = load(RECIPES / "home-llm.yaml")
    small = smoke.shrink(recipe, tmp_path)
    assert small.sft is not None
    assert recipe.sft is not None
    for name in ("method", "targets", "embeddings", "add_tokens", "lr", "scheduler", "checkpointing", "keep_best"):
        assert getattr(small.sft, name) == getattr(recipe.sft, name)
    assert [(entry.format, entry.weight) for entry in small.data] == [(one.format, one.weight) for one in recipe.data]
    assert small.shape is None
    assert (small.export, small.dialect, small.architecture) == (recipe.export, recipe.dialect, recipe.architecture)


def test_smoke_shrinks_a_chain_of_blends(tmp_path: Path) -> None:
    first = SLERP | {"name": "both"}
    second = {"models": [{"model": "both"}, {"model": "c/three"}], "merge_method": "linear", "base_model": "both"}
    recipe = parse({"architecture": "mistral", "blend": [first, second]})
    one, two = smoke.shrink(recipe, tmp_path).blend
    assert [source["layer_range"] for source in one["slices"][0]["sources"]] == [[0, 2], [0, 2]]
    assert one["base_model"] == one["slices"][0]["sources"][0]["model"]
    assert Path(one["base_model"], "config.json").exists()
    assert two["base_model"] == two["models"][0]["model"] == "both"
    assert one["parameters"] == SLERP["parameters"]
