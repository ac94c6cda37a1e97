"""Models merged into one: tensors as computed by hand, merges of merges, what is told before anything is merged."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
import yaml
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from morphy_training import cli
from morphy_training.dialect import get_dialect
from morphy_training.errors import BaseModelError, RecipeError, RunError
from morphy_training.evaluate import evaluate
from morphy_training.family import tiny
from morphy_training.family.blend import blend
from morphy_training.family.blend_plan import plan, read
from morphy_training.recipe import Recipe, load, parse
from morphy_training.runs import Folder

RECIPE = Path(__file__).parents[1] / "recipes" / "phigment6.yaml"

LAYERS = 5
"""As many as the gradients have values: each layer has one of its own."""

ATTENTION, FEED_FORWARD = [0, 0.5, 0.3, 0.7, 1], [1, 0.5, 0.7, 0.3, 0]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three tiny models of Phi's architecture, and two that do not fit them."""
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("one", "two", "three"), start=1):
        tiny.make("phi", folder / name, layers=LAYERS, seed=seed)
    tiny.make("phi", folder / "wide", layers=LAYERS, hidden_size=128)
    tiny.make("llama", folder / "llama", layers=LAYERS)
    return folder


def slerp(models: Path, first: str = "one", second: str = "two", **changes: Any) -> dict[str, Any]:
    """mergekit's configuration of two models of the folder, or of what other configurations make."""

    def path(name: str) -> str:
        return str(models / name) if (models / name).exists() else name

    sources = [{"model": path(name), "layer_range": [0, LAYERS]} for name in (first, second)]
    parts = [{"filter": "self_attn", "value": ATTENTION}, {"filter": "mlp", "value": FEED_FORWARD}, {"value": 0.5}]
    content = {"slices": [{"sources": sources}], "merge_method": "slerp", "base_model": path(first)}
    return content | {"parameters": {"t": parts}, "dtype": "float16"} | changes


def recipe(content: Any) -> Recipe:
    quantisations = {"quantisations": ["F16"], "bundle": "F16"}
    return parse({"architecture": "phi", "dialect": "lines", "blend": content, "export": quantisations})


def weights(folder: Path) -> dict[str, np.ndarray]:
    """All tensors of a saved model, by name."""
    return {name: value for file in folder.glob("*.safetensors") for name, value in load_file(file).items()}


def halves(left: np.ndarray, right: np.ndarray, share: float) -> np.ndarray:
    """SLERP of two tensors of 16 bits, in 64 bits, rounded to 16."""
    one, two = (value.astype(np.float16).astype(np.float64) for value in (left, right))
    cosine = np.sum(one * two) / np.linalg.norm(one) / np.linalg.norm(two)
    angle = np.arccos(cosine)
    mixed = (np.sin((1 - share) * angle) * one + np.sin(share * angle) * two) / np.sin(angle)
    return np.asarray(mixed.astype(np.float16))


def equal(found: np.ndarray, expected: np.ndarray) -> bool:
    return found.dtype == np.float16 and np.allclose(found, expected, rtol=2e-3, atol=1e-6)


@pytest.fixture(scope="module")
def merged(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """The run of two models merged into one."""
    folder = Folder(tmp_path_factory.mktemp("merged"))
    assert blend(recipe(slerp(models)), folder) == folder.merged
    return folder


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("model.layers.3.self_attn.q_proj.weight", 0.7),
        ("model.layers.3.mlp.fc1.weight", 0.3),
        ("model.embed_tokens.weight", 0.5),
    ],
)
def test_tensors_are_those_computed_by_hand(models: Path, merged: Folder, name: str, share: float) -> None:
    left, right = (weights(models / model)[name] for model in ("one", "two"))
    found = weights(merged.merged)[name]
    assert equal(found, halves(left, right, share))
    assert not equal(found, halves(left, right, 1 - share) if share != 0.5 else (left + right).astype(np.float16) / 2)


