"""`python tools/test_gfss.py --help`; the command itself lives in sccan/commands/test_gfss.py."""

from sccan.commands.entry import run_main
from sccan.commands.test_gfss import main

if __name__ == "__main__":
    run_main(main)
