"""Supervised fine-tuning with trl: of adapters (on a base model in 4 bits, where the recipe says so) or of all weights.

trl's trainer does the work, on one processor or, started by torchrun or `accelerate launch`, on several: then each has
the whole model, or, with FSDP, a share of it. What stands here is what a recipe decides, what is checked before hours
are spent, and what the run folder holds in the end: the best checkpoint, the log, its figures and its pictures.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path
from threading import Event
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from peft import LoraConfig, prepare_model_for_kbit_training
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    SchedulerType,
    TrainerCallback,
    get_scheduler,
    set_seed,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING
from transformers.training_args import OptimizerNames
from trl import SFTConfig, SFTTrainer

from .. import sigterm, torchrun
from ..data import Source
from ..embeddings import embedding_names, is_tied
from ..errors import RecipeError, RunError, Stopped
from ..loop import CHECKPOINT, LOG
from ..machine import CPU, Machine
from ..recipe import BITS, Recipe, SftRecipe, one_of
from ..runs import Folder
from . import base as bases, converter
from .charts import draw
from .data import prepare

METRICS = "metrics.json"

ALL_LINEAR = "all-linear"
"""What `targets` says for every linear layer but the head."""

_STATE = "trainer_state.json"
_KEPT = 2
"""Checkpoints that lie in the run folder at a time, beside one that is being written."""


def tune(
    recipe: Recipe,
    folder: Folder,
    source: Source | None = None,
    *,
    stop_after: int | None = None,
    machine: Machine = CPU,
) -> dict[str, Any]:
    """Fine-tune the recipe's base model, or go on where a run stopped; returns the run's figures.

    `source` replaces the generator; `stop_after` ends the run after so many of its steps, as a kill would.
    """
    base, part = bases.of(recipe), _sft(recipe)
    check_names(part)
    processes = PartialState(cpu=machine.device.type == "cpu")
    if processes.is_main_process:
        folder.begin(recipe)
    processes.wait_for_everyone()
    config = bases.load_config(recipe)
    bases.check_shape(recipe, config)
    converter.check(_class_name(config))
    tokenizer = bases.load_tokenizer(recipe)
    trained, held_out = prepare(recipe, tokenizer, source)
    set_seed(recipe.seed)
    model = bases.load_model(recipe, tokenizer)
    check_disk(folder.path, disk_needed(model, recipe))
    if base.quantise != "none":
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=part.checkpointing)
    begun = time.monotonic()
    trainer = SFTTrainer(
        model=model,
        args=arguments(recipe, folder.tune, len(trained), machine),
        train_dataset=trained,
        eval_dataset=held_out,
        processing_class=tokenizer,
        peft_config=lora_config(model, part) if part.method == "lora" else None,
    )
    _widen(trainer.model)
    with sigterm.heeded() as asked:
        trainer.add_callback(_Stop(machine, asked, stop_after))
        _train(trainer, _last_checkpoint(folder.tune))
    done, whole = trainer.state.global_step, trainer.state.max_steps
    if done < whole and stop_after is None:
        raise Stopped(f"Stopped tune at step {done} of {whole}; the same command goes on from here")
    if done < whole:
        return {}
    _keep(trainer, tokenizer, folder.tune / CHECKPOINT, processes)
    if not processes.is_main_process:
        return {}
    return _note(trainer, folder, len(trained), len(held_out), time.monotonic() - begun)


def arguments(recipe: Recipe, folder: Path, examples: int, machine: Machine = CPU) -> SFTConfig:
    """The settings of trl for a recipe and so many examples."""
    part = _sft(recipe)
    steps = part.steps or max(1, round(examples * part.epochs / part.batch))
    every = max(1, steps // part.evaluations)
    return SFTConfig(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=part.micro_batch,
        per_device_eval_batch_size=part.micro_batch,
        gradient_accumulation_steps=accumulated(part),
        learning_rate=part.lr,
        lr_scheduler_type=part.scheduler,
        warmup_steps=round(steps * part.warmup),
        weight_decay=part.weight_decay,
        optim=part.optimiser,
        max_length=part.length,
        # trl reads this name of it, not activation_checkpointing. Under FSDP as well: accelerate's own does not draw
        # the same dropout when it computes a layer again.
        gradient_checkpointing=part.checkpointing,
        fsdp=machine.fsdp is not None,
        fsdp_config=None if machine.fsdp is None else str(machine.fsdp),
        bf16=bases.of(recipe).dtype == "bfloat16",
        use_cpu=machine.device.type == "cpu",
        seed=recipe.seed,
        data_seed=recipe.seed,
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=_KEPT,
        load_best_model_at_end=part.keep_best,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        logging_steps=max(1, steps // 200),
        logging_first_step=True,
        report_to="none",
    )


def check_names(part: SftRecipe) -> None:
    """RecipeError when transformers knows no such optimiser or schedule, or one that needs more than a recipe tells."""
    one_of("sft.optimiser", part.optimiser, [one.value for one in OptimizerNames])
    one_of("sft.scheduler", part.scheduler, [one.value for one in SchedulerType])
    try:
        get_scheduler(part.scheduler, torch.optim.SGD([torch.zeros(1)]), num_warmup_steps=0, num_training_steps=1)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"sft.scheduler: {part.scheduler} cannot be used here: {error}") from error


def accumulated(part: SftRecipe) -> int:
    """How often each process computes before a step of the optimiser, so that a step is `batch` conversations."""
    at_once = part.micro_batch * torchrun.processes()
    if part.batch % at_once:
        raise RunError(
            f"sft.batch is {part.batch}, which cannot be shared out: {at_once} conversations are computed at once "
            f"({part.micro_batch} on each of {at_once // part.micro_batch} processes)"
        )
    return part.batch // at_once


def lora_config(model: PreTrainedModel, part: SftRecipe) -> LoraConfig:
    """Adapters as the recipe has them; embeddings and head trained and saved whole if at all, one matrix when tied.

    RecipeError when no module has a name that `targets` matches.
    """
    _check_targets(model, part.targets)
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=part.rank,
        lora_alpha=part.alpha,
        lora_dropout=part.dropout,
        target_modules=part.targets,
        modules_to_save=embedding_names(model) if part.embeddings else None,
        ensure_weight_tying=part.embeddings and is_tied(model),
    )


def disk_needed(model: PreTrainedModel, recipe: Recipe) -> int:
    """Bytes that checkpoints, the merged model and its GGUF files take, by count; AdamW's means are held in 32 bits."""
    part = _sft(recipe)
    weights: int = model.num_parameters()
    adapted = weights
    if part.method == "lora":
        layers = (module for module in model.modules() if isinstance(module, torch.nn.Linear))
        adapted = sum(part.rank * (layer.in_features + layer.out_features) for layer in layers)
        if part.embeddings:
            adapted += model.get_input_embeddings().weight.numel() * (1 if is_tied(model) else 2)
    return (_KEPT + 1) * adapted * (4 + 8) + adapted * 4 + files_needed(weights, recipe)


