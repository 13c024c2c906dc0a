"""Guided density: the contract, what it reads off its examples, and examples that show next to nothing."""

import pytest
import torch

from sccan.episodes.episode import Features
from sccan.errors import InputError
from sccan.reference.toy_encoder import TOKENS
from sccan.segmentation.methods import guided_density
from sccan.segmentation.methods.guided_density import ASIDE, PICTURE, GuidedDensity
from sccan.segmentation.parts.alignment import aligned_sums
from sccan.segmentation.parts.cells import cell_masks
from sccan.segmentation.parts.kept_sums import KeptSums
from sccan.segmentation.parts.places import own_lattice, placed_sums
from sccan.segmentation.parts.views import map_name
from tests.segmentation.methods.episodes import one_query
from tests.segmentation.methods.scenes import CHANNELS, scenes, toy_encoder

GRID = (8, 10)
LEFT, RIGHT = (slice(2, 5), slice(1, 4)), (slice(2, 5), slice(6, 9))


def _method(**settings: object) -> GuidedDensity:
    return GuidedDensity(toy_encoder(), **{"stages": (TOKENS,), "sigma": 0.1, **settings}).eval()  # type: ignore[arg-type]


def _iou(prediction: torch.Tensor, labels: torch.Tensor) -> float:
    found, known = prediction.argmax(-3) == 1, labels != 255
    return float((found & (labels == 1)).sum() / ((found | (labels == 1)) & known).sum())


