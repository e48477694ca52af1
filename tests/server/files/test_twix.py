import os
from pathlib import Path

import numpy as np
import pytest

from gadgets.data import Block, PhaseCorrection
from gadgets.head import Flag
from server.cli import main
from server.files.scan import read_scan
from server.wire.header import read_header
from server.wire.readouts import split
from tests.server.files import twix

DATA = Path(os.environ.get("SCANSIDE_DATA", Path(__file__).parents[4] / "shared" / "data")) / "twix"
pytest.importorskip("twixtools", reason="twixtools is not installed (scanside[convert])")


def lines():
    """Noise, then every second line and four reference lines of a partial Fourier scan, twice."""
    yield twix.readout(["NOISEADJSCAN"], samples=64)
    for repetition in range(2):
        for line in (1, 2, 3, 4, 5, 7):
            kind = {2: "PATREFSCAN", 4: "PATREFSCAN", 1: "", 3: "PATREFANDIMASCAN"}.get(line, "")
            flags = [kind] if kind else []
            flags += ["PATREFSCAN"] if kind == "PATREFANDIMASCAN" else []
            flags += ["FIRSTSCANINSLICE"] * (line == 1) + ["LASTSCANINSLICE"] * (line == 7)
            flags += ["LASTSCANINMEAS"] * (line == 7 and repetition == 1)
            yield twix.readout(flags, value=line, Lin=line, Rep=repetition)


def converted(tmp_path, *measurements, words=(), code=0, **protocol):
    twix.write(tmp_path / "a.dat", *measurements, **protocol)
    assert main(["convert", str(tmp_path / "a.dat"), "-o", str(tmp_path / "a.h5"), *words]) == code
    scan = read_scan(tmp_path / "a.h5")
    runs = list(scan.runs())
    return read_header(scan.xml), np.concatenate([run.head for run in runs]), runs


def test_samples_and_counters_are_taken_over(tmp_path):
    _, head, runs = converted(tmp_path, lines())
    expected = list(lines())
    assert head["idx"]["kspace_encode_step_1"].tolist() == [each.mdh.Counter.Lin for each in expected]
    assert head["idx"]["repetition"].tolist() == [each.mdh.Counter.Rep for each in expected]
    data = [row for run in runs for row in run.data]
    assert all(np.array_equal(row, each.data) for row, each in zip(data, expected, strict=True))
    assert set(head["acquisition_time_stamp"].tolist()) == {1000}
    assert head["physiology_time_stamp"][0].tolist() == [50, 0, 0]


def test_flags_are_those_of_siemens_to_ismrmrd(tmp_path):
    _, head, _ = converted(tmp_path, lines())

    def having(flag):
        return np.flatnonzero(head["flags"] & np.uint64(int(flag))).tolist()

    assert having(Flag.NOISE_MEASUREMENT) == [0]
    assert having(Flag.PARALLEL_CALIBRATION) == [2, 4, 8, 10]
    assert having(Flag.PARALLEL_CALIBRATION_AND_IMAGING) == [3, 9]
    assert having(Flag.LAST_IN_SLICE) == [6, 12]
    assert having(Flag.LAST_IN_MEASUREMENT) == having(Flag.LAST_IN_REPETITION) == [12]


def test_the_header_has_geometry_limits_and_times(tmp_path):
    scan, _, _ = converted(tmp_path, lines())
    encoding = scan.encoding()
    assert (encoding.encoded.matrix, encoding.recon.matrix) == ((32, 12, 1), (16, 12, 1))
    assert encoding.encoded.fov == pytest.approx((0.4, 0.15, 0.004))
    assert encoding.recon.fov == pytest.approx((0.2, 0.15, 0.004))
    limit = encoding.limits["kspace_encode_step_1"]
    assert (limit.minimum, limit.maximum, limit.center) == (0, 8, 3)
    assert encoding.limits["repetition"].maximum == 1
    assert (encoding.acceleration, encoding.calibration) == ((2, 1), "embedded")
    assert scan.parameters == {"EmbeddedRefLinesE1": 4}
    assert scan.sequence.echo_time == pytest.approx((0.003,))
    assert (scan.field_strength, scan.patient_position) == (1.5, "FFS")
    assert scan.depends("noise") == ["12___41"]
    assert scan.measurement_id == "12___42"


def test_coils_are_named_in_the_order_of_the_receivers(tmp_path):
    scan, _, _ = converted(tmp_path, lines())
    assert scan.coil_labels == ("Spine:1:S2", "Spine:1:S1")


def test_directions_are_the_columns_of_the_rotation(tmp_path):
    _, head, _ = converted(tmp_path, lines())
    assert head["position"][1].tolist() == [1, 0, -3]
    found = [head[name][1] for name in ("phase_dir", "read_dir", "slice_dir")]
    np.testing.assert_allclose(found, [[0, 1, 0], [-1, 0, 0], [0, 0, 1]], atol=1e-6)


