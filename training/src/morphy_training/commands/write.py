"""`morphy-train write`: conversations that a server's model writes."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "have a server's model write conversations with function calls, in six steps; goes on where it stopped"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """What is written, with which functions, by which server."""
    command.add_argument("--functions", required=True, help="JSON lines or Python that define functions, or a hub id")
    command.add_argument("--server", required=True, metavar="URL[#MODEL]", help="with OpenAI's interface, as …:8000/v1")
    command.add_argument("--out", type=Path, default=Path("functionary.jsonl"), help="default: functionary.jsonl")
    command.add_argument("--count", type=int, default=100, help="conversations (default 100); more later go on")
    command.add_argument("--seed", type=int, default=1, help="of what is drawn, and sent to the server")
    command.add_argument("--temperature", type=float, default=0.8, help="of the server's model (default 0.8)")
    command.add_argument("--attempts", type=int, default=3, help="for a step at most, each told what was wrong")
    command.add_argument("--parallel", type=int, default=1, help="conversations at once, for servers that can")


def run(arguments: argparse.Namespace) -> None:
    """Write the conversations and tell how many there are."""
    from ..calling.functions import read_functions
    from ..server import read_server
    from ..writing.write import Settings, write

    functions = read_functions(arguments.functions)
    settings = Settings(arguments.count, arguments.seed, arguments.temperature, arguments.attempts, arguments.parallel)
    print(f"{arguments.out}: {write(functions, read_server(arguments.server), arguments.out, settings)}")
