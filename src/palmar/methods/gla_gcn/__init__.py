"""GLA-GCN (ICCV 2023): 2D tracks to 3D poses, by graphs that adapt and a readout at each joint.

Every frame's joints gather along fixed, learned and the window's own edges; strides of three shrink time from the
whole window to its middle frame; then each joint's pose is read off its own node by a layer of its own. A plain
temporal convolution and a perceptron on single frames are its baselines. For hands of 21 joints and bodies of 17.
"""

from palmar.tasks.method import Method, Network

METHOD = Method(
    name="gla_gcn",
    title="GLA-GCN",
    paper="Bruce X.B. Yu, Zhi Zhang, Yongxu Liu, Sheng-hua Zhong, Yan Liu, Chang Wen Chen, "
    '"GLA-GCN: Global-local Adaptive Graph Convolutional Network for 3D Human Pose Estimation from Monocular Video", '
    "ICCV 2023",
    task="lifting: 3D poses from tracks of 2D points",
    networks=(
        Network(
            name="gla-gcn",
            about="the 3D pose of a window's middle frame, from 27 to 243 frames of 2D points",
            train="palmar.methods.gla_gcn.training:Train",
            evaluate="palmar.methods.gla_gcn.training:Evaluate",
            load="palmar.methods.gla_gcn.predictor:Lifter.of_run",
        ),
    ),
    check="palmar.methods.gla_gcn.check:Check",
    full={"data": "drawn:4000", "test": "drawn:400", "steps": 20_000, "batch": 256},
    notes="The authors' code and weights have no licence of their own; Human3.6M, HumanEva and MPI-INF-3DHP are for "
    "research only. Nothing of them is part of this package; `convert.py` reads the checkpoints' layout for those who "
    "may use them.",
)
