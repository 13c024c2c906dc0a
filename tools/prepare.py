"""`python tools/prepare.py --help`; the command itself lives in sccan/commands/prepare.py."""

from sccan.commands.entry import run_main
from sccan.commands.prepare import main

if __name__ == "__main__":
    run_main(main)
