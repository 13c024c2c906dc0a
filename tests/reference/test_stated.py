"""What a case states is read, refused or told: altered copies of recorded cases are computed as they then say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sccan.errors import InputError
from sccan.reference import fill
from sccan.reference.cases import Case, build_input, read_case, run_case
from sccan.reference.stated import Stated
from sccan.reference.systems import SYSTEMS
from sccan.reference.verify import verify

FOLDER = Path(__file__).parent / "cases"


def altered(name: str, changes: dict[str, Any]) -> Case:
    """A recorded case in which dotted names have other values."""
    case = read_case(FOLDER / f"{name}.json")
    for dotted, value in changes.items():
        *path, leaf = dotted.split(".")
        node = case.data
        for part in path:
            node = node[part]
        node[leaf] = value
    return case


def computed(name: str, changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """What our runner makes of it."""
    case = altered(name, changes or {})
    return SYSTEMS[case.system][case.part](case)


def test_settings_remember_what_was_read() -> None:
    stated = Stated({"a": 1, "b": 2, "c": "rate 0.5", "d": [3], "e": 5, "f": 6}, "case.json")
    assert (stated["a"], stated.get("none", 7)) == (1, 7)
    stated.only(b=(1, 2), none=3)
    stated.like(c=r"rate [\d.]+")
    stated.agree(d=[3])
    stated.aside("e")
    assert stated.unread == ["f"]


def test_a_setting_that_nothing_can_be_computed_without_is_asked_for() -> None:
    with pytest.raises(InputError, match=r"case\.json states no rate, which it cannot be computed without"):
        Stated({"way": 5}, "case.json")["rate"]


@pytest.mark.parametrize(
    ("check", "line"),
    [
        (lambda stated: stated.only(way=(4, 6)), "states way 5, but only 4 or 6 is computed here"),
        (lambda stated: stated.agree(way=4), "states way 5, but what it is given has 4"),
        (lambda stated: stated.like(mode="^train"), "mode reads 'eval', in which nothing like ^train is found"),
    ],
)
def test_what_does_not_fit_is_told(check: Any, line: str) -> None:
    stated = Stated({"way": 5, "mode": "eval"}, "case.json")
    check(stated)
    assert list(stated.doubts.values()) == [line]


def test_what_nothing_reads_is_told_and_what_is_refused_does_not_end_the_work(tmp_path: Path) -> None:
    name = "tasnet/sampler"
    lines = run_case(altered(name, {"config.libraries": "1.0"}), SYSTEMS["tasnet"]["sampler"])
    assert [(line.name, line.ok, line.note) for line in lines][-1] == (
        "config.libraries", True, "stated, and nothing reads it",
    )  # fmt: skip
    changes = (('"shot-major"', '"class-major"'), ("repeat(arange(12), 30)", "sorted"), ("", ""))
    for number, (old, new) in enumerate(changes):
        text = (FOLDER / f"{name}.json").read_text().replace(old, new)
        (tmp_path / f"{number}.json").write_text(text)
        (tmp_path / f"{number}.npz").write_bytes((FOLDER / f"{name}.npz").read_bytes())
    told: dict[str, Any] = {}
    found = verify([tmp_path], SYSTEMS, show=lambda case, lines: told.update({case: lines}))
    assert (found.systems["tasnet"].cases, found.systems["tasnet"].cases_ok) == (3, 2)
    assert any("order reads 'class-major'" in line.note for line in told["tasnet/0"])  # the numbers decide
    assert told["tasnet/1"][0].note.startswith("refused: ")


def test_the_sampler_has_the_rows_of_its_rule() -> None:
    rule = "generator('permutation', seed).permutation(repeat(arange(9), 25)): the label of every row"
    found = computed("tasnet/sampler", {"inputs.permutation.rule": rule, "config.n_cls": 4, "config.n_per": 6})
    rows = found["indices"]
    labels = fill.generator("permutation", 13).permutation(np.repeat(np.arange(9), 25))
    assert rows.shape == (3, 24)
    assert int(rows.max()) < 225
    for episode in rows.reshape(3, 6, 4).numpy():
        assert (labels[episode] == labels[episode[:1]]).all()


@pytest.mark.parametrize("mode", ["TIA", "TCA"])
def test_the_semantic_attention_is_a_plain_transformer_under_its_own_name(mode: str) -> None:
    name = "spatialformer/sfsa_module"
    usual, plain = computed(name), computed(name, {"config.attention_mode": mode})
    assert not torch.allclose(usual["support"], plain["support"])
    # The same unit as the target attention's, which a recorded case has in this mode: message + map, then the block.
    case = read_case(FOLDER / f"{name}.json")
    state = case.weights("tsca.")
    support, query = (case.tensor(part).flatten(2).transpose(1, 2) for part in ("support", "query"))

    def conv(layer: str, tokens: torch.Tensor) -> torch.Tensor:
        return tokens @ state[f"attention.{layer}.weight"].squeeze(-1).T + state[f"attention.{layer}.bias"]

    weights = (conv("proj.0", support) @ conv("proj.1", query).transpose(1, 2) / 32**0.5).softmax(-1)
    tokens = support + conv("merge", weights @ conv("proj.2", query))
    hidden = (tokens @ state["FFN.linear1.weight"].T + state["FFN.linear1.bias"]).relu()
    tokens = tokens + hidden @ state["FFN.linear2.weight"].T + state["FFN.linear2.bias"]
    tokens = torch.nn.functional.layer_norm(tokens, (32,), state["FFN.norm3.weight"], state["FFN.norm3.bias"])
    torch.testing.assert_close(plain["support"].flatten(2).transpose(1, 2), tokens, atol=1e-5, rtol=1e-4)


def test_the_fit_of_words_has_the_steps_that_are_stated_and_recorded() -> None:
    name = "tasnet/fusion_transductive"
    changes = {"config.inner_steps": 7, "outputs.episode0_inner_losses.what": "embedding loss at inner steps 0, 3, 6 ("}
    changes |= {"outputs.episode1_inner_losses.what": "embedding loss at inner steps 6 (before"}
    usual, short = computed(name), computed(name, changes)
    assert (short["episode0_inner_losses"].shape, short["episode1_inner_losses"].shape) == ((3,), (1,))
    torch.testing.assert_close(short["episode0_inner_losses"][0], usual["episode0_inner_losses"][0])
    assert not torch.allclose(short["episode0_logits"], usual["episode0_logits"])


def test_features_are_divided_where_a_case_says_so_in_either_mode() -> None:
    name, rows = "tasnet/fusion_transductive", "rows divided by their L2 norm before the head"
    usual, unit = computed(name), computed(name, {"config.feature_normalisation": rows})
    assert not torch.allclose(usual["episode0_logits"], unit["episode0_logits"])


def test_the_evaluation_transform_has_the_sides_and_bytes_of_its_sentences() -> None:
    name = "tasnet/eval_transform"
    sizes = {"what": "resize 70, centre crop 60", "inputs.pictures.shape": [3, 64, 80, 3]}
    rule = {"inputs.pictures.rule": "clip(round(100 + 20 * image('pictures', [3, 3, 64, 80], seed)), 0, 255) as uint8"}
    found = computed(name, sizes | rule)
    assert {key: value.shape for key, value in found.items()} == dict.fromkeys(("res12", "wrn28"), (3, 3, 60, 60))
    assert float(found["wrn28"].std()) < 0.6 * float(computed(name, sizes)["wrn28"].std())


def test_word_vectors_have_the_size_of_the_rule() -> None:
    rule = "for every word of the vocabulary: generator('glove.' + word, seed).standard_normal(50), float64"
    found = computed("tasnet/label_embeddings", {"inputs.glove.rule": rule})
    assert {value.shape[1] for value in found.values()} == {50}


def test_bounds_of_attributes_are_those_of_the_rule() -> None:
    name, rule = "tasnet/fusion_cub_train", "generator(key, seed).uniform(0, 1, [way, dim]), float64, then row r takes"
    usual, small = computed(name), computed(name, {"inputs.words0.rule": rule, "inputs.words1.rule": rule})
    # Cosines of words to the words of classes do not change with their length, but the sum with visual vectors does.
    assert not torch.allclose(usual["episode0_logits"], small["episode0_logits"], atol=1e-3)


def test_a_shift_of_the_optimiser_is_read() -> None:
    name = "tasnet/concat_meta_steps"
    sentence = read_case(FOLDER / f"{name}.json").config["outer_optimizer"]
    changed = computed(name, {"config.outer_optimizer": sentence.replace("1e-4", "0.5")})
    assert not torch.allclose(computed(name)["feat_bias"], changed["feat_bias"])


def test_an_overwritten_label_and_a_constant_follow_their_sentences() -> None:
    recipe = {"kind": "label", "shape": [12], "classes": 3, "then": "the first 7 entries are overwritten with 0..2"}
    assert build_input("labels", recipe, lambda _: np.zeros(1))[:7].tolist() == [0, 1, 2, 0, 1, 2, 0]
    filled = build_input("c", {"kind": "constant", "value": 4, "shape": [2, 3]}, lambda _: np.zeros(1))
    assert filled.tolist() == [[4] * 3] * 2
    with pytest.raises(InputError, match="input 'x' states gain 2, which is not known here"):
        build_input("x", {"kind": "feature", "shape": [2], "gain": 2}, lambda _: np.zeros(1))
    with pytest.raises(InputError, match="'then' reads|input 'labels' reads 'sorted'"):
        build_input("labels", recipe | {"then": "sorted"}, lambda _: np.zeros(1))


def test_files_of_the_published_sampler_hold_the_classes_of_the_rule() -> None:
    recorded = "{i%5+1}, plus (2*i+1)%5+1 where i%3==0, plus 9 (a class outside the fold) where i%7==0; ascending"
    config = {
        "files": 43, "shot": 1, "seed": 321, "workers": 8, "episodes": 100, "fold_classes": [1, 2, 3, 4, 5],
        "base_seed_first_pass": "first int64 drawn by torch",
    }  # fmt: skip
    run = SYSTEMS["sccan"]["published_episodes"]

    def episodes(rule: str) -> np.ndarray:
        case = {"system": "sccan", "part": "published_episodes", "config": {**config, "classes_of_file_i": rule}}
        return run(Case(Path("episodes.json"), case))["episodes"]

    usual = episodes(recorded)
    # Class 2 in every second file, and every third one holds class 9 as well, which the fold does not.
    rows = episodes(
        recorded.replace("{i%5+1}", "{i%2+1}").replace("i%7", "i%3").replace("plus (2*i+1)%5+1", "plus (2*i+1)%1+2")
    )
    assert rows.shape == usual.shape == (100, 3)
    assert set(rows[:, 1].tolist()) <= {0, 1}
    with pytest.raises(InputError, match="classes_of_file_i reads 'all'"):
        episodes("all")


@pytest.mark.parametrize(
    ("name", "changes", "line"),
    [
        ("amtnet/metric_eval", {"config.way": 4}, "states way 4, but what it is given has 5"),
        ("amtnet/metric_eval", {"config.method": "CAN"}, "states method 'CAN', but only 'IMLN' or"),
        ("amtnet/train_conv4_rotation", {"config.emd_metric": True}, "states emd_metric True"),
        ("amtnet/train_conv4_rotation", {"config.dropout": 0.1}, "states dropout 0.1, but only 0 is computed"),
        ("bam/gfss_base", {"config.ori_resize": False}, "states ori_resize False"),
        ("bam/gfss_base", {"config.base_classes_with_background": 12}, "but what it is given has 16"),
        ("can/can_eval_5shot", {"config.shot": 1}, "states shot 1, but what it is given has 5"),
        ("can/can_train_1shot", {"config.loss": "global"}, "the loss reads 'global'"),
        ("can/test_episodes", {"config.indices": "shuffled"}, "indices reads 'shuffled'"),
        ("can/transductive_1shot", {"config.queries": 50}, "but what it is given has 75"),
        ("cecnet/cecd_module_cosine", {"config.layers": ["self"]}, "states layers"),
        ("cecnet/cecm_module_cosine", {"config.patch_cluster": "Linear"}, "states patch_cluster 'Linear'; known are"),
        ("cecnet/train_bdc_rotation", {"config.neck": "tSF"}, "states neck 'tSF', but only 'None' is computed"),
        ("dmf/meta_filter_c16_g4_k3", {"config.ode_method": "dopri5"}, "reads 'dopri5'"),
        ("dmf/meta_filter_c16_g4_k3", {"config.dilation": 2}, "states dilation 2"),
        ("sccan/attention_self", {"config.window": 7}, "states window 7, but what it is given has 8"),
        ("sccan/dice_ignore", {"config.eps": 1e-3}, "states eps 0.001"),
        ("segmentation_data/centre_crop", {"config.padding": [0, 0, 0]}, "states padding"),
        ("segmentation_data/bounding_boxes", {"config.ann_type": "mask"}, "states ann_type 'mask'"),
        ("spatialformer/sfsa_module", {"config.attention_mode": "TXA"}, "states attention_mode 'TXA', but only 'TSIA'"),
        ("spatialformer/train_bdc_plain", {"config.palleral_attentions": False}, "states palleral_attentions False"),
        ("tasnet/fusion_cub_train", {"config.query": 10}, "states query 10, but what it is given has 15"),
        ("tasnet/fusion_cub_train", {"config.setting": "both"}, "states setting 'both'"),
        ("tasnet/sampler", {"inputs.permutation.rule": "sorted"}, "input 'permutation' reads 'sorted'"),
        ("tsf/neck_1head", {"config.FFN": "Conv"}, "states FFN 'Conv'"),
        ("tsf/train_conv4_rotation", {"config.neck": "tSF_plus"}, "states neck 'tSF_plus'"),
        ("tsf/train_conv4_rotation", {"config.nExemplars": 5, "config.nKnovel": 5}, "states nExemplars 5"),
    ],
    ids=str,
)
def test_a_value_that_is_not_computed_here_is_told_or_refused(name: str, changes: dict[str, Any], line: str) -> None:
    case = altered(name, changes)
    try:
        told = [one.note for one in run_case(case, SYSTEMS[case.system][case.part])]
    except InputError as error:
        told = [str(error)]
    assert any(line in one for one in told), told


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("amtnet/metric_eval", "scale", 3),
        ("amtnet/metric_eval", "backbone_name", "conv4"),
        ("cecnet/cecd_module_cosine", "scale", 3),
        ("cecnet/cecm_module_cosine", "layers", ["self"]),
        ("dmf/lr_schedule", "warmup_epochs", 3),
        ("sccan/dice_ignore", "weight", 0.5),
        ("segmentation_data/lists_coco_interleaved", "minimum_pixels", 1000),
        ("spatialformer/sfsa_module", "num_heads", 4),
        ("spatialformer/sfta_module", "attention_mode", "TIA"),
        ("tasnet/fusion_transductive", "setting", "in"),
        ("tasnet/fusion_transductive", "gradlr", 0.02),
        ("tasnet/fusion_transductive", "lamda", 0.5),
        ("tsf/neck_4heads", "num_heads", 2),
    ],
)  # fmt: skip
def test_another_value_gives_other_numbers(name: str, setting: str, value: Any) -> None:
    case = altered(name, {f"config.{setting}": value})
    assert not all(line.ok for line in run_case(case, SYSTEMS[case.system][case.part]))
