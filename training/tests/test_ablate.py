"""Several ways to tune one base model, each through merge and GGUF."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import toy
from transformers import AutoModelForCausalLM

from morphy_training import ablate, evaluate, export, loop, tune
from morphy_training.data import HELD_OUT
from morphy_training.dialect import get_dialect
from morphy_training.errors import RecipeError, RunError
from morphy_training.recipe import Recipe
from morphy_training.runs import Folder

SHIPPED = Path(__file__).parents[1] / "recipes" / "ablations" / "tune.yaml"
VARIANTS = """
as it is: {}
small: {tune: {rank: 2, alpha: 4, embeddings: false}}
untied: {tune: {tied: false}}
all text: {tune: {rest_weight: 1.0, copy_weight: 1.0}}
"""


@pytest.fixture(name="variants", scope="module")
def variants_fixture(smoke: Recipe, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recipe]:
    """Return the recipes of four variants."""
    path = tmp_path_factory.mktemp("variants") / "variants.yaml"
    path.write_text(VARIANTS, encoding="utf-8")
    return ablate.read_variants(path, smoke)


@pytest.fixture(name="trunk", scope="module")
def trunk_fixture(run: Folder, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Return a folder of its own with the trained base model."""
    folder = Folder(tmp_path_factory.mktemp("trunk"))
    folder.pretrain.symlink_to(run.pretrain)
    return folder


@pytest.fixture(name="results", scope="module")
def results_fixture(variants: dict[str, Recipe], trunk: Folder) -> list[ablate.Result]:
    """Return how the variants went."""
    return ablate.ablate(variants, trunk, toy.stream, tokens=3000)


def _branch(trunk: Folder, name: str) -> ablate.Branch:
    return ablate.Branch(trunk.path / "ablations" / name, trunk.pretrain)


def test_every_variant_has_a_row_and_the_same_tokens(results: list[ablate.Result], trunk: Folder) -> None:
    assert [one.name for one in results] == ["as it is", "small", "untied", "all text"]
    assert len({one.tokens for one in results}) == 1
    assert results[1].trained < results[0].trained < results[2].trained
    written = json.loads((trunk.path / "ablations" / "results.json").read_text())
    assert written == [dataclasses.asdict(one) for one in results]
    assert ablate.table(results).count("\n") == 5


def test_the_weights_of_the_loss_are_followed(results: list[ablate.Result], trunk: Folder) -> None:
    losses = [
        json.loads((_branch(trunk, name).tune / loop.CHECKPOINT / "state.json").read_text())["loss"]
        for name in ("as_it_is", "all_text")
    ]
    assert losses[0] != losses[1]


def test_a_finished_ablation_is_not_run_again(
    results: list[ablate.Result], variants: dict[str, Recipe], trunk: Folder
) -> None:
    assert ablate.ablate(variants, trunk, toy.stream, tokens=3000) == results


def test_another_variant_of_the_same_name_is_refused(
    results: list[ablate.Result], variants: dict[str, Recipe], trunk: Folder
) -> None:
    with pytest.raises(RunError, match="another recipe"):
        ablate.ablate({"small": variants["as it is"]}, trunk, toy.stream, tokens=3000)


@pytest.mark.parametrize(("name", "tied"), [("small", True), ("untied", False)])
def test_a_variant_becomes_a_file_that_answers(
    name: str, tied: bool, results: list[ablate.Result], variants: dict[str, Recipe], trunk: Folder
) -> None:
    pytest.importorskip("llama_cpp")
    branch = _branch(trunk, name)
    tune.merge(variants[name], branch)
    assert tune.is_tied(AutoModelForCausalLM.from_pretrained(branch.merged)) is tied
    [whole, _] = export.export(variants[name], branch)
    prompt = next(toy.stream(HELD_OUT)).turns[0].request
    text = f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
    same = export.compare(export.reference(branch.merged, [text]), whole)
    same.check()
    assert same.greedy == 1
    assert evaluate.evaluate(whole, get_dialect("morphy"), toy.stream, requests=1).tallies()["all"]["count"] == 1


def test_the_shipped_variants_are_read(smoke: Recipe) -> None:
    variants = ablate.read_variants(SHIPPED, smoke)
    assert {one.tune.rank for one in variants.values()} >= {16, 64}
    assert {one.tune.tied for one in variants.values()} == {one.tune.embeddings for one in variants.values()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("larger: {model: {hidden_size: 512}}", "change tune and seed only: ['model']"),
        ("x: {tune: {rnak: 8}}", "did you mean tune.rank"),
        ("x: {tune: {tied: false, embeddings: false}}", "has to be trained"),
        ("[a, b]", "must be a mapping"),
        ("a: [", "cannot be read"),
    ],
)
def test_wrong_variants_say_what_is_wrong(text: str, message: str, smoke: Recipe, tmp_path: Path) -> None:
    path = tmp_path / "variants.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as error:
        ablate.read_variants(path, smoke)
    assert message in str(error.value)
