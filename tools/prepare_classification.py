"""`python tools/prepare_classification.py --source DIR --to DIR`; see sccan/commands/prepare_classification.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a checkout need not be installed

from sccan.commands.entry import run_main
from sccan.commands.prepare_classification import main

if __name__ == "__main__":
    run_main(main)
