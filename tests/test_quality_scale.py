"""Home Assistant's quality scale: what `quality_scale.yaml` claims is looked for in the source, rule by rule.

Each rule, done or exempt, has a check here; and each check is shown a source that lacks what it looks for.
"""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from .flows import INTEGRATION

ROOT = INTEGRATION.parent.parent
CODE = "custom_components/morphy"
RULES: Final = {
    "bronze": 20,
    "silver": 10,
    "gold": 21,
    "platinum": 3,
}
"""How many rules each tier has."""
BUILT_IN_ERRORS = {
    "AssertionError",
    "AttributeError",
    "EOFError",
    "ImportError",
    "KeyError",
    "LookupError",
    "NotImplementedError",
    "OSError",
    "RuntimeError",
    "TimeoutError",
    "TypeError",
    "ValueError",
}
"""Errors that stay within the code that raises them."""
WORKER = {"worker.py", "engine.py", "sampling.py", "shelf.py", "model_file.py", "confine.py"}
"""What runs in the process of llama.cpp, where there is no event loop and no Home Assistant."""

type Check = Callable[["Source"], None]


class Source:
    """The repository, with some files replaced or, with None, taken away."""

    def __init__(self, **replaced: str | None) -> None:
        """See the repository as it is but for these files, by their paths."""
        self._replaced = replaced

    def exists(self, path: str) -> bool:
        return self._replaced[path] is not None if path in self._replaced else (ROOT / path).exists()

    def text(self, path: str) -> str:
        if path in self._replaced:
            text = self._replaced[path]
            assert text is not None, f"no {path}"
            return text
        return (ROOT / path).read_text(encoding="utf-8")

    def json(self, path: str) -> Any:
        return json.loads(self.text(path))

    @cached_property
    def english(self) -> dict[str, Any]:
        return dict(self.json(f"{CODE}/translations/en.json"))

    @cached_property
    def modules(self) -> dict[str, ast.Module]:
        """The code, by the paths within the integration."""
        found = {path.relative_to(ROOT).as_posix() for path in INTEGRATION.rglob("*.py")}
        added = {path for path in self._replaced if path.startswith(CODE) and path.endswith(".py")}
        paths = sorted(path for path in found | added if self.exists(path))
        return {path.removeprefix(f"{CODE}/"): _parsed(self.text(path)) for path in paths}

    def nodes[Node: ast.AST](self, kind: type[Node], *names: str) -> Iterator[tuple[str, Node]]:
        """Yield the nodes of a kind, in these modules or in all."""
        for name, module in self.modules.items():
            if not names or name in names:
                yield from ((name, node) for node in ast.walk(module) if isinstance(node, kind))

    def calls(self, *names: str) -> Iterator[tuple[str, str, ast.Call]]:
        """Yield module, name and node of each call."""
        for module, call in self.nodes(ast.Call, *names):
            yield module, _name(call.func), call

    def functions(self, *names: str) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
        """Return functions and methods by name, in these modules or in all."""
        both = (ast.FunctionDef, ast.AsyncFunctionDef)
        return {node.name: node for kind in both for _, node in self.nodes(kind, *names)}

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        return {node.name: node for _, node in self.nodes(ast.ClassDef)}

    def ancestors(self, name: str) -> Iterator[ast.ClassDef]:
        """Yield a class of ours and those it is derived from."""
        classes, waiting = self.classes, [name]
        while waiting:
            if found := classes.get(waiting.pop()):
                yield found
                waiting += [_name(base) for base in found.bases]

    @cached_property
    def platforms(self) -> list[str]:
        """The platforms of entities, as `__init__.py` names them."""
        for _, node in self.nodes(ast.AnnAssign, "__init__.py"):
            if _name(node.target) == "PLATFORMS":
                return [one.attr.lower() for one in ast.walk(node) if isinstance(one, ast.Attribute)]
        raise AssertionError("no platforms")

    @cached_property
    def entity_classes(self) -> dict[str, str]:
        """Return the platform of each class of entities that one adds."""
        found = {}
        for platform in self.platforms:
            adds = self.functions(f"{platform}.py")["async_setup_entry"]
            named = {_name(node) for node in ast.walk(adds) if isinstance(node, ast.Name)}
            found |= {name: platform for name in named if self._is_entity(name)}
        assert set(found.values()) == set(self.platforms)
        return found

    def _is_entity(self, name: str) -> bool:
        return any(_name(base).endswith("Entity") for one in self.ancestors(name) for base in one.bases)

    def assigned(self, entity: str, name: str) -> bool:
        """Return whether a class of entities, or one it is derived from, sets this."""
        return any(_sets(node, name) for ancestor in self.ancestors(entity) for node in ast.walk(ancestor))

    def section(self, path: str, heading: str) -> str:
        """Return what stands under a heading, subheadings included."""
        match = re.search(rf"^(#+) {re.escape(heading)}\n(.*?)(?=^\1 |\Z)", self.text(path), re.DOTALL | re.MULTILINE)
        assert match, f"{path} has no section {heading}"
        assert len(match[2].strip()) > 150, f"{path} says little under {heading}"
        return match[2]


@cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Subscript):  # AgentEntity[Dialect, Unconfirmed]
        return _name(node.value)
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _sets(node: ast.AST, name: str) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return any(_name(target) == name for target in targets)


def _keywords(call: ast.Call) -> dict[str, ast.expr]:
    return {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}


def _constant(node: ast.AST | None) -> Any:
    return node.value if isinstance(node, ast.Constant) else None


# The checks, in the order of the scale.


def has_no_actions(source: Source) -> None:
    assert not source.exists(f"{CODE}/services.yaml")
    names = {name for _, name, call in source.calls() if "services" in ast.unparse(call.func)}
    assert not {name for name in names if name.startswith("async_register")}


def polls_nothing(source: Source) -> None:
    names = {_name(node) for _, node in source.nodes(ast.Name)} | {
        _name(node) for _, node in source.nodes(ast.Attribute)
    }
    assert not names & {"SCAN_INTERVAL", "update_interval", "async_track_time_interval", "DataUpdateCoordinator"}
    for entity in source.entity_classes:
        if any(_name(base) == "SensorEntity" for one in source.ancestors(entity) for base in one.bases):
            assert source.assigned(entity, "_attr_should_poll"), entity
    settings = [node for _, node in source.nodes(ast.Assign) if _sets(node, "_attr_should_poll")]
    assert all(_constant(node.value) is False for node in settings)


def has_brand_images(source: Source) -> None:
    for name in ("icon", "logo", "dark_logo"):
        assert source.exists(f"{CODE}/brand/{name}.png")
        assert source.exists(f"{CODE}/brand/{name}@2x.png")


def shares_what_entities_have_in_common(source: Source) -> None:
    shared = {node.name for _, node in source.nodes(ast.ClassDef, "entity.py")}
    for entity in source.entity_classes:
        assert shared & {one.name for one in source.ancestors(entity)}, entity


def has_a_config_flow(source: Source) -> None:
    assert source.json(f"{CODE}/manifest.json")["config_flow"] is True
    flows = [source.english["config"], *source.english["config_subentries"].values()]
    for flow in flows:
        for step, texts in flow["step"].items():
            for part in (texts, *texts.get("sections", {}).values()):
                assert set(part.get("data", ())) == set(part.get("data_description", ())), step


