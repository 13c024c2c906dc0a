"""The loop: exact resume however it was stopped, selection, early stop, bounds, several processes."""

import dataclasses
import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from sccan.backbones.weights import load_weights
from sccan.engine.checkpoint import read_header, read_state
from sccan.engine.run import open_run
from sccan.engine.train import TrainResult, TrainSettings, train
from sccan.errors import InputError
from tests.engine.processes import SETTINGS, TWO_SETTINGS, launch
from tests.engine.toy import DEVICES, RECIPE, ToyMethod, ToyTask, cpu, on


def trained(
    folder: Path,
    task: ToyTask,
    settings: TrainSettings,
    *,
    resume: bool = False,
    model: ToyMethod | None = None,
    device: str = "cpu",
) -> tuple[ToyMethod, TrainResult]:
    model, runtime = model or ToyMethod(), on(device)
    with open_run(folder, runtime, config_text="", settings={}, resume=resume) as run:
        result = train(model, task, run, runtime, settings, RECIPE, header={"method": "toy"})
    return model, result


def lines(folder: Path) -> list[dict[str, Any]]:
    """The log without what depends on the clock and on being stopped."""
    found = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    clock = ("time", "steps_per_second")
    return [{k: v for k, v in line.items() if k not in clock} for line in found if "event" not in line]


def events(folder: Path) -> list[str]:
    found = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line["event"] for line in found if "event" in line]


def assert_same(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def test_killed_in_mid_epoch_and_resumed_is_never_killed(tmp_path: Path) -> None:
    code, output = launch("kill", tmp_path / "killed")
    assert code == -signal.SIGKILL, output
    saved = read_state(tmp_path / "killed" / "last.pt")["standing"]["step"]
    assert saved == 6
    assert lines(tmp_path / "killed")[-1]["step"] == 7
    resumed_task = ToyTask(steps_per_epoch=7)
    resumed, result = trained(tmp_path / "killed", resumed_task, SETTINGS, resume=True)
    whole, _ = trained(tmp_path / "whole", ToyTask(steps_per_epoch=7), SETTINGS)
    assert result.complete
    # An epoch has 7 batches in 4 steps; 6 steps end in the middle of the second epoch.
    assert resumed_task.seen == [(1, batch) for batch in range(4, 7)] + [(2, batch) for batch in range(7)]
    assert_same(resumed.state_dict(), whole.state_dict())
    assert lines(tmp_path / "killed") == lines(tmp_path / "whole")
    assert events(tmp_path / "killed") == ["started", "resumed", "finished"]
    for name in ("updater", "standing", "random"):
        first, second = (read_state(tmp_path / folder / "last.pt")[name] for folder in ("killed", "whole"))
        assert str(first) == str(second)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_step_saves_and_can_be_resumed(tmp_path: Path, number: signal.Signals) -> None:
    settings = TrainSettings(epochs=2, validate_every=0.5, save_minutes=0)
    _, result = trained(tmp_path / "a", ToyTask(events={2: number}), settings)
    # The third step ends an half epoch: the validation owed then is made after resuming.
    assert (result.reason, result.step, result.complete) == ("interrupted", 3, False)
    assert lines(tmp_path / "a") == []
    model, result = trained(tmp_path / "a", ToyTask(), settings, resume=True)
    whole, _ = trained(tmp_path / "whole", ToyTask(), settings)
    assert result.complete
    assert_same(model.state_dict(), whole.state_dict())
    assert lines(tmp_path / "a") == lines(tmp_path / "whole")
    assert events(tmp_path / "a") == ["started", "interrupted", "resumed", "finished"]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision", ["float32", "bf16", "fp16"])
def test_every_device_and_precision_resumes(tmp_path: Path, device: str, precision: str) -> None:
    settings = TrainSettings(epochs=2, precision=precision, clip_norm=1.0, accumulation=2, log_every=1)
    trained(tmp_path / "a", ToyTask(events={7: signal.SIGTERM}), settings, device=device)
    state = torch.load(tmp_path / "a" / "last.pt", weights_only=True)
    assert all(value.device.type == "cpu" for value in state["updater"]["model"].values())
    model, result = trained(tmp_path / "a", ToyTask(), settings, resume=True, device=device)
    whole, _ = trained(tmp_path / "whole", ToyTask(), settings, device=device)
    assert result.complete
    # CUDA adds in an order of its own; another dropout mask would change far more.
    tolerance = 0.0 if device == "cpu" else 1e-5
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, atol=tolerance, rtol=0, msg=name)
    header = read_header(tmp_path / "a" / "best.safetensors")
    assert header["step"] == 6


