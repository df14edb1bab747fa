"""`python -m turnout` is `turnout`."""

from turnout.cli.main import main

if __name__ == "__main__":
    main(prog_name="turnout")
