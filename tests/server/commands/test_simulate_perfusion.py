import numpy as np
import pytest

from gadgets.data import Readouts, Waveform
from gadgets.head import Flag
from server.cli import main
from server.files.images import read_images
from server.files.scan import read_scan
from server.files.truth import read_truth
from server.wire.header import read_header

CHAIN = """chain:
- AlignEcho
- RemoveOversampling
- Prewhiten
- Accumulate
- Grappa
- Combine
"""


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    path = tmp_path_factory.mktemp("perfusion") / "a.h5"
    words = "--matrix 96x72 --acceleration 2 --coils 6 --slices 1 --beats 4 --seed 3 --cnr 400"
    assert main(["simulate", "perfusion", "-o", str(path), *words.split()]) == 0
    return path


def heads(path):
    return np.concatenate([run.head for run in read_scan(path).runs() if isinstance(run, Readouts)])


def test_the_header_says_what_quantification_needs(scan):
    header = read_header(read_scan(scan).xml)
    assert header.parameters["NumOfProtonDensityImages"] == 3
    assert header.parameters["SaturationDelay"] == pytest.approx(30)
    assert header.parameters["AIFFlipAngleSR"] == pytest.approx(8)
    assert [each.acceleration[0] for each in header.encodings] == [2, 2]
    assert header.encodings[1].limits["contrast"].maximum == 1
    assert header.field_strength == 3.0


def test_arterial_images_come_first_in_each_heartbeat_with_two_echoes_a_pulse(scan):
    head = heads(scan)
    imaging = head[(head["flags"] & np.uint64(Flag.NOISE_MEASUREMENT | Flag.PARALLEL_CALIBRATION)) == 0]
    for beat in range(7):
        own = imaging[imaging["idx"]["repetition"] == beat]
        assert (own["encoding_space_ref"] == ([1] * 48 + [0] * 36)).all()
        assert (own["idx"]["contrast"][:48] == [0, 1] * 24).all()
        assert (np.diff(own["acquisition_time_stamp"].astype(int)) >= 0).all()
    assert (head["flags"] & np.uint64(Flag.LAST_IN_MEASUREMENT)).astype(bool).sum() == 1
    last = (imaging["flags"] & np.uint64(Flag.LAST_IN_SLICE)).astype(bool)
    assert last.sum() == 7 * 3


def test_truth_and_ecg_are_in_the_file(scan):
    truth = read_truth(scan)
    assert truth["mbf"].values.shape == (16,)
    assert truth["labels"].values.shape == (1, 4, 72, 96)
    assert set(np.unique(truth["sectors"].values)) == {0, *range(7, 13)}
    inside = truth["sectors"].values > 0
    assert (truth["mbf_map"].values[inside] > 0).all()
    beats = sum(int(run.data[-1].sum()) for run in read_scan(scan).runs() if isinstance(run, Waveform))
    assert beats == 7


def test_a_plain_chain_makes_images_of_both_that_show_the_heart(scan, tmp_path):
    chain, out = tmp_path / "c.yml", tmp_path / "o.h5"
    chain.write_text(CHAIN)
    assert main(["run", str(chain), str(scan), "-o", str(out)]) == 0
    groups = {tuple(each.data.shape[-2:]): each for each in read_images(out)}
    assert len(groups[48, 64].data) == 14
    images, labels = abs(groups[72, 96].data[:, 0, 0]), read_truth(scan)["labels"].values[0]
    assert len(images) == 7
    muscle = images[3 + 2][labels[2] == 2]
    assert muscle.std() < 0.4 * muscle.mean()
    dark = images[3][labels[0] == 1].mean()
    assert images[0][labels[0] == 1].mean() > 2 * dark