def test_a_bound_on_time_validates_and_stays_resumable(tmp_path: Path) -> None:
    settings = TrainSettings(epochs=2, log_every=1)
    bounded = dataclasses.replace(settings, max_minutes=1e-9)
    model = ToyMethod()
    for step in range(1, 13):
        _, result = trained(tmp_path / "a", ToyTask(), bounded, resume=step > 1, model=model)
        assert result.step == step
        assert result.reason == ("finished" if step == 12 else "out of time")
        assert read_header(tmp_path / "a" / "best.safetensors")["score"] is not None
    whole, _ = trained(tmp_path / "whole", ToyTask(), settings)
    assert_same(model.state_dict(), whole.state_dict())
    losses = [[line for line in lines(tmp_path / folder) if "losses" in line] for folder in ("a", "whole")]
    assert losses[0] == losses[1]
    assert events(tmp_path / "a").count("out of time") == 11


def test_neither_validating_nor_saving_changes_the_training(tmp_path: Path) -> None:
    often = TrainSettings(epochs=2, validate_every=0.5, save_steps=1, log_every=1, save_minutes=1e-9)
    never = TrainSettings(epochs=2, validate_every=0, save_minutes=0, log_every=5)
    torch.manual_seed(0)
    first, _ = trained(tmp_path / "often", ToyTask(), often)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    second, _ = trained(tmp_path / "never", ToyTask(), never)
    assert torch.equal(torch.get_rng_state(), before)
    assert_same(first.state_dict(), second.state_dict())
    means = [line["losses"]["total"] for line in lines(tmp_path / "often") if "losses" in line]
    coarse = [line["losses"]["total"] for line in lines(tmp_path / "never")]
    assert coarse == pytest.approx([sum(means[:5]) / 5, sum(means[5:10]) / 5, sum(means[10:]) / 2])
    other, _ = trained(tmp_path / "seed", ToyTask(), dataclasses.replace(never, seed=1))
    assert not torch.equal(other.backbone.weight, first.backbone.weight)


def test_the_best_weights_are_those_of_the_best_score(tmp_path: Path) -> None:
    kept: list[dict[str, torch.Tensor]] = []

    class Watching(ToyTask):
        def validate(self, method: torch.nn.Module) -> dict[str, float]:
            kept.append({name: value.clone() for name, value in method.state_dict().items()})
            return super().validate(method)

    task = Watching(scores=[0.1, 0.7, float("nan"), 0.7])
    _, result = trained(tmp_path, task, TrainSettings(epochs=4))
    assert (result.best_score, result.best_step, result.step) == (0.7, 12, 24)
    header = read_header(tmp_path / "best.safetensors")
    assert header["validation"] == {"score": 0.7, "other": 1.0}
    assert (header["method"], header["step"], header["epoch"]) == ("toy", 12, 2.0)
    assert len(header["config_digest"]) == 16
    best = ToyMethod(seed=9)
    load_weights(best, tmp_path / "best.safetensors", excused=())
    assert_same(best.state_dict(), kept[1])
    assert [line["best"] for line in lines(tmp_path) if "validation" in line] == [True, True, False, False]


def test_a_score_that_is_no_number_is_never_the_best(tmp_path: Path) -> None:
    _, result = trained(tmp_path, ToyTask(scores=[float("nan"), 0.2, float("nan")]), TrainSettings(epochs=3))
    assert (result.best_score, result.best_step) == (0.2, 12)


