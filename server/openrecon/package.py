"""The files of a package: a label and a Dockerfile to build with, and the archive that a scanner installs."""

import json
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from server.openrecon.label import KEY, encoded
from server.settings import SettingsError


def base_name(made: Mapping[str, Any]) -> str:
    """``OpenRecon_VENDOR_ID_Vx.y.z``: what the archive and the files in it are called."""
    general = made["general"]
    return f"OpenRecon_{general['vendor']}_{general['id']}_V{general['version']}"


def tag(made: Mapping[str, Any]) -> str:
    """The name and tag of the image, lower case up to the version."""
    general = made["general"]
    return f"openrecon_{general['vendor']}_{general['id']}:V{general['version']}".lower().replace(":v", ":V")


def write(made: Mapping[str, Any], image: str, folder: Path) -> list[Path]:
    """Label and Dockerfile in ``folder``; ``image`` is Scanside's own image, in its root flavour.

    Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    label, docker = folder / f"{base_name(made)}.json", folder / "Dockerfile"
    label.write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n")
    docker.write_text(dockerfile(made, image))
    return [label, docker]


def dockerfile(made: Mapping[str, Any], image: str) -> str:
    """Scanside's image with the label, and the server as what it starts, on the port of the label."""
    port = made["reconstruction"]["port"]
    command = ["scanside", "serve", "--host", "0.0.0.0", "--insecure", "--port", str(port), "--nul"]
    return (
        f"# {base_name(made)}: docker build -t {tag(made)} . && docker save -o IMAGE.tar {tag(made)}\n"
        f"FROM {image}\n"
        f'LABEL "{KEY}"="{encoded(made)}"\n'
        f"EXPOSE {port}\n"
        f"CMD {json.dumps(command)}\n"
    )


def pack(made: Mapping[str, Any], image: Path, document: Path, folder: Path) -> Path:
    """The archive for the scanner: the saved image and the document (PDF), under the names that it expects.

    Raises SettingsError for files that are no tar archive and no PDF; OSError.
    """
    if document.read_bytes()[:5] != b"%PDF-":
        raise SettingsError(f"{document.name} is no PDF")
    with image.open("rb") as file:
        if file.read(263)[257:262] != b"ustar":
            raise SettingsError(f"{image.name} is no tar archive, as docker save writes it")
    base = base_name(made)
    folder.mkdir(parents=True, exist_ok=True)
    found = folder / f"{base}.zip"
    with zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, name in ((image, f"{base}.tar"), (document, f"{base}.pdf")):
            with path.open("rb") as source, archive.open(name, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target, 1 << 20)
    return found
