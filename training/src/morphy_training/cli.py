"""`morphy-train`: one command for each step, and `all` for every step from an empty folder to a GGUF."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .calling import command as calling
from .errors import RecipeError, Stopped, TrainingError
from .writing import command as writing

if TYPE_CHECKING:
    from .recipe import Recipe
    from .runs import Folder

_STEPS = ("pretrain", "tune", "merge", "export", "evaluate")
"""What `all` does, in this order; of these, only what the recipe has sections for."""


def _training() -> Path:
    """The folder `training/` of the checkout: that of an editable install, else the one the command is run in."""
    near = (Path(__file__).resolve().parents[2], Path.cwd() / "training", Path.cwd())
    return next((folder for folder in near if (folder / "recipes").is_dir()), near[-1])


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    begun = time.monotonic()
    arguments = argparse.Namespace(**vars(_parser().parse_args(argv)), begun=begun)
    try:
        _COMMANDS[arguments.command](arguments)
    except Stopped as stopped:
        print(stopped)
    except TrainingError as error:
        print(f"morphy-train: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; the same command goes on from the last checkpoint.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="morphy-train", description="Make a model for Morphy.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in _HELP.items():
        command = commands.add_parser(name, help=text, description=text)
        if name == "write":
            writing.add_arguments(command)
            continue
        if name in ("smoke", "needs"):
            command.add_argument("recipes", type=Path, nargs="*", metavar="RECIPE", help="YAML files")
            command.add_argument("--all", action="store_true", help="every recipe in recipes/")
        else:
            command.add_argument(
                "--recipe", type=Path, help="YAML file (default: that of the run, else recipes/morphy.yaml)"
            )
            command.add_argument("--run", type=Path, help="run folder (default: runs/<recipe file's name>)")
        command.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
        if name in ("pretrain", "tune", "ablate", "export", "all"):
            command.add_argument(
                "--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: a GPU where torch sees one"
            )
        if name in ("pretrain", "tune", "ablate", "all"):
            command.add_argument("--fp32", action="store_true", help="multiply in float32: faster on CPUs without AMX")
            command.add_argument("--micro-tokens", type=int, help="tokens computed at once (default: by device)")
            command.add_argument("--workers", type=int, help="processes that generate data (default: on a CPU none)")
            command.add_argument("--stretch", type=float, help="stop after so many minutes; the same command goes on")
        if name in ("pretrain", "all"):
            command.add_argument(
                "--minutes", type=float, help="length of the base model's run in minutes of this machine"
            )
            command.add_argument("--tokens", type=int, help="length of the base model's run in tokens")
            command.add_argument("--compile", action="store_true", help="a third faster; needs a C++ compiler")
            command.add_argument("--estimate", action="store_true", help="print tokens and minutes, and do nothing")
        if name in ("tune", "all"):
            command.add_argument("--tune-tokens", type=int, help="length of the LoRA's run in tokens")
        if name == "all":
            command.add_argument("--until", choices=_STEPS, default=_STEPS[-1], help="last step (default: evaluate)")
        if name in ("export", "all"):
            command.add_argument("--bundle", action="store_true", help="copy the default file into the integration")
        if name == "corpus":
            command.add_argument("--count", type=int, default=3, help="examples to print")
            command.add_argument("--seed", type=int, default=0, help="seed of the stream")
            command.add_argument("--language", help="language, or several after commas (default: those of the recipe)")
            command.add_argument("--stat", action="store_true", help="figures about --count examples instead of text")
        if name == "ablate":
            command.add_argument("--variants", type=Path, help="YAML file (default: recipes/ablations/tune.yaml)")
            command.add_argument("--tune-tokens", type=int, default=300_000, help="of each variant (default 300,000)")
        if name == "leaks":
            command.add_argument("--against", type=Path, required=True, help="folder with homes/ and cases/")
            command.add_argument("--exchanges", type=int, default=200_000, help="requests to make (default 200,000)")
            command.add_argument("--seed", type=int, default=0, help="seed of the stream")
        if name == "evaluate":
            command.add_argument("--file", type=Path, help="GGUF file (default: the one the recipe bundles)")
            command.add_argument("--requests", type=int, default=200, help="requests to ask (default 200)")
            command.add_argument("--misses", type=int, default=5, help="wrong answers to print (default 5)")
            command.add_argument("--all-files", action="store_true", help="each quantisation of the run, in one table")
            command.add_argument(
                "--sizes", type=int, default=0, help="also ask so many requests among 5 to 60 devices (default 0)"
            )
            command.add_argument(
                "--json", type=Path, help="where to write the figures (default: the run's evaluation.json)"
            )
            calling.add_arguments(command)
        if name == "pack":
            command.add_argument("--pieces", type=Path, required=True, help="folder to write the pieces into")
            command.add_argument("--size-mib", type=float, default=16, help="of a piece at most (default 16)")
            command.add_argument("--most", type=int, default=8, help="files at most, SHA256SUMS counted (default 8)")
            command.add_argument(
                "--keep",
                choices=("all", "half", "weights"),
                default="all",
                help="all: bit by bit; half: in bfloat16; weights: that without the optimisers (default all)",
            )
        if name == "needs":
            command.add_argument("--gpus", type=int, default=1, help="GPUs that share one model by FSDP (default 1)")
            command.add_argument("--tflops", type=float, default=25, help="that a GPU really does (default 25)")
        if name == "tune":
            command.add_argument("--fsdp", type=Path, help="JSON file: share the model out among GPUs, under torchrun")
        if name == "begin":
            command.add_argument("file", type=Path, help="GGUF file that `export` wrote")
            command.add_argument("--tokens", type=int, required=True, help="how many its base model was trained on")
        if name == "merge":
            command.add_argument("--adapter", type=Path, help="folder of another adapter for the same base model")
        if name == "unpack":
            command.add_argument("pieces", type=Path, help="folder of the pieces")
        if name == "report":
            command.add_argument("--harness", type=Path, help="the .report.json of a run of benchmarks.evaluate")
            command.add_argument(
                "--built-in", type=Path, help="the same of Home Assistant's own agent, to stand beside"
            )
    return parser


def _context(arguments: argparse.Namespace):  # type: ignore[no-untyped-def]
    """Recipe and run folder that the arguments name. torch is imported here, so that --help comes at once."""
    import torch

    from .recipe import load
    from .runs import Folder

    torch.set_num_threads(arguments.threads)
    named = arguments.recipe or _training() / "recipes" / "morphy.yaml"
    folder = Folder(arguments.run or _training() / "runs" / named.stem)
    begun = (folder.path / "recipe.yaml").exists()
    return (folder.recipe() if begun and arguments.recipe is None else load(named)), folder


def _machine(arguments: argparse.Namespace):  # type: ignore[no-untyped-def]
    from .machine import machine, set_half

    set_half(not arguments.fp32)
    deadline = None if arguments.stretch is None else arguments.begun + 60 * arguments.stretch
    fsdp = getattr(arguments, "fsdp", None)
    return machine(arguments.device, arguments.micro_tokens, arguments.workers, deadline, fsdp)


def _need(has: bool, instead: str) -> None:
    if not has:
        raise RecipeError(f"This recipe has no such step: {instead}")


def _corpus(arguments: argparse.Namespace) -> None:
    from collections import Counter

    from .data import generator, render
    from .dialect import get_dialect

    recipe, _ = _context(arguments)
    dialect = get_dialect(recipe.dialect)
    source = generator(tuple(arguments.language.split(",")) if arguments.language else recipe.languages)
    begun = time.perf_counter()
    examples = list(itertools.islice(source(arguments.seed), arguments.count))
    seconds = time.perf_counter() - begun
    if not arguments.stat:
        print(f"\n{'-' * 40}\n".join(render(example, dialect) for example in examples))
        return
    exchanges = [exchange for example in examples for exchange in example.turns]
    kinds = Counter(one.category for one in exchanges)
    devices = sorted(len(example.home.devices) for example in examples)
    print(f"{len(examples)} homes, {len(exchanges)} exchanges, {len(exchanges) / seconds:.0f} exchanges/s")
    print(f"devices: least {devices[0]}, median {devices[len(devices) // 2]}, most {devices[-1]}")
    print(f"different requests: {len({one.request for one in exchanges})}")
    for kind, count in kinds.most_common():
        print(f"  {kind:24} {count:6d} {count / len(exchanges):6.1%}")


def _leaks(arguments: argparse.Namespace) -> None:
    from .data import generator
    from .errors import LeakError
    from .generator.language import load_language
    from .leaks import Evaluation, find

    def told(done: int) -> None:
        print(f"\r{done} of {arguments.exchanges} requests", end="", file=sys.stderr, flush=True)

    evaluation = Evaluation.read(arguments.against)
    found = find(evaluation, generator(), load_language("en"), arguments.exchanges, arguments.seed, told)
    print(file=sys.stderr)
    print(found.text(evaluation))
    if found.errors:
        raise LeakError(f"{len(found.errors)} leaks; they stand above")


def _begin(arguments: argparse.Namespace) -> None:
    from .begin import begin

    recipe, folder = _context(arguments)
    _need(recipe.from_nothing, "name its base model in the recipe instead")
    print(begin(recipe, folder, arguments.file, arguments.tokens))


def _pretrain(arguments: argparse.Namespace) -> None:
    from .data import generator
    from .pretrain import estimate, pretrain

    recipe, folder = _context(arguments)
    _need(recipe.from_nothing, "its base model is there already: run `morphy-train tune`")
    machine = _machine(arguments)
    if arguments.estimate:
        print(estimate(recipe, generator(recipe.languages), arguments.minutes, arguments.tokens, machine))
        return
    pretrain(
        recipe,
        folder,
        generator(recipe.languages),
        minutes=arguments.minutes,
        tokens=arguments.tokens,
        compiled=arguments.compile,
        machine=machine,
    )


def _tune(arguments: argparse.Namespace) -> None:
    from .data import generator
    from .tune import tune

    recipe, folder = _context(arguments)
    if recipe.base:
        from .family import sft

        if figures := sft.tune(recipe, folder, machine=_machine(arguments)):
            print(json.dumps(figures, indent=1))
        return
    _need(recipe.from_nothing, "it blends models and trains none: run `morphy-train blend`")
    tune(recipe, folder, generator(recipe.languages), tokens=arguments.tune_tokens, machine=_machine(arguments))


def _ablate(arguments: argparse.Namespace) -> None:
    from .ablate import ablate, read_variants, table
    from .data import generator

    recipe, folder = _context(arguments)
    variants = read_variants(arguments.variants or _training() / "recipes" / "ablations" / "tune.yaml", recipe)
    source, machine = generator(recipe.languages), _machine(arguments)
    print(table(ablate(variants, folder, source, arguments.tune_tokens, machine=machine)))


def _merge(arguments: argparse.Namespace) -> None:
    from .tune import merge

    recipe, folder = _context(arguments)
    if recipe.base:
        from .family.merge import merge as merge_into_base

        print(merge_into_base(recipe, folder, arguments.adapter))
        return
    print(merge(recipe, folder))


def _blend(arguments: argparse.Namespace) -> None:
    recipe, folder = _context(arguments)
    _need(recipe.blend is not None, "it has no section blend")
    from .family.blend import blend

    print(blend(recipe, folder))


def _smoke(arguments: argparse.Namespace) -> None:
    import torch

    from .errors import RunError
    from .family.smoke import smoke

    torch.set_num_threads(arguments.threads)
    recipes = _recipes(arguments)
    if failed := smoke(recipes):
        raise RunError(f"{len(failed)} of {len(recipes)} recipes failed: {', '.join(failed)}")


def _recipes(arguments: argparse.Namespace) -> list[Path]:
    from .errors import RunError

    recipes = sorted((_training() / "recipes").glob("*.yaml")) if arguments.all else arguments.recipes
    if not recipes:
        raise RunError("Name recipes, or --all")
    return recipes


def _needs(arguments: argparse.Namespace) -> None:
    from .family.needs import report
    from .recipe import load

    recipes = {path.stem: load(path) for path in _recipes(arguments)}
    if arguments.all:
        recipes = {name: one for name, one in recipes.items() if not one.from_nothing}
    print(report(recipes, arguments.gpus, arguments.tflops))


def _export(arguments: argparse.Namespace) -> None:
    from .calibrate import least_certainty
    from .data import HELD_OUT, generator, render
    from .dialect import get_dialect
    from .export import bundle, export, parity
    from .machine import machine

    recipe, folder = _context(arguments)
    if not recipe.from_nothing:
        from .family.export import export as export_family

        export_family(recipe, folder)
        return
    dialect = get_dialect(recipe.dialect)
    least = None
    if recipe.export.sure_calls < 1:
        least = least_certainty(recipe, folder, generator(recipe.languages), machine=machine(arguments.device))
        print(f"calls are made from a log-probability of {least:.2f} on")
    files = export(recipe, folder, least)
    texts = [render(example, dialect, 1) for example in itertools.islice(generator(recipe.languages)(HELD_OUT + 2), 8)]
    prompts = [text[: text.rindex("<|im_start|>assistant\n") + len("<|im_start|>assistant\n")] for text in texts]
    for file in files:
        same = parity(folder.merged, file, prompts)
        print(f"{file.name:22} {file.stat().st_size / 1e6:6.2f} MB  {same}")
        if file is files[0]:
            same.check()
    if arguments.bundle:
        print(bundle(recipe, folder, _training().parent / "custom_components" / "morphy" / "models" / "morphy.gguf"))


def _evaluate(arguments: argparse.Namespace) -> None:
    from .dialect import DIALECTS

    recipe, folder = _context(arguments)
    files = [folder.gguf / f"morphy-{name}.gguf" for name in recipe.export.quantisations]
    if not arguments.all_files:
        files = [arguments.file or folder.gguf / f"morphy-{recipe.export.bundle}.gguf"]
    if not (arguments.model or arguments.cases):
        if recipe.dialect in DIALECTS:
            _evaluate_homes(arguments, recipe, folder, files)
        elif not recipe.evaluation:
            raise RecipeError(f"The dialect {recipe.dialect} tells of no homes: name other cases (--cases, evaluation)")
    if calling.wanted(arguments, recipe):
        calling.benchmark(arguments, recipe, folder, files)


def _evaluate_homes(arguments: argparse.Namespace, recipe: Recipe, folder: Folder, files: list[Path]) -> None:
    from .data import generator
    from .dialect import get_dialect
    from .evaluate import compared, evaluate, evaluate_sizes

    dialect, source, threads = get_dialect(recipe.dialect), generator(recipe.languages), arguments.threads
    reports = [evaluate(folder.need(file, "export"), dialect, source, arguments.requests, threads) for file in files]
    sizes = [evaluate_sizes(file, dialect, source, arguments.sizes, threads) for file in files if arguments.sizes]
    for report in reports[:1] if arguments.all_files else reports:
        print(f"{report.table()}\n\n  what was expected, and what came\n{report.worst()}\n")
        for miss in report.misses(arguments.misses):
            print(json.dumps(miss, indent=1, ensure_ascii=False))
    for report in sizes:
        print(f"the same requests in larger homes, {report.file}\n{report.table()}\n")
    print(compared(reports))
    target = arguments.json or (None if arguments.file else folder.evaluation)
    if target:
        content = {"files": [one.as_dict() for one in reports], "sizes": [one.as_dict() for one in sizes]}
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _pack(arguments: argparse.Namespace) -> None:
    from .pack import Keep, pack

    _, folder = _context(arguments)
    size = int(arguments.size_mib * 2**20)
    for piece in pack(folder, arguments.pieces, size, arguments.most, Keep(arguments.keep)):
        print(f"{piece}  {piece.stat().st_size / 2**20:.1f} MiB")


def _unpack(arguments: argparse.Namespace) -> None:
    from .pack import unpack

    _, folder = _context(arguments)
    unpack(arguments.pieces, folder)
    print(folder.path)


def _report(arguments: argparse.Namespace) -> None:
    from .report import report

    recipe, folder = _context(arguments)
    if recipe.base:
        from .family.charts import draw_run

        print(*draw_run(folder), sep="\n")
        return
    for file in report(folder, arguments.harness, arguments.built_in):
        print(file)


def _all(arguments: argparse.Namespace) -> None:
    if arguments.estimate:
        _pretrain(arguments)
        return
    from .dialect import DIALECTS

    defaults = vars(_parser().parse_args(["evaluate", "--misses", "0"])) | vars(_parser().parse_args(["merge"]))
    arguments = argparse.Namespace(**defaults | vars(arguments))
    recipe, _ = _context(arguments)
    steps = _STEPS[: _STEPS.index(arguments.until) + 1]
    if recipe.dialect not in DIALECTS and not recipe.evaluation:
        steps = tuple(step for step in steps if step != "evaluate")
    if recipe.base:
        steps = tuple(step for step in steps if step != "pretrain")
    elif not recipe.from_nothing:
        steps = ("blend", *(step for step in steps if step not in ("pretrain", "tune", "merge")))
    for step in steps:
        print(f"== {step}", flush=True)
        _COMMANDS[step](arguments)


_COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "corpus": _corpus,
    "leaks": _leaks,
    "begin": _begin,
    "pretrain": _pretrain,
    "tune": _tune,
    "ablate": _ablate,
    "merge": _merge,
    "blend": _blend,
    "export": _export,
    "evaluate": _evaluate,
    "report": _report,
    "pack": _pack,
    "unpack": _unpack,
    "smoke": _smoke,
    "needs": _needs,
    "write": writing.run,
    "all": _all,
}

_HELP = {
    "corpus": "print generated examples, or figures about them",
    "leaks": "fail when the generator makes sentences, homes or rare names of an evaluation",
    "begin": "make a base checkpoint of a finished GGUF file, to train it further where its checkpoints are gone",
    "pretrain": "train tokenizer and base model from nothing; goes on where it stopped",
    "tune": "train the LoRA that teaches ChatML, or fine-tune the recipe's base model; goes on where it stopped",
    "ablate": "tune the base model in several ways for the same tokens, in one table",
    "merge": "fold the LoRA into the base model",
    "blend": "merge several models into one, as the recipe's mergekit configuration says",
    "export": "write GGUF files, quantise them, and compare them with transformers",
    "evaluate": "ask models about generated homes, plain questions, or for calls of functions, with grammar",
    "report": "draw learning curves and accuracy as PNG files",
    "pack": "put what a run needs to go on elsewhere into pieces of a given size",
    "unpack": "make a run folder of such pieces again",
    "needs": "count what recipes need of each GPU, of disk, memory and time, before anything is fetched",
    "smoke": "run recipes from their first step to their last at toy size, on the CPU",
    "write": "have a server's model write conversations with function calls, in six steps; goes on where it stopped",
    "all": "every step, from an empty folder to quantised GGUF files",
}

if __name__ == "__main__":
    sys.exit(main())
