"""Readout oversampling: lines become profiles over x, cut to the field of view of the reconstruction."""

from dataclasses import dataclass, replace

import torch

from gadgets.arrays import to_image_part
from gadgets.data import Block
from gadgets.errors import DataError
from gadgets.gadget import Map
from gadgets.scan import Encoding, Scan


@dataclass(frozen=True, kw_only=True)
class RemoveOversampling(Map):
    """Transform lines along the readout (unitary) and keep the field of view of the reconstruction.

    The noise keeps its standard deviation. The pixels keep their size, and x their centre; the lines are left
    as profiles over x (``transformed``), where later gadgets want them.
    """

    def one(self, item: Block, scan: Scan) -> Block:
        """The block over x.

        Raises DataError when the lines do not have the samples of the encoded matrix.
        """
        if item.transformed:
            return item
        encoding = scan.encoding(item.encoding)
        samples, matrix = item.data.shape[-1], encoding.encoded.matrix[0]
        if samples != matrix:
            raise DataError(
                f"readouts have {samples} samples, but the encoded matrix has {matrix} along the readout"
            )
        size = kept(encoding)
        head = item.head.copy()
        head["number_of_samples"], head["center_sample"] = size, size // 2
        profiles = to_image_part(torch.from_numpy(item.data), size)
        return replace(item, head=head, data=profiles.contiguous().numpy(), transformed=True)


def kept(encoding: Encoding) -> int:
    """How many points of the encoded matrix the field of view of the reconstruction covers along x."""
    matrix, full, wanted = encoding.encoded.matrix[0], encoding.encoded.fov[0], encoding.recon.fov[0]
    if not 0 < wanted < full:
        return matrix
    return max(1, round(matrix * wanted / full))