def files_needed(weights: int, recipe: Recipe) -> int:
    """Bytes of the merged model, in 16 bits, and of its GGUF files."""
    return 2 * weights + gguf_needed(weights, recipe)


def gguf_needed(weights: int, recipe: Recipe) -> int:
    """Bytes of the GGUF files."""
    return round(weights / 8 * sum(BITS[name] for name in recipe.export.quantisations))


def check_disk(folder: Path, needed: int) -> None:
    """RunError when the disk of a folder has less room than that, in bytes."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise RunError(
            f"{folder} has {free / 1e9:.1f} GB of free disk space, and this recipe needs about {needed / 1e9:.1f} GB "
            "(checkpoints, merged model, GGUF): make room, or choose another folder with --run"
        )


def _train(trainer: SFTTrainer, checkpoint: str | None) -> None:
    """Train, from a checkpoint on where there is one; in the end the model is the best one where that is to be kept."""
    try:
        trainer.train(resume_from_checkpoint=checkpoint)
    except _DoneError:
        if trainer.args.load_best_model_at_end:
            best = Path(str(checkpoint)).with_name(f"checkpoint-{trainer.state.best_global_step}")
            trainer.state.best_model_checkpoint = str(best)  # Where the run folder is now.
            trainer._load_best_model()


class _DoneError(Exception):
    """The checkpoint was that of the last step: a kill came before the result was saved. trl would make one more."""


class _Stop(TrainerCallback):
    """Ends a run in the middle of it: with a checkpoint on SIGTERM or when its time is up, without after some steps.

    Of several processes all end at the same step: when one of them is to end.
    """

    def __init__(self, machine: Machine, asked: Event, after: int | None) -> None:
        self._machine = machine
        self._asked = asked
        self._left = after

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: object) -> None:
        if state.global_step >= state.max_steps:
            raise _DoneError

    def on_step_end(self, args: Any, state: Any, control: Any, **_: object) -> None:
        if any(gather_object([self._asked.is_set() or self._machine.time_is_up])):
            control.should_save = control.should_training_stop = True
        if self._left is not None:
            self._left -= 1
            control.should_training_stop |= self._left <= 0


def _check_targets(model: PreTrainedModel, targets: str) -> None:
    names = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    try:
        found = targets == ALL_LINEAR or any(re.fullmatch(targets, name) for name in names)
    except re.error as error:
        raise RecipeError(f"sft.targets: {targets} is no regular expression: {error}") from error
    if not found:
        have = ", ".join(sorted({name.rpartition(".")[2] for name in names}))
        raise RecipeError(
            f"sft.targets: {targets} matches no module of {type(model).__name__}. It is a regular expression for whole "
            f"names, such as {names[0]}; the last parts of names are {have}. {ALL_LINEAR} takes all but the head"
        )


def _sft(recipe: Recipe) -> SftRecipe:
    bases.of(recipe)
    assert recipe.sft is not None
    return recipe.sft


def _class_name(config: Any) -> str:
    return str(MODEL_FOR_CAUSAL_LM_MAPPING[type(config)].__name__)


def _widen(model: torch.nn.Module) -> None:
    """Hold what is trained in 32 bits: in 16, steps of AdamW are smaller than the last bit and would be lost."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def _last_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written whole."""
    found = [path for path in folder.glob("checkpoint-*") if _is_whole(path)]
    return str(max(found, key=lambda path: int(path.name.partition("-")[2]))) if found else None


