"""Train what a config names: a few-shot method, or the base learner that makes its backbone."""

import torch
from yacs.config import CfgNode

from sccan.builders.classification import data as classification
from sccan.builders.engine import open_training_run, optimizer_settings, run_folder, train_settings
from sccan.builders.memory import require_memory
from sccan.builders.released.checkpoint import model_settings
from sccan.builders.segmentation import training as segmentation_training
from sccan.builders.segmentation.models import BASE_LEARNERS
from sccan.commands.entry import add_config_options, parser, say
from sccan.engine.distributed import start
from sccan.engine.train import train
from sccan.errors import InputError
from sccan.report.tables import percent
from sccan.settings.loading import load_config

EXAMPLE = """  python train_sccan.py --config=config/coco/coco_split0_resnet50_5s.yaml
  torchrun --nproc_per_node=4 train_sccan.py --config=config/coco/coco_split0_resnet50_5s.yaml
  python train_sccan.py --config=config/shapes/shapes_split0.yaml --opts TRAIN.BATCH_SIZE 4"""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: trained to the end; 3: stopped before it (interrupted, out of time) and can be resumed."""
    command = parser("Train a few-shot method, or the base learner that makes its backbone.", EXAMPLE)
    command.add_argument("--resume", action="store_true", help="go on where the run in this folder stopped")
    command.add_argument("--overwrite", action="store_true", help="replace the run in this folder")
    add_config_options(command)
    args = command.parse_args(argv)
    cfg = load_config(args.config, args.opts)
    settings = train_settings(cfg)
    with start(cfg.DEVICE) as runtime:
        task = classification if classification.is_classification(cfg) else segmentation_training
        require_fit(cfg, runtime.device)
        job = task.training_job(cfg, runtime)
        optimizers = optimizer_settings(cfg, job.model)
        with open_training_run(cfg, runtime, job.model, resume=args.resume, overwrite=args.overwrite) as run:
            if runtime.is_main:
                where = f"{runtime.device}, {runtime.world_size} process{'es' if runtime.world_size > 1 else ''}"
                say(f"run {run.folder} on {where}", *job.notes)
            header = {**job.header, "settings": model_settings(cfg)}
            try:
                result = train(job.model, job.task, run, runtime, settings, optimizers, header=header)
            except InputError:
                run.forget()
                raise
        if runtime.is_main:
            best = "nothing validated" if result.best_score is None else f"best score {percent(result.best_score)}"
            print(f"{result.reason} after {result.step} of {result.total} steps; {best}, step {result.best_step}")
            if result.complete:
                say(f"test it: python test_sccan.py --config={args.config}")
            else:
                say(f"resume it: the same command with --resume (state in {run_folder(cfg)})")
    return 0 if result.complete else 3


def require_fit(cfg: CfgNode, device: torch.device) -> None:
    """Raises InputError: the settings ask for more memory than there is."""
    labels = classification.is_classification(cfg)
    require_memory(cfg, device, classification=labels, learns_backbone=labels or cfg.METHOD.NAME in BASE_LEARNERS)
