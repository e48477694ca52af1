"""A simulated first pass, as images with their header, for the steps of the perfusion chain."""

import math

import numpy as np

from gadgets.cardiac.perfusion.arterial import FindArterialInput
from gadgets.cardiac.perfusion.collect import CollectFirstPass
from gadgets.cardiac.perfusion.item import FirstPass
from gadgets.cardiac.perfusion.motion import CorrectMotion
from gadgets.cardiac.perfusion.pulses import PLACE
from gadgets.cardiac.perfusion.quantify import QuantifyFlow
from gadgets.cardiac.perfusion.segment import SegmentMyocardium
from gadgets.data import Image
from gadgets.head import IMAGE_HEAD
from gadgets.report.perfusion import ReportPerfusion
from gadgets.scan import Scan
from gadgets.testing import run
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
    sequence = standard(matrix=(144, 108), acceleration=2, slices=1, beats=36, **fields)
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


def collected(images, scan):
    (item,) = (each for each in run(CHAIN[0], images, scan) if isinstance(each, FirstPass))
    return item
