"""Pages and sheets from settings: episodes of a run, and the report of a run."""

from __future__ import annotations

from pathlib import Path

from yacs.config import CfgNode

from sccan.builders.engine import evaluator
from sccan.builders.segmentation.data import logit_score, protocol_of
from sccan.builders.segmentation.testing import FoldTest, Tested
from sccan.engine.distributed import Runtime
from sccan.files.writing import write_text_atomically
from sccan.report.episodes import BEST, DISAGREE, FIRST, WORST, EpisodePicture, episode_sections
from sccan.report.page import Page
from sccan.report.result_page import logged_curve, read_log, result_sections, training_section
from sccan.report.results import Result
from sccan.segmentation.evaluation.drawing import draw_episodes
from sccan.segmentation.evaluation.iou import episode_iou
from sccan.segmentation.methods.all_answers import AllAnswers, disagreement_rows
from sccan.segmentation.methods.bam import BAM

Groups = list[tuple[str, list[EpisodePicture]]]


def episode_groups(cfg: CfgNode, runtime: Runtime, job: FoldTest, tested: Tested, *, first: int, shown: int) -> Groups:
    """The worst and the best of the first episodes of a list, and the very first ones, drawn.

    Of BAM also those on which its two learners disagree over most pixels.

    Args:
        first: how many episodes are scored for ranking.
        shown: how many of each group are drawn.
    """
    source, method = tested.source.first(first), protocol_of(cfg).method(job.method)
    specs = source.specs
    rows = evaluator(cfg, runtime, progress="ranking episodes")(method, source, logit_score(cfg))
    order = episode_iou(rows).argsort().tolist()
    worst, best = order[:shown], order[::-1][:shown]
    chosen = {WORST: worst, BEST: [i for i in best if i not in worst], FIRST: list(range(min(shown, len(specs))))}
    if isinstance(job.method, BAM):
        run = evaluator(cfg, runtime, progress="comparing the learners")
        pixels = run(AllAnswers(job.method), source, disagreement_rows)[:, -1]
        most = pixels.argsort(descending=True, stable=True).tolist()
        chosen[DISAGREE] = [i for i in most[:shown] if pixels[i] > 0]
    comparison = logit_score(cfg).comparison
    return [
        (name, list(draw_episodes(method, source, [specs[i] for i in numbers], comparison, runtime.device)))
        for name, numbers in chosen.items()
    ]


def write_report(path: Path, result: Result, groups: Groups, log: Path | None) -> Path:
    """One self-contained HTML page of a tested run: numbers, curves of the training, episodes."""
    sections = result_sections(result)
    if log is not None and log.is_file():
        entries = read_log(log)
        losses = [logged_curve(entries, "loss", "step", "losses.total")]
        scores = [logged_curve(entries, "validation", "step", "validation.score")]
        sections.append(training_section(losses, scores))
    sections += episode_sections(groups)
    return write_text_atomically(path, Page(result.title, sections, subtitle=result.protocol).render())
