"""The authors' checkpoints (MIT code; trained on data for research only) in this folder's network: the entry "model" of
`model-final.pt`, or its average under "ema"."""

from __future__ import annotations

import re
from pathlib import Path

from palmar.methods.diffpose.model import PAPER_BODY, Config, DiffPose
from palmar.nn.trunks import load_exactly, read_state

UNUSED = (r"\w*betas", r"alphas_\w+", r"sqrt_\w+", r"log_\w+", r"posterior_\w+", r"p2_loss_weight",
          r"condition_emb\.(conf_out\..*|pos_encoder\.centers)", r"denoise_fn\.res_pose\d\.bn\d\..*")  # fmt: skip
"""Tables that are computed here, and layers that the published network has and does not use."""
_NAMES = (
    (r"^denoise_fn\.upscale\.", "denoiser.into."),
    (r"^denoise_fn\.res_pose1\.", "denoiser.blocks.0."),
    (r"^denoise_fn\.res_pose2\.", "denoiser.blocks.1."),
    (r"^denoise_fn\.pose\.", "denoiser.out."),
    (r"\.l1\.", ".first."),
    (r"\.l2\.", ".second."),
    (r"^condition_emb\.pos_proj\.", "condition.project."),
    (r"^condition_emb\.joint_embedding\.weight$", "condition.joint"),
    (r"^condition_emb\.transformer\.", "condition.transformer."),
    (r"^condition_emb\.pos_out\.", "condition.out."),
)


def own_key(theirs: str) -> str | None:
    """Our name of a parameter of theirs; None for what is not used."""
    if any(re.fullmatch(pattern, theirs) for pattern in UNUSED):
        return None
    for pattern, ours in _NAMES:
        theirs = re.sub(pattern, ours, theirs)
    return theirs


def load_official(file: Path, config: Config = PAPER_BODY, *, average: bool = False) -> DiffPose:
    """The network of a checkpoint, in eval mode. average: the moving average; the published evaluation takes the last
    weights. Its poses are of 16 joints about their own mean, y up and z towards the viewer.

    Raises PalmarError for a file that is none, and for keys that are missing or unknown.
    """
    state = read_state(file, "ema" if average else "model", needed=True)
    if average:
        state = {k.removeprefix("ema_model."): v for k, v in state.items() if k.startswith("ema_model.")}
    ours = {name: value for key, value in state.items() if (name := own_key(key)) is not None}
    network = DiffPose(config)
    load_exactly(network, ours, str(file))
    return network.eval()
