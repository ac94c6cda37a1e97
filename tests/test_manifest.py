"""What hassfest and HACS look at, looked at here: neither can be installed."""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import homeassistant.loader
import pytest
from awesomeversion import AwesomeVersion
from homeassistant.util.yaml import load_yaml_dict
from PIL import Image

from custom_components.morphy import errors
from custom_components.morphy.const import DOMAIN
from custom_components.morphy.dialect import CATALOGUE, DIALECTS

from .flows import INTEGRATION, english, placeholders

ROOT = INTEGRATION.parent.parent
MODULES = sorted(INTEGRATION.rglob("*.py"))
ERRORS = [
    error
    for error in vars(errors).values()
    if isinstance(error, type) and issubclass(error, errors.MorphyError) and hasattr(error, "key")
]
# Platforms and what every Home Assistant has need no mention in the manifest.
ALWAYS_THERE = {"homeassistant", "http", "persistent_notification", "conversation", "ai_task", "system_health"}
RULES_DONE_OR = {"done", "exempt", "todo"}


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
    assert list(manifest) == ["domain", "name", *sorted(set(manifest) - {"domain", "name"})]
    assert set(manifest) <= {
        "after_dependencies",
        "codeowners",
        "config_flow",
        "dependencies",
        "documentation",
        "domain",
        "integration_type",
        "iot_class",
        "issue_tracker",
        "name",
        "quality_scale",
        "requirements",
        "version",
    }
    assert manifest["domain"] == INTEGRATION.name == DOMAIN
    for key in ("documentation", "issue_tracker"):
        url = urlparse(manifest[key])
        assert url.scheme == "https"
        assert url.netloc != "www.home-assistant.io"
    assert manifest["codeowners"]
    assert all(re.fullmatch(r"@[\w-]+", owner) for owner in manifest["codeowners"])
    assert AwesomeVersion(manifest["version"]).valid
    assert manifest["config_flow"] is True
    assert (INTEGRATION / "config_flow.py").is_file()
    assert manifest["integration_type"] in ("hub", "service")
    assert manifest["iot_class"].startswith("local_")
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
    assert set(hacs) <= {
        "content_in_root",
        "country",
        "filename",
        "hacs",
        "hide_default_branch",
        "homeassistant",
        "name",
        "persistent_directory",
        "render_readme",
        "zip_release",
    }
    assert hacs["name"]
    assert AwesomeVersion(hacs.get("homeassistant", "2026.10.0")) >= AwesomeVersion("2026.10.0")
    assert not hacs.get("zip_release") or hacs["filename"]
    manifest = read_json(INTEGRATION / "manifest.json")
    assert {"codeowners", "documentation", "domain", "issue_tracker", "name", "version"} <= set(manifest)
    assert (ROOT / "README.md").is_file()
    integrations = [folder for folder in INTEGRATION.parent.iterdir() if (folder / "manifest.json").is_file()]
    assert integrations == [INTEGRATION]


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


def test_texts_are_well_formed() -> None:
    content = english()
    assert set(content) <= {
        "common",
        "config",
        "config_subentries",
        "entity",
        "exceptions",
        "issues",
        "selector",
        "system_health",
    }
    for path, text in texts(content):
        assert text == text.strip(), path
        assert text, path
        assert not re.search(r"<[^>]+>", text), f"{path} holds HTML"
        assert not re.search(r"'\{\w+\}'", text), f"{path}: a placeholder in single quotes"
        assert "[%key:" not in text, path
        assert all(re.fullmatch(r"[a-z0-9_-]+", key) for key in path.split(".")), path


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
    shown_in_menus = {"runtime_missing", "runtime_install_failed"}
    content = english()
    keys = {error.key for error in ERRORS if issubclass(error, errors.BackendError)} - shown_in_menus
    assert set(content["config"]["error"]) == {*keys, "unknown"}
    for key in keys:
        needed = placeholders(content["exceptions"][key]["message"])
        assert placeholders(content["config"]["error"][key]) <= needed


def test_selectors_have_words_for_every_option() -> None:
    selectors = english()["selector"]
    assert set(selectors["domains"]["options"]) == set(CATALOGUE)
    assert set(selectors["dialect"]["options"]) == set(DIALECTS)


def test_subentries_can_be_named() -> None:
    for kind in english()["config_subentries"].values():
        assert kind["entry_type"]
        assert set(kind["initiate_flow"]) == {"user", "reconfigure"}


def test_icons() -> None:
    icons = read_json(INTEGRATION / "icons.json")
    assert set(icons) <= {"config", "entity"}
    for path, icon in texts(icons):
        assert re.fullmatch(r"mdi:[a-z0-9-]+", icon), path
    steps = english()["config"]["step"]
    for step, content in icons["config"]["step"].items():
        assert set(content["sections"]) <= set(steps[step]["sections"])


def test_quality_scale() -> None:
    rules = load_yaml_dict(str(INTEGRATION / "quality_scale.yaml"))["rules"]
    assert len(rules) == 54
    for name, rule in rules.items():
        status = rule if isinstance(rule, str) else rule["status"]
        assert status in RULES_DONE_OR, name
        assert status != "exempt" or rule["comment"], name


def test_typed() -> None:
    assert (INTEGRATION / "py.typed").read_text(encoding="utf-8") == ""
