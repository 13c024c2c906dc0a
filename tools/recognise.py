"""`python tools/recognise.py --config FILE --support DIR --pictures DIR --out DIR`; see sccan/commands/recognise.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a checkout need not be installed

from sccan.commands.entry import run_main
from sccan.commands.recognise import main

if __name__ == "__main__":
    run_main(main)
