"""`python tools/prepare_words.py --help`; the command itself lives in sccan/commands/prepare_words.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a checkout need not be installed

from sccan.commands.entry import run_main
from sccan.commands.prepare_words import main

if __name__ == "__main__":
    run_main(main)
