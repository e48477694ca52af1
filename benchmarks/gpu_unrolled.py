"""One command for GPU machines: ``python -m benchmarks.gpu_unrolled [lines columns coils frames steps]``.

C * K against data consistency by transforms of every coil, and a whole unrolled network eager, compiled, as a
CUDA graph and in half precision, beside the copy and matrix-product rates of the same run. Without a GPU the
same at a small size, to show that it runs.
"""

import copy
import statistics
import sys
import time
from collections.abc import Callable

import torch

from models.nets.unrolled import Design, Unrolled
from models.operator import circulant, gram, multiply, proximal

SMALL, LARGE = (48, 32, 4, 2, 2), (320, 320, 16, 30, 10)

Work = Callable[[], object]


def main(words: list[str]) -> None:
    """Print the table."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    default = LARGE if device.type == "cuda" else SMALL
    sizes = tuple(int(word) for word in words) + default[len(words) :]
    lines, columns, coils, frames, iterations = sizes
    name = (
        torch.cuda.get_device_name() if device.type == "cuda" else "CPU (small size, proves the script only)"
    )
    print(f"{name}, torch {torch.__version__}: {lines} x {columns}, {coils} coils, {frames} frames")
    torch.manual_seed(0)
    maps = torch.randn(coils, lines, columns, dtype=torch.complex64, device=device)
    maps = maps / torch.linalg.vector_norm(maps, dim=0)
    mask = (torch.rand(lines) < 0.3).float()
    images = torch.randn(frames, 2, lines, columns, device=device)
    _ceilings(device)
    with torch.inference_mode():
        normal = gram(maps[None]) * circulant(mask).to(device)
        _consistency(maps, mask.to(device), normal, images, iterations, device)
        _setup(maps, mask, normal, device)
        _network(normal, images[:1], iterations, device)


def clock(work: Work, device: torch.device, times: int = 10) -> float:
    """Median milliseconds of a piece of work, after one that does not count."""
    work()
    taken = []
    for _ in range(times if device.type == "cuda" else 3):
        _wait(device)
        begin = time.perf_counter()
        work()
        _wait(device)
        taken.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(taken)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _ceilings(device: torch.device) -> None:
    size = 1 << (28 if device.type == "cuda" else 22)
    source = torch.empty(size, device=device)
    target = torch.empty_like(source)
    copied = clock(lambda: target.copy_(source), device)
    print(f"copy: {2 * 4 * size / copied / 1e9:.2f} TB/s")
    side = 8192 if device.type == "cuda" else 512
    kinds = (torch.float32, torch.float16) if device.type == "cuda" else (torch.float32,)
    for kind in kinds:
        one = torch.randn(side, side, device=device, dtype=kind)
        taken = clock(lambda one=one: one @ one, device)
        print(f"matrix product {kind}: {2 * side**3 / taken / 1e9:.1f} TFLOP/s")


def _consistency(
    maps: torch.Tensor,
    mask: torch.Tensor,
    normal: torch.Tensor,
    images: torch.Tensor,
    iterations: int,
    device: torch.device,
) -> None:
    matrix = torch.cat([normal.real, -normal.imag], -1)
    whole = torch.complex(images[:, 0], images[:, 1])
    shifted = torch.fft.ifftshift(mask)[:, None]  # as the centred transform would have it

    def product(matrix: torch.Tensor, image: torch.Tensor) -> Work:
        def work() -> torch.Tensor:
            found = image
            for _ in range(iterations):
                found = multiply(matrix, found)
            return found

        return work

    def transforms() -> torch.Tensor:
        image = whole
        for _ in range(iterations):
            kspace = torch.fft.fft(maps * image[:, None], dim=-2) * shifted
            image = (maps.conj() * torch.fft.ifft(kspace, dim=-2)).sum(1)
        return image

    print(f"C * K, fp32, {iterations} applications: {clock(product(matrix, images), device):.2f} ms")
    if device.type == "cuda":
        half = product(matrix.half(), images.half())
        print(f"C * K, fp16: {clock(half, device):.2f} ms")
    print(f"transforms along y of every coil: {clock(transforms, device):.2f} ms")


def _setup(maps: torch.Tensor, mask: torch.Tensor, normal: torch.Tensor, device: torch.device) -> None:
    ring = circulant(mask).to(device)
    print(f"set-up: C * K {clock(lambda: gram(maps[None]) * ring, device):.2f} ms", end=", ")
    print(f"inverse {clock(lambda: proximal(normal, 0.05), device):.2f} ms")


def _network(normal: torch.Tensor, image: torch.Tensor, iterations: int, device: torch.device) -> None:
    network = Unrolled(Design(iterations=iterations)).to(device).eval()
    matrix = torch.cat([normal.real, -normal.imag], -1)
    given = (image, image.clone(), matrix, torch.ones_like(image[:, :1]))
    eager = clock(lambda: network(*given), device)
    print(f"network of {iterations} iterations, one frame, eager: {eager:.2f} ms")
    if device.type != "cuda":
        return
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        network(*given)
    print(f"CUDA graph: {clock(graph.replay, device):.2f} ms", flush=True)
    half, halves = copy.deepcopy(network).half(), tuple(part.half() for part in given)
    print(f"fp16, eager: {clock(lambda: half(*halves), device):.2f} ms", flush=True)
    compiled = torch.compile(network)  # the last one: to compile takes longest
    print(f"compiled: {clock(lambda: compiled(*given), device):.2f} ms", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
