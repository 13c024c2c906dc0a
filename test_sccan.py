"""`python test_sccan.py --config=config/coco/coco_split0_resnet50_5s.yaml`; see sccan/commands/test.py and --help."""

from sccan.commands.entry import run_main
from sccan.commands.test import main

if __name__ == "__main__":
    run_main(main)
