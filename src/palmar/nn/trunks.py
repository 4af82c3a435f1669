"""Feature extractors of stride 32 by name: five of torchvision's, and the body of palmar's own hand detector.

    trunk = make_trunk("efficientnet_v2_s")                  # random weights
    trunk(images).shape                                      # uint8 [b, H, W, 3] -> [b, 1280, H / 32, W / 32]

Height and width of pictures are multiples of 32. torchvision's ImageNet weights are used where the user gives the file;
nothing is fetched. "palmar" is small, and the weights that it can begin from have seen hands
(`palmar.train.start.begun_trunk`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from palmar.errors import PalmarError, need, one_of
from palmar.nn.blocks import Backbone
from palmar.nn.detector import DetectorConfig

STRIDE = 32
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of the channels, 0 to 1, that torchvision's weights expect."""
CENTRED = ((128 / 255,) * 3, (64 / 255,) * 3)
"""Those of `palmar.nn.blocks.planes_from_image`."""

Name = Literal[
    "efficientnet_v2_s", "resnet50", "convnext_tiny", "mobilenet_v3_large", "mobilenet_v3_small", "swin_v2_t", "palmar"
]


@dataclass(frozen=True)
class Kind:
    channels: int
    """Of the map it gives."""
    body: Callable[[Any], nn.Module]
    """The part of torchvision's classifier that gives the map."""


def _features(net: Any) -> nn.Module:
    return net.features


def _resnet(net: Any) -> nn.Module:
    """Without pooling and classifier; the layers keep torchvision's names."""
    body = nn.Sequential()
    for name, layer in net.named_children():
        if name not in ("avgpool", "fc"):
            body.add_module(name, layer)
    return body


class _Swin(nn.Module):
    """Channels last inside, first outside."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.features, self.norm = net.features, net.norm

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c _ _"]:
        return self.norm(self.features(x)).permute(0, 3, 1, 2)


KINDS: Mapping[str, Kind] = {
    "efficientnet_v2_s": Kind(1280, _features),
    "resnet50": Kind(2048, _resnet),
    "convnext_tiny": Kind(768, _features),
    "mobilenet_v3_large": Kind(960, _features),
    "mobilenet_v3_small": Kind(576, _features),
    "swin_v2_t": Kind(768, _Swin),
}
"""torchvision's."""
TRUNKS: tuple[str, ...] = (*KINDS, "palmar")


class Trunk(nn.Module):
    """uint8 RGB pictures -> the map of stride 32. `planes` and `body` are its two steps."""

    mean: Tensor
    scale: Tensor

    def __init__(
        self, name: str, body: nn.Module, channels: int, statistics: tuple[tuple[float, ...], tuple[float, ...]]
    ) -> None:
        """statistics: mean and standard deviation of the channels, 0 to 1; of no influence on the state dict."""
        super().__init__()
        self.name, self.channels = name, channels
        self.body = body
        self.register_buffer("mean", 255 * torch.tensor(statistics[0]).view(3, 1, 1), persistent=False)
        self.register_buffer("scale", 1 / (255 * torch.tensor(statistics[1]).view(3, 1, 1)), persistent=False)

    def planes(self, image: UInt8[Tensor, "b H W 3"]) -> Float[Tensor, "b 3 H W"]:
        """The picture as the body sees it."""
        return (image.permute(0, 3, 1, 2).float() - self.mean) * self.scale

    def forward(self, image: UInt8[Tensor, "b H W 3"]) -> Float[Tensor, "b c h w"]:
        return self.body(self.planes(image))


