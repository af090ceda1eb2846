"""Masks: what they give, and their statistics against the authors' samplers, written here picture by picture."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
import torch
from masked_parts import any_vit, vit
from torch import Tensor, nn

from graphssl.component import build
from graphssl.components.mask import Block, MultiBlock, Random

MASKS = [(Random, {}), (Random, {"cell": 2, "ratio": 0.6}), (Block, {}), (Block, {"ratio": (0.1, 0.5), "share": 0.5})]


def made(cls: type[nn.Module], px: int = 32, **config: Any) -> nn.Module:
    return build(cls, sources={"of": vit(px)}, of="encoder", **config)


def drawn(cls: type[nn.Module] | nn.Module, b: int = 64, px: int = 32, seed: int = 0, **config: Any) -> Any:
    mask = cls if isinstance(cls, nn.Module) else made(cls, px, **config)
    draws: Any = mask.draw(b, torch.Generator().manual_seed(seed), torch.device("cpu"))  # type: ignore[operator]
    return mask(torch.zeros(b, 3, px, px), draws)


@pytest.mark.parametrize(("cls", "config"), MASKS, ids=str)
def test_the_parts_agree(cls: type[nn.Module], config: dict[str, Any]) -> None:
    m = drawn(cls, **config)
    for i in range(64):
        hidden = set(m.mask[i].nonzero().flatten().tolist())
        told = m.hidden[i].tolist()
        assert sorted(told) == told
        assert {n for n, counts in zip(told, m.valid[i], strict=True) if counts} == hidden
        assert len(hidden) == m.valid[i].sum()
        assert set(told) <= (hidden or {0})
        kept = m.kept[i].tolist()
        assert sorted(set(kept)) == kept
        assert not hidden & set(kept)
        assert len(told) + len(kept) == 64


@pytest.mark.parametrize(("ratio", "hidden"), [(0.75, 48), (0.6, 39), (0.01, 1), (0.99, 64 - 0)])
def test_random_hides_as_many_as_maes_code(ratio: float, hidden: int) -> None:
    """int(64 * (1 - ratio)) are kept."""
    if hidden == 64:
        with pytest.raises(ValueError, match=r"a ratio of 0\.99 hides all of 64 patches"):
            drawn(Random, ratio=ratio)
        return
    m = drawn(Random, ratio=ratio)
    assert m.mask.sum(1).tolist() == [hidden] * 64
    assert m.valid.all()


def test_random_hides_every_patch_alike_and_each_picture_its_own_way() -> None:
    m = drawn(Random, b=4096)
    share = m.mask.float().mean(0)
    assert (share - 0.75).abs().max() < 5 * math.sqrt(0.75 * 0.25 / 4096)
    together = (m.mask[:, 0] & m.mask[:, 1]).float().mean()  # of 48 among 64 without replacement
    assert together == pytest.approx(48 / 64 * 47 / 63, abs=0.03)
    assert len({tuple(row.tolist()) for row in m.mask[:100]}) == 100


def test_cells_are_hidden_as_one() -> None:
    """SimMIM's: ceil(0.6 * 16) of the squares of 2 x 2 patches."""
    m = drawn(Random, cell=2, ratio=0.6)
    squares = m.mask.unflatten(1, (4, 2, 4, 2)).permute(0, 1, 3, 2, 4).flatten(3)
    assert (squares.all(3) == squares.any(3)).all()
    assert squares.all(3).sum((1, 2)).tolist() == [10] * 64


@pytest.mark.parametrize(
    ("cls", "config", "message"),
    [
        (Random, {"ratio": 0.001, "cell": 1}, None),
        (Random, {"cell": 3}, "a grid of 8 x 8 patches does not part into squares of 3"),
        (Block, {"ratio": 0.001}, r"a ratio of 0.001 hides none of 64 patches"),
        (Block, {"ratio": (0.01, 0.5)}, r"a ratio of 0.01 hides none of 64 patches"),
        (Block, {"ratio": 0.4, "smallest": 26}, "blocks of 26 patches and more do not fit into the 25 to be hidden"),
        (MultiBlock, {"keep": 0.95}, "keep: 0.95 is 60 of 64 patches, and a context has 49 at most"),
        (MultiBlock, {"blocks": 8}, "8 blocks of up to 12 patches may cover all 49 of the context"),
    ],
)
def test_what_hides_nothing_or_everything_is_refused(cls: type[nn.Module], config: Any, message: str | None) -> None:
    if message is None:  # MAE's rounding hides one at least
        assert drawn(cls, **config).mask.sum(1).tolist() == [1] * 64
        return
    with pytest.raises(ValueError, match=message):
        drawn(cls, **config)


def test_a_grid_of_one_row_has_no_block() -> None:
    with pytest.raises(ValueError, match="a block is less high and less wide than the grid, which is 1 x 8"):
        build(Block, sources={"of": any_vit((4, 32), patch=4, dim=24, depth=1, heads=3)}, of="encoder", ratio=0.4)


def test_an_encoder_without_patches_is_refused() -> None:
    with pytest.raises(ValueError, match="'encoder' has no grid of patches: `of` names an encoder of tokens"):
        build(Random, sources={"of": nn.Linear(2, 2)}, of="encoder")


def test_pictures_of_another_size_are_refused() -> None:
    mask = build(Random, sources={"of": vit(32)}, of="encoder")
    with pytest.raises(ValueError, match="the mask is of 8 x 8 patches, and these images have 4 x 4"):
        mask(torch.zeros(2, 3, 16, 16), mask.draw(2, None, torch.device("cpu")))  # type: ignore[operator]


# -- against the authors' samplers ---------------------------------------------------------------------------------


