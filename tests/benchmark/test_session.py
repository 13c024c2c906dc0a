"""Benchmarks of real methods at toy size: every part gives lines, and variants compute what they claim to."""

import json
from pathlib import Path

import pytest
import torch

from sccan.benchmark.everything import SMALL, SMALL_PICTURES, planned, run_everything
from sccan.benchmark.record import read, table
from sccan.benchmark.session import Plan, run_plan, split_variant
from sccan.benchmark.synthetic import synthetic_settings
from sccan.benchmark.workloads import build
from sccan.commands import benchmark
from sccan.engine.distributed import Runtime
from sccan.errors import InputError
from sccan.settings.loading import load_config
from tests.engine.toy import cpu

SCCAN = "config/pascal/pascal_split0_resnet50.yaml"
CAN = "config/cifar_fs/can_resnet12_5w1s.yaml"
AMOUNTS = (("evaluation", 3), ("training", 1), ("loader", 4))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("benchmark")


def plan(data: Path, config: str, **changes: object) -> Plan:
    opts = tuple(SMALL if config == SCCAN else SMALL_PICTURES)
    given = {
        "config": config,
        "opts": opts,
        "amounts": AMOUNTS,
        "warm_up": 0,
        "repeats": 1,
        "synthetic": 30,
        "side": 97,
    }
    return Plan(**{**given, "folder": str(data), "parts": ("evaluation",), **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("config", [SCCAN, pytest.param(CAN, marks=pytest.mark.slow)])
def test_all_parts_of_both_tasks_are_measured(data: Path, config: str) -> None:
    lines = run_plan(plan(data, config, parts=("evaluation", "training", "loader")), cpu())
    assert [line["part"] for line in lines] == ["evaluation", "training", "loader"]
    assert all(line["per_second"]["median"] > 0 and line["peak_bytes"] > 0 for line in lines)
    assert lines[0]["operations"] > 1e5
    assert lines[1]["operations"] > 2 * lines[0]["operations"] * 0.5
    assert lines[2]["units"][0] >= 4


def test_parts_add_up_and_are_those_of_the_method(data: Path) -> None:
    (line,) = run_plan(plan(data, SCCAN, clocked=True), cpu())
    assert {"backbone", "support side", "query side", "prior", "attention", "head", "data", "rest"} <= set(
        line["parts"]
    )
    total = sum(spread["median"] for spread in line["parts"].values())
    assert total == pytest.approx(line["seconds_per_unit"]["median"])


@pytest.mark.parametrize(("shots", "batch"), [(1, 1), (2, 3)])
def test_published_uncached_and_cached_evaluations_give_the_same_miou(data: Path, shots: int, batch: int) -> None:
    opts = [*SMALL, "EPISODE.SHOTS", str(shots), "TEST.BATCH_SIZE", str(batch)]
    cfg = load_config(SCCAN, opts)
    cfg = load_config(SCCAN, [*opts, *synthetic_settings(cfg, data, pictures=30, side=97)])
    ratios = []
    for words in ((), ("uncached",), ("published",)):
        work = build("evaluation", cfg, frozenset(words), cpu(), amount=12, weights="")
        assert work.run() == 12
        assert work.rows is not None
        rows = work.rows()
        assert rows[:, 0].tolist() == list(range(12))
        ratios.append(rows[:, 2:4].double().sum(0) / rows[:, 4:].double().sum(0))
    for other in ratios[1:]:
        assert [f"{float(value):.4f}" for value in other] == [f"{float(value):.4f}" for value in ratios[0]]


@pytest.mark.parametrize("config", [SCCAN, pytest.param(CAN, marks=pytest.mark.slow)])
def test_lines_say_what_was_found_in_percent(data: Path, config: str) -> None:
    first, second = run_plan(plan(data, config, variants=("", "uncached")), cpu())
    assert set(first["scores"]) == ({"mIoU", "FB-IoU"} if config == SCCAN else {"accuracy"})
    assert second["scores"] == pytest.approx(first["scores"], abs=1e-4)
    assert all(1 < value < 100 for value in list(first["scores"].values())[-1:])
    name, value = list(first["scores"].items())[-1]
    assert f"{name} {value:.4f} %" in table([first, second])


def test_a_repeat_of_no_processor_time_is_compared_by_the_wall(data: Path) -> None:
    first, second = run_plan(plan(data, SCCAN, variants=("", "uncached")), cpu())
    assert "by processor time)" in table([first, second])
    first["processor_seconds"] = [0.0]
    text = table([first, second])
    assert "times as fast as the first variant\n" in text
    assert "by processor time)" not in text


def test_a_variant_is_words_and_settings() -> None:
    assert split_variant("compiled TRAIN.PRECISION bf16") == ({"compiled"}, ["TRAIN.PRECISION", "bf16"])
    assert split_variant("TRAIN.TRANSFORM published") == (set(), ["TRAIN.TRANSFORM", "published"])
    with pytest.raises(InputError, match="did you mean 'published'"):
        split_variant("publishd TRAIN.PRECISION")
    with pytest.raises(InputError, match="without a value"):
        split_variant("TRAIN.PRECISION")


def test_published_arithmetic_of_other_methods_is_refused(data: Path) -> None:
    with pytest.raises(InputError, match="sccan alone"):
        run_plan(plan(data, CAN, variants=("published",)), cpu())


def test_the_command_writes_what_it_can_compare(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / name for name in ("a.json", "b.json")]
    for file in files:
        argv = (
            f"--config={SCCAN} --part loader --synthetic 30 --side 97 --data {data} --images 4 --repeats 2 --out {file}"
        )
        assert benchmark.main([*argv.split(), "--opts", *SMALL]) == 0
    assert benchmark.main(["--compare", *map(str, files)]) == 0
    assert "times as fast" in capsys.readouterr().out
    stored = json.loads(files[0].read_text())
    stored["results"][0]["per_second"]["median"] = 0.0
    files[0].write_text(json.dumps(stored))
    with pytest.raises(InputError, match=r"results\[0\]\.per_second\.median: expected a number > 0\.0, found 0\.0"):
        benchmark.main(["--compare", *map(str, files)])
    stored = json.loads(files[1].read_text())
    del stored["environment"]["revision"]
    files[1].write_text(json.dumps(stored))
    with pytest.raises(InputError, match="revision"):
        benchmark.main(["--compare", str(files[1]), str(files[1])])
    with pytest.raises(InputError, match="nothing to measure"):
        benchmark.main([])
    with pytest.raises(InputError, match="name their folder"):
        benchmark.main(["--everything"])
    assert torch.get_num_threads() >= 1


@pytest.mark.parametrize("small", [True, False])
def test_every_measurement_of_everything_has_settings_that_exist(small: bool) -> None:
    titles = []
    for title, one in planned(cpu(), small):
        titles.append(title)
        for variant in one.variants:
            load_config(one.config, [*one.opts, *split_variant(variant)[1]])
    assert len(titles) == len(set(titles)) > 20


def test_everything_is_for_one_process(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="for one process, not 2"):
        run_everything(Runtime(torch.device("cpu"), 0, 2), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_everything_runs_at_toy_size(tmp_path: Path) -> None:
    cases = Path(__file__).parents[1] / "reference" / "cases" / "can"
    assert run_everything(cpu(), tmp_path, reference=cases, small=True) == 0
    found = read(tmp_path / "benchmark.json")
    assert {line["part"] for line in found["results"]} == {"evaluation", "training", "loader"}
    assert found["failed"] == []
    assert found["reference"]["float32 can"]["lines_ok"] == found["reference"]["float32 can"]["lines"] > 0
    assert (tmp_path / "profile" / "training.json").stat().st_size > 1000
    assert "times as fast" in (tmp_path / "benchmark.txt").read_text()
