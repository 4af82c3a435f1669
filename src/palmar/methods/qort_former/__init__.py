"""QORT-Former (AAAI 2025): two hands and the object they hold from one first-person picture, in real time.

A transformer that asks few, well-chosen questions: 100 queries stand on cells where three separate heads see a left
hand, a right hand or an object; an estimate of where the hands' skin touches the object is added to them; and a single
decoder layer updates first the picture by the queries, then looks up the picture around a first guess of the joints,
then updates the queries. A recogniser of actions reads the sequence of meshes and contacts.
"""

from palmar.tasks.method import Method, Network

METHOD = Method(
    name="qort_former",
    title="QORT-Former",
    paper="Elkhan Ismayilzada, MD Khalequzzaman Chowdhury Sayem, Yihalem Yimolal Tiruneh, Mubarrat Tajoar Chowdhury, "
    "Muhammadjon Boboev, Seungryul Baek, "
    '"QORT-Former: Query-optimized Real-time Transformer for Understanding Two Hands Manipulating Objects", AAAI 2025',
    task="3D pose of two hands and an object, first person; action recognition",
    networks=(
        Network(
            name="qort-former",
            about="two hands, the object's box and class, contact, from one picture",
            train="palmar.methods.qort_former.training:TrainPose",
            evaluate="palmar.methods.qort_former.training:EvaluatePose",
            load="palmar.methods.qort_former.predictor:QortPredictor.of_run",
        ),
        Network(
            name="qort-action",
            about="the action of a clip, from meshes with contact values",
            train="palmar.methods.qort_former.training:TrainAction",
            evaluate="palmar.methods.qort_former.training:EvaluateAction",
            load="palmar.methods.qort_former.predictor:ActionPredictor.of_run",
        ),
    ),
    check="palmar.methods.qort_former.check:Check",
    full={"size": "small", "frames": 100_000, "held_out": 2000, "steps": 20_000},
    notes="The authors' release is inference code for H2O without a licence file, and one checkpoint whose licence is "
    "not stated; it was trained on data for research only and with contact labels of a body model for research only. "
    "Nothing of it is part of this package; `convert.py` reads the layout for those who may use it.",
)
