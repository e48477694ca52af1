"""A simulated first pass, as images, through the steps of the perfusion chain."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gadgets.cardiac.perfusion.arterial import FindArterialInput
from gadgets.cardiac.perfusion.collect import CollectFirstPass
from gadgets.cardiac.perfusion.item import FirstPass
from gadgets.cardiac.perfusion.motion import CorrectMotion
from gadgets.cardiac.perfusion.pulses import PLACE, CountPulses
from gadgets.cardiac.perfusion.quantify import QuantifyFlow
from gadgets.cardiac.perfusion.segment import NETWORK, Network, SegmentMyocardium, _segmented, classical
from gadgets.data import Image, Text
from gadgets.head import IMAGE_HEAD
from gadgets.report.perfusion import ReportPerfusion
from gadgets.scan import PROTON, Encoding, Limit, Scan, Space
from gadgets.testing import cut_at_random, random_kspace, readouts, run
from models.simulation.perfusion.sequence import standard
from models.simulation.perfusion.series import make_series
from models.simulation.perfusion.study import draw_study

CHAIN = (
    CollectFirstPass(),
    CorrectMotion(box=64),
    FindArterialInput(),
    SegmentMyocardium(),
    QuantifyFlow(),
    ReportPerfusion(),
)


def one(data, time, *, encoding, contrast, beat, pixel, pulse):
    """A frame as the reconstruction gives it."""
    height, width = data.shape
    head = np.zeros((), IMAGE_HEAD)
    head["field_of_view"] = 1e3 * pixel * width, 1e3 * pixel * height, 8
    head["matrix_size"] = width, height, 1
    head["contrast"], head["repetition"] = contrast, beat
    head["acquisition_time_stamp"] = round(float(time) / 2.5e-3)
    head["read_dir"], head["phase_dir"] = (1, 0, 0), (0, 1, 0)
    head["user_int"][PLACE] = pulse
    return Image(data=data[None, None], head=head, meta={"ScansideEncoding": encoding})


def simulated(state="stress", **fields):
    """(header, images, series) of one slice."""
    sequence = standard(matrix=(96, 72), acceleration=2, slices=1, beats=36, **fields)
    study = draw_study(3, sequence=sequence, state=state)
    series = make_series(study, 25.0, box=64)
    images = []
    for encoding, still, moving, times, still_times, pixel, readout in (
        (
            1,
            series.aif_density,
            series.aif,
            series.aif_times,
            series.aif_density_times,
            series.aif_pixel,
            series.aif_readout,
        ),
        (
            0,
            series.density,
            series.images,
            series.times[0],
            series.density_times[0],
            series.pixel,
            series.readout,
        ),
    ):
        for contrast in range(len(still) if encoding else 1):
            frames = [
                *zip(still[contrast], still_times, strict=True),
                *zip(moving[contrast], times, strict=True),
            ]
            images += [
                one(
                    data,
                    time,
                    encoding=encoding,
                    contrast=contrast,
                    beat=beat,
                    pixel=pixel,
                    pulse=readout.pulse,
                )
                for beat, (data, time) in enumerate(frames)
            ]
    return header(series), images, series


@pytest.fixture(scope="module")
def scan_and_images():
    return simulated()


def header(series):
    own, arterial = series.readout, series.aif_readout
    degree = math.degrees
    parameters = {
        "NumOfProtonDensityImages": series.density.shape[1],
        "SaturationDelay": 1e3 * own.delay,
        "AIFSaturationDelay": 1e3 * arterial.delay,
        "EchoSpacing": 1e3 * own.repetition,
        "AIFEchoSpacing": 1e3 * arterial.repetition,
        "FlipAngleSR": degree(own.flip),
        "FlipAnglePD": degree(own.flip_density),
        "AIFFlipAngleSR": degree(arterial.flip),
        "AIFFlipAnglePD": degree(arterial.flip_density),
        "AIFEchoTime0": 1e3 * series.aif_echo_times[0],
        "AIFEchoTime1": 1e3 * series.aif_echo_times[1],
        "RelaxivityR1": series.relaxivity,
    }
    if own.ramp is not None:
        parameters |= {"Readout": "bSSFP", "RunUpPulses": own.ramp}
    return Scan(field_strength=series.field, parameters=parameters)


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


def collected(images, scan):
    (item,) = (each for each in run(CHAIN[0], images, scan) if isinstance(each, FirstPass))
    return item


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


def turned(images, beats):
    """In some heartbeats the slice shows what no registration makes a heart of."""
    for each in images:
        muscle = each.meta["ScansideEncoding"] == 0
        yield replace(each, data=each.data.flip(-1)) if muscle and each.head["repetition"] in beats else each


def moved(images, scan):
    """The registered first pass, and the series of it that is sent."""
    out = run(CorrectMotion(box=64), [collected(images, scan)], scan)
    item = next(each for each in out if isinstance(each, FirstPass))
    return item, [each for each in out if isinstance(each, Image)]


def test_frames_beyond_correction_are_sent_but_left_out_and_counted(scan_and_images):
    scan, images, _ = scan_and_images
    item, sent = moved(turned(images, (15, 30)), scan)
    (one,) = item.slices
    assert item.flags == ("slice 1: motion beyond correction in 2 of 36 frames: left out",)
    assert len(sent) == 36
    assert one.moved.beyond.nonzero().flatten().tolist() == [15 - 3, 30 - 3]
    assert len(one.frames.times) == one.frames.signal.shape[1] == 34
    assert not item.refusals


@pytest.mark.slow
def test_of_a_slice_with_more_frames_astray_nothing_is_quantified(scan_and_images):
    scan, images, _ = scan_and_images
    random = torch.Generator().manual_seed(4)
    noise = [
        replace(each, data=torch.randn(each.data.shape, generator=random).to(each.data.dtype).mul(50.0))
        if each.meta["ScansideEncoding"] == 0 and each.head["repetition"] >= 20
        else each
        for each in images
    ]
    item, _ = moved(noise, scan)
    assert item.refusals == (
        f"slice 1: motion beyond correction in {int(item.slices[0].moved.beyond.sum())} of 36 frames",
    )
    assert (
        len(item.slices[0].frames.times) == 36
    )  # nothing is quantified, and nothing breaks for want of frames


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


@pytest.fixture(scope="module")
def pooled(scan_and_images):
    """A first pass ahead of its segmentation."""
    scan, images, _ = scan_and_images
    stream = images
    for gadget in CHAIN[:3]:
        taken = gadget.signature()[0]
        stream = run(gadget, [each for each in stream if isinstance(each, taken)], scan)
    (item,) = (each for each in stream if isinstance(each, FirstPass))
    return item


def segmented(item, scan, **fields):
    (found,) = (
        each for each in run(SegmentMyocardium(**fields), [item], scan) if isinstance(each, FirstPass)
    )
    return found


def test_what_a_network_segmented_names_it_behind_the_one_that_made_the_images(
    pooled, scan_and_images, monkeypatch
):
    def heart(self, series, times, pixel, near=None):
        return replace(classical(series, times, pixel, near), origin=NETWORK, reasons=())

    monkeypatch.setattr(Network, "heart", heart)
    found = segmented(pooled, scan_and_images[0]).slices[0].frames.meta
    assert found["ScansideModel"].startswith("short-axis ") and len(found["ScansideModelHash"]) == 64
    name = found["ScansideModel"]
    assert found["ScansideSegmentationModel"] == f"{name} {found['ScansideModelHash'][:12]}"
    one = pooled.slices[0]
    made = {**one.frames.meta, "ScansideModel": "unrolled-2d 4", "ScansideModelHash": "abc"}
    learned = replace(pooled, slices=(replace(one, frames=replace(one.frames, meta=made)),))
    assert segmented(learned, scan_and_images[0]).slices[0].frames.meta["ScansideModel"] == (
        f"unrolled-2d 4 + {name}"
    )


def test_a_right_ventricle_drawn_elsewhere_than_it_inserts_does_not_mirror_the_segments(
    pooled, scan_and_images
):
    """Seen: the network took lung beyond the free wall for it, and inferior flow was reported as lateral."""
    scan, _, _ = scan_and_images
    one = segmented(pooled, scan, model="").slices[0]
    across = tuple(round(2 * at) for at in one.heart.center)
    other = one.heart.right.flip(0, 1).roll(
        [at - size + 1 for at, size in zip(across, one.heart.right.shape, strict=True)], (0, 1)
    )
    assert other.any() and not torch.equal(other, one.heart.right)
    again = _segmented(one, replace(one.heart, right=other))
    assert torch.equal(again.segments, one.segments)


def test_without_the_network_that_was_asked_for_the_contours_say_so(pooled, scan_and_images):
    found = segmented(pooled, scan_and_images[0], model="nobody")
    assert any(flag.startswith("contours without the network: ") and "nobody" in flag for flag in found.flags)
    assert found.slices[0].heart.origin == "classical"
    assert "ScansideModel" not in found.slices[0].frames.meta
