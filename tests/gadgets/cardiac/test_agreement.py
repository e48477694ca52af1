"""Slices of one heart agree where the right ventricle inserts; one that does not gets no numbers."""

import math
from dataclasses import replace

import pytest

from gadgets.cardiac.perfusion import segment
from gadgets.cardiac.perfusion.agreement import apart, astray
from gadgets.cardiac.perfusion.item import FirstPass
from gadgets.cardiac.perfusion.quantify import QuantifyFlow
from gadgets.cardiac.perfusion.segment import SegmentMyocardium, chosen, classical
from gadgets.data import Image
from gadgets.report.perfusion import ReportPerfusion
from gadgets.report.values import document
from gadgets.testing import run
from models.perfusion.curves import STEP
from models.perfusion.muscle import Heart


def between(angles):
    return [[abs((a - b + 180) % 360 - 180) for b in angles] for a in angles]


@pytest.mark.parametrize(
    ("angles", "wrong"),
    [
        ([0], []),
        ([10, 20, 38], []),
        ([-30, 10, 50], []),
        ([0, 180, 15], [1]),
        ([0, 10, 100], [2]),
        ([170, -175, 40], [2]),
        ([90, 0, 10], [0]),
        ([0, 90], [0, 1]),
        ([0, 90, 180], [0, 1, 2]),
        ([0, 90, 45], [0, 1, 2]),
        ([0, 30, 60, 90, 0], [4]),
        ([0, 5, 90, 95], [0, 1, 2, 3]),
        ([0, 5, 90, 12, 100], [2, 4]),
    ],
)
def test_who_is_wrong_is_known_where_the_others_agree(angles, wrong):
    assert list(astray(between(angles))) == wrong


def test_it_is_said_by_how_much():
    """Seen: "45 degrees, expected at most 45", and 0: the angle to a slice that agrees."""
    assert astray(between([0, 10, 100])) == {2: pytest.approx(90)}
    assert astray(between([0, 30, 60, 90, 0])) == {4: pytest.approx(60)}
    assert astray(between([0, 90, 45])) == {n: pytest.approx(90) for n in range(3)}


def turned(point, middle, degrees):
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    y, x = (a - b for a, b in zip(point, middle, strict=True))
    return middle[0] + c * y + s * x, middle[1] - s * y + c * x


LEVELS = ("basal", "mid", "apical")


@pytest.fixture(scope="module")
def heart(pooled):
    frames = pooled.slices[0].frames
    return classical(frames.even, frames.times, frames.side)


def segmented(item, scan, heart, monkeypatch, turns):
    """Three slices that are alike, in which insertions are found turned by so many degrees."""
    todo = iter(turns)

    def found(*_, **__):
        by = next(todo)
        return replace(heart, insertions=tuple(turned(each, heart.center, by) for each in heart.insertions))

    monkeypatch.setattr(segment, "classical", found)
    item = replace(item, slices=tuple(replace(item.slices[0], level=each) for each in LEVELS))
    (item,) = (each for each in run(SegmentMyocardium(model=""), [item], scan) if isinstance(each, FirstPass))
    return item


def test_angles_between_slices_are_those_in_the_patient(pooled, scan_and_images, heart, monkeypatch):
    slices = segmented(pooled, scan_and_images[0], heart, monkeypatch, (0, 25, 0)).slices
    assert apart(slices)[0] == pytest.approx([0, 25, 0], abs=1e-4)
    head = slices[2].frames.head.copy()
    head["phase_dir"], head["read_dir"] = -head["phase_dir"], -head["read_dir"]
    other = replace(slices[2], frames=replace(slices[2].frames, head=head))
    assert apart([slices[0], other])[0][1] == pytest.approx(180, abs=1e-4)


