"""The forms that Home Assistant's hassfest wants of the files beside the code, as far as they concern this integration.

hassfest is no package, so its rules stand here in our own words (developers.home-assistant.io, script/hassfest).
"""

from __future__ import annotations

import re
from string import Formatter
from typing import Any, Final

import homeassistant  # noqa: F401  has to come before voluptuous
import voluptuous as vol

_KEY: Final = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
_HTML: Final = re.compile(r"</?[a-zA-Z][^>]*>")
_QUOTED: Final = re.compile(r"'\{\w*\}'")
_ADDRESS: Final = re.compile(
    r"(?:\b(?:https?|ftps?|mqtts?|scp|socks5|sockets?)://|\bwww\.)[\w-]+(?:\.[\w-]+)*\.[a-z]{2,5}\b", re.I
)
_ICON: Final = re.compile(r"mdi:[a-z0-9]+(?:-[a-z0-9]+)*")


def text(value: Any) -> str:
    """Return a text that may be shown; raise Invalid when it has a form that translators or browsers stumble over."""
    if not isinstance(value, str) or not value:
        raise vol.Invalid("no text")
    if value != value.strip():
        raise vol.Invalid("a space at an end")
    for pattern, complaint in (
        (_HTML, "HTML"),
        (_QUOTED, "a placeholder in single quotes"),
        (_ADDRESS, "an address, which should be a placeholder"),
        (re.compile(r"\[%"), "a reference, which only Home Assistant's own integrations may have"),
    ):
        if pattern.search(value):
            raise vol.Invalid(complaint)
    try:
        names = [name for _, name, _, _ in Formatter().parse(value) if name is not None]
    except ValueError as error:
        raise vol.Invalid(f"its braces: {error}") from None
    if not all(name.isidentifier() for name in names):
        raise vol.Invalid("a placeholder that is no identifier")
    return value


def plain(value: Any) -> str:
    """Return a text without placeholders."""
    if "{" in text(value):
        raise vol.Invalid("a placeholder where none is filled in")
    return str(value)


def key(value: Any) -> str:
    """Return a translation key."""
    if not isinstance(value, str) or not _KEY.fullmatch(value):
        raise vol.Invalid("a key has lower-case letters, digits, and single hyphens and underscores between them")
    return value


def icon(value: Any) -> str:
    """Return the name of an icon."""
    if not isinstance(value, str) or not _ICON.fullmatch(value):
        raise vol.Invalid("no icon of Material Design Icons")
    return value


def _described(part: dict[str, Any]) -> dict[str, Any]:
    """Return a part of a form where nothing is described that is not there."""
    for what, descriptions in (("data", "data_description"), ("menu_options", "menu_option_descriptions")):
        if strangers := set(part.get(descriptions, {})) - set(part.get(what, {})):
            raise vol.Invalid(f"{descriptions} without {what}: {sorted(strangers)}")
    return part


_FIELDS: Final = {vol.Optional("data"): {key: text}, vol.Optional("data_description"): {key: text}}
_SECTION: Final = vol.All({**_FIELDS, vol.Optional("name"): text, vol.Optional("description"): text}, _described)
_STEP: Final = vol.All(
    {
        **_FIELDS,
        vol.Optional("title"): text,
        vol.Optional("description"): text,
        vol.Optional("menu_options"): {key: text},
        vol.Optional("menu_option_descriptions"): {key: text},
        vol.Optional("submit"): text,
        vol.Optional("sections"): {key: _SECTION},
    },
    _described,
)
_FLOW: Final = {
    vol.Required("step"): {key: _STEP},
    **{vol.Optional(part): {key: text} for part in ("error", "abort", "progress", "create_entry")},
}
_ISSUE: Final = vol.Any(
    vol.Schema({vol.Required("title"): text, vol.Required("description"): text}),
    vol.Schema({vol.Required("title"): text, vol.Required("fix_flow"): _FLOW}),
)

