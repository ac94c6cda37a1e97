"""The fuzzer: fifty thousand cases without a violation, and proof that it would see one."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from homeassistant.core import HomeAssistant

from custom_components.morphy import answer, control, keeper, llm_tools
from custom_components.morphy.dialect import reader
from custom_components.morphy.risk import Caution

from .fuzz.oracle import POLICY
from .fuzz.run import async_fuzz
from .fuzz.tools import async_fuzz_tools

ROOT = Path(__file__).parent.parent


def run(folder: Path, cases: int, seed: int) -> dict[str, Any]:
    """Run the fuzzer as scripts/fuzz does; return its report."""
    path = folder / "report.json"
    command = [sys.executable, "-m", "tests.fuzz", "--cases", str(cases), "--seed", str(seed), "--json", str(path)]
    result = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return report


def check(report: dict[str, Any], cases: int) -> None:
    assert report["cases"] == cases
    assert report["exceptions"]["total"] == report["violations"]["total"] == 0
    # It got everywhere: what can be called was called, and what can be refused was refused.
    assert len(report["calls"]["by_service"]) > 50
    assert report["calls"]["total"] > cases / 10
    assert {
        "UnknownServiceError", "NotExposedError", "UnknownTargetError", "ForbiddenError", "UnsupportedArgumentError",
        "OutOfRangeError", "BadOptionError", "ConfirmUnlockError", "ConfirmOpenError", "ConfirmDisarmError",
        "ConfirmationNeededError", "AmbiguousTargetError", "NoEffectError", "MissingTargetError",
    } <= set(report["refused"]["by_reason"])  # fmt: skip


def test_nothing_moves_that_must_not(tmp_path: Path) -> None:
    check(run(tmp_path, 50_000, seed=1), 50_000)


@pytest.mark.long
def test_nothing_moves_that_must_not_in_a_million_cases(tmp_path: Path) -> None:
    check(run(tmp_path, 1_000_000, seed=2), 1_000_000)


def test_a_seed_names_a_run(tmp_path: Path) -> None:
    one, two = (run(tmp_path, 500, seed=7) for _ in range(2))
    for report in (one, two):
        del report["seconds"]
    assert one == two


# Each guard of the integration is taken away once; the oracle, which knows none of them, has to see it.


def _exposed(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (keeper, control):
        monkeypatch.setattr(module, "async_should_expose", lambda *_: True)


def _exposed_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "async_should_expose", lambda *_: True)


def _rights(monkeypatch: pytest.MonkeyPatch) -> None:
    async def anyone(*_: object) -> Callable[[str], bool]:
        return lambda _: True

    monkeypatch.setattr(control, "async_rights", anyone)


def _services(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_known", lambda _, action: action)
    monkeypatch.setattr(control, "own_service", lambda _, service, _device: service)
    monkeypatch.setattr(control, "convert", lambda *_: {})


def _data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "convert", lambda _hass, _state, _service, data: dict(data))


def _questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Caution, "question", lambda *_: None)


def _context(monkeypatch: pytest.MonkeyPatch) -> None:
    call = control._call
    monkeypatch.setattr(control, "_call", lambda hass, step, _: call(hass, step, None))


def _truth(monkeypatch: pytest.MonkeyPatch) -> None:
    async def claim(self: answer.AnswerStream) -> str:
        return self._held

    monkeypatch.setattr(answer.AnswerStream, "_last_words", claim)


def _calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "read_calls", lambda _: None)


@pytest.mark.parametrize(
    ("break_guard", "kind"),
    [
        (_exposed, "entity that is not exposed"),
        (_exposed, "hidden entity that is named"),
        (_exposed_still, "entity that is not exposed"),
        (_rights, "entity that the user has no rights on"),
        (_services, "service outside of the policy"),
        (_services, "domain that the agent may not control"),
        (_services, "entity of another domain"),
        (_data, "data that was not checked"),
        (_data, "refused by Home Assistant"),
        (_questions, "risky action without a yes"),
        (_context, "context of another request"),
        (_truth, "told as done"),
        (_calls, "call that is spoken"),
    ],
)
async def test_the_fuzzer_sees_a_guard_that_is_gone(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, break_guard: Callable[[pytest.MonkeyPatch], None], kind: str
) -> None:
    asyncio.get_running_loop().set_debug(False)
    break_guard(monkeypatch)
    report = await async_fuzz(hass, 1500, seed=3)
    assert any(violation["kind"].startswith(kind) for violation in report.violations)


async def test_no_tool_of_home_assistant_moves_what_must_not(hass: HomeAssistant) -> None:
    asyncio.get_running_loop().set_debug(False)
    report = await async_fuzz_tools(hass, 5000, seed=5)
    assert (report.exceptions, report.violations) == ([], [])
    assert report.calls.total() > 200
    assert {"ForbiddenError", "NotExposedError", "ConfirmUnlockError", "ConfirmOpenError"} <= set(report.refused)


@pytest.mark.parametrize(
    ("guard", "kind"),
    [
        ("touched", "risky action without a yes"),
        ("touched", "domain that the agent may not control"),
        ("touched", "entity that the user has no rights on"),
    ],
)
async def test_the_fuzzer_of_tools_sees_a_guard_that_is_gone(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, guard: str, kind: str
) -> None:
    asyncio.get_running_loop().set_debug(False)
    monkeypatch.setattr(llm_tools, guard, lambda *_: [])
    report = await async_fuzz_tools(hass, 600, seed=3)
    assert kind in {violation["kind"] for violation in report.violations}


def test_the_documented_policy_is_the_one_that_is_held() -> None:
    """Each service of the oracle stands in docs/control.md, and each of that page's in the oracle."""
    told: set[str] = set()
    domains: list[str] = []
    for line in (ROOT / "docs" / "control.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) != 5 or not cells[2].startswith("`"):
            continue
        domains = [name.strip("` ") for name in cells[1].split(",")] if cells[1] else domains
        told |= {f"{domain}.{name.strip('` ')}" for domain in domains for name in cells[2].split(",")}
        if "What is refused" in line:
            break
    held = {f"{domain}.{name}" for domain, services in POLICY.items() for name in services}
    assert held - {"media_player.search_media"} == {service for service in told if service.partition(".")[0] in POLICY}
