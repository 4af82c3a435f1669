"""H2O (ICCV 2021): two hands and an object from one first-person picture, and the action from their paths.

A single-shot network says for every cell of a grid over picture and depth where both hands and the object's box are if
their roots lie in it, and how sure it is. A graph network over the 51 points of hands and box recognises the action; to
the fixed edges within and between hands and object it adds learned ones, some the same for all clips and some read off
each clip.
"""

from palmar.tasks.method import Method, Network

METHOD = Method(
    name="h2o",
    title="H2O pose network and TA-GCN",
    paper="Taein Kwon, Bugra Tekin, Jan Stuehmer, Federica Bogo, Marc Pollefeys, "
    '"H2O: Two Hands Manipulating Objects for First Person Interaction Recognition", ICCV 2021',
    task="3D pose of two hands and an object, first person; action recognition",
    networks=(
        Network(
            name="h2o",
            about="two hands, the object's box and class, from one picture",
            train="palmar.methods.h2o.training:TrainPose",
            evaluate="palmar.methods.h2o.training:EvaluatePose",
            load="palmar.methods.h2o.predictor:PosePredictor.of_run",
        ),
        Network(
            name="ta-gcn",
            about="the action of a clip, from 3D points of hands and object",
            train="palmar.methods.h2o.action_training:TrainAction",
            evaluate="palmar.methods.h2o.action_training:EvaluateAction",
            load="palmar.methods.h2o.predictor:ActionPredictor.of_run",
        ),
    ),
    check="palmar.methods.h2o.check:Check",
    full={"steps": 6000},
    notes="No code or weights of the two networks were published. The data set is for research only; its reader and "
    "writer are palmar.data.h2o.",
)