def test_a_slice_whose_insertion_lies_elsewhere_has_no_segments(pooled, scan_and_images, heart, monkeypatch):
    """Seen: segments that were mirrored, or begun at the wrong insertion, with nothing said."""
    item = segmented(pooled, scan_and_images[0], heart, monkeypatch, (0, 100, 0))
    assert [one.segments is None for one in item.slices] == [False, True, False]
    assert not item.refusals
    assert any(flag.startswith("slice 2: insertion ") for flag in item.flags)


def test_slices_that_nobody_vouches_for_refuse_the_flow(pooled, scan_and_images, heart, monkeypatch):
    item = segmented(pooled, scan_and_images[0], heart, monkeypatch, (0, 100, 200))
    assert any("insertion of the right ventricle" in reason for reason in item.refusals)
    assert all(one.segments is None for one in item.slices)


@pytest.mark.slow
def test_the_report_has_no_numbers_of_such_a_slice_and_says_why(pooled, scan_and_images, heart, monkeypatch):
    scan, _, _ = scan_and_images
    item = segmented(pooled, scan, heart, monkeypatch, (0, 100, 0))
    (item,) = (each for each in run(QuantifyFlow(), [item], scan) if isinstance(each, FirstPass))
    values = {each["segment"]: each.get("mbf") for each in document(item)["segments"]}
    assert [number for number, value in values.items() if value is None] == [7, 8, 9, 10, 11, 12]
    sent = [each.meta for each in run(ReportPerfusion(), [item], scan) if hasattr(each, "meta")]
    (page,) = (meta["ScansideReport"] for meta in sent if "ScansideReport" in meta)
    assert "slice 2: insertion of the right ventricle" in page


def test_a_disputed_right_ventricle_stays_disputed_whatever_else_finds_the_heart(pooled, heart):
    """Seen: arrival times were asked instead, and took a side."""
    asked = replace(heart, origin="network", reasons=("both are blood",), disputed="both are blood")
    found = chosen(pooled.slices[0].frames, [lambda *_: asked, lambda *_: heart])
    assert (found.origin, found.disputed) == (heart.origin, "both are blood")


@pytest.mark.parametrize("disputed", [(1,), (0, 1, 2)])
def test_where_the_right_ventricle_is_disputed_there_are_no_segments(
    pooled, scan_and_images, heart, monkeypatch, disputed
):
    todo = iter(range(3))
    monkeypatch.setattr(
        segment,
        "classical",
        lambda *_, **__: replace(heart, disputed="both" if next(todo) in disputed else ""),
    )
    item = replace(pooled, slices=tuple(replace(pooled.slices[0], level=each) for each in LEVELS))
    done = run(SegmentMyocardium(model=""), [item], scan_and_images[0])
    (item,) = (each for each in done if isinstance(each, FirstPass))
    assert [one.segments is None for one in item.slices] == [n in disputed for n in range(3)]
    said = item.refusals if len(disputed) == 3 else item.flags
    assert any("both: no flow of its segments" in each for each in said)


@pytest.mark.parametrize(
    ("lost", "refused"), [((2,), False), ((0,), False), ((0, 2), True), ((0, 1, 2), True)]
)
@pytest.mark.parametrize("seen", ["nothing", "no insertion", "doubtful"])
def test_a_slice_in_which_no_heart_is_found_has_no_numbers_and_the_others_have(
    pooled, scan_and_images, heart, monkeypatch, lost, refused, seen
):
    """Seen: a whole scan was refused since trabeculae fill the apex, and doubtful contours gave numbers. One
    slice alone vouches for nothing."""
    why = ("left ventricle is not round", "no insertion point")
    none = {
        "nothing": Heart.none(heart.left, why, "classical"),
        "no insertion": replace(heart, insertions=None, reasons=why),
        "doubtful": replace(heart, reasons=why),
    }[seen]
    todo = iter(range(3))
    monkeypatch.setattr(segment, "classical", lambda *_, **__: none if next(todo) in lost else heart)
    item = replace(pooled, slices=tuple(replace(pooled.slices[0], level=each) for each in LEVELS))
    done = run(SegmentMyocardium(model=""), [item], scan_and_images[0])
    (item,) = (each for each in done if isinstance(each, FirstPass))
    assert [one.segments is None for one in item.slices] == [n in lost for n in range(3)]
    said = f"left ventricle is not round; no insertion point: {segment.NO_FLOW}"
    assert any(each.endswith(said) for each in item.refusals) == refused == bool(item.refusals)
    assert any(each.endswith(said) for each in item.flags) != refused


