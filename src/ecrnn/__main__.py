"""`python -m ecrnn` is the command `ecrnn`."""

from ecrnn.cli.main import main

main()
