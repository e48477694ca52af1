"""The models at hand: cards beside their weights, which count only with the hash that the card states."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from models import card as cards
from models import forms, places
from models.card import Card
from models.errors import ModelError
from models.foreign import Absent, Foreign
from models.forms import Form
from models.nets.denoiser import Denoiser, Denoising
from models.nets.segmenter import Segmenter, SegmenterDesign
from models.nets.unrolled import Design, Unrolled

FOLDER = Path(__file__).parent / "cards"
"""The cards that come with the project."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A network ready to be used, and its card."""

    card: Card
    network: nn.Module
    sha256: str
    """Of the weights."""

    path: Path = Path()
    """Of the card."""

    @property
    def form(self) -> Form:
        """What the network takes."""
        design = self.card.design
        if isinstance(design, SegmenterDesign):
            return forms.segmenter(design.frames)
        if isinstance(design, Denoising):
            return forms.DENOISER
        return forms.FRAMES if isinstance(design, Design) and design.dynamic else forms.UNROLLED


def names() -> list[str]:
    """The models that come with the project, and those of the site (SCANSIDE_MODELS)."""
    return sorted({path.stem for folder in (*places.site(), FOLDER) for path in folder.glob("*.yml")})


def find(name: str) -> Path:
    """The card of a model by its name, or the card's own path (``.yml``). Raises ModelError."""
    if name.endswith(".yml"):
        return Path(name)
    if name not in names():
        raise ModelError(f"model {name!r} is unknown; there are {', '.join(names()) or 'none'}")
    return next(path for folder in (*places.site(), FOLDER) if (path := folder / f"{name}.yml").exists())


def load(name: str) -> Model:
    """A model by name or card. Raises ModelError: unknown, or weights other than the card's."""
    path = find(name)
    card = cards.read(path)
    file = path.parent / card.weights.file
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ModelError(f"model {card.name}: weights {file.name}: {error.strerror}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != card.weights.sha256:
        raise ModelError(
            f"model {card.name}: weights {file.name} have SHA-256 {found[:16]}..., "
            f"expected {card.weights.sha256[:16]}..."
        )
    return Model(card=card, network=_network(card, content), sha256=found, path=path)


def _network(card: Card, content: bytes) -> nn.Module:
    if isinstance(card.design, Foreign):
        return Absent()
    from safetensors import SafetensorError
    from safetensors.torch import load as parse

    network = empty(card.design)
    try:
        state = {name: weight.float() for name, weight in parse(content).items()}
        network.load_state_dict(state)
    except (SafetensorError, RuntimeError) as error:
        raise ModelError(f"model {card.name}: its weights do not fit its design: {error}") from error
    return network.eval().requires_grad_(requires_grad=False)


def empty(design: SegmenterDesign | Design | Denoising) -> nn.Module:
    """The network of a design, its weights random."""
    if isinstance(design, SegmenterDesign):
        return Segmenter(design)
    return Denoiser(design) if isinstance(design, Denoising) else Unrolled(design)


def packed(network: nn.Module) -> bytes:
    """Weights as files beside cards have them: safetensors, float16."""
    from safetensors.torch import save as bytes_of

    state = {name: weight.detach().half().contiguous() for name, weight in network.state_dict().items()}
    return bytes_of(state)


def save(card: Card, network: nn.Module, folder: Path) -> Card:
    """Write weights (float16) and card; the card returned states their hash."""
    from dataclasses import replace

    folder.mkdir(parents=True, exist_ok=True)
    content = packed(network)
    sha256 = hashlib.sha256(content).hexdigest()
    stated = replace(card, weights=cards.Weights(file=f"{card.name}.safetensors", sha256=sha256))
    (folder / stated.weights.file).write_bytes(content)
    (folder / f"{card.name}.yml").write_text(cards.text(stated))
    return stated


Inputs = forms.Inputs
"""What a network takes."""

example = forms.unrolled