def test_without_validation_the_last_weights_are_released(tmp_path: Path) -> None:
    model, result = trained(tmp_path, ToyTask(), TrainSettings(epochs=1, validate_every=0))
    assert (result.best_score, result.complete) == (None, True)
    assert read_header(tmp_path / "best.safetensors")["score"] is None
    best = ToyMethod(seed=9)
    load_weights(best, tmp_path / "best.safetensors", excused=())
    assert_same(best.state_dict(), model.state_dict())


def test_training_stops_when_patience_ends_and_stays_stopped(tmp_path: Path) -> None:
    settings = TrainSettings(epochs=50, patience=1.5, validate_every=0.5)
    task = ToyTask(scores=[0.1, 0.5, 0.2])
    _, result = trained(tmp_path, task, settings)
    assert (result.reason, result.best_step, result.step) == ("early stop", 6, 15)
    assert len(task.validated) == 5
    again = ToyTask(scores=[0.9])
    _, result = trained(tmp_path, again, settings, resume=True)
    assert (result.reason, result.step, again.seen, again.validated) == ("early stop", 15, [], [])


def test_a_finished_run_is_resumed_to_nothing(tmp_path: Path) -> None:
    model, _ = trained(tmp_path, ToyTask(), TrainSettings(epochs=1))
    saved = (tmp_path / "last.pt").stat().st_mtime_ns
    task = ToyTask()
    same, result = trained(tmp_path, task, TrainSettings(epochs=1), resume=True, model=ToyMethod(seed=4))
    assert (result.reason, task.seen, task.validated) == ("finished", [], [])
    assert (tmp_path / "last.pt").stat().st_mtime_ns == saved
    assert_same(same.state_dict(), model.state_dict())


def test_a_bound_on_steps_ends_the_schedule_there(tmp_path: Path) -> None:
    _, result = trained(tmp_path, ToyTask(), TrainSettings(epochs=9, max_steps=8, log_every=1))
    assert (result.reason, result.step, result.total) == ("finished", 8, 8)
    rates = [line["rates"] for line in lines(tmp_path) if "rates" in line]
    assert [r["head"] for r in rates] == pytest.approx([0.05 * (1 - t / 8) ** 0.9 for t in range(1, 9)])
    assert {r["transformer"] for r in rates} == {0.01}


@pytest.mark.parametrize("log_every", [1, 100])
def test_a_loss_that_is_not_finite_stops_and_overwrites_nothing(tmp_path: Path, log_every: int) -> None:
    settings = TrainSettings(epochs=3, log_every=log_every)
    with pytest.raises(InputError, match="'total' is not finite at step 9; what was saved before stands"):
        trained(tmp_path, ToyTask(events={8: "nan"}), settings)
    state = read_state(tmp_path / "last.pt")
    assert state["standing"]["step"] == 6
    assert all(value.isfinite().all() for value in state["updater"]["model"].values())
    assert read_header(tmp_path / "best.safetensors")["step"] == 6
    _, result = trained(tmp_path, ToyTask(), settings, resume=True)
    assert result.complete


def test_time_between_saves_is_kept(tmp_path: Path) -> None:
    seen: list[int] = []

    class Slow(ToyTask):
        def prepare(self, batch: Any, device: torch.device) -> Any:
            last = tmp_path / "last.pt"
            seen.append(read_state(last)["standing"]["step"] if last.is_file() else 0)
            time.sleep(0.1)
            return super().prepare(batch, device)

    trained(tmp_path, Slow(), TrainSettings(epochs=1, save_minutes=0.3 / 60))
    assert 0 < max(seen) <= 5
    assert len(set(seen)) < 5  # not at every step


def test_a_run_killed_before_its_first_save_begins_anew(tmp_path: Path) -> None:
    with open_run(tmp_path, cpu(), config_text="", settings={}) as run:
        run.log({"step": 1})
    model, _ = trained(tmp_path, ToyTask(), TrainSettings(epochs=1), resume=True)
    whole, _ = trained(tmp_path / "whole", ToyTask(), TrainSettings(epochs=1))
    assert_same(model.state_dict(), whole.state_dict())
    assert lines(tmp_path) == lines(tmp_path / "whole")


