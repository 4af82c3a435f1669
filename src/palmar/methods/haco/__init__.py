"""HACO (NeurIPS 2025): which of a hand's vertices touch something, from one crop, learned in spite of imbalance.

A backbone and a decoder of one query say 778 (here 1,690) probabilities. Most vertices touch seldom and fingertips
often: pictures are sampled so that rare contact is seen as often as common, and the two classes of every vertex are
weighed by how often that vertex has them.
"""

from palmar.tasks.method import Method, Network

METHOD = Method(
    name="haco",
    title="HACO",
    paper='"Learning Dense Hand Contact Estimation from Imbalanced Data", NeurIPS 2025, arXiv 2505.11152',
    task="dense contact of a hand from its crop",
    networks=(
        Network(
            name="haco",
            about="the probability that each vertex of the hand touches something, from its crop",
            train="palmar.methods.haco.training:Train",
            evaluate="palmar.methods.haco.training:Evaluate",
            load="palmar.methods.haco.predictor:ContactPredictor.of_run",
        ),
    ),
    check="palmar.methods.haco.check:Check",
    full={"steps": 10_000, "batch": 64},
    notes="The authors' code is CC BY-NC 4.0, their weights presumably too; they say MANO's hand and began from "
    "HaMeR's weights. Nothing of them is part of this package; `convert.py` reads the layout for those who may use it.",
)
