"""The integration as HACS installs it: the folder alone, in a Home Assistant that knows nothing of this repository."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from .flows import INTEGRATION

CONFIGURATION = "homeassistant:\nconversation:\n"

PROGRAM = """
import asyncio, json, sys
from homeassistant import bootstrap, config_entries, runner
from homeassistant.core import Context


async def main():
    hass = await bootstrap.async_setup_hass(runner.RuntimeConfig(config_dir=sys.argv[1], skip_pip=True))
    flows = hass.config_entries.flow
    result = await flows.async_init("morphy", context={"source": "user"})
    seen = []
    while result["type"] != "create_entry" and len(seen) < 20:
        seen.append(result["step_id"])
        answer = None
        if result["type"] == "menu":
            options = result["menu_options"]
            answer = {"next_step_id": next(one for one in ("local", "bundled", "file") if one in options)}
        elif result["type"] == "form":
            answer = result["data_schema"]({"advanced": {"context_length": 512, "threads": 1}})
        elif result["type"] == "progress":
            await hass.async_block_till_done(wait_background_tasks=True)
        else:
            break
        result = await flows.async_configure(result["flow_id"], answer)
    await hass.async_block_till_done()
    from homeassistant.components import conversation
    agents = [name for name in hass.states.async_entity_ids("conversation") if "morphy" in name]
    spoken = None
    if agents:
        spoken = await conversation.async_converse(hass, "hello", None, Context(), "en", agents[0])
    integration = sys.modules["custom_components.morphy"].__file__
    told = {
        "steps": seen,
        "result": result["type"],
        "states": [entry.state.value for entry in hass.config_entries.async_entries("morphy")],
        "agents": agents,
        "spoken": spoken and spoken.response.speech["plain"]["speech"],
        "from": integration,
    }
    print("TOLD " + json.dumps(told), flush=True)
    await hass.async_stop(force=True)


asyncio.run(main())
"""


def test_a_copy_of_the_folder_is_all_it_takes(tmp_path: Path) -> None:
    """It is added with the bundled model and spoken to; what it prints is all that is known of that other process."""
    config = tmp_path / "config"
    copy = config / "custom_components" / "morphy"
    shutil.copytree(INTEGRATION, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (config / "configuration.yaml").write_text(CONFIGURATION, encoding="utf-8")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-P", str(program), str(config)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = [line for line in run.stdout.splitlines() if line.startswith("TOLD ")]
    assert lines, run.stderr[-2000:]
    told = json.loads(lines[0].removeprefix("TOLD "))
    assert told["result"] == "create_entry", told
    assert told["states"] == ["loaded"]
    assert told["from"] == str(copy / "__init__.py")
    assert told["spoken"]
    assert str(INTEGRATION.parent) not in run.stderr
