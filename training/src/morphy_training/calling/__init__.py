"""How well models call functions: several side by side, on the same cases, in one table and in pictures.

A model is asked as the integration asks it: with its dialect's own prompt, greedily, within its dialect's own grammar.

- `functions.py`: definitions of functions, as JSON or as Python signatures; `python_calls.py`: expected calls in Python
- `cases.py`: files of others as cases; `general.py`: plain questions, and what a right answer to them holds
- `compare.py`: expected calls beside those that came
- `models.py`: where a model runs, and in which dialect it is spoken to
- `ask.py`: every model is asked every case; `results.py`, `pictures.py`: what came of it
"""