def _is_whole(checkpoint: Path) -> bool:
    """Whether a checkpoint was written to its end: its state is written last."""
    try:
        json.loads((checkpoint / _STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def _keep(trainer: SFTTrainer, tokenizer: PreTrainedTokenizerBase, folder: Path, processes: PartialState) -> None:
    """Save what was trained, in one go; every process takes part, since each may hold a share of it."""
    fresh = folder.with_name(f"{folder.name}.new")
    if processes.is_main_process:
        shutil.rmtree(fresh, ignore_errors=True)
    processes.wait_for_everyone()
    trainer.save_model(str(fresh))
    if processes.is_main_process:
        tokenizer.save_pretrained(fresh)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)


def _note(trainer: SFTTrainer, folder: Folder, trained: int, held_out: int, seconds: float) -> dict[str, Any]:
    state = trainer.state
    entries = [entry for entry in state.log_history if "train_runtime" not in entry]
    with (folder.tune / LOG).open("w", encoding="utf-8") as log:
        log.writelines(f"{json.dumps(entry)}\n" for entry in entries)
    figures = {
        "steps": state.global_step,
        "conversations": trained,
        "held_out": held_out,
        "loss": next((entry["loss"] for entry in reversed(entries) if "loss" in entry), None),
        "best_evaluation_loss": state.best_metric,
        "best_step": state.best_global_step,
        "seconds_of_this_start": round(seconds, 1),
        "machine": str(trainer.args.device),
    }
    (folder.path / METRICS).write_text(json.dumps(figures, indent=1), encoding="utf-8")
    draw(folder.path / "report", entries)
    return figures
