"""The network: published counts and layout, documented numbers, a plain NumPy re-computation of the layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from palmar.errors import PalmarError
from palmar.methods.qort_former.backbone import ResNet
from palmar.methods.qort_former.budget import costs, timed
from palmar.methods.qort_former.convert import (
    count,
    from_official,
    load_backbone,
    official_names,
    official_outputs,
    read_official,
    to_official,
    torchvision_names,
)
from palmar.methods.qort_former.model import (
    PAPER,
    PAPER_FPHA,
    TINY,
    Config,
    ContactEstimator,
    FeatureDecoder,
    Layer,
    Patches,
    QortFormer,
    best,
    local_maxima,
    patch_cells,
    pooling_rows,
    proposal_scores,
)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def paper():
    with torch.device("meta"):
        return QortFormer(PAPER)


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    net = QortFormer(replace(TINY, objects=5)).eval()
    with torch.no_grad():  # so that every head says something of its own
        for mlp in (*net.read.hands, net.read.object):
            mlp[-1].weight.normal_(0, 0.3)
        net.read.classes.bias.normal_(0, 1)
    return net


@pytest.fixture(scope="module")
def image():
    return torch.from_numpy(np.random.default_rng(1).integers(0, 255, (2, 96, 168, 3), np.uint8))


# ------------------------------------------------------------------------------------------------------ published form


def test_every_part_has_the_published_number_of_parameters(paper):
    parts = {
        "backbone": 23_454_912,
        "decoder.lateral.0": 131_584,
        "decoder.lateral.1": 262_656,
        "decoder.lateral.2": 524_800,
        "decoder.smooth.0": 590_336,
        "decoder.smooth.1": 590_336,
        "decoder.smooth.2": 590_336,
        "decoder.pooling": 197_120,
        "division.hands.0": 590_594,
        "division.hands.1": 590_594,
        "division.object": 592_650,
        "contact.embed": 1_792,
        "contact.spread": 6_579_200,
        "layers.0.pixel_attention": 263_680,
        "layers.0.pixel_mlp": 526_080,
        "layers.0.query_attention": 263_680,
        "layers.0.query_self": 263_680,
        "layers.0.query_mlp": 526_080,
        "read.classes": 2_827,
        "norms": 1_024,
        "read.hands.0": 142_378,
        "read.hands.1": 142_378,
        "read.object": 147_775,
        "read.refine.0": 118_261,
        "read.refine.1": 118_261,
    }
    assert {name: count(paper.get_submodule(name)) for name in parts} == parts
    assert count(paper.contact.convs) + count(paper.contact.read) == 38_905_716
    assert paper.table.numel() == 25_600
    assert paper.spare.numel() + paper.spare_place.numel() == 4_096
    assert count(paper) == 76_148_426
    assert sum(x.numel() for x in paper.state_dict().values()) - count(paper) == 106_240  # frozen norms


def test_the_documented_layout_of_576_entries_loads_to_the_last(paper, tmp_path):
    names = official_names()
    assert set(names) == set(paper.state_dict())
    keys = [key for theirs in names.values() for key in theirs]
    assert len(keys) == len(set(keys)) == 576
    shapes = {key: tuple(paper.state_dict()[ours].shape) for ours, theirs in names.items() for key in theirs}
    documented = {
        "backbone.stem.conv1.weight": (64, 3, 7, 7),
        "backbone.stem.conv1.norm.running_var": (64,),
        "backbone.res2.0.shortcut.weight": (256, 64, 1, 1),
        "backbone.res3.3.conv2.weight": (128, 128, 3, 3),
        "backbone.res4.5.conv3.norm.bias": (1024,),
        "backbone.res5.2.conv1.weight": (512, 2048, 1, 1),
        "feature_decoder.adapter_3.weight": (256, 2048, 1, 1),
        "feature_decoder.layer_1.norm.weight": (256,),
        "feature_decoder.ppm.stages.3.1.bias": (64,),
        "feature_decoder.ppm.bottleneck.weight": (256, 512, 1, 1),
        "predictor.meta_pos_embed": (1, 256, 10, 10),
        "predictor.empty_query_features.weight": (8, 256),
        "predictor.query_proposal.conv_proposal_left_cls_logits.2.weight": (2, 256, 1, 1),
        "predictor.query_proposal.conv_proposal_obj_cls_logits.2.bias": (10,),
        "predictor.query_proposal.contactmap_estimation.6.weight": (1556, 24896),
        "predictor.query_proposal.contactmap_conv.conv1d.weight": (256, 2, 3),
        "predictor.query_proposal.contactmap_conv.linear.weight": (25600, 256),
        "predictor.transformer_mask_cross_attention_layers.0.multihead_attn.in_proj_weight": (768, 256),
        "predictor.transformer_query_self_attention_layers.0.self_attn.out_proj.bias": (256,),
        "predictor.transformer_query_ffn_layers.0.linear1.weight": (1024, 256),
        "predictor.decoder_query_norm_layers.1.weight": (256,),
        "predictor.class_embed_layers.1.weight": (11, 256),
        "predictor.keypoint_embed_right.0.layers.2.weight": (42, 256),
        "predictor.obj_keypoint_embed.1.layers.2.bias": (63,),
        "predictor.graformer_left.1.gconv_input.weight": (3, 1, 2, 64),
        "predictor.graformer_right.0.atten_layers.1.feed_forward.A_hat": (21, 21),
        "predictor.graformer_right.0.atten_layers.0.sublayer.1.norm.a_2": (64,),
        "predictor.graformer_left.0.gconv_layers.1.gconv2.gconv.bias": (1, 1, 64),
    }
    assert {key: shapes[key] for key in documented} == documented


@pytest.fixture(scope="module")
def small_official():
    """Random numbers in the release's layout, of a network of the same form with fewer channels."""
    config = replace(TINY, objects=5, norm="frozen", backbone="resnet50")
    torch.manual_seed(1)
    return config, to_official(QortFormer(config).state_dict(), config)


