"""`python tools/benchmark.py --help`; the command itself lives in sccan/commands/benchmark.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a checkout need not be installed

from sccan.commands.benchmark import main
from sccan.commands.entry import run_main

if __name__ == "__main__":
    run_main(main)
