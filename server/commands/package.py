"""``scanside package openrecon CHAIN``: what a scanner with Open Recon needs."""

import argparse
from pathlib import Path
from typing import Any

from server.commands.arguments import toml


def add(words: "argparse._SubParsersAction[Any]") -> None:
    """Declare the command."""
    own = words.add_parser("package", help="make a package of a chain for a scanner")
    kinds = own.add_subparsers(dest="kind", metavar="openrecon", required=True)
    one = kinds.add_parser("openrecon", help="label, Dockerfile and archive for Siemens Open Recon")
    one.add_argument("chain", help="an installed chain")
    one.add_argument("--about", type=toml, required=True, metavar="FILE", help="vendor and facts as TOML")
    one.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="GADGET.FIELD",
        help="shown at the console; all else",
    )
    one.add_argument(
        "--image", default="scanside:root", help="Scanside's image, root flavour (scanside:root)"
    )
    one.add_argument("--saved", type=Path, metavar="TAR", help="the built image, saved: make the archive too")
    one.add_argument("--document", type=Path, metavar="PDF", help="the package's document, for the archive")
    one.add_argument("-o", "--output", type=Path, default=Path("openrecon"), help="folder (openrecon)")
    one.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the files and print their names."""
    from server.chain import build, named
    from server.openrecon.about import read_about
    from server.openrecon.label import label
    from server.openrecon.package import pack, write
    from server.settings import SettingsError

    if (options.saved is None) != (options.document is None):
        raise SettingsError("the archive holds the saved image and the document: give --saved and --document")
    made = label(options.chain, build(named(options.chain)), read_about(options.about), options.parameter)
    files = write(made, options.image, options.output)
    if options.saved:
        files.append(pack(made, options.saved, options.document, options.output))
    for each in files:
        print(each)
    return 0
