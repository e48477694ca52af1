"""Coil maps are those of the coils, and the shortcuts to ESPIRiT's lose nothing."""

import pytest
import torch

from gadgets.arrays import to_image, to_kspace
from gadgets.data import CoilMaps, Kspace, Reference
from gadgets.errors import DataError
from gadgets.image.maps import expand, from_reference
from gadgets.kspace.coilmaps import EstimateCoilMaps
from gadgets.kspace.coilmaps.centre import box
from gadgets.kspace.coilmaps.espirit import aligned, calibrate, espirit

LINES = 24


def run(items, scan, **fields):
    return list(EstimateCoilMaps(**fields).process(iter(items), scan))


def agreement(maps, truth):
    return (maps.conj() * truth).sum(0).abs()


@pytest.mark.parametrize(("method", "least"), [("espirit", 0.999), ("walsh", 0.99), ("inati", 0.99)])
def test_maps_are_those_of_the_coils_up_to_a_phase(phantom, white, method, least):
    lines = phantom.lines + white(6, 48, 32)
    _, maps = run([phantom.reference(lines, LINES)], phantom.scan(2), method=method)
    found = maps.data[0, :, 0]
    inside = phantom.object > 0
    assert maps.data.shape == (1, 6, 1, 48, 32)
    assert float(agreement(found, phantom.maps)[inside].mean()) > least
    length = torch.linalg.vector_norm(found, dim=0)
    torch.testing.assert_close(length, (length > 0).float(), atol=1e-5, rtol=0)
    assert bool((length[inside] > 0).all())