def has_tested_flows(source: Source) -> None:
    assert "async def test_every_error_of_a_trial_is_told" in source.text("tests/test_flow_errors.py")
    tried = set(_own_errors(source, "BackendError").values())
    tests = "".join(
        source.text(f"tests/{path.name}") for path in sorted((ROOT / "tests").glob("test_*.py")) if path.name != THIS
    )
    flows = [source.english["config"], *source.english["config_subentries"].values()]
    for flow in flows:
        # Steps that only show that something is being done are passed on the way to the others.
        steps = [name for name, texts in flow["step"].items() if set(texts) != {"title"}]
        for name in (*steps, *(error for error in flow.get("error", ()) if error not in tried), *flow.get("abort", ())):
            assert re.search(rf"[\"'_]{name}[\"'(]", tests), f"no test has {name}"


def names_what_it_depends_on(source: Source) -> None:
    assert source.json(f"{CODE}/manifest.json")["requirements"] == []
    assert re.search(r'REQUIREMENTS: Final = \(f"llama-cpp-python==\{VERSION\}"', source.text(f"{CODE}/package.py"))
    assert re.search(r'^VERSION: Final = "\d+\.\d+\.\d+"', source.text(f"{CODE}/package.py"), re.MULTILINE)


def has_no(name: str) -> Check:
    def check(source: Source) -> None:
        assert not source.exists(f"{CODE}/{name}.py")
        assert not source.exists(f"{CODE}/{name}s.yaml")

    return check


def says(path: str, heading: str, *words: str) -> Check:
    def check(source: Source) -> None:
        section = source.section(path, heading)
        assert all(word in section for word in words)

    return check


def listens_while_it_is_there(source: Source) -> None:
    listeners = re.compile(r"async_dispatcher_connect|async_listen|async_track_\w+|async_keep")
    for entity in source.entity_classes:
        for one in source.ancestors(entity):
            for function in (node for node in one.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))):
                found = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
                kept = [ast.unparse(node) for node in found if _name(node.func) == "async_on_remove"]
                for call in found:
                    if listeners.fullmatch(_name(call.func)):
                        assert function.name == "async_added_to_hass", f"{one.name}.{function.name}"
                        assert any(ast.unparse(call) in text for text in kept), f"{one.name} never stops listening"
    assert source.functions("entity.py")["async_added_to_hass"]


def sets_on_entities(*names: str) -> Check:
    def check(source: Source) -> None:
        for entity in source.entity_classes:
            for name in names:
                assert source.assigned(entity, name), f"{entity} has no {name}"

    return check


def has_entity_names(source: Source) -> None:
    sets_on_entities("_attr_has_entity_name")(source)
    settings = [node for _, node in source.nodes(ast.Assign) if _sets(node, "_attr_has_entity_name")]
    assert all(_constant(node.value) is True for node in settings)


def keeps_runtime_data_on_the_entry(source: Source) -> None:
    setup = source.functions("__init__.py")["async_setup_entry"]
    assert any(_sets(node, "runtime_data") for node in ast.walk(setup))
    assert "type MorphyConfigEntry = ConfigEntry[" in source.text(f"{CODE}/__init__.py")
    for module, node in source.nodes(ast.Subscript):
        assert ast.unparse(node) != "hass.data[DOMAIN]", module


def tries_before_it_accepts(source: Source) -> None:
    tried = source.functions("trial.py")["async_try"]
    assert {"start", "complete"} <= {_name(node.func) for node in ast.walk(tried) if isinstance(node, ast.Call)}
    assert "entry_flow.py" in {module for module, name, _ in source.calls() if name == "async_try"}


def tries_before_it_sets_up(source: Source) -> None:
    setup = source.functions("__init__.py")["async_setup_entry"]
    assert "start" in {_name(node.func) for node in ast.walk(setup) if isinstance(node, ast.Call)}
    kinds = {_name(node) for _, node in source.nodes(ast.Name, "__init__.py")}
    assert {"ConfigEntryNotReady", "ConfigEntryAuthFailed", "ConfigEntryError"} <= kinds


def refuses_the_same_twice(source: Source) -> None:
    aborts = [_constant(call.args[0]) for _, name, call in source.calls() if name == "AbortFlow" and call.args]
    assert "already_configured" in aborts
    assert source.english["config"]["abort"]["already_configured"]


