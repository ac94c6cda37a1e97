"""Fills the environments of this clone, part by part. Called by scripts/setup, inside the .venv that it made.

A part that is complete leaves a stamp with the digest of all it was made from: while that is equal, nothing is done.
Needs the standard library only.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "scripts"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "morphy"

LLAMA_CPP = "0.3.36"
# Twice quiet: pip warns of much that nobody here can change.
PIP = ("install", "-qq", "--disable-pip-version-check", "--root-user-action", "ignore")
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class SetupError(Exception):
    """Something that the reader can mend; the message says how."""


def main() -> int:
    """Make the parts named on the command line, and say what it took."""
    parser = argparse.ArgumentParser(prog="scripts/setup", description="Makes the environments the other scripts use.")
    parser.add_argument("parts", nargs="*", metavar="part", help=f"any of {', '.join(PARTS)} (default: integration)")
    wanted = parser.parse_args().parts or ["integration"]
    if unknown := [part for part in wanted if part not in PARTS]:
        parser.error(f"no part named {', '.join(unknown)}; there are {', '.join(PARTS)}")
    try:
        for part in wanted:
            PARTS[part]()
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"error: {' '.join(map(str, error.cmd))[:300]}\nfailed with code {error.returncode}", file=sys.stderr)
        return 1
    return 0


def integration() -> None:
    """.venv: Home Assistant, what the demo home needs, llama-cpp-python, the test tools."""
    requirements = SCRIPTS / "requirements" / "integration.txt"
    venv = ROOT / ".venv"
    for changed in stale(venv / "morphy-integration.stamp", requirements.read_text(), LLAMA_CPP, wheel_folder().name):
        check_compiler()
        with step(f"Installing Home Assistant and the test tools into {changed.parent.name}"):
            release = next(line for line in requirements.read_text().splitlines() if line.startswith("homeassistant=="))
            pip(venv, release)
            constraints = next(venv.glob("lib/python3*/site-packages/homeassistant/package_constraints.txt"))
            pip(venv, "-c", constraints, "-r", requirements)
        install_llama_cpp(venv)


def servers() -> None:
    """Two servers to test the remote backend with: llama_cpp.server in .venv-server, and llama.cpp's llama-server."""
    requirements = SCRIPTS / "requirements" / "servers.txt"
    venv = ROOT / ".venv-server"
    for _ in stale(venv / "morphy-servers.stamp", requirements.read_text(), LLAMA_CPP, wheel_folder().name):
        make_venv(venv, Path(sys.executable).resolve())
        with step(f"Installing llama_cpp.server into {venv.name}"):
            pip(venv, "-r", requirements)
        install_llama_cpp(venv)
    launcher = CACHE / "llama-server" / "llama-server"
    if runs(launcher, "--version"):
        return
    if "ID=debian" not in read("/etc/os-release").splitlines():
        print(f"No llama-server here: its tests are skipped unless you put one at {launcher}")
        return
    with step(f"Unpacking Debian's llama-server into {launcher.parent}"):
        run(SCRIPTS / "llama_server", launcher.parent)


def browser() -> None:
    """Playwright, and a Chromium for it to drive."""
    requirements = SCRIPTS / "requirements" / "browser.txt"
    venv = ROOT / ".venv"
    integration()
    for _ in stale(venv / "morphy-browser.stamp", requirements.read_text()):
        with step("Installing Playwright"):
            pip(venv, "-r", requirements)
    if not os.environ.get("MORPHY_CHROMIUM") and not any(shutil.which(name) for name in CHROMIUM):
        install_from_debian("the browser test, unless MORPHY_CHROMIUM names one,", "chromium", "fonts-dejavu-core")


def voice() -> None:
    """What the voice test speaks and listens with: espeak-ng, pocketsphinx in .venv-voice, Wyoming in .venv."""
    wyoming, recogniser = (SCRIPTS / "requirements" / f"{name}.txt" for name in ("wyoming", "recogniser"))
    integration()
    for _ in stale(ROOT / ".venv" / "morphy-voice.stamp", wyoming.read_text()):
        with step("Installing Wyoming"):
            pip(ROOT / ".venv", "-r", wyoming)
    venv = ROOT / ".venv-voice"
    for _ in stale(venv / "morphy-voice.stamp", recogniser.read_text()):
        make_venv(venv, older_python())
        with step(f"Installing pocketsphinx into {venv.name}"):
            pip(venv, "--no-deps", "-r", recogniser)
    if not shutil.which("espeak-ng"):
        install_from_debian("the voice test", "espeak-ng")