def beit(rows: int, wanted: float, low: int, aspect: float, chance: random.Random) -> list[list[bool]]:
    """BEiT's masking, as iBOT's loader has it: blocks until as many are hidden as wanted."""
    mask, count = [[False] * rows for _ in range(rows)], 0
    while count < wanted:
        more = 0
        for _ in range(10):
            area = chance.uniform(low, wanted - count)
            ratio = math.exp(chance.uniform(math.log(aspect), -math.log(aspect)))
            h, w = round(math.sqrt(max(area * ratio, 0))), round(math.sqrt(max(area / ratio, 0)))
            if w < rows and h < rows:
                top, left = chance.randint(0, rows - h), chance.randint(0, rows - w)
                new = [(i, j) for i in range(top, top + h) for j in range(left, left + w) if not mask[i][j]]
                if 0 < len(new) <= wanted - count:
                    for i, j in new:
                        mask[i][j] = True
                    more = len(new)
                    break
        if not more:
            break
        count += more
    return mask


def ijepa(rows: int, number: float, other: float, chance: random.Random) -> tuple[list[set[int]], set[int]]:
    """I-JEPA's collator for one picture: four blocks, and the context without them."""
    t = rows * rows

    def size(u: float, scale: tuple[float, float], aspect: tuple[float, float]) -> tuple[int, int]:
        patches, ratio = int(t * (scale[0] + u * (scale[1] - scale[0]))), aspect[0] + u * (aspect[1] - aspect[0])
        return min(round(math.sqrt(patches * ratio)), rows - 1), min(round(math.sqrt(patches / ratio)), rows - 1)

    def block(h: int, w: int) -> set[int]:
        top, left = chance.randrange(rows - h), chance.randrange(rows - w)
        return {i * rows + j for i in range(top, top + h) for j in range(left, left + w)}

    blocks = [block(*size(number, (0.15, 0.2), (0.75, 1.5))) for _ in range(4)]
    context: set[int] = set()
    for _ in range(20):  # then the code lets blocks overlap
        context = block(*size(other, (0.85, 1.0), (1.0, 1.0))) - set().union(*blocks)
        if len(context) > t // 20:
            break
    return blocks, context


def moments(masks: Tensor) -> tuple[float, float, Tensor, float]:
    """Of masks `n r k`: the mean share, the deviation of it, the share at each place, and of neighbours that agree."""
    masks = masks.float()
    share = masks.mean((1, 2))
    agree = (masks[:, 1:] == masks[:, :-1]).float().mean() + (masks[:, :, 1:] == masks[:, :, :-1]).float().mean()
    return float(share.mean()), float(share.std()), masks.mean(0), float(agree) / 2


def alike(ours: Tensor, theirs: Tensor, places: float) -> None:
    (mean, std, place, agree), (mean_, std_, place_, agree_) = moments(ours), moments(theirs)
    assert mean == pytest.approx(mean_, abs=0.006)
    assert std == pytest.approx(std_, abs=0.006)
    assert agree == pytest.approx(agree_, abs=0.008)
    assert (place - place_).abs().max() < places


@pytest.mark.parametrize(
    ("config", "ratio", "low"),
    [({"ratio": 0.4, "smallest": 16}, (0.4, 0.4), 16), ({"ratio": (0.1, 0.5)}, (0.1, 0.5), 16)],
)
def test_blocks_are_those_of_beits_and_ibots_code(config: Any, ratio: tuple[float, float], low: int) -> None:
    n, rows, chance = 3000, 14, random.Random(0)
    # The same shares of both, so that they differ by the blocks alone.
    generator = torch.Generator().manual_seed(0)
    _, (_, shares), _ = build(Block, sources={"of": vit(56)}, of="encoder").draw(n, generator, torch.device("cpu"))
    theirs = torch.tensor(
        [
            beit(rows, int(rows * rows * (ratio[0] + (ratio[1] - ratio[0]) * float(share))), low, 0.3, chance)
            for share in shares
        ]
    )
    ours = drawn(Block, b=n, px=56, **config).mask.unflatten(1, (rows, rows))
    alike(ours, theirs, 0.06)


def test_share_leaves_pictures_whole() -> None:
    m = drawn(Block, b=2000, ratio=(0.1, 0.5), share=0.5)
    whole = ~m.mask.any(1)
    assert float(whole.float().mean()) == pytest.approx(0.5, abs=0.05)
    assert not m.valid[whole].any()


@pytest.mark.parametrize("rows", [8, 14])
def test_multi_block_is_i_jepas(rows: int) -> None:
    """Sizes are of a step, so that many steps are looked at; kept is a part of the context, as many of each."""
    chance, ours, theirs, context = random.Random(0), [], [], []
    mask = made(MultiBlock, 4 * rows)
    for step in range(400):
        m = drawn(mask, b=4, px=4 * rows, seed=step)
        ours.append(m.mask)
        sizes = torch.stack([valid.sum(1) for valid in m.valid])
        assert len(sizes.unique()) == 1, "all blocks of a step are of one size"
        hidden = torch.zeros(4, rows * rows).scatter(1, torch.cat(m.hidden, 1), 1).bool()
        assert torch.equal(hidden, m.mask)
        assert not m.mask.gather(1, m.kept).any()
        numbers = chance.random(), chance.random()
        for _ in range(4):
            blocks, seen = ijepa(rows, *numbers, chance)
            every = set().union(*blocks)
            theirs.append([i in every for i in range(rows * rows)])
            context.append(len(seen))
    one, other = torch.cat(ours).unflatten(1, (rows, rows)), torch.tensor(theirs).unflatten(1, (rows, rows))
    alike(one, other, 0.08)
    assert m.kept.shape == (4, rows * rows // 4)
    assert sum(c >= rows * rows // 4 for c in context) / len(context) > 0.75, "most pictures have as many as are kept"
