"""How long the segmentation of a cine stack takes: 10 slices of 25 phases of 192 x 192.

First by itself, all images being there: its processor time over what its network's sums would take at the
rate of this machine's convolutions, measured in the same run, and its time on all cores (two are asked for).
Then through a server with the chain ``cine_function``, R = 2, 8 coils: as fast as it goes, and at the
scanner's own pace (94 s), from the last readout sent and from the last image to the report; processor time
and memory of all its processes. Wall times hold on a machine that does nothing else.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.figures import Figure, alternate, of, ratios
from benchmarks.processes import Server, Watch, ours
from benchmarks.scans import made
from benchmarks.segmentation import network
from gadgets.cardiac.function import REPORT
from gadgets.data import Image, Readouts, Waveform
from gadgets.image.history import HISTORY
from models.cardiac.segment import segment
from server.client import conversation, converse, paced
from server.files.scan import RecordedScan, read_scan
from server.files.truth import read_truth

SIZE = ("--matrix", "192", "--slices", "10", "--states", "25", "--coils", "8")
OPTIONS = (*SIZE, "--acceleration", "2", "--reference-lines", "24")
PIXEL = 1.875
"""Of these images [mm]."""

ASKED = 5.0
"""From the last image to its labels, on two cores [s]."""

TIMES = 3


def run() -> Iterator[Figure]:
    """The stack by itself, then through a server."""
    path = made("cine" + "".join(OPTIONS), "simulate", "cine", *OPTIONS)
    images = torch.from_numpy(np.array(read_truth(path)["image"].values.swapaxes(0, 1), np.float32))
    yield from _by_itself(images)
    scan = read_scan(path)
    with ours() as server:
        for pace in (False, True):
            yield from _streamed(server, scan, pace=pace)


def _by_itself(images: torch.Tensor) -> Iterator[Figure]:
    reader, shown = network(), [0]

    def counted(batch: torch.Tensor) -> torch.Tensor:
        shown[0] += batch[:, 0].numel()
        return reader.scores(batch)

    counting = replace(reader, scores=counted)
    with FlopCounterMode(display=False) as sums:
        segment(counting, images, PIXEL)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    work = float(sums.get_total_flops())

    def bare() -> float:
        return _spent(lambda: segment(reader, images, PIXEL))

    spent, bound = alternate((bare, lambda: work / rate()), TIMES)
    torch.set_num_threads(os.cpu_count() or 1)
    walls = [_wall(lambda: segment(reader, images, PIXEL)) for _ in range(TIMES)]
    torch.set_num_threads(threads)
    shape = "10 x 25 images of 192 x 192"
    yield of("segmented by itself", spent, unit="CPU s", note=f"{shape}, one thread")
    note = f"{work / 1e9:.0f} GFLOP for {shown[0] / 1e6:.1f} Mpixel shown, one thread"
    yield of("its convolutions at the machine's rate", bound, unit="CPU s", note=note)
    yield of("segmentation over its convolutions' time", ratios(spent, bound))
    note = f"{os.cpu_count()} threads; load {os.getloadavg()[0]:.1f}"
    yield of("segmented by itself, all cores", walls, unit="s", limit=ASKED, note=note)


def _spent(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def _wall(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def rate() -> float:
    """Of a large convolution of 3 x 3 on one thread [FLOP/s]: the best of some."""
    images = torch.rand(8, 128, 32, 32).contiguous(memory_format=torch.channels_last)
    weight = torch.rand(128, 128, 3, 3).contiguous(memory_format=torch.channels_last)
    work = 2 * images.numel() * weight[:, 0].numel()
    with torch.inference_mode():
        best = min(_spent(lambda: torch.nn.functional.conv2d(images, weight, padding=1)) for _ in range(8))
    return work / best


@dataclass
class Seen:
    """When things came [s]."""

    sent: float = 0.0
    """The last readout, as it left."""

    used: float = 0.0
    """The server's processor time then [s]."""

    image: float = 0.0
    labels: float = 0.0
    report: float = 0.0

    def keep(self, image: Image) -> None:
        """Note when it came: the last one of its kind counts."""
        now = time.perf_counter()
        if REPORT in image.meta:
            self.report = now
        elif "ScansideLabels" in image.meta:
            self.labels = now
        elif "Segment" not in str(image.meta.get(HISTORY)):
            self.image = now


def _streamed(server: Server, scan: RecordedScan, *, pace: bool) -> Iterator[Figure]:
    seen, said = Seen(), "at its pace" if pace else "as fast as it goes"
    begin, used, before = time.perf_counter(), server.seconds(), server.memory()
    with Watch(server) as watch:
        parts = _parts(scan, server, seen, pace=pace)
        answer = converse(("127.0.0.1", server.port), parts, seen.keep, patience=120)
    if answer.error:
        raise RuntimeError(answer.error)
    spent, note = server.seconds(), f"scan sent {said}; load {os.getloadavg()[0]:.1f}"
    if pace:
        waits = {
            "the last image to all labels": seen.labels - seen.image,
            "the last image to the report": seen.report - seen.image,
            "the last readout to the report": seen.report - seen.sent,
        }
        for name, wait in waits.items():
            yield Figure(name=f"from {name}", value=wait, unit="s", limit=ASKED, note=note)
        name = "processor time behind the last readout"
        yield Figure(name=name, value=spent - seen.used, unit="CPU s", note=note)
    else:
        yield Figure(name="from begin to report", value=seen.report - begin, unit="s", note=note)
    yield Figure(name="processor time of the scan", value=spent - used, unit="CPU s", note=note)
    yield Figure(name="growth of memory", value=watch.peak - before, unit="MB", note=note)


def _parts(scan: RecordedScan, server: Server, seen: Seen, *, pace: bool) -> Iterator[bytes]:
    """The conversation; when its last readout had been sent is noted."""

    def noted() -> Iterator[Readouts | Waveform]:
        yield from paced(scan.runs()) if pace else scan.runs()
        seen.sent, seen.used = time.perf_counter(), server.seconds()

    yield from conversation("cine_function", scan.xml, noted())