def training() -> None:
    """.venv-training: torch, and the package in training/ as an editable install."""
    requirements = SCRIPTS / "requirements" / "training.txt"
    project = ROOT / "training" / "pyproject.toml"
    venv = ROOT / ".venv-training"
    for _ in stale(
        venv / "morphy-training.stamp", requirements.read_text(), project.read_text(), LLAMA_CPP, wheel_folder().name
    ):
        make_venv(venv, older_python())
        with step(f"Installing torch and the training tools into {venv.name}"):
            # torch first: otherwise another package may choose a build of it.
            pip(venv, next(line for line in requirements.read_text().splitlines() if line.startswith("torch==")))
            pip(venv, "-r", requirements)
        install_llama_cpp(venv)
        with step("Installing training/, and fetching llama.cpp's converter"):
            pip(venv, "-e", project.parent)
            run(venv / "bin" / "python", "-m", "morphy_training.family.converter")


PARTS: dict[str, Callable[[], None]] = {
    "integration": integration,
    "servers": servers,
    "browser": browser,
    "voice": voice,
    "training": training,
}


def install_from_debian(what_for: str, *packages: str) -> None:
    """Install packages of the system. Raises SetupError where that cannot be done from here."""
    become_root = root_prefix()
    if become_root is None or not shutil.which("apt-get"):
        raise SetupError(f"{what_for} needs the package {packages[0]}: install it")
    with step(f"Installing Debian's {packages[0]}"):
        run(*become_root, "apt-get", "update", "-qq")
        install = ("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages)
        run(*become_root, "env", "DEBIAN_FRONTEND=noninteractive", *install, stdout=subprocess.DEVNULL)


def install_llama_cpp(venv: Path) -> None:
    """Install llama-cpp-python from an index that has wheels, from the user's cache, or from a compilation kept there.

    PyPI has the source only. ``MORPHY_WHEEL_INDEX`` names an index (or a folder) with wheels, as the project's own
    https://abetlen.github.io/llama-cpp-python/whl/cpu.
    """
    requirement = f"llama-cpp-python=={LLAMA_CPP}"
    if index := os.environ.get("MORPHY_WHEEL_INDEX"):
        source = ("--find-links", index) if Path(index).is_dir() else ("--extra-index-url", index)
        with step(f"Installing {requirement} from {index}"):
            pip(venv, "--only-binary", ":all:", *source, requirement)
    else:
        wheel = cached_wheel() or compile_wheel(requirement)
        pip(venv, "--force-reinstall", "--no-deps", wheel)
    if not runs(venv / "bin" / "python", "-c", "import llama_cpp; llama_cpp.llama_backend_init()"):
        raise SetupError(f"llama-cpp-python does not load in {venv.name}; remove {CACHE / 'wheels'} and run this again")


def check_compiler() -> None:
    """Raise SetupError when llama-cpp-python, and two packages for Home Assistant's voice, could not be compiled."""
    if not any(shutil.which(name) for name in ("c++", "g++", "clang++")):
        raise SetupError("there is no C++ compiler, which several packages need: install the package build-essential")
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        raise SetupError(f"the headers of {sys.executable} are missing: install the package python3.14-dev")


def cpu_features() -> str:
    """Return the line of /proc/cpuinfo that names what the CPU can do."""
    return next((line for line in read("/proc/cpuinfo").splitlines() if line.startswith(("flags", "Features"))), "")


def compiler_flags() -> str:
    """Return what the compiler must be told beside llama.cpp's own flags.

    With AMX compiled in, llama.cpp 0.3.36 crashes on quantised models in virtual machines that show AMX but do not
    let a program use it.
    """
    return "-mno-amx-tile -mno-amx-int8 -mno-amx-bf16" if "amx_tile" in cpu_features() else ""


def wheel_folder() -> Path:
    """Return where wheels compiled for exactly this kind of machine are kept.

    llama.cpp compiles for the very CPU it finds, against the C library it finds: both are in the folder's name.
    """
    digest = hashlib.sha256((cpu_features() + read("/etc/os-release") + compiler_flags()).encode()).hexdigest()[:10]
    return CACHE / "wheels" / f"{sys.platform}-{platform.machine()}-{digest}"


def cached_wheel() -> Path | None:
    """Return the wheel that an earlier setup compiled, if there is one."""
    return next(wheel_folder().glob(f"llama_cpp_python-{LLAMA_CPP}-*.whl"), None)


def compile_wheel(requirement: str) -> Path:
    """Compile llama-cpp-python, telling how far it is; return the wheel, kept for later.

    :raises SetupError: when there is no compiler, or the compilation fails.
    """
    check_compiler()
    folder = wheel_folder()
    log = CACHE / "logs" / "llama-cpp-python.log"
    for made in (folder, log.parent):
        made.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"CMAKE_BUILD_PARALLEL_LEVEL": str(os.cpu_count() or 1)}
    for name in ("CFLAGS", "CXXFLAGS"):
        environment[name] = f"{os.environ.get(name, '')} {compiler_flags()}".strip()
    command = [sys.executable, "-m", "pip", "wheel", "--verbose", "--no-deps", "--no-binary", "llama-cpp-python"]
    command += ["--disable-pip-version-check", "--wheel-dir", str(folder), requirement]
    with step(f"Compiling {requirement}, once for this user (about 4 minutes on 2 cores; log: {log})"):
        with (
            log.open("w", encoding="utf-8") as out,
            subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            ) as build,
        ):
            assert build.stdout is not None
            shown = 0
            for line in build.stdout:
                out.write(line)
                shown = show_progress(line, shown)
        if build.returncode or not (wheel := cached_wheel()):
            raise SetupError(
                f"{requirement} could not be compiled:\n{''.join(read(log).splitlines(True)[-15:])}\nlog: {log}"
            )
    return wheel


