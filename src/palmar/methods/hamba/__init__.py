"""Hamba (NeurIPS 2024): a hand's mesh from one crop, by scanning 22 tokens along the hand's own graph.

A transformer reads the crop; a first hand is guessed from its map; the map is sampled where that hand's joints lie, and
the 21 samples and a mean are scanned there and back along the fingers by selective state spaces. HaMeR's head, one
query that asks all 192 places of the map, is its baseline; checkpoints of HaMeR and WiLoR load.
"""

from palmar.tasks.method import Method, Network

METHOD = Method(
    name="hamba",
    title="Hamba, and HaMeR's head",
    paper="Haoye Dong, Aviral Chharia, Wenbo Gou, Francisco Vicente Carrasco, Fernando De la Torre, "
    '"Hamba: Single-view 3D Hand Reconstruction with Graph-guided Bi-Scanning Mamba", NeurIPS 2024',
    task="mesh of one hand from its crop",
    networks=(
        Network(
            name="hamba",
            about="mesh from a crop: tokens under the joints, scanned along the hand",
            train="palmar.methods.hamba.training:TrainHamba",
            evaluate="palmar.methods.hamba.training:Evaluate",
            load="palmar.methods.hamba.predictor:MeshPredictor.of_run",
            stands_in="mesh",
        ),
        Network(
            name="hamer",
            about="mesh from a crop: one query asks the whole map (Pavlakos et al., CVPR 2024)",
            train="palmar.methods.hamba.training:TrainHamer",
            evaluate="palmar.methods.hamba.training:Evaluate",
            load="palmar.methods.hamba.predictor:MeshPredictor.of_run",
            stands_in="mesh",
        ),
    ),
    check="palmar.methods.hamba.check:Check",
    full={"data": "drawn:40000", "test": "drawn:2000", "steps": 20_000, "batch": 64},
    notes="Hamba's code and weights are CC BY-NC, WiLoR's CC BY-NC-ND; HaMeR's code is MIT, its weights come from data "
    "for research only; all say MANO's hand, whose licence is non-commercial. Nothing of them is part of this package.",
)
