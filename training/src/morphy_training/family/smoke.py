"""Any recipe from its first step to its last, at toy size on a CPU: proves that it runs, not that a model learns.

Only sizes shrink: a tiny random model of the same architecture stands for the base model, a few made-up conversations
of the same format for the data, a few steps for hours. Formats, dialect, method, tokens and quantisations stay.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from .. import export as own_export, pretrain, tune
from ..calling.ask import ask
from ..calling.models import Place
from ..calling.pictures import draw
from ..data import Source, generator
from ..recipe import CaseRecipe, ExportRecipe, Recipe, load
from ..runs import Folder
from . import blend, export, merge, sft, tiny
from .blend_plan import read
from .samples import lines

_CONVERSATIONS = 12
_LAYERS = 2

Step = tuple[str, Callable[[], object]]
"""The name of a step, and what does it; what it returns is told in a line."""


def smoke(recipes: Iterable[Path]) -> list[str]:
    """Run each recipe, with a line for each step; returns the names of those that failed."""
    failed = []
    for path in recipes:
        with tempfile.TemporaryDirectory() as place:
            if not _run(path, Path(place)):
                failed.append(path.stem)
    return failed


def _run(path: Path, place: Path) -> bool:
    recipe: Recipe | None = None
    begun = time.monotonic()
    try:
        recipe = shrink(load(path), place)
        _tell(path.stem, "recipe", begun, "read and shrunk")
        for name, step in steps(recipe, Folder(place / "run")):
            begun = time.monotonic()
            _tell(path.stem, name, begun, step())
    except Exception as error:  # Whatever a library raises, the next recipe is run.
        print(f"{path.stem:26} FAILED    {type(error).__name__}: {error}", flush=True)
        return False
    return True


def _tell(recipe: str, step: str, begun: float, result: object) -> None:
    print(f"{recipe:26} {step:9} {time.monotonic() - begun:6.1f} s  {result}", flush=True)


def steps(recipe: Recipe, folder: Folder) -> list[Step]:
    """The steps of a recipe, in their order."""
    homes: Source = partial(generator(recipe.languages), difficulty=0.0)
    if recipe.from_nothing:
        return [
            ("pretrain", lambda: _right(pretrain.pretrain(recipe, folder, generator(recipe.languages)))),
            ("tune", lambda: _right(tune.tune(recipe, folder, generator(recipe.languages)))),
            ("merge", lambda: tune.merge(recipe, folder).name),
            ("export", lambda: _proven(recipe, folder, generator(recipe.languages))),
        ]
    first: list[Step] = [("blend", partial(_blend, recipe, folder))]
    if recipe.base:
        first = [("tune", partial(_tune, recipe, folder, homes)), ("merge", lambda: merge.merge(recipe, folder).name)]
    steps: list[Step] = [*first, ("export", lambda: _exported(export.export(recipe, folder, homes)))]
    if recipe.evaluation:
        steps.append(("evaluate", lambda: _evaluated(recipe, folder, homes)))
    return steps


def _tune(recipe: Recipe, folder: Folder, homes: Source) -> str:
    figures = sft.tune(recipe, folder, homes)
    return f"{figures['steps']} steps, loss {figures['loss']:.2f}, held out {figures['best_evaluation_loss']:.2f}"


def _blend(recipe: Recipe, folder: Folder) -> str:
    return blend.blend(recipe, folder).name


def _right(score: Any) -> str:
    return f"{len(score.as_dict())} categories scored"


def _proven(recipe: Recipe, folder: Folder, homes: Source) -> str:
    files = own_export.export(recipe, folder)
    return f"{len(files)} files, {own_export.prove(recipe, folder, files, homes)}"


def _exported(files: list[export.Exported]) -> str:
    return f"{len(files)} files, {files[0].same}"


def _evaluated(recipe: Recipe, folder: Folder, homes: Source) -> str:
    """Ask the file that the recipe bundles what the recipe says; draw what came of it."""
    place = Place(recipe.name, str(folder.gguf / f"morphy-{recipe.export.bundle}.gguf"), recipe.dialect)
    results = ask([place], recipe.evaluation, folder.calling, homes)
    pictures = draw(results, folder.calling)
    return f"{sum(len(one.asked) for one in results)} cases, {len(pictures)} pictures"


def shrink(recipe: Recipe, place: Path) -> Recipe:
    """The recipe at toy size; its tiny models and its data are made in the folder `place`."""
    if recipe.from_nothing:
        return _shrink_own(recipe)
    if recipe.blend is not None:
        return dataclasses.replace(recipe, blend=_shrink_blend(recipe.blend, recipe.architecture, place))
    assert recipe.base is not None
    assert recipe.sft is not None
    model = tiny.make(recipe.architecture, place / "base")
    data = []
    for number, entry in enumerate(recipe.data):
        source = entry.source
        if source != "home":
            source = str(place / f"data-{number}.jsonl")
            records = lines(entry.format, _CONVERSATIONS, number)
            Path(source).write_text("".join(f"{json.dumps(one)}\n" for one in records), encoding="utf-8")
        data.append(dataclasses.replace(entry, source=source, count=_CONVERSATIONS))
    return dataclasses.replace(
        recipe,
        shape=None,
        base=dataclasses.replace(recipe.base, model=str(model), revision=None),
        data=tuple(data),
        evaluation=tuple(_shrink_cases(entry, place) for entry in recipe.evaluation),
        sft=dataclasses.replace(
            recipe.sft, rank=8, alpha=16, batch=2, micro_batch=1, length=4096, steps=4, evaluations=2, held_out=0.2
        ),
    )


def _shrink_cases(entry: CaseRecipe, place: Path) -> CaseRecipe:
    if not entry.source:
        return dataclasses.replace(entry, count=2)
    source = place / f"cases-{entry.format}.jsonl"
    source.write_text("".join(f"{json.dumps(one)}\n" for one in lines(entry.format, 2)), encoding="utf-8")
    return dataclasses.replace(entry, source=str(source), functions="")


def _shrink_own(recipe: Recipe) -> Recipe:
    return dataclasses.replace(
        recipe,
        tokenizer=dataclasses.replace(recipe.tokenizer, vocab_size=512, examples=60),
        model=dataclasses.replace(
            recipe.model, hidden_size=64, intermediate_size=128, blocks=("conv", "attention"), heads=2, kv_heads=2
        ),
        pretrain=dataclasses.replace(recipe.pretrain, tokens=8000, batch_tokens=2048),
        tune=dataclasses.replace(recipe.tune, tokens=4000, batch_tokens=2048, rank=8, alpha=16),
        export=ExportRecipe(recipe.export.quantisations, recipe.export.bundle, 1.0),
    )


def _shrink_blend(blend: Any, architecture: str, place: Path) -> list[dict[str, Any]]:
    """The chain of mergekit configurations that a recipe has, of tiny models, with the layer ranges of tiny models.

    A model that an earlier configuration of the chain makes, by its `name`, keeps that name.
    """
    chain = read(blend)
    made = {one["name"]: one["name"] for one in chain if "name" in one}
    depth = max(_ends(chain), default=_LAYERS)

    def smaller(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: smaller(item, name) for name, item in value.items()}
        if key == "layer_range":
            return [round(layer * _LAYERS / depth) for layer in value]
        if isinstance(value, list):
            return [smaller(item, key) for item in value]
        if key in ("model", "base_model"):
            if value not in made:
                folder = place / f"model-{len(made)}"
                made[value] = str(tiny.make(architecture, folder, layers=_LAYERS, seed=len(made) + 1))
            return made[value]
        return value

    return [smaller(one) for one in chain]


def _ends(value: Any) -> Iterator[int]:
    """The last layers of all layer ranges in a configuration."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if key == "layer_range":
            yield item[1]
        else:
            yield from _ends(item)
