"""EffHandEgoNet (2024): both hands in 2D from a first-person picture, and the action from them and the object's box.

A trunk of stride 32 reads the whole picture; two branches of transposed convolutions draw heat maps of the left and
the right hand, two linear layers say which hands are there. A transformer of 30 thousand weights reads 20 frames of
hands, box and label of the object.
"""

from palmar.tasks.method import Method, Network

METHOD = Method(
    name="effhandegonet",
    title="EffHandEgoNet",
    paper="Wiktor Mucha, Martin Kampel, "
    '"In My Perspective, In My Hands: Accurate Egocentric 2D Hand Pose and Action Recognition", 2024',
    task="2D pose of two hands, first person; action recognition",
    networks=(
        Network(
            name="effhandegonet",
            about="both hands' 21 keypoints and presence, from a whole first-person picture",
            train="palmar.methods.effhandegonet.pose_training:TrainEffHandEgoNet",
            evaluate="palmar.methods.effhandegonet.pose_training:EvalEffHandEgoNet",
            load="palmar.methods.effhandegonet.predictor:ego",
        ),
        Network(
            name="effhandnet",
            about="21 keypoints of one hand in its crop",
            train="palmar.methods.effhandegonet.crop_training:TrainEffHandNet",
            evaluate="palmar.methods.effhandegonet.crop_training:EvalEffHandNet",
            load="palmar.methods.effhandegonet.predictor:CropPredictor.of_run",
            stands_in="landmarker",
        ),
        Network(
            name="action-transformer",
            about="the action of a clip, from 20 frames of hands, the object's box and label",
            train="palmar.methods.effhandegonet.action_training:TrainActionTransformer",
            evaluate="palmar.methods.effhandegonet.action_training:EvaluateActionTransformer",
            load="palmar.methods.effhandegonet.onnx:ActionReader.of_run",
        ),
    ),
    check="palmar.methods.effhandegonet.action_check:CheckActions",
    full={"steps": 10_000},
    weights="shipped: effhandegonet.onnx (begun from the hand detector), action.onnx; trained on the synthetic world",
    notes="The authors' code has no licence file and the licence of their weights is not stated; they were trained on "
    "data for research only. Nothing of them is part of this package; released checkpoints of the transformer load "
    "(`action.from_official`) for those who may use them.",
)
