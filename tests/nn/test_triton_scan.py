"""The scan's kernels, run by Triton's interpreter on the CPU, against the recurrence; and that they compile.

The interpreter is chosen before Triton is imported and for a whole process, so all cases run in one Python of their
own.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

pytestmark = [
    pytest.mark.plain,
    pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed here"),
]

SCRIPT = """
import sys
import numpy as np, torch
from palmar.nn import triton_scan
from palmar.nn.scan import selective_scan

torch.set_num_threads(1)
triton_scan.CHANNELS, triton_scan.CHUNK = 4, 4
CASES = {  # leading axes, length, channels, states, leading axes of the decays
    "short": ((2,), 3, 3, 4, ()), "several parts and chunks": ((1,), 9, 6, 3, ()), "whole chunks": ((1,), 8, 4, 2, ()),
    "orders": ((2, 3), 5, 3, 2, (3,)), "decays of the first axis": ((2, 2), 5, 3, 2, (2, 1)),
    "one of each": ((1,), 1, 1, 1, ()), "no leading axes": ((), 6, 3, 2, ()),
}
out = {}
for name, (lead, length, width, states, of_a) in CASES.items():
    g = torch.Generator().manual_seed(0)
    normal = lambda *s: torch.randn(*s, generator=g, dtype=torch.float64)
    values = {"x": normal(*lead, length, width), "delta": normal(*lead, length, width).exp() * 0.3,
              "a": -normal(*of_a, width, states).exp(), "b": normal(*lead, length, states),
              "c": normal(*lead, length, states), "d": normal(width)}
    weight = normal(*lead, length, width)
    for way in ("steps", "triton"):
        leaves = {k: v.clone().requires_grad_() for k, v in values.items()}
        y = selective_scan(**leaves, way=way)
        (y * weight).sum().backward()
        out |= {f"{name}/{way}/y": y.detach(), **{f"{name}/{way}/{k}": v.grad for k, v in leaves.items()}}
short = {k: v.detach().bfloat16() for k, v in values.items()}
low = selective_scan(**short, way="triton")
assert low.dtype == torch.bfloat16
whole = selective_scan(**{k: v.float() for k, v in short.items()}, way="steps")
assert (low.float() - whole).abs().max() < 0.01 * whole.abs().max()
nothing = selective_scan(*(torch.zeros(2, 0, 3),) * 2, torch.zeros(3, 2), *(torch.zeros(2, 0, 2),) * 2, way="triton")
assert nothing.shape == (2, 0, 3)
np.savez(sys.argv[1], **{key: value.numpy() for key, value in out.items()})
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    file = tmp_path_factory.mktemp("scan") / "out.npz"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(file)], env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True,
        text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(np.load(file))


def test_they_say_what_the_recurrence_says(found):
    cases = {key.split("/")[0] for key in found}
    assert len(cases) == 7
    for case in sorted(cases):
        for part in ("y", "x", "delta", "a", "b", "c", "d"):
            one, other = (found[f"{case}/{way}/{part}"] for way in ("steps", "triton"))
            np.testing.assert_allclose(other, one, rtol=1e-12, atol=1e-13, err_msg=f"{case}: {part}")
            assert np.abs(one).max() > 0 or (case == "one of each" and part in ("a", "delta")) or part == "d"


COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from palmar.nn import triton_scan as kernels

constants = {"CHUNK": kernels.CHUNK, "BLOCK": kernels.CHANNELS, "STATES": 16}
whole = {"decays", "length", "width", "states"}
for kernel in (kernels._forward, kernels._backward):
    names = kernel.arg_names
    kinds = {n: "constexpr" if n in constants else "i32" if n in whole else "*fp32" for n in names}
    source = ASTSource(kernel, kinds, {(i,): constants[n] for i, n in enumerate(names) if n in constants})
    made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": 4})
    assert len(made.asm["cubin"]) > 1000
    print(made.metadata.shared, made.asm["ptx"].count("ld.local"), made.asm["ptx"].count("bar.sync"))
"""


def test_the_kernels_compile_for_a_gpu(tmp_path):
    """Down to machine code of compute capability 9.0, without such a device. Nothing is kept in local memory, and the
    way back waits between writing its scratch and reading it."""
    done = subprocess.run(
        [sys.executable, "-c", COMPILE],
        env={**os.environ, "TRITON_CACHE_DIR": str(tmp_path), "TRITON_INTERPRET": "0"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    forward, backward = (tuple(map(int, line.split())) for line in done.stdout.splitlines())
    assert forward[1] == backward[1] == 0
    assert backward[2] >= 2