def test_random_numbers_in_that_layout_load_strictly_and_come_back(small_official, tmp_path, image):
    config, state = small_official
    assert len(state) == 576
    torch.save(state, tmp_path / "weights.pth")
    net = read_official(tmp_path / "weights.pth", config)
    assert net.config.compatible
    back = to_official(net.state_dict(), config)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], state[key]) for key in state)


def test_a_key_that_is_missing_unknown_misshapen_or_untied_is_named(small_official):
    config, state = small_official
    key = "predictor.class_embed_layers.1.bias"
    with pytest.raises(PalmarError, match=key):
        from_official({k: v for k, v in state.items() if k != key}, config)
    with pytest.raises(PalmarError, match=r"some\.key"):
        from_official(state | {"some.key": torch.zeros(1)}, config)
    with pytest.raises(PalmarError, match=key):
        from_official(state | {key: state[key] + 1}, config)
    with pytest.raises(PalmarError, match="meta_pos_embed"):
        from_official(state | {"predictor.meta_pos_embed": torch.zeros(1, 64, 9, 10)}, config)


def test_a_file_that_is_no_checkpoint_is_one_error(tmp_path):
    (tmp_path / "x.pth").write_bytes(b"not a checkpoint")
    with pytest.raises(PalmarError, match=r"x\.pth"):
        read_official(tmp_path / "x.pth")
    with pytest.raises(PalmarError, match=r"y\.pth: cannot be read \(No such file"):
        read_official(tmp_path / "y.pth")


def test_torchvisions_resnets_fill_the_backbone(tmp_path):
    torch.manual_seed(2)
    config = replace(TINY, objects=5, norm="frozen", backbone="resnet18")
    net = QortFormer(config)
    shapes = net.backbone.state_dict()
    own = {theirs: torch.rand_like(shapes[ours]) for ours, theirs in torchvision_names(config).items()}
    assert own["layer2.0.downsample.0.weight"].shape == (128, 64, 1, 1)
    torch.save(
        own | {"fc.weight": torch.zeros(3), "fc.bias": torch.zeros(3), "bn1.num_batches_tracked": torch.tensor(1)},
        tmp_path / "resnet18.pth",
    )
    load_backbone(net, tmp_path / "resnet18.pth")
    torch.testing.assert_close(net.backbone.stages[1][0].shortcut.conv.weight.data, own["layer2.0.downsample.0.weight"])


