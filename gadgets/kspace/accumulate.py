"""Lines in, k-space out: collect the readouts of every image until it is complete."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from gadgets.data import Block, Kspace, Reference, Text
from gadgets.gadget import Gadget
from gadgets.kspace.assembly import Assembly
from gadgets.kspace.layout import layout
from gadgets.scan import Scan


@dataclass(frozen=True, kw_only=True)
class Accumulate(Gadget):
    """The k-space of every image as soon as its lines are there, and before it the lines that calibrate it.

    Each (slice, contrast, phase, repetition, set) is a buffer of its own; segments are merged, averages
    averaged. A buffer ends with the first of: the LAST flag of the trigger's counter; the last line that
    the header promises; a new repetition of its slice, for ``trigger: repetition``; the first line of
    another buffer, when this one came in one piece and lacks nothing; the end of the scan. When it ends does
    not depend on where the blocks were cut, and what it holds not on the order of its lines.

    Raises DataError for lines outside the matrix, for a line that comes twice, or after its image, for
    channels or samples that change in number, for missing lines, and for a trajectory that is not Cartesian.
    """

    trigger: Literal["slice", "phase", "repetition", "set", "contrast"] = "slice"
    """The counter whose LAST flag ends a buffer (unless averages that the header promises are missing)."""

    incomplete: Literal["error", "mark"] = "error"
    """What becomes of an image that lacks lines: an error, or an image that says so in its meta."""

    calibrate: Literal["first", "each"] = "first"
    """Reference lines of the first image of each slice, or of each image, calibrate it. Of frames with
    interleaved lines the first ones that fill k-space together; or these, and then again each next ones."""

    def process(self, stream: Iterable[Block], scan: Scan) -> Iterator[Kspace | Reference | Text]:
        """Blocks in any order and cut, one item for each image; a slice's Reference leaves before them."""
        spaces: dict[int, Assembly] = {}
        for block in stream:
            if block.encoding not in spaces:
                spaces[block.encoding] = self._assembly(scan, block.encoding)
            yield from spaces[block.encoding].add(block)
        for index in sorted(spaces):
            yield from spaces[index].close()

    def _assembly(self, scan: Scan, index: int) -> Assembly:
        return Assembly(
            layout=layout(scan, index),
            trigger=self.trigger,
            incomplete=self.incomplete,
            calibrate=self.calibrate,
        )
