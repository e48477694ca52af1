"""Flow between scans of one patient: found again, and never another's."""

import re
from dataclasses import replace

import numpy as np
import pytest

from gadgets.cardiac.perfusion.kept import KeptFlow
from gadgets.scan import Scan
from server.dependencies.flow import before, keep
from server.dependencies.store import Store

NOW = 1_000_000.0
XML = """<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
<subjectInformation><patientName>{name}</patientName><patientID>{patient}</patientID>
<patientBirthdate>{born}</patientBirthdate><patientGender>{sex}</patientGender></subjectInformation>
<studyInformation><studyDate>{day}</studyDate><studyInstanceUID>{study}</studyInstanceUID></studyInformation>
<experimentalConditions><H1resonanceFrequency_Hz>1</H1resonanceFrequency_Hz></experimentalConditions>
</ismrmrdHeader>"""


def scan(state="stress", patient="JANEDOE", device="SN-1", day="2026-11-26", **told):
    told = {"born": "1960-01-31", "name": "DOE^JANE", "sex": "F", "study": "1.2.3", **told}
    xml = XML.format(patient=patient, day=day, **told)
    xml = re.sub(r"<(\w+)></\1>", "", xml)
    return Scan(
        patient_id=patient,
        device=device,
        measurement_id=f"{state}_{patient}",
        parameters={"ContrastState": state},
        xml=xml,
    )


REST = KeptFlow(
    state="rest",
    model="btex",
    haematocrit=0.42,
    dispersion=0.25,
    mbf=(*np.linspace(0.5, 2.0, 15).tolist(), float("nan")),
    sd=(0.1,) * 16,
    whole=1.0,
    flags=("poor fit in segments 3",),
)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path, b"k" * 32, clock=lambda: NOW)


def later(store, hours):
    return replace(store, clock=lambda: NOW + 3600 * hours)


def test_flow_at_rest_is_found_by_the_next_scan_under_stress(store):
    assert "is kept for 48 h" in keep(REST, scan("rest"), store).text
    (found,) = before(scan("stress"), later(store, 0.5))
    assert found.refusals == ()
    assert np.array_equal(found.mbf, REST.mbf, equal_nan=True)
    assert (found.sd, found.flags, found.model, found.haematocrit) == (REST.sd, REST.flags, "btex", 0.42)
    assert (found.hours, found.origin) == (0.5, store.name("rest_JANEDOE"))


def test_the_newest_one_is_found(store):
    keep(REST, scan("rest"), store)
    keep(replace(REST, whole=7.0), scan("rest"), later(store, 1))
    (found,) = before(scan("stress"), later(store, 2))
    assert found.whole == 7.0


@pytest.mark.parametrize(
    "own",
    [
        scan("stress", patient="RICHARDROE"),
        scan("stress", patient=""),
        scan("rest"),
        scan(""),
        scan("recovery"),
    ],
    ids=["another patient", "nobody", "the same state", "no state", "another state"],
)
def test_another_patients_flow_or_another_states_is_not_found(store, own):
    keep(REST, scan("rest"), store)
    assert before(own, store) == []


def test_what_belongs_to_nobody_is_not_kept_and_says_so(store):
    assert "no patient id" in keep(REST, scan("rest", patient=""), store).text
    assert before(scan("stress", patient=""), store) == []
    assert list(store.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("own", "hours", "reason"),
    [
        (scan(born="1961-01-31"), 0.5, "born on another day"),
        (scan(name="ROE^RICHARD"), 0.5, "somebody with another name"),
        (scan(sex="M"), 0.5, "of another sex"),
        (scan(study="1.2.4"), 0.5, "of another study"),
        (scan(born="", name="", study=""), 0.5, "nothing says"),
        (scan(name="", study=""), 0.5, "nothing says"),
        (scan(born="", study=""), 0.5, "nothing says"),
        (scan(day="", study=""), 0.5, "nothing says"),
        (scan(device="SN-2"), 0.5, "of another scanner"),
        (scan(), 30.0, "30 h old, expected at most 24"),
        (scan(day="2026-12-24"), 0.5, "28 days from this one"),
    ],
)
def test_what_may_be_anothers_is_refused_by_name_and_without_a_number(store, own, hours, reason):
    keep(REST, scan("rest"), store)
    (found,) = before(own, later(store, hours))
    assert any(reason in each for each in found.refusals)
    assert found.mbf == ()
    assert found.flags == ()


@pytest.mark.parametrize(
    "own",
    [scan(name="", born="", day="", device="", sex=""), scan(study="")],
    ids=["study", "name, birth date and day"],
)
def test_the_same_study_is_enough_or_name_birth_date_and_day(store, own):
    keep(REST, scan("rest"), store)
    (found,) = before(own, store)
    assert found.refusals == ()


def test_a_site_that_hides_its_patients_behind_one_name_gets_no_reserve(store):
    hidden = {"patient": "ANON", "name": "ANON", "born": "1900-01-01", "study": ""}
    keep(REST, scan("rest", **hidden), store)
    (found,) = before(scan(**hidden), store)
    assert "nothing says" in found.refusals[0]


def test_what_expired_is_not_found(store):
    keep(REST, scan("rest"), store)
    assert before(scan(), later(store, 49)) == []


def test_a_damaged_file_is_not_used(store):
    keep(REST, scan("rest"), store)
    (path,) = store.folder.iterdir()
    path.write_bytes(path.read_bytes()[:-40])
    assert before(scan(), store) == []


def test_arrays_of_another_form_are_not_used(store):
    from server.dependencies.store import Owner

    store.put("flow", Owner("JANEDOE", "SN-1"), "rest_JANEDOE", {"mbf": np.zeros(3)})
    assert before(scan(), store) == []


def test_what_came_out_of_the_store_is_not_kept_again(store):
    keep(REST, scan("rest"), store)
    (found,) = before(scan(), store)
    assert keep(found, scan("rest"), store) is None


def test_nothing_in_the_folder_tells_who_it_is(store):
    keep(REST, scan("rest"), store)
    (path,) = store.folder.iterdir()
    raw = path.read_bytes()
    assert "JANEDOE" not in path.name
    for told in ("JANEDOE", "DOE^JANE", "19600131", "1960-01-31", "SN-1", "1.2.3"):
        assert told.encode() not in raw
        assert told.encode("utf-32-le") not in raw
