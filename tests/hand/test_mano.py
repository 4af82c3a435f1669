"""MANO-shaped files against the golden sums of sheet 00, a plain re-computation, and everything a bad file can be."""

import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from palmar.errors import PalmarError
from palmar.hand import HandModel, convert, mirror_points, mirror_rotvecs
from palmar.hand.joints import MANO_PARENTS
from palmar.hand.mano import TIP_SETS, moved_root, read_mano

THETA = 0.3 * np.random.RandomState(1).standard_normal(48)
BETA = np.random.RandomState(2).standard_normal(10)
TRANS = np.array([0.1, -0.2, 0.5])
TURN, SHIFT = Rotation.from_rotvec([0.3, -0.2, 0.5]).as_matrix(), np.array([0.01, 0.02, 0.03])


@pytest.fixture(scope="module")
def flat(mano_file) -> HandModel:
    return HandModel.from_mano(mano_file, side=1)


@pytest.fixture(scope="module")
def mean(mano_file) -> HandModel:
    return HandModel.from_mano(mano_file, side=1, rest="mean")


def rotations(model: HandModel, case: str) -> np.ndarray:
    if case == "pose":
        return model.rotations_from_pose(THETA)
    n = int(case)
    return model.rotations_from_components(THETA[:3], THETA[3 : 3 + n])


def plain(a: dict, theta48: np.ndarray, beta: np.ndarray, trans: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and 16 joints as the formulas say, 4 x 4 matrices, bone after bone; another library's rotations."""
    shaped = a["v_template"] + sum(beta[k] * a["shapedirs"][:, :, k] for k in range(10))
    joints = a["J_regressor"] @ shaped
    turns = Rotation.from_rotvec(theta48.reshape(16, 3)).as_matrix()
    feature = np.concatenate([(turns[j] - np.eye(3)).ravel() for j in range(1, 16)])
    bent = shaped + np.einsum("vck,k->vc", a["posedirs"], feature)
    chain: list[np.ndarray] = []
    for j, parent in enumerate(MANO_PARENTS):
        step = np.eye(4)
        step[:3, :3], step[:3, 3] = turns[j], joints[j] - (joints[parent] if parent >= 0 else 0)
        chain.append(step if parent < 0 else chain[parent] @ step)
    out = np.zeros_like(bent)
    for j in range(16):
        moved = chain[j].copy()
        moved[:3, 3] -= moved[:3, :3] @ joints[j]
        out += a["weights"][:, j, None] * (bent @ moved[:3, :3].T + moved[:3, 3])
    return out + trans, np.array([step[:3, 3] for step in chain]) + trans


GOLDEN = [
    ("flat", "pose", 318.365127, 597.208657, 159.029758, (0.183378, -0.214660, 0.556055),
     (0.096839, -0.133371, 0.481540), (0.102799, -0.171373, 0.482839), (0.100389, -0.203420, 0.469065), 6.498535),
    ("mean", "pose", 329.564448, 605.453970, 164.422282, (0.181100, -0.221292, 0.552312),
     (0.112140, -0.138594, 0.486455), (0.119554, -0.160341, 0.481807), (0.104272, -0.206739, 0.488463), 6.679537),
    ("mean", "6", 327.138282, 600.981801, 163.377841, (0.176883, -0.220463, 0.557899),
     (0.122459, -0.137195, 0.470504), (0.116152, -0.152271, 0.468599), (0.124722, -0.202282, 0.488715), 6.601385),
    ("mean", "45", 322.609607, 593.205328, 161.301734, (0.129432, -0.216996, 0.576218),
     (0.147587, -0.143416, 0.471568), (0.121995, -0.158595, 0.455121), (0.095779, -0.178124, 0.487704), 6.453763),
]  # fmt: skip
"""Sheet 00: sum V, sum |V|, sum V idx / 2334, V[0], V[777], J16[3], J16[15], sum J16."""


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: f"{row[0]}-{row[1]}")
def test_golden_vectors(row, flat, mean):
    rest, case, total, size, ramp, first, last, third, end, joints_total = row
    model = {"flat": flat, "mean": mean}[rest]
    posed = model.shaped(BETA).posed(rotations(model, case), TRANS)
    v, j = posed.skin(), posed.bone_origins
    found = [v.sum(), np.abs(v).sum(), (v.ravel() * np.arange(2334)).sum() / 2334, *v[0], *v[777], *j[3], *j[15],
             j.sum()]  # fmt: skip
    np.testing.assert_allclose(found, [total, size, ramp, *first, *last, *third, *end, joints_total], atol=1.1e-6)
    np.testing.assert_allclose(j[0], [0.180616, -0.179396, 0.519182], atol=1e-6)