def can_be_unloaded(source: Source) -> None:
    unload = source.functions("__init__.py")["async_unload_entry"]
    assert "async_unload_platforms" in ast.unparse(unload)
    setup = ast.unparse(source.functions("__init__.py")["async_setup_entry"])
    assert "entry.async_on_unload(backend.close)" in setup
    assert "async def test_reloads_with_a_worker" in source.text("tests/test_reload.py")


def documents_fields(kind: str) -> Check:
    def check(source: Source) -> None:
        docs = source.text("docs/setup.md") + source.text("docs/ai-task.md")
        flows = [source.english["config"]] if kind == "config" else source.english["config_subentries"].values()
        for flow in flows:
            for step in flow["step"].values():
                for part in (step, *step.get("sections", {}).values()):
                    for label in part.get("data", {}).values():
                        assert label in docs, f"no document explains {label}"

    return check


def has_unavailable_entities(source: Source) -> None:
    for entity in source.entity_classes:
        functions = [node for one in source.ancestors(entity) for node in one.body]
        available = [node for node in functions if getattr(node, "name", "") == "available"]
        assert available, entity
        assert re.search(r"breaker\.open|models\.well", ast.unparse(available[0])), entity


def has_an_owner(source: Source) -> None:
    assert source.json(f"{CODE}/manifest.json")["codeowners"]


def logs_once(source: Source) -> None:
    """The breaker says whether it is the first failure, or the first success after some."""
    found = {
        (_name(call.func), _name(inner.func))
        for _, branch in source.nodes(ast.If, "fallback.py")
        for call in ast.walk(branch.test)
        if isinstance(call, ast.Call)
        for statement in branch.body
        for inner in ast.walk(statement)
        if isinstance(inner, ast.Call)
    }
    assert {("failed", "warning"), ("succeeded", "info")} <= found


def limits_parallel_updates(source: Source) -> None:
    for platform in source.platforms:
        top = source.modules[f"{platform}.py"].body
        assert any(_sets(node, "PARALLEL_UPDATES") for node in top), platform


def has_steps(*steps: str, modules: str = r".*_flow\.py") -> Check:
    """Look for steps in the flows, or in each of these modules alone."""

    def check(source: Source) -> None:
        for module in modules.split("|"):
            functions = source.functions(*(name for name in source.modules if re.fullmatch(module, name)))
            assert {f"async_step_{step}" for step in steps} <= set(functions), module

    return check


def measures_coverage(source: Source) -> None:
    settings = tomllib.loads(source.text("pyproject.toml"))["tool"]["coverage"]
    assert settings["run"]["branch"] is True
    assert settings["run"]["source"] == [CODE]
    assert settings["report"]["fail_under"] >= 95
    assert "omit" not in settings["run"]


def has_diagnostics(source: Source) -> None:
    assert "async_get_config_entry_diagnostics" in source.functions("diagnostics.py")
    assert "assert_nothing_private(dump)" in source.text("tests/test_diagnostics.py")


def discovers_nothing(source: Source) -> None:
    manifest = source.json(f"{CODE}/manifest.json")
    assert not set(manifest) & {"bluetooth", "dhcp", "homekit", "mqtt", "ssdp", "usb", "zeroconf"}
    assert not {name for name in source.functions("config_flow.py") if name.endswith(("zeroconf", "dhcp", "ssdp"))}


def has_devices_of_entries_only(source: Source) -> None:
    """Devices come and go with entries and subentries, so none appears or grows stale by itself."""
    made = [call for _, name, call in source.calls() if name == "DeviceInfo"]
    assert made
    for call in made:
        assert "SERVICE" in ast.unparse(_keywords(call)["entry_type"])
        assert re.search(r"entry_id|subentry_id", ast.unparse(_keywords(call)["identifiers"]))


