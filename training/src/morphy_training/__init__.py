"""Makes the models of Morphy: from generated homes to a quantised GGUF, each step a command of `morphy-train`."""
