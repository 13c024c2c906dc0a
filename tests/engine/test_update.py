"""One update: accumulation, precision, clipping, and the checks of what is trained."""

import pytest
import torch
from torch import Tensor, nn

from sccan.engine.optimizers import OptimizerSettings
from sccan.engine.update import Updater
from sccan.episodes.episode import Episode
from sccan.errors import InputError
from tests.engine.toy import RECIPE, ToyMethod, ToyTask, cpu

SGD = {name: OptimizerSettings("sgd", lr=0.1, momentum=0.0, weight_decay=0.0) for name in ("head", "transformer")}


def episodes(batch_size: int, batches: int = 1) -> list[Episode]:
    return [episode for _, episode in ToyTask(batches, batch_size).batches(0, 0)]


def halves(episode: Episode) -> list[Episode]:
    """The batch in two: every tensor cut in the middle."""
    cut = len(episode.numbers) // 2
    tensors = {name: value for name, value in vars(episode).items() if isinstance(value, Tensor)}
    return [
        Episode(**{name: value[part] for name, value in tensors.items()}) for part in (slice(cut), slice(cut, None))
    ]


def scaled(updater: Updater, scale: float) -> None:
    """Sets the factor by which fp16 multiplies the loss."""
    state = updater.state()
    updater.load_state({**state, "scaler": {**state["scaler"], "scale": scale}}, "here")


def updated(model: ToyMethod, batches: list[Episode], **options) -> dict[str, Tensor]:
    updater = Updater(model, options.pop("optimizers", RECIPE), 10, cpu(), **options)
    if options.get("precision") == "fp16":
        scaled(updater, 2.0**8)
    for number in (1, 2):
        losses = updater.step(number, batches, len(batches))
    return losses


def test_two_half_batches_are_one_batch() -> None:
    (whole,) = episodes(4)
    one, two = ToyMethod(plain=True), ToyMethod(plain=True)
    first, second = updated(one, [whole]), updated(two, halves(whole))
    torch.testing.assert_close(first, second)
    for name, value in one.state_dict().items():
        torch.testing.assert_close(value, two.state_dict()[name], msg=name)


def test_clipping_bounds_the_norm_of_all_groups_together() -> None:
    model = ToyMethod(plain=True)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    Updater(model, SGD, 10, cpu(), clip_norm=0.01).step(1, episodes(4), 1)
    moved = torch.cat([(p.detach() - b).flatten() for p, b in zip(model.parameters(), before, strict=True)])
    assert moved.norm().item() == pytest.approx(0.1 * 0.01, rel=1e-3)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precision_moves_the_weights_about_alike(precision: str) -> None:
    full, low = ToyMethod(plain=True), ToyMethod(plain=True)
    updated(full, episodes(4), optimizers=SGD, clip_norm=1.0)
    updated(low, episodes(4), optimizers=SGD, clip_norm=1.0, precision=precision)
    assert not torch.equal(full.backbone.weight, low.backbone.weight)
    for name, value in full.state_dict().items():
        torch.testing.assert_close(value, low.state_dict()[name], atol=5e-3, rtol=0, msg=name)
        assert low.state_dict()[name].dtype == value.dtype


def test_an_overflow_in_fp16_skips_the_step_and_halves_the_scale() -> None:
    model = ToyMethod(plain=True)
    updater = Updater(model, SGD, 10, cpu(), precision="fp16")
    scaled(updater, 2.0**120)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    updater.step(1, episodes(4), 1)
    for name, value in before.items():
        assert torch.equal(value, model.state_dict()[name])
    assert updater.state()["scaler"]["scale"] == 2.0**119


def test_weights_that_are_not_finite_are_found() -> None:
    model = ToyMethod()
    updater = Updater(model, SGD, 10, cpu())
    updater.check_finite(3)
    model.classifier.weight.data[0, 0] = float("inf")
    with pytest.raises(InputError, match="the weights are not finite after step 4"):
        updater.check_finite(4)


def test_every_trainable_parameter_belongs_to_one_group() -> None:
    class Lacking(ToyMethod):
        def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
            return {"head": list(self.backbone.parameters()), "transformer": list(self.classifier.parameters())}

    with pytest.raises(ValueError, match=r"norm.weight stands 0 times in the parameter groups, but every trainable"):
        Updater(Lacking(), RECIPE, 10, cpu())
    frozen = ToyMethod()
    frozen.norm.requires_grad_(False)
    with pytest.raises(ValueError, match=r"norm.weight stands 1 times in the parameter groups, but it is frozen"):
        Updater(frozen, RECIPE, 10, cpu())
    frozen = Lacking()
    frozen.norm.requires_grad_(False)
    Updater(frozen, RECIPE, 10, cpu()).step(1, episodes(2), 1)


def test_a_parameter_without_gradient_is_named() -> None:
    class Unused(ToyMethod):
        def __init__(self) -> None:
            super().__init__()
            self.spare = nn.Parameter(torch.zeros(1))

        def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
            groups = super().parameter_groups()
            return {**groups, "head": [*groups["head"], self.spare]}

    with pytest.raises(ValueError, match="no gradient reaches spare; set requires_grad to False"):
        Updater(Unused(), RECIPE, 10, cpu()).step(1, episodes(2), 1)


def test_the_state_of_another_model_is_refused() -> None:
    state = Updater(ToyMethod(), RECIPE, 10, cpu()).state()
    with pytest.raises(InputError, match=r"last.pt does not fit the model: 5 surplus"):
        Updater(ToyMethod(plain=True), RECIPE, 10, cpu()).load_state(state, "last.pt")
