"""A simulated first pass, as images, through the steps of the perfusion chain."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gadgets.cardiac.perfusion.item import FirstPass
from gadgets.cardiac.perfusion.pulses import PLACE, CountPulses
from gadgets.data import Image, Text
from gadgets.scan import PROTON, Encoding, Limit, Scan, Space
from gadgets.testing import cut_at_random, random_kspace, readouts, run
from tests.gadgets.cardiac.first_pass import CHAIN, collected, simulated


def through(images, scan):
    """All that the chain answers."""
    stream = list(images)
    for gadget in CHAIN:
        taken = gadget.signature()[0]
        before = [each for each in stream if not isinstance(each, taken)]
        stream = before + run(gadget, [each for each in stream if isinstance(each, taken)], scan)
    return stream


def report(stream):
    (found,) = (each for each in stream if isinstance(each, Image) and "ScansideReport" in each.meta)
    return found, json.loads(found.meta["ScansideReport"])


@pytest.fixture(scope="module")
def answered(scan_and_images):
    scan, images, _ = scan_and_images
    return through(images, scan)


def test_originals_come_first_and_every_series_behind_them(scan_and_images, answered):
    _, images, _ = scan_and_images
    originals = [each for each in answered if isinstance(each, Image)][: len(images)]
    assert all(found is sent for found, sent in zip(originals, images, strict=True))
    series = {int(each.head["image_series_index"]) for each in answered if isinstance(each, Image)}
    assert series >= {501, 502, 510, 511, 512, 513, 514, 515, 520, 530, 531, 540}


def test_the_document_is_what_its_schema_says_with_flow_and_without(scan_and_images, answered):
    validator = pytest.importorskip("jsonschema").Draft202012Validator
    scan, images, _ = scan_and_images
    text = (Path(__file__).parents[3] / "docs" / "perfusion.md").read_text()
    schema = json.loads(text.split("```json")[1].split("```")[0])
    for stream in (answered, through(images[:2], scan)):
        _, values = report(stream)
        assert [error.message for error in validator(schema).iter_errors(values)] == []


def test_every_derived_image_says_what_it_is(answered):
    derived = [
        each
        for each in answered
        if isinstance(each, Image) and each.head["image_series_index"] > 500 and each.role != "report"
    ]
    for image in derived:
        needed = {"DataRole", "GADGETRON_DataRole", "GADGETRON_SeqDescription", "SeriesDescriptionAdditional"}
        if "ScansideQuantity" in image.meta:
            needed |= {"ScansideUnit", "ScansideScaleRatio", "WindowCenter", "WindowWidth"}
        if image.head["image_series_index"] in range(510, 516):
            needed |= {"GADGETRON_ColorMap"}
        assert needed <= set(image.meta)


def test_the_flow_of_each_segment_is_near_the_truth(scan_and_images, answered):
    _, _, series = scan_and_images
    _, values = report(answered)
    assert values["refusals"] == []
    found = {each["segment"]: each["mbf"] for each in values["segments"] if "mbf" in each}
    assert sorted(found) == [7, 8, 9, 10, 11, 12]
    errors = np.array([found[n] / float(series.truth.mbf[n - 1]) - 1 for n in found])
    assert abs(np.median(errors)) < 0.3


def test_a_segment_with_a_neighbours_muscle_in_it_is_flagged(scan_and_images, answered):
    """One border is off here: an ischaemic segment has pixels of a territory with ten times its flow."""
    _, _, series = scan_and_images
    _, values = report(answered)
    off = [
        each["segment"]
        for each in values["segments"]
        if each.get("mbf") and abs(each["mbf"] / float(series.truth.mbf[each["segment"] - 1]) - 1) > 0.4
    ]
    assert off
    assert [each for each in values["flags"] if "unlike" in each] == [
        f"pixels of segments {', '.join(map(str, off))} are unlike: contours or borders of segments off,"
        " or a defect within"
    ]


def test_maps_are_integers_with_scale_window_and_unit(answered):
    (flow,) = (
        each for each in answered if isinstance(each, Image) and each.head["image_series_index"] == 510
    )
    assert flow.data.dtype == torch.uint16
    assert flow.meta["GADGETRON_DataRole"] == "Flow_Map"
    assert flow.meta["ScansideUnit"] == "ml/min/g"
    assert flow.meta["ScansideScaleRatio"] == 1000.0
    assert (flow.meta["GADGETRON_WindowCenter"], flow.meta["GADGETRON_WindowWidth"]) == (3000.0, 6000.0)


def test_the_report_is_a_page_in_colour(answered):
    page, _ = report(answered)
    assert page.data.shape == (3, 1, 512, 512)
    assert page.role == "report"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("SaturationDelay", "SaturationDelay is not in the header"),
        ("AIFFlipAngleSR", "AIFFlipAngleSR is not in the header"),
        ("NumOfProtonDensityImages", "NumOfProtonDensityImages is not in the header"),
    ],
)
def test_a_missing_value_refuses_the_quantification_by_its_name(scan_and_images, name, reason):
    scan, images, _ = scan_and_images
    lacking = replace(scan, parameters={k: v for k, v in scan.parameters.items() if k != name})
    (item,) = (each for each in run(CHAIN[0], images, lacking) if isinstance(each, FirstPass))
    assert reason in item.refusals


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"Readout": "EPI"}, "Readout is EPI, expected FLASH or bSSFP: no look-up table for others"),
        ({"Readout": "TrueFISP"}, "RunUpPulses is not in the header"),
        ({"Readout": "bSSFP", "RunUpPulses": 0, "ReadoutPD": "bSSFP"}, "ReadoutPD is bSSFP, expected FLASH"),
        ({"AIFReadout": "bSSFP"}, "AIFReadout is bSSFP, expected FLASH"),
    ],
)
def test_a_readout_without_a_table_is_refused_by_its_name(scan_and_images, given, reason):
    scan, images, _ = scan_and_images
    item = collected(images, replace(scan, parameters={**scan.parameters, **given}))
    assert any(each.startswith(reason) for each in item.refusals)


@pytest.mark.slow
def test_flow_by_a_balanced_readout_is_near_the_truth_and_says_by_which_form():
    scan, images, series = simulated(field=1.5, readout="bssfp")
    _, values = report(through(images, scan))
    assert values["refusals"] == []
    assert "concentration of blood/muscle: closed/bloch form" in values["flags"]
    found = {each["segment"]: each["mbf"] for each in values["segments"] if "mbf" in each}
    errors = np.array([found[n] / float(series.truth.mbf[n - 1]) - 1 for n in found])
    assert len(errors) == 6
    assert abs(np.median(errors)) < 0.3


def test_another_field_strength_is_refused(scan_and_images):
    scan, images, _ = scan_and_images
    (item,) = (
        each
        for each in run(CHAIN[0], images, replace(scan, field_strength=0.55))
        if isinstance(each, FirstPass)
    )
    assert any("systemFieldStrength_T is 0.55" in reason for reason in item.refusals)


def test_a_field_strength_that_the_resonance_denies_is_refused(scan_and_images):
    scan, images, _ = scan_and_images
    denied = collected(images, replace(scan, field_strength=1.5, resonance=3.0 * PROTON))
    assert any("the resonance of 127.7 MHz is that of 3.00 T" in reason for reason in denied.refusals)
    nominal = collected(images, replace(scan, field_strength=3.0, resonance=2.8936 * PROTON))
    assert not any("Strength" in reason for reason in nominal.refusals)


def test_the_resonance_tells_the_field_strength_that_the_header_lacks(scan_and_images):
    scan, images, _ = scan_and_images
    known, told = (
        collected(images, replace(scan, field_strength=strength, resonance=series_field * PROTON))
        for strength, series_field in ((3.0, 3.0), (None, 2.8936))
    )
    assert told.protocol == known.protocol


def test_images_with_lines_missing_are_no_frames_and_a_stopped_scan_is_flagged(scan_and_images):
    scan, images, _ = scan_and_images
    beats = 1 + max(int(each.head["repetition"]) for each in images)
    space = Space(matrix=(1, 1, 1), fov=(1.0, 1.0, 1.0))
    limits = {"repetition": Limit(maximum=beats - 1)}
    promised = replace(scan, encodings=(Encoding(encoded=space, recon=space, limits=limits),))
    assert not any("stopped" in flag for flag in collected(images, promised).flags)
    kept = [each for each in images if each.head["repetition"] < beats - 2]
    last = [each for each in images if each.head["repetition"] == beats - 2]
    torn = [replace(each, meta={**each.meta, "ScansideIncomplete": "lines missing"}) for each in last]
    item = collected(kept + torn, promised)
    assert f"{len(torn)} images with lines missing are left out" in item.flags
    assert f"scan stopped: {beats - 2} of {beats} heartbeats" in item.flags
    assert len(item.slices[0].frames.times) == len(collected(kept, promised).slices[0].frames.times)


@pytest.mark.parametrize("beat", [0, 1])
@pytest.mark.parametrize("encoding", [0, 1])
def test_no_other_frame_stands_for_one_of_proton_density(scan_and_images, beat, encoding):
    scan, images, _ = scan_and_images

    def chosen(each):
        return each.head["repetition"] == beat and each.meta["ScansideEncoding"] == encoding

    torn = [replace(e, meta={**e.meta, "ScansideIncomplete": "x"}) if chosen(e) else e for e in images]
    for given in (torn, [each for each in images if not chosen(each)]):
        assert any("of 3 frames of proton density" in each for each in collected(given, scan).refusals)


def test_images_that_come_over_the_wire_are_the_same_first_pass(scan_and_images):
    """There all meta are texts."""
    scan, images, _ = scan_and_images
    sent = [replace(each, meta={key: str(value) for key, value in each.meta.items()}) for each in images]
    item, other = collected(images, scan), collected(sent, scan)
    assert torch.equal(other.arterial_frames.signal, item.arterial_frames.signal)
    assert torch.equal(other.slices[0].frames.signal, item.slices[0].frames.signal)


def test_images_of_different_sizes_are_no_series(scan_and_images):
    scan, images, _ = scan_and_images
    mixed = [replace(each, meta={**each.meta, "ScansideEncoding": 0}) for each in images]
    assert any(
        "images of different sizes: 64 x 48, 64 x 64" in each for each in collected(mixed, scan).refusals
    )


def test_a_scan_that_ends_at_once_gives_a_report_that_says_so(scan_and_images):
    scan, images, _ = scan_and_images
    _, values = report(through(images[:2], scan))
    assert not values["quantified"]
    assert "no slice with a first pass" in values["refusals"]


def without_bolus(images):
    """Every frame behind proton density is the first one, with noise of its own."""
    random = torch.Generator().manual_seed(0)

    def key(each):
        return each.meta["ScansideEncoding"], int(each.head["contrast"])

    first = {key(each): each.data for each in images if each.head["repetition"] == 3}
    for each in images:
        if each.head["repetition"] < 3:
            yield each
        else:
            still = first[key(each)]
            noise = torch.randn(still.shape, generator=random) * 0.03 * still.abs().max()
            yield replace(each, data=still + noise)


def test_without_a_bolus_the_report_says_why_and_shows_no_number(scan_and_images):
    scan, images, _ = scan_and_images
    stream = through(without_bolus(images), scan)
    _, values = report(stream)
    assert not values["quantified"]
    assert any("no bolus" in reason or "not found" in reason for reason in values["refusals"])
    assert not any(each.head["image_series_index"] == 510 for each in stream if isinstance(each, Image))
    assert any("not quantified" in each.text for each in stream if isinstance(each, Text))


def test_pulses_are_counted_in_the_order_of_arrival_wherever_blocks_are_cut():
    kspace = random_kspace((2, 1, 16, 8))
    first = readouts(kspace, [9, 3, 5, 1], repetition=0)
    second = readouts(kspace, [2, 4], repetition=1)
    for seed in range(3):
        blocks = [*cut_at_random(first, seed=seed), *cut_at_random(second, seed=seed)]
        answers = run(CountPulses(), blocks, Scan())
        counted = np.concatenate([each.head["user_int"][:, PLACE] for each in answers])
        assert counted.tolist() == [0, 1, 2, 3, 0, 1]


def test_two_echoes_belong_to_one_pulse():
    kspace = random_kspace((2, 1, 16, 8))
    blocks = [readouts(kspace, [line], contrast=echo) for line in (3, 5) for echo in (0, 1)]
    answers = run(CountPulses(), blocks, Scan())
    assert [int(each.head["user_int"][0, PLACE]) for each in answers] == [0, 0, 1, 1]