def test_plain_recomputation(flat, random_mano):
    rng = np.random.default_rng(3)
    theta, beta, trans = rng.normal(0, 0.7, (4, 48)), rng.normal(0, 1.5, (4, 10)), rng.normal(size=(4, 3))
    posed = flat.shaped(beta).posed(flat.rotations_from_pose(theta), trans)
    vertices, joints = posed.skin(), posed.joints()
    for i in range(4):
        v, j = plain(random_mano, theta[i], beta[i], trans[i])
        np.testing.assert_allclose(vertices[i], v, atol=1e-10)
        np.testing.assert_allclose(posed.bone_origins[i], j, atol=1e-10)
        all21 = np.concatenate([j, v[list(TIP_SETS["smplx"])]])
        np.testing.assert_allclose(joints[i], convert(all21, "mano", "palmar"), atol=1e-10)


@pytest.mark.parametrize(("tips", "total"), [("smplx", 8.490090), ("freihand", 8.678053), ("ho3d", 8.688664),
                                         ("manopth", 8.603285)])  # fmt: skip
def test_golden_tip_sets(mano_file, tips, total):
    model = HandModel.from_mano(mano_file, side=1, tips=tips)
    joints = model.shaped(BETA).posed(model.rotations_from_pose(THETA), TRANS).joints()
    assert joints.sum() == pytest.approx(total, abs=1e-6)
    assert tips in model.name


def test_the_two_definitions_of_joints(flat):
    posed = flat.shaped(BETA).posed(flat.rotations_from_pose(THETA), TRANS)
    bones, surface = (convert(posed.joints(source), "palmar", "mano") for source in ("bones", "surface"))
    apart = np.linalg.norm(bones - surface, axis=-1)[:16]
    assert apart.max() == pytest.approx(0.046861, abs=1e-6)
    assert apart.mean() == pytest.approx(0.018229, abs=1e-6)
    np.testing.assert_allclose(bones[16:], surface[16:], atol=1e-12)  # tips are vertices in both


def test_some_rows_of_the_skin(flat):
    posed = flat.shaped(BETA).posed(flat.rotations_from_pose(THETA), TRANS)
    np.testing.assert_allclose(posed.skin([7, 3, 700]), posed.skin()[[7, 3, 700]], atol=1e-13)


def test_zero_is_the_template(flat, random_mano):
    posed = flat.shaped(np.zeros(10)).posed(flat.rotations_from_pose(np.zeros(48)), np.zeros(3))
    np.testing.assert_allclose(posed.skin(), random_mano["v_template"], atol=1e-12)


def test_same_lines_on_torch_with_gradient(mean):
    torch = pytest.importorskip("torch")
    pose, beta = torch.tensor(THETA, requires_grad=True), torch.tensor(BETA, requires_grad=True)
    posed = mean.shaped(beta).posed(mean.rotations_from_pose(pose), torch.tensor(TRANS))
    ours = mean.shaped(BETA).posed(mean.rotations_from_pose(THETA), TRANS)
    np.testing.assert_allclose(posed.skin().detach().numpy(), ours.skin(), atol=1e-12)
    np.testing.assert_allclose(posed.joints().detach().numpy(), ours.joints(), atol=1e-12)
    posed.joints().sum().backward()
    step = np.zeros(48)
    step[20] = 1e-6
    high, low = (
        mean.shaped(BETA).posed(mean.rotations_from_pose(THETA + s * step), TRANS).joints().sum() for s in (1, -1)
    )
    assert pose.grad[20].item() == pytest.approx((high - low) / 2e-6, abs=1e-6)
    assert torch.isfinite(beta.grad).all()
    assert beta.grad.abs().max() > 0


def test_rigid_motion_needs_the_wrist(flat):
    shaped = flat.shaped(BETA)
    turns = flat.rotations_from_pose(THETA)
    root, place = moved_root(shaped.rest_joints[0], turns[0], TRANS, TURN, SHIFT)
    moved = shaped.posed(np.concatenate([root[None], turns[1:]]), place).skin()
    wanted = shaped.posed(turns, TRANS).skin() @ TURN.T + SHIFT
    np.testing.assert_allclose(moved, wanted, atol=1e-12)
    np.testing.assert_allclose(Rotation.from_matrix(root).as_rotvec(), (0.833082, -0.229054, 0.358416), atol=1e-6)
    np.testing.assert_allclose(place, (0.114304, -0.242233, 0.502524), atol=1e-6)
    naive = shaped.posed(np.concatenate([root[None], turns[1:]]), TURN @ TRANS + SHIFT).skin()
    assert np.abs(naive - wanted).max() == pytest.approx(0.025741, abs=1e-6)