def test_the_ends_of_a_gradient_are_the_models_themselves(models: Path, merged: Folder) -> None:
    one, two, made = weights(models / "one"), weights(models / "two"), weights(merged.merged)
    for layer, name, origin in (
        (0, "self_attn.k_proj", one),
        (4, "self_attn.k_proj", two),
        (0, "mlp.fc2", two),
        (4, "mlp.fc2", one),
    ):
        full = f"model.layers.{layer}.{name}.weight"
        assert np.array_equal(made[full], origin[full].astype(np.float16)), full


def test_what_is_merged_is_a_whole_model_with_its_tokenizer(models: Path, merged: Folder) -> None:
    model, told = AutoModelForCausalLM.from_pretrained(merged.merged, output_loading_info=True)
    assert not told["missing_keys"]
    assert not told["unexpected_keys"]
    assert str(model.dtype) == "torch.float16"
    assert len(AutoTokenizer.from_pretrained(merged.merged)) == len(AutoTokenizer.from_pretrained(models / "one"))
    assert not (merged.path / "blend").exists()
    assert merged.recipe().blend["merge_method"] == "slerp"


def test_it_becomes_a_gguf_that_answers_like_it(merged: Folder) -> None:
    pytest.importorskip("llama_cpp")
    from morphy_training.family.export import export

    (file,) = export(merged.recipe(), merged, toy.stream)
    file.same.check()
    assert file.path.name == "morphy-F16.gguf"
    told = evaluate(file.path, get_dialect("lines"), toy.stream, 3)
    assert [bool(one.got) for one in told.asked] == [True] * 3


def test_vocabularies_are_joined_and_the_sentencepiece_file_goes_along(tmp_path: Path) -> None:
    for seed, name in enumerate(("left", "right"), start=1):
        tiny.make("mistral", tmp_path / name, layers=LAYERS, seed=seed)
    joined = slerp(tmp_path, "left", "right", tokenizer={"source": "union"})
    folder = Folder(tmp_path / "run")
    blend(parse({"architecture": "mistral", "dialect": "lines", "blend": joined}), folder)
    left, made = (AutoTokenizer.from_pretrained(path) for path in (tmp_path / "left", folder.merged))
    assert made.get_vocab() == left.get_vocab()
    assert (folder.merged / "tokenizer.model").read_bytes() == (tmp_path / "left" / "tokenizer.model").read_bytes()