class _Last(nn.Module):
    """The coarsest map of our own backbone."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c _ _"]:
        return self.backbone(x)[-1]


def make_trunk(
    name: str,
    *,
    weights: Path | None = None,
    statistics: tuple[tuple[float, ...], tuple[float, ...]] | None = None,
) -> Trunk:
    """The trunk of this name, random or with a file of torchvision's ImageNet weights.

    weights: the state dict of the whole classifier, as torchvision publishes it; read with weights_only. statistics:
    mean and standard deviation of the channels where pictures are to be normalised otherwise.
    Raises PalmarError for an unknown name and for a file of another network.
    """
    one_of("trunk", name, TRUNKS)
    if name == "palmar":
        if weights is not None:
            raise PalmarError('trunk "palmar" has no ImageNet weights; begin it from a hand detector instead.')
        config = DetectorConfig()
        backbone = Backbone(config.stem, config.widths, config.blocks)
        return Trunk(name, _Last(backbone), config.widths[-1], statistics or CENTRED)
    kind = KINDS[name]
    net = getattr(_models(), name)(weights=None)
    if weights is not None:
        load_exactly(net, read_state(weights), str(weights))
    return Trunk(name, kind.body(net), kind.channels, statistics or IMAGENET)


def read_state(file: Path, entry: str = "state_dict", *, needed: bool = False) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name: a state dict, or one under the key `entry` beside other things, as PyTorch
    Lightning writes it. Nothing in the file is run (weights_only). needed: there must be that key.

    Raises PalmarError where it cannot be read or holds something else.
    """
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as err:
        raise PalmarError(f"{file}: cannot be read ({err.strerror or err}).") from err
    except Exception as err:  # pickle, zip and PyTorch raise classes of their own
        raise PalmarError(
            f"{file}: not a checkpoint of tensors and plain values alone ({str(err).splitlines()[0][:200]}); it is not "
            'opened. Where you trust it, write its "state_dict" to a new file with torch.save.'
        ) from err
    if isinstance(state, dict) and isinstance(state.get(entry), dict):
        state = state[entry]
    elif needed:
        raise PalmarError(f'{file}: holds no "{entry}" of tensors.')
    if not isinstance(state, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
        raise PalmarError(f"{file}: not a state dict; expected names and tensors and nothing else.")
    return dict(state)


def load_exactly(net: nn.Module, state: Mapping[str, Tensor], what: str, *, assign: bool = False) -> None:
    """Into `net`, in place. assign: the tensors become the parameters, of a net that was built on the meta device.
    Raises PalmarError that names keys which one side lacks and shapes that differ."""
    own = net.state_dict()
    missing, unknown = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    other = [
        f"{key} {tuple(state[key].shape)} there, {tuple(own[key].shape)} here"
        for key in own.keys() & state.keys()
        if state[key].shape != own[key].shape
    ]
    told = [
        f"{word} {', '.join(keys[:5])}" + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")
        for word, keys in (("lacks", missing), ("has unknown", unknown), ("differs in", sorted(other)))
        if keys
    ]
    if told:
        raise PalmarError(f"{what}: not the weights of this {type(net).__name__}: it {'; it '.join(told)}.")
    net.load_state_dict(dict(state), assign=assign)


def _models() -> ModuleType:
    """torchvision.models."""
    try:
        return need("torchvision.models", extra="torch")
    except RuntimeError as err:
        if "operator torchvision::nms does not exist" not in str(err):
            raise
    return _models_without_operators()


OPERATORS = ("nms", "qnms", "roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "deform_conv2d")
_named: list[torch.library.Library] = []  # a library's operators live as long as it does


def _models_without_operators() -> ModuleType:
    """torchvision.models where torchvision's compiled operators did not load.

    Its wheels are built against one build of PyTorch. Beside another (a CPU wheel of the same version, say) the
    operators' library is silently left out, and then the import fails where Python gives those operators their meta
    kernels. The trunks use none of them: it is enough that the names exist.
    """
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    if not _named:
        library = torch.library.Library("torchvision", "DEF")
        backward = [f"_{name}_backward" for name in OPERATORS if name not in ("nms", "qnms")]
        for name in (*OPERATORS, *backward):
            library.define(f"{name}() -> ()")
        _named.append(library)
    return need("torchvision.models", extra="torch")
