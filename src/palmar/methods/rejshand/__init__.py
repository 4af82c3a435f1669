"""ReJSHand (2025): a hand's mesh from one crop, in real time.

A mobile backbone; 21 keypoints from its mean; its map, four times finer, is sampled under them; three short stages mix
the joints' tokens and grow them from 21 to 84, 336 and all vertices. Joints are a fixed linear map of the mesh.
"""

from palmar.tasks.method import Method, Network

METHOD = Method(
    name="rejshand",
    title="ReJSHand",
    paper='"ReJSHand: Efficient Real-Time Hand Pose Estimation and Mesh Reconstruction Using Refined Joint and '
    'Skeleton Features", 2025, arXiv 2503.05995',
    task="mesh of one hand from its crop",
    networks=(
        Network(
            name="rejshand",
            about="mesh from a crop in real time: tokens under the keypoints, grown to vertices",
            train="palmar.methods.rejshand.training:Train",
            evaluate="palmar.methods.rejshand.training:Evaluate",
            load="palmar.methods.rejshand.predictor:MeshPredictor.of_run",
            stands_in="mesh",
        ),
    ),
    check="palmar.methods.rejshand.check:Check",
    full={"data": "drawn:40000", "test": "drawn:2000", "steps": 20_000, "batch": 64},
    notes="The authors' code has no licence file, and there are no weights. Nothing of it is part of this package.",
)
