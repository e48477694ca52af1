"""``scanside page``: the live page of a running server."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.commands.arguments import own_port, port, toml

if TYPE_CHECKING:
    from server.settings import Settings


def add(words: "argparse._SubParsersAction[Any]") -> None:
    """Declare the command."""
    own = words.add_parser("page", help="show a running server's scans in a browser")
    own.add_argument("--server", type=port, metavar="PORT", help="of the server, when several run")
    own.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    own.add_argument(
        "--port", type=own_port, default=9004, help="port to listen on (%(default)s); 0 picks one"
    )
    own.add_argument(
        "--name", action="append", default=[], help="what the machine is called in a browser's address"
    )
    own.add_argument("--tls-cert", type=Path, metavar="PEM", help="the page's certificate")
    own.add_argument("--tls-key", type=Path, metavar="PEM", help="its key, if not in the same file")
    own.add_argument(
        "--tokens", action="store_true", help="print the tokens of viewers and operators, and end"
    )
    own.add_argument("--settings", type=toml, metavar="FILE", help="the server's settings as TOML")
    own.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve the page until SIGTERM or Ctrl-C."""
    from server import paths
    from server.page.tokens import tokens
    from server.settings import read_settings

    known = tokens(paths.state())
    if options.tokens:
        for role, token in known.items():
            print(f"{role} {token}")
        return 0
    _serve(options, read_settings({}, options.settings))
    return 0


def _serve(options: argparse.Namespace, settings: "Settings") -> None:
    import socket

    from server import paths
    from server.control.folder import chosen
    from server.settings import SettingsError

    try:
        import uvicorn

        from server.page.app import Page, application
        from server.page.guard import LOOPBACK
        from server.page.tokens import Visits, tokens
    except ModuleNotFoundError as error:
        raise SettingsError(f"the page needs {error.name}: pip install 'scanside[page]'") from None
    secure = options.tls_cert is not None
    if options.host not in ("127.0.0.1", "::1", "localhost") and not secure:
        raise SettingsError("beyond loopback the page shows itself under TLS only: give --tls-cert")
    folder = chosen(options.server)
    page = Page(folder, settings.spool, int(folder.name), Visits(tokens(paths.state())), secure)
    app = application(page, {*LOOPBACK, options.host, *map(str.lower, options.name)}, secure)
    bound = socket.create_server((options.host, options.port))
    print(f"{'https' if secure else 'http'}://{options.host}:{bound.getsockname()[1]}/", flush=True)
    uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=1,
            limit_concurrency=256,
            ssl_certfile=options.tls_cert,
            ssl_keyfile=options.tls_key,
        )
    ).run(sockets=[bound])