def test_another_amount_of_data_is_refused(tmp_path: Path) -> None:
    trained(tmp_path, ToyTask(), TrainSettings(epochs=1))
    with pytest.raises(InputError, match="trained with batches per epoch 6, but now there are 5; resume with the data"):
        trained(tmp_path, ToyTask(steps_per_epoch=5), TrainSettings(epochs=1), resume=True)


def test_an_epoch_without_batches_and_one_that_ends_early(tmp_path: Path) -> None:
    class Short(ToyTask):
        def batches(self, epoch: int, first_step: int) -> Any:
            return iter(list(super().batches(epoch, first_step))[:2])

    with pytest.raises(InputError, match="no batch per epoch"):
        trained(tmp_path / "a", ToyTask(steps_per_epoch=0), TrainSettings(epochs=1))
    with pytest.raises(ValueError, match="fewer than its 6 batches in epoch 0"):
        trained(tmp_path / "b", Short(), TrainSettings(epochs=1))


def test_a_validation_without_a_score_is_our_error(tmp_path: Path) -> None:
    class Scoreless(ToyTask):
        def validate(self, method: torch.nn.Module) -> dict[str, float]:
            return {"miou": 0.5}

    with pytest.raises(ValueError, match="the validation gave miou, but no score"):
        trained(tmp_path, Scoreless(), TrainSettings(epochs=1))


def test_two_processes_train_as_one_with_the_double_batch(tmp_path: Path, two_processes: list[dict[str, Any]]) -> None:
    model, _ = trained(tmp_path, ToyTask(), TWO_SETTINGS, model=ToyMethod(plain=True))
    for found in two_processes:
        assert found["reason"] == "finished"
        for name, value in model.state_dict().items():
            torch.testing.assert_close(found["model"][name], value, atol=1e-6, rtol=1e-5, msg=name)
    assert_same(two_processes[0]["model"], two_processes[1]["model"])


def test_two_processes_refuse_a_folder_in_use_alike(two_processes: list[dict[str, Any]]) -> None:
    assert two_processes[0]["refusal"] == two_processes[1]["refusal"]
    assert "another run uses" in two_processes[0]["refusal"]


def test_two_processes_stop_together_and_resume_exactly(two_processes: list[dict[str, Any]]) -> None:
    for found in two_processes:
        assert found["parts_reasons"] == ["interrupted", "finished"]
        assert found["whole_reasons"] == ["finished", "finished"]
        parameters = [name for name, _ in ToyMethod().named_parameters()]
        assert_same({n: found["parts"][n] for n in parameters}, {n: found["whole"][n] for n in parameters})
    assert_same(two_processes[0]["parts"], two_processes[0]["whole"])  # running statistics are the main process's
    scores = [found[f"{name}_scores"] for found in two_processes for name in ("parts", "whole")]
    assert len(scores[0]) == 4
    assert scores == [scores[0]] * 4  # validated alike by both processes, stopped or not


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"precision": "half"}, "precision 'half' is unknown; use one of float32, bf16, fp16"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"accumulation": 0}, "accumulation must be at least 1"),
        ({"patience": -1.0}, "patience must not be negative"),
        ({"clip_norm": float("nan")}, "clip_norm must not be negative, but is nan"),
    ],
)
def test_unfit_settings_are_refused(values: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line):
        TrainSettings(**{"epochs": 1, **values})


def test_too_little_memory_ends_a_training_with_what_to_do_and_changes_nothing(tmp_path: Path) -> None:
    class Little(ToyMethod):
        steps = 0

        def encode(self, images: torch.Tensor) -> Any:
            if self.training:
                Little.steps += 1
            if Little.steps > 2:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
            return super().encode(images)

    message = "the memory of cpu does not hold step 2; .* halve TRAIN.BATCH_SIZE and double TRAIN.ACCUMULATION"
    with pytest.raises(InputError, match=message):
        trained(tmp_path, ToyTask(), SETTINGS, model=Little())
    assert Little.steps == 3, "it is not tried again with less; a step encodes twice"