TRANSLATIONS: Final = vol.Schema(
    {
        vol.Optional("common"): {key: text},
        vol.Optional("config"): {**_FLOW, vol.Optional("flow_title"): text},
        vol.Optional("config_subentries"): {
            key: {
                **_FLOW,
                vol.Required("entry_type"): text,
                vol.Required("initiate_flow"): {vol.Required("user"): text, key: text},
            }
        },
        vol.Optional("device"): {key: {vol.Optional("name"): text}},
        vol.Optional("entity"): {
            key: {
                key: {
                    vol.Optional("name"): text,
                    vol.Optional("state"): {key: plain},
                    vol.Optional("state_attributes"): {
                        key: {vol.Optional("name"): plain, vol.Optional("state"): {key: plain}}
                    },
                    vol.Optional("unit_of_measurement"): plain,
                }
            }
        },
        vol.Optional("exceptions"): {key: {vol.Required("message"): text}},
        vol.Optional("issues"): {key: _ISSUE},
        vol.Optional("selector"): {
            key: {
                vol.Optional("options"): {key: text},
                vol.Optional("choices"): {key: text},
                vol.Optional("unit_of_measurement"): {key: text},
            }
        },
        vol.Optional("services"): {
            key: {
                vol.Required("name"): text,
                vol.Required("description"): text,
                vol.Optional("fields"): {key: {vol.Required("name"): text, vol.Required("description"): text}},
            }
        },
        vol.Optional("system_health"): {vol.Optional("info"): {key: text}},
    }
)
"""A file of `translations/`."""

ICONS: Final = vol.Schema(
    {
        vol.Optional("config"): {vol.Optional("step"): {key: {vol.Optional("sections"): {key: icon}}}},
        vol.Optional("entity"): {
            key: {
                key: {
                    vol.Optional("default"): icon,
                    vol.Optional("state"): {key: icon},
                    vol.Optional("state_attributes"): {
                        key: {vol.Optional("default"): icon, vol.Optional("state"): {key: icon}}
                    },
                }
            }
        },
        vol.Optional("services"): {key: {vol.Required("service"): icon}},
    }
)
"""`icons.json`."""

MANIFEST: Final = vol.Schema(
    {
        vol.Required("domain"): key,
        vol.Required("name"): str,
        vol.Optional("after_dependencies"): [key],
        vol.Required("codeowners"): vol.All([vol.Match(r"^@[\w-]+$")], vol.Length(min=1)),
        vol.Required("config_flow"): True,
        vol.Optional("dependencies"): [key],
        vol.Required("documentation"): vol.All(
            vol.Url(), vol.Match(r"^https://(?!www\.home-assistant\.io/integrations)")
        ),
        vol.Required("integration_type"): vol.In(["hub", "service"]),
        vol.Required("iot_class"): vol.In(["local_polling", "local_push"]),
        vol.Required("issue_tracker"): vol.All(vol.Url(), vol.Match(r"^https://")),
        vol.Optional("quality_scale"): vol.In(["custom", "bronze", "silver", "gold", "platinum"]),
        vol.Required("requirements"): [str],
        vol.Required("version"): vol.Match(r"^\d+\.\d+\.\d+(?:b\d+)?$"),
    }
)
"""`manifest.json` of an integration like this one: HACS wants what is required here and not by Home Assistant."""

HACS: Final = vol.Schema(
    {
        vol.Required("name"): str,
        vol.Optional("homeassistant"): vol.Match(r"^\d{4}\.\d{1,2}\.\d+(?:b\d+)?$"),
        vol.Optional("hacs"): str,
        vol.Optional("country"): vol.Any(str, [str]),
        vol.Optional("content_in_root"): bool,
        vol.Optional("filename"): str,
        vol.Optional("hide_default_branch"): bool,
        vol.Optional("persistent_directory"): str,
        vol.Optional("render_readme"): bool,
        vol.Optional("zip_release"): bool,
    }
)
"""`hacs.json`."""
