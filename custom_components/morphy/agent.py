"""What both kinds of agent share: who may answer, what waits for a yes, when Home Assistant's sentences are asked."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import override

from homeassistant.components import conversation
from homeassistant.components.conversation.chat_log import ChatLog
from homeassistant.components.intent import async_device_supports_timers
from homeassistant.config_entries import ConfigSubentry

from . import MorphyConfigEntry, built_in
from .backends import Backend
from .confirmation import Asker, Confirmations
from .const import (
    CONF_CONFIRM_ENTITIES,
    CONF_CONFIRM_RISKY,
    CONF_DOMAINS,
    CONF_HOME_ASSISTANT_FIRST,
    CONF_INSTRUCTIONS,
)
from .dialect import Dialect, ToolDialect
from .entity import MorphyEntity
from .errors import LanguageUnknownError
from .fallback import Models
from .intents import TIMERS
from .languages import knows, named
from .risk import Caution


class AgentEntity[D: Dialect | ToolDialect, U](MorphyEntity, conversation.ConversationEntity):
    """An agent in the Assist chat panel and in voice pipelines; of its actions those of type U wait for a yes."""

    _attr_translation_key = "agent"
    _attr_supports_streaming = True
    _attr_supported_features = conversation.ConversationEntityFeature.CONTROL

    def __init__(self, entry: MorphyConfigEntry, subentry: ConfigSubentry, dialect: D) -> None:
        """Begin without anything to confirm."""
        super().__init__(entry, subentry)
        self.dialect: D = dialect
        self._confirmations = Confirmations[U]()

    @cached_property
    def models(self) -> Models[D]:
        """The models that may answer."""
        return Models(self.hass, self.entry, self.dialect, self.settings)

    @property
    def _family(self) -> str:
        """Whose prompts these are, as backends know them."""
        return self._attr_unique_id or ""

    @property
    def caution(self) -> Caution:
        """What asks first."""
        return Caution(
            self.settings.get(CONF_CONFIRM_RISKY, True), frozenset(self.settings.get(CONF_CONFIRM_ENTITIES, ()))
        )

    @property
    @override
    def available(self) -> bool:
        """Whether anyone can answer. It can be asked all the same, and says what is wrong."""
        return bool(self.models.well()) or self.models.then_home_assistant

    @property
    def _asks_home_assistant(self) -> bool:
        """Whether Home Assistant's own sentences are asked too, first or last."""
        return self.settings.get(CONF_HOME_ASSISTANT_FIRST, False) or self.models.then_home_assistant

    def instructions(self, dialect: D) -> str:
        """Return the template of the system prompt's first sentence."""
        return self.settings.get(CONF_INSTRUCTIONS) or dialect.default_instructions

    async def _ask_home_assistant_first(
        self, user_input: conversation.ConversationInput, chat_log: ChatLog, caution: Caution
    ) -> conversation.ConversationResult | None:
        """Let Home Assistant's own sentences answer where the agent is to, or where they set a timer on a satellite."""
        if self.settings.get(CONF_HOME_ASSISTANT_FIRST, False):
            return await self._ask_home_assistant(user_input, chat_log, caution)
        if user_input.device_id and async_device_supports_timers(self.hass, user_input.device_id):
            return await self._ask_home_assistant(user_input, chat_log, caution, TIMERS)
        return None

    async def _ask_home_assistant(
        self,
        user_input: conversation.ConversationInput,
        chat_log: ChatLog,
        caution: Caution,
        intents: Collection[str] | None = None,
    ) -> conversation.ConversationResult | None:
        """Let Home Assistant's own sentences answer, of these intents alone or of all."""
        return await built_in.async_answer(
            self.hass, user_input, chat_log, domains=self.settings.get(CONF_DOMAINS), caution=caution, intents=intents
        )


def asker_of(user_input: conversation.ConversationInput, chat_log: ChatLog) -> Asker:
    """Return who has to say yes to what is asked now."""
    return chat_log.conversation_id, user_input.context.user_id, user_input.device_id, user_input.satellite_id


def check_language(backend: Backend, language: str) -> None:
    """Raise LanguageUnknownError when a model tells which languages it knows, and this is none of them."""
    languages = backend.info.languages if backend.info else None
    if languages and not knows(languages, language):
        raise LanguageUnknownError(languages=named(languages))
