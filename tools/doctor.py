"""`python tools/doctor.py --help`; the command itself lives in sccan/commands/doctor.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a checkout need not be installed

from sccan.commands.doctor import main
from sccan.commands.entry import run_main

if __name__ == "__main__":
    run_main(main)
