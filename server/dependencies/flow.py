"""Blood flow between scans: kept at the end of one, put before the first item of another of its patient.

Another patient's flow must never be used. What is kept is found by the patient id, which is not enough: sites
that hide their patients send one id for all, and one name. So the study has to be the same; where not both
headers name one, patient name, birth date and day. It is refused by name where they are not, where anything
else that both headers say differs, or where the exams are too far apart.
"""

import logging
from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gadgets.cardiac.perfusion.kept import OTHER, KeptFlow, state_of
from gadgets.data import Text
from gadgets.scan import Scan
from server.dependencies.store import Found, Owner, Store
from server.dicom.identity import identity

log = logging.getLogger(__name__)

HOURS = 24.0
"""Stress and rest are of one exam, or of one day; older flow is another condition of the patient."""

SEGMENTS = 16

FORM = {
    "mbf": ("f8", (SEGMENTS,)),
    "sd": ("f8", (SEGMENTS,)),
    "whole": ("f8", ()),
    "haematocrit": ("f8", ()),
    "dispersion": ("f8", ()),
    "day": ("i8", ()),
}
"""The arrays of kept flow, their types and shapes, beside the texts."""

TOLD = {
    "born": ("birth_date", "is of somebody born on another day"),
    "named": ("patient_name", "is of somebody with another name"),
    "sex": ("sex", "is of somebody of another sex"),
    "study": ("study_uid", "is of another study"),
}
"""What is kept as a pseudonym, the attribute that it is, and what it means when two differ."""

WORDS = ("state", "model", "conversion", *TOLD, "flags")


def before(scan: Scan, store: Store) -> list[KeptFlow]:
    """What a chain gets before the scan's first item: the newest flow in the other state of this patient.

    Nothing without a patient id, or when the header has no state.
    """
    state = state_of(scan.parameters.get("ContrastState", ""))
    if not state or not scan.patient_id:
        return []
    owner = Owner(scan.patient_id, scan.device)
    for found in store.of_patient("flow", owner):
        kept = _kept(found.arrays, found.measurement, found.age / 3600)
        if kept is None:
            log.warning("flow of scan %s is damaged and is not used", found.measurement)
        elif kept.state == OTHER[state]:
            against = _against(scan, store, found, kept)
            log.info("flow of scan %s is %s", found.measurement, "refused" if against else "found")
            return [_refused(kept, against)]
    return []


def keep(flow: KeptFlow, scan: Scan, store: Store) -> Text | None:
    """Store what this scan found; the answer is for the console.

    What came out of the store is not stored again; without a patient id nobody could know whose it is, and
    nothing is stored. Raises ScansideError when it cannot be kept.
    """
    if flow.origin:
        return None
    if not scan.patient_id:
        return Text(text=f"flow at {flow.state} is not kept for a reserve: the header has no patient id")
    about = identity(scan.xml)
    arrays: dict[str, NDArray[Any]] = {
        "mbf": np.array(flow.mbf, np.float64),
        "sd": np.array(flow.sd, np.float64),
        "whole": np.array(flow.whole, np.float64),
        "haematocrit": np.array(flow.haematocrit, np.float64),
        "dispersion": np.array(flow.dispersion, np.float64),
        "day": np.array(_day(about.study_date), np.int64),
        "state": np.array([flow.state], np.str_),
        "model": np.array([flow.model], np.str_),
        "conversion": np.array([flow.conversion], np.str_),
        **{word: np.array([store.name(getattr(about, told))], np.str_) for word, (told, _) in TOLD.items()},
        "flags": np.array(flow.flags, np.str_),
    }
    owner = Owner(scan.patient_id, scan.device)
    name = store.put("flow", owner, scan.measurement_id or _stand_in(scan), arrays)
    return Text(text=f"flow at {flow.state} of scan {name} is kept for {store.expiry / 3600:g} h")


def _stand_in(scan: Scan) -> str:
    """For a measurement id, which flow is not found by: the patient's."""
    return f"flow of {scan.patient_id}"


def _against(scan: Scan, store: Store, found: Found, kept: KeptFlow) -> list[str]:
    """Why flow that is kept under the patient's id is not to be used."""
    about, said = identity(scan.xml), []
    theirs = {word: str(found.arrays[word][0]) for word in TOLD}
    ours = {word: store.name(getattr(about, told)) for word, (told, _) in TOLD.items()}
    if not found.same_device:
        said.append(f"the {kept.state} scan is of another scanner")
    for word, (_, meaning) in TOLD.items():
        if theirs[word] and ours[word] and theirs[word] != ours[word]:
            said.append(f"the {kept.state} scan under this patient id {meaning}")
    same = {word for word in TOLD if theirs[word] and theirs[word] == ours[word]}
    named = about.patient_name != about.patient_id and len(about.birth_date) == len("YYYYMMDD")
    dated = min(int(found.arrays["day"]), _day(about.study_date)) > 0
    if "study" not in same and not ({"born", "named"} <= same and named and dated):
        said.append(
            f"nothing says that the {kept.state} scan under this patient id is the same patient's: expected"
            " the same study, or name, birth date and day of the study in both headers"
        )
    if kept.hours > HOURS:
        said.append(f"the {kept.state} scan is {kept.hours:.0f} h old, expected at most {HOURS:g}")
    day, own = int(found.arrays["day"]), _day(about.study_date)
    if min(day, own) > 0 and abs(day - own) > HOURS / 24:
        said.append(
            f"the {kept.state} scan's study is {abs(day - own)} days from this one, expected at most 1"
        )
    return said


def _refused(kept: KeptFlow, against: list[str]) -> KeptFlow:
    """It, or nothing but why it is not to be used: then no number of another patient goes on."""
    if not against:
        return kept
    return KeptFlow(state=kept.state, origin=kept.origin, refusals=tuple(against))


def _day(digits: str) -> int:
    """Days since year 1 of a date as DICOM writes it; 0 for anything else."""
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])).toordinal()
    except ValueError:
        return 0


def _kept(arrays: Mapping[str, NDArray[Any]], origin: str, hours: float) -> KeptFlow | None:
    """The flow, when the arrays are one: what is read is not taken on trust."""
    if set(arrays) != {*FORM, *WORDS}:
        return None
    formed = all(
        arrays[name].dtype == kind and arrays[name].shape == shape for name, (kind, shape) in FORM.items()
    )
    worded = all(arrays[n].ndim == 1 and (arrays[n].dtype.kind == "U" or not arrays[n].size) for n in WORDS)
    if not (formed and worded and all(arrays[name].size == 1 for name in WORDS[:-1])):
        return None
    state, model, conversion = (str(arrays[name][0]) for name in ("state", "model", "conversion"))
    mbf, sd = arrays["mbf"], arrays["sd"]
    finite = mbf[np.isfinite(mbf)]
    if state not in OTHER or not len(finite) or (finite < 0).any() or np.isinf(mbf).any():
        return None
    return KeptFlow(
        state=state,
        model=model,
        conversion=conversion,
        haematocrit=float(arrays["haematocrit"]),
        dispersion=float(arrays["dispersion"]),
        mbf=tuple(map(float, mbf)),
        sd=tuple(map(float, sd)),
        whole=float(arrays["whole"]),
        flags=tuple(map(str, arrays["flags"])),
        origin=origin,
        hours=hours,
    )
