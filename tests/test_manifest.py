"""What hassfest and HACS look at, looked at here: neither can be installed."""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import homeassistant.loader
import pytest
import voluptuous as vol
from awesomeversion import AwesomeVersion
from PIL import Image

from custom_components.morphy import errors
from custom_components.morphy.const import DOMAIN
from custom_components.morphy.dialect import CATALOGUE, DIALECTS, TOOL_DIALECTS

from .flows import INTEGRATION, english, placeholders
from .hassfest import HACS, ICONS, MANIFEST, TRANSLATIONS

ROOT = INTEGRATION.parent.parent
MODULES = sorted(INTEGRATION.rglob("*.py"))
ERRORS = [
    error
    for error in vars(errors).values()
    if isinstance(error, type) and issubclass(error, errors.MorphyError) and hasattr(error, "key")
]
# Platforms and what every Home Assistant has need no mention in the manifest.
ALWAYS_THERE = {"homeassistant", "http", "persistent_notification", "conversation", "ai_task", "system_health"}
FOLDER_LIMIT = 48 * 2**20
"""Bytes that the folder may have."""


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON file."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Yield every call in the integration, with the name of the file."""
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield module.name, node


def texts(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text of a translation file, with where it stands."""
    if isinstance(node, str):
        yield path, node
    else:
        for key, value in node.items():
            yield from texts(value, f"{path}.{key}" if path else key)


def test_manifest() -> None:
    manifest = read_json(INTEGRATION / "manifest.json")
    MANIFEST(manifest)
    assert list(manifest) == ["domain", "name", *sorted(set(manifest) - {"domain", "name"})]
    assert manifest["domain"] == INTEGRATION.name == DOMAIN
    assert AwesomeVersion(manifest["version"]).valid
    assert (INTEGRATION / "config_flow.py").is_file()
    assert manifest["requirements"] == [], "what runs models is installed on demand"


def test_every_component_that_is_imported_is_a_dependency() -> None:
    manifest = read_json(INTEGRATION / "manifest.json")
    used: set[str] = set()
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "homeassistant.components":
                used |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("homeassistant.components."):
                used.add((node.module or "").split(".")[2])
    platforms = {name for name in used if name in homeassistant.loader.BASE_PRELOAD_PLATFORMS} | entity_platforms()
    named = {*manifest["dependencies"], *manifest["after_dependencies"]}
    assert used - platforms - ALWAYS_THERE <= named


def entity_platforms() -> set[str]:
    """Return the components that are kinds of entities; their constants may be used freely."""
    platform = importlib.import_module("homeassistant.const").Platform
    return {str(value) for value in platform}


def test_hacs() -> None:
    hacs = read_json(ROOT / "hacs.json")
    HACS(hacs)
    assert AwesomeVersion(hacs["homeassistant"]) >= AwesomeVersion("2026.10.0")
    assert not hacs.get("zip_release"), "docs/models.md says why"
    manifest = read_json(INTEGRATION / "manifest.json")
    assert {"codeowners", "documentation", "domain", "issue_tracker", "name", "version"} <= set(manifest)
    assert (ROOT / "README.md").is_file()
    assert (ROOT / "LICENSE").is_file()
    integrations = [folder for folder in INTEGRATION.parent.iterdir() if (folder / "manifest.json").is_file()]
    assert integrations == [INTEGRATION]


def test_the_folder_stays_small() -> None:
    """Every download and every backup of Home Assistant has all of it: docs/models.md."""
    files = [path for path in INTEGRATION.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) <= FOLDER_LIMIT
    assert f"{FOLDER_LIMIT // 2**20} MiB" in (ROOT / "docs" / "models.md").read_text(encoding="utf-8")


def test_every_version_has_left_its_settings_behind() -> None:
    """A stored fixture of each release and of the next one, for `test_init.py` to be set up with."""
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[?v?(\d+\.\d+)\.\d+", changes, re.MULTILINE)
    following = read_json(INTEGRATION / "manifest.json")["version"].rpartition(".")[0]
    for version in (*released, following):
        assert (ROOT / "tests" / "fixtures" / f"config_entries_{version}.json").is_file(), version


@pytest.mark.parametrize(
    ("name", "height", "square"),
    [
        ("icon.png", 256, True),
        ("icon@2x.png", 512, True),
        ("logo.png", 256, False),
        ("logo@2x.png", 512, False),
        ("dark_logo.png", 256, False),
        ("dark_logo@2x.png", 512, False),
    ],
)
def test_brand(name: str, height: int, square: bool) -> None:
    with Image.open(INTEGRATION / "brand" / name) as image:
        assert image.height == height
        assert (image.width == height) is square
        assert image.mode == "RGBA"
        assert image.getpixel((0, 0))[3] == 0  # type: ignore[index]
        box = image.getchannel("A").getbbox()
        assert box, "the picture is empty"
        margins = box[0], box[1], image.width - box[2], image.height - box[3]
        assert max(margins) <= height // 20, "there is room around it"


@pytest.mark.parametrize("path", sorted((INTEGRATION / "translations").iterdir()), ids=lambda path: path.stem)
def test_texts_are_well_formed(path: Path) -> None:
    TRANSLATIONS(read_json(path))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("config.step.user.title", "Where <b>now</b>?"),
        ("config.step.user.title", " Where?"),
        ("config.step.user.title", ""),
        ("config.step.user.title", "See https://www.home-assistant.io/docs"),
        ("config.step.user.title", "It's '{here}'"),
        ("config.step.user.title", "{here"),
        ("config.step.user.title", "{one two}"),
        ("config.step.user.title", "[%key:common::title%]"),
        ("config.step.user.text", "No such thing"),
        ("config.step.user.data_description", {"nothing": "Of a field that is not there"}),
        ("config.step.user.menu_option_descriptions.elsewhere", "Of an option that is not there"),
        ("config.step.Upper", {}),
        ("config.step.two__lines", {}),
        ("config_subentries.conversation.entry_type", None),
        ("config_subentries.conversation.initiate_flow.user", None),
        ("issues.newer_version.title", None),
        ("issues.newer_version.description", None),
        ("issues.newer_version.fix_flow", {"step": {}}),
        ("exceptions.busy", {}),
        ("entity.sensor.prompt_tokens.unit_of_measurement", "{unit}"),
        ("nonsense", {}),
    ],
)
def test_texts_that_are_not_well_formed_are_seen(place: str, value: Any) -> None:
    content = english()
    put(content, place, value)
    with pytest.raises(vol.Invalid):
        TRANSLATIONS(content)


def put(content: dict[str, Any], place: str, value: Any) -> None:
    """Put a value where dots point to, or with None take away what is there."""
    *path, last = place.split(".")
    for name in path:
        content = content[name]
    if value is None:
        del content[last]
    else:
        content[last] = value


@pytest.mark.parametrize(
    ("schema", "path", "place", "value"),
    [
        (MANIFEST, INTEGRATION / "manifest.json", "version", "new"),
        (MANIFEST, INTEGRATION / "manifest.json", "version", None),
        (MANIFEST, INTEGRATION / "manifest.json", "codeowners", ["nobody"]),
        (MANIFEST, INTEGRATION / "manifest.json", "codeowners", []),
        (MANIFEST, INTEGRATION / "manifest.json", "documentation", "http://example.org"),
        (MANIFEST, INTEGRATION / "manifest.json", "documentation", "https://www.home-assistant.io/integrations/morphy"),
        (MANIFEST, INTEGRATION / "manifest.json", "iot_class", "magic"),
        (MANIFEST, INTEGRATION / "manifest.json", "homeassistant", "2026.10.0"),
        (MANIFEST, INTEGRATION / "manifest.json", "issue_tracker", None),
        (HACS, ROOT / "hacs.json", "name", None),
        (HACS, ROOT / "hacs.json", "domains", ["sensor"]),
        (HACS, ROOT / "hacs.json", "homeassistant", "new"),
        (ICONS, INTEGRATION / "icons.json", "entity.conversation.agent.default", "fa:home"),
        (ICONS, INTEGRATION / "icons.json", "entity.conversation.agent.icon", "mdi:home"),
        (ICONS, INTEGRATION / "icons.json", "entities", {}),
    ],
)
def test_files_that_are_not_well_formed_are_seen(schema: vol.Schema, path: Path, place: str, value: Any) -> None:
    content = read_json(path)
    schema(content)
    put(content, place, value)
    with pytest.raises(vol.Invalid):
        schema(content)


def test_every_error_has_its_sentence() -> None:
    sentences = english()["exceptions"]
    keys = [error.key for error in ERRORS]
    assert len(keys) == len(set(keys))
    assert set(keys) <= set(sentences)
    for error in ERRORS:
        named = set(re.findall(r"`(\w+)`", error.__doc__ or ""))
        assert placeholders(sentences[error.key]["message"]) <= named, error.__name__


def test_every_error_is_raised_with_what_its_sentence_needs() -> None:
    sentences = english()["exceptions"]
    by_name = {error.__name__: error for error in ERRORS}
    for file, call in calls():
        name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
        if name in by_name and by_name[name].__init__ is errors.MorphyError.__init__:
            given = {keyword.arg for keyword in call.keywords}
            assert None in given or given >= placeholders(sentences[by_name[name].key]["message"]), f"{file}: {name}"


def test_the_flow_has_words_for_every_error_of_a_backend() -> None:
    steps_of_their_own = {"runtime_missing", "runtime_install_failed", "runtime_broken", "runtime_no_wheel"}
    content = english()
    shown = (errors.BackendError, errors.DownloadError)
    keys = {error.key for error in ERRORS if issubclass(error, shown)} - steps_of_their_own
    assert set(content["config"]["error"]) == {*keys, "unknown"}
    for key in keys:
        needed = placeholders(content["exceptions"][key]["message"])
        assert placeholders(content["config"]["error"][key]) <= needed


def test_selectors_have_words_for_every_option() -> None:
    selectors = english()["selector"]
    assert set(selectors["domains"]["options"]) == set(CATALOGUE)
    assert set(selectors["dialect"]["options"]) == {*DIALECTS, *TOOL_DIALECTS}


def test_subentries_can_be_named() -> None:
    for kind in english()["config_subentries"].values():
        assert kind["entry_type"]
        assert set(kind["initiate_flow"]) == {"user", "reconfigure"}


def test_icons() -> None:
    icons = read_json(INTEGRATION / "icons.json")
    ICONS(icons)
    steps = english()["config"]["step"]
    for step, content in icons["config"]["step"].items():
        assert set(content["sections"]) <= set(steps[step]["sections"])
    for platform, entities in english()["entity"].items():
        assert set(entities) <= set(icons["entity"][platform]), platform


def test_there_are_no_services() -> None:
    """With the first one come services.yaml, texts, icons, and the rules action-setup and action-exceptions."""
    assert not (INTEGRATION / "services.yaml").exists()
    assert "services" not in english()
    registered = [file for file, call in calls() if getattr(call.func, "attr", "") == "async_register"]
    assert registered == []


def test_typed() -> None:
    assert (INTEGRATION / "py.typed").read_text(encoding="utf-8") == ""
