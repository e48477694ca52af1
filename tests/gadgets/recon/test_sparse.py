"""Sparse reconstruction: its parts against their definitions, the whole against the truth."""

import math

import numpy as np
import pytest
import pywt
import torch

from gadgets.arrays import to_kspace
from gadgets.data import CoilMaps
from gadgets.errors import DataError
from gadgets.recon.cartesian import encode, estimate_maps, sense, sparse_sense
from gadgets.recon.sense import Sense
from gadgets.recon.sparse import IterativeSense
from gadgets.recon.sparse.variation import Variation, differences, divergence
from gadgets.recon.sparse.wavelet import Wavelet, analyse, synthesise
from gadgets.scan import Limit


def run(items, scan, **fields):
    return list(IterativeSense(**fields).process(iter(items), scan))


def maps_of(phantom):
    return CoilMaps(data=phantom.maps[None, :, None], encoding=0, slice=0)


def nrmse(image, truth):
    return float(torch.linalg.vector_norm(image - truth) / torch.linalg.vector_norm(truth))


def scattered(phantom, lines=20, centre=10, seed=3):
    """Lines at random, fewer far from the centre."""
    generator = torch.Generator().manual_seed(seed)
    sampled = phantom.pattern(48, centre)
    distance = (torch.arange(48) - 24).abs() + 6.0
    chosen = torch.multinomial(1 / distance * (sampled == 0), lines - centre, generator=generator)
    sampled[0] = 0
    sampled[chosen] = 1
    return sampled


