"""``scanside serve``: the server."""

import argparse
from pathlib import Path
from typing import Any

from server.commands.arguments import own_port, toml


def add(words: "argparse._SubParsersAction[Any]") -> None:
    """Declare the command."""
    own = words.add_parser("serve", help="receive scans and send images back")
    own.add_argument("--host", help="address to listen on (127.0.0.1)")
    own.add_argument(
        "--port", type=own_port, help="port to listen on (9002); 0 picks a free one and prints it"
    )
    own.add_argument("--http-host", metavar="HOST", help="address for health and metrics (127.0.0.1)")
    own.add_argument("--http-port", type=own_port, metavar="PORT", help="port for them; 0 picks a free one")
    own.add_argument("--log", choices=("text", "json"), help="how log lines are written (text)")
    own.add_argument("--insecure", action="store_true", default=None, help="allow an address beyond loopback")
    own.add_argument("--allow", metavar="NETWORK,...", help="networks from which peers may connect")
    own.add_argument("--tls-cert", type=Path, metavar="PEM", help="the server's certificate: TLS only")
    own.add_argument("--tls-key", type=Path, metavar="PEM", help="its key, if not in the same file")
    own.add_argument("--tls-ca", type=Path, metavar="PEM", help="authorities of the peers' certificates")
    own.add_argument("--plugins", metavar="FOLDER:...", help="folders of modules with gadgets of this site")
    own.add_argument("--configs", metavar="FOLDER:...", help="folders of this site's chains")
    own.add_argument("--sessions", type=int, help="scans at the same time (16)")
    own.add_argument("--threads", type=int, help="threads of one operation (one for each core)")
    own.add_argument(
        "--nul", action="store_true", default=None, help="write strings as FIRE does, with a NUL"
    )
    own.add_argument("--settings", type=toml, metavar="FILE", help="settings as TOML")
    own.add_argument("-v", "--verbose", action="store_true", help="log every session")
    own.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM."""
    from server.threads import quiet

    quiet()
    from server import __version__, audit
    from server.listen import serve
    from server.log import begin
    from server.settings import read_settings

    settings = read_settings(vars(options), options.settings)
    begin(options.verbose, settings.log)
    audit.begun(__version__, vars(settings))
    serve(settings, verbose=options.verbose)
    return 0
