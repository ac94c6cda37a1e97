"""Recipes for models that others began: a base model fine-tuned on a mix of data, or several merged into one.

What transformers, peft, trl, datasets, bitsandbytes and mergekit do is done by them. A step is a file:

- `conversation.py`, `formats.py`: data in the formats of others, as conversations in one neutral form
- `texts.py`: a conversation as the text of a dialect, with what is learnt; `samples.py`: made-up data of each format
- `data.py`: the mix of sources, as tokens and labels
- `base.py`, `tiny.py`: base models, and tiny ones of the same architectures for the tests
- `sft.py`, `merge.py`, `blend.py`, `export.py`: the steps, in this order
- `blend_plan.py`: what is merged into one, read and checked
- `smoke.py`: any recipe from its first step to its last, at toy size
"""
