"""The losses. None of them is published: they follow the criterion of FastInst (He et al., CVPR 2023), whose proposals
these are, with keypoints in place of masks.

Entities of a picture: the left hand, the right hand, the object; each with a class, 21 points, and the cells at 1/16
that it covers. Each is given one query by the Hungarian method, and one cell of its own head's map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from palmar.methods.qort_former.model import Config, Found, Heads

Batch = Mapping[str, Tensor]


def hungarian(cost: Float[np.ndarray, "b e q"], there: Bool[np.ndarray, "b e"]) -> Int[np.ndarray, "b e"]:
    """The query of every entity, each another, of least cost together; -1 for entities that are not there."""
    out = np.full(there.shape, -1)
    for i in range(len(cost)):
        rows, columns = linear_sum_assignment(cost[i][there[i]])
        out[i, np.flatnonzero(there[i])[rows]] = columns
    return out


def focal(logits: Float[Tensor, "*b"], truth: Float[Tensor, "*b"], alpha: float = 0.25) -> Float[Tensor, "*b"]:
    """Sigmoid focal loss with gamma 2. Lin et al., ICCV 2017, eq. 5."""
    p = logits.sigmoid()
    right = p * truth + (1 - p) * (1 - truth)
    plain = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return (alpha * truth + (1 - alpha) * (1 - truth)) * (1 - right).square() * plain


@dataclass(frozen=True)
class QortLoss:
    """Weighted sum; a callable (found, batch, progress) -> terms, the sum under "loss"."""

    config: Config
    match_class: float = 2.0
    match_points: float = 5.0
    match_place: float = 1000.0
    """A query that stands in the entity's region goes before all that do not."""
    classes: float = 10.0
    """A focal loss is some five times smaller than the cross-entropy that has the weight 2 in FastInst."""
    points: float = 5.0
    """Of 3D points, of the 2D branch and of the object's points, each: L1, summed over axes, mean over points."""
    proposals: float = 5.0
    none: float = 0.1
    """Weight of cells without an entity in the cross-entropy of proposals. In FastInst it is 1, and the whole weighs
    20; with it, the cells of entities count for more."""
    contact: float = 1.0
    contact_kind: Literal["cross-entropy", "l1"] = "cross-entropy"
    """l1: the map is compared as it leaves the network; cross-entropy: as logits."""

    def __call__(self, found: Found, batch: Batch, progress: float) -> dict[str, Tensor]:
        rounds = [self._of_heads(heads, found.locations, batch) for heads in (*found.before, found.heads)]
        terms = {name: torch.stack([r[name] for r in rounds]).sum() for name in rounds[0]}
        if found.proposals:
            terms["proposals"] = self._of_proposals(found.proposals, batch)
        if self.config.contact:
            terms["contact"] = self._of_contact(found.contact, batch)
        weight = {"hands3d": self.points, "hands2d": self.points, "object": self.points}
        terms["loss"] = torch.stack([weight.get(n, getattr(self, n, 0.0)) * x for n, x in terms.items()]).sum()
        with torch.no_grad():
            terms["last_hands3d"] = rounds[-1]["hands3d"]
        return terms

    # ------------------------------------------------------------------------------------------------------- queries

    def entities(self, batch: Batch) -> tuple[Bool[Tensor, "b e"], Int[Tensor, "b e"]]:
        """Which entities there are, and their classes."""
        hands = batch["hands_known"].sum(-1) > 0
        n = self.config.objects
        label = batch["label"]
        sides = torch.arange(n + 1, n + 1 + hands.shape[1], device=label.device).expand_as(hands)
        return torch.cat([hands, (label > 0)[:, None]], 1), torch.cat([sides, label[:, None]], 1)

    @torch.no_grad()
    def match(self, heads: Heads, locations: Float[Tensor, "b q 2"], batch: Batch) -> Int[Tensor, "b e"]:
        """Query of each entity, -1 for those that are not there. One transfer to the host."""
        there, classes = self.entities(batch)
        p = heads.classes.sigmoid()
        of_class = -p.gather(2, classes[:, None].expand(-1, p.shape[1], -1)).transpose(1, 2)  # b e q
        hands = _l1(heads.hands3d, batch["hands"][:, :, None], batch["hands_known"][:, :, None])
        thing = _l1(heads.object[:, None], batch["object"][:, None, None], batch["object_known"][:, None, None])
        cost = self.match_class * of_class + self.match_points * torch.cat([hands, thing], 1)
        if self.config.division:
            cost = cost - self.match_place * in_region(batch["regions"], locations).float()
        cost = torch.nan_to_num(cost, nan=1e6, posinf=1e6, neginf=-1e6)
        chosen = hungarian(cost.double().cpu().numpy(), there.cpu().numpy())
        return torch.from_numpy(chosen).to(heads.classes.device)

    def _of_heads(self, heads: Heads, locations: Tensor, batch: Batch) -> dict[str, Tensor]:
        chosen = self.match(heads, locations, batch)
        there, classes = chosen >= 0, self.entities(batch)[1]
        many = there.sum().clamp_min(1)
        b, e = chosen.shape
        at, row = torch.arange(b, device=chosen.device), chosen.clamp_min(0)
        truth = torch.zeros_like(heads.classes)
        where = there.nonzero(as_tuple=True)
        truth[where[0], chosen[where], classes[where]] = 1
        s = e - 1
        hands3d = torch.stack([heads.hands3d[at, i, row[:, i]] for i in range(s)], 1)
        hands2d = torch.stack([heads.hands2d[at, i, row[:, i]] for i in range(s)], 1)
        known = batch["hands_known"] & there[:, :s, None]
        thing = heads.object[at, row[:, -1]]
        return {
            "classes": focal(heads.classes, truth).sum() / many,
            "hands3d": _mean(_l1(hands3d, batch["hands"], known), known.any(-1)),
            "hands2d": _mean(_l1(hands2d, batch["hands"][..., :2], known), known.any(-1)),
            "object": _mean(
                _l1(thing, batch["object"], batch["object_known"]), there[:, -1] & batch["object_known"].any(-1)
            ),
        }

    # ------------------------------------------------------------------------------------------- proposals and contact

    def _of_proposals(self, logits: list[Tensor], batch: Batch) -> Tensor:
        """Each head's entity is matched to the cell of its region where it is most probable; all other cells are
        "none"."""
        there, _ = self.entities(batch)
        total = logits[0].new_zeros(())
        for head, one in enumerate(logits):
            flat = one.flatten(2)  # b k n
            b, k, _ = flat.shape
            thing = head == len(logits) - 1
            channel = batch["label"] if thing else torch.zeros(b, dtype=torch.long, device=flat.device)
            inside = batch["regions"][:, head].flatten(1)
            with torch.no_grad():
                p = flat.softmax(1)[torch.arange(b, device=flat.device), channel]
                cell = (1000 * inside + 2 * p).argmax(1)
                truth = torch.full_like(flat[:, 0], k - 1, dtype=torch.long)
                some = there[:, head] & inside.any(1)
                truth[some.nonzero()[:, 0], cell[some]] = channel[some]
            weight = torch.ones(k, device=flat.device)
            weight[-1] = self.none
            total = total + F.cross_entropy(flat, truth, weight)
        return total / len(logits)

    def _of_contact(self, found: Float[Tensor, "b s v"], batch: Batch) -> Tensor:
        truth, known = batch["contact"], batch["contact_known"][..., None].expand_as(found)
        if self.contact_kind == "l1":
            each = (found - truth).abs()
        else:
            each = F.binary_cross_entropy_with_logits(found, truth, reduction="none")
        return _mean(each, known)


def in_region(regions: Bool[Tensor, "b e h w"], locations: Float[Tensor, "b q 2"]) -> Bool[Tensor, "b e q"]:
    """Whether a query stands on a cell that the entity covers."""
    h, w = regions.shape[-2:]
    column = (locations[..., 0] * (w - 1)).round().long()
    row = (locations[..., 1] * (h - 1)).round().long()
    cells = (row * w + column)[:, None].expand(-1, regions.shape[1], -1)
    return regions.flatten(2).gather(2, cells)


def _l1(found: Float[Tensor, "*#b 21 d"], truth: Float[Tensor, "*#b 21 d"], known: Bool[Tensor, "*#b 21"]) -> Tensor:
    """Summed over axes, mean over known points; 0 where none is."""
    each = (found - truth).abs().sum(-1) * known
    return each.sum(-1) / known.sum(-1).clamp_min(1)


def _mean(values: Tensor, known: Tensor) -> Tensor:
    return (values * known).sum() / known.sum().clamp_min(1)
