"""Names and defaults that more than one file of the integration needs."""

from __future__ import annotations

from typing import Final

DOMAIN: Final = "morphy"

ENTRY_VERSION: Final = 1
"""Version of the entries' data: Home Assistant loads no newer one; for an older one it wants `async_migrate_entry`."""

SIGNAL_BACKEND: Final = f"{DOMAIN}_backend"
"""Sent when a backend has finished a completion, or can or cannot be asked any more."""

# Config entry data: where the model runs.
CONF_BACKEND: Final = "backend"
BACKEND_LOCAL: Final = "local"
BACKEND_REMOTE: Final = "remote"
CONF_MODEL_PATH: Final = "model_path"
"""Path of a GGUF file; the bundled model when absent."""
CONF_MODEL_FILE: Final = "model_file"
"""Size, time of change and SHA-256 of the file at `model_path` that was accepted; absent until it was first loaded."""
CONF_CONTEXT_LENGTH: Final = "context_length"
"""Tokens a prompt and its answer may take together."""
CONF_THREADS: Final = "threads"
CONF_HUB: Final = "hub"
"""Where the file at `model_path` was downloaded from: `url`, `repository`, `revision` and `file`; else absent."""

# Subentry data: AI tasks, which have the temperature and the longest answer of an agent.
SUBENTRY_AI_TASK: Final = "ai_task_data"

# Subentry data: an agent.
SUBENTRY_CONVERSATION: Final = "conversation"
CONF_DIALECT: Final = "dialect"
CONF_INSTRUCTIONS: Final = "instructions"
"""The first sentence of the system prompt: a Home Assistant template."""
CONF_TEMPERATURE: Final = "temperature"
CONF_MAX_TOKENS: Final = "max_tokens"
CONF_HOME_TOKENS: Final = "home_tokens"
"""Tokens that a home may have in the prompt which is too large to be told whole."""
CONF_READ_AHEAD: Final = "read_ahead"
"""Whether the model reads what has changed in the home before anyone asks; True when absent."""
CONF_DOMAINS: Final = "domains"
"""The domains the agent may control; absent means every domain of the catalogue."""
CONF_CONFIRM_RISKY: Final = "confirm_risky"
"""Whether unlocking, disarming, opening a garage door or a valve asks first."""
CONF_CONFIRM_ENTITIES: Final = "confirm_entities"
"""Ids of entities of which every action asks first, but for locking, closing, arming and stopping."""
CONF_FALLBACK: Final = "fallback"
"""Who answers when the entry's own model cannot: ids of other entries in their order, and FALLBACK_HOME_ASSISTANT."""
FALLBACK_HOME_ASSISTANT: Final = "home_assistant"
"""Home Assistant's own sentences; they come last."""
CONF_HOME_ASSISTANT_FIRST: Final = "home_assistant_first"
"""Whether Home Assistant's own sentences are tried before any model."""
CONF_FALLBACK_AFTER: Final = "fallback_after"
"""Seconds to wait for the first word of a model that others can stand in for."""

BUNDLED_CONTEXT_LENGTH: Final = 2048
"""What the bundled model was trained for."""
DEFAULT_CONTEXT_LENGTH: Final = 4096
LONGEST_CONTEXT: Final = 131072
DEFAULT_FALLBACK_AFTER: Final = 10
DEFAULT_MAX_TOKENS: Final = 256
DEFAULT_TASK_TOKENS: Final = 1024
DEFAULT_TEMPERATURE: Final = 0.0
