"""DiffPose (ICCV 2023): many 3D poses from the heat maps of a hand's joints, by diffusion.

Samples drawn from each joint's heat map keep what is ambiguous in it; a small transformer makes them a condition; 25
steps of denoising make a pose that fits. Drawn again, another. A pose regressed from the maps' peaks is the baseline.
"""

from palmar.tasks.method import Method, Network

METHOD = Method(
    name="diffpose",
    title="DiffPose",
    paper="Karl Holmquist, Bastian Wandt, "
    '"DiffPose: Multi-hypothesis Human Pose Estimation using Diffusion Models", ICCV 2023',
    task="many hypotheses of a 3D pose, from heat maps",
    networks=(
        Network(
            name="diffpose",
            about="3D poses of a hand from its joints' heat maps, as many as asked for",
            train="palmar.methods.diffpose.training:Train",
            evaluate="palmar.methods.diffpose.training:Evaluate",
            load="palmar.methods.diffpose.predictor:Hypothesiser.of_run",
        ),
    ),
    check="palmar.methods.diffpose.check:Check",
    full={"hands": 20_000, "test": 1000, "steps": 200_000},
    notes="The authors' code is MIT; their weights were trained on Human3.6M, which is for research only. Nothing of "
    "them is part of this package; `convert.py` reads the checkpoints' layout for those who may use them.",
)
