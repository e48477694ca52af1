"""Scans: noise measured before, matrices of many sizes, clocks at midnight."""

import re
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

from server.client import DAY, converse
from server.files.kept import Kept
from server.wire import encode
from tests.endtoend.scans import pixels, said
from tests.endtoend.traps.talk import FFT, ITEMS, PASSING, SCAN, XML, picture, send


def about(measurement, patient="", depends=""):
    """The header of a scan with this measurement id and patient, that depends on the noise of another."""
    subject = f"<subjectInformation><patientID>{patient}</patientID></subjectInformation>" if patient else ""
    noise = f"<dependencyType>Noise</dependencyType><measurementID>{depends}</measurementID>"
    noise = f"<measurementDependency>{noise}</measurementDependency>" if depends else ""
    section = f"<measurementID>{measurement}</measurementID>{noise}"
    section = f"<measurementInformation>{section}</measurementInformation>"
    return re.sub(
        "<measurementInformation>.*</measurementInformation>", subject + section, XML, flags=re.DOTALL
    )


def noise_scan(measurement, patient):
    return said("default_measurement_dependencies", (about(measurement, patient), ITEMS[:1]))


def dependent(measurement):
    return about("9_9", depends=measurement)


@pytest.mark.parametrize("patient", ["DOE^JANE", ""], ids=["patient ID removed later", "never there"])
def test_trap_11_noise_is_found_without_a_patient_id_and_its_absence_explained(server, table, patient):
    name = f"45387_{len(patient)}_77_343"
    assert not send(server, noise_scan(name, patient)).error
    reply = send(server, said(FFT, (dependent(name), ITEMS[1:])))
    assert not reply.error, reply.error
    assert reply.images[0].meta["ScansideNoise"] != "none"
    missing = send(server, said(FFT, (dependent("never_sent"), ITEMS[1:])))
    told = missing.answer.texts
    assert any("noise" in each for each in told)
    assert missing.error or missing.images[0].meta["ScansideNoise"] == "none"
    table.append(
        (
            11,
            f"noise found ({(patient and 'with an') or 'no'} ID at its scan); missing: {told[0][:70]}",
            missing.told,
        )
    )


def test_trap_12_a_series_with_changing_matrix_size_is_saved(server, table, tmp_path):
    sizes = [(3, 4), (5, 6), (3, 4)]
    sent = [encode.image(picture(torch.full((1, 1, *size), 2.0))) for size in sizes]
    with Kept(tmp_path / "out.h5") as kept:
        answer = converse(server.address, [PASSING, *sent, encode.close()], kept.image, patience=30)
    assert not answer.error
    shapes = []
    with h5py.File(tmp_path / "out.h5") as file:
        file["dataset"].visititems(
            lambda _, it: shapes.extend([it.shape[-2:]] * it.shape[0]) if it.name.endswith("/data") else None
        )
    assert sorted(shapes) == sorted(sizes)
    table.append((12, f"all {len(sizes)} images saved, in groups by size", None))


def test_trap_18_clock_stamps_may_pass_midnight(server, table):
    noise, *imaging = ITEMS
    count = sum(len(each.head) for each in imaging)
    at = DAY - count // 2
    moved = []
    for each in imaging:
        head = each.head.copy()
        head["acquisition_time_stamp"] = (at + np.arange(len(head))) % DAY
        at += len(head)
        moved.append(replace(each, head=head))
    reply = send(server, said(FFT, (XML, (noise, *moved))))
    assert not reply.error
    assert pixels(reply.images) == pixels(send(server, said(FFT, SCAN)).images)
    table.append((18, "stamps wrap at 24 h: same images, bit by bit", reply.told))