def _sensors(source: Source) -> list[dict[str, ast.expr]]:
    found = [_keywords(call) for _, name, call in source.calls("sensor.py") if name == "MorphySensorDescription"]
    assert found
    return found


def has_categories(source: Source) -> None:
    description = ast.unparse(source.classes["MorphySensorDescription"])
    assert re.search(r"entity_category: .* = EntityCategory\.DIAGNOSTIC", description)


def has_device_classes(source: Source) -> None:
    for sensor in _sensors(source):
        unit = sensor.get("native_unit_of_measurement")
        if unit is not None and ast.unparse(unit).startswith("UnitOf"):
            assert "device_class" in sensor, ast.unparse(unit)


def has_disabled_entities(source: Source) -> None:
    description = ast.unparse(source.classes["MorphySensorDescription"])
    assert "entity_registry_enabled_default: bool = False" in description


def has_entity_translations(source: Source) -> None:
    for sensor in _sensors(source):
        assert source.english["entity"]["sensor"][_constant(sensor["translation_key"])]["name"]
    for entity, platform in source.entity_classes.items():
        nameless = any(_sets(node, "_attr_name") for one in source.ancestors(entity) for node in one.body)
        assert nameless or source.english["entity"][platform], entity


def has_translated_exceptions(source: Source) -> None:
    sentences, own = source.english["exceptions"], _own_errors(source)
    within = BUILT_IN_ERRORS | _private_errors(source)
    for module, node in source.nodes(ast.Raise):
        if not isinstance(node.exc, ast.Call) or Path(module).name in WORKER:
            continue
        name = _name(node.exc.func)
        if not name.endswith(("Error", "Invalid", "NotReady", "AuthFailed")) or name.startswith("_"):
            continue  # made by a function, or of a kind that never leaves its module
        if name in own:
            assert own[name] in sentences, f"{module}: {name} has no sentence"
        elif name not in within:
            assert {"translation_domain", "translation_key"} <= set(_keywords(node.exc)), f"{module}: {name}"


def _own_errors(source: Source, kind: str = "MorphyError") -> dict[str, str]:
    """Return the key of each error of a kind in `errors.py` that has one."""
    found = {}
    for _, node in source.nodes(ast.ClassDef, "errors.py"):
        family = list(source.ancestors(node.name))
        for one in family if kind in {one.name for one in family} else ():
            keys = [_constant(line.value) for line in one.body if isinstance(line, ast.Assign) and _sets(line, "key")]
            if keys:
                found[node.name] = keys[0]
                break
    return found


def _private_errors(source: Source) -> set[str]:
    """Return the errors that modules define for themselves."""
    return {node.name for module, node in source.nodes(ast.ClassDef) if module != "errors.py"}


def has_translated_icons(source: Source) -> None:
    icons = source.json(f"{CODE}/icons.json")["entity"]
    for platform, entities in source.english["entity"].items():
        assert set(entities) <= set(icons[platform]), platform
    for entity, platform in source.entity_classes.items():
        for one in source.ancestors(entity):
            for line in one.body:
                if isinstance(line, ast.Assign) and _sets(line, "_attr_translation_key"):
                    assert any(_constant(line.value) in icons.get(kind, {}) for kind in source.platforms), platform


def has_repairs(source: Source) -> None:
    keys = {
        _name(node.target): _constant(node.value)
        for node in source.modules["issues.py"].body
        if isinstance(node, ast.AnnAssign) and isinstance(_constant(node.value), str) and _name(node.target) != "HELP"
    }
    assert set(keys.values()) == set(source.english["issues"])
    for name, key in keys.items():
        texts = source.english["issues"][key]
        assert texts["title"]
        assert ("fix_flow" in texts) != ("description" in texts), name
    assert "async_create_fix_flow" in source.functions("repairs.py")


