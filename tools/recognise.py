"""`python tools/recognise.py --config FILE --support DIR --pictures DIR --out DIR`; see sccan/commands/recognise.py."""

from sccan.commands.entry import run_main
from sccan.commands.recognise import main

if __name__ == "__main__":
    run_main(main)
