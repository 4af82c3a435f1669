"""MANO-shaped files: the official layout, written by the tests, filled with numbers of their own."""

import io
import pickle
import sys
import types
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from scipy.sparse import csc_matrix
from scipy.spatial import cKDTree

_PARENTS = [4294967295, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14]


class _Python2Pickler(pickle._Pickler):
    """Protocol 2 as Python 2 wrote it: every text and every array's bytes is a byte string, NumPy has its old names."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def __init__(self, file):
        super().__init__(file, protocol=2)

    def save_string(self, value):
        data = value if isinstance(value, bytes) else value.encode("latin1")
        self.write(pickle.BINSTRING + len(data).to_bytes(4, "little") + data)
        self.memoize(value)

    dispatch[bytes] = dispatch[str] = save_string

    def save_global(self, obj, name=None):
        module, name = obj.__module__.replace("numpy._core", "numpy.core"), name or obj.__name__
        module = {"copyreg": "copy_reg", "builtins": "__builtin__"}.get(module, module)
        module = "scipy.sparse.csc" if name == "csc_matrix" else module
        self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        self.memoize(obj)

    dispatch[type] = dispatch[types.FunctionType] = dispatch[types.BuiltinFunctionType] = save_global


def _chumpy(name: str, module: str, **state):
    """An object that a pickle calls chumpy's."""
    thing = type(name, (), {"__module__": module})()
    vars(thing).update(state, _parents=None, _dirty_vars=None, _status="new")
    return thing


def write_mano(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """`arrays` in the published layout: chumpy arrays, one of them a selection, a sparse regressor."""
    wide = np.concatenate([arrays["shapedirs"], np.full((*arrays["shapedirs"].shape[:2], 2), 7.0)], -1)
    kept = np.arange(wide.size).reshape(wide.shape)[..., :10]
    whole = {
        "hands_coeffs": np.zeros((3, 45)),
        "J": arrays["J_regressor"] @ arrays["v_template"],
        "bs_style": "lbs",
        "bs_type": "lrotmin",
        "f": arrays["f"].astype(np.uint32),
        "kintree_table": np.array([_PARENTS, range(16)], np.int64),
        "v_template": _chumpy("Ch", "chumpy.ch", x=arrays["v_template"]),
        "shapedirs": _chumpy(
            "Select",
            "chumpy.reordering",
            a=_chumpy("Ch", "chumpy.ch", x=wide),
            idxs=kept.ravel(),
            preferred_shape=kept.shape,
        ),
        "posedirs": np.asfortranarray(arrays["posedirs"]),
        "J_regressor": csc_matrix(arrays["J_regressor"]),
        "weights": arrays["weights"],
        "hands_components": arrays["hands_components"].astype(">f8"),
        "hands_mean": arrays["hands_mean"],
    }
    out = io.BytesIO()
    _Python2Pickler(out).dump(whole)
    path.write_bytes(out.getvalue())


@pytest.fixture(scope="session")
def mano_writer():
    return write_mano


@pytest.fixture(scope="session")
def random_mano() -> dict[str, np.ndarray]:
    """The random model of sheet 00, number for number (NumPy's legacy stream is frozen)."""
    r, v = np.random.RandomState(0), 778
    a = {"v_template": 0.05 * r.standard_normal((v, 3))}
    a["shapedirs"] = 0.005 * r.standard_normal((v, 3, 10))
    a["posedirs"] = 0.001 * r.standard_normal((v, 3, 135))
    weights = r.uniform(size=(v, 16)) ** 8
    a["weights"] = weights / weights.sum(1, keepdims=True)
    a["hands_components"] = 0.2 * r.standard_normal((45, 45))
    a["hands_mean"] = 0.3 * r.standard_normal(45)
    a["J_regressor"] = np.zeros((16, v))
    for j in range(16):
        a["J_regressor"][j, 40 * j : 40 * j + 4] = 0.25
    a["f"] = np.stack([np.arange(1538) % v, (np.arange(1538) + 1) % v, (np.arange(1538) + 2) % v], 1)
    return a


@pytest.fixture(scope="session")
def mano_file(tmp_path_factory, random_mano) -> Path:
    path = tmp_path_factory.mktemp("mano") / "MANO_RIGHT.pkl"
    write_mano(path, random_mano)
    assert "chumpy" not in sys.modules
    return path


@pytest.fixture(scope="session")
def handlike_mano(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("handlike") / "MANO_RIGHT.pkl"
    write_handlike(path)
    return path


def write_handlike(path: Path) -> None:
    """A MANO-shaped file that is a hand: palmar's, with 778 of its vertices, another rest pose, other joints, shapes in
    another basis, a little of pose blend shapes, and the wrist off the origin."""
    from palmar.hand import HandModel
    from palmar.hand.mano import TIP_SETS

    rng, own = np.random.default_rng(5), HandModel.default()
    angles = rng.normal(0, 0.06, (5, 3, 3)) * [1, 0.5, 0.2]
    posed = own.shaped(np.zeros(10)).posed(own.rotations_from_angles(angles))
    skin, joints = posed.skin(), posed.joints()
    tips = [int(np.linalg.norm(skin - joints[tip], axis=-1).argmin()) for tip in (4, 8, 12, 16, 20)]
    hand, chosen = own.behind == 0, list(tips)
    far = np.where(hand, np.linalg.norm(skin[:, None] - skin[tips], axis=-1).min(1), -1.0)
    while len(chosen) < 778:  # each the farthest from those before
        chosen.append(int(far.argmax()))
        far = np.minimum(far, np.linalg.norm(skin - skin[chosen[-1]], axis=-1))
    rest, place = iter(chosen[5:]), dict(zip(TIP_SETS["smplx"], tips, strict=True))
    rows = np.array([place[i] if i in place else next(rest) for i in range(778)])
    owner = cKDTree(skin[rows]).query(skin)[1]  # every vertex to the chosen one that is nearest
    faces = owner[own.faces[hand[own.faces].all(1)]]
    faces = faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])]
    off = np.array([0.0957, 0.0064, 0.0062])
    template = skin[rows] + off
    regressor = np.zeros((16, 778))
    for j, joint in enumerate(posed.bone_origins + off + rng.normal(0, 0.001, (16, 3))):
        near = np.linalg.norm(template - joint, axis=-1).argsort()[:40]
        all_four = np.concatenate([template[near].T, np.ones((1, 40))])
        regressor[j, near] = np.linalg.pinv(all_four) @ np.append(joint, 1.0)
    mix = np.linalg.qr(rng.normal(size=(10, 10)))[0]
    arrays = {
        "v_template": template,
        "shapedirs": own.shape_directions[rows] @ mix,
        "posedirs": 0.00002 * rng.standard_normal((778, 3, 135)),
        "weights": own.weights[rows],
        "hands_components": np.linalg.qr(rng.normal(size=(45, 45)))[0],
        "hands_mean": np.tile([0.0, 0.0, 0.2], 15),
        "J_regressor": regressor,
        "f": faces,
    }
    write_mano(path, arrays)
