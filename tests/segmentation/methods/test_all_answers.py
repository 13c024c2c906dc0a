"""Stacked answers of BAM, and where its learners disagree."""

import torch

from sccan.episodes.episode import EpisodeSpec
from sccan.segmentation.methods.all_answers import AllAnswers, FinalSink, disagreement_rows, unstacked
from tests.segmentation.methods.episodes import BASE, made_up_episode
from tests.segmentation.methods.test_bam import _model


def test_the_stacked_answers_are_those_of_the_model() -> None:
    model, episode = _model().eval(), made_up_episode()
    final, meta, base = unstacked(AllAnswers(model).eval()(episode))
    torch.testing.assert_close(final, model(episode))
    support, query = model.encode_episode(episode)
    answers = model.answers(query, model.condition(support, episode.support_labels)).resized((49, 65))
    torch.testing.assert_close(meta, answers.meta)
    torch.testing.assert_close(base, answers.base)
    assert base.shape[2] == len(BASE) + 1


def test_the_own_class_of_an_episode_is_left_out_as_in_the_model_itself() -> None:
    model, episode = _model().eval(), made_up_episode(classes=(BASE[1], BASE[2]))
    final, _, _ = unstacked(AllAnswers(model).eval()(episode))
    torch.testing.assert_close(final, model(episode))
    assert not torch.equal(model(episode), model(made_up_episode(classes=(3, 4))))


def test_a_sink_gets_the_ensembles_share() -> None:
    outputs, seen = torch.rand(2, 1, 9, 3, 4), []
    FinalSink(lambda specs, pictures, maps: seen.append((specs, pictures, maps)))([], {}, outputs)
    assert torch.equal(seen[0][2], outputs[:, :, :2])


def test_disagreement_is_foreground_of_one_on_a_base_class_of_the_other() -> None:
    meta = torch.tensor([[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 2.0]]).view(2, 1, 4)
    base = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 2.0, 1.0], [0.0, 0.0, 0.0, 3.0]]).view(3, 1, 4)
    outputs = torch.cat([torch.zeros(2, 1, 4), meta, base])[None, None]
    rows = disagreement_rows(outputs, [EpisodeSpec(5, (9,), ((1,),), ((2,),))], {})
    assert rows.tolist() == [[5, 9, 2]]