def blocks_nothing(source: Source) -> None:
    """Nothing outside the worker imports what blocks."""
    for module, tree in source.modules.items():
        if Path(module).name in WORKER:
            continue
        names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
        blocking = {"llama_cpp", "requests", "urllib.request", "http.client", "subprocess"}
        assert not {name for name in names if name.split(".")[0] in blocking or name in blocking}, module
        assert "time.sleep" not in {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def takes_the_shared_session(source: Source) -> None:
    names = {name for _, name, _ in source.calls()}
    assert "async_get_clientsession" in names
    assert "ClientSession" not in names


def is_strictly_typed(source: Source) -> None:
    assert source.exists(f"{CODE}/py.typed")
    assert tomllib.loads(source.text("pyproject.toml"))["tool"]["mypy"]["strict"] is True
    assert re.search(r"-m mypy .*\bcustom_components\b", source.text("scripts/lint"))
    for module in source.modules:
        assert not re.search(r"# type: ignore(?!\[)", source.text(f"{CODE}/{module}")), module


THIS = Path(__file__).name
CHECKS: Final[dict[str, Check]] = {
    "action-setup": has_no_actions,
    "appropriate-polling": polls_nothing,
    "brands": has_brand_images,
    "common-modules": shares_what_entities_have_in_common,
    "config-flow": has_a_config_flow,
    "config-flow-test-coverage": has_tested_flows,
    "dependency-transparency": names_what_it_depends_on,
    "docs-actions": has_no_actions,
    "docs-conditions": has_no("condition"),
    "docs-high-level-description": says("README.md", "Morphy", "conversation agent"),
    "docs-installation-instructions": says("docs/setup.md", "Install", "HACS"),
    "docs-removal-instructions": says("docs/setup.md", "Remove it", "Delete"),
    "docs-triggers": has_no("trigger"),
    "entity-event-setup": listens_while_it_is_there,
    "entity-unique-id": sets_on_entities("_attr_unique_id"),
    "has-entity-name": has_entity_names,
    "runtime-data": keeps_runtime_data_on_the_entry,
    "test-before-configure": tries_before_it_accepts,
    "test-before-setup": tries_before_it_sets_up,
    "unique-config-entry": refuses_the_same_twice,
    "action-exceptions": has_no_actions,
    "config-entry-unloading": can_be_unloaded,
    "docs-configuration-parameters": documents_fields("config_subentries"),
    "docs-installation-parameters": documents_fields("config"),
    "entity-unavailable": has_unavailable_entities,
    "integration-owner": has_an_owner,
    "log-when-unavailable": logs_once,
    "parallel-updates": limits_parallel_updates,
    "reauthentication-flow": has_steps("reauth", "reauth_confirm"),
    "test-coverage": measures_coverage,
    "devices": sets_on_entities("_attr_device_info"),
    "diagnostics": has_diagnostics,
    "discovery": discovers_nothing,
    "discovery-update-info": discovers_nothing,
    "docs-data-update": says("docs/use.md", "How its data is updated"),
    "docs-examples": says("docs/use.md", "Examples", "```yaml"),
    "docs-known-limitations": says("README.md", "What works, and what does not yet", "Not yet"),
    "docs-supported-devices": says("docs/use.md", "Devices and functions that are supported"),
    "docs-supported-functions": says("docs/control.md", "Services and arguments", "`light`"),
    "docs-troubleshooting": says("docs/troubleshooting.md", "Other trouble"),
    "docs-use-cases": says("docs/use.md", "Use cases"),
    "dynamic-devices": has_devices_of_entries_only,
    "entity-category": has_categories,
    "entity-device-class": has_device_classes,
    "entity-disabled-by-default": has_disabled_entities,
    "entity-translations": has_entity_translations,
    "exception-translations": has_translated_exceptions,
    "icon-translations": has_translated_icons,
    "reconfiguration-flow": has_steps("reconfigure", modules=r"config_flow\.py|agent_flow\.py"),
    "repair-issues": has_repairs,
    "stale-devices": has_devices_of_entries_only,
    "async-dependency": blocks_nothing,
    "inject-websession": takes_the_shared_session,
    "strict-typing": is_strictly_typed,
}

type Change = tuple[str, str, str]
INIT, ENTITY, SENSOR = f"{CODE}/__init__.py", f"{CODE}/entity.py", f"{CODE}/sensor.py"
ENGLISH, MANIFEST = f"{CODE}/translations/en.json", f"{CODE}/manifest.json"
ACTION = (INIT, "    return True\n", "    hass.services.async_register(DOMAIN, 'x', print)\n    return True\n")
LOST: Final[dict[str, Change]] = {
    "action-setup": (
        INIT,
        "    return True\n",
        "    hass.services.async_register(DOMAIN, 'x', print)\n    return True\n",
    ),
    "appropriate-polling": (ENTITY, "_attr_should_poll = False", "_attr_should_poll = True"),
    "brands": (f"{CODE}/brand/icon.png", "", ""),
    "common-modules": (SENSOR, "(BackendEntity, SensorEntity)", "(SensorEntity)"),
    "config-flow": (ENGLISH, '"max_tokens": "An answer ends here', '"tokens": "An answer ends here'),
    "config-flow-test-coverage": ("tests/test_config_flow.py", "reauth_confirm", "reauth_con"),
    "dependency-transparency": (MANIFEST, '"requirements": []', '"requirements": ["something"]'),
    "docs-actions": (f"{CODE}/services.yaml", "", "x:\n"),
    "docs-conditions": (f"{CODE}/condition.py", "", "\n"),
    "docs-high-level-description": ("README.md", "conversation agent", "thing"),
    "docs-installation-instructions": ("docs/setup.md", "## Install", "## Somehow"),
    "docs-removal-instructions": ("docs/setup.md", "## Remove it", "## Gone"),
    "docs-triggers": (f"{CODE}/trigger.py", "", "\n"),
    "entity-event-setup": (ENTITY, "self.async_on_remove(async_dispatcher_connect(", "print(async_dispatcher_connect("),
    "entity-unique-id": (SENSOR, "_attr_unique_id", "_attr_id"),
    "has-entity-name": (ENTITY, "_attr_has_entity_name = True", "_attr_has_entity_name = False"),
    "runtime-data": (INIT, "entry.runtime_data = ", "hass.data[DOMAIN] = "),
    "test-before-configure": (f"{CODE}/trial.py", "backend.start()", "backend.describe()"),
    "test-before-setup": (INIT, "await backend.start()", "await backend.describe()"),
    "unique-config-entry": (f"{CODE}/entry_flow.py", '"already_configured"', '"something"'),
    "action-exceptions": (
        INIT,
        "    return True\n",
        "    hass.services.async_register(DOMAIN, 'x', print)\n    return True\n",
    ),
    "config-entry-unloading": (INIT, "entry.async_on_unload(backend.close)", "pass"),
    "docs-configuration-parameters": ("docs/setup.md", "| Ask before risky actions |", "| Ask |"),
    "docs-installation-parameters": ("docs/setup.md", "API key", "Secret"),
    "entity-unavailable": (ENTITY, "not self.backend.breaker.open", "True"),
    "integration-owner": (MANIFEST, '["@morphy-home"]', "[]"),
    "log-when-unavailable": (f"{CODE}/fallback.py", "_LOGGER.info(", "_LOGGER.debug("),
    "parallel-updates": (SENSOR, "PARALLEL_UPDATES = 0", ""),
    "reauthentication-flow": (f"{CODE}/config_flow.py", "async_step_reauth_confirm", "async_step_confirm"),
    "test-coverage": ("pyproject.toml", "fail_under = 95", "fail_under = 50"),
    "devices": (ENTITY, "_attr_device_info", "_attr_info"),
    "diagnostics": (f"{CODE}/diagnostics.py", "async_get_config_entry_diagnostics", "async_get"),
    "discovery": (MANIFEST, '"iot_class"', '"zeroconf": ["_x._tcp.local."], "iot_class"'),
    "discovery-update-info": (MANIFEST, '"iot_class"', '"ssdp": [], "iot_class"'),
    "docs-data-update": ("docs/use.md", "## How its data is updated", "## Data"),
    "docs-examples": ("docs/use.md", "```yaml", "```"),
    "docs-known-limitations": ("README.md", "Not yet", "Some day"),
    "docs-supported-devices": ("docs/use.md", "## Devices and functions that are supported", "## Devices"),
    "docs-supported-functions": ("docs/control.md", "`light`", "`lamp`"),
    "docs-troubleshooting": ("docs/troubleshooting.md", "## Other trouble", "## Others"),
    "docs-use-cases": ("docs/use.md", "## Use cases", "## Uses"),
    "dynamic-devices": (ENTITY, "entry_type=DeviceEntryType.SERVICE", "entry_type=None"),
    "entity-category": (SENSOR, "= EntityCategory.DIAGNOSTIC", "= None"),
    "entity-device-class": (SENSOR, "        device_class=SensorDeviceClass.DURATION,\n", ""),
    "entity-disabled-by-default": (SENSOR, "enabled_default: bool = False", "enabled_default: bool = True"),
    "entity-translations": (ENGLISH, '"name": "Prompt length"', '"name": ""'),
    "exception-translations": (ENGLISH, '"prompt_too_long": {\n      "message"', '"prompt_too": {\n      "message"'),
    "icon-translations": (f"{CODE}/icons.json", '"cache_hit_rate"', '"hit_rate"'),
    "reconfiguration-flow": (f"{CODE}/agent_flow.py", "async_step_reconfigure", "async_step_change"),
    "repair-issues": (ENGLISH, '"server_gone": {', '"server_away": {'),
    "stale-devices": (SENSOR, "identifiers={(DOMAIN, entry.entry_id)}", "identifiers={(DOMAIN, entry.title)}"),
    "async-dependency": (f"{CODE}/backends/local.py", "import asyncio\n", "import asyncio\nimport llama_cpp\n"),
    "inject-websession": (INIT, "async_get_clientsession(hass)", "aiohttp.ClientSession()"),
    "strict-typing": ("pyproject.toml", "strict = true", "strict = false"),
}
"""For each rule a change with which it would no longer hold: a file, what stands in it, and what then stands there."""


def claimed() -> dict[str, tuple[str, str]]:
    """Return the status of each rule, and the comment on it."""
    rules = yaml.safe_load((INTEGRATION / "quality_scale.yaml").read_text(encoding="utf-8"))["rules"]
    return {
        rule: (claim, "") if isinstance(claim, str) else (claim["status"], claim.get("comment", ""))
        for rule, claim in rules.items()
    }


def test_every_rule_is_done_or_exempt() -> None:
    rules = claimed()
    assert len(rules) == sum(RULES.values())
    assert set(rules) == set(CHECKS) == set(LOST)
    for rule, (status, comment) in rules.items():
        assert status in ("done", "exempt"), f"{rule} is {status}"
        assert status == "done" or len(comment) > 10, f"{rule} is exempt without a reason"


@pytest.mark.parametrize("rule", CHECKS)
def test_what_is_claimed_holds(rule: str) -> None:
    CHECKS[rule](Source())


@pytest.mark.parametrize("rule", LOST)
def test_what_is_lost_is_noticed(rule: str) -> None:
    path, before, after = LOST[rule]
    text: str | None = after or None
    if before:
        original = Source().text(path)
        assert before in original, f"{path} has changed: choose another change for {rule}"
        text = original.replace(before, after)
    changed = Source(**{path: text})
    with pytest.raises((AssertionError, KeyError)):
        CHECKS[rule](changed)
