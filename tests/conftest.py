"""What every test needs, and the options of the test suite."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component

import custom_components  # noqa: F401  before the test suite's own package of that name is found

from .house import House, async_furnish
from .model_server import ModelServer
from .tiny_model import write_tiny_model
from .worker_coverage import measured_workers


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--long`` and ``--screenshot``."""
    parser.addoption("--long", action="store_true", help="also run the checks marked long, which take minutes")
    parser.addoption("--screenshot", type=Path, help="where the browser test keeps its picture (default: out/chat.png)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long checks out unless they are asked for."""
    if not config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="takes minutes: run with --long"))


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Measure the worker processes too where `--cov` measures."""
    plugin = session.config.pluginmanager.get_plugin("_cov")
    with measured_workers(plugin.cov_controller.cov.config.data_file) if plugin else contextlib.nullcontext():
        return (yield)


@pytest.fixture(autouse=True)
def custom_integrations(request: pytest.FixtureRequest) -> None:
    """Let Home Assistant load the integration, in the tests that have a Home Assistant."""
    if "hass" in request.fixturenames:
        request.getfixturevalue("enable_custom_integrations")


@pytest.fixture(autouse=True)
def nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the dialogs go on at once: no browser has to notice that they do."""
    monkeypatch.setattr("custom_components.morphy.entry_flow.SHOWN", 0.0)


@pytest.fixture(name="house")
async def house_fixture(hass: HomeAssistant) -> House:
    """Return the furnished house, in a Home Assistant that converses."""
    assert await async_setup_component(hass, "homeassistant", {})
    assert await async_setup_component(hass, "conversation", {})
    return await async_furnish(hass)


@pytest.fixture(name="model", scope="session")
def model_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model that answers."""
    return write_tiny_model(tmp_path_factory.mktemp("models") / "house.gguf", chain=b"Ok")


@pytest.fixture(name="server")
async def server_fixture(socket_enabled: None) -> AsyncGenerator[ModelServer]:
    """Return a server that is not running yet."""
    server = ModelServer()
    yield server
    await server.stop()
