"""What the tests share: one thread, and one tiny run from tokenizer to GGUF."""

from __future__ import annotations

from pathlib import Path

import follower
import pytest
import torch
import toy

from morphy_training import export, pretrain, recipe, runs, tune

torch.set_num_threads(1)

RECIPES = Path(__file__).parents[1] / "recipes"


@pytest.fixture(scope="session")
def smoke() -> recipe.Recipe:
    """The recipe of toy size."""
    return recipe.load(RECIPES / "smoke.yaml")


@pytest.fixture(scope="session")
def run(smoke: recipe.Recipe, tmp_path_factory: pytest.TempPathFactory) -> runs.Folder:
    """A run folder with base model, adapter and merged model, trained on toy homes."""
    folder = runs.Folder(tmp_path_factory.mktemp("run"))
    pretrain.pretrain(smoke, folder, toy.stream)
    tune.tune(smoke, folder, toy.stream)
    tune.merge(smoke, folder)
    return folder


@pytest.fixture(scope="session")
def files(smoke: recipe.Recipe, run: runs.Folder) -> list[Path]:
    """The run's GGUF files, the whole one first."""
    pytest.importorskip("llama_cpp")
    return export.export(smoke, run)


@pytest.fixture(scope="session")
def following(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model that calls the function whose name begins with n, with the shortest arguments.

    Where a server's own frame ends with `]`, it writes words.
    """
    return follower.make(tmp_path_factory.mktemp("following"), '<"n}f1{', {"]": "n", "n": "f"})


@pytest.fixture(scope="session")
def following_gguf(following: Path) -> Path:
    """The same as GGUF."""
    return follower.to_gguf(following, following / "follower.gguf")