def test_conditioning_once_and_predicting_many_is_the_full_forward() -> None:
    method, episode = _method(), scenes()
    whole = method(episode)
    assert whole.shape == (2, 2, 2, 128, 160)
    assert whole[:, :, 0].abs().max() == 0
    support, query = method.encode_episode(episode)
    assert list(query.maps) == [TOKENS, PICTURE]
    assert support.deepest == query.deepest
    assert list(support.maps) == [TOKENS, PICTURE, map_name(ASIDE, TOKENS)]
    assert query.maps[PICTURE].shape == (2, 2, 3, 64, 80)
    assert torch.equal(method.predict(query, method.condition(support, episode.support_labels)), whole)
    for b in range(2):
        for q in range(2):
            torch.testing.assert_close(method(one_query(episode, b, q))[0, 0], whole[b, q], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shots", [1, 3])
def test_it_finds_the_object_of_the_examples(shots: int) -> None:
    episode = scenes(shots=shots, seeds=(0, 1, 2))
    assert _iou(_method(rank=5)(episode), episode.query_labels) > 0.5


def test_without_a_second_example_windows_follow_the_objects_thickness() -> None:
    method, episode = _method(), scenes(shots=1)
    support, _ = method.encode_episode(episode)
    labels = torch.zeros_like(episode.support_labels)
    labels[0, 0, 20:24, 20:60] = 1
    labels[1, 0, 20:120, 20:140] = 1
    thin, thick = method.condition(support, labels)
    assert (thin.radius, thick.radius) == (1, 4)
    assert thin.cut == thick.cut == 0


def test_examples_left_out_tell_where_to_cut() -> None:
    method, episode = _method(), scenes(shots=3, seeds=(0,))
    support, _ = method.encode_episode(episode)
    pictures, grid = support.maps[PICTURE][0], (8, 10)
    labels = episode.support_labels[0].clone()
    labels[labels == 255] = 0
    ratios = torch.nn.functional.avg_pool2d(labels[:, None].float(), 16).flatten(1) * 8 - 1
    assert method._best(ratios, grid, pictures, labels)[2] > 0, "what lies around the objects exceeds 0"
    assert method._best(ratios - 6, grid, pictures, labels)[2] < 0, "of the objects only the inside does"


def test_shots_that_show_nothing_and_pictures_that_show_nothing_else() -> None:
    method, episode = _method(), scenes(shots=2, seeds=(0,))
    support, query = method.encode_episode(episode)
    for value, sign in ((0, -1), (1, 1)):
        labels = torch.full_like(episode.support_labels, value)
        prediction = method.predict(query, method.condition(support, labels))
        assert (sign * prediction[:, :, 1] > 0).all()
    one = episode.support_labels.clone()
    one[:, 1] = 0  # a picture without the object is background
    assert method.condition(support, one)[0].cut == 0


def test_kept_sums_change_nothing_and_a_further_example_is_compared_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    method, plain, episode = _method(), _method(), scenes(shots=4, seeds=(0,))
    support, query = method.encode_episode(episode)
    compared, aligned = [], []

    def counted(*args: object, **settings: object) -> torch.Tensor:
        compared.append(1)
        return placed_sums(*args, **settings)  # type: ignore[arg-type]

    def counted_too(*args: object, **settings: object) -> torch.Tensor:
        aligned.append(1)
        return aligned_sums(*args, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(guided_density, "placed_sums", counted)
    monkeypatch.setattr(guided_density, "aligned_sums", counted_too)
    method.kept = KeptSums(1 << 20)
    for shots, pairs in ((2, 2 + 2 * 2), (3, 4 + 2), (3, 0), (4, 6 + 2)):
        some = Features({name: maps[:, :shots] for name, maps in support.maps.items()}, support.image_size)
        labels = episode.support_labels[:, :shots]
        compared.clear()
        known = len(aligned)
        found = method.predict(query, method.condition(some, labels))
        assert (len(aligned) == known) == (pairs == 0)
        assert len(compared) == 2 * pairs, "foreground and background"
        made = len(aligned)
        assert torch.equal(found, plain.predict(query, plain.condition(some, labels)))
        del aligned[made:]  # of the one that keeps nothing
    assert len(method.kept) == 20 + len(aligned)
    changed = episode.support_labels.clone()
    changed[0, 1, :40] = 0
    method.predict(query, method.condition(support, changed))
    assert len(method.kept) == 20 + 3 + 2 + len(aligned), "the others have to be compared with what was changed"


def test_there_is_nothing_to_train_and_numbers_are_positive() -> None:
    assert _method().parameter_groups() == {}
    with pytest.raises(InputError, match="one radius from 0, a reach from 0, a shift below 1, and numbers above 0"):
        _method(radii=())
    with pytest.raises(InputError, match="sigma 0"):
        _method(sigma=0)
    with pytest.raises(InputError, match="reach -0.1"):
        _method(reach=-0.1)
    with pytest.raises(InputError, match="shift 1"):
        _method(shift=1)


def test_a_second_look_half_a_cell_aside_shows_what_lies_between_cells() -> None:
    """A query that is the example moved by half a cell: its cells are those of the second look, to the bit."""
    method, episode = _method(radii=(0,)), scenes(shots=1, seeds=(0,))
    images, labels = episode.support_images, episode.support_labels
    assert images is not None
    support = method.encode_support(images[0]).view(1, 1)
    (state,) = method.condition(support, labels)
    moved = torch.nn.functional.pad(images[0], (8, 0, 8, 0), mode="reflect")[..., :128, :160]
    assert torch.equal(support.maps[map_name(ASIDE, TOKENS)][0], method.encode(moved).maps[TOKENS])
    inside = torch.zeros(1, 1, 128, 160, dtype=torch.long)
    inside[..., 8:, 8:] = (labels == 1)[..., :-8, :-8]
    plain, aside = (cell_masks(one, GRID).foreground[0, 0] for one in ((labels == 1).long(), inside))
    assert state.anchors.foreground.counts == (int(plain.sum() + aside.sum()),)
    spread, once = state.anchors.background.places, int(cell_masks(labels, GRID).background.sum())
    assert once - 18 < len(spread) <= once, "every second cell of either look; at the border half of one is outside"
    assert float(torch.cdist(spread, spread).fill_diagonal_(1).min()) > 0.06, "on a chessboard, none beside another"
    cells_aside = state.anchors.foreground.cells[int(plain.sum()) :]
    torch.testing.assert_close(cells_aside, method.cells.unit(method.encode(moved).view(1, 1))[0, 0][aside])
    offset = state.anchors.foreground.places[int(plain.sum()) :] - own_lattice(GRID, spread.device).places[aside]
    torch.testing.assert_close(offset, torch.tensor([-8 / 128, -8 / 160]).expand_as(offset))


def test_background_of_a_single_cell_is_compared_with() -> None:
    method, episode = _method(), scenes(shots=1, seeds=(0,))
    support, _ = method.encode_episode(episode)
    for row, column in ((2, 4), (2, 5)):
        labels = torch.ones_like(episode.support_labels)
        labels[..., 16 * row : 16 * row + 16, 16 * column : 16 * column + 16] = 0
        assert 1 <= sum(method.condition(support, labels)[0].anchors.background.counts) <= 5


def test_without_a_second_look_examples_are_encoded_as_queries() -> None:
    method, episode = _method(shift=0), scenes(shots=2, seeds=(0,))
    assert not method.supports_differ
    support, _ = method.encode_episode(episode)
    assert list(support.maps) == [TOKENS, PICTURE]
    (state,) = method.condition(support, episode.support_labels)
    masks = cell_masks(episode.support_labels, GRID)
    assert sum(state.anchors.background.counts) == int(masks.background.sum())


def _drawn(pictures: list[torch.Tensor]) -> Features:
    """Features of one episode whose cells are these maps [C, 8, 10]."""
    maps = torch.stack(pictures)[None]
    return Features({TOKENS: maps, PICTURE: torch.full((1, len(pictures), 3, 64, 80), 0.5)}, (128, 160))


def _scenery(seed: int = 0) -> torch.Tensor:
    """A map whose cells all look different, [C, 8, 10]."""
    return torch.randn(CHANNELS, *GRID, generator=torch.Generator().manual_seed(seed))


def _labels(places: list[tuple[slice, slice]]) -> torch.Tensor:
    labels = torch.zeros(1, len(places), *GRID)
    for number, place in enumerate(places):
        labels[0, number][place] = 1
    return torch.nn.functional.interpolate(labels, size=(128, 160), mode="nearest").long()


def test_of_two_that_look_the_same_the_one_at_the_marked_place_is_found_where_pictures_are_taken_alike() -> None:
    twins = _scenery()
    twins[:, *RIGHT] = twins[:, *LEFT]
    shuffled = twins.flatten(1)[:, torch.randperm(80, generator=torch.Generator().manual_seed(1))].view_as(twins)
    found = {}
    for reach in (0.0, 0.15):
        method = _method(reach=reach, shift=0, radii=(0,))
        state = method.condition(_drawn([twins]), _labels([LEFT]))
        found[reach] = [method.predict(_drawn([one]), state)[0, 0, 1, 8::16, 8::16] for one in (twins, shuffled)]
    assert (found[0.0][0][LEFT] - found[0.0][0][RIGHT]).abs().max() < 0.1
    assert found[0.15][0][LEFT].min() > 0 > found[0.15][0][RIGHT].max()
    assert torch.equal(found[0.15][1], found[0.0][1]), "a picture taken otherwise does not ask for places"


def test_in_a_picture_taken_from_beside_it_is_found_where_it_belongs() -> None:
    """The other of two that look the same comes to lie where the marked one was."""
    twins = _scenery()
    twins[:, *RIGHT] = twins[:, *LEFT]
    beside = _scenery(1)
    beside[..., :8] = twins[..., 2:]
    found = {}
    for aligns in (False, True):
        method = _method(shift=0, radii=(0,))
        method.aligns = aligns
        found[aligns] = method.predict(_drawn([beside]), method.condition(_drawn([twins]), _labels([LEFT])))
    one, other = (
        {aligns: maps[0, 0, 1, 8::16, 8::16][LEFT[0], columns] for aligns, maps in found.items()}
        for columns in (slice(2), slice(4, 7))
    )
    assert one[True].min() > 0 > other[True].max()
    assert (one[True] > one[False]).all()


def test_examples_left_out_tell_whether_places_may_count() -> None:
    twins = _scenery()
    twins[:, *RIGHT] = twins[:, *LEFT]
    moving = []
    for number, place in enumerate((LEFT, RIGHT, LEFT)):
        scene = _scenery()
        scene[:, *place] = _scenery(9)[:, *LEFT] + 0.1 * _scenery(10 + number)[:, *LEFT]
        moving.append(scene)
    method = _method(radii=(0,), shift=0)
    assert method.condition(_drawn([twins] * 3), _labels([LEFT] * 3))[0].least_gain == guided_density.LEAST_GAIN
    assert method.condition(_drawn(moving), _labels([LEFT, RIGHT, LEFT]))[0].least_gain == guided_density.NEVER