def test_fpha_has_one_hand_and_four_objects():
    with torch.device("meta"):
        net = QortFormer(PAPER_FPHA)
    assert net.read.classes.out_features == 6
    assert len(net.read.hands) == 1
    assert net.contact.read.out_features == 778


def test_operations_are_those_that_can_be_counted_by_hand():
    counted = costs(PAPER, fold=False, answer_only=False)
    convs = 2040 * 256 * 256 * 9 * 3 + 2040 * 256 * (2 + 2 + 10)
    assert counted["proposals"].multiply_adds == convs
    attention = 2 * 8160 * 256**2 + 2 * 108 * 256**2 + 2 * 8160 * 108 * 256
    assert counted["step 1: picture"].multiply_adds == attention + 2 * 8160 * 256 * 1024
    keys = 8160 + 567
    crossed = 2 * 108 * 256**2 + 2 * keys * 256**2 + 2 * 108 * keys * 256
    own = 4 * 108 * 256**2 + 2 * 108 * 108 * 256
    assert counted["step 3: queries"].multiply_adds == crossed + own + 2 * 108 * 256 * 1024
    assert counted["whole"].parameters == 76_148_426
    folded = costs(PAPER)
    assert folded["contact"].parameters == counted["contact"].parameters - 1556 * 32 * (778 - 34)


# --------------------------------------------------------------------------------------------------- documented numbers


def wave(shape: tuple[int, ...], step: float, scale: float = 1.0, k: float = 0.0) -> torch.Tensor:
    n = np.arange(int(np.prod(shape)))
    return torch.from_numpy((scale * np.sin(step * n + k)).reshape(shape)).float()


def test_the_feature_decoder_gives_the_documented_numbers():
    net = FeatureDecoder((512, 1024, 2048), 256, 32).eval()
    order = []
    for i in range(3):
        for part in (net.lateral[i], net.smooth[i]):
            order += [part.conv.weight, part.norm.weight, part.norm.bias]
    for conv in (*net.pooling.stages, net.pooling.bottleneck):
        order += [conv.weight, conv.bias]
    scales = {id(part.norm.weight) for part in (*net.lateral, *net.smooth)}
    with torch.no_grad():
        for k, p in enumerate(order):
            p.copy_(wave(tuple(p.shape), 0.1, 0.05, k) + (id(p) in scales))
        maps = [wave((1, 512, 7, 12), 0.3), wave((1, 1024, 4, 6), 0.2), wave((1, 2048, 2, 3), 0.1)]
        E3, E4, E5 = (x[0].double() for x in net(maps))
    found = [E5[0, 0, 0], E5[100, 1, 2], E5.sum(), E4.sum(), E3[100, 1, 2], E3.sum()]
    np.testing.assert_allclose(found, [0.937044, 1.016911, 675.708, 2639.146, 1.081166, 9174.55], rtol=1e-3)


def test_local_maxima_are_the_documented_ones():
    x = torch.tensor([[0.1, 0.2, 0.1, 0.0], [0.2, 0.9, 0.2, 0.0], [0.1, 0.2, 0.1, 0.3]])
    out = local_maxima(x[None, None])[0, 0]
    assert out[1, 1] == pytest.approx(1.9)
    assert out[2, 3] == pytest.approx(1.3)
    assert int((out > x).sum()) == 2
    top = out.flatten().topk(3)
    assert top.indices[:2].tolist() == [5, 11]
    assert top.values[2] == pytest.approx(0.2)
    assert (local_maxima(torch.full((1, 2, 3, 3), 0.5)) == 1.5).all()
    assert (local_maxima(torch.zeros(1, 2, 3, 3)) == 0).all()