@pytest.mark.parametrize("shape", [(1, 48, 32), (1, 45, 33), (3, 20, 16)])
def test_the_field_is_the_mean_projection_of_all_patches(phantom, white, shape):
    """Against each patch of k-space projected and put back, for an image of one pixel of one coil."""
    kernel = 3
    planes = 3 if shape[0] > 1 else 1
    lines = white(2, planes, 9, 10)
    field = torch.cat([part.flatten(2) for part in calibrate(lines, kernel, 0.5).at(shape)], 2)
    size = ((planes + 1) // 2, kernel, kernel)
    patches = lines
    for axis, points in enumerate(size):
        patches = patches.unfold(1 + axis, points, 1)
    rows = patches.permute(1, 2, 3, 0, 4, 5, 6).reshape(-1, 2 * size[0] * size[1] * size[2])
    left, values, _ = torch.linalg.svd(rows.T, full_matrices=False)
    signal = left[:, values > 0.5 * values[0]]
    image = torch.zeros(2, *shape, dtype=torch.complex64)
    at = (shape[0] - 1, 7, 5)
    image[(1, *at)] = 1
    wide = to_kspace(image, (-3, -2, -1))
    total = torch.zeros_like(wide)
    for k2 in range(size[0]):
        for k1 in range(size[1]):
            for k0 in range(size[2]):
                moved = [
                    wide.roll((k2 - j2, k1 - j1, k0 - j0), (1, 2, 3))
                    for j2 in range(size[0])
                    for j1 in range(size[1])
                    for j0 in range(size[2])
                ]
                stack = torch.stack(moved, 1).flatten(0, 1)
                own = torch.tensordot(signal @ signal.mH, stack, dims=1).unflatten(0, (2, -1))
                total += own[:, (k2 * size[1] + k1) * size[2] + k0]
    expected = to_image(total, (-3, -2, -1)) / (size[0] * size[1] * size[2])
    point = (at[0] * shape[1] + at[1]) * shape[2] + at[2]
    torch.testing.assert_close(field[1, :, point], expected[(slice(None), *at)], atol=1e-4, rtol=0)


def test_the_power_method_finds_what_a_full_eigendecomposition_finds(phantom, white):
    lines = (phantom.lines + white(6, 48, 32))[:, None, 12:36, 4:28]
    shape = (1, 90, 70)
    found = espirit(lines, shape, threshold=0.05, crop=0.7)[0].flatten(1)
    field = torch.cat([part.flatten(2) for part in calibrate(lines, 6, 0.05).at(shape)], 2)
    values, vectors = torch.linalg.eigh(field.permute(2, 1, 0).to(torch.complex128))
    inside = values[:, -1] >= 0.7
    assert 0.2 < float(inside.float().mean()) < 1
    assert torch.equal(found.abs().sum(0) > 0, inside)
    best = vectors[inside, :, -1].T.to(torch.complex64)
    overlap = agreement(found[:, inside], best)
    assert float((1 - overlap).max()) < 1e-4
    assert float((1 - overlap).mean()) < 1e-6


def test_noise_of_known_sd_makes_no_maps(phantom, white):
    noise = white(6, 1, LINES, LINES)
    assert bool((espirit(noise, (1, 48, 32)) != 0).any())
    assert not bool((espirit(noise, (1, 48, 32), noise=1.0) != 0).any())
    lines = phantom.lines[:, None, 12:36, 4:28] + noise
    support = espirit(lines, (1, 48, 32), noise=1.0)[0, :, 0].abs().sum(0) > 0
    assert bool(support[phantom.object > 0].all())
    assert float(support.float().mean()) < 0.9


def test_thin_slabs_have_maps_of_their_own(phantom, white):
    """A kernel as thick as the slab would leave even the true maps no eigenvalue of 1."""
    planes = [phantom.maps * (1 + 0.2j * z) for z in range(6)]
    maps = torch.stack(planes, 1)
    maps = maps / torch.linalg.vector_norm(maps, dim=0)
    lines = to_kspace(phantom.object * maps, (-3, -2, -1))[:, :, 12:36, 4:28] + white(6, 6, 24, 24)
    found = espirit(lines, (6, 48, 32), noise=1.0)[0]
    inside = (phantom.object > 0).expand(6, 48, 32)
    assert float(agreement(found, maps)[inside].mean()) > 0.99


def test_two_maps_span_what_folds_inside_the_field_of_view(phantom):
    """An object twice as large as the field of view along y: pixels hold two places, hence two maps."""
    wide = type(phantom)(height=96, width=32)
    lines = to_kspace(wide.object * wide.maps, (-2, -1))[:, ::2]
    _, maps = run([phantom.reference(lines, LINES)], phantom.scan(2), maps=2, threshold=0.005, crop=0.7)
    first, second = maps.data[:, :, 0]
    both = (first.abs().sum(0) > 0) & (second.abs().sum(0) > 0)
    upper, lower = wide.maps[:, 24:72], torch.cat([wide.maps[:, 72:], wide.maps[:, :24]], 1)
    there = (wide.object[24:72] > 0) & (torch.cat([wide.object[72:], wide.object[:24]]) > 0)
    assert float(both[there].float().mean()) > 0.95
    assert float((first.conj() * second).sum(0).abs()[both].max()) < 1e-3
    for truth in (upper, lower):
        inside = agreement(first, truth) ** 2 + agreement(second, truth) ** 2
        assert float(inside[both & there].mean()) > 0.998


def test_transformed_lines_give_the_same_maps(phantom, white):
    lines = phantom.lines + white(6, 48, 32)
    items = [
        phantom.reference(lines, LINES),
        phantom.reference(to_image(lines), LINES, transformed=True),
    ]
    for method in ("espirit", "walsh", "inati"):
        _, plain, _, same = run(items, phantom.scan(2), method=method)
        torch.testing.assert_close(
            agreement(plain.data[0], same.data[0]), plain.data[0].abs().square().sum(0)
        )


def test_permuting_the_coils_permutes_the_maps(phantom, white):
    lines, order = phantom.lines + white(6, 48, 32), torch.tensor([3, 1, 5, 0, 4, 2])
    for method in ("espirit", "walsh", "inati"):
        found = [
            run([phantom.reference(some, LINES)], phantom.scan(2), method=method)[1].data[0]
            for some in (lines, lines[order])
        ]
        overlap = agreement(found[0][order], found[1])[:, phantom.object > 0]
        assert float((1 - overlap).abs().max()) < 1e-3


def test_inatis_maps_leave_the_image_no_phase(phantom):
    phase = torch.polar(torch.ones(48, 32), 4 * phantom.grid()[0] + 1)
    lines = to_kspace(phantom.object * phase * phantom.maps, (-2, -1))
    _, maps = run([phantom.reference(lines, LINES)], phantom.scan(2), method="inati")
    combined = (maps.data[0, :, 0].conj() * phantom.object * phase * phantom.maps).sum(0)
    inside = phantom.object > 0
    assert float(combined.angle()[inside].abs().mean()) < 0.1


def test_walsh_is_what_combine_does(phantom):
    reference = phantom.reference(phantom.lines, LINES)
    _, maps = run([reference], phantom.scan(2), method="walsh")
    assert torch.equal(maps.data[0], expand(from_reference(reference), (48, 32)))


def test_maps_leave_behind_their_reference_and_before_the_image(phantom):
    items = [
        phantom.reference(phantom.lines, LINES),
        phantom.kspace(phantom.lines, phantom.pattern(2, LINES)),
    ]
    kinds = [type(item) for item in run(items, phantom.scan(2))]
    assert kinds == [Reference, CoilMaps, Kspace]


def test_a_gapless_centre_is_its_own_reference_and_a_later_reference_takes_over(phantom):
    whole = phantom.kspace(phantom.lines, phantom.pattern(2, LINES))
    items = [whole, whole, phantom.reference(phantom.lines, LINES)]
    maps, first, second, reference, later = run(items, phantom.scan(2))
    assert [type(one) for one in (maps, first, second, reference, later)] == [
        CoilMaps, Kspace, Kspace, Reference, CoilMaps,
    ]  # fmt: skip
    inside = phantom.object > 0
    assert float(agreement(maps.data[0], later.data[0])[0, inside].min()) > 0.999


def test_a_kspace_without_a_gapless_centre_waits_for_its_reference(phantom):
    items = [phantom.kspace(phantom.lines, phantom.pattern(2)), phantom.reference(phantom.lines, LINES)]
    assert [type(item) for item in run(items, phantom.scan(2))] == [Kspace, Reference, CoilMaps]


def test_the_gapless_centre_is_a_box():
    there = torch.zeros(20, 30, dtype=torch.bool)
    there[1::2, 1::2] = True
    there[6:15, 8:21] = True
    assert box(there) == (range(6, 15), range(8, 21))
    assert box(torch.ones(1, 200, dtype=torch.bool)) == (range(1), range(76, 124))
    assert [len(one) for one in box(torch.zeros(3, 8, dtype=torch.bool))] == [0, 0]
    there = there[:, 1:].unsqueeze(-1).repeat(1, 1, 20)
    there[8, 12, 16:] = False
    assert box(there) == (range(6, 15), range(7, 20), range(0, 16))


def test_too_few_lines_are_refused_by_number(phantom):
    with pytest.raises(DataError, match=r"at least 6 reference lines .* got 1 x 4 x"):
        run([phantom.reference(phantom.lines, 4)], phantom.scan(2))


def test_a_kernel_too_large_for_so_many_coils_is_refused(white):
    with pytest.raises(DataError, match="6 x 6 x 6 points for 24 coils is too large"):
        espirit(white(24, 8, 8, 8), (16, 16, 16))


def test_maps_of_nothing_are_zero():
    maps = espirit(torch.zeros(3, 1, 12, 12, dtype=torch.complex64), (1, 16, 16), maps=2)
    assert torch.equal(maps, torch.zeros_like(maps))


def test_aligned_vectors_are_real_along_the_reference(white):
    vectors, reference = white(4, 10), white(4)
    along = (aligned(vectors, reference) * reference[:, None].conj()).sum(0)
    torch.testing.assert_close(along.imag, torch.zeros(10), atol=1e-5, rtol=0)
