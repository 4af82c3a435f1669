"""Trunks: shapes, sizes that are published, weights from files and nowhere else."""

from __future__ import annotations

import pytest
import torch

from palmar.errors import PalmarError
from palmar.nn.blocks import planes_from_image
from palmar.nn.trunks import KINDS, TRUNKS, load_exactly, make_trunk, read_state

PARAMETERS = {
    "efficientnet_v2_s": 20_177_488,
    "resnet50": 23_508_032,
    "convnext_tiny": 27_818_592,
    "mobilenet_v3_large": 2_971_952,
    "mobilenet_v3_small": 927_008,
}
"""The published networks less their classifiers: 21,458,488 - 1,281,000 and so on."""


@pytest.mark.parametrize("name", TRUNKS)
def test_stride_and_channels(name):
    with torch.device("meta"):
        trunk = make_trunk(name).eval()
        out = trunk(torch.zeros(1, 64, 96, 3, dtype=torch.uint8))
    assert out.shape == (1, trunk.channels, 2, 3)


@pytest.mark.parametrize(("name", "count"), PARAMETERS.items())
def test_published_sizes(name, count):
    with torch.device("meta"):
        body = make_trunk(name).body
    assert sum(p.numel() for p in body.parameters()) == count


def test_efficientnet_block_by_block():
    with torch.device("meta"):
        body = make_trunk("efficientnet_v2_s").body
    counts = [sum(p.numel() for p in block.parameters()) for block in body.children()]
    assert counts == [696, 10_464, 303_552, 589_184, 917_680, 3_463_840, 14_561_832, 330_240]
    assert len(body.state_dict()) == 780


def test_pictures_are_normalised_as_each_expects():
    image = torch.randint(0, 256, (1, 32, 32, 3), dtype=torch.uint8)
    torch.testing.assert_close(make_trunk("palmar").planes(image), planes_from_image(image), atol=1e-5, rtol=0)
    ours = make_trunk("mobilenet_v3_small").planes(image)[0, 1, 3, 4]
    torch.testing.assert_close(ours, (image[0, 3, 4, 1] / 255 - 0.456) / 0.224, atol=1e-5, rtol=1e-5)


def test_imagenet_weights_come_from_the_users_file(tmp_path):
    from palmar.nn.trunks import _models

    torch.manual_seed(3)
    whole = _models().mobilenet_v3_small(weights=None)
    file = tmp_path / "mobilenet.pth"
    torch.save(whole.state_dict(), file)
    trunk = make_trunk("mobilenet_v3_small", weights=file)
    planes = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(trunk.eval().body(planes), whole.eval().features(planes))
    with pytest.raises(PalmarError, match=r"has unknown classifier\.0\.bias"):
        make_trunk("resnet50", weights=file)
    with pytest.raises(PalmarError, match="no ImageNet weights"):
        make_trunk("palmar", weights=file)


def test_files_that_are_no_state_dict(tmp_path):
    with pytest.raises(PalmarError, match="cannot be read"):
        read_state(tmp_path / "none.pth")
    (tmp_path / "bad.pth").write_bytes(b"\x80\x02garbage")
    with pytest.raises(PalmarError, match="not a checkpoint"):
        read_state(tmp_path / "bad.pth")
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    with pytest.raises(PalmarError, match="not a state dict"):
        read_state(tmp_path / "list.pth")


def test_loading_names_what_differs():
    net = torch.nn.Linear(2, 3)
    with pytest.raises(PalmarError, match=r"lacks bias; it has unknown more; it differs in weight \(1, 2\) there"):
        load_exactly(net, {"weight": torch.zeros(1, 2), "more": torch.zeros(1)}, "x")


def test_an_unknown_name():
    with pytest.raises(PalmarError, match="Did you mean resnet50"):
        make_trunk("resnet-50")
    assert "palmar" not in KINDS
