"""`python tools/episodes.py --help`; the command itself lives in sccan/commands/episodes.py."""

from sccan.commands.entry import run_main
from sccan.commands.episodes import main

if __name__ == "__main__":
    run_main(main)