def test_noise_has_siemens_usual_sample_time_and_the_user_is_told(tmp_path, capsys):
    _, head, _ = converted(tmp_path, lines())
    assert head["sample_time_us"][0] == pytest.approx(120)
    assert head["sample_time_us"][1] == pytest.approx(5)
    assert "does not say the sample time of its noise readouts" in capsys.readouterr().err


def epi():
    for number in range(3):
        flags = ["PHASCOR", "RTFEEDBACK"] + ["REFLECT"] * (number % 2 == 0)
        yield twix.readout(flags, value=number, Lin=6, Seg=(number + 1) % 2)
    for line in range(12):
        yield twix.readout(["REFLECT"] * (line % 2), value=line, Lin=line, Seg=line % 2)


def test_an_epi_scan_says_how_its_ramps_are_sampled(tmp_path):
    scan, head, runs = converted(tmp_path, epi(), factor=64)
    encoding = scan.encoding()
    assert (encoding.trajectory, encoding.description) == ("epi", "ConventionalEPI")
    assert encoding.trajectory_parameters == {
        "etl": 12,
        "numberOfNavigators": 3,
        "rampUpTime": 160,
        "rampDownTime": 150,
        "flatTopTime": 240,
        "echoSpacing": 560,
        "acqDelayTime": 30,
        "numSamples": 32,
        "dwellTime": pytest.approx(5.0),
    }
    kinds = dict.fromkeys(type(item) for run in runs for item in split(run))
    assert list(kinds) == [PhaseCorrection, Block]
    reverse = (head["flags"] & np.uint64(int(Flag.REVERSE))) != 0
    assert reverse.tolist() == [True, False, True] + [False, True] * 6


def test_the_last_measurement_is_the_scan_and_others_can_be_asked_for(tmp_path, capsys):
    noise = [twix.readout(["NOISEADJSCAN"], samples=64) for _ in range(3)]
    _, head, _ = converted(tmp_path, noise, lines())
    assert len(head) == 13
    assert "has 2 measurements" in capsys.readouterr().err
    words = ["convert", str(tmp_path / "a.dat"), "-o", str(tmp_path / "n.h5"), "--measurement", "1"]
    assert main(words) == 0
    assert read_scan(tmp_path / "n.h5").readouts == 3
    assert main([*words[:-1], "3"]) == 1
    assert "measurements 1 to 2" in capsys.readouterr().err


def test_a_file_that_was_cut_short_is_said_to_be(tmp_path, capsys):
    whole = twix.write(tmp_path / "b.dat", lines()).read_bytes()
    (tmp_path / "c.dat").write_bytes(whole[:-3000])
    assert main(["convert", str(tmp_path / "c.dat"), "-o", str(tmp_path / "c.h5")]) == 1
    assert "ends without its end mark" in capsys.readouterr().err
    (run,) = [run for run in read_scan(tmp_path / "c.h5").runs() if run.data.shape[-1] == 32]
    found = run.head["idx"][["repetition", "kspace_encode_step_1"]].tolist()
    assert found == [(0, line) for line in (1, 2, 3, 4, 5, 7)] + [(1, line) for line in (1, 2)]


@pytest.mark.parametrize("content", [b"", b"nothing of Siemens' at all", bytes(20000)])
def test_other_files_are_refused(tmp_path, content, capsys):
    (tmp_path / "a.dat").write_bytes(content)
    assert main(["convert", str(tmp_path / "a.dat"), "-o", str(tmp_path / "a.h5")]) == 1
    assert "twix" in capsys.readouterr().err
    assert not (tmp_path / "a.h5").exists()


@pytest.mark.skipif(not (DATA / "gre.dat").exists(), reason="no twix files under SCANSIDE_DATA")
def test_the_gradient_echo_file_becomes_a_phantom(tmp_path):
    from server.files.images import read_images

    for words in (
        ["convert", DATA / "gre.dat", "-o", tmp_path / "a.h5"],
        ["run", "cartesian_fft", tmp_path / "a.h5", "-o", tmp_path / "b.h5"],
    ):
        assert main([str(word) for word in words]) == 0
    (image,) = read_images(tmp_path / "b.h5")
    pixels = np.abs(np.asarray(image.data)).reshape(160, 160)
    corner, middle = pixels[:20, :20].mean(), pixels[100:120, 60:100].mean()
    assert middle > 8 * corner


@pytest.mark.skipif(not (DATA / "epi.dat").exists(), reason="no twix files under SCANSIDE_DATA")
def test_the_epi_file_has_its_navigators_aside(tmp_path):
    assert main(["convert", str(DATA / "epi.dat"), "-o", str(tmp_path / "a.h5")]) == 0
    scan = read_scan(tmp_path / "a.h5")
    items = [item for run in scan.runs() for item in split(run)]
    assert sum(len(item.head) for item in items if isinstance(item, PhaseCorrection)) == 3
    assert sum(len(item.head) for item in items if isinstance(item, Block)) == 80
    assert read_header(scan.xml).encoding().trajectory_parameters["flatTopTime"] == 240
