"""Another key of the site: patients get other pseudonyms, and nobody who had the old key knows them."""

import os
import secrets
import shutil
from pathlib import Path

from server.pseudonym import SIZE, site_key
from server.spool.entry import STREAM, conclude
from server.spool.index import records
from server.spool.patient import patient


def rotate(state: Path, spool: Path) -> int:
    """Change the key, and the pseudonyms that are written down; how many entries of the spool got another.

    Stored noise and coil measurements are named by the old key alone and are forgotten: scans that depend on
    them need a new one. Objects that went out without identity keep their names there. No server may run.
    """
    file = state / "site.key"
    site_key(file)
    draft = file.with_name(".site.key-next")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(secrets.token_hex(SIZE) + "\n")
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)
    shutil.rmtree(state / "dependencies", ignore_errors=True)
    key, named = site_key(file), [each for each in records(spool) if each.outcome.get("patient")]
    for each in named:
        conclude(each.folder, {**each.outcome, "patient": patient(each.folder / STREAM, key)})
    return len(named)
