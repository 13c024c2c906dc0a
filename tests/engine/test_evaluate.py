"""Evaluation: the same rows whatever the cache, the workers and the processes; each picture encoded once."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sccan.engine.evaluate import encode_all, evaluate
from sccan.engine.feature_files import FeatureFiles
from sccan.engine.modes import evaluation_mode
from sccan.episodes.episode import EpisodeSpec, Features
from sccan.errors import InputError
from tests.engine.toy import DEVICES, ToyMethod, ToySource, cpu, on, toy_picture, toy_score

ENTRY_BYTES = 4 * 3 * 12 * 10 + 8 * 12 * 10 + 12 * 10 + 4 * 4 * 6 * 5  # image, label, original label, features


def run(source: ToySource, method: ToyMethod | None = None, **options: Any) -> torch.Tensor:
    return evaluate(method or ToyMethod(), source, toy_score, runtime=cpu(), **options)


def by_hand(source: ToySource) -> torch.Tensor:
    """Every episode on its own, from images, without the engine."""
    method = ToyMethod().eval()
    rows = []
    for spec in source.specs:
        pictures = {number: source.load(number) for number in spec.pictures}
        features = {n: method.encode(p.image[None]) for n, p in pictures.items()}
        rows.append(toy_score(method(source.assemble([spec], pictures, features)), [spec], pictures))
    return torch.cat(rows)


def test_rows_are_those_of_each_episode_on_its_own() -> None:
    rows = run(ToySource(7))
    assert rows[:, 0].tolist() == list(range(7))
    assert torch.equal(rows, by_hand(ToySource(7)))


@pytest.mark.parametrize("options", [{"cache_bytes": 0}, {"cache_bytes": 2 * ENTRY_BYTES}, {"workers": 2}])
def test_cache_and_workers_change_nothing(options: dict[str, Any]) -> None:
    assert torch.equal(run(ToySource(7), batch_size=2, **options), run(ToySource(7), batch_size=2))


def test_two_processes_give_the_rows_of_one(two_processes: list[dict[str, Any]]) -> None:
    alone = run(ToySource(7), batch_size=2)
    for found in two_processes:
        assert torch.equal(found["evaluated"], alone)
        assert torch.equal(found["one_episode"], run(ToySource(1)))


def test_each_picture_is_loaded_and_encoded_once_where_memory_allows() -> None:
    source, method = ToySource(20), ToyMethod()
    run(source, method)
    assert len(source.loaded) == len(set(source.loaded)) == 6
    assert method.encoded == [1] * 6


def test_a_small_cache_encodes_more_often_but_less_than_none() -> None:
    counts = []
    for entries in (0, 1, 3, 6):
        source = ToySource(20)
        run(source, cache_bytes=entries * ENTRY_BYTES)
        counts.append(len(source.loaded))
    assert counts[0] == 60
    assert counts[3] == 6
    assert counts == sorted(counts, reverse=True)
    assert len(set(counts)) == 4


@pytest.mark.parametrize("wide", [0, 1])
def test_pictures_of_several_sizes_give_the_rows_of_each_on_its_own(wide: int) -> None:
    # The first picture is larger (wide 0) or smaller (wide 1) than those that follow, and misleads the forecast.
    expected = by_hand(ToySource(9, pictures=8, wide=wide))
    for cache in (0, 2 * ENTRY_BYTES, 5 * ENTRY_BYTES, 1 << 30):
        assert torch.equal(run(ToySource(9, pictures=8, wide=wide), cache_bytes=cache), expected)


def test_pictures_encoded_together_agree_to_rounding() -> None:
    method = ToyMethod()
    rows = run(ToySource(9, pictures=8, wide=0), method, encode_batch=3)
    alone = run(ToySource(9, pictures=8, wide=0))
    assert max(method.encoded) > 1
    assert torch.equal(rows[:, :4], alone[:, :4])
    assert (rows[:, 4] - alone[:, 4]).abs().max() < 1e3  # of 1e6 per unit of logits, summed


class RepeatedSupport(ToySource):
    """Episodes of which several have the same class and support, far apart in the plan."""

    def __init__(self, episodes: int) -> None:
        super().__init__(episodes)
        classes, supports = [(1,), (2,), (1,)], [((0, 1),), ((0, 1),), ((2, 0),)]
        for place, spec in enumerate(self.specs):
            kind = place % 3
            self.specs[place] = EpisodeSpec(spec.number, classes[kind], supports[kind], ((3 + place % 2,),))


class Counting(ToyMethod):
    """Counts the support sets it is conditioned on and the queries it predicts."""

    def __init__(self) -> None:
        super().__init__(plain=True)
        self.conditioned, self.predicted = 0, 0

    def condition(self, support: Any, labels: torch.Tensor) -> torch.Tensor:
        self.conditioned += len(labels)
        return super().condition(support, labels)

    def predict(self, query: Any, state: torch.Tensor) -> torch.Tensor:
        self.predicted += query.maps["map"].shape[:2].numel()
        return super().predict(query, state)


@pytest.mark.parametrize("batch_size", [1, 2, 4, 20])
def test_a_support_set_that_returns_is_learned_once(batch_size: int) -> None:
    method, source = Counting(), RepeatedSupport(11)
    rows = run(source, method, batch_size=batch_size, cache_bytes=2 * ENTRY_BYTES)
    assert method.conditioned <= (3 if batch_size == 1 else 7)
    assert method.predicted == 11
    expected = []
    plain = ToyMethod(plain=True).eval()
    for spec in source.specs:
        pictures = {number: source.load(number) for number in spec.pictures}
        features = {n: plain.encode(p.image[None]) for n, p in pictures.items()}
        expected.append(toy_score(plain(source.assemble([spec], pictures, features)), [spec], pictures))
    assert torch.equal(rows[:, :4], torch.cat(expected)[:, :4])
    assert (rows[:, 4] - torch.cat(expected)[:, 4]).abs().max() < 1e3  # of 1e6 per unit of logits, summed


def test_what_episodes_tell_beside_their_labels_is_learned_once_as_well() -> None:
    class Named(Counting):
        """Answers louder for classes of higher number."""

        def condition_episode(self, support: Any, episode: Any) -> torch.Tensor:
            return episode.classes * super().condition_episode(support, episode)

    method, source = Named(), RepeatedSupport(6)
    got: dict[int, torch.Tensor] = {}
    run(source, method, sink=lambda specs, pictures, outputs: got.update({specs[0].number: outputs}))
    assert method.conditioned == 3
    for spec in source.specs:
        pictures = {number: source.load(number) for number in spec.pictures}
        features = {n: method.encode(p.image[None]) for n, p in pictures.items()}
        with torch.no_grad():
            torch.testing.assert_close(got[spec.number], method(source.assemble([spec], pictures, features)))
    assert not torch.allclose(got[0], got[1])


def test_features_on_a_disk_give_the_same_rows_without_encoding(tmp_path: Path) -> None:
    expected = run(ToySource(9))
    for budget, encoded in ((0, 6), (2 * 480, 6), (1 << 20, 4), (1 << 20, 0)):
        method = ToyMethod()
        files = FeatureFiles(tmp_path, lambda number, support: f"{number:04x}{support:d}", budget_bytes=budget)
        assert torch.equal(run(ToySource(9), method, files=files), expected)
        assert len(method.encoded) == encoded


class WithMoreOfSupports(ToyMethod):
    """Encodes supports by a verb of their own."""

    supports_differ = True

    def __init__(self) -> None:
        super().__init__()
        self.supports: list[int] = []

    def encode_support(self, images: torch.Tensor) -> Features:
        self.supports.append(len(images))
        return self.encode(images)


def test_pictures_that_serve_as_supports_are_encoded_as_such(tmp_path: Path) -> None:
    for together, supports, all_of_them in ((1, [1, 1, 1], [1, 1, 1, 1, 1]), (5, [2, 1], [2, 1, 1, 1])):
        method = WithMoreOfSupports()
        files = FeatureFiles(
            tmp_path / str(together), lambda number, support: f"{number}{support:d}", budget_bytes=1 << 20
        )
        rows = run(RepeatedSupport(6), method, encode_batch=together, files=files)
        assert torch.equal(rows[:, :4], run(RepeatedSupport(6))[:, :4])
        assert sorted(method.supports) == sorted(supports)
        assert sorted(method.encoded) == sorted(all_of_them)
        assert {path.stem for path in (tmp_path / str(together)).iterdir()} == {"01", "11", "21", "30", "40"}


def test_known_features_are_not_computed_again() -> None:
    method = ToyMethod()
    known = encode_all(method, toy_picture, [0, 1, 2, 3], device=torch.device("cpu"))
    method.encoded.clear()
    rows = run(ToySource(20), method, known=known)
    assert method.encoded == [1, 1]  # pictures 4 and 5
    assert torch.equal(rows, run(ToySource(20)))


def test_encode_all_gives_every_picture_once() -> None:
    method, seen = ToyMethod(), []
    numbers = [3, 1, 2, 9, 4]
    found = encode_all(
        method, toy_picture, numbers, device=torch.device("cpu"), encode_batch=2, visit=lambda p: seen.append(p.number)
    )
    assert list(found) == seen == numbers
    assert method.encoded == [2, 2, 1]
    assert method.training
    for number, features in found.items():
        alone = method.encode(toy_picture(number).image[None])
        torch.testing.assert_close(features.maps["map"], alone.maps["map"].detach())
        assert features.image_size == (12, 10)
        assert features.maps["map"].untyped_storage().nbytes() == 4 * 4 * 6 * 5


def test_lower_precision_stays_close_and_gives_float32() -> None:
    outputs = []
    for precision in ("float32", "bf16"):
        run(ToySource(3), precision=precision, sink=lambda specs, pictures, logits: outputs.append(logits))
    assert all(logits.dtype == torch.float32 for logits in outputs)
    assert not torch.equal(outputs[0], outputs[3])
    torch.testing.assert_close(outputs[0], outputs[3], atol=0.05, rtol=0.05)
    with pytest.raises(InputError, match="precision 'int8' is unknown"):
        run(ToySource(3), precision="int8")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("store", [None, torch.device("cpu")])
def test_rows_do_not_depend_on_where_features_are_kept(device: str, store: torch.device | None) -> None:
    method = ToyMethod().to(device)
    rows = evaluate(method, ToySource(9), toy_score, runtime=on(device), store=store, workers=2, batch_size=2)
    assert rows.device.type == "cpu"
    assert torch.equal(rows, evaluate(method, ToySource(9), toy_score, runtime=on(device), batch_size=2))
    expected = run(ToySource(9), batch_size=2)
    assert torch.equal(rows[:, :4], expected[:, :4])
    assert (rows[:, 4] - expected[:, 4]).abs().max() < 1e3  # of 1e6 per unit of logits, summed


def test_the_sink_gets_every_batch() -> None:
    got = []
    run(ToySource(5), batch_size=2, sink=lambda specs, pictures, outputs: got.append((specs, pictures, outputs)))
    assert [[spec.number for spec in specs] for specs, _, _ in got] == [[0, 3], [1, 4], [2]]  # class by class
    for specs, pictures, outputs in got:
        assert outputs.shape == (len(specs), 1, 2, 12, 10)
        assert {number for spec in specs for number in spec.pictures} == set(pictures)


def test_the_model_returns_to_its_own_modes() -> None:
    method = ToyMethod().train()
    method.norm.eval()
    run(ToySource(2), method)
    assert [method.training, method.norm.training, method.dropout.training] == [True, False, True]
    assert not any(parameter.grad is not None for parameter in method.parameters())
    with pytest.raises(KeyError), evaluation_mode(method):
        raise KeyError
    assert method.training


def test_no_episodes_and_broken_pictures_are_one_line() -> None:
    with pytest.raises(InputError, match="no episodes to evaluate"):
        run(ToySource(0))
    for workers in (0, 2):
        with pytest.raises(InputError) as error:
            run(ToySource(9, broken=4), workers=workers)
        assert str(error.value) == "picture 4 is unreadable; fetch it again"


def test_a_score_of_another_form_is_our_error() -> None:
    def floats(*arguments: Any) -> torch.Tensor:
        return torch.zeros(1, 3)

    with pytest.raises(ValueError, match=r"int64 \[1, R\] is expected"):
        evaluate(ToyMethod(), ToySource(2), floats, runtime=cpu())


def test_what_a_method_keeps_can_be_trained_with_later() -> None:
    class Keeping(ToyMethod):
        kept: nn.Parameter | torch.Tensor | None = None

        def encode(self, images: torch.Tensor) -> Any:
            features = super().encode(images)
            if self.kept is None:
                self.kept = features.maps["map"].mean()
            return features

    method = Keeping()
    run(ToySource(1), method)
    assert method.kept is not None
    (method.kept * method.classifier.weight).sum().backward()
    assert method.classifier.weight.grad is not None


@pytest.mark.parametrize("holds", [1, 2, 3])
def test_a_device_with_little_memory_gives_the_rows_of_one_with_enough(
    holds: int, caplog: pytest.LogCaptureFixture
) -> None:
    class Little(Counting):
        def encode(self, images: torch.Tensor) -> Features:
            self._hold(len(images))
            return super().encode(images)

        def predict(self, query: Any, state: torch.Tensor) -> torch.Tensor:
            self._hold(query.maps["map"].shape[:2].numel())
            return super().predict(query, state)

        def _hold(self, count: int) -> None:
            if count > holds:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")

    for source in (RepeatedSupport(11), ToySource(7)):
        options = {"batch_size": 6, "encode_batch": 5}
        rows, expected = run(source, Little(), **options), run(source, Counting(), **options)
        assert torch.equal(rows[:, :4], expected[:, :4])
    assert "the memory of cpu does not hold 5 pictures at once; going on with 2" in caplog.messages
    assert any("episodes at once" in message for message in caplog.messages)
    assert any("queries at once" in message for message in caplog.messages)
