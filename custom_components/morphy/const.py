"""Names and defaults that more than one file of the integration needs."""

from __future__ import annotations

from typing import Final

DOMAIN: Final = "morphy"

# Config entry data: where the model runs.
CONF_BACKEND: Final = "backend"
BACKEND_LOCAL: Final = "local"
BACKEND_REMOTE: Final = "remote"
CONF_MODEL_PATH: Final = "model_path"
"""Path of a GGUF file; the bundled model when absent."""
CONF_CONTEXT_LENGTH: Final = "context_length"
"""Tokens a prompt and its answer may take together."""
CONF_THREADS: Final = "threads"

# Subentry data: an agent.
SUBENTRY_CONVERSATION: Final = "conversation"
CONF_DIALECT: Final = "dialect"
CONF_INSTRUCTIONS: Final = "instructions"
"""The first sentence of the system prompt: a Home Assistant template."""
CONF_TEMPERATURE: Final = "temperature"
CONF_MAX_TOKENS: Final = "max_tokens"
CONF_DOMAINS: Final = "domains"
"""The domains the agent may control; absent means every domain of the catalogue."""
CONF_CONFIRM_RISKY: Final = "confirm_risky"
"""Whether unlocking, disarming, opening a garage door or a valve asks first."""

DEFAULT_CONTEXT_LENGTH: Final = 4096
DEFAULT_MAX_TOKENS: Final = 256
DEFAULT_TEMPERATURE: Final = 0.0
