"""Dominant eigenvectors of a field of small Hermitian matrices, in planes: an element is an array."""

import torch

from gadgets.arrays import root_sum_of_squares

TINY = 1e-30
"""Lengths below it count as 0."""


def iterate(field: torch.Tensor, vectors: torch.Tensor, times: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The power method: vectors of unit length, [coil, point], and their eigenvalues, float32 [point].

    ``field`` complex64 [column, row, point] is positive semi-definite at each point, with eigenvalues not far
    from 1; ``vectors`` is where to begin. A point whose matrix is 0 gets 0 and 0.
    """
    for _ in range(times - 1):
        vectors = multiply(field, vectors)
    vectors = multiply(field, normalized(vectors))
    length = root_sum_of_squares(vectors)
    return _scaled(vectors, length), length


def multiply(field: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    """The matrix of each point times its vector, [coil, point]."""
    out = field[0] * vectors[0]
    for column, value in zip(field[1:], vectors[1:], strict=True):
        out.addcmul_(column, value)
    return out


def normalized(vectors: torch.Tensor) -> torch.Tensor:
    """Vectors of unit length, [coil, point]; 0 stays 0."""
    return _scaled(vectors, root_sum_of_squares(vectors))


def _scaled(vectors: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    """Vectors over their lengths; the product with a complex inverse is the fastest way to say it."""
    return vectors * length.clamp(min=TINY).reciprocal().to(vectors.dtype)


def strongest(field: torch.Tensor) -> torch.Tensor:
    """The column with the greatest diagonal element, [coil, point]: never orthogonal to what dominates."""
    greatest = field.diagonal(dim1=0, dim2=1).real.argmax(-1)
    index = greatest.expand(1, field.shape[1], -1)
    return field.gather(0, index)[0]


def deflate(field: torch.Tensor, vectors: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """The field without the part along some of its eigenvectors, [column, row, point]."""
    scaled = vectors * values
    return torch.stack([part - scaled * one.conj() for part, one in zip(field, vectors, strict=True)])


def square(field: torch.Tensor, times: int) -> torch.Tensor:
    """The field to the power 2^times, up to a positive factor at each point; [column, row, point]."""
    matrices = field.permute(2, 1, 0).clone(memory_format=torch.contiguous_format)
    for _ in range(times):
        trace = matrices.diagonal(dim1=-2, dim2=-1).real.sum(-1).clamp(min=TINY)
        matrices *= trace.reciprocal().to(matrices.dtype)[:, None, None]
        matrices = matrices @ matrices
    return matrices.permute(2, 1, 0).contiguous()