def test_a_chain_merges_merges_and_goes_on_where_it_was_killed(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    def noted(configuration: MergeConfiguration, target: str, options: MergeOptions) -> None:
        begun.append(Path(target).stem)
        run_merge(configuration, target, options)

    monkeypatch.setattr("morphy_training.family.blend.run_merge", noted)
    own = tmp_path / "models"
    shutil.copytree(models, own)
    chain = recipe([slerp(own, name="both"), slerp(own, "both", "three")])
    folder = Folder(tmp_path / "run")
    lost, kept = own / "three" / "model.safetensors", tmp_path / "kept"
    lost.rename(kept)
    with pytest.raises(BaseModelError, match="mergekit could not make last"):
        blend(chain, folder)
    assert not folder.merged.exists()
    kept.rename(lost)
    blend(chain, folder)
    assert begun == ["both", "last", "last"]
    made = weights(folder.merged)
    one, two, three = (weights(models / name) for name in ("one", "two", "three"))
    for name, share in (("model.layers.1.self_attn.v_proj.weight", 0.5), ("model.layers.2.mlp.fc1.weight", 0.7)):
        both = halves(one[name], two[name], share)
        assert equal(made[name], halves(both, three[name], share)), name


def test_a_file_holds_the_same_as_the_recipe(models: Path, tmp_path: Path) -> None:
    chain = [slerp(models, name="both"), slerp(models, "both", "three")]
    file = tmp_path / "chain.yaml"
    file.write_text(yaml.safe_dump_all(chain))
    assert read(str(file)) == read([str(file)]) == read(chain) == chain


def without(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.pop(key)


def ranges(first: list[int], second: list[int]) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        for source, layers in zip(content["slices"][0]["sources"], (first, second), strict=True):
            source["layer_range"] = layers

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (ranges([0, 6], [0, 6]), r"layer_range \[0, 6\] of .*one, which has 5 layers"),
        (ranges([3, 3], [3, 3]), r"layer_range \[3, 3\] of .*one, which has 5 layers"),
        (ranges([0, 5], [0, 4]), r"layer ranges \[0, 5\] and \[0, 4\] of a slice are not equally long"),
        (lambda content: content.update(parametres={}), "Unknown key blend.parametres; did you mean blend.parameters?"),
        (
            lambda content: content["slices"][0]["sources"][1].update(layers=[0, 2]),
            r"Unknown key blend.slices\[0\].sources\[1\].layers; did you mean .*layer_range\?",
        ),
        (without("slices"), "Exactly one of 'models', 'slices', or 'modules' must be present"),
        (without("merge_method"), "blend: merge_method: Field required"),
        (without("base_model"), "blend: .*base"),
        (lambda content: content.update(merge_method="slurp"), "blend: .*slurp"),
    ],
)
def test_a_configuration_that_cannot_be_followed_is_told(
    models: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    content = copy.deepcopy(slerp(models))
    change(content)
    with pytest.raises(RecipeError, match=message):
        plan(content, "phi", Path("parts"))


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("llama", "llama is of the architecture llama, not phi"),
        ("wide", "wide do not fit: hidden_size is 64 and 128"),
        ("/nowhere/model", "The model /nowhere/model cannot be loaded"),
    ],
)
def test_models_that_do_not_fit_are_told(models: Path, second: str, message: str) -> None:
    with pytest.raises(BaseModelError, match=message):
        plan(slerp(models, "one", second), "phi", Path("parts"))


def test_a_chain_in_the_wrong_order_is_told(models: Path) -> None:
    late = [slerp(models, "both", "three", name="all"), slerp(models, name="both"), slerp(models, "all", "both")]
    with pytest.raises(RecipeError, match="all needs both, which is not made before it"):
        plan(late, "phi", Path("parts"))
    with pytest.raises(RecipeError, match=r"blend\[0\] needs a name"):
        plan([slerp(models), slerp(models)], "phi", Path("parts"))


def test_layers_that_an_earlier_merge_makes_are_counted(models: Path) -> None:
    short = slerp(models, name="short")
    ranges([0, 3], [2, 5])(short)
    with pytest.raises(RecipeError, match=r"layer_range \[0, 5\] of .*short, which has 3 layers"):
        plan([short, slerp(models, "short", "three")], "phi", Path("parts"))


def test_a_full_disk_is_told_by_the_command(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump({"architecture": "phi", "dialect": "lines", "blend": slerp(models)}))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1))  # type: ignore[attr-defined]
    assert cli.main(["blend", "--recipe", str(file), "--run", str(tmp_path / "run")]) == 1
    assert "0.0 GB of free disk space" in capsys.readouterr().err
    assert not (tmp_path / "run" / "blend").exists()
    with pytest.raises(RunError):
        blend(load(file), Folder(tmp_path / "run"))


def test_room_is_that_of_the_weights(models: Path) -> None:
    (half,) = plan(slerp(models), "phi", Path("parts"))
    (whole,) = plan(slerp(models, dtype="float32"), "phi", Path("parts"))
    counted = sum(value.size for value in weights(models / "one").values())
    assert (half.size, whole.size) == (2 * counted, 4 * counted)


def test_the_recipe_has_the_published_gradients() -> None:
    chain = read(load(RECIPE).blend)
    assert [one.get("name") for one in chain] == ["dpo-hermes", "phive", None]
    for one in chain:
        filters = {part.get("filter"): part["value"] for part in one["parameters"]["t"]}
        assert filters == {"self_attn": ATTENTION, "mlp": FEED_FORWARD, None: 0.5}
        assert (one["merge_method"], one["dtype"]) == ("slerp", "float16")
        assert len(one["slices"][0]["sources"]) == 2