def test_scores_take_the_best_class_but_none():
    logits = torch.randn(2, 6, 5, 7)
    found = proposal_scores(logits)
    p = torch.exp(logits) / torch.exp(logits).sum(1, keepdim=True)
    for b in range(2):
        alone = np.zeros((7, 9, 5))  # columns, rows with a border of nothing
        for r in range(5):
            for c in range(7):
                k = int(p[b, :5, r, c].argmax())
                alone[c, r + 1, k] = p[b, k, r, c]
        alone = np.pad(alone, ((1, 1), (0, 0), (0, 0)))
        for r in range(5):
            for c in range(7):
                around = alone[c : c + 3, r : r + 3]
                value = alone[c + 1, r + 1]
                best_value = max(v + (v >= around[..., k].max() and v >= 1e-6) for k, v in enumerate(value))
                assert found[b, r, c] == pytest.approx(best_value, abs=1e-6)


def test_rows_are_pooled_as_documented():
    out = pooling_rows(778, 34) @ torch.arange(34.0)
    assert (out[:22] == 0).all()
    assert out[22:24].tolist() == [0.5, 1.0]
    assert out[-1] == 33
    x = torch.randn(1, 3, 34, 9)
    pooled = torch.nn.functional.adaptive_avg_pool2d(x, (778, 1))[..., 0]
    torch.testing.assert_close(x.mean(3) @ pooling_rows(778, 34).T, pooled, atol=1e-5, rtol=1e-4)


