"""The fitted words against torch's Adam and autograd; episodes do not touch each other."""

import torch
import torch.nn.functional as F

from sccan.classification.words.learner import FitSettings, WordLearner, fit_word_learner, word_loss


def _start(n_batch: int = 1) -> tuple[WordLearner, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((n_batch, 4, 6), (n_batch, 4), (n_batch, 5, 6), (n_batch, 5, 4))
    weight, bias, features, words = (torch.randn(s, generator=generator) for s in shapes)
    return WordLearner(weight, bias), features, words


def test_the_fit_is_that_of_torchs_adam_on_the_autograd_loss() -> None:
    start, features, words = _start()
    settings = FitSettings(steps=25, rate=0.05, factor=0.5, every=10, decay=0.01)
    weight, bias = (one[0].clone().requires_grad_() for one in (start.weight, start.bias))
    optimizer = torch.optim.Adam([weight, bias], lr=settings.rate, weight_decay=settings.decay)
    want = []
    for step in range(25):
        optimizer.param_groups[0]["lr"] = 0.05 * 0.5 ** (step // 10)
        loss = word_loss(F.linear(features[0], weight, bias), words[0])
        optimizer.zero_grad()
        loss.backward()
        want.append(loss.item())
        optimizer.step()
    with torch.inference_mode():
        learner, losses = fit_word_learner(start, features, words, settings)
    torch.testing.assert_close(losses[:, 0], torch.tensor(want), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(learner.weight[0], weight.detach(), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(learner.bias[0], bias.detach(), atol=1e-4, rtol=1e-3)
    assert want[-1] < want[0]


def test_episodes_fitted_together_are_those_fitted_alone_and_the_start_is_kept() -> None:
    start, features, words = _start(3)
    before = start.weight.clone()
    together, losses = fit_word_learner(start, features, words)
    assert losses.shape == (100, 3)
    assert torch.equal(start.weight, before)
    for number in range(3):
        alone, _ = fit_word_learner(
            WordLearner(start.weight[number, None], start.bias[number, None]),
            features[number, None],
            words[number, None],
        )
        torch.testing.assert_close(together.weight[number], alone.weight[0], atol=1e-5, rtol=1e-4)


def test_the_loss_is_one_minus_the_cosine() -> None:
    predicted, words = torch.tensor([[1.0, 0.0], [2.0, 2.0]]), torch.tensor([[0.0, 3.0], [1.0, 1.0]])
    torch.testing.assert_close(word_loss(predicted, words), torch.tensor(0.5))
