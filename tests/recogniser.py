"""Recognises speech offline: run by a Python that has pocketsphinx, with a grammar (JSGF) as its argument.

Reads 16 kHz mono speech of 16 bits from standard input, and prints the words it has heard, or an empty line.
"""

from __future__ import annotations

import sys

from pocketsphinx import Decoder  # type: ignore[import-not-found]


def main() -> None:
    """Listen once."""
    decoder = Decoder(samprate=16000, loglevel="FATAL", lm=None)
    decoder.add_jsgf_string("sentences", sys.argv[1])
    decoder.activate_search("sentences")
    decoder.start_utt()
    decoder.process_raw(sys.stdin.buffer.read(), full_utt=True)
    decoder.end_utt()
    print(decoder.hyp().hypstr if decoder.hyp() else "")


if __name__ == "__main__":
    main()
