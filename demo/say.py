"""One request, asked as the chat panel asks it: what was answered, called and changed, and how long it took."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import Any

from .client import Client, Json

TIMEOUT = 120
"""Seconds an answer may take."""
QUIET_DOMAINS = frozenset({"ai_task", "conversation", "stt", "tts"})
"""Their state is the time they were last used."""
UNTOLD_ATTRIBUTES = frozenset(
    {"color_mode", "icon", "is_closed", "last_triggered", "media_position_updated_at", "rgb_color", "xy_color"}
)
"""They repeat in other words what other attributes say."""
QUESTION = re.compile(
    r"(are|can|could|did|do|does|has|have|how|is|tell|was|were|what|when|where|which|who|why|will)\b|.*\?\s*$",
    re.I | re.S,
)


@dataclass
class Change:
    """An entity's state before and after a request."""

    entity_id: str
    before: Json
    after: Json

    def __str__(self) -> str:
        """Return the entity, its state, and the attributes that changed."""
        return f"{self.entity_id}: {', '.join(self.told)}"

    @property
    def told(self) -> list[str]:
        """Return what is different, in words; nothing where nothing is."""
        old, new = self.before["attributes"], self.after["attributes"]
        told = []
        if self.before["state"] != self.after["state"]:
            told.append(f"{self.before['state']} → {self.after['state']}")
        elif old.get("last_triggered") != new.get("last_triggered"):
            told.append("ran")
        untold = UNTOLD_ATTRIBUTES if new.get("color_mode") == "hs" else UNTOLD_ATTRIBUTES | {"hs_color"}
        # What a light forgets while it is off is no change that anybody asked for.
        names = [name for name in sorted(new.keys() - untold) if new[name] is not None and old.get(name) != new[name]]
        return told + [_difference(name, old.get(name), new[name]) for name in names]


@dataclass
class Reply:
    """What came of a request."""

    text: str
    speech: str = ""
    failed: bool = False
    asks_back: bool = False
    conversation_id: str | None = None
    calls: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    first_word_ms: float | None = None
    first_call_ms: float | None = None
    total_ms: float = 0

    @property
    def fulfilled(self) -> bool:
        """Tell whether something happened: a state changed, or a question was answered."""
        if any(change.told for change in self.changes):
            return True
        question = QUESTION.match(self.text.strip())
        return bool(question and self.speech) and not (self.failed or self.asks_back or self.refusals)

    def __str__(self) -> str:
        """Return it as a few lines to read."""
        times = [f"answer {self.total_ms:.0f} ms"]
        if self.first_call_ms is not None:
            times.insert(0, f"first action {self.first_call_ms:.0f} ms")
        lines = [f"> {self.text}", f"  {self.speech or '(nothing was said)'}"]
        lines += [f"  call     {call}" for call in self.calls]
        lines += [f"  refused  {refusal}" for refusal in self.refusals]
        lines += [f"  changed  {change}" for change in self.changes if change.told]
        lines.append(f"  time     {', '.join(times)}")
        if not self.fulfilled:
            lines.append("  Nothing that was asked for happened.")
        return "\n".join(lines)


async def say(client: Client, text: str, conversation_id: str | None = None) -> Reply:
    """Run the preferred pipeline on a request and watch the house meanwhile."""
    states: asyncio.Queue[Json] = asyncio.Queue()
    for kind in ("state_changed", "call_service"):
        await client.subscribe("subscribe_events", states, event_type=kind)
    reply = Reply(text)
    began = time.perf_counter()
    run = await client.subscribe(
        "assist_pipeline/run",
        start_stage="intent",
        end_stage="intent",
        input={"text": text},
        conversation_id=conversation_id,
        timeout=TIMEOUT,
    )
    watching = asyncio.create_task(_watch(states, reply, began))
    try:
        async with asyncio.timeout(TIMEOUT + 5):
            while (event := await run.get())["type"] != "run-end":
                _hear(event, reply, began)
        # Events come in order: after the answer to a ping, nothing of this turn is still on its way.
        await client.call("ping")
        await asyncio.sleep(0)
    finally:
        watching.cancel()
        await client.unsubscribe(states)
        await client.unsubscribe(run)
    return reply


def _hear(event: Json, reply: Reply, began: float) -> None:
    """Take in an event of the pipeline."""
    data = event.get("data") or {}
    elapsed = (time.perf_counter() - began) * 1000
    if event["type"] == "intent-progress":
        delta = data.get("chat_log_delta") or {}
        if delta.get("content") and reply.first_word_ms is None and delta.get("role", "assistant") == "assistant":
            reply.first_word_ms = elapsed
        if (refusal := _refusal(delta)) is not None:
            reply.refusals.append(refusal)
    elif event["type"] == "intent-end":
        output = data["intent_output"]
        reply.total_ms = elapsed
        reply.speech = output["response"]["speech"].get("plain", {}).get("speech", "")
        reply.failed = output["response"]["response_type"] == "error"
        reply.conversation_id = output["conversation_id"]
        reply.asks_back = bool(output.get("continue_conversation"))
    elif event["type"] == "error":
        reply.total_ms = elapsed
        reply.failed, reply.speech = True, data.get("message", "")


def _refusal(delta: Json) -> str | None:
    """Return why a tool call failed, when this is the result of one that did."""
    if delta.get("role") != "tool_result" or not delta["result"]["error"]:
        return None
    data = delta["result"]["data"]
    return str(data.get("error_text") or data.get("error") or data)


async def _watch(events: asyncio.Queue[Json], reply: Reply, began: float) -> None:
    """Note the actions called and the states changed, the first and the last state of each entity."""
    changes: dict[str, Change] = {}
    while True:
        event = await events.get()
        data = event["data"]
        if event["event_type"] == "call_service":
            if reply.first_call_ms is None:
                reply.first_call_ms = (time.perf_counter() - began) * 1000
            reply.calls.append(_call(data))
        elif (entity_id := data["entity_id"]).partition(".")[0] not in QUIET_DOMAINS:
            old, new = data["old_state"], data["new_state"]
            if not (old and new):
                continue
            if entity_id in changes:
                changes[entity_id].after = new
            else:
                changes[entity_id] = Change(entity_id, old, new)
                reply.changes.append(changes[entity_id])


def _call(data: Json) -> str:
    """Return an action call as ``light.turn_on(light.kitchen, brightness_pct=40)``."""
    arguments = dict(data["service_data"])
    targets = arguments.pop("entity_id", [])
    shown = [targets] if isinstance(targets, str) else list(targets)
    shown += [f"{name}={_show(value)}" for name, value in arguments.items()]
    return f"{data['domain']}.{data['service']}({', '.join(shown)})"


def _difference(name: str, old: Any, new: Any) -> str:
    """Return how an attribute changed, brightness in percent."""
    if name == "brightness":
        name, old, new = "brightness_pct", *(value and round(value / 2.55) for value in (old, new))
    return f"{name} {_show(new)}" if old is None else f"{name} {_show(old)} → {_show(new)}"


def _show(value: Any) -> str:
    """Return a value short enough for a line."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_show, value))}]"
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
