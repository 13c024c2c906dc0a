"""`python tools/convert_checkpoint.py FILE ... [--out PATH] [--prove]`; see sccan/commands/convert_checkpoint.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a checkout need not be installed

from sccan.commands.convert_checkpoint import main
from sccan.commands.entry import run_main

if __name__ == "__main__":
    run_main(main)
