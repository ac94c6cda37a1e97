"""AI tasks: text, or data of a given structure, written by the model for an automation or a template."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import Any, Final, override

import voluptuous as vol
from homeassistant.components import ai_task, conversation
from homeassistant.components.conversation.chat_log import ChatLog
from homeassistant.core import HomeAssistant
from homeassistant.helpers import llm
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util.json import JSON_DECODE_EXCEPTIONS, json_loads
from probatio import to_openapi

from . import MorphyConfigEntry
from .backends import Completion
from .const import CONF_MAX_TOKENS, CONF_TEMPERATURE, DEFAULT_TASK_TOKENS, DEFAULT_TEMPERATURE, SUBENTRY_AI_TASK
from .dialect.chatml import END, START, chat, task as messages_of
from .dialect.schema_grammar import Schema, schema_grammar
from .entity import MorphyEntity
from .errors import (
    BackendError,
    TaskAttachmentsError,
    TaskCutOffError,
    TaskFormError,
    TaskSlowError,
    TaskToolsError,
)
from .fallback import async_note_failure

PARALLEL_UPDATES = 0

TASK_SECONDS: Final = 300
"""How long one task may take, the wait for the model included."""

FORM: Final = "Answer with one JSON value of this schema and with nothing else: {schema}"


async def async_setup_entry(
    hass: HomeAssistant, entry: MorphyConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add an entity for each of the entry's subentries for AI tasks."""
    for subentry in entry.subentries.values():
        if subentry.subentry_type == SUBENTRY_AI_TASK:
            async_add_entities([MorphyTaskEntity(entry, subentry)], config_subentry_id=subentry.subentry_id)


class MorphyTaskEntity(MorphyEntity, ai_task.AITaskEntity):
    """The model as a writer. It is told nothing of the home but what the task itself says."""

    _attr_translation_key = "task"
    _attr_supported_features = ai_task.AITaskEntityFeature.GENERATE_DATA

    @override
    async def _async_generate_data(self, task: ai_task.GenDataTask, chat_log: ChatLog) -> ai_task.GenDataTaskResult:
        """Have a task done.

        Raises TaskAttachmentsError, TaskToolsError, TaskSlowError, TaskCutOffError, TaskFormError, or what the backend
        raises.
        """
        if task.attachments:
            raise TaskAttachmentsError(entity=self.entity_id)
        if chat_log.llm_api:
            raise TaskToolsError(entity=self.entity_id)
        text = await self._write(self._request(task, chat_log))
        data: Any = text.strip() if task.structure is None else self._read(text, task.structure)
        chat_log.async_add_assistant_content_without_tools(conversation.AssistantContent(self.entity_id, text))
        return ai_task.GenDataTaskResult(chat_log.conversation_id, data)

    @property
    def _max_tokens(self) -> int:
        return int(self.settings.get(CONF_MAX_TOKENS, DEFAULT_TASK_TOKENS))

    def _request(self, task: ai_task.GenDataTask, chat_log: ChatLog) -> Completion:
        """Return what the backend is asked: the chat log's system text, the form of the answer, and the task."""
        assert isinstance(chat_log.content[0], conversation.SystemContent)
        system, schema, grammar = chat_log.content[0].content, None, None
        if task.structure is not None:
            schema = _schema(task.structure)
            grammar = schema_grammar(schema)
            system += "\n" + FORM.format(schema=json.dumps(schema, ensure_ascii=False))
        messages = messages_of(system, task.instructions)
        return Completion(
            prompt=chat(messages),
            messages=messages,
            stop=(END, START),
            grammar=grammar,
            schema=schema,
            max_tokens=self._max_tokens,
            temperature=self.settings.get(CONF_TEMPERATURE, DEFAULT_TEMPERATURE),
            caller=chat_log.conversation_id,
            family=self._attr_unique_id or "",
        )

    async def _write(self, request: Completion) -> str:
        """Return the whole answer."""
        try:
            async with asyncio.timeout(TASK_SECONDS), aclosing(self.backend.complete(request)) as pieces:
                text = "".join([piece async for piece in pieces])
        except TimeoutError:
            raise TaskSlowError(seconds=str(TASK_SECONDS)) from None
        except BackendError as error:
            async_note_failure(self.hass, self.entry, self.backend, error)
            raise
        self.backend.breaker.succeeded()
        return text

    def _read(self, text: str, structure: vol.Schema) -> Any:
        """Return the data that was written, just as it was written, if the structure allows it."""
        try:
            data = json_loads(text)
        except JSON_DECODE_EXCEPTIONS as error:
            if error.pos >= len(text):  # it is JSON as far as it goes
                raise TaskCutOffError(tokens=str(self._max_tokens)) from error
            raise TaskFormError(reason=str(error)) from error
        try:
            structure(data)
        except vol.Invalid as error:
            raise TaskFormError(reason=str(error)) from error
        return data


def _schema(structure: vol.Schema) -> Schema:
    """Return the JSON schema of a structure."""
    schema: Schema = to_openapi(structure, custom_serializer=llm.selector_serializer, openapi_version="3.1.0")
    return schema