@pytest.mark.slow
def test_the_report_has_the_numbers_of_the_slices_in_which_a_heart_is_found(
    pooled, scan_and_images, heart, monkeypatch
):
    scan, _, _ = scan_and_images
    todo = iter((heart, heart, replace(heart, insertions=None, reasons=("not round",))))
    monkeypatch.setattr(segment, "classical", lambda *_, **__: next(todo))
    item = replace(pooled, slices=tuple(replace(pooled.slices[0], level=each) for each in LEVELS))
    sent = run(SegmentMyocardium(model=""), [item], scan)
    sent = [answer for each in sent for answer in run(QuantifyFlow(), [each], scan)]
    images = [each for each in sent if isinstance(each, Image)]
    (item,) = (each for each in sent if isinstance(each, FirstPass))
    images += [each for each in run(ReportPerfusion(), [item], scan) if isinstance(each, Image)]
    values = {each["segment"]: each.get("mbf") for each in document(item)["segments"]}
    assert [number for number, value in values.items() if value is None] == [13, 14, 15, 16]
    of = {each.meta["ScansideSlice"] for each in images if "ScansideSlice" in each.meta}
    assert of == {"basal", "mid"}
    (page,) = (each.meta["ScansideReport"] for each in images if "ScansideReport" in each.meta)
    assert "slice 3: not round: no flow of its segments" in page


def test_what_a_heart_has_for_remarks_is_flagged(pooled, scan_and_images, heart, monkeypatch):
    """Seen: a right ventricle was replaced without a word."""
    monkeypatch.setattr(segment, "classical", lambda *_, **__: replace(heart, remarks=("it gave way",)))
    done = run(SegmentMyocardium(model=""), [pooled], scan_and_images[0])
    (item,) = (each for each in done if isinstance(each, FirstPass))
    assert any(flag.endswith("it gave way") for flag in item.flags)
    assert item.slices[0].segments is not None


@pytest.mark.slow
@pytest.mark.parametrize("cut", [(0,), (0, 1), (0, 1, 2)])
def test_flow_of_one_slice_of_three_or_of_none_is_refused_and_no_map_is_sent(
    pooled, scan_and_images, heart, monkeypatch, cut
):
    """Seen: no slice had a frame before the bolus, and the text was a global flow of nan."""
    scan, _, _ = scan_and_images
    monkeypatch.setattr(segment, "classical", lambda *_, **__: heart)
    item = replace(pooled, slices=tuple(replace(pooled.slices[0], level=each) for each in LEVELS))
    (item,) = (each for each in run(SegmentMyocardium(model=""), [item], scan) if isinstance(each, FirstPass))
    slices = tuple(late(one, item.arterial) if n in cut else one for n, one in enumerate(item.slices))
    sent = run(QuantifyFlow(), [replace(item, slices=slices)], scan)
    (item,) = (each for each in sent if isinstance(each, FirstPass))
    images = [each for each in sent if isinstance(each, Image)]
    if len(cut) < 2:
        assert item.refusals == ()
        assert images
    else:
        assert any("before the bolus" in each for each in item.refusals)
        assert images == []
        assert all(each.get("mbf") is None for each in document(item)["segments"])


def late(one, arterial):
    """A slice whose frames before the bolus were left out."""
    start = float(arterial.times[0]) + STEP * arterial.bolus.foot
    keep = one.frames.times >= start
    frames = replace(one.frames, signal=one.frames.signal[:, keep], times=one.frames.times[keep])
    return replace(one, frames=frames, moved=None)
