"""Plug-ins by config: every neck on every backbone in front of every metric learns, and equals what it is from."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from yacs.config import CfgNode

from sccan.builders.classification.data import build_classifier
from sccan.builders.classification.family import TAKE_CROSS
from sccan.builders.necks import CROSSES, NECKS, full_name
from sccan.builders.pretrained import load_backbone
from sccan.episodes.episode import Episode
from sccan.errors import InputError
from sccan.method import Method
from sccan.settings.loading import load_config
from tests.classification.made_up import made_up_episode

SMALL = """BACKBONE.RESNET12.STEM 4 BACKBONE.RESNET12.WIDTHS (4,4,6,8) BACKBONE.RESNET12_POOLED.WIDTHS (4,4,6,8)
    BACKBONE.RESNET12_POOLED.DROP_RATE 0.0 BACKBONE.CONV4.WIDTHS (4,4,8,8) PICTURE.SIZE (28,28) EPISODE.WAYS 3
    METHOD.SPATIALFORMER.TUNING_STEPS 3""".split()
EPISODE = made_up_episode(n_query=2, size=(28, 28))
CONFIG = Path(__file__).parent.parent.parent / "config/cifar_fs/tsf_resnet12_5w1s.yaml"


def _cfg(*more: str) -> CfgNode:
    return load_config(CONFIG, [*SMALL, *more])


def _method(*more: str) -> Method:
    return build_classifier(_cfg(*more), 7)


def _step(method: Method, episode: Episode) -> dict[str, torch.Tensor]:
    """One step of training; the gradients."""
    optimizer = torch.optim.SGD([p for group in method.parameter_groups().values() for p in group], lr=0.01)
    method.loss(method.train()(episode), episode)["total"].backward()
    gradients = {name: p.grad.clone() for name, p in method.named_parameters() if p.grad is not None}
    optimizer.step()
    return gradients


def _unseen(name: str) -> bool:
    """Whether a softmax or a norm hides the parameter, so that its gradient is zero up to rounding."""
    return name.endswith(("key.bias", "expand.bias", "merge.bias"))


@pytest.mark.parametrize("backbone", ["resnet12", "resnet12_pooled", "conv4"])
@pytest.mark.parametrize("neck", NECKS)
@pytest.mark.parametrize("name", ["amtnet", "can", "cecnet", "dmf", "patchproto", "spatialformer", "tsf"])
def test_every_neck_learns_on_every_backbone_in_front_of_every_method(backbone: str, neck: str, name: str) -> None:
    method = _method("METHOD.NAME", name, "BACKBONE.NAME", backbone, "METHOD.NECK", neck, "METHOD.DMF.GROUPS", "4")
    for _ in range(2):
        gradients = _step(method, EPISODE)
    own = {name for name, _ in method.named_parameters() if name.startswith("backbone.neck.")}
    assert own
    assert [name for name in own if not _unseen(name) and float(gradients[name].abs().max()) == 0] == []
    with torch.inference_mode():
        scores = method.eval()(EPISODE)
    assert scores.shape == (2, 2, 3)
    assert torch.isfinite(scores).all()


@pytest.mark.parametrize("cross", CROSSES)
@pytest.mark.parametrize("name", TAKE_CROSS)
@pytest.mark.parametrize("neck", ["none", "tsf"])
def test_every_attention_of_pairs_learns_in_front_of_every_metric_of_the_family(
    cross: str, name: str, neck: str
) -> None:
    method = _method("METHOD.NAME", name, "METHOD.CROSS", cross, "METHOD.NECK", neck, "METHOD.TASKS.ROTATION", "True")
    for _ in range(2):
        gradients = _step(method, EPISODE)
    own = {name for name, _ in method.named_parameters() if name.startswith("cross.")}
    assert own
    assert [name for name in own if not _unseen(name) and float(gradients[name].abs().max()) == 0] == []
    many = made_up_episode(n_query=19, size=(28, 28))  # more than are paired together
    with torch.inference_mode():
        scores = method.eval()(many)
        single = method(_query(many, 17))
    assert scores.shape == (2, 19, 3)
    torch.testing.assert_close(scores[:, 17:18], single, atol=1e-4, rtol=1e-4)


def _query(episode: Episode, number: int) -> Episode:
    return Episode(
        episode.support_images,
        episode.support_labels,
        episode.query_images[:, number : number + 1],
        episode.query_labels[:, number : number + 1],
        episode.classes,
        episode.numbers,
    )


def _same(one: Method, other: Method, renamed: dict[str, str]) -> None:
    """Both compute the same scores, and the same losses and gradients in training, once they share their weights."""
    state = {}
    for name, value in one.state_dict().items():
        ours = next((new + name.removeprefix(old) for old, new in renamed.items() if name.startswith(old)), name)
        state[ours] = value
    other.load_state_dict(state)
    with torch.inference_mode():
        torch.testing.assert_close(other.eval()(EPISODE), one.eval()(EPISODE), atol=1e-5, rtol=0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first = one.loss(one.train()(EPISODE), EPISODE)
        torch.manual_seed(0)
        second = other.loss(other.train()(EPISODE), EPISODE)
    assert first.keys() == second.keys()
    for name in first:
        torch.testing.assert_close(first[name], second[name], atol=1e-5, rtol=0)


def test_tsfs_neck_in_front_of_the_plain_metric_is_tsf() -> None:
    plugged = _method("METHOD.NAME", "patchproto", "METHOD.NECK", "tsf")
    _same(_method("METHOD.NAME", "tsf"), plugged, {"backbone.": "backbone.bare.", "neck.": "backbone.neck."})


def test_cecm_in_front_of_the_metric_of_cecnet_is_cecnet() -> None:
    options = ("METHOD.NAME", "cecnet", "METHOD.CECNET.CLUSTER")
    own = _method(*options, "gcn", "METHOD.CECNET.DISTANCE", "cosine")
    bare = _method(*options, "none", "METHOD.CECNET.DISTANCE", "cosine")
    plugged = _method("METHOD.NAME", "patchproto", "METHOD.CROSS", "cecm", "METHOD.CECNET.CLUSTER", "gcn")
    cosine = _method(*options, "gcn", "METHOD.CECNET.DISTANCE", "none")
    _same(cosine, plugged, {"connection.": "cross.connection."})
    bare.cross = plugged.cross
    bare.load_state_dict(plugged.state_dict())
    own.load_state_dict({n.replace("cross.connection.", "connection."): v for n, v in plugged.state_dict().items()})
    with torch.inference_mode():
        torch.testing.assert_close(bare.eval()(EPISODE), own.eval()(EPISODE), atol=1e-5, rtol=0)


def test_spatialformers_attention_in_front_of_the_plain_metric_is_what_spatialformer_has_without_sfta() -> None:
    former = _method("METHOD.NAME", "spatialformer", "METHOD.SPATIALFORMER.NOVEL_TASK", "False").eval()
    plugged = _method("METHOD.NAME", "patchproto", "METHOD.CROSS", "sfsa").eval()
    plugged.backbone.load_state_dict(former.backbone.state_dict())
    plugged.cross.unit.load_state_dict(former.semantic.state_dict())
    with torch.no_grad():  # a feed-forward block with norm 0 says nothing, so that the sum of both maps is SFSA's
        former.target.feed_forward.norm.weight.zero_()
        former.target.feed_forward.norm.bias.zero_()
        torch.testing.assert_close(plugged(EPISODE), former(EPISODE), atol=1e-5, rtol=0)


def test_sfta_attends_to_the_methods_own_classifier_without_teaching_it() -> None:
    method = _method("METHOD.NAME", "can", "METHOD.NECK", "sfta")
    assert not any("classifier" in name for name, _ in method.backbone.named_parameters())
    images = EPISODE.query_images[0]
    before = method.eval().encode(images).maps["layer4"].detach()
    with torch.no_grad():
        method.classifier.weight.mul_(-2.0)
    after = method.encode(images).maps["layer4"]
    assert float((before - after.detach()).abs().max()) > 1e-3
    after.sum().backward()
    assert method.classifier.weight.grad is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("METHOD.NECK", "tsg"), "METHOD.NECK is 'tsg', expected one of none, cece, tsf, sfta; did you mean 'tsf'"),
        (("METHOD.CROSS", "tcam"), "METHOD.CROSS is 'tcam', expected one of none, cecm, sfsa"),
        (("METHOD.CROSS", "sfsa", "METHOD.NAME", "can"), "METHOD.CROSS is 'sfsa', but METHOD.NAME can has its own way"),
        (("METHOD.CROSS", "sfsa", "METHOD.NAME", "spatialformer"), "those that take one: amtnet, cecnet, patchproto"),
        (("METHOD.NECK", "sfta", "METHOD.NAME", "tasnet"), "METHOD.NAME tasnet has no classifier of base classes"),
        (("METHOD.NECK", "tsf", "METHOD.TSF.HEADS", "3"), "METHOD.TSF.HEADS is 3, but must divide the 8 channels"),
        (("METHOD.NECK", "cece", "METHOD.CECE.CLUSTER", "mean"), "METHOD.CECE.CLUSTER is 'mean'"),
        (
            ("METHOD.NAME", "cecnet", "METHOD.CROSS", "sfsa", "METHOD.CECNET.CONNECT", "one_to_many"),
            "one_to_many needs query maps that are the same for all classes",
        ),
        (
            ("METHOD.NAME", "cecnet", "METHOD.CECNET.CLUSTER", "none", "METHOD.CECNET.FINE_TUNING", "True"),
            "switch fine-tuning off or name a cluster",
        ),
    ],
)
def test_plug_ins_that_do_not_fit_are_one_clear_line(options: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        _method(*options)


def test_results_say_what_was_plugged_in() -> None:
    assert full_name(_cfg("METHOD.NAME", "can")) == "can"
    assert full_name(_cfg("METHOD.NAME", "amtnet", "METHOD.NECK", "tsf", "METHOD.CROSS", "sfsa")) == "amtnet+tsf+sfsa"


def test_a_frozen_backbone_comes_with_its_trained_filter_or_not_at_all(tmp_path: Path) -> None:
    plugged = ("METHOD.NECK", "tsf")
    trained = _method("METHOD.NAME", "base_classifier", *plugged, "SEED", "1")
    save_file(trained.state_dict(), tmp_path / "best.safetensors")
    necked, bare = (_method("METHOD.NAME", "prototypes", *more).backbone for more in (plugged, ()))
    load_backbone(necked, "resnet12", str(tmp_path))
    assert torch.equal(necked.neck.tokens, trained.backbone.neck.tokens)
    with pytest.raises(InputError, match="surplus"):
        load_backbone(bare, "resnet12", str(tmp_path))
