"""Show what the generator makes: `python -m morphy_training.generator --count 2000 --show 20`."""

from __future__ import annotations

import argparse
import time
from collections import Counter

from . import Exchange, stream


def _show(exchange: Exchange) -> None:
    print(f"[{exchange.category}{', unseen' if exchange.unseen else ''}] {exchange.request}")
    print(f"    evidence: {' '.join(exchange.answer.evidence) or '-'}")
    for action in exchange.answer.actions:
        data = "".join(f", {key}={value!r}" for key, value in action.data.items())
        print(f"    {action.service}({', '.join(action.targets)}{data})")
    print(f"    {exchange.answer.speech}")


def main() -> None:
    """Print some exchanges, the share of each category and the speed."""
    parser = argparse.ArgumentParser(description="Show what the generator makes.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=2000, help="exchanges to make")
    parser.add_argument("--show", type=int, default=20, help="exchanges to print")
    parser.add_argument("--difficulty", type=float, default=1.0)
    parser.add_argument("--language", default="en")
    parser.add_argument("--heldout", action="store_true", help="only names kept from training")
    parser.add_argument("--category", default="", help="print only exchanges whose category starts so")
    options = parser.parse_args()
    source = stream(options.seed, difficulty=options.difficulty, language=options.language, heldout=options.heldout)
    next(source)
    shares: Counter[str] = Counter()
    shown = devices = homes = 0
    begin = time.process_time()
    while shares.total() < options.count:
        example = next(source)
        homes += 1
        devices += len(example.home.devices)
        for exchange in example.turns:
            shares[exchange.category] += 1
            if shown < options.show and exchange.category.startswith(options.category):
                shown += 1
                _show(exchange)
    seconds = time.process_time() - begin
    total = shares.total()
    print(
        f"\n{total} exchanges, {homes} homes, {devices / homes:.1f} devices a home, {total / seconds:.0f} exchanges/s"
    )
    for category, count in shares.most_common():
        print(f"{count / total:7.1%}  {category}")


if __name__ == "__main__":
    main()
