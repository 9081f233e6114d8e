"""Start Superset with Leasehold's dashboards on one database; `make superset` runs it in Superset's own environment.

The database is LEASEHOLD_DATABASE (see bundle.py), so that no password is among a process's arguments. What Superset
keeps is in --home; what is imported there replaces what an earlier start imported, and leaves all else alone.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import Any

import bundle

_HERE = Path(__file__).parent
_SLUGS = ("alerts", "function", "coverage")


def main() -> None:
    """Prepare, say where and how to log in, and serve until stopped."""
    parser = argparse.ArgumentParser(description="Superset with Leasehold's dashboards.")
    parser.add_argument("--home", type=Path, required=True, help="folder of what Superset keeps")
    parser.add_argument("--port", type=int, default=8088)
    given = parser.parse_args()
    database = os.environ.get("LEASEHOLD_DATABASE", "")
    try:
        assets = bundle.contents(database)
    except ValueError as error:
        sys.exit(f"LEASEHOLD_DATABASE: {error}")
    print("Starting Superset; the first time it takes a minute …", flush=True)
    given.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = given.home / "log"
    # It has hundreds of lines to say.
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), sys.stderr.fileno())
    password = secrets.token_urlsafe(9)
    try:
        app = _app(given.home.resolve())
        with app.app_context():
            _prepare(given.home / f"initialised-{version('apache-superset')}")
            _let_in(password)
            _import(assets)
    except Exception:
        traceback.print_exc()
        print(f"Superset did not start: {log} says why. If it goes on, remove {given.home} and start again.")
        sys.exit(1)
    address = f"http://127.0.0.1:{given.port}"
    print(f"Superset: {address}\nlogin: admin, password: {password} (a new one at every start; stop with Ctrl-C)")
    for slug in _SLUGS:
        print(f"  {address}/superset/dashboard/leasehold-{slug}/", flush=True)
    _serve(app, given.port)


def _app(home: Path) -> Any:
    """Superset's Flask application, with its metadata in `home`."""
    key = home / "secret_key"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_text(secrets.token_urlsafe(42))
    os.environ |= {
        "SUPERSET_HOME": str(home),
        "SUPERSET_CONFIG_PATH": str(_HERE / "superset_config.py"),
        "FLASK_APP": "superset.app:create_app()",
    }
    from superset.app import create_app

    return create_app()


def _prepare(mark: Path) -> None:
    """What `superset db upgrade` and `superset init` do, once for each version of Superset."""
    from flask_migrate import upgrade
    from superset import appbuilder, security_manager

    if mark.exists():
        return
    upgrade()
    appbuilder.add_permissions(update_perms=True)
    security_manager.sync_role_definitions()
    mark.touch()


def _let_in(password: str) -> None:
    """Make the user admin, or give it the new password."""
    from superset import security_manager

    user = security_manager.find_user("admin")
    if user:
        security_manager.reset_password(user.id, password)
        return
    admin = security_manager.find_role("Admin")
    if not security_manager.add_user("admin", "Leasehold", "Admin", "admin@localhost", admin, password):
        raise RuntimeError("Superset refused the user admin")


def _import(assets: dict[str, str]) -> None:
    """Import the bundle over what is there, as Superset's /api/v1/assets/import/ does.

    `superset import-dashboards` leaves charts and datasets that it knows as they were.
    """
    from superset import security_manager
    from superset.commands.importers.v1.assets import ImportAssetsCommand
    from superset.utils.core import override_user

    metadata = assets["metadata.yaml"].replace("type: Dashboard", "type: assets")
    with override_user(security_manager.find_user("admin")):
        ImportAssetsCommand(assets | {"metadata.yaml": metadata}).run()


def _serve(app: Any, port: int) -> None:
    from gunicorn.app.base import BaseApplication

    class Server(BaseApplication):
        """One process with threads: SQLite, and a DuckDB file, have one at a time."""

        def load_config(self) -> None:
            settings = {"bind": f"127.0.0.1:{port}", "workers": 1, "threads": 8, "timeout": 120, "graceful_timeout": 2}
            for name, value in {**settings, "loglevel": "warning"}.items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            return app

    Server().run()


if __name__ == "__main__":
    main()
