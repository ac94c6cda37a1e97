"""Conversations with function calls, written by a model on any server with OpenAI's interface, in Functionary's steps.

- `plan.py`: what each conversation is to hold, drawn from a seed: functions, and how often which kind of call is needed
- `steps.py`: what the server is asked at each step, and what of its answer can be used
- `write.py`: the steps of all conversations, kept one by one, so that a killed run goes on; merged in the end
"""