@pytest.mark.parametrize("rest", ["flat", "mean"])
@pytest.mark.parametrize("case", ["pose", "45"])
def test_mirror(mano_file, rest, case):
    right = HandModel.from_mano(mano_file, side=1, rest=rest)
    left = right.mirrored()
    posed = right.shaped(BETA).posed(rotations(right, case), TRANS)
    if case == "pose":
        turns = left.rotations_from_pose(mirror_rotvecs(THETA.reshape(16, 3)))
    else:
        turns = left.rotations_from_components(mirror_rotvecs(THETA[:3]), THETA[3:])
    other = left.shaped(BETA).posed(turns, mirror_points(TRANS))
    np.testing.assert_allclose(other.skin(), mirror_points(posed.skin()), atol=1e-12)
    np.testing.assert_allclose(other.joints(), mirror_points(posed.joints()), atol=1e-12)
    again = left.mirrored()
    np.testing.assert_array_equal(again.pose_directions, right.pose_directions)


# The left file's sign -------------------------------------------------------------------------------------------------


def left_arrays(a: dict, *, published: bool) -> dict:
    """The exact mirror image of a right file; as published, with the right hand's sign in the shapes' x."""
    s = np.array([-1.0, 1.0, 1.0])
    out = dict(a)
    out["v_template"] = a["v_template"] * s
    out["shapedirs"] = a["shapedirs"] * (1.0 if published else s[:, None])
    out["posedirs"] = a["posedirs"].copy()
    for c in range(3):
        for k in range(135):
            out["posedirs"][:, c, k] *= s[c] * s[k % 9 // 3] * s[k % 3]
    out["f"] = a["f"][:, ::-1]
    out["hands_mean"] = a["hands_mean"] * np.tile([1, -1, -1], 15)
    out["hands_components"] = a["hands_components"] * np.tile([1, -1, -1], 15)
    return out


@pytest.mark.parametrize("published", [True, False])
def test_left_file_is_mended_only_where_wrong(tmp_path, mano_file, random_mano, mano_writer, published):
    right = HandModel.from_mano(mano_file, side=1, rest="mean")
    path = tmp_path / "MANO_LEFT.pkl"
    mano_writer(path, left_arrays(random_mano, published=published))
    left = HandModel.from_mano(path, side=0, rest="mean", right=mano_file)
    for name in ("template", "shape_directions", "pose_directions", "components", "mean_pose", "faces", "hinge"):
        np.testing.assert_allclose(getattr(left, name), getattr(right.mirrored(), name), atol=1e-12, err_msg=name)
    kept = HandModel.from_mano(path, side=0, left_shape="keep")
    np.testing.assert_array_equal(kept.shape_directions[:, 0] == left.shape_directions[:, 0], not published)
    with pytest.raises(PalmarError, match="right=PATH"):
        HandModel.from_mano(path, side=0)
    shutil.copy(mano_file, tmp_path / "MANO_RIGHT.pkl")
    beside = HandModel.from_mano(path, side=0)
    np.testing.assert_array_equal(beside.shape_directions, left.shape_directions)
    flipped = HandModel.from_mano(path, side=0, left_shape="flip")
    np.testing.assert_array_equal(flipped.shape_directions[:, 0], -kept.shape_directions[:, 0])


# Files ----------------------------------------------------------------------------------------------------------------


def test_the_published_layout(mano_file, random_mano):
    """Python 2's byte strings, chumpy arrays, a selection of columns, a sparse regressor, big-endian, Fortran order."""
    a = read_mano(mano_file)
    for key, value in random_mano.items():
        np.testing.assert_array_equal(a[key], value, err_msg=key)
    assert a["kintree_table"].tolist() == list(MANO_PARENTS)
    assert a["f"].dtype == np.int32


@pytest.mark.parametrize("protocol", range(6))
def test_pickled_again_and_npz(tmp_path, random_mano, protocol):
    whole = random_mano | {"kintree_table": np.array([[-1, *MANO_PARENTS[1:]], range(16)])}
    path = tmp_path / "again.pkl"
    path.write_bytes(pickle.dumps(whole, protocol=protocol))
    np.savez(tmp_path / "again.npz", **whole)
    for file in (path, tmp_path / "again.npz"):
        a = read_mano(file)
        for key, value in random_mano.items():
            np.testing.assert_array_equal(a[key], value, err_msg=key)


def test_needs_no_other_package(mano_file):
    code = (
        "import sys; from palmar.hand import HandModel\n"
        f"HandModel.from_mano({str(mano_file)!r}, side=1)\n"
        "print(sorted({'torch', 'scipy.sparse', 'chumpy', 'smplx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class _Calls:
    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


def array_record(shape, kind="f8", data=b"\0" * 8):
    """What NumPy pickles, with a claim of our own: (reconstruct, arguments, state)."""

    class Claim:
        def __reduce__(self):
            function, arguments, _ = np.zeros(1).__reduce__()
            return function, arguments, (1, shape, np.dtype(kind), False, data)

    return Claim()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "damaged pickle"),
        (b"MANO", "damaged pickle|refused"),
        (pickle.dumps({"f": 1})[:-3], "damaged pickle"),
        (pickle.dumps([1, 2]), "holds a list"),
        (pickle.dumps({"f": 1}), "lacks v_template"),
        (pickle.dumps({"f": _Calls(print, "called")}, protocol=2), "asks for __builtin__.print"),
        (pickle.dumps({"f": _Calls(__import__("os").system, "true")}), "asks for posix.system"),
        (pickle.dumps({"f": np.random.default_rng(0)}), "asks for numpy"),
        (b"\x80\x02}q\x00(U\x01fq\x01cos\nsystem\nU\x04trueR.", "asks for os.system"),
        (b"\x80\x02}r\xff\xff\xff\xff.", "lacks v_template"),
        (b"\x80\x02}\x82\x01.", "EXT1"),
    ],
)
def test_hostile_files(tmp_path, capsys, content, words):
    path = tmp_path / "bad.pkl"
    path.write_bytes(content)
    with pytest.raises(PalmarError, match=words) as err:
        read_mano(path)
    assert str(path) in str(err.value)
    assert "called" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("weights", np.ones((778, 15)), r"weights: expected shape \(778, 16\), got \(778, 15\)"),
        ("v_template", np.zeros(0), "v_template: expected shape"),
        ("posedirs", np.full((778, 3, 135), np.nan), "not finite"),
        ("f", np.full((4, 3), 778), "there are 778 vertices"),
        ("kintree_table", np.zeros((2, 16), int), "parents"),
        ("hands_mean", np.array(["a"] * 45, object), "not of numbers"),
        ("hands_mean", "text", "numbers were expected"),
        ("hands_mean", [[0.0] * 45], "an entry is a list"),
        ("hands_mean", {}, "an entry is a dict"),
        ("hands_mean", array_record((10**9, 10**9)), "claims the shape"),
        ("hands_mean", array_record((45,)), "damaged pickle .*cannot reshape"),
        ("hands_mean", array_record((-1,)), "claims the shape"),
    ],
)
def test_files_that_are_not_a_hand(tmp_path, random_mano, key, value, words):
    whole = random_mano | {"kintree_table": np.array([[-1, *MANO_PARENTS[1:]], range(16)])} | {key: value}
    path = tmp_path / "bad.pkl"
    path.write_bytes(pickle.dumps(whole, protocol=2))
    with pytest.raises(PalmarError, match=words):
        read_mano(path)