@pytest.mark.parametrize("name", ["haar", "db2", "db4", "sym8"])
@pytest.mark.parametrize("size", [2, 8, 22, 32, 96])
def test_a_level_is_pywavelets_periodic_one_and_orthogonal(white, name, size):
    signal = white(3, size).real.contiguous()
    bands = analyse(signal, name)
    torch.testing.assert_close(synthesise(bands, name), signal, atol=1e-5, rtol=0)
    other = white(3, size).real.contiguous()
    torch.testing.assert_close(
        (bands * other).sum(), (signal * synthesise(other, name)).sum(), atol=1e-3, rtol=1e-4
    )
    found = bands.reshape(3, 2, size // 2).numpy()
    match = []
    for by in range(size):
        theirs = pywt.dwt(signal.roll(by, -1).numpy(), name, mode="periodization")
        match.append(np.abs(np.stack(theirs, 1) - found).max())
    assert min(match) < 1e-4


@pytest.mark.parametrize("shape", [(1, 1, 32, 48), (2, 1, 30, 45)])
def test_shrinking_shrinks_the_coefficients_of_the_moved_image(white, shape):
    wavelet = Wavelet(name="db2", levels=2)
    image = white(*shape)
    torch.testing.assert_close(wavelet.shrink(image, 0.0, (3, 2)), image, atol=1e-5, rtol=1e-5)
    if shape[-1] % 4:
        return
    found = wavelet.shrink(image, 1.5, (1, 3)).roll((1, 3), (-2, -1))
    moved = image.roll((1, 3), (-2, -1))
    rows = torch.stack([moved.real, moved.imag])
    first = analyse(analyse(rows, "db2").mT, "db2")
    coarse = first[..., :24, :16]
    second = analyse(analyse(coarse, "db2").mT, "db2")
    for level in (first, second):
        length = torch.linalg.vector_norm(level, dim=0)
        kept = level[..., : level.shape[-2] // 2, : level.shape[-1] // 2].clone()
        level *= (1 - 1.5 / length.clamp(min=1e-9)).clamp(min=0)
        level[..., : level.shape[-2] // 2, : level.shape[-1] // 2] = kept
    first[..., :24, :16] = synthesise(synthesise(second, "db2").mT, "db2")
    expected = synthesise(synthesise(first, "db2").mT, "db2")
    torch.testing.assert_close(found, torch.complex(expected[0], expected[1]), atol=1e-4, rtol=1e-4)


def test_a_wavelet_that_is_not_orthogonal_is_refused(white):
    with pytest.raises(ValueError, match="bior2.2 is not orthogonal"):
        Wavelet(name="bior2.2").shrink(white(1, 16, 16), 1.0)


def test_differences_and_divergence_are_adjoint(white):
    image, dual = white(1, 9, 7), white(2, 1, 9, 7)
    one = (dual.conj() * differences(image)).sum()
    other = (divergence(dual).conj() * image).sum()
    torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-5)


def test_the_variation_step_reaches_the_minimum(white):
    """At the minimum the duality gap is 0: |x - v|^2 / 2 + t TV(x) equals the dual's value."""
    image, threshold = white(1, 12, 10) + 5 * (torch.arange(10) > 4), 0.7
    step = Variation()
    for _ in range(60):
        found = step.shrink(image, threshold)
    variation = float(torch.linalg.vector_norm(differences(found), dim=0).sum())
    primal = 0.5 * float((found - image).abs().square().sum()) + threshold * variation
    dual = 0.5 * float(image.abs().square().sum() - found.abs().square().sum())
    assert primal == pytest.approx(dual, rel=1e-3)


@pytest.mark.parametrize(("regularizer", "weight"), [("wavelet", 1.0), ("tv", 1.0)])
def test_sparse_images_of_scattered_lines_are_nearer_the_truth_than_linear_ones(
    phantom, white, regularizer, weight
):
    sampled = scattered(phantom)
    lines = phantom.lines + 4 * white(6, 48, 32)
    items = [maps_of(phantom), phantom.kspace(lines, sampled)]
    (image,) = run(items, phantom.scan(), regularizer=regularizer, weight=4 * weight)
    truth = phantom.object * image.meta["ScansideScale"]
    linear = min(
        nrmse(run(items, phantom.scan(), regularizer="l2", weight=ridge)[0].data[0, 0], truth)
        for ridge in (0.003, 0.01, 0.03, 0.1, 0.3)
    )
    assert nrmse(image.data[0, 0], truth) < 0.85 * linear


def test_without_weight_sparse_sense_is_sense(phantom):
    sampled = phantom.pattern(2, 12)
    items = [maps_of(phantom), phantom.kspace(phantom.lines, sampled)]
    (image,) = run(items, phantom.scan(), weight=0, iterations=150)
    truth = phantom.object * image.meta["ScansideScale"]
    assert image.meta["ScansideScale"] == pytest.approx(math.sqrt(float(sampled.float().mean())))
    assert nrmse(image.data[0, 0], truth) < 0.01


def test_the_linear_image_and_its_noise_come_beside_it_under_their_own_name(phantom, white):
    lines = phantom.lines + white(6, 48, 32)
    items = [maps_of(phantom), phantom.kspace(lines, scattered(phantom))]
    image, linear, gfactor = run(items, phantom.scan(), linear=True, gfactor=True)
    assert [one.role for one in (image, linear, gfactor)] == ["image", "linear", "gfactor"]
    assert gfactor.meta["ScansideNoiseOf"] == "linear"
    sense_image, sense_noise = Sense(regularization=0.01, gfactor=True).process(iter(items), phantom.scan())
    assert torch.equal(linear.data, sense_image.data)
    assert torch.equal(gfactor.data, sense_noise.data)


def test_images_do_not_depend_on_those_before_them(phantom, white):
    items = [phantom.kspace(phantom.lines + white(6, 48, 32), scattered(phantom)) for _ in range(2)]
    both = run([maps_of(phantom), *items], phantom.scan())
    (alone,) = run([maps_of(phantom), items[1]], phantom.scan())
    assert torch.equal(both[1].data, alone.data)


def test_where_maps_are_zero_the_image_is_zero(phantom):
    data = phantom.maps.clone()
    data[:, :6] = 0
    maps = CoilMaps(data=data[None, :, None], encoding=0, slice=0)
    for fields in ({"regularizer": "l2", "weight": 1e-3}, {}, {"regularizer": "tv"}):
        (image,) = run([maps, phantom.kspace(phantom.lines, phantom.pattern(2))], phantom.scan(), **fields)
        assert not bool(image.data[0, 0, :6].any())


def test_an_asymmetric_echo_is_part_of_the_model(phantom, white):
    """Half of the readout's high frequencies are missing; the coils bring some of them back."""
    lines = phantom.lines.clone()
    lines[..., :10] = 0
    notes = {"ScansideSampledX": (10 / 16 - 1, 1.0)}
    item = phantom.kspace(lines, phantom.pattern(), notes=notes)
    (image,) = run([maps_of(phantom), item], phantom.scan(), regularizer="l2", weight=1e-4, iterations=100)
    (zero_filled,) = Sense().process(iter([maps_of(phantom), item]), phantom.scan())
    assert nrmse(image.data[0, 0] / image.meta["ScansideScale"], phantom.object) < 0.7 * nrmse(
        zero_filled.data[0, 0] / zero_filled.meta["ScansideScale"], phantom.object
    )


def test_lines_beyond_the_limits_of_the_header_stay_empty(phantom):
    sampled = phantom.pattern(2, 12)
    sampled[:8] = sampled[40:] = 0
    limits = {"kspace_encode_step_1": Limit(minimum=8, maximum=39, center=24)}
    (image,) = run([maps_of(phantom), phantom.kspace(phantom.lines, sampled)], phantom.scan(limits=limits))
    outside = to_kspace(image.data, (-2,))[..., 0:8, :]
    assert float(outside.abs().max()) < 1e-3


def test_arrays_undersampled_along_both_axes_are_reconstructed_without_a_stream(phantom, white):
    lines = phantom.lines + white(6, 48, 32)
    sampled = torch.zeros(48, 32)
    sampled[::2, ::2] = 1
    sampled[16:32, 8:24] = 1
    maps = estimate_maps(lines * sampled, sampled, noise=1.0)
    linear = sense(lines * sampled, maps, sampled, ridge=1e-3)
    found = sparse_sense(lines * sampled, maps, sampled, weight=1.0)
    truth = phantom.object
    assert nrmse(found[0, 0].abs(), truth) < nrmse(linear[0, 0].abs(), truth) < 0.15
    encoding, _ = encode(lines, maps, sampled)
    assert encoding.axes == (-2, -1)
    by_line, over_x = encode(lines, maps, phantom.pattern(2).float())
    assert by_line.axes == (-2,)
    assert over_x.shape == (6, 1, 48, 32)


def test_arrays_that_do_not_fit_are_refused_by_number(phantom):
    lines = phantom.lines
    with pytest.raises(DataError, match=r"sampled is \(32,\), expected \(48, 32\) \(samples\) or \(48,\)"):
        encode(lines, phantom.maps[None, :, None], torch.ones(32))
    with pytest.raises(DataError, match="1 x 1 x 32 .* expected 12 at least"):
        estimate_maps(lines, phantom.pattern(2))
