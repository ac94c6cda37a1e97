"""What the tables of the README are made with; benchmarks/README.md has the command of each."""
