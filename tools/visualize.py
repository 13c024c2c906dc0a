"""`python tools/visualize.py --help`; the command itself lives in sccan/commands/visualize.py."""

from sccan.commands.entry import run_main
from sccan.commands.visualize import main

if __name__ == "__main__":
    run_main(main)
