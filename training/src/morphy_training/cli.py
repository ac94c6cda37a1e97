"""`morphy-train`: one command for each step, and `all` for every step from an empty folder to a GGUF."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from .errors import TrainingError


def _training() -> Path:
    """The folder `training/` of the checkout: that of an editable install, else the one the command is run in."""
    near = (Path(__file__).resolve().parents[2], Path.cwd() / "training", Path.cwd())
    return next((folder for folder in near if (folder / "recipes").is_dir()), near[-1])


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        _COMMANDS[arguments.command](arguments)
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
        command.add_argument(
            "--recipe", type=Path, help="YAML file (default: that of the run, else recipes/morphy.yaml)"
        )
        command.add_argument("--run", type=Path, help="run folder (default: runs/<recipe file's name>)")
        command.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
        if name in ("pretrain", "all"):
            command.add_argument(
                "--minutes", type=float, help="length of the base model's run in minutes of this machine"
            )
            command.add_argument("--tokens", type=int, help="length of the base model's run in tokens")
            command.add_argument("--estimate", action="store_true", help="print tokens and minutes, and do nothing")
        if name in ("tune", "all"):
            command.add_argument("--tune-tokens", type=int, help="length of the LoRA's run in tokens")
        if name in ("export", "all"):
            command.add_argument("--bundle", action="store_true", help="copy the default file into the integration")
        if name == "corpus":
            command.add_argument("--count", type=int, default=3, help="examples to print")
            command.add_argument("--seed", type=int, default=0, help="seed of the stream")
            command.add_argument("--stat", action="store_true", help="figures about --count examples instead of text")
        if name == "evaluate":
            command.add_argument("--file", type=Path, help="GGUF file (default: the one the recipe bundles)")
            command.add_argument("--requests", type=int, default=200, help="requests to ask (default 200)")
            command.add_argument("--misses", type=int, default=5, help="wrong answers to print (default 5)")
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


def _corpus(arguments: argparse.Namespace) -> None:
    from collections import Counter

    from .data import generator, render
    from .dialect import get_dialect

    recipe, _ = _context(arguments)
    dialect = get_dialect(recipe.dialect)
    begun = time.perf_counter()
    examples = list(itertools.islice(generator()(arguments.seed), arguments.count))
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


def _pretrain(arguments: argparse.Namespace) -> None:
    from .data import generator
    from .pretrain import estimate, pretrain

    recipe, folder = _context(arguments)
    if arguments.estimate:
        print(estimate(recipe, generator(), arguments.minutes, arguments.tokens))
        return
    pretrain(recipe, folder, generator(), minutes=arguments.minutes, tokens=arguments.tokens)


def _tune(arguments: argparse.Namespace) -> None:
    from .data import generator
    from .tune import tune

    recipe, folder = _context(arguments)
    tune(recipe, folder, generator(), tokens=arguments.tune_tokens)


def _merge(arguments: argparse.Namespace) -> None:
    from .tune import merge

    print(merge(*_context(arguments)))


def _export(arguments: argparse.Namespace) -> None:
    from .data import HELD_OUT, generator, render
    from .dialect import get_dialect
    from .export import bundle, export, parity

    recipe, folder = _context(arguments)
    dialect = get_dialect(recipe.dialect)
    files = export(recipe, folder)
    texts = [render(example, dialect, 1) for example in itertools.islice(generator()(HELD_OUT + 2), 8)]
    prompts = [text[: text.rindex("<|im_start|>assistant\n") + len("<|im_start|>assistant\n")] for text in texts]
    for file in files:
        same = parity(folder.merged, file, prompts)
        print(f"{file.name:22} {file.stat().st_size / 1e6:6.2f} MB  {same}")
        if file is files[0]:
            same.check()
    if arguments.bundle:
        print(bundle(recipe, folder, _training().parent / "custom_components" / "morphy" / "models" / "morphy.gguf"))


def _evaluate(arguments: argparse.Namespace) -> None:
    from .data import generator
    from .dialect import get_dialect
    from .evaluate import evaluate

    recipe, folder = _context(arguments)
    file = arguments.file or folder.need(folder.gguf / f"morphy-{recipe.export.bundle}.gguf", "export")
    begun = time.perf_counter()
    report = evaluate(file, get_dialect(recipe.dialect), generator(), arguments.requests, arguments.threads)
    print(report.table())
    print(f"{(time.perf_counter() - begun) / arguments.requests * 1000:.0f} ms a request")
    for miss in report.misses[: arguments.misses]:
        print(json.dumps(miss, indent=1, ensure_ascii=False))


def _all(arguments: argparse.Namespace) -> None:
    if arguments.estimate:
        _pretrain(arguments)
        return
    arguments.file, arguments.requests, arguments.misses = None, 200, 0
    for step in ("pretrain", "tune", "merge", "export", "evaluate"):
        print(f"== {step}", flush=True)
        _COMMANDS[step](arguments)


_COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "corpus": _corpus,
    "pretrain": _pretrain,
    "tune": _tune,
    "merge": _merge,
    "export": _export,
    "evaluate": _evaluate,
    "all": _all,
}

_HELP = {
    "corpus": "print generated examples, or figures about them",
    "pretrain": "train tokenizer and base model from nothing; goes on where it stopped",
    "tune": "train the LoRA that teaches ChatML; goes on where it stopped",
    "merge": "fold the LoRA into the base model",
    "export": "write GGUF files, quantise them, and compare them with transformers",
    "evaluate": "ask a GGUF file requests about generated homes, with grammar",
    "all": "every step, from an empty folder to quantised GGUF files",
}

if __name__ == "__main__":
    sys.exit(main())