def show_progress(line: str, shown: int) -> int:
    """Print a tenth of the compilation when ninja's ``[12/345]`` reaches it; return the tenths shown so far."""
    done, slash, total = line.strip().removeprefix("[").partition("]")[0].partition("/")
    if not (slash and done.isdigit() and total.isdigit() and int(total)):
        return shown
    tenths = 10 * int(done) // int(total)
    if tenths > shown:
        print(f"  {tenths * 10} %", flush=True)
    return max(tenths, shown)


def older_python() -> Path:
    """Return the oldest Python that will do, because torch and pocketsphinx have wheels for old versions first."""
    for name in ("python3.11", "python3.12", "python3.13"):
        # Asked, not trusted: a shim of pyenv may stand for a version that is not there.
        found = shutil.which(name)
        if found and runs(found, "-c", "import venv, ensurepip, ctypes, sqlite3"):
            return Path(found)
    return Path(sys.executable).resolve()


def make_venv(venv: Path, python: Path) -> None:
    """Make a virtual environment, unless a working one is there."""
    if not runs(venv / "bin" / "python", "-c", "import pip"):
        with step(f"Making {venv.name} with {python}"):
            run(python, "-m", "venv", "--clear", venv)


def pip(venv: Path, *arguments: str | Path) -> None:
    """Run ``pip install`` in a virtual environment."""
    run(venv / "bin" / "python", "-m", "pip", *PIP, *arguments)


def stale(stamp: Path, *sources: str) -> Iterator[Path]:
    """Yield the stamp once if it is not of these sources; write it when the caller's loop body went through."""
    digest = hashlib.sha256("\0".join((sys.version, *sources)).encode()).hexdigest()
    if read(stamp) == digest:
        return
    yield stamp
    stamp.write_text(digest)


class step:  # noqa: N801 - reads as a verb
    """Print what is being done, and how long it took."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        self.began = time.monotonic()
        print(f"{self.what} ...", flush=True)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            print(f"  done in {time.monotonic() - self.began:.0f} s", flush=True)


def root_prefix() -> Sequence[str] | None:
    """Return what makes a command run as root: nothing, sudo where it asks no password, or None."""
    if os.geteuid() == 0:
        return ()
    return ("sudo", "-n") if shutil.which("sudo") and runs("sudo", "-n", "true") else None


def run(*command: str | Path, stdout: int | None = None) -> None:
    """Run a command, without standard input; raise CalledProcessError when it fails."""
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=stdout)


def runs(*command: str | Path) -> bool:
    """Tell whether a command is there and succeeds."""
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def read(path: str | Path) -> str:
    """Return a file's text; nothing where there is no file."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
