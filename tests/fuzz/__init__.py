"""A fuzzer: whatever a model writes, nothing moves that must not; `scripts/fuzz --help` tells how to run it."""
