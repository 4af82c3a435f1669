"""emg2pose (NeurIPS 2024): the angles of a hand's joints from the muscles' electricity at its wrist, without a camera.

A convolutional network that sees only the past reads 0.9 s of 16 electrodes into 25 features a second; a small decoder
makes each pose, 50 a second, from a feature and the pose before it. vemg2pose says how the pose changes (from a known
first pose, or after it has found one); the position variant says the pose itself. NeuroPose and SensingDynamics, which
have no state, are its baselines. Both hands share one network, and one generic hand.
"""

from palmar.tasks.method import Method, Network

_JOBS = "palmar.methods.emg2pose.training"

METHOD = Method(
    name="emg2pose",
    title="emg2pose",
    paper="Sasha Salter, Richard Warren, Collin Schlager, Adrian Spurr, Shangchen Han, Rohin Bhasin, Yujun Cai, Peter "
    "Walkington, Anuoluwapo Bolarinwa, Robert Wang, Nathan Danielson, Josh Merel, Eftychios Pnevmatikakis, Jesse "
    'Marshall, "emg2pose: A Large and Diverse Benchmark for Surface Electromyographic Hand Pose Estimation", NeurIPS '
    "Datasets and Benchmarks 2024",
    task="joint angles of the hand from surface EMG at the wrist",
    networks=(
        Network(
            name="vemg2pose",
            about="LSTM that says how the pose changes; regression, tracking, or both",
            train=f"{_JOBS}:TrainVelocity",
            evaluate=f"{_JOBS}:Evaluate",
            load=f"{_JOBS}:load_model",
        ),
        Network(
            name="emg2pose",
            about="the position variant: the pose itself from feature and pose before",
            train=f"{_JOBS}:TrainPosition",
            evaluate=f"{_JOBS}:Evaluate",
            load=f"{_JOBS}:load_model",
        ),
        Network(
            name="neuropose",
            about="baseline: the window as a picture, coder and decoder",
            train=f"{_JOBS}:TrainNeuroPose",
            evaluate=f"{_JOBS}:Evaluate",
            load=f"{_JOBS}:load_model",
        ),
        Network(
            name="sensingdynamics",
            about="baseline: each pose from the last 84 ms alone",
            train=f"{_JOBS}:TrainSensingDynamics",
            evaluate=f"{_JOBS}:Evaluate",
            load=f"{_JOBS}:load_model",
        ),
    ),
    check="palmar.methods.emg2pose.check:Check",
    full={"users": 60, "held_out": 15, "seconds": 60.0, "steps": 20_000, "batch": 64},
    notes="The authors' code, data, hand model and weights are CC BY-NC(-SA) 4.0. Nothing of them is part of this "
    "package, and the hand is palmar's own; `convert.py` reads their checkpoints' layout for those who may use them.",
)
