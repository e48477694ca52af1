"""The act ``scanside models convert``: a model of another framework becomes one of this site."""

import argparse
import sys
from pathlib import Path
from typing import Any


def add(acts: "argparse._SubParsersAction[Any]") -> None:
    """Declare the act."""
    own = acts.add_parser(
        "convert",
        help="make a model of PyTorch, ONNX, Keras or JAX one of this site: ONNX and a card",
        description="Runs the file that is given: convert only what you trust. The converter runs in the "
        "environment of --python, which has the framework; Scanside's own has none of them.",
    )
    own.add_argument("file", type=Path, help=".pt2, .onnx, .keras, or a Python file (with --item)")
    own.add_argument("--name", required=True, help="of the model: lower-case letters, digits, dashes")
    own.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="of SCANSIDE_MODELS")
    own.add_argument("--source", choices=("pytorch", "onnx", "keras", "jax"), required=True)
    own.add_argument("--task", choices=("image", "denoiser", "regulariser"), required=True)
    own.add_argument("--item", default="", metavar="NAME", help="class or function of a Python file")
    own.add_argument("--weights", type=Path, metavar="FILE", help=".safetensors or .pt of that class")
    own.add_argument("--python", type=Path, default=Path(sys.executable), metavar="INTERPRETER")
    own.add_argument("--layout", choices=("channels-first", "channels-last"))
    own.add_argument(
        "--channels", type=int, choices=(1, 2, 3), default=2, help="1 magnitude, 3 with noise map"
    )
    own.add_argument("--scale", choices=("snr", "peak"), default="snr")
    own.add_argument("--multiple", type=int, default=1, help="that sides of images must be of")
    own.add_argument("--licence", default="unknown")
    own.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Convert, and print how far ONNX Runtime is from the framework."""
    from models.convert import Request, convert
    from models.foreign import Foreign

    if options.layout is None:
        options.layout = "channels-last" if options.source == "keras" else "channels-first"
    design = Foreign(
        kind="onnx",
        source=options.source,
        task=options.task,
        layout=options.layout,
        channels=options.channels,
        scale=options.scale,
        multiple=options.multiple,
    )
    made = convert(
        Request(
            name=options.name,
            file=options.file,
            design=design,
            item=options.item,
            weights=options.weights,
            interpreter=options.python,
            licence=options.licence,
        ),
        options.output,
    )
    gadget = {"image": "ApplyModel", "denoiser": "Denoise", "regulariser": "PlugAndPlay"}[options.task]
    print(f"{made.card}: {', '.join(made.operators)}")
    print(f"onnxruntime against {options.source}: {made.difference:.1e} of the largest value")
    print(f"- {gadget}: {{model: {options.name}}}")
    return 0