def test_patches_stay_in_the_picture():
    cells = patch_cells(torch.tensor([[[0.5, 0.25], [0.999, 0.0], [-3.0, 7.0]]]), 68, 120).unflatten(1, (3, 3, 3))
    middle = cells[0, :, 1, 1]
    assert [(int(m) % 120, int(m) // 120) for m in middle] == [(60, 17), (118, 1), (1, 66)]
    assert (cells[0, 0] - middle[0]).tolist() == [[-121, -120, -119], [-1, 0, 1], [119, 120, 121]]


def test_every_picture_has_its_own_patches_and_the_release_shares_positions():
    P, place = torch.randn(2, 48, 8), torch.randn(1, 48, 8)
    points = torch.tensor([[[0.1, 0.1]], [[0.9, 0.9]]])
    own, at = Patches(TINY)(P, place, points, 6, 8)
    shared, there = Patches(replace(TINY, compatible=True))(P, place, points, 6, 8)
    torch.testing.assert_close(own, shared)
    torch.testing.assert_close(at[0], there[0])
    assert not torch.allclose(at[1], there[1])
    torch.testing.assert_close(there[0], there[1])
    torch.testing.assert_close(own[1, 4], P[1, 4 * 8 + 6])  # row 5 is the last: the middle moves to 4


# ---------------------------------------------------------------------------------------------- plain re-computation


def test_a_plain_recomputation_of_the_layer_agrees():
    config = replace(TINY, channels=16, heads=4, groups=4, hidden=24)
    torch.manual_seed(4)
    layer = Layer(config).eval()
    with torch.no_grad():
        for p in layer.parameters():
            p += torch.randn_like(p) * 0.2
    rows, columns, b, m, k = 5, 6, 2, 7, 3
    P, place_P = torch.randn(b, rows * columns, 16), torch.randn(1, rows * columns, 16)
    Q, place_Q, guess = torch.randn(b, m, 16), torch.randn(b, m, 16), torch.rand(b, k, 2)
    with torch.no_grad():
        found_P, found_Q = layer(P, place_P, Q, place_Q, guess, rows, columns)
    w = {name: p.detach().double().numpy() for name, p in layer.named_parameters()}

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]

    def attend(x, place, to, place_to, name):
        W, bias = w[f"{name}.attention.in_proj_weight"], w[f"{name}.attention.in_proj_bias"]
        q, key, value = (
            y @ W[16 * i : 16 * i + 16].T + bias[16 * i : 16 * i + 16]
            for i, y in enumerate((x + place, to + place_to, to))
        )
        heads = []
        for h in range(0, 16, 4):
            score = q[:, h : h + 4] @ key[:, h : h + 4].T / 2
            weight = np.exp(score - score.max(1, keepdims=True))
            heads.append(weight / weight.sum(1, keepdims=True) @ value[:, h : h + 4])
        out = np.concatenate(heads, 1) @ w[f"{name}.attention.out_proj.weight"].T + w[f"{name}.attention.out_proj.bias"]
        return norm(x + out, f"{name}.norm")

    def mlp(x, name):
        inner = np.maximum(x @ w[f"{name}.first.weight"].T + w[f"{name}.first.bias"], 0)
        return norm(x + inner @ w[f"{name}.second.weight"].T + w[f"{name}.second.bias"], f"{name}.norm")

    for i in range(b):
        p, pp, q, pq = (x.double().numpy() for x in (P[i], place_P[0], Q[i], place_Q[i]))
        p = mlp(attend(p, pp, q, pq, "pixel_attention"), "pixel_mlp")
        cells = []
        for x, y in guess[i].double().numpy():
            column, row = np.clip(int(x * columns), 1, columns - 2), np.clip(int(y * rows), 1, rows - 2)
            cells += [(row + dy) * columns + column + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        memory, place = np.concatenate([p, p[cells]]), np.concatenate([pp, pp[cells]])
        q = attend(q, pq, memory, place, "query_attention")
        q = mlp(attend(q, pq, q, pq, "query_self"), "query_mlp")
        np.testing.assert_allclose(found_P[i], p, atol=1e-5)
        np.testing.assert_allclose(found_Q[i], q, atol=1e-5)


def test_a_plain_recomputation_of_the_contact_estimator_agrees():
    config = replace(
        TINY, channels=16, heads=4, groups=4, vertices=31, hand_queries=3, object_queries=2, contact_channels=(6, 5)
    )
    torch.manual_seed(5)
    net = ContactEstimator(config).eval()
    E4 = torch.randn(1, 16, *config.grid(16))
    with torch.no_grad():
        contact, told = net(E4)
        x = net.convs(E4)[0].double().numpy().mean(-1)  # channels, rows
        w = {name: p.double().numpy() for name, p in net.named_parameters()}
        h = x.shape[1]
        pooled = np.stack([x[:, v * h // 31 : -(-(v + 1) * h // 31)].mean(1) for v in range(31)], 1)
        expected = (w["read.weight"] @ pooled.ravel() + w["read.bias"]).reshape(2, 31)
        np.testing.assert_allclose(contact[0], expected, atol=1e-5)
        conv = np.stack([sum(w["embed.weight"][:, :, j] @ expected[:, v + j] for j in range(3)) for v in range(29)], 1)
        summary = (conv + w["embed.bias"][:, None]).mean(1)
        added = (w["spread.weight"] @ summary + w["spread.bias"]).reshape(16, 8).T
        np.testing.assert_allclose(told[0], added, atol=1e-5)
        net.fold()
        for before, after in zip((contact, told), net(E4), strict=True):
            torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-4)
        net.fold()  # once is enough
    assert net.read.in_features == 5 * config.grid(16)[0]


def test_the_frozen_resnet_is_the_one_with_batch_norm_in_eval_mode():
    torch.manual_seed(6)
    frozen, batch = ResNet("resnet18", "frozen").eval(), ResNet("resnet18", "batch").eval()
    with torch.no_grad():
        for name, x in batch.state_dict().items():
            if "norm" in name and x.is_floating_point():
                x.copy_(torch.rand_like(x) + 0.5)
    frozen.load_state_dict({k: v for k, v in batch.state_dict().items() if "num_batches" not in k})
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        maps = frozen(x)
        for a, b in zip(maps, batch(x), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-3)
    assert [tuple(m.shape[1:]) for m in maps] == [(128, 8, 12), (256, 4, 6), (512, 2, 3)]


# ---------------------------------------------------------------------------------------------------------- behaviour


def test_reading_the_chosen_queries_alone_gives_the_same_answer(tiny, image):
    with torch.no_grad():
        found, answer = tiny(image), tiny.detect(image)
    for a, b in zip(best(found, tiny.config), answer, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)
    assert not found.before
    queries = tiny.config.queries
    assert found.heads.hands3d.shape == (2, 2, queries, 21, 3)
    assert found.locations.min() >= 0
    assert found.locations.max() <= 1


def test_outputs_are_told_as_the_release_tells_them(tiny, image):
    with torch.no_grad():
        found = tiny(image)
    told = official_outputs(found)
    q = tiny.config.queries
    assert told["pred_keypoints"].shape == (4, 2, q, 63)
    assert told["contact_map"].shape == (2, 2, tiny.config.vertices, 1)
    points = told["pred_keypoints"].unflatten(-1, (21, 3))
    torch.testing.assert_close(points[2:, ..., 2], torch.full((2, 2, q, 21), 0.731059), atol=1e-6, rtol=0)
    torch.testing.assert_close(points[1, 0], found.heads.hands3d[0, 1])
    torch.testing.assert_close(points[2, 1, ..., :2], found.heads.hands2d[1, 0])
    torch.testing.assert_close(told["pred_obj_keypoints"].unflatten(-1, (21, 3)), found.heads.object)


def test_a_picture_does_not_see_its_neighbour_in_the_batch(tiny, image):
    with torch.no_grad():
        both, alone = tiny.detect(image), tiny.detect(image[1:])
    for a, b in zip(both, alone, strict=True):
        torch.testing.assert_close(a[1:], b, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "change", [{}, {"division": False}, {"contact": False}, {"patches": False}, {"layers": 2}, {"hands": (1,)}]
)
def test_every_parameter_learns_in_every_form(change, image):
    torch.manual_seed(7)
    config = replace(TINY, objects=3, hand_queries=4, object_queries=4, **change)
    net = QortFormer(config).train()
    with torch.no_grad():
        for mlp in (*net.read.hands, net.read.object):
            mlp[-1].weight.normal_(0, 0.1)
        for name, p in net.backbone.named_parameters():
            if "norm.weight" in name:
                p.fill_(1)  # residual branches start silent
    found = net(image)
    assert len(found.before) == config.layers
    outputs = [x for heads in (*found.before, found.heads) for x in heads] + [found.contact, *found.proposals]
    sum((x * torch.randn_like(x)).sum() for x in outputs).backward()
    without = {name for name, p in net.named_parameters() if p.grad is None or not torch.any(p.grad)}
    assert not without


def test_contact_reaches_the_queries(tiny, image):
    with torch.no_grad():
        before = tiny(image).heads.hands2d
        kept = tiny.contact.read.bias.clone()
        tiny.contact.read.bias += 5
        after = tiny(image).heads.hands2d
        tiny.contact.read.bias.copy_(kept)
    assert not torch.allclose(before, after, atol=1e-4)


def test_points_start_in_the_middle_and_may_leave_the_picture():
    torch.manual_seed(8)
    net = QortFormer(replace(TINY, objects=2, margin=0.5)).eval()
    with torch.no_grad():
        found = net(torch.zeros(1, 96, 168, 3, dtype=torch.uint8))
    torch.testing.assert_close(found.heads.hands2d, torch.full_like(found.heads.hands2d, 0.5))
    reach = net.read.points(torch.tensor([[-50.0, 50.0, 50.0]]))
    torch.testing.assert_close(reach, torch.tensor([[-0.5, 1.5, TINY.depth]]))


def test_times_are_of_every_part(tiny):
    spent = timed(tiny, repeats=1)
    assert set(spent) == {*costs(tiny.config)}
    assert all(value > 0 for value in spent.values())
    assert sum(value for part, value in spent.items() if part != "whole") <= spent["whole"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"channels": 60}, "channels"),
        ({"hands": (2,)}, "hands"),
        ({"hand_queries": 500}, "cells"),
        ({"height": 8}, "patches"),
        ({"backbone": "resnet34"}, "resnet34"),
        ({"layers": 0}, "layers"),
    ],
)
def test_a_config_that_cannot_be_is_refused(change, word):
    with pytest.raises(PalmarError, match=word):
        replace(TINY, **change)


def test_a_picture_of_another_size_is_refused(tiny):
    with pytest.raises(PalmarError, match="168 x 96"):
        tiny(torch.zeros(1, 96, 96, 3, dtype=torch.uint8))


def test_the_release_cannot_hold_other_forms():
    with pytest.raises(PalmarError, match="one layer"):
        official_names(Config(layers=2))