def test_arguments(tmp_path, mano_file, flat):
    with pytest.raises(PalmarError, match="no such file"):
        HandModel.from_mano(tmp_path / "MANO_RIGHT.pkl")
    with pytest.raises(PalmarError, match=r"fingertip set 'smpl'.*smplx"):
        HandModel.from_mano(mano_file, tips="smpl")
    with pytest.raises(PalmarError, match="no palm bones"):
        flat.shaped(BETA).posed(flat.rotations_from_pose(THETA), palm=np.tile(np.eye(3), (4, 1, 1)))
    with pytest.raises(PalmarError, match="at most 45"):
        flat.rotations_from_components(np.zeros(3), np.zeros(46))
    with pytest.raises(PalmarError, match="no principal directions"):
        HandModel.default().rotations_from_components(np.zeros(3), np.zeros(6))
    with pytest.raises(PalmarError, match="expected shape"):
        flat.rotations_from_pose(np.zeros(45))
    (tmp_path / "bad.npz").write_bytes(b"PK no")
    with pytest.raises(PalmarError, match="npz"):
        read_mano(tmp_path / "bad.npz")
    np.savez(tmp_path / "object.npz", f=np.array([print], object))
    with pytest.raises(PalmarError, match="npz"):
        read_mano(tmp_path / "object.npz")
